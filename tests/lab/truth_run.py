"""Goes through the truth table: boots its machines, judges the agent's reports, runs the remedies that were printed."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lab_artefacts import kernel
from lab_machines import Done, Lab
from truth_libvirt import Vm, libvirt_session
from truth_scenarios import Expected, Machine, Scenario
from truth_session import Broken, Session, session
from truth_userland import module_tree, tools

from hostcheck.judge import judge
from hostcheck.model import Judgement, Remedy
from hostcheck.report import FactStatus, Report, ReportError, decode

ATTEMPTS = 3
MODULES = ["kvm-amd", "kvm-intel", "msr", "cpuid", "tun"]
START = """mkdir -p /etc/modprobe.d /lib/modprobe.d /etc/modules-load.d /etc/udev/rules.d
for f in passwd group shadow gshadow; do cp /etc/$f /etc/$f.first; done
chmod 4755 /bin/newgrp"""
RESET = """exec >/dev/null 2>&1
modprobe -r kvm_amd; modprobe -r kvm_intel; modprobe -r kvm; modprobe -r tun
rm -rf /dev/kvm /etc/modprobe.d/* /lib/modprobe.d/* /etc/modules-load.d/* /etc/udev/rules.d/*
[ ! -e /tmp/kvm-amd.ko ] || { mv /tmp/kvm-amd.ko /lib/modules/*/kernel/arch/x86/kvm/ && depmod -a; }
for f in passwd group shadow gshadow; do cp /etc/$f.first /etc/$f; done
true"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scenario gave: the report and its judgement, the remedy that was run, and the same after it."""

    report: Report
    before: Judgement
    remedy: Remedy | None = None
    ran: Done | None = None
    after: Judgement | None = None


def run_machine(machine: Machine, scenarios: list[Scenario], told: Callable[[str, Seen], None]) -> dict[str, Seen]:
    """Boot a machine and go through its scenarios; `told` hears of each. Raises Broken."""
    found = {}
    with booted(machine) as shell:
        for scenario in scenarios:
            found[scenario.id] = run_scenario(shell, scenario, machine)
            told(scenario.id, found[scenario.id])
    return found


@contextlib.contextmanager
def booted(machine: Machine) -> Iterator[Session]:
    """Boot a machine and prepare it; it ends with the block. Raises Broken."""
    files = tools() | module_tree(kernel(machine.suite), MODULES)
    lab = Lab(jobs=(), files=files, suite=machine.suite, cpu=machine.cpu, cmdline=machine.cmdline, seconds=600)
    with tempfile.TemporaryDirectory(prefix="nestproof-lab-") as directory, contextlib.ExitStack() as stack:
        shell: Session
        if machine.emulator == "libvirt":
            shell = stack.enter_context(libvirt_session(lab, Path(directory)))
        else:
            shell = stack.enter_context(session(lab, Path(directory), machine.emulator, machine.firmware_off))
        must(shell, START)
        must(shell, machine.prepare)
        yield shell


def run_scenario(shell: Session, scenario: Scenario, machine: Machine) -> Seen:
    """Bring the machine into the state, judge it, run the remedy, judge it again. Raises Broken."""
    must(shell, RESET)
    must(shell, scenario.state)
    report = reported(shell, scenario.agent)
    before = judge(report, scenario.id)
    remedy = offered(before, scenario)
    if remedy is None or scenario.mended is None:
        return Seen(report, before, remedy)
    if scenario.reboot is not None:
        with booted(replace(machine, cmdline=scenario.reboot)) as again:
            must(again, scenario.state)
            return Seen(report, before, remedy, None, judge(reported(again, scenario.agent), scenario.id))
    commands = "\n".join(remedy.commands)
    if isinstance(shell, Vm):
        ran = shell.outside(commands)
        shell.power_cycle()
        must(shell, START)
        must(shell, scenario.state)
        return Seen(report, before, remedy, ran, judge(reported(shell, scenario.agent), scenario.id))
    if scenario.session:
        after = reported(shell, scenario.session.replace("COMMANDS", commands))
        return Seen(report, before, remedy, None, judge(after, scenario.id))
    ran = shell.run(f"set -e\n{commands}")
    return Seen(report, before, remedy, ran, judge(reported(shell, scenario.agent), scenario.id))


def must(shell: Session, script: str) -> None:
    """Run a script that has to succeed. Raises Broken."""
    done = shell.run(script)
    if done.status:
        raise Broken(f"status {done.status} of\n{script}\n{done.output}")


def reported(shell: Session, agent: str) -> Report:
    """Return the agent's report in the state of now. Raises Broken.

    On a busy machine an emulated CPU can be too slow for the agent's watchdog, which says nothing about the state: then
    it is asked again.
    """
    for _ in range(ATTEMPTS):
        done = shell.run(agent)
        line = next((each for each in done.output.splitlines() if each.startswith("{")), "")
        try:
            report = decode(line.encode())
        except ReportError as e:
            raise Broken(f"{e}\n{done.output[:2000]}") from e
        if not any(fact.status is FactStatus.TIMEOUT for fact in report.facts.values()):
            break
    return report


def offered(judgement: Judgement, scenario: Scenario) -> Remedy | None:
    """Return the first remedy of the finding that has to carry it."""
    finding = judgement.finding(scenario.check) if scenario.check else None
    return finding.remedies[0] if finding and finding.remedies else None


def differences(scenario: Scenario, seen: Seen) -> list[str]:
    """Say where what was seen is not what the table expects; empty when it is."""
    found = compare("", scenario.expected, seen.before)
    remedy = seen.remedy.id if seen.remedy else ""
    if remedy != scenario.remedy:
        found.append(f"remedy of {scenario.check}: expected {scenario.remedy or 'none'}, seen {remedy or 'none'}")
    elif scenario.mended is not None and seen.after is not None:
        if seen.ran is not None and seen.ran.status:
            found.append(f"{remedy} ended with status {seen.ran.status}: {seen.ran.output[-500:]}")
        found += compare("after the remedy: ", scenario.mended, seen.after)
    return found


def compare(when: str, expected: Expected, judged: Judgement) -> list[str]:
    """Say where a judgement differs from what is expected of it."""
    found = []
    for question, verdict, by, answer in (
        ("runs-guests", expected.runs, expected.runs_by, judged.runs_guests),
        ("guests-nest", expected.nests, expected.nests_by, judged.guests_nest),
    ):
        if (answer.verdict, answer.decided_by) != (verdict, by):
            found.append(
                f"{when}{question}: expected {verdict} by {by}, seen {answer.verdict} by {answer.decided_by}:"
                f" {answer.reason}"
            )
    for check, status in expected.shows:
        finding = judged.finding(check)
        if finding is None or finding.status is not status:
            found.append(
                f"{when}{check}: expected {status}, seen {finding and (finding.status.value, finding.summary)}"
            )
    return found
