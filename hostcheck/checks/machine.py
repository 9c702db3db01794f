"""What this machine is: hypervisors under it, a container around it, a confidential VM, WSL. Two axes, kept apart."""

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.cpu import FEATURE_FACTS
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Severity
from hostcheck.remedies.device import CONTAINER
from hostcheck.remedies.vm import ORDINARY, WSL

PRODUCTS = {
    "KVMKVMKVM": "KVM",
    "Linux KVM Hv": "KVM",
    "TCGTCGTCGTCG": "QEMU TCG",
    "VMwareVMware": "VMware",
    "Microsoft Hv": "Hyper-V",
    "XenVMMXenVMM": "Xen",
    "VBoxVBoxVBox": "VirtualBox",
    "bhyve bhyve ": "bhyve",
    "QNXQVMBSQG": "QNX",
    "ACRNACRNACRN": "ACRN",
    "SRESRESRESRE": "LMHS SRE",
    "Apple VZ": "Apple Virtualization",
    "LKVMLKVMLKVM": "kvmtool",
    "OpenBSDVMM58": "OpenBSD vmm",
    "prl hyperv ": "Parallels",
    "Jailhouse": "Jailhouse",
    "IntelTDX    ": "Intel TDX",
}
"""Names by the signature in CPUID 0x40000000 and after, or 0x21; trailing blanks belong to some."""


SEV = 1 << 1
"""In EAX of CPUID 0x8000001F; a SEV guest always sees it. AMD APM vol. 3, appendix E."""


def product(signature: str) -> str:
    """For people; the signature itself where it is not known."""
    return PRODUCTS.get(signature) or PRODUCTS.get(signature.strip()) or repr(signature)


@check(
    "machine.confidential",
    question="Is this a confidential VM (SEV, TDX, secure execution), which cannot run VMs by design?",
    why="KVM refuses to load in a SEV guest, TDX has no VMX, and nothing that is set on the host changes that; yet it "
    "looks like a missing feature.",
    judged="/dev/sev-guest and /dev/tdx_guest, CPUID, the ultravisor's file on s390x, and the kernel's log. Fails "
    "when it is one and no guest ran.",
    severity=Severity.BLOCKS,
    facts=(*FEATURE_FACTS, "machine.confidential", "proof.plain"),
    gives=(PASS, WARN, FAIL, UNKNOWN),
    link=Link.CPU,
    remedies=("vm.ordinary",),
    links=("Linux, arch/x86/kvm/svm/svm.c: KVM is unsupported when running as an SEV guest",),
)
def machine_confidential(facts: Facts) -> Outcome:
    found = facts.confidential.known
    kind = found.kind if found else None
    source = found.why if found and found.why else facts.confidential.source
    if not kind and facts.cpuid.known and facts.cpuid.known.tdx_guest:
        kind, source = "tdx", "CPUID 0x21"
    if kind:
        evidence = (Evidence(source, kind),)
        if facts.guest_ran:
            return Outcome(WARN, f"this is a confidential VM ({kind}), and a guest ran all the same", evidence)
        summary = f"this is a confidential VM ({kind}), which cannot run VMs"
        return Outcome(FAIL, summary, evidence, (ORDINARY.fill(facts, kind=kind),))
    if facts.is_vm is False:
        return Outcome(PASS, "not a VM")
    if found is not None and not found.why:
        return Outcome(PASS, "no sign of a confidential VM")
    cpuid = facts.cpuid.known
    hidden = "Microsoft Hv" in facts.hypervisor_names  # Azure's confidential VMs do not show it in CPUID
    if not hidden and cpuid is not None and cpuid.sev_features is not None and not cpuid.sev_features & SEV:
        return Outcome(PASS, "CPUID shows neither SEV nor TDX", (Evidence(facts.cpuid.source, "no SEV, no TDX"),))
    reason = found.why if found is not None else facts.confidential.error
    return Outcome(UNKNOWN, f"whether this is a confidential VM could not be told: {reason}")


