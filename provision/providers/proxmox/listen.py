"""Fetching a guest's report through the QEMU guest agent: the file that our agent keeps, read without any network.

The file is on a file system that a boot empties, so what is in it was said since the VM was started.
"""

import time

import msgspec

from agent.channels.local import REPORT
from hostcheck import clock
from hostcheck.report import MAX_BYTES
from provision.provider import Progress, ProviderError
from provision.providers.proxmox.api import Api
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


def fetch(api: Api, guest: Guest, version: Version, timeout: float, progress: Progress) -> bytes:
    """The report within `timeout` seconds. Raises ProviderError that says how far the guest came."""
    started = clock.monotonic()
    told = started - PROGRESS_EVERY
    stage = "the guest has not been asked yet"
    while True:
        _must_run(api, guest)
        answer, stage = _read(api, guest, version)
        if answer is not None:
            return answer
        now = clock.monotonic()
        if now - started >= timeout:
            raise _silence(timeout, stage)
        if now - told >= PROGRESS_EVERY:
            told = now
            progress(f"waiting for its report, {now - started:.0f} s: {stage}")
        time.sleep(min(PAUSE, max(0.0, timeout - (now - started))))


def _read(api: Api, guest: Guest, version: Version) -> tuple[bytes | None, str]:
    """The report, or None and how far the guest has come."""
    try:
        file = api.get(f"{guest.path}/agent/file-read", _File, file=REPORT)
    except ApiError as e:
        if e.denied:
            raise ProviderError(
                f"its report cannot be read: {e}",
                hint=f"reading a file through the guest agent takes {version.file_read_privilege} on /vms/{guest.vmid} "
                f"with Proxmox VE {version} (docs/proxmox.md)",
            ) from e
        if NOT_CONFIGURED in e.text:
            raise ProviderError("the VM has no guest agent device", hint="apply the manifests again") from e
        if any(words in e.text for words in NO_AGENT):
            return None, "the QEMU guest agent does not answer yet"
        if "No such file" in e.text or "Failed to open file" in e.text:
            return None, "the QEMU guest agent answers, but there is no report yet"
        if e.status < 500:
            raise
        return None, e.text
    data = file.content.encode("utf-8", "surrogateescape")
    if file.truncated or len(data) > MAX_BYTES:
        raise ProviderError(f"the guest's report has {len(data)} bytes or more; at most {MAX_BYTES} are accepted")
    return (data, "") if data.strip() else (None, "the report in the guest is empty so far")


def _must_run(api: Api, guest: Guest) -> None:
    current = api.get(f"{guest.path}/status/current", Current)
    if current.status != "running":
        raise ProviderError("no report: it is powered off", hint="apply the manifests again")
    if not current.running:
        raise ProviderError(
            f"no report: it is {current.qmpstatus}", hint=f"its node says more: qm status {guest.vmid} --verbose"
        )


def _silence(timeout: float, stage: str) -> ProviderError:
    hint = "give it more time (--timeout)"
    if "no report yet" in stage:
        hint += "; cloud-init runs our agent: the image needs cloud-init with the NoCloud datasource, and Python 3.6"
    elif "guest agent" in stage:
        hint += "; the image needs the package qemu-guest-agent, running"
    return ProviderError(f"no report within {timeout:g} s: {stage}", hint=hint)
