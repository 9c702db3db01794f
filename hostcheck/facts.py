"""Typed facts: the values of a report in the shapes that docs/report.md promises.

`Facts` wraps a report for the checks. A value of the wrong shape (an old agent, a hostile guest) reads as a fact with
status `error`; a fact that was not sent reads as status `error` with "not in the report". Neither ever raises.
"""

from functools import cached_property
from typing import Generic, TypeVar

import msgspec

from hostcheck.policy import Policy
from hostcheck.report import FactStatus, RawFact, Report
from hostcheck.shapes import (
    Api,
    Boot,
    Cgroups,
    CloudInit,
    Confidential,
    Configured,
    Container,
    Cost,
    Cpuid,
    CpuIdentity,
    CpuRoom,
    Device,
    DiskRoom,
    Features,
    Iommu,
    Kernel,
    LibvirtCache,
    MemoryRoom,
    Module,
    Msrs,
    Offered,
    Os,
    Pace,
    PerCpu,
    Process,
    Proof,
    Rivals,
    Signature,
)

T = TypeVar("T")
X86 = ("x86_64", "i386", "i486", "i586", "i686")
MODULE_BY_VENDOR = {
    "GenuineIntel": "kvm_intel",
    "CentaurHauls": "kvm_intel",
    "  Shanghai  ": "kvm_intel",
    "AuthenticAMD": "kvm_amd",
    "HygonGenuine": "kvm_amd",
}
MODULE_BY_ARCH = {"s390x": "kvm", "aarch64": "kvm", "arm64": "kvm", "riscv64": "kvm", "ppc64le": "kvm_hv"}
"""On arm64 and s390x there is only the one module, and on arm64 it is always built in."""


class Fact(msgspec.Struct, Generic[T], frozen=True):
    """One fact with its value checked. `value` may be there whatever the status (docs/report.md)."""

    id: str
    status: FactStatus
    source: str
    value: T | None
    error: str

    @property
    def known(self) -> T | None:
        """The value if looking succeeded."""
        return self.value if self.status is FactStatus.OK else None


def read(report: Report, fact_id: str, shape: type[T]) -> Fact[T]:
    """One fact of a report in its promised shape."""
    raw: RawFact | None = report.facts.get(fact_id)
    if raw is None:
        return Fact(fact_id, FactStatus.ERROR, "", None, "not in the report")
    if raw.value is None:
        status = FactStatus.ERROR if raw.status is FactStatus.OK else raw.status
        return Fact(fact_id, status, raw.source, None, raw.error or "no value in the report")
    try:
        value = msgspec.convert(raw.value, shape)
    except msgspec.ValidationError as e:
        return Fact(fact_id, FactStatus.ERROR, raw.source, None, f"unexpected shape: {e}")
    return Fact(fact_id, raw.status, raw.source, value, raw.error)


class _Read(Generic[T]):
    """Reads its fact when it is first asked for, and puts it in its own place."""

    def __init__(self, fact_id: str, shape: type[T]) -> None:
        self.id = fact_id
        self.shape = shape

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, facts: "Facts", owner: type) -> Fact[T]:
        fact = read(facts.report, self.id, self.shape)
        facts.__dict__[self.name] = fact
        return fact


