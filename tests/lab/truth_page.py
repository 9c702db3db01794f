"""docs/truth-table.md: the table as it is held, without anything that a run of it adds."""

from truth_levels import Joined, Level
from truth_scenarios import Expected, Machine, Scenario

HEAD = """# The truth table

Written by `make lab`, which boots every machine below in software, brings it into each state, runs the agent in it,
judges its report, runs the remedy that was printed, and judges it again. What is not as written here fails. In a VM
of libvirt a remedy is run on the hypervisor, and the VM is switched off and on; the next scenario goes on from there.

QEMU's TCG emulates AMD's SVM, Bochs emulates Intel's VMX. All of these CPUs are emulated, so what works is DEGRADED:
a guest ran, and no figure about speed means anything. The verdict after a remedy is that of a second report.
"""
COLUMNS = ("scenario", "state", "runs guests", "guests nest", "decided by", "also", "remedy", "after it")


LEVELS_HEAD = """
## A VM in an AMD EPYC host, Linux 6.1 in both (QEMU with KVM in QEMU TCG)

Both are judged by their own reports, and joined to one chain: it names the broken link on whichever side it is. The
remedy is run on the host, and the VM started anew.
"""
LEVEL_COLUMNS = ("scenario", "host and VM", "VM runs guests", "its guests nest", "broken link", "remedy", "after it")


def page(machines: tuple[Machine, ...], scenarios: tuple[Scenario, ...], levels: tuple[Level, ...]) -> str:
    """Return the whole page."""
    mended = sum(1 for scenario in scenarios if scenario.mended)
    out = [
        HEAD,
        f"{len(scenarios)} scenarios on {len(machines)} machines; in {mended} of them a remedy was run and turned the "
        "verdict, or the finding that carries it. "
        f"{len(levels)} more scenarios have a VM in the machine, and judge both.",
    ]
    for machine in machines:
        emulator = {"tcg": "QEMU TCG", "libvirt": "libvirt, QEMU TCG", "bochs": "Bochs"}[machine.emulator]
        rows = [row(scenario) for scenario in scenarios if scenario.machine == machine.id]
        out += ["", f"## {machine.title} ({emulator})", "", line(COLUMNS), line(("---",) * len(COLUMNS)), *rows]
    out += [LEVELS_HEAD, line(LEVEL_COLUMNS), line(("---",) * len(LEVEL_COLUMNS)), *map(level_row, levels)]
    return "\n".join(out) + "\n"


def level_row(level: Level) -> str:
    """Return one line of the table of two levels."""
    expected, remedy = level.expected, f"`{level.remedy}`" if level.remedy else ""
    broken = f"{expected.broken.label} ({expected.by})" if expected.broken else "none"
    after = joined(level.mended) if level.mended else f"not run: {level.unmended}" if level.unmended else ""
    return line((f"`{level.id}`", level.title, expected.runs, expected.nests, broken, remedy, after))


def joined(expected: Joined) -> str:
    """Return both verdicts of a VM."""
    return f"{expected.runs}, {expected.nests}"


def row(scenario: Scenario) -> str:
    """Return one line of a machine's table."""
    expected = scenario.expected
    also = ", ".join(f"{check} {status}" for check, status in expected.shows)
    remedy = f"`{scenario.remedy}`" if scenario.remedy else ""
    after = (
        answers(scenario.mended) if scenario.mended else f"not run: {scenario.unmended}" if scenario.unmended else ""
    )
    by = dict.fromkeys((expected.runs_by, expected.nests_by))
    return line((f"`{scenario.id}`", scenario.title, expected.runs, expected.nests, ", ".join(by), also, remedy, after))


def answers(expected: Expected) -> str:
    """Return both verdicts, and the findings that turned."""
    turned = "; ".join(f"{check} {status}" for check, status in expected.shows)
    return f"{expected.runs}, {expected.nests}" + (f"; {turned}" if turned else "")


def line(cells: tuple[str, ...]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
