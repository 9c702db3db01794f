"""Fetching a guest's report by whichever channel has it, and telling apart why none comes."""

import time
from collections.abc import Callable
from pathlib import PurePosixPath

import libvirt

from agent.cloudinit import PORT
from hostcheck import clock
from hostcheck.model import Silence
from provision.patience import Signs, deadline
from provision.provider import NoReport, Progress
from provision.providers.libvirt import console as consoles
from provision.providers.libvirt.channels import AgentFile, Channel, ConsoleFrame, Port, Taken
from provision.providers.libvirt.console import Console
from provision.providers.libvirt.domains import is_running
from provision.providers.libvirt.edits import seed_bus
from provision.providers.libvirt.monitor import MonitorError, Status, ask
from provision.providers.libvirt.silence import Seen, silence
from provision.providers.libvirt.xmltext import parse_xml

PAUSE = 0.1
"""Seconds between two looks at the port."""
STATE_EVERY = 1.0
PROGRESS_EVERY = 5.0
OTHERS_AFTER = 20.0
"""Seconds for the port alone, whose report is the freshest."""
OTHERS_EVERY = 10.0
WITHOUT_PORT = 20.0
"""Seconds, and more while it is getting on, that a guest without its port has to be heard by another channel."""
WITHOUT_PORT_EVERY = 1.0
PANIC_SECONDS = 30.0
"""How long a panicked kernel may take to restart itself before the wait is given up."""
ENDING_SECONDS = 30.0
"""How long a guest that has powered off may wait for libvirt to take its QEMU away, which a busy machine is slow at."""
ENDS = {
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN): (Silence.OFF, "it shut itself down"),
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED): (Silence.OFF, "it was powered off"),
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED): (Silence.CRASHED, "it crashed"),
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED): (Silence.CRASHED, "QEMU ended"),
    (libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_CRASHED_PANICKED): (Silence.CRASHED, "its kernel panicked"),
    (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR): (
        Silence.PAUSED, "its disk cannot be written (is the host's full?)"
    ),
    (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER): (Silence.PAUSED, "it was paused"),
}  # fmt: skip


