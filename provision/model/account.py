"""What becomes of each field that a user set."""

from enum import StrEnum

import msgspec

from provision.model.origin import Origin


class SetField(msgspec.Struct, frozen=True):
    """One leaf field that the user set in a document that concerns a VM."""

    path: str
    """Kind and dotted path, such as `VirtualMachine spec.networks[0].name`."""
    schema: str
    """The same with every index and free key left open: `VirtualMachine spec.networks[].name`."""
    value: str
    """For people: shortened, safe to print, hidden where it may be a secret."""
    is_default: bool
    """It asks for nothing that leaving it out would not give."""
    origin: Origin


class Handling(StrEnum):
    """What becomes of one field of a manifest on one provider."""

    HONOURED = "honoured"
    APPROXIMATED = "approximated"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    INFORMATIVE = "informative"
    """Asks nothing of this provider: a description for people, a part for another provider or for Kubernetes."""


class FieldAccount(msgspec.Struct, frozen=True):
    """The account of one field that the user set: what this provider does with it, and why."""

    path: str
    """Kind and dotted path, such as `VMClass spec.performanceProfile.nestedVirtualization`."""
    value: str
    handling: Handling
    how: str
    origin: Origin
