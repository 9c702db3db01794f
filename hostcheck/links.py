"""One link of a chain: from the finding of its check, or from what a provider says of the VM. Pure."""

from hostcheck.model import Accelerator, Asked, ChainLink, Finding, Judgement, Link, Remedy, Status, VmView, Where

HOST_CHECKS = {
    Link.CPU: "cpu.virtualization",
    Link.FIRMWARE: "firmware.virtualization",
    Link.MODULE: "kvm.module",
    Link.NESTED_PARAMETER: "nested.parameter",
    Link.OFFERED: "nested.offered",
}
OWN_CHECKS = {Link.DEVICE: "kvm.device", Link.ACCESS: "kvm.access", Link.GUEST_RAN: "kvm.run"}
GUEST_CHECKS = {Link.GUEST_CPU: "cpu.virtualization", Link.GUEST_MODULE: "kvm.module", **OWN_CHECKS}
LINK_OF_CHECK = {check: link for link, check in (HOST_CHECKS | OWN_CHECKS).items()} | {
    "machine.confidential": Link.CPU,
    "nested.run": Link.GUEST_RAN,
}


def shown(machine: Judgement, check: str) -> Finding | None:
    """What a link shows: its check, or another check of the same link that failed and is the root of it."""
    usual = machine.finding(check)
    if usual is None:
        return None
    roots = (f for f in machine.findings if f.link is usual.link and f.status is Status.FAIL and not f.follows)
    return next(roots, usual)


def of_finding(link: Link, finding: Finding | None) -> ChainLink:
    """The link as its check found it."""
    if finding is None:
        return ChainLink(link, Status.UNKNOWN, "not judged")
    return ChainLink(link, finding.status, finding.headline, finding.check, finding.evidence, finding.remedies)


def host_link(link: Link, host: Judgement | None, view: VmView) -> ChainLink:
    """A link of the host as it counts for one of its VMs: not at all for one that is emulated."""
    if view.accelerator is Accelerator.TCG:
        return ChainLink(link, Status.SKIP, "not used: QEMU TCG emulates this VM's CPU")
    if host is None:
        return ChainLink(link, Status.UNKNOWN, "the host was not examined")
    finding = shown(host, HOST_CHECKS[link])
    if view.asked is Asked.OFF and finding and finding.status is Status.FAIL:
        return ChainLink(link, Status.SKIP, f"not asked of the host, which could not: {finding.summary}", finding.check)
    return of_finding(link, finding)


def asks(view: VmView) -> ChainLink:
    """The VM's configuration asks for the feature."""
    where = f" ({view.asked_where})" if view.asked_where else ""
    match view.asked:
        case Asked.ON:
            feature = f", as {view.feature}" if view.feature else ""
            return ChainLink(
                Link.VM_ASKS, Status.PASS, f"nested virtualization is asked for{feature}{where}", "vm.asks"
            )
        case Asked.OFF:
            again = "" if view.remedies else " and apply again"
            summary = f"nested virtualization is off in the VM's configuration{where}: switch it on{again}"
            remedies = view.remedies or (
                Remedy(
                    f"set performanceProfile.nestedVirtualization: true in the VMClass{where}, then apply again",
                    Where.MANIFEST,
                    ("nestproof apply FILE --wait",),
                    "apply power-cycles the VM: a running one keeps its CPU",
                ),
            )
            return ChainLink(Link.VM_ASKS, Status.FAIL, summary, "vm.asks", view.evidence, remedies)
        case Asked.UNSTATED:
            return ChainLink(Link.VM_ASKS, Status.UNKNOWN, "the provider does not say", "vm.asks", view.evidence)


def got(view: VmView) -> ChainLink:
    """The running VM has the feature, whatever it asks for."""
    if view.asked is Asked.OFF and not view.got:
        return ChainLink(Link.VM_GOT, Status.SKIP, "not asked for", "vm.got", view.evidence)
    if not view.running:
        return ChainLink(Link.VM_GOT, Status.UNKNOWN, "the VM is not running", "vm.got", view.evidence)
    match view.got:
        case True:
            by = f" under {view.accelerator.value.upper()}" if view.accelerator else ""
            if view.asked is Asked.OFF:
                summary = (
                    f"the live VM has {view.feature or 'vmx or svm'}{by}, though its configuration does not ask for it"
                )
                return ChainLink(Link.VM_GOT, Status.WARN, summary, "vm.got", view.evidence)
            return ChainLink(Link.VM_GOT, Status.PASS, f"the live VM has {view.feature}{by}", "vm.got", view.evidence)
        case False:
            summary = f"the live VM does not have {view.feature or 'vmx or svm'}, whatever its configuration asks"
            remedies = view.remedies or (
                Remedy(
                    "power the VM off and apply again: a running VM keeps the CPU that it was started with",
                    Where.HOST_SHELL,
                    ("nestproof destroy FILE", "nestproof apply FILE --wait"),
                ),
            )
            return ChainLink(Link.VM_GOT, Status.FAIL, summary, "vm.got", view.evidence, remedies)
        case None:
            return ChainLink(Link.VM_GOT, Status.UNKNOWN, "the provider cannot tell", "vm.got", view.evidence)
