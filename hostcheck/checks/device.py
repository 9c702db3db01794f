"""/dev/kvm: is it there, is it KVM, may we use it, and who else may."""

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Severity
from hostcheck.remedies.device import RULE, grant_access, group_may, make_node, replace_node
from hostcheck.report import FactStatus
from hostcheck.shapes import Device

NOT_THERE = ("ENOENT", "ENODEV", "ENXIO")
NOT_ALLOWED = ("EACCES", "EPERM")
API = "Linux documentation, KVM API: KVM_GET_API_VERSION"


def _node(facts: Facts) -> tuple[Evidence, ...]:
    device = facts.device.value
    if device is None:
        return ()
    owner = f"{device.user or device.uid}:{device.group or device.gid}"
    acl = ", with an ACL" if device.acl else ""
    text = f"{device.type} {device.major}:{device.minor} mode {device.mode}{acl} {owner}, open: {device.open}"
    return (Evidence(device.path, text),)


@check(
    "kvm.device",
    question="Is /dev/kvm there, and does a driver answer behind it?",
    why="A node can be missing with the module loaded, and a static node can be there without any driver.",
    judged="Fails when there is no node, when it is something else than a character device, when opening it finds no "
    "driver, or when what answers is not KVM (API version 12).",
    severity=Severity.BLOCKS,
    facts=("kvm.device", "kvm.modules", "kvm.api", "cpu.identity", "cpu.flags", "cpu.cpuid", "machine.container"),
    gives=(PASS, FAIL, UNKNOWN),
    link=Link.DEVICE,
    needs=("machine.confidential", "cpu.virtualization", "firmware.virtualization", "kvm.module"),
    remedies=("device.make", "device.remake", "device.replace", "device.container"),
    links=(API,),
)
def kvm_device(facts: Facts) -> Outcome:
    device = facts.device.value
    if facts.device.status is FactStatus.ABSENT or (device is not None and device.open == "ENOENT"):
        return Outcome(FAIL, "/dev/kvm does not exist", _node(facts), make_node(facts))
    if device is None:
        return Outcome(UNKNOWN, f"/dev/kvm could not be looked at: {facts.device.error}")
    if device.type and device.type != "char":
        summary = f"{device.path} is not a character device but a {device.type}"
        return Outcome(FAIL, summary, _node(facts), replace_node(facts))
    if device.open in NOT_THERE:
        summary = f"{device.path} has no driver behind it ({device.open})"
        return Outcome(FAIL, summary, _node(facts), make_node(facts))
    if _is_other(facts, device):
        summary = f"behind {device.path} is something else than KVM, which is 10:232 and answers with API version 12"
        return Outcome(FAIL, summary, _node(facts), replace_node(facts))
    return Outcome(PASS, f"{device.path} is there", _node(facts))


def _is_other(facts: Facts, device: Device) -> bool:
    """The number of the node is fixed (KVM_MINOR), and so is the API version since Linux 2.6.22."""
    api = facts.api
    number = (device.major, device.minor)
    spoke = api.value.version != 12 if api.value is not None else api.error.startswith("ENOTTY")
    return device.open == "ENOTTY" or number not in ((10, 232), (0, 0)) or spoke


@check(
    "kvm.access",
    question="May this user open /dev/kvm?",
    why="Opening is the only true test: modes, ACLs, groups of a stale session, device cgroups and security modules "
    "all decide, and none of them shows in a listing.",
    judged="The node is opened for reading and writing. Any refusal fails, with the reason that its owner, mode and "
    "groups give.",
    severity=Severity.BLOCKS,
    facts=("kvm.device", "process.identity", "machine.container"),
    gives=(PASS, FAIL, SKIP, UNKNOWN),
    link=Link.ACCESS,
    needs=("kvm.device",),
    remedies=("device.group", "device.login", "device.acl", "device.allow", "device.container"),
    links=("Linux documentation, KVM API: General description", "cgroups(7), the devices controller"),
)
def kvm_access(facts: Facts) -> Outcome:
    device = facts.device.value
    if facts.device.status is FactStatus.ABSENT or (device is not None and device.open in NOT_THERE):
        return Outcome(SKIP, "there is no /dev/kvm to open")
    if device is None:
        return Outcome(UNKNOWN, f"/dev/kvm could not be looked at: {facts.device.error}")
    if device.open == "ok":
        return Outcome(PASS, f"{device.path} opens for reading and writing", _node(facts))
    who = facts.process.value.user or str(facts.process.value.uid) if facts.process.value else "this user"
    if device.open in NOT_ALLOWED:
        summary = f"{who} may not open {device.path} ({device.open})"
        return Outcome(FAIL, summary + _reason(facts), _node(facts), grant_access(facts))
    return Outcome(FAIL, f"opening {device.path} fails with {device.open or facts.device.error}", _node(facts))


def _reason(facts: Facts) -> str:
    """What stands behind a refusal, where it is not the plain mode."""
    device, process = facts.device.value, facts.process.value
    if device is None or process is None:
        return ""
    if device.open == "EPERM":
        return ": a device cgroup or a security module forbids it, whatever its mode"
    if group_may(device.mode) and device.group in process.configured_groups and device.gid not in process.groups:
        return f": the user is in {device.group}, but this session began before that"
    if device.group in ("nogroup", "nobody"):
        return ": its group does not exist in this user namespace"
    return ""


@check(
    "kvm.permissions",
    question="Do those who should be able to use /dev/kvm have it?",
    why="As root everything opens. The service that runs QEMU is often not root, and an ACL that a login gave is gone "
    "at the logout.",
    judged="Warns when only root may use the node, and when this user may only by an access control list.",
    severity=Severity.ADVISES,
    facts=("kvm.device", "process.identity"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("device.rule",),
    links=("libvirt documentation, QEMU driver: security", "udev(7)"),
)
def kvm_permissions(facts: Facts) -> Outcome:
    device, process = facts.device.value, facts.process.known
    if device is None or device.open in NOT_THERE or facts.device.status is FactStatus.ABSENT:
        return Outcome(SKIP, "there is no /dev/kvm")
    if not device.mode[-3:].isdecimal() or len(device.mode) < 3 or process is None:
        return Outcome(UNKNOWN, "mode or user are not known", _node(facts))
    everybody = device.mode[-1] in ("6", "7")
    group = group_may(device.mode) and device.group not in ("", "root")
    if everybody:
        return Outcome(PASS, "everybody may use it", _node(facts))
    if not group and not device.acl:
        summary = "only root may use it: QEMU run by libvirt as another user cannot"
        return Outcome(WARN, summary, _node(facts), (RULE.fill(facts),))
    if device.open == "ok" and process.uid != 0 and device.acl and device.gid not in [process.gid, *process.groups]:
        summary = "this user may use it by an access control list only, which may last no longer than the login"
        return Outcome(WARN, summary, _node(facts), (RULE.fill(facts),))
    return Outcome(PASS, f"the group {device.group} may use it", _node(facts))
