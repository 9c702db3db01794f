"""Two levels at once: a machine, and a VM that QEMU runs in it by KVM. Each is judged, and both make one chain."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab_artefacts import kernel
from lab_inner import START, inner, qemu
from lab_machines import Lab
from truth_run import MODULES, must, reported
from truth_session import Session, session
from truth_userland import module_tree, tools

from hostcheck.chain import vm_chain
from hostcheck.judge import judge
from hostcheck.model import Accelerator, Asked, Chain, Judgement, Link, Verdict, VmView

NAME = "lab/inner"


@dataclass(frozen=True, slots=True)
class Joined:
    """What must be said of the VM, knowing both sides: the answers, the broken link, the check that decided."""

    runs: Verdict
    nests: Verdict
    by: str
    broken: Link | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One row: how the machine is set, which CPU QEMU is asked to give the VM, and what must be said of the VM."""

    id: str
    title: str
    state: str
    cpu: str
    expected: Joined
    remedy: str = ""
    """The id of the first remedy of the broken link; run on the machine, after which the VM is started anew."""
    mended: Joined | None = None
    unmended: str = ""


@dataclass(frozen=True, slots=True)
class SeenLevel:
    """What a row gave: the machine's own judgement, the chain, and the chain after the remedy."""

    host: Judgement
    before: Chain
    after: Chain | None = None


WORKS = Joined(Verdict.DEGRADED, Verdict.DEGRADED, "kvm.run")
LEVELS = (
    Level("levels-nested", "nesting on, `-cpu host`", "modprobe kvm_amd", "host", WORKS),
    Level(
        "levels-nested-off", "kvm_amd nested=0 on the host, `-cpu host`", "modprobe kvm_amd nested=0", "host",
        Joined(Verdict.MISCONFIGURED, Verdict.UNSUPPORTED, "nested.parameter", Link.NESTED_PARAMETER),
        remedy="module.nested-on", mended=WORKS,
    ),
    Level(
        "levels-cpu-without-svm", "nesting on, but `-cpu host,-svm`", "modprobe kvm_amd", "host,-svm",
        Joined(Verdict.MISCONFIGURED, Verdict.UNSUPPORTED, "vm.asks", Link.VM_ASKS),
        unmended="QEMU was started by hand: `levels-nested` is this VM with the CPU that it needs",
    ),
)  # fmt: skip


def run_levels(levels: tuple[Level, ...]) -> dict[str, SeenLevel]:
    """Boot one machine and go through the rows. Raises Broken."""
    files = tools() | module_tree(kernel("stable"), MODULES) | qemu() | inner()
    lab = Lab(jobs=(), files=files, seconds=600, megabytes=1024)
    found = {}
    with (
        tempfile.TemporaryDirectory(prefix="nestproof-lab-") as directory,
        session(lab, Path(directory), "tcg") as shell,
    ):
        for level in levels:
            must(shell, "modprobe -r kvm_amd; modprobe -r kvm; rm -f /etc/modprobe.d/*; mkdir -p /etc/modprobe.d")
            must(shell, level.state)
            host = judge(reported(shell, "cd / && python3 -S -m agent --json --timeout 60 2>/dev/null"), "host")
            before = joined(shell, level, host)
            after = None
            if level.mended is not None:
                cause = next(link for link in before.links if link.link is before.broken)
                must(shell, "set -e\n" + "\n".join(cause.remedies[0].commands))
                again = judge(reported(shell, "cd / && python3 -S -m agent --json --timeout 60 2>/dev/null"), "host")
                after = joined(shell, level, again)
            found[level.id] = SeenLevel(host, before, after)
    return found


def joined(shell: Session, level: Level, host: Judgement) -> Chain:
    """Start the VM, judge its own report, and join it to its host's. Raises Broken."""
    guest = judge(reported(shell, START.format(cpu=level.cpu)), "inner")
    asked = Asked.OFF if "-svm" in level.cpu else Asked.ON
    got = None if asked is Asked.ON else False  # QEMU leaves out in silence what KVM does not offer
    view = VmView(NAME, "QEMU", True, asked, f"-cpu {level.cpu}", "svm", got, Accelerator.KVM, host=host.name)
    return vm_chain(view, guest, host)


def level_differences(level: Level, seen: SeenLevel) -> list[str]:
    """Say where what was seen is not what the table expects; empty when it is."""
    found = different("", level.expected, seen.before)
    cause = next((link for link in seen.before.links if link.link is seen.before.broken), None)
    remedy = cause.remedies[0].id if cause and cause.remedies and level.remedy else ""
    if remedy != level.remedy:
        found.append(f"remedy: expected {level.remedy or 'none'}, seen {remedy or 'none'}")
    if level.mended is not None and seen.after is not None:
        found += different("after the remedy: ", level.mended, seen.after)
    return found


def different(when: str, expected: Joined, chain: Chain) -> list[str]:
    """Say where a chain differs from what is expected of it."""
    saw = Joined(chain.runs_guests.verdict, chain.guests_nest.verdict, chain.runs_guests.decided_by, chain.broken)
    return [] if saw == expected else [f"{when}expected {expected}, seen {saw}: {chain.sentence}"]
