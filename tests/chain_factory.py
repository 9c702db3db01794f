"""Chains for the tests of the printer, made of a few words each. What they say is modelled on real machines."""

from collections.abc import Iterable, Mapping

import msgspec

from hostcheck.model import (
    Answer,
    Chain,
    ChainLink,
    Evidence,
    Finding,
    Link,
    Question,
    Remedy,
    Setting,
    Status,
    Verdict,
    Where,
)
from reports.matrix import Provenance
from reports.rows import GROUPS

PROVENANCE = Provenance("0.1.0", "nestproof matrix --html matrix.html", 1763800000.0)
HOST_LINKS = GROUPS[0].links
OWN_LINKS = (Link.DEVICE, Link.ACCESS, Link.GUEST_RAN)
RAN = Answer(Verdict.PROVEN, "a guest ran in 0.14 ms", "kvm.run")
NESTED = Answer(Verdict.PROVEN, "a guest ran its own guest, with NPT", "nested.run")

SETTINGS = (
    Setting("VMClass spec.cpu", "4", "4", "live domain XML"),
    Setting("VMClass spec.memory", "8 GiB", ""),
    Setting("VMClass spec.diskDefaults.size", "40 GiB", "20 GiB", "the disk's own size"),
)
"""One as asked, one that nobody could read back, one otherwise."""

SAYS = {
    Link.CPU: ("the CPU has AMD-V (svm)", "CPUID 0x80000001 ECX[2]", "svm=1"),
    Link.FIRMWARE: ("the firmware leaves SVM on", "MSR 0xC0010114 (VM_CR)", "0x0: SVMDIS=0"),
    Link.MODULE: ("kvm_amd is loaded", "/sys/module/kvm_amd", "initstate: live"),
    Link.NESTED_PARAMETER: ("kvm_amd has nested=1", "/sys/module/kvm_amd/parameters/nested", "1"),
    Link.OFFERED: ("KVM offers svm with NPT to guests", "KVM_GET_SUPPORTED_CPUID", "svm=1 npt=1"),
    Link.VM_ASKS: ("nested virtualization is asked for, as svm", "nested-vm.yaml:14", "nestedVirtualization: true"),
    Link.VM_GOT: ("the live VM has svm under KVM", "qemu:///system live XML", "<feature policy='require' name='svm'/>"),
    Link.GUEST_CPU: ("the CPU has AMD-V (svm)", "CPUID 0x80000001 ECX[2]", "svm=1 hypervisor=1"),
    Link.GUEST_MODULE: ("kvm_amd is loaded", "/sys/module/kvm_amd", "initstate: live"),
    Link.DEVICE: ("/dev/kvm is there", "/dev/kvm", "crw-rw---- root kvm 10, 232"),
    Link.ACCESS: ("/dev/kvm can be opened", "open(/dev/kvm, O_RDWR)", "ok"),
    Link.GUEST_RAN: ("a guest ran its own guest", "proof.nested_paging", "stages ABCDEEZ, 41.7 ms"),
}

SWITCH_ON = Remedy(
    "switch nesting on in kvm_amd, now and after the next boot",
    Where.HOST_SHELL,
    ("echo 'options kvm_amd nested=1' > /etc/modprobe.d/nestproof.conf", "modprobe -r kvm_amd && modprobe kvm_amd"),
    "stop all VMs first: the module cannot be reloaded while one runs; then start the VMs anew",
    "lab/test_svm_nested_off",
)
ASK_FOR_IT = Remedy(
    "set performanceProfile.nestedVirtualization: true in the VMClass (nested-vm.yaml:14:31), then apply again",
    Where.MANIFEST,
    ("nestproof apply nested-vm.yaml --wait",),
    "apply power-cycles the VM: a running one keeps its CPU",
)
REQUIRE_SVM = Remedy(
    "libvirt: give this VM the host's CPU and require svm",
    Where.HYPERVISOR,
    ("virt-xml NAME --edit --cpu clearxml=yes,mode=host-model,check=partial,require=svm",),
    "power the VM off and on again: a reboot from inside keeps the old virtual CPU",
)
CPU_TYPE_HOST = Remedy("Proxmox VE: give this VM the CPU type `host`", Where.HYPERVISOR, ("qm set VMID --cpu host",))
JOIN_KVM = Remedy(
    "add nobody to the group kvm",
    Where.HOST_SHELL,
    ("usermod -aG kvm nobody",),
    "log in again: a running session keeps its groups",
)