class Facts:
    """The facts of one report, each read once, and the policy by which they are judged."""

    def __init__(self, report: Report, policy: Policy | None = None) -> None:
        self.report = report
        self.policy = policy or Policy()

    cpu = _Read("cpu.identity", CpuIdentity)
    flags = _Read("cpu.flags", list[str])
    vmx_flags = _Read("cpu.vmx_flags", list[str])
    cpuid = _Read("cpu.cpuid", Cpuid)
    per_cpu = _Read("cpu.per_cpu", PerCpu)
    signatures = _Read("hypervisor.signatures", list[Signature])
    dmi = _Read("machine.dmi", dict[str, str])
    container = _Read("machine.container", Container)
    confidential = _Read("machine.confidential", Confidential)
    iommu = _Read("machine.iommu", Iommu)
    rivals = _Read("machine.rivals", Rivals)
    os = _Read("machine.os", Os)
    kernel = _Read("kernel.release", Kernel)
    log = _Read("kernel.log", list[str])
    kernel_config = _Read("kernel.config", dict[str, str])
    msrs = _Read("firmware.msr", Msrs)
    boot = _Read("firmware.boot", Boot)
    modules = _Read("kvm.modules", dict[str, Module])
    configured = _Read("kvm.configured", Configured)
    device = _Read("kvm.device", Device)
    api = _Read("kvm.api", Api)
    offered = _Read("kvm.offered", Offered)
    capabilities = _Read("kvm.capabilities", dict[str, int])
    features = _Read("kvm.features", Features)
    devices = _Read("host.devices", dict[str, str])
    cgroups = _Read("host.cgroups", Cgroups)
    namespaces = _Read("host.namespaces", list[str])
    secure_guests = _Read("host.secure_guests", dict[str, bool])
    libvirt_cache = _Read("host.libvirt_cache", LibvirtCache)
    cpu_room = _Read("capacity.cpu", CpuRoom)
    memory_room = _Read("capacity.memory", MemoryRoom)
    disk_room = _Read("capacity.disk", DiskRoom)
    cloud_init = _Read("guest.cloud_init", CloudInit)
    plain = _Read("proof.plain", Proof)
    nested = _Read("proof.nested", Proof)
    nested_paging = _Read("proof.nested_paging", Proof)
    pace = _Read("proof.pace", Pace)
    cost = _Read("proof.cost", Cost)
    process = _Read("process.identity", Process)

    # ---- what follows from several facts ----

    @property
    def arch(self) -> str:
        """As `uname -m` says; "" when unknown."""
        return self.cpu.value.arch if self.cpu.value else ""

    @property
    def x86(self) -> bool:
        """An x86 CPU, or one that nobody knows: then the questions of x86 are asked."""
        return self.arch in X86 or not self.arch

    @cached_property
    def hypervisor_names(self) -> tuple[str, ...]:
        """Signatures of the hypervisors that this machine runs under; empty on bare metal or when unreadable."""
        return tuple(s.signature for s in self.signatures.known or ())

    @cached_property
    def is_vm(self) -> bool | None:
        """This machine is itself a VM; None when neither CPUID nor the kernel's flags could be read."""
        if self.hypervisor_names:
            return True
        if self.cpuid.known is not None:
            return self.cpuid.known.hypervisor
        if self.flags.known is not None and self.x86:
            return "hypervisor" in self.flags.known
        return None

    @cached_property
    def feature(self) -> str | None:
        """`vmx` or `svm` if CPUID or the kernel shows it; "" when neither does; None when nobody could look."""
        flags = self.flags.known
        cpuid = self.cpuid.known
        for name in ("vmx", "svm"):
            if (cpuid is not None and getattr(cpuid, name)) or (flags is not None and name in flags):
                return name
        return None if flags is None and cpuid is None else ""

    @cached_property
    def vendor_module(self) -> str:
        """The KVM module for this CPU; "" when the vendor is unknown."""
        if self.arch in MODULE_BY_ARCH:
            return MODULE_BY_ARCH[self.arch]
        vendor = self.cpu.value.vendor if self.cpu.value else ""
        by_feature = {"vmx": "kvm_intel", "svm": "kvm_amd"}.get(self.feature or "", "")
        return by_feature or MODULE_BY_VENDOR.get(vendor, "")

    @cached_property
    def kernel_number(self) -> tuple[int, int] | None:
        """Major and minor version of the kernel; None when unknown."""
        first, dot, rest = (self.kernel.value.release if self.kernel.value else "").partition(".")
        minor = rest[: next((n for n, c in enumerate(rest) if not c.isdigit()), len(rest))]
        if not dot or not minor or not first.isdecimal() or not minor.isdecimal() or len(first + minor) > 8:
            return None
        return int(first), int(minor)

    @property
    def guest_ran(self) -> bool:
        """A guest ran here."""
        return self.plain.value is not None and self.plain.value.ok

    @property
    def guest_nested(self) -> bool:
        """A guest of this machine ran its own guest."""
        proofs = (self.nested.value, self.nested_paging.value)
        return any(proof is not None and proof.ok for proof in proofs)
