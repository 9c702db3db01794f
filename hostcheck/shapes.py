"""The shapes of the facts' values, as docs/report.md promises them. Keys that a newer agent adds are ignored."""

from typing import Any

import msgspec


class CpuIdentity(msgspec.Struct, frozen=True):
    """Who made the CPU and how many of it the machine shows."""

    arch: str = ""
    vendor: str = ""
    model_name: str = ""
    cpus: int = 0


class Cpuid(msgspec.Struct, frozen=True):
    """The bits of CPUID itself, whatever the kernel made of them."""

    vmx: bool
    svm: bool
    hypervisor: bool
    tdx_guest: bool = False
    sev_features: int | None = None
    """EAX of leaf 0x8000001F, whose bit 1 is SEV; 0 where the CPU has no such leaf."""


class OtherCpu(msgspec.Struct, frozen=True):
    """A CPU that shows another feature than the first one."""

    cpu: int
    vmx: bool | None = None
    svm: bool | None = None


class PerCpu(msgspec.Struct, frozen=True):
    """How many CPUs were asked one by one, and which of them answered differently."""

    asked: int
    different: list[OtherCpu] = []


class Signature(msgspec.Struct, frozen=True):
    """One hypervisor signature of CPUID leaf 0x40000000 or one of its successors."""

    leaf: int
    signature: str


class Container(msgspec.Struct, frozen=True):
    """A container around the agent; not `certain` when only traces were found that an image may have left."""

    kind: str | None = None
    certain: bool = False
    traces: list[str] = []


class Confidential(msgspec.Struct, frozen=True):
    """The kind of confidential VM that this machine is (sev, sev-es, sev-snp, tdx, s390), None for none."""

    kind: str | None = None
    why: str = ""


class Iommu(msgspec.Struct, frozen=True):
    """ACPI tables that describe an IOMMU, and the groups that the kernel made."""

    tables: list[str]
    groups: int


class Rivals(msgspec.Struct, frozen=True):
    """Modules and processes of other hypervisors."""

    modules: list[str] = []
    processes: dict[str, int] = {}
    versions: dict[str, str] = {}
    """Version of a module by its name, where it has one."""
    xen_dom0: bool = False
    own_pid_namespace: bool | None = None


class Kernel(msgspec.Struct, frozen=True):
    """The running kernel."""

    release: str = ""
    version: str = ""
    cmdline: str = ""


class Os(msgspec.Struct, frozen=True):
    """The distribution, by os-release(5)."""

    id: str = ""
    version_id: str = ""
    id_like: list[str] = []


class OtherMsrs(msgspec.Struct, frozen=True):
    """The two registers of a CPU that has others than CPU 0."""

    cpu: int
    feature_control: int | None = None
    vm_cr: int | None = None


class Msrs(msgspec.Struct, frozen=True):
    """IA32_FEATURE_CONTROL (0x3a) and VM_CR (0xc0010114) of CPU 0, where readable."""

    feature_control: int | None = None
    vm_cr: int | None = None
    different: list[OtherMsrs] = []


class Boot(msgspec.Struct, frozen=True):
    """How this system was started, and the kernel's lockdown mode (none, integrity, confidentiality)."""

    uefi: bool = False
    secure_boot: bool | None = None
    lockdown: str | None = None


class Module(msgspec.Struct, frozen=True):
    """A kernel module: loaded, builtin, available (could be loaded) or absent."""

    state: str
    parameters: dict[str, str] = {}
    indexed: bool = True
    """False where /lib/modules is not to be seen: `absent` then only means "not loaded"."""


class Option(msgspec.Struct, frozen=True):
    """One parameter that is asked for in a modprobe.d file or on the kernel's command line."""

    module: str
    parameter: str
    value: str
    source: str


class Barred(msgspec.Struct, frozen=True):
    """A module that is kept from loading, and where that is written."""

    module: str
    source: str


