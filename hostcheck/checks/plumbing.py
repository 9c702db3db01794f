"""What VMs need around KVM. Nothing here stops a guest from running: the worst is a warning."""

from functools import partial

import msgspec

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.cpu import FEATURE_FACTS
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.plumbing import IOMMU_AMD, IOMMU_INTEL, IOMMU_VM, LOAD_NODE

LIBVIRT = "virt-host-validate(1)"


class Node(msgspec.Struct, frozen=True):
    """A device node that some VMs need."""

    id: str
    name: str
    module: str
    what: str
    why: str


NODES = (
    Node(
        "host.vhost-net", "vhost-net", "vhost_net", "fast networking of VMs",
        "Without it packets of virtio network cards go through QEMU: it works, at a fraction of the speed.",
    ),
    Node(
        "host.vhost-vsock", "vhost-vsock", "vhost_vsock", "sockets between host and VM",
        "Kata Containers, and everything else that speaks to a guest without a network, needs it.",
    ),
    Node(
        "host.tun", "net/tun", "tun", "tap devices",
        "Without it VMs cannot be put on a bridge. User-mode networking works all the same.",
    ),
    Node(
        "host.fuse", "fuse", "fuse", "file systems of LXC and virtiofs",
        "LXC shows containers their own /proc through it, and virtiofs needs it in the guest.",
    ),
)  # fmt: skip


def _node(facts: Facts, node: Node) -> Outcome:
    state = (facts.devices.known or {}).get(node.name)
    if state is None:
        return Outcome(UNKNOWN, f"/dev/{node.name} was not looked at: {facts.devices.error or 'an older agent'}")
    evidence = (Evidence(f"/dev/{node.name}", state),)
    if state == "ok":
        return Outcome(PASS, f"/dev/{node.name} can be used", evidence)
    if state == "denied":
        return Outcome(WARN, f"this user may not open /dev/{node.name}", evidence)
    mend = LOAD_NODE.fill(facts, module=node.module)
    return Outcome(WARN, f"there is no /dev/{node.name}: no {node.what}", evidence, (mend,))


for _each in NODES:
    check(
        _each.id,
        question=f"Is /dev/{_each.name} there, for {_each.what}?",
        why=_each.why,
        judged="By its permissions the node is openable for this user. Warns when it is absent or not. A node can be "
        "there before its module is loaded: opening it loads it.",
        severity=Severity.ADVISES,
        facts=("host.devices",),
        gives=(PASS, WARN, UNKNOWN),
        remedies=("plumbing.load",),
        links=(LIBVIRT,),
    )(partial(_node, node=_each))

CONTROLLERS = {
    1: ("cpu", "cpuacct", "cpuset", "memory", "devices", "blkio"),
    2: ("cpu", "cpuset", "memory", "io"),
}
"""What libvirt uses, by the version of control groups. In version 2 accounting is in cpu, and devices need none."""


@check(
    "host.cgroups",
    question="Are the control groups there by which libvirt limits VMs?",
    why="Without them VMs run, but limits and reservations of CPU, memory and disk are not kept.",
    judged="The controllers at hand against those that libvirt uses, which differ between version 1 and 2. Warns "
    "when one is missing.",
    severity=Severity.ADVISES,
    facts=("host.cgroups",),
    gives=(PASS, WARN, UNKNOWN),
    links=(LIBVIRT, "cgroups(7)"),
)
def host_cgroups(facts: Facts) -> Outcome:
    groups = facts.cgroups.known
    if groups is None or groups.version not in CONTROLLERS:
        return Outcome(UNKNOWN, f"control groups could not be read: {facts.cgroups.error}")
    missing = [name for name in CONTROLLERS[groups.version] if name not in groups.controllers]
    evidence = (Evidence(facts.cgroups.source, f"version {groups.version}: {' '.join(groups.controllers)}"),)
    if missing:
        return Outcome(WARN, f"these controllers are missing: {', '.join(missing)}", evidence)
    return Outcome(PASS, f"all controllers that libvirt uses (version {groups.version})", evidence)


NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")


@check(
    "host.namespaces",
    question="Does the kernel have the namespaces that LXC needs?",
    why="libvirt's LXC driver, and the container runtimes beside VMs, build on them.",
    judged="The names in /proc/self/ns. Warns when one is missing.",
    severity=Severity.ADVISES,
    facts=("host.namespaces",),
    gives=(PASS, WARN, UNKNOWN),
    links=(LIBVIRT, "namespaces(7)"),
)
def host_namespaces(facts: Facts) -> Outcome:
    found = facts.namespaces.known
    if found is None:
        return Outcome(UNKNOWN, f"namespaces were not looked at: {facts.namespaces.error}")
    missing = [name for name in NAMESPACES if name not in found]
    if missing:
        evidence = (Evidence(facts.namespaces.source, " ".join(found)),)
        return Outcome(WARN, f"these namespaces are missing: {', '.join(missing)}", evidence)
    return Outcome(PASS, "all namespaces that LXC needs")


@check(
    "host.iommu",
    question="Could devices be passed through to guests (IOMMU)?",
    why="Only needed to give a guest a device of its own; guests run and nest without it.",
    judged="Groups that the kernel made decide; the ACPI tables tell whether the machine has an IOMMU at all. Warns "
    "when it has one that is not in use. Skipped where there is none.",
    severity=Severity.ADVISES,
    facts=(*FEATURE_FACTS, "machine.iommu"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("plumbing.iommu-intel", "plumbing.iommu-amd", "plumbing.iommu-vm"),
    links=(LIBVIRT, "Linux documentation, VFIO"),
)
def host_iommu(facts: Facts) -> Outcome:
    iommu = facts.iommu.known
    if iommu is None:
        return Outcome(UNKNOWN, f"ACPI tables and IOMMU groups could not be read: {facts.iommu.error}")
    tables = " ".join(iommu.tables) or "none"
    evidence = (Evidence(facts.iommu.source, f"{iommu.groups} groups; ACPI tables: {tables}"),)
    if iommu.groups:
        return Outcome(PASS, f"{iommu.groups} IOMMU groups", evidence)
    if not iommu.tables:
        return Outcome(SKIP, "this machine shows no IOMMU: no devices can be passed through", evidence)
    mend = IOMMU_VM if facts.is_vm else IOMMU_INTEL if "DMAR" in iommu.tables else IOMMU_AMD
    return Outcome(WARN, f"the machine has an IOMMU ({tables}) that is not in use", evidence, (mend.fill(facts),))


@check(
    "host.secure-guests",
    question="Could this machine run confidential VMs (SEV, TDX, secure execution)?",
    why="Asked for by some workloads; a confidential VM cannot run VMs of its own, so the two do not go together in "
    "one VM.",
    judged="The parameters of the KVM modules and the ultravisor's file on s390x. It is skipped where none is on, for "
    "nothing is wrong with that. Warns when SEV is on and /dev/sev cannot be used.",
    severity=Severity.ADVISES,
    facts=("host.secure_guests", "host.devices"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=(LIBVIRT, "Linux documentation, Secure Encrypted Virtualization"),
)
def host_secure_guests(facts: Facts) -> Outcome:
    found = facts.secure_guests.known
    if found is None:
        return Outcome(UNKNOWN, f"it could not be read: {facts.secure_guests.error}")
    kinds = [name for name, on in found.items() if on and name != "sgx"]
    evidence = (Evidence(facts.secure_guests.source, ", ".join(f"{k}={int(v)}" for k, v in found.items()) or "none"),)
    if not kinds:
        return Outcome(SKIP, "no kind of confidential VM is switched on", evidence)
    node = (facts.devices.known or {}).get("sev")
    if "sev" in kinds and node != "ok":
        return Outcome(WARN, f"kvm_amd has sev on, and /dev/sev is {node or 'not known'}", evidence)
    return Outcome(PASS, f"confidential VMs: {', '.join(kinds)}", evidence)
