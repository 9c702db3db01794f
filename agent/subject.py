"""Which machine a report is about."""

import os


def subject(machine, vm):
    """Return hostname, machine-id, boot-id, DMI UUID and the name that provisioning gave; null where unknown."""

    def get(*paths):
        for path in paths:
            text = machine.line(path)
            if text:
                return text[:256]
        return None

    hostname = get("/proc/sys/kernel/hostname", "/etc/hostname")
    return {
        "hostname": hostname or (os.uname().nodename if machine.root is None else None),
        "machine_id": get("/etc/machine-id", "/var/lib/dbus/machine-id"),
        "boot_id": get("/proc/sys/kernel/random/boot_id"),
        "dmi_uuid": get("/sys/class/dmi/id/product_uuid"),
        "vm": vm,
    }