def link(which: Link, status: Status = Status.PASS, summary: str = "", *remedies: Remedy, saw: str = "") -> ChainLink:
    """A link that says what such a link says; with a summary of its own where that matters to the test."""
    says, source, text = SAYS[which]
    seen = (Evidence(source, saw or text),) if saw or not summary else ()
    return ChainLink(which, status, summary or says, f"check.{which}", seen, remedies)


def skip(which: Link, why: str) -> ChainLink:
    return ChainLink(which, Status.SKIP, why)


def all_links(kind: str, given: Iterable[ChainLink]) -> tuple[ChainLink, ...]:
    chosen: Mapping[Link, ChainLink] = {item.link: item for item in given}
    of_host = (*HOST_LINKS, *OWN_LINKS)
    return tuple(
        chosen.get(which) or (link(which) if kind == "vm" or which in of_host else skip(which, "a question about a VM"))
        for which in Link
    )


def host(
    name: str = "kvm07",
    *given: ChainLink,
    nests: Answer = NESTED,
    runs: Answer = RAN,
    broken: Link | None = None,
    findings: tuple[Finding, ...] = (),
    feature: str = "svm",
) -> Chain:
    can = "can" if nests.verdict.works else "cannot"
    return Chain(
        name,
        "host",
        nests.verdict,
        f"{name} {can} run VMs that run VMs: {nests.reason}",
        all_links("host", given),
        runs,
        nests,
        broken,
        findings=findings,
        question=Question.GUESTS_NEST,
        feature=feature,
    )


def vm(
    name: str = "default/nested-vm",
    *given: ChainLink,
    runs: Answer = RAN,
    nests: Answer = NESTED,
    broken: Link | None = None,
    on: str = "kvm07",
    emulated: bool = False,
) -> Chain:
    can = "runs" if runs.verdict.works else "cannot run"
    sentence = f"{name} {can} VMs: {runs.reason}"
    if runs.verdict is Verdict.UNKNOWN:
        sentence = f"whether {name} runs VMs is not known: {runs.reason}"
    links = all_links("vm", given)
    provider = "libvirt qemu:///system"
    return Chain(name, "vm", runs.verdict, sentence, links, runs, nests, broken, on, provider, emulated)


def pvm_host(name: str = "builder-3") -> Chain:
    """A cloud VM whose KVM works without vmx or svm (kvm_pvm): it runs guests, slowly, and they cannot nest."""
    why = "KVM offers neither vmx nor svm to its guests"
    return host(
        name,
        link(Link.CPU, Status.WARN, "the CPU has neither vmx nor svm; KVM works without (kvm_pvm)"),
        skip(Link.FIRMWARE, "nothing to switch: the CPU has neither"),
        link(Link.MODULE, Status.PASS, "kvm_pvm is built in"),
        skip(Link.NESTED_PARAMETER, "kvm_pvm has none"),
        link(
            Link.OFFERED,
            Status.FAIL,
            why,
            Remedy(
                "ask the owner of this VM's hypervisor to expose hardware virtualization to it",
                Where.HYPERVISOR,
                (),
                "power the VM off and on again: a reboot from inside keeps the old virtual CPU",
            ),
            saw="svm=0 vmx=0",
        ),
        link(Link.GUEST_RAN, Status.WARN, "a guest ran, but its instructions are emulated: 1830 cycles for each loop"),
        runs=Answer(Verdict.DEGRADED, "a guest ran, but every instruction of its kernel is emulated", "kvm.run"),
        nests=Answer(Verdict.UNSUPPORTED, why, "check.offered"),
        broken=Link.OFFERED,
        feature="",
    )


def nobody_in_a_vm(name: str = "builder-4") -> Chain:
    """A VM without vmx and svm, looked at by a user who may not open /dev/kvm: each question has its own cause."""
    hidden = "the hypervisor under this VM shows it neither vmx nor svm"
    denied = "nobody may not open /dev/kvm (EACCES)"
    return host(
        name,
        link(Link.CPU, Status.FAIL, hidden, REQUIRE_SVM, CPU_TYPE_HOST, saw="svm=0 vmx=0 hypervisor=1"),
        skip(Link.FIRMWARE, "there is no vmx or svm to switch on"),
        link(Link.MODULE, Status.PASS, "kvm_pvm: KVM in software, it needs neither vmx nor svm"),
        skip(Link.NESTED_PARAMETER, "kvm_pvm has no nested parameter"),
        link(Link.OFFERED, Status.UNKNOWN, "KVM could not be asked: EACCES"),
        link(Link.ACCESS, Status.FAIL, denied, JOIN_KVM, saw="EACCES"),
        link(Link.GUEST_RAN, Status.UNKNOWN, "no guest was run: EACCES"),
        runs=Answer(Verdict.BLOCKED_POLICY, denied, "check.access"),
        nests=Answer(Verdict.UNSUPPORTED, hidden, "check.cpu"),
        broken=Link.CPU,
        feature="",
    )


