"""Records with secrets: whoever prints one sees none of them."""

import pytest

from provision import model
from provision.guarded import Guarded
from provision.manifests import secrets
from provision.providers.proxmox import credentials

SECRETIVE = [*(value for value in vars(model).values() if isinstance(value, type)), secrets.Text, credentials.Login]


@pytest.mark.parametrize("record", [each for each in SECRETIVE if issubclass(each, Guarded)], ids=lambda r: r.__name__)
def test_what_is_kept_back_is_printed_by_nobody(record: type[Guarded]) -> None:
    names = record.__struct_fields__
    assert record.kept_back <= set(names), "a name that is no field keeps nothing back"
    held = record(**{name: f"<{name}>" for name in names})
    for text in (repr(held), str(held), f"{held}", repr(held.__rich_repr__())):
        shown = {name for name in names if f"<{name}>" in text}
        assert shown == set(names) - record.kept_back


def test_the_records_that_hold_secrets_are_guarded() -> None:
    guarded = {each.__name__ for each in SECRETIVE if issubclass(each, Guarded)}
    assert guarded == {
        "Collector",
        "Credentials",
        "HttpRequest",
        "ImageSpec",
        "Login",
        "ProviderSpec",
        "Text",
        "VmSpec",
    }
