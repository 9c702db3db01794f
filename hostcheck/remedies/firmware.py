"""Hardware virtualization that the machine's firmware has switched off."""

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy, Where
from hostcheck.remedies.book import recipe
from hostcheck.remedies.vm import expose_to_this_vm

NAMES = {"kvm_intel": "Intel Virtualization Technology (VT-x)", "kvm_amd": "SVM Mode (AMD-V)"}
LOCKED = "power the machine off and on: the lock survives a warm reboot"
RISK = "the machine is down until somebody has been in its set-up"

BY_UEFI = recipe(
    "firmware.enable",
    "enable {name} in the firmware set-up",
    "systemctl reboot --firmware-setup",
    where=Where.HOST_FIRMWARE,
    then=LOCKED,
    needs=Needs.POWER_CYCLE,
    risk=RISK,
    applies="systems started by UEFI, with systemd",
)
BY_HAND = recipe(
    "firmware.enable-by-hand",
    "enable {name} in the firmware set-up, which a key at power-on opens",
    where=Where.HOST_FIRMWARE,
    then=LOCKED,
    needs=Needs.POWER_CYCLE,
    risk=RISK,
    applies="systems started by a legacy BIOS, or a management controller with a console",
)


def enable_in_firmware(facts: Facts) -> tuple[Remedy, ...]:
    """Off in firmware; inside a VM the virtual firmware only passes on what the VM was given."""
    if facts.is_vm:
        return expose_to_this_vm(facts)
    boot = facts.boot.known
    found = BY_HAND if boot is not None and not boot.uefi else BY_UEFI
    return (found.fill(facts, name=NAMES.get(facts.vendor_module, "hardware virtualization")),)