def tcg_vm(name: str = "default/nested-vm", on: str = "builder-3") -> Chain:
    """A VM under QEMU's emulator that ran its own guest on an emulated SVM."""
    why = "not used: QEMU TCG emulates this VM's CPU"
    return vm(
        name,
        *(skip(which, why) for which in HOST_LINKS),
        link(Link.VM_GOT, Status.PASS, "the live VM has svm under TCG"),
        runs=Answer(Verdict.DEGRADED, "a guest ran, but the CPU is emulated by QEMU TCG", "kvm.run"),
        nests=Answer(Verdict.DEGRADED, "a guest ran its own guest, but the CPU is emulated by QEMU TCG", "nested.run"),
        on=on,
        emulated=True,
    )


def vm_without_nesting(name: str = "default/nested-vm", on: str = "kvm07") -> Chain:
    """The VMClass says that nested virtualization is off, and so it is."""
    why = "nested virtualization is off in the VM's configuration (nested-vm.yaml:14:31)"
    nothing = Answer(Verdict.MISCONFIGURED, why, "vm.asks")
    chain = vm(
        name,
        link(Link.VM_ASKS, Status.FAIL, why, ASK_FOR_IT, saw="nestedVirtualization: false"),
        skip(Link.VM_GOT, "not asked for"),
        link(Link.GUEST_CPU, Status.FAIL, "the CPU has neither vmx nor svm", saw="svm=0 hypervisor=1"),
        link(Link.GUEST_MODULE, Status.FAIL, "kvm_amd cannot load: the CPU has no svm"),
        link(Link.DEVICE, Status.FAIL, "there is no /dev/kvm", saw="ENOENT"),
        skip(Link.ACCESS, "there is no /dev/kvm"),
        link(Link.GUEST_RAN, Status.UNKNOWN, "nothing was run: there is no /dev/kvm"),
        runs=nothing,
        nests=nothing,
        broken=Link.VM_ASKS,
        on=on,
    )
    return msgspec.structs.replace(chain, settings=SETTINGS)


def host_with_nesting_off(name: str = "kvm08") -> Chain:
    why = "kvm_amd was loaded with nested=0"
    return host(
        name,
        link(Link.NESTED_PARAMETER, Status.FAIL, why, SWITCH_ON, saw="0"),
        link(Link.OFFERED, Status.FAIL, "KVM does not offer svm to guests", saw="svm=0 vmx=0"),
        link(Link.GUEST_RAN, Status.UNKNOWN, "the nested proof was not run: svm is not offered"),
        nests=Answer(Verdict.MISCONFIGURED, why, "check.nested-parameter"),
        broken=Link.NESTED_PARAMETER,
    )


def silent_vm(name: str = "default/quiet", on: str = "kvm07") -> Chain:
    """A VM from which nothing was heard."""
    why = "the VM sent no report within 300 s"
    own = (*GROUPS[2].links,)
    nothing = Answer(Verdict.UNKNOWN, why)
    return vm(name, *(ChainLink(which, Status.UNKNOWN, why) for which in own), runs=nothing, nests=nothing, on=on)


def fleet(hosts: int, vms_each: int) -> list[Chain]:
    """Hosts with their VMs; every seventh host has nesting off, and some of the VMs of the others are silent."""
    chains: list[Chain] = []
    for number in range(hosts):
        name = f"kvm{number:03}.dc1.example.org"
        off = number % 7 == 3
        chains.append(host_with_nesting_off(name) if off else host(name))
        for which in range(vms_each):
            vm_name = f"team-{number % 5}/node-{number:03}-{which}"
            if off:
                chains.append(vm_without_nesting(vm_name, name))
            elif (number + which) % 11 == 0:
                chains.append(silent_vm(vm_name, name))
            else:
                chains.append(vm(vm_name, on=name))
    return chains
