"""Typed facts: the values of a report in the shapes that docs/report.md promises.

`Facts` wraps a report for the checks. A value of the wrong shape (an old agent, a hostile guest) reads as a fact with
status `error`; a fact that was not sent reads as status `error` with "not in the report". Neither ever raises.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import msgspec

from hostcheck.report import FactStatus, RawFact, Report

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
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


class CpuIdentity(msgspec.Struct, frozen=True):
    """Who made the CPU and how many of it the machine shows."""

    arch: str = ""
    vendor: str = ""
    model_name: str = ""
    microcode: str = ""
    cpus: int = 0


class Cpuid(msgspec.Struct, frozen=True):
    """The bits of CPUID itself, whatever the kernel made of them."""

    vmx: bool
    svm: bool
    hypervisor: bool


class Signature(msgspec.Struct, frozen=True):
    """One hypervisor signature of CPUID leaf 0x40000000 or one of its successors."""

    leaf: int
    signature: str


class Module(msgspec.Struct, frozen=True):
    """A kernel module: loaded, builtin, available (could be loaded) or absent."""

    state: str
    parameters: dict[str, str] = {}


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


class Api(msgspec.Struct, frozen=True):
    """KVM's version and what KVM_CREATE_VM answered (`ok` or an errno name)."""

    version: int
    create_vm: str = ""


class Offered(msgspec.Struct, frozen=True):
    """What KVM_GET_SUPPORTED_CPUID lets a guest have."""

    vmx: bool
    svm: bool
    nested_paging: bool | None = None


class Proof(msgspec.Struct, frozen=True):
    """The outcome of running a guest."""

    ok: bool
    kind: str = ""
    stages: str = ""
    cause: str | None = None


class Pace(msgspec.Struct, frozen=True):
    """Cost of a loop that never leaves the guest, in TSC cycles per iteration."""

    loop_cycles: float
    emulated: bool


class Process(msgspec.Struct, frozen=True):
    """As whom the agent ran."""

    uid: int = -1
    gid: int = -1
    groups: list[int] = []
    user: str = ""


class Msrs(msgspec.Struct, frozen=True):
    """IA32_FEATURE_CONTROL (0x3a) and VM_CR (0xc0010114) of CPU 0, where readable."""

    feature_control: int | None = None
    vm_cr: int | None = None


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


class Facts:
    """The facts of one report, each read once."""

    def __init__(self, report: Report) -> None:
        self.report = report

    @cached_property
    def cpu(self) -> Fact[CpuIdentity]:
        return read(self.report, "cpu.identity", CpuIdentity)

    @cached_property
    def flags(self) -> Fact[list[str]]:
        return read(self.report, "cpu.flags", list[str])

    @cached_property
    def cpuid(self) -> Fact[Cpuid]:
        return read(self.report, "cpu.cpuid", Cpuid)

    @cached_property
    def signatures(self) -> Fact[list[Signature]]:
        return read(self.report, "hypervisor.signatures", list[Signature])

    @cached_property
    def dmi(self) -> Fact[dict[str, str]]:
        return read(self.report, "machine.dmi", dict[str, str])

    @cached_property
    def log(self) -> Fact[list[str]]:
        return read(self.report, "kernel.log", list[str])

    @cached_property
    def msrs(self) -> Fact[Msrs]:
        return read(self.report, "firmware.msr", Msrs)

    @cached_property
    def modules(self) -> Fact[dict[str, Module]]:
        return read(self.report, "kvm.modules", dict[str, Module])

    @cached_property
    def device(self) -> Fact[Device]:
        return read(self.report, "kvm.device", Device)

    @cached_property
    def api(self) -> Fact[Api]:
        return read(self.report, "kvm.api", Api)

    @cached_property
    def offered(self) -> Fact[Offered]:
        return read(self.report, "kvm.offered", Offered)

    @cached_property
    def plain(self) -> Fact[Proof]:
        return read(self.report, "proof.plain", Proof)

    @cached_property
    def nested(self) -> Fact[Proof]:
        return read(self.report, "proof.nested", Proof)

    @cached_property
    def nested_paging(self) -> Fact[Proof]:
        return read(self.report, "proof.nested_paging", Proof)

    @cached_property
    def pace(self) -> Fact[Pace]:
        return read(self.report, "proof.pace", Pace)

    @cached_property
    def process(self) -> Fact[Process]:
        return read(self.report, "process.identity", Process)

    # ---- what follows from several facts ----

    @property
    def hypervisor_names(self) -> tuple[str, ...]:
        """Signatures of the hypervisors that this machine runs under; empty on bare metal or when unreadable."""
        return tuple(s.signature for s in self.signatures.known or ())

    @property
    def is_vm(self) -> bool | None:
        """This machine is itself a VM; None when neither CPUID nor the kernel's flags could be read."""
        if self.hypervisor_names:
            return True
        if self.cpuid.known is not None:
            return self.cpuid.known.hypervisor
        if self.flags.known is not None:
            return "hypervisor" in self.flags.known
        return None

    @property
    def feature(self) -> str | None:
        """`vmx` or `svm` if CPUID or the kernel shows it; "" when neither does; None when nobody could look."""
        flags = self.flags.known
        cpuid = self.cpuid.known
        for name in ("vmx", "svm"):
            if (cpuid is not None and getattr(cpuid, name)) or (flags is not None and name in flags):
                return name
        return None if flags is None and cpuid is None else ""

    @property
    def vendor_module(self) -> str:
        """The KVM module for this CPU; "" when the vendor is unknown."""
        vendor = self.cpu.value.vendor if self.cpu.value else ""
        by_feature = {"vmx": "kvm_intel", "svm": "kvm_amd"}.get(self.feature or "", "")
        by_vendor = {
            "GenuineIntel": "kvm_intel",
            "CentaurHauls": "kvm_intel",
            "AuthenticAMD": "kvm_amd",
            "HygonGenuine": "kvm_amd",
        }
        return by_feature or by_vendor.get(vendor, "")
