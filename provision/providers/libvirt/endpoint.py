"""Where a libvirt URI leads: to the driver embedded in this process, to this machine's daemon, or elsewhere."""

import os
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from hostcheck.paths import libvirt_client_file, state_dir
from provision.provider import ProviderError
from provision.providers.libvirt.aliases import uri_of

LONGEST_ROOT = 51
"""UNIX sockets have at most 107 characters of path. libvirt's longest is `lib/qemu/domain-ID-NAME/monitor.sock` below
the root, with at most 20 characters of the name: 56 with an id of five digits."""


class Endpoint(msgspec.Struct, frozen=True):
    """A libvirt connection as the user wrote it and as libvirt has to hear it."""

    written: str
    uri: str
    local: bool
    """The VMs run on this machine."""
    root: Path | None
    """The directory of an embedded driver, else None."""

    @property
    def transport(self) -> str:
        """`ssh`, `tls`, `tcp` ...; empty for a UNIX socket that is named by the path alone."""
        return urlsplit(self.uri).scheme.partition("+")[2]

    @property
    def has_cgroups(self) -> bool:
        """A daemon of the system keeps VMs in cgroups; one of a user may not, the embedded driver does not."""
        return urlsplit(self.uri).path == "/system"


def parse_endpoint(written: str) -> Endpoint:
    """Read a libvirt URI or an alias of one. Raises ProviderError when nothing can be made of it.

    `qemu:///embed` gets its root below $NESTPROOF_STATE or the XDG state directory.
    """
    uri = uri_of(written) or written
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError as e:
        raise ProviderError(f"endpoint {written!r} is not a URI: {e}") from e
    scheme, _, transport = parts.scheme.partition("+")
    if not scheme:
        raise ProviderError(
            f"endpoint {written!r} is not a libvirt URI",
            hint="such as qemu:///embed, qemu:///system, qemu+ssh://HOST/system; or a name of uri_aliases in "
            f"{libvirt_client_file()}",
        )
    if scheme != "qemu":
        raise ProviderError(f"{written}: libvirt's {scheme!r} driver is not supported; only qemu is")
    local = not host and transport in ("", "unix")
    if not (local and parts.path == "/embed"):
        return Endpoint(written, uri, local, None)
    roots = parse_qs(parts.query).get("root", [])
    root = Path(roots[0]) if roots else state_dir() / "libvirt"
    if not root.is_absolute():
        raise ProviderError(f"{written}: root must be an absolute path")
    if len(os.fsencode(root)) > LONGEST_ROOT:
        raise ProviderError(
            f"{written}: {root} is too long a path for libvirt's sockets (at most {LONGEST_ROOT} characters)",
            hint="set NESTPROOF_STATE to a shorter directory, or use qemu:///embed?root=DIR",
        )
    return Endpoint(written, f"qemu:///embed?root={quote(str(root))}", True, root)
