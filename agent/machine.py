"""The machine that is looked at, and what it says of itself: DMI and kernel."""

import os

from agent.facts import NotOk
from agent.files import names, read

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


class Machine:
    """What the probes of one run share: where the tree starts, and answers that are needed more than once."""

    def __init__(self, root=None, measure=False, note=None, record=None):
        self.root = root
        self.record = record
        self.measure = measure
        self.note = note or (lambda _: None)
        self.kept = {}

    def once(self, key, get):
        """Return ``get()``, asked only the first time for this ``key``."""
        if key not in self.kept:
            self.kept[key] = get()
        return self.kept[key]

    def text(self, path, limit=65536):
        """Return the text of a file below the root; see :func:`agent.files.read` for what it raises."""
        text = read(self.root, path, limit)
        self.keep(path, text)
        return text

    def keep(self, path, text):
        """Record the text of a file, when this machine is being recorded."""
        if self.record is not None:
            from agent.record import keep_file

            keep_file(self.record, path, text)

    def list(self, path):
        """Return the sorted names in a directory below the root, at most 4096."""
        found = names(self.root, path)
        if self.record is not None:
            from agent.record import keep_names

            keep_names(self.record, path, found)
        return found

    def line(self, path):
        """Return the stripped text of a small file, None when it cannot be read."""
        try:
            return self.text(path, 4096).strip()
        except OSError:
            return None

    def listed(self, path):
        """Return the sorted names in a directory, none when it cannot be listed."""
        try:
            return self.list(path)
        except OSError:
            return []


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
