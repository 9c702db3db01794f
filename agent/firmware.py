"""What the firmware decided about virtualization, and how it started this system."""

import os
import struct

from agent.facts import NotOk

FEATURE_CONTROL = 0x3A  # Intel SDM vol. 4: bit 0 locked, bit 1 VMX inside SMX, bit 2 VMX outside SMX
VM_CR = 0xC0010114  # AMD APM vol. 2, 15.30.1: bit 3 lock, bit 4 SVM disabled
EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"


def read_msr(fd, number):
    """Return one model-specific register, None when this CPU does not have it (EIO)."""
    try:
        return struct.unpack("<Q", os.pread(fd, 8, number))[0]
    except OSError:
        return None


def one_cpu(cpu):
    """Return the two registers by which firmware switches VMX or SVM off, of one CPU."""
    fd = os.open("/dev/cpu/%d/msr" % cpu, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return {"feature_control": read_msr(fd, FEATURE_CONTROL), "vm_cr": read_msr(fd, VM_CR)}
    finally:
        os.close(fd)


def msr(machine):
    """Return these registers of CPU 0 (root, and the msr module), and those CPUs that have others."""
    value = one_cpu(0)
    different = []
    for name in machine.listed("/dev/cpu")[:512]:
        if name.isdecimal() and name != "0":
            try:
                other = one_cpu(int(name))
            except OSError:
                continue
            if other != {key: value[key] for key in other}:
                different.append(dict(other, cpu=int(name)))
    value["different"] = different[:64]
    return value


def boot(machine):
    """Return whether UEFI started this system, whether Secure Boot is on, and the kernel's lockdown mode."""
    value = {}  # type: dict
    value.update(uefi=bool(machine.listed("/sys/firmware/efi")), secure_boot=None, lockdown=None)
    try:
        raw = machine.text("/sys/firmware/efi/efivars/SecureBoot-" + EFI_GLOBAL, 16)
        value["secure_boot"] = raw[4:5] == "\x01"  # four bytes of attributes, then the value
    except OSError:
        pass
    lockdown = machine.line("/sys/kernel/security/lockdown") or ""
    if "[" in lockdown:
        value["lockdown"] = lockdown.partition("[")[2].partition("]")[0][:32]
    return value


def iommu(machine):
    """Return which ACPI tables describe an IOMMU, and how many groups the kernel made: what pass-through needs."""
    tables = machine.listed("/sys/firmware/acpi/tables")
    groups = machine.listed("/sys/kernel/iommu_groups")
    if not tables and not groups:
        raise NotOk("absent", "neither ACPI tables nor IOMMU groups are to be seen")
    return {"tables": [name for name in ("DMAR", "IVRS", "IORT") if name in tables], "groups": len(groups)}
