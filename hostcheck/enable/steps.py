"""The steps that change a host: data, and the POSIX shell script that carries each out."""

import base64
import posixpath
import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Put a file there whole: a reader sees the old one or the new one, also after a power failure."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Take a file away, and its directory too when that is ours and then empty."""

    path: str
    with_directory: bool = False


@dataclass(frozen=True, slots=True)
class Unload:
    """Unload one module and, unlike `modprobe -r`, none of those that it needs: their parameters stay."""

    module: str


@dataclass(frozen=True, slots=True)
class Load:
    """Load a module as configured; `parameters` win over the configuration, `bare` leaves it out."""

    module: str
    parameters: tuple[tuple[str, str], ...] = ()
    bare: bool = False


@dataclass(frozen=True, slots=True)
class SetNode:
    """Give /dev/kvm owner and permissions, unless it has them."""

    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class UpdateInitramfs:
    """Make the initial RAM disk anew: it has its own copy of /etc/modprobe.d."""

    tool: str


Step = WriteFile | RemoveFile | Unload | Load | SetNode | UpdateInitramfs

RENEW = {"update-initramfs": "update-initramfs -u", "dracut": "dracut --force"}
"""The command that renews the running kernel's initial RAM disk, by the program that has to be there."""
SETTLE = "if command -v udevadm >/dev/null 2>&1; then udevadm settle --timeout=20 || :; fi"


def command(step: Step) -> str:
    """The step as a person would type it."""
    match step:
        case WriteFile(path=path):
            return f"write {path}"
        case RemoveFile(path=path):
            return f"rm {path}"
        case Unload(module=module):
            return f"rmmod {module}"
        case Load(module=module, parameters=parameters, bare=bare):
            given = [f"{name}={value}" for name, value in parameters]
            return shlex.join(["modprobe", *(["-C", "/dev/null"] if bare else []), module, *given])
        case SetNode(mode=mode, uid=uid, gid=gid):
            return f"chown {uid}:{gid} /dev/kvm && chmod {mode:04o} /dev/kvm"
        case UpdateInitramfs(tool=tool):
            return RENEW[tool]


def script(step: Step) -> str:
    """The step for /bin/sh, run by root; a code other than 0 means that it failed."""
    match step:
        case WriteFile(path=path, content=content, mode=mode, uid=uid, gid=gid):
            directory, name = posixpath.split(path)
            new = shlex.quote(f"{directory}/.{name}.new")
            lines = [
                "set -e",
                f"[ -d {shlex.quote(directory)} ] || mkdir -p -m 0755 {shlex.quote(directory)}",
                "umask 077",
                f"echo {base64.b64encode(content).decode()} | base64 -d > {new}",
                f"chown {uid}:{gid} {new}",
                f"chmod {mode:04o} {new}",
                f"sync {new} 2>/dev/null || sync",
                f"mv -f {new} {shlex.quote(path)}",
            ]
            return "\n".join(lines)
        case RemoveFile(path=path, with_directory=with_directory):
            tidy = f" && {{ rmdir {shlex.quote(posixpath.dirname(path))} 2>/dev/null || :; }}" if with_directory else ""
            return f"rm -f {shlex.quote(path)}{tidy}"
        case Load():
            return f"{command(step)} && {SETTLE}"
        case SetNode(mode=mode, uid=uid, gid=gid):
            return f'[ "$(stat -c %u:%g:%a /dev/kvm)" = {uid}:{gid}:{mode:o} ] || {{ {command(step)}; }}'
        case Unload() | UpdateInitramfs():
            return command(step)
