"""What a machine says of itself: DMI, kernel, distribution."""

import os

from agent.facts import NotOk

DMI = (
    "sys_vendor",
    "product_name",
    "product_version",
    "product_uuid",
    "product_serial",
    "product_family",
    "board_vendor",
    "board_name",
    "bios_vendor",
    "bios_version",
    "bios_date",
    "chassis_vendor",
    "chassis_asset_tag",
)


def dmi(machine):
    """Return the SMBIOS strings that can be read; the serial number and UUID are for root only."""
    value, error = {}, None
    for name in DMI:
        try:
            value[name] = machine.text("/sys/class/dmi/id/" + name, 256).strip()
        except OSError as e:
            if error is None or not isinstance(e, FileNotFoundError):
                error = e
    if not value and error is not None:
        raise error
    return value


def release(machine):
    """Return release, version and command line of the kernel."""
    value = {}
    for key, path in (
        ("release", "/proc/sys/kernel/osrelease"),
        ("version", "/proc/sys/kernel/version"),
        ("cmdline", "/proc/cmdline"),
    ):
        try:
            value[key] = machine.text(path, 4096).strip()
        except OSError:
            value[key] = ""
    if not value["release"]:
        if machine.root is not None:
            raise NotOk("absent", "ENOENT: no /proc/sys/kernel/osrelease in the tree")
        value["release"], value["version"] = os.uname().release, os.uname().version
    return value


def distribution(machine):
    """Return the distribution's id, version and relatives, by os-release(5); "" and [] where they are not told."""
    try:
        text = machine.text("/etc/os-release")
    except OSError:
        text = machine.text("/usr/lib/os-release")
    found = {}
    for line in text.split("\n"):
        key, _, value = line.partition("=")
        found[key.strip()] = value.strip().strip("\"'")[:64]
    return {
        "id": found.get("ID", ""),
        "version_id": found.get("VERSION_ID", ""),
        "id_like": found.get("ID_LIKE", "").split(),
    }
