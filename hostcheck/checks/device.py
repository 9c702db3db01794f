"""/dev/kvm: is it there, is it KVM, may we use it."""

from hostcheck import remedies
from hostcheck.checks import Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Status
from hostcheck.report import FactStatus

NOT_THERE = ("ENOENT", "ENODEV", "ENXIO")
NOT_ALLOWED = ("EACCES", "EPERM")


def _node(facts: Facts) -> tuple[Evidence, ...]:
    device = facts.device.value
    if device is None:
        return ()
    owner = f"{device.user or device.uid}:{device.group or device.gid}"
    text = f"{device.type} {device.major}:{device.minor} mode {device.mode} {owner}, open: {device.open}"
    return (Evidence(device.path, text),)


@check(
    "kvm.device",
    question="Is /dev/kvm there, and does a driver answer behind it?",
    why="A node can be missing with the module loaded, and a static node can be there without any driver.",
    link=Link.DEVICE,
    needs=("cpu.virtualization", "firmware.virtualization", "kvm.module"),
)
def kvm_device(facts: Facts) -> Outcome:
    device = facts.device.value
    if facts.device.status is FactStatus.ABSENT or (device is not None and device.open == "ENOENT"):
        return Outcome(Status.FAIL, "/dev/kvm does not exist", _node(facts), remedies.make_node(facts))
    if device is None:
        return Outcome(Status.UNKNOWN, f"/dev/kvm could not be looked at: {facts.device.error}")
    if device.type and device.type != "char":
        return Outcome(Status.FAIL, f"{device.path} is not a character device", _node(facts), remedies.make_node(facts))
    if device.open in NOT_THERE:
        return Outcome(Status.FAIL, f"{device.path} has no driver behind it ({device.open})", _node(facts))
    api = facts.api.known
    if api is not None and api.version != 12:
        summary = f"{device.path} answers API version {api.version}; KVM's has been 12 since Linux 2.6.22"
        return Outcome(Status.FAIL, summary, _node(facts))
    return Outcome(Status.PASS, f"{device.path} is there", _node(facts))


@check(
    "kvm.access",
    question="May this user open /dev/kvm?",
    why="Opening is the only true test: modes, ACLs, groups of a stale session, device cgroups and security modules "
    "all decide, and none of them shows in a listing.",
    link=Link.ACCESS,
    needs=("kvm.device",),
)
def kvm_access(facts: Facts) -> Outcome:
    device = facts.device.value
    if device is None or device.open in NOT_THERE or facts.device.status is FactStatus.ABSENT:
        return Outcome(Status.SKIP, "there is no /dev/kvm to open")
    if device.open == "ok":
        return Outcome(Status.PASS, f"{device.path} opens for reading and writing", _node(facts))
    who = facts.process.value.user or str(facts.process.value.uid) if facts.process.value else "this user"
    if device.open in NOT_ALLOWED:
        summary = f"{who} may not open {device.path} ({device.open})"
        return Outcome(Status.FAIL, summary, _node(facts), remedies.grant_access(facts))
    return Outcome(Status.FAIL, f"opening {device.path} fails with {device.open or facts.device.error}", _node(facts))