@check(
    "machine.hypervisor",
    question="What does this machine run under?",
    why="It says who has to be asked when vmx or svm is missing, and that firmware menus are not the place in a VM. A "
    "hypervisor that poses as another shows two signatures: all are named.",
    judged="Every signature in CPUID from 0x40000000 on, the hypervisor bit, and the DMI strings. It tells, and judges "
    "nothing.",
    severity=Severity.ADVISES,
    facts=("cpu.identity", "cpu.flags", "cpu.cpuid", "hypervisor.signatures", "machine.dmi", "machine.rivals"),
    gives=(PASS, UNKNOWN),
    links=("systemd-detect-virt(1)", "virt-what(1)"),
)
def machine_hypervisor(facts: Facts) -> Outcome:
    dmi = facts.dmi.value or {}
    made = " ".join(dmi[key] for key in ("sys_vendor", "product_name") if dmi.get(key))
    signatures = facts.signatures.known or ()
    evidence = [Evidence(facts.signatures.source, f"{s.signature!r} at {s.leaf:#x}") for s in signatures]
    evidence += [Evidence(facts.dmi.source, made)] if made else []
    names = list(dict.fromkeys(product(name) for name in facts.hypervisor_names))
    if facts.rivals.known and facts.rivals.known.xen_dom0:
        return Outcome(PASS, "the control domain of Xen (dom0)", tuple(evidence))
    if names:
        return Outcome(PASS, f"a VM under {' posing as '.join(reversed(names))}", tuple(evidence))
    if facts.is_vm:
        return Outcome(PASS, "a VM under a hypervisor that does not say its name", tuple(evidence))
    if facts.is_vm is None:
        return Outcome(UNKNOWN, f"CPUID could not be read: {facts.cpuid.error}", tuple(evidence))
    return Outcome(PASS, "no hypervisor under it", tuple(evidence))


@check(
    "machine.container",
    question="Is this a container, and does it have /dev/kvm?",
    why="A container shares its host's kernel: modules, parameters and firmware are the host's, and the device has "
    "to be handed in. Left-over marks of an image make other tools call a VM a container.",
    judged="Certain signs (control group and environment of process 1, /run/systemd/container) are told from files "
    "that an image may have left. Warns in a container without /dev/kvm.",
    severity=Severity.ADVISES,
    facts=("machine.container", "kvm.device"),
    gives=(PASS, WARN, UNKNOWN),
    remedies=("device.container",),
    links=("systemd-detect-virt(1)",),
)
def machine_container(facts: Facts) -> Outcome:
    container = facts.container.known
    if container is None:
        return Outcome(UNKNOWN, f"signs of a container could not be read: {facts.container.error}")
    evidence = tuple(Evidence(facts.container.source, trace) for trace in container.traces)
    if container.kind == "wsl":
        return Outcome(PASS, "no container; a distribution of WSL", evidence)
    if not container.kind:
        return Outcome(PASS, "no container", evidence)
    if not container.certain:
        return Outcome(PASS, f"no container: only left-over marks of {container.kind}", evidence)
    if facts.device.value is None or facts.device.value.open != "ok":
        summary = f"a container ({container.kind}) that cannot use its host's /dev/kvm"
        return Outcome(WARN, summary, evidence, (CONTAINER.fill(facts),))
    return Outcome(PASS, f"a container ({container.kind}) with /dev/kvm", evidence)


@check(
    "machine.wsl",
    question="If this is WSL, does Windows let it nest?",
    why="WSL 2 is a VM of Hyper-V. It has /dev/kvm on Windows 11 unless .wslconfig says otherwise, and WSL 1 has no "
    "kernel at all.",
    judged="By the kernel's release. Warns when the kernel of WSL 2 shows neither vmx nor svm.",
    severity=Severity.ADVISES,
    facts=("kernel.release", "cpu.identity", "cpu.flags", "cpu.cpuid"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("vm.wsl",),
    links=("Microsoft documentation, Advanced settings configuration in WSL: nestedVirtualization",),
)
def machine_wsl(facts: Facts) -> Outcome:
    kernel = facts.kernel.known
    if kernel is None:
        return Outcome(UNKNOWN, f"the kernel's release could not be read: {facts.kernel.error}")
    release = kernel.release.lower()
    if "microsoft" not in release:
        return Outcome(SKIP, "not WSL")
    if facts.feature:
        return Outcome(PASS, f"WSL 2 with {facts.feature}")
    return Outcome(WARN, "WSL without vmx or svm", (Evidence(facts.kernel.source, kernel.release),), (WSL.fill(facts),))
