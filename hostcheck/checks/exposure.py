"""The other way round: hardware virtualization that is shown to a machine that has no use for it."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.cpu import FEATURE_FACTS
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.hide import hide_from_this_vm


@check(
    "guest.exposure",
    question="Is hardware virtualization shown to this VM though nothing in it uses it?",
    why="KVM's code for nested guests is attack surface that only VMs with vmx or svm can reach; and such a VM can be "
    "moved live only between like hosts, refuses CPUs that are added after a move, and hinders rolling upgrades. "
    "Host-passthrough shows it to every VM of a host without anybody having asked.",
    judged="In a VM that is shown vmx or svm: processes that run VMs or manage them (QEMU, Firecracker, libvirt, "
    "VirtualBox and their like), and what libvirt keeps. Warns when there are none. A VM that nestproof provisioned is "
    "skipped: its manifest decides. Where only a PID namespace of its own is seen, it is unknown.",
    severity=Severity.ADVISES,
    facts=(*FEATURE_FACTS, "machine.dmi", "kernel.release", "machine.rivals", "host.libvirt_cache"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=(
        "hide.vsphere", "hide.hyperv", "hide.virtualbox", "hide.libvirt", "hide.proxmox", "hide.other",
    ),
    links=("Linux documentation, Virtualization Support: Running nested guests with KVM",),
)  # fmt: skip
def guest_exposure(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, "no feature of the CPU tells on this architecture")
    if facts.is_vm is None or facts.feature is None:
        return Outcome(UNKNOWN, f"CPU features could not be read: {facts.flags.error}")
    if not facts.is_vm:
        return Outcome(SKIP, "this is not a VM")
    feature = facts.feature
    if not feature:
        return Outcome(PASS, "neither vmx nor svm is shown to this VM")
    if facts.report.subject.vm:
        return Outcome(SKIP, f"{feature} is shown, and this VM's manifest decides whether it is wanted")
    rivals = facts.rivals.known
    if rivals is None:
        return Outcome(UNKNOWN, f"processes could not be listed: {facts.rivals.error}")
    users = [f"{count} x {name}" for name, count in sorted(rivals.processes.items())]
    users += ["libvirt has run here"] if facts.libvirt_cache.known else []
    users += [f"module {name}" for name in rivals.modules]
    if users:
        evidence = tuple(Evidence(facts.rivals.source, text) for text in users)
        return Outcome(PASS, f"{feature} is shown to this VM and used: {', '.join(users)}", evidence)
    if rivals.own_pid_namespace is not False:
        return Outcome(UNKNOWN, f"{feature} is shown; who uses it is hidden by this PID namespace")
    summary = f"{feature} is shown to this VM, and nothing in it runs or manages VMs"
    evidence = (Evidence(facts.cpuid.source or facts.flags.source, feature), Evidence(facts.rivals.source, "none"))
    return Outcome(WARN, summary, evidence, hide_from_this_vm(facts))
