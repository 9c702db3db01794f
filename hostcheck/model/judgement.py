"""What is said of one machine from its own report: findings, remedies, and the answer to each question."""

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What one check found. SKIP does not apply, UNKNOWN could not tell; both say why in the summary."""

    PASS = "pass"  # noqa: S105 - a check's result, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """What a check's worst result means. Only a check that BLOCKS can fail; the others warn at most."""

    BLOCKS = "blocks"
    """Guests do not run, or do not nest."""
    DEGRADES = "degrades"
    """They do, but slowly, unreliably, or not after the next change."""
    ADVISES = "advises"
    """Worth knowing before it matters."""


class Question(StrEnum):
    """The two things asked of every machine."""

    RUNS_GUESTS = "runs-guests"
    GUESTS_NEST = "guests-nest"


class Verdict(StrEnum):
    """The answer to one question about one machine."""

    PROVEN = "PROVEN"
    DEGRADED = "DEGRADED"
    CAPABLE = "CAPABLE"
    MISCONFIGURED = "MISCONFIGURED"
    BLOCKED_FIRMWARE = "BLOCKED_FIRMWARE"
    BLOCKED_POLICY = "BLOCKED_POLICY"
    CONFLICT = "CONFLICT"
    UNSUPPORTED = "UNSUPPORTED"
    UNKNOWN = "UNKNOWN"

    @property
    def works(self) -> bool:
        """A guest ran: nothing less counts."""
        return self in (Verdict.PROVEN, Verdict.DEGRADED)


class Link(StrEnum):
    """One link of the chain from the host's CPU to a guest that ran, in order."""

    CPU = "cpu"
    FIRMWARE = "firmware"
    MODULE = "module"
    NESTED_PARAMETER = "nested-parameter"
    OFFERED = "offered"
    VM_ASKS = "vm-asks"
    VM_GOT = "vm-got"
    GUEST_CPU = "guest-cpu"
    GUEST_MODULE = "guest-module"
    DEVICE = "device"
    ACCESS = "access"
    GUEST_RAN = "guest-ran"

    @property
    def label(self) -> str:
        """For people."""
        return LINK_LABELS[self]


LINK_LABELS: dict[Link, str] = {
    Link.CPU: "CPU",
    Link.FIRMWARE: "Firmware",
    Link.MODULE: "Kernel module",
    Link.NESTED_PARAMETER: "Nested parameter",
    Link.OFFERED: "Offered to guests",
    Link.VM_ASKS: "VM asks",
    Link.VM_GOT: "VM got it",
    Link.GUEST_CPU: "Guest CPU shows it",
    Link.GUEST_MODULE: "Guest module",
    Link.DEVICE: "/dev/kvm",
    Link.ACCESS: "Access",
    Link.GUEST_RAN: "Guest ran",
}


class Where(StrEnum):
    """Where a remedy has to be carried out."""

    HOST_SHELL = "host shell"
    HOST_FIRMWARE = "host firmware setup"
    HYPERVISOR = "hypervisor of this VM"
    MANIFEST = "manifest"
    GUEST_SHELL = "guest shell"


class Needs(StrEnum):
    """What has to happen besides the commands of a remedy before it takes effect."""

    NOTHING = "nothing more"
    LOGIN = "a new login"
    RELOAD = "a module reload, with no VM running"
    REBOOT = "a reboot"
    POWER_CYCLE = "a full power cycle"


class Evidence(msgspec.Struct, frozen=True):
    """One observation behind a finding: where it was read and what it said."""

    source: str
    text: str


class Remedy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to mend a broken link.

    Where a finding or a link has several remedies they are alternatives, the likeliest first: one of them is enough.
    The commands of one remedy are its steps, to be run in their order. There may be none (a firmware menu).
    """

    title: str
    where: Where
    commands: tuple[str, ...] = ()
    then: str = ""
    """What has to follow for it to take effect: module reload, reboot, full power cycle."""
    proved_in: str = ""
    """The test scenario in which these commands were run and turned the verdict; empty when never run there."""
    id: str = ""
    """Stable name in the book of remedies; empty for one that was made for a single manifest."""
    needs: Needs = Needs.NOTHING
    risk: str = ""
    """What may be lost or interrupted by it; empty when nothing."""
    applies: str = ""
    """The distribution, product or version that it is for; empty when it is for all."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one check says about one machine."""

    check: str
    status: Status
    summary: str
    link: Link | None = None
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    follows: str = ""
    """The check id of the root cause this one is a consequence of; empty when it stands on its own."""
    waived: str = ""
    """Why it is put up with, by whom, and until when; empty when it is not. The status stays what was found."""

    @property
    def headline(self) -> str:
        """The summary, marked when it is waived."""
        return f"waived: {self.summary} ({self.waived})" if self.waived else self.summary


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verdict on one question with the sentence that gives the reason, and the check that decided it."""

    verdict: Verdict
    reason: str
    decided_by: str = ""


class Timing(msgspec.Struct, frozen=True):
    """Nanoseconds of one thing that was measured in several rounds."""

    median: float
    least: float = 0.0
    most: float = 0.0


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a machine is and what was measured there, by its own report: to compare and to sort, never to judge by."""

    looked: float = 0.0
    """Unix time in seconds at which the report was begun."""
    cpu: str = ""
    """The CPU's own name."""
    cpus: int = 0
    memory: int = 0
    """Bytes."""
    kernel: str = ""
    system: str = ""
    """The distribution and its version, such as `debian 12`."""
    under: str = ""
    """The hypervisor that it runs under; empty on bare metal or where nobody could look."""
    virtual: bool | None = None
    """It is a VM itself; None where nobody could look."""
    uefi: bool | None = None
    secure_boot: bool | None = None
    tpm: bool | None = None
    iommu: bool | None = None
    """It sees an IOMMU (of its own, or a virtual one) that its kernel uses."""
    nested_paging: bool | None = None
    """Its guests are offered EPT or NPT."""
    exit: Timing | None = None
    """CPUID in a guest of this machine: out to its kernel and back in."""
    inner_exit: Timing | None = None
    """The same in a guest of a guest: out to the guest's hypervisor and back, with nested paging where there is any."""


class Judgement(msgspec.Struct, frozen=True):
    """Everything said about one machine (host or VM) from its own report."""

    name: str
    runs_guests: Answer
    guests_nest: Answer
    findings: tuple[Finding, ...]
    emulated_cpu: bool = False
    """The machine itself runs on an emulated CPU (QEMU TCG, Bochs): true results, meaningless speed."""
    feature: str = ""
    """`vmx` or `svm`: what the CPU of the machine has; empty when it has neither or nobody could look."""
    machine: Machine | None = None
    """What it is; None where no report of its own was judged."""

    def answer(self, question: Question) -> Answer:
        return self.runs_guests if question is Question.RUNS_GUESTS else self.guests_nest

    def finding(self, check: str) -> Finding | None:
        return next((f for f in self.findings if f.check == check), None)
