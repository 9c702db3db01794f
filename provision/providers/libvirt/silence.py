"""Why a VM that runs has sent no report: from what was seen of it to the one cause. Pure."""

import msgspec

from agent.cloudinit import PORT
from hostcheck.model import Silence
from provision.provider import NoReport
from provision.providers.libvirt import console as consoles


class Seen(msgspec.Struct, frozen=True):
    """What is known of a VM after waiting in vain."""

    console: str
    """The end of what it said."""
    console_whole: bool
    """It was heard from its start, so that silence means that it said nothing."""
    port_missing: bool = False
    port_held: bool | None = None
    """A process in the guest has the port open."""
    port_trouble: str = ""
    earlier: bool = False
    """A report is on its console, of before it booted again."""
    damaged: str = ""
    """What was wrong with what came."""
    agent_file: str = ""
    """What the QEMU guest agent answered."""
    agent_installed: bool | None = None
    seed_bus: str | None = None
    """Where the running domain has its seed, if it was moved from where it was put; empty when it was taken out."""


def silence(seen: Seen, waited: float) -> NoReport:
    """The cause, with what to do about it; the strongest evidence first."""
    cause, text, hint = _cause(seen)
    words = consoles.last_line(seen.console)
    said = f"; its console ends with: {words}" if words and cause not in _CONSOLE_SAYS_NOTHING else ""
    return NoReport(f"no report within {waited:g} s: {text}{said}", cause, hint=hint)


_CONSOLE_SAYS_NOTHING = (Silence.DAMAGED, Silence.CHANNEL_MISSING, Silence.CHANNEL_BLOCKED)
_AGAIN = "apply the manifests again"
_NO_DRIVER = ("fdc", "ide", "sata")
_MORE_TIME = "give it more time (--timeout)"


def _cause(seen: Seen) -> tuple[Silence, str, str]:
    text = seen.console
    if seen.damaged:
        return Silence.DAMAGED, f"the guest sent {seen.damaged}", "something else writes to its channels: look there"
    if seen.port_missing:
        return Silence.CHANNEL_MISSING, f"the domain has no report port {PORT}", _AGAIN
    if not text.strip() and seen.console_whole:
        return (
            Silence.NEVER_BOOTED,
            "its console is silent: it never booted, or does not use the serial console",
            "check that the image boots with this firmware (VMClass spec.firmware) and has console=ttyS0",
        )
    if consoles.saw_no_seed(text):
        return (
            Silence.NO_SEED,
            f"it booted, but cloud-init found no seed{_moved(seen)}",
            _seed_hint(seen) or "the image's kernel needs virtio_blk and isofs, and cloud-init the NoCloud datasource",
        )
    if consoles.has_no_python(text):
        return Silence.NO_PYTHON, "its agent found no Python", "install Python 3.6 or newer in the image"
    if failure := consoles.agent_failure(text):
        return (
            Silence.AGENT_FAILED,
            f"its agent failed: {failure}",
            "see `journalctl -u nestproof-agent` in the guest",
        )
    if seen.port_held:
        return (
            Silence.CHANNEL_BLOCKED,
            f"its agent holds port {PORT} open, but nothing comes through",
            f"its proof may take longer: {_MORE_TIME}; else look at the agent: `journalctl -u nestproof-agent`",
        )
    return _no_agent(seen)


def _no_agent(seen: Seen) -> tuple[Silence, str, str]:
    if seen.agent_installed is False:
        return (
            Silence.NO_SEED,
            f"the QEMU guest agent sees no agent of nestproof in it: cloud-init did not take the seed{_moved(seen)}",
            _seed_hint(seen)
            or "the image needs cloud-init with the NoCloud datasource; see `cloud-init status --long`",
        )
    if consoles.cloud_init_finished(seen.console) or seen.agent_installed:
        return (
            Silence.AGENT_GONE,
            f"it is up, but no agent answers on port {PORT}: it was stopped, or the port is not there in the guest",
            "see `systemctl status nestproof-agent` in the guest; its kernel needs virtio_console",
        )
    if not seen.console.strip():
        return (
            Silence.UNKNOWN,
            f"no agent answers on port {PORT}, and its console was silent meanwhile",
            f"{_MORE_TIME}, or look at its console: virsh console",
        )
    if seen.earlier:
        return (
            Silence.EARLIER_BOOT,
            "it has booted again since its last report, and not reported from this boot",
            f"{_MORE_TIME}, or see why this boot does not come to its end: virsh console",
        )
    return (
        Silence.BOOTING,
        f"it started, but no agent answers on port {PORT}{_moved(seen)}",
        _seed_hint(seen) or f"{_MORE_TIME}; the image needs cloud-init, Python 3.6 and virtio_console",
    )


def _moved(seen: Seen) -> str:
    """What became of the seed since the domain was made; empty when it is in its place."""
    if seen.seed_bus is None:
        return ""
    if not seen.seed_bus:
        return ": somebody took its seed out of the domain"
    lacks = ", which Debian's cloud kernel has no driver for" if seen.seed_bus in _NO_DRIVER else ""
    return f": somebody put its seed on the {seen.seed_bus} bus{lacks}"


def _seed_hint(seen: Seen) -> str:
    """What to do about a seed that is not where it was put; empty when it is."""
    if seen.seed_bus is None:
        return ""
    if not seen.seed_bus:
        return "destroy the VM and apply the manifests again"
    return f"{_AGAIN}: its seed is put back on virtio"
