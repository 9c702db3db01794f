"""What KVM offers to guests: the authoritative answer to "is nesting on", whatever the module's parameter prints.

KVM_GET_SUPPORTED_CPUID shows VMX or SVM exactly when ``nested`` is on (vmx_set_cpu_caps, svm_set_cpu_caps);
KVM_CAP_NESTED_STATE does not tell, and the VMX feature MSRs are listed only with nested on.
"""

import os
import struct

from agent.kvm.ioctls import get_msr, opened, supported_cpuid

EPT, UNRESTRICTED, SHADOW_VMCS = 33, 39, 46  # allowed-1 bits of MSR 0x48B (secondary controls 1, 7, 14)


def cpuid(machine):
    """Return (raw struct, entries) of :func:`agent.kvm.ioctls.supported_cpuid`, asked once."""
    return machine.once("supported", lambda: supported_cpuid(opened(machine)))


def offered(machine):
    """Return which extension a guest can be given, and with what of it."""
    arch = os.uname().machine
    if arch not in ("x86_64", "i686", "i386"):
        from agent.kvm import elsewhere

        return elsewhere.offered(machine, arch)
    entries = cpuid(machine)[1]
    zero = entries.get((0, 0), (0, 0, 0, 0))
    value = {
        "vmx": bool(entries.get((1, 0), (0, 0, 0, 0))[2] >> 5 & 1),
        "svm": bool(entries.get((0x80000001, 0), (0, 0, 0, 0))[2] >> 2 & 1),
        "nested_paging": None,
        "vendor": struct.pack("<III", zero[1], zero[3], zero[2]).decode("latin-1"),
    }
    if value["svm"]:
        features = entries.get((0x8000000A, 0), (0, 0, 0, 0))
        value["nested_paging"] = bool(features[3] & 1)
        value["svm_features"] = features[3]
    if value["vmx"]:
        kvm = opened(machine)
        secondary = get_msr(kvm, 0x48B) or 0
        value["nested_paging"] = bool(secondary >> EPT & 1)
        value["unrestricted_guest"] = bool(secondary >> UNRESTRICTED & 1)
        value["shadow_vmcs"] = bool(secondary >> SHADOW_VMCS & 1)
    return value
