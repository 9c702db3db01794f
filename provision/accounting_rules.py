"""What it means that a provider does not take a field as it is written, for `nestproof explain` and for other tools."""

from collections.abc import Mapping

from provision.manifests.rulebook import Rule
from provision.model import Handling, Severity

RULES: Mapping[Handling, Rule] = {
    Handling.REFUSED: Rule(
        "field-refused",
        Severity.NOTE,
        "a provider that --provider names cannot do this, and without it the VM would not be what was asked for: "
        "apply stops there",
        "remove the field, or take another provider or version for this VM",
    ),
    Handling.UNSUPPORTED: Rule(
        "field-unsupported",
        Severity.NOTE,
        "a provider that --provider names has nothing like it: the VM is made without",
        "nothing where the VM can do without, else remove the field or take another provider",
    ),
    Handling.APPROXIMATED: Rule(
        "field-approximated",
        Severity.NOTE,
        "a provider that --provider names comes near to it and does not do quite the same",
        "read how, and decide whether that is enough",
    ),
}
"""By handling; what is not here asks for nothing."""