class Configured(msgspec.Struct, frozen=True):
    """What is configured for KVM's modules; a later option overrides an earlier one."""

    options: list[Option] = []
    blacklisted: list[Barred] = []


class Device(msgspec.Struct, frozen=True):
    """The node /dev/kvm and what opening it answered (`ok` or an errno name)."""

    open: str
    path: str = "/dev/kvm"
    type: str = ""
    mode: str = ""
    uid: int = -1
    gid: int = -1
    user: str = ""
    group: str = ""
    major: int = 0
    minor: int = 0
    acl: bool = False


class Api(msgspec.Struct, frozen=True):
    """KVM's version and what KVM_CREATE_VM answered (`ok` or an errno name)."""

    version: int
    create_vm: str = ""


class Offered(msgspec.Struct, frozen=True):
    """What KVM_GET_SUPPORTED_CPUID lets a guest have; `nested` and `how` on architectures without vmx and svm."""

    vmx: bool
    svm: bool
    nested_paging: bool | None = None
    nested: bool | None = None
    how: str = ""

    @property
    def something(self) -> bool:
        """A guest can be given what it needs to run guests."""
        return self.vmx or self.svm or bool(self.nested)


class Features(msgspec.Struct, frozen=True):
    """What a guest could use for its own guests, by name; the one of the vendor that KVM offers."""

    vmx: dict[str, bool] | None = None
    svm: dict[str, bool] | None = None


class Cgroups(msgspec.Struct, frozen=True):
    """Version of control groups, and the controllers at hand."""

    version: int
    controllers: list[str]


class CpuRoom(msgspec.Struct, frozen=True):
    """CPUs that the agent may use, the cgroup's share of them, and the share that the hypervisor took away."""

    load: list[float | None] = []
    usable: int = 0
    cgroup_cpus: float | None = None
    steal_percent: float | None = None


class MemoryRoom(msgspec.Struct, frozen=True):
    """Memory in bytes; `cgroup_limit` is None where there is no limit."""

    total: int
    available: int = 0
    cgroup_limit: int | None = None


class DiskRoom(msgspec.Struct, frozen=True):
    """Size and free bytes of the file system where images would lie."""

    path: str
    total: int
    free: int
    read_only: bool = False


class CloudInit(msgspec.Struct, frozen=True):
    """What cloud-init says of its run."""

    datasource: str | None = None
    done: bool = False
    errors: list[str] = []
    seeds: list[str] = []
    disabled: bool = False


class LibvirtCache(msgspec.Struct, frozen=True):
    """libvirt's cached answer about QEMU: when the newest was written, and when KVM's module was loaded (Unix time)."""

    newest: float
    module_loaded: float
    path: str = ""
    libvirt: int = 0
    """Its version: millions, thousands, ones. 0 where it is not told."""
    qemu: int = 0


class Proof(msgspec.Struct, frozen=True):
    """The outcome of running a guest."""

    ok: bool
    kind: str = ""
    stages: str = ""
    cause: str | None = None
    detail: dict[str, Any] = {}


class Pace(msgspec.Struct, frozen=True):
    """Cost of a loop that never leaves the guest, in TSC cycles per iteration."""

    loop_cycles: float
    emulated: bool


class Spread(msgspec.Struct, frozen=True):
    """Nanoseconds of one exit: the median of some rounds, and their range."""

    median_ns: float
    min_ns: float = 0.0
    max_ns: float = 0.0


class Cost(msgspec.Struct, frozen=True):
    """What leaving a guest costs, by kind; None where this machine has no such exit or the guest failed."""

    cpuid_exit: Spread | None = None
    inner_cpuid_exit: Spread | None = None
    inner_cpuid_exit_paging: Spread | None = None


class Process(msgspec.Struct, frozen=True):
    """As whom the agent ran."""

    uid: int = -1
    gid: int = -1
    groups: list[int] = []
    user: str = ""
    configured_groups: list[str] = []
    """Groups that /etc/group gives the user; a session from before the change does not have them yet."""
