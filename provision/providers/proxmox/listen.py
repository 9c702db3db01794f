"""Fetching a guest's report: a file that the QEMU guest agent reads for us, and beside it the serial console.

The file is on a file system that a boot empties, so what is in it was said since the VM was started.
"""

import time

import msgspec

from agent.channels.local import REPORT
from hostcheck import clock
from hostcheck.model import Silence
from hostcheck.report import MAX_BYTES
from provision.patience import Signs, deadline
from provision.provider import NoReport, Progress, ProviderError
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.console import Console
from provision.providers.proxmox.faults import ApiError
from provision.providers.proxmox.guests import Current, Guest
from provision.providers.proxmox.version import Version

PAUSE = 1.0
PROGRESS_EVERY = 5.0
NO_AGENT = ("guest agent is not running", "got timeout", "not connected")
NOT_CONFIGURED = "No QEMU guest agent configured"


class _File(msgspec.Struct):
    content: str = ""
    truncated: bool = False


class Listener:
    """One wait for one report."""

    def __init__(self, api: Api, guest: Guest, version: Version) -> None:
        self._api = api
        self._guest = guest
        self._version = version
        self._console: Console | None = None
        self._stage = "the guest has not been asked yet"
        self._silence = Silence.UNKNOWN

    def listen(self, timeout: float, progress: Progress) -> bytes:
        """The report within `timeout` seconds, or more (`patience`) while the guest is getting on.

        Raises ProviderError that says how far it came.
        """
        started, signs = clock.monotonic(), Signs()
        told = started - PROGRESS_EVERY
        try:
            while True:
                self._must_run()
                report = self._read() or self._hear()
                if report is not None:
                    return report
                now = clock.monotonic()
                signs.look((self._stage, self._last_words()), now - started)
                end = deadline(timeout, signs.last)
                if now - started >= end:
                    raise self._silent(max(timeout, round(now - started)))
                if now - told >= PROGRESS_EVERY:
                    told = now
                    progress(f"waiting for its report, {now - started:.0f} s: {self._stage}{self._last_words()}")
                time.sleep(min(PAUSE, max(0.0, end - (now - started))))
        finally:
            if self._console is not None:
                self._console.close()

    def _hear(self) -> bytes | None:
        """The console, opened when the guest agent gave nothing."""
        if self._console is None:
            self._console = Console(self._api, self._guest.path)
        return self._console.report()

    def _read(self) -> bytes | None:
        """The report by the guest agent; None, and how far the guest has come, when there is none yet."""
        try:
            file = self._api.get(f"{self._guest.path}/agent/file-read", _File, file=REPORT)
        except ApiError as e:
            if e.denied:
                raise NoReport(
                    f"its report cannot be read: {e}",
                    Silence.CHANNEL_BLOCKED,
                    hint=f"reading a file through the guest agent takes {self._version.file_read_privilege} on "
                    f"/vms/{self._guest.vmid} with Proxmox VE {self._version} (docs/proxmox.md)",
                ) from e
            self._stage, self._silence = _stage(e)
            return None
        data = file.content.encode("utf-8", "surrogateescape")
        if file.truncated or len(data) > MAX_BYTES:
            why = f"the guest's report has {len(data)} bytes or more; at most {MAX_BYTES} are accepted"
            raise NoReport(why, Silence.DAMAGED)
        if data.strip():
            return data
        self._stage, self._silence = "the report in the guest is empty so far", Silence.BOOTING
        return None

    def _must_run(self) -> None:
        current = self._api.get(f"{self._guest.path}/status/current", Current)
        if current.status != "running":
            raise NoReport("no report: it is powered off", Silence.OFF, hint="apply the manifests again")
        if not current.running:
            hint = f"its node says more: qm status {self._guest.vmid} --verbose"
            raise NoReport(f"no report: it is {current.qmpstatus}", Silence.PAUSED, hint=hint)

    def _silent(self, timeout: float) -> NoReport:
        hint = "give it more time (--timeout)"
        if self._silence is Silence.AGENT_GONE:
            hint += (
                "; cloud-init runs our agent: the image needs cloud-init with the NoCloud datasource, and Python 3.6"
            )
        elif self._silence is Silence.BOOTING:
            hint += (
                "; the image needs the package qemu-guest-agent, running, or a console on ttyS0 that we may listen to"
            )
        return NoReport(f"no report within {timeout:g} s: {self._stage}{self._last_words()}", self._silence, hint=hint)

    def _last_words(self) -> str:
        console = self._console
        if console is None:
            return ""
        if console.last_line:
            return f"; its console ends with: {console.last_line}"
        return f"; its console cannot be listened to: {console.why}" if console.why else ""


def _stage(error: ApiError) -> tuple[str, Silence]:
    """How far the guest has come by what the guest agent answers. Raises ProviderError for what waiting cannot mend."""
    if NOT_CONFIGURED in error.text:
        why = "the VM has no guest agent device"
        raise NoReport(why, Silence.CHANNEL_MISSING, hint="apply the manifests again") from error
    if any(words in error.text for words in NO_AGENT):
        return "the QEMU guest agent does not answer yet", Silence.BOOTING
    if "No such file" in error.text or "Failed to open file" in error.text:
        return "the QEMU guest agent answers, but there is no report yet", Silence.AGENT_GONE
    if error.status < 500:
        raise ProviderError(str(error), hint=error.hint) from error
    return error.text, Silence.UNKNOWN
