"""Where a Proxmox cluster answers: the nodes that a user named, in their order. Any node may answer for all."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from provision.provider import ProviderError

PORT = 8006
SCHEMES = ("proxmox", "https")
HOST_VARIABLES = ("PROXMOX_VE_ENDPOINT", "PROXMOX_URL", "PM_API_URL", "PROXMOX_HOST")
"""Asked where an endpoint names no host: `proxmox://`."""


class Endpoint(msgspec.Struct, frozen=True):
    """A cluster as the user wrote it, and the addresses to try."""

    written: str
    """Without a user name: safe to print."""
    addresses: tuple[str, ...]
    """`host:port`."""


def parse_endpoint(written: str, environment: Mapping[str, str]) -> Endpoint:
    """Read `proxmox://host[:port][,host2[:port]]` or the https URL of a node. Raises ProviderError."""
    scheme, separator, rest = written.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise ProviderError(
            f"endpoint {written!r} is no Proxmox endpoint", hint="such as proxmox://pve1.example or https://pve1:8006"
        )
    authority = rest.partition("/")[0]
    user, at, hosts = authority.rpartition("@")
    if ":" in user:
        raise ProviderError(
            f"{scheme}://{hosts}: a password in an endpoint is seen by everyone",
            hint="set PROXMOX_PASSWORD, or better an API token (PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET)",
        )
    if not hosts:
        named = next((environment[name] for name in HOST_VARIABLES if environment.get(name)), "")
        if not named:
            raise ProviderError(f"{written}: it names no host", hint=f"write proxmox://HOST or set {HOST_VARIABLES[0]}")
        return parse_endpoint(named if "://" in named else f"proxmox://{named}", environment)
    addresses = tuple(_address(scheme, host) for host in hosts.split(",") if host)
    return Endpoint(f"{scheme.lower()}://{hosts}" if at else f"{scheme.lower()}://{authority}", addresses)


def _address(scheme: str, host: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError as e:
        raise ProviderError(f"{scheme}://{host}: {e}") from e
    if not name:
        raise ProviderError(f"{scheme}://{host}: it names no host")
    return f"{f'[{name}]' if ':' in name else name}:{port or PORT}"
