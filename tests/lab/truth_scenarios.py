"""What a row of the truth table is: a machine, the state it is brought into, and what must be said of it.

And the answers that many rows share.
"""

from dataclasses import dataclass

from hostcheck.model import Status, Verdict

AGENT = "cd / && python3 -S -m agent --json --timeout 60 2>/dev/null"


@dataclass(frozen=True, slots=True)
class Machine:
    """One boot. Its scenarios follow each other in it."""

    id: str
    title: str
    emulator: str
    """`tcg` (QEMU, AMD's SVM), `libvirt` (the same, as a VM of libvirt) or `bochs` (Intel's VMX)."""
    cpu: str = ""
    """The emulator's name of a CPU model; empty for the lab's usual one."""
    suite: str = "stable"
    """Debian's kernel of `stable` (6.1) or `backports` (6.12)."""
    firmware_off: bool = False
    cmdline: str = ""
    prepare: str = ""
    """Run once, after the boot."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Both verdicts, and the checks that must have decided them."""

    runs: Verdict
    runs_by: str
    nests: Verdict
    nests_by: str
    shows: tuple[tuple[str, Status], ...] = ()
    """Findings beside the deciding ones."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row."""

    id: str
    title: str
    machine: str
    state: str
    """Shell commands that bring the machine, on which no module of KVM is loaded, into the state."""
    expected: Expected
    agent: str = AGENT
    """How the agent is started: by whom, and what it is kept from."""
    check: str = ""
    """The check whose finding must carry the remedy, or none where none is named."""
    remedy: str = ""
    """The id of the first remedy of that finding."""
    mended: Expected | None = None
    """What must be said after the remedy's commands were run; None where they cannot be run in a lab."""
    session: str = ""
    """A script that runs the remedy's COMMANDS and the agent in one session; empty: the agent is started anew."""
    reboot: str | None = None
    """The kernel's command line as a remedy without commands says it; the machine is booted again with it."""
    unmended: str = ""
    """Why they cannot."""


PASS, WARN, FAIL = Status.PASS, Status.WARN, Status.FAIL
DEGRADED, WRONG, POLICY = Verdict.DEGRADED, Verdict.MISCONFIGURED, Verdict.BLOCKED_POLICY
UNSUPPORTED, CONFLICT, FIRMWARE = Verdict.UNSUPPORTED, Verdict.CONFLICT, Verdict.BLOCKED_FIRMWARE

LOADED = "modprobe kvm_amd; udevadm settle"
WORKS = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.paging", PASS), ("cpu.emulated", WARN)))
NO_PAGING = (("nested.paging", WARN), ("kvm.paging", WARN))
NO_PAGES = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", NO_PAGING)
NESTED_OFF = Expected(DEGRADED, "kvm.run", WRONG, "nested.parameter", (("nested.offered", FAIL),))


def both(verdict: Verdict, check: str, *shows: tuple[str, Status]) -> Expected:
    """Both questions have the same answer for the same reason."""
    return Expected(verdict, check, verdict, check, shows)
