"""Fetching a guest's report from its virtio-serial port, and telling apart why none comes."""

import contextlib
import time
from collections.abc import Callable

import libvirt

from agent.cloudinit import PORT
from hostcheck import clock
from hostcheck.frame import FrameReader
from provision.provider import Progress, ProviderError
from provision.providers.libvirt import console as consoles
from provision.providers.libvirt.console import Console
from provision.providers.libvirt.domains import is_running

PAUSE = 0.1
"""Seconds between two looks at the port."""
STATE_EVERY = 1.0
PROGRESS_EVERY = 5.0
PANIC_SECONDS = 30.0
"""How long a panicked kernel may take to restart itself before the wait is given up."""
ENDING_SECONDS = 30.0
"""How long a guest that has powered off may wait for libvirt to take its QEMU away, which a busy machine is slow at."""
REASONS = {
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN): "it shut itself down",
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED): "it was powered off",
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED): "it crashed",
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED): "QEMU ended",
    (libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_CRASHED_PANICKED): "its kernel panicked",
    (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR): "its disk cannot be written (is the host's full?)",
}


class Listener:
    """One wait for one report. The agent writes a fresh one whenever the host's end of the port is opened."""

    def __init__(self, connection: "libvirt.virConnect", domain: "libvirt.virDomain", console: Console) -> None:
        self._connection = connection
        self._domain = domain
        self._console = console
        self._stream: libvirt.virStream | None = None
        self._reader = FrameReader()
        self._panicked = 0.0
        """When its kernel was first seen panicked; 0 while it is not."""

    def listen(self, timeout: float, progress: Progress) -> bytes:
        """The report's JSON within `timeout` seconds. Raises ProviderError that says how far the guest came."""
        started = clock.monotonic()
        tell = _Every(PROGRESS_EVERY, lambda: progress(self._stage(clock.monotonic() - started)))
        watch = _Every(STATE_EVERY, self._must_run)
        try:
            while clock.monotonic() - started < timeout:
                watch()
                report = self._read()
                if report is not None:
                    return report
                tell()
                time.sleep(PAUSE)
            self._must_run()
            raise self._silence(timeout)
        finally:
            self._hang_up()

    def _read(self) -> bytes | None:
        if self._stream is None:
            self._stream = self._open()
        while True:
            try:
                data = self._stream.recv(65536)
            except libvirt.libvirtError:
                data = b""
            if not isinstance(data, bytes):  # -2: nothing to read now
                return None
            if not data:  # the other end is gone: QEMU, or the daemon
                self._hang_up()
                return None
            report = self._reader.feed(data)
            if report is not None:
                return report

    def _open(self) -> "libvirt.virStream":
        stream = self._connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        try:
            self._domain.openChannel(PORT, stream, 0)
        except libvirt.libvirtError as e:
            self._must_run()
            if "Active channel stream exists" in str(e):
                raise ProviderError(
                    f"somebody else is listening on its report port {PORT}, which has room for one",
                    hint="end the other nestproof or virsh that waits for this VM",
                ) from e
            if "Cannot find channel" in str(e):
                raise ProviderError(f"the domain has no report port {PORT}", hint="apply the manifests again") from e
            raise
        return stream

    def _hang_up(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(libvirt.libvirtError):  # broken already
                self._stream.abort()
            self._stream = None

    def _must_run(self) -> None:
        if is_running(self._domain):
            self._must_not_stand_still()
            return
        state, reason = self._ended()
        why = REASONS.get((state, reason), "it is not running")
        raise ProviderError(f"no report: {why}{self._last_words()}", hint="apply the manifests again")

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
            raise ProviderError(
                f"no report: its kernel panicked: {reason}",
                hint="destroy it and apply again; under an emulated CPU on a busy host, no_timer_check on the kernel's "
                "command line helps against timer panics",
            )

    def _silence(self, timeout: float) -> ProviderError:
        text = self._console.text()
        start = f"no report within {timeout:g} s: "
        if self._reader.fault:
            return ProviderError(f"{start}the guest sent {self._reader.fault}")
        if not text.strip() and not self._console.whole:
            return ProviderError(
                f"{start}no agent answers on port {PORT}, and its console was silent meanwhile",
                hint="give it more time (--timeout), or look at its console: virsh console",
            )
        if not text.strip():
            return ProviderError(
                f"{start}its console is silent: it never booted, or does not use the serial console",
                hint="check that the image boots with this firmware (VMClass spec.firmware) and has console=ttyS0",
            )
        if consoles.saw_no_seed(text):
            return ProviderError(
                f"{start}it booted, but cloud-init found no seed{self._last_words()}",
                hint="the image's kernel needs virtio_blk and isofs, and cloud-init the NoCloud datasource",
            )
        return ProviderError(
            f"{start}it started, but no agent answers on port {PORT}{self._last_words()}",
            hint="give it more time (--timeout); the image needs cloud-init, Python 3.6 and virtio_console",
        )

    def _stage(self, seconds: float) -> str:
        line = consoles.last_line(self._console.text())
        return f"waiting for its report, {seconds:.0f} s: {line or 'its console is silent so far'}"

    def _last_words(self) -> str:
        line = consoles.last_line(self._console.text())
        return f"; its console ends with: {line}" if line else ""


class _Every:
    """Calls something at most once in so many seconds, at once the first time."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._next = 0.0

    def __call__(self) -> None:
        now = clock.monotonic()
        if now >= self._next:
            self._next = now + self._seconds
            self._action()
