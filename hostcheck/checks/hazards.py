"""What works today and hurts later: migration and snapshots of VMs that nest, and answers that libvirt remembers."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.plumbing import REFRESH_LIBVIRT
from hostcheck.report import FactStatus

INTEL_SINCE = (5, 3)
LIBVIRT_CACHE = "/var/cache/libvirt/qemu/capabilities"


@check(
    "nested.migration",
    question="May a VM that runs VMs be migrated live, or saved and restored?",
    why="The state of the guest's guest has to travel with it. Where it does not, the VM crashes or hangs after the "
    "move, or the move is refused while a guest's guest runs.",
    judged="The size of the nested state that KVM can save; on AMD the kernel's documentation calls the result "
    "undefined while a guest's guest runs; on Intel it is supported since Linux 5.3 with QEMU 4.2. Warns where it is "
    "not.",
    severity=Severity.ADVISES,
    facts=("kvm.offered", "kvm.capabilities", "kernel.release"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("Linux documentation, Virtualization Support: Running nested guests with KVM, Live migration",),
)
def nested_migration(facts: Facts) -> Outcome:
    offered = facts.offered.known
    if offered is not None and not (offered.vmx or offered.svm):
        return Outcome(SKIP, "KVM offers guests nothing to nest with")
    capabilities = facts.capabilities.known
    size = capabilities.get("nested_state_bytes") if capabilities else None
    if offered is None or size is None:
        return Outcome(UNKNOWN, f"KVM could not be asked: {facts.offered.error or facts.capabilities.error}")
    evidence = (Evidence(facts.capabilities.source, f"nested_state_bytes={size}"),)
    if not size:
        return Outcome(WARN, "this KVM cannot save nested state: VMs that nest cannot be moved or saved", evidence)
    if offered.svm:
        summary = "AMD: do not migrate, save or snapshot a VM with memory while it runs a guest of its own"
        return Outcome(WARN, summary, evidence)
    if facts.kernel_number is None:
        return Outcome(UNKNOWN, f"it depends on the kernel's version: {facts.kernel.error or facts.kernel.source}")
    if facts.kernel_number < INTEL_SINCE:
        return Outcome(WARN, "before Linux 5.3 a VM that runs a guest of its own does not survive a move", evidence)
    return Outcome(PASS, "nested state can be saved; the target needs a like CPU, and QEMU 4.2 or later", evidence)


@check(
    "libvirt.cache",
    question="Is what libvirt remembers of this host newer than the running KVM module?",
    why="libvirt asks QEMU once and keeps the answer. After nesting was switched on it can go on refusing vmx or svm "
    "until it looks again.",
    judged="The newest file of libvirt's capability cache against the time when the module was loaded. Warns when the "
    "cache is older.",
    severity=Severity.ADVISES,
    facts=("host.libvirt_cache",),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("libvirt.refresh",),
    links=("libvirt, src/qemu/qemu_capabilities.c: virQEMUCapsKVMSupportsNesting",),
)
def libvirt_cache(facts: Facts) -> Outcome:
    if facts.libvirt_cache.status is FactStatus.ABSENT:
        return Outcome(SKIP, "libvirt has no cache here")
    cache = facts.libvirt_cache.known
    if cache is None:
        return Outcome(UNKNOWN, f"libvirt's cache was not looked at: {facts.libvirt_cache.error}")
    behind = f"{cache.module_loaded - cache.newest:.0f} s older than the module"
    evidence = (Evidence(cache.path or LIBVIRT_CACHE, behind),)
    if cache.newest >= cache.module_loaded:
        return Outcome(PASS, "libvirt looked since the module was loaded")
    summary = "libvirt's picture of this host is older than the running KVM module"
    return Outcome(WARN, summary, evidence, (REFRESH_LIBVIRT.fill(facts),))