class Listener:
    """One wait for one report."""

    def __init__(
        self, connection: "libvirt.virConnect", domain: "libvirt.virDomain", console: Console, seed: PurePosixPath
    ) -> None:
        self._domain = domain
        self._seed = seed
        self._console = console
        self._port = Port(connection, domain)
        self._file = AgentFile(domain)
        self._frame = ConsoleFrame(console)
        self._panicked = 0.0
        """When its kernel was first seen panicked; 0 while it is not."""
        self._signs = Signs()
        self._started = clock.monotonic()

    def listen(self, timeout: float, progress: Progress) -> bytes:
        """The report's JSON within `timeout` seconds, or more (`patience`) while the guest is getting on.

        Raises NoReport that says how far the guest came.
        """
        self._started = started = clock.monotonic()
        tell = _Every(PROGRESS_EVERY, lambda: progress(self._stage(clock.monotonic() - started)))
        watch = _Every(STATE_EVERY, self._must_run)
        others = _Every(OTHERS_EVERY, lambda: self._by_others(progress), after=min(OTHERS_AFTER, timeout / 2))
        instead = _Every(WITHOUT_PORT_EVERY, lambda: self._by_others(progress))
        try:
            while True:
                watch()
                report = self._by_port() or (instead() if self._port.missing else others())
                if report is not None:
                    return report
                given = min(timeout, WITHOUT_PORT) if self._port.missing else timeout
                if clock.monotonic() - started >= deadline(given, self._signs.last):
                    break
                tell()
                time.sleep(PAUSE)
            self._must_run()
            report = self._by_others(progress, last=True)
            if report is not None:
                return report
            raise silence(self._seen(), max(given, round(clock.monotonic() - started)))
        finally:
            self._port.close()

    def _by_port(self) -> bytes | None:
        try:
            return self._port.poll()
        except Taken as e:
            raise NoReport(
                f"somebody else is listening on its report port {PORT}, which has room for one",
                Silence.CHANNEL_TAKEN,
                hint="end the other nestproof or virsh that waits for this VM",
            ) from e

    def _by_others(self, progress: Progress, *, last: bool = False) -> bytes | None:
        """What else there is; but an agent that holds the port is about to write afresh, which is waited for."""
        if not last and not self._port.missing and self._port.held_by_the_guest():
            return None
        others: tuple[Channel, ...] = (self._file, self._frame)
        for channel in others:
            report = channel.poll()
            if report is not None:
                why = "has no report port" if self._port.missing else "is silent on its report port"
                progress(f"its report came by {channel.name}, because the VM {why} {PORT}")
                return report
        return None

    def _seen(self) -> Seen:
        return Seen(
            console=consoles.this_boot(self._console.text()),
            console_whole=self._console.whole,
            port_missing=self._port.missing,
            port_held=self._port.held_by_the_guest(),
            port_trouble=self._port.trouble,
            damaged=self._port.fault or self._frame.fault,
            earlier=self._frame.earlier,
            agent_file=self._file.state,
            agent_installed=self._file.installed,
            seed_bus=seed_bus(parse_xml(self._domain.XMLDesc()), self._seed),
        )

    def _must_run(self) -> None:
        if is_running(self._domain):
            self._signs.look(self._console.text(), clock.monotonic() - self._started)
            self._must_not_stand_still()
            return
        state = self._ended()
        cause, why = ENDS.get(state) or self._stopped(state[0])
        words = consoles.last_line(self._console.text())
        said = f"; its console ends with: {words}" if words else ""
        raise NoReport(f"no report: {why}{said}", cause, hint="apply the manifests again")

    def _stopped(self, state: int) -> tuple[Silence, str]:
        """Why it does not run where libvirt does not know, which QEMU itself may."""
        if state != libvirt.VIR_DOMAIN_PAUSED:
            return Silence.OFF, "it is not running"
        try:
            status = ask(self._domain, "query-status", Status).status
        except MonitorError:
            return Silence.PAUSED, "it is paused"
        if status == "internal-error":
            return Silence.CRASHED, "its CPU stopped at what KVM cannot carry out (internal-error): see its QEMU log"
        return Silence.PAUSED, f"it is paused: {status}"

    def _ended(self) -> tuple[int, int]:
        """State and reason, once it has ended: for a moment it is only about to, and nobody knows yet why."""
        deadline = clock.monotonic() + ENDING_SECONDS
        while True:
            state, reason = self._domain.state()
            if state != libvirt.VIR_DOMAIN_SHUTDOWN or clock.monotonic() > deadline:
                return state, reason
            time.sleep(PAUSE)

    def _must_not_stand_still(self) -> None:
        reason = consoles.panic(self._console.text())
        if not reason:
            self._panicked = 0.0
        elif not self._panicked:
            self._panicked = clock.monotonic()
        elif clock.monotonic() - self._panicked > PANIC_SECONDS:
            raise NoReport(
                f"no report: its kernel panicked: {reason}",
                Silence.CRASHED,
                hint="destroy it and apply again; if its CPU is emulated, one CPU (spec.resources.cpu: 1) and "
                "no_timer_check on the kernel's command line keep it from panics that are the emulator's",
            )

    def _stage(self, seconds: float) -> str:
        line = consoles.last_line(self._console.text())
        return f"waiting for its report, {seconds:.0f} s: {line or 'its console is silent so far'}"


class _Every:
    """Calls something at most once in so many seconds, the first time `after` so many."""

    def __init__(self, seconds: float, action: Callable[[], bytes | None], after: float = 0.0) -> None:
        self._seconds = seconds
        self._action = action
        self._next = clock.monotonic() + after

    def __call__(self) -> bytes | None:
        now = clock.monotonic()
        if now < self._next:
            return None
        self._next = now + self._seconds
        return self._action()
