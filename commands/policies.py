"""The policy of a run: the thresholds and waivers of the file that the user names, or of the user's own."""

from collections.abc import Iterable
from pathlib import Path

from commands.failures import Failure
from hostcheck.policy import Policy
from hostcheck.policy_file import PolicyError, load


def policy_in(path: Path | None = None) -> Policy:
    """The policy in a file, or the user's. Raises Failure with its line."""
    try:
        return load(path, _rules)
    except PolicyError as e:
        raise Failure(str(e)) from e


def _rules() -> Iterable[str]:
    """Those of lint can be waived too; they are looked up only for a name that is no check's."""
    from provision.manifests import rulebook, structure

    return structure.RULES | rulebook.RULES
