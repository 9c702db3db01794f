"""Nesting on other architectures than x86: the right question on each.

arm64: KVM_CAP_ARM_EL2 (Linux 6.16 and later, booted with kvm-arm.mode=nested, FEAT_NV2). s390x: the parameter of the
kvm module and the sie facility. ppc64le: KVM_CAP_PPC_NESTED_HV. Nothing is known of riscv64.
"""

from agent.facts import NotOk
from agent.kvm.ioctls import CHECK_EXTENSION, opened, plain


def offered(machine, arch):
    """Return the value of ``kvm.offered`` for an architecture without VMX and SVM: ``nested``, and what told it."""
    if arch in ("aarch64", "arm64"):
        answer, how = plain(opened(machine), CHECK_EXTENSION, 240), "KVM_CAP_ARM_EL2"
    elif arch.startswith("ppc64"):
        answer, how = plain(opened(machine), CHECK_EXTENSION, 160), "KVM_CAP_PPC_NESTED_HV"
    elif arch == "s390x":
        opened(machine)
        answer, how = machine.line("/sys/module/kvm/parameters/nested") not in (None, "0", "N"), "kvm.nested"
    else:
        raise NotOk("unsupported", "nothing is known about nesting on %s" % arch)
    return {"vmx": False, "svm": False, "nested_paging": None, "nested": bool(answer), "how": how}
