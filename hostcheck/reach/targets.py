"""What a user may write to name a host."""

import re
from urllib.parse import unquote, urlsplit

import msgspec

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""urlsplit takes some of these out in silence; another host would be asked than was written."""
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]*")
"""Never begins with `-`: ssh would take it for an option."""


class TargetError(ValueError):
    """What was written names no host that can be reached; the message says why."""


class Target(msgspec.Struct, frozen=True):
    """One host. Empty fields are left to the user's ssh configuration."""

    name: str
    """As people know it: an inventory name or the host."""
    host: str
    """What ssh connects to; empty for this machine."""
    user: str = ""
    port: int = 0
    arguments: tuple[str, ...] = ()
    """More arguments for ssh, from an Ansible inventory."""

    @property
    def local(self) -> bool:
        return not self.host


HERE = Target("this machine", "")


def parse(text: str) -> Target:
    """`ssh://[user@]host[:port]`, `[user@]host`, `qemu+ssh://[user@]host/system` or `local`. Raises TargetError."""
    text = text.strip()
    if text in ("local", "localhost", "qemu:///system", "qemu:///session", "qemu:///embed"):
        return HERE
    if CONTROL.search(text):
        raise TargetError(f"{text!r}: a control character is no part of a host name")
    if "://" not in text:
        text = "ssh://" + text
    scheme = text.partition("://")[0]
    if scheme in ("vsphere", "proxmox"):
        raise TargetError(f"{text}: this is done on a host itself, not by an API; name the host as ssh://HOST")
    if scheme not in ("ssh", "qemu+ssh"):
        raise TargetError(
            f"{text}: there is no way {scheme!r}; write ssh://[user@]host[:port], vsphere://HOST or proxmox://HOST"
        )
    try:
        parts = urlsplit(text)
        host, port = unquote(parts.hostname or ""), parts.port or 0
    except ValueError as e:
        raise TargetError(f"{text}: {e}") from e
    if parts.password is not None:
        raise TargetError(f"{parts.scheme}://{parts.username}:***@{host}: passwords do not belong here; use ssh keys")
    user = unquote(parts.username or "")
    if not HOST.fullmatch(host) or (user and user.startswith("-")):
        raise TargetError(f"{text}: {host!r} is no host name")
    if scheme == "ssh" and parts.path not in ("", "/"):
        raise TargetError(f"{text}: nothing may follow the host, as {parts.path!r} does")
    return Target(host, host, user, port)
