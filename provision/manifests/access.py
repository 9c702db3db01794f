"""How a provider is reached: its endpoint, what to log in with, what to trust, and where VMs go by default.

Existing settings are reused: GOVC_* for vSphere, PROXMOX_* and PROXMOX_VE_* for Proxmox. What a manifest says wins.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from provision.manifests.leaves import hide_password
from provision.manifests.secrets import Entries
from provision.model import Credentials, Placement, Problem, ProviderSpec

TRUE = ("1", "true", "yes", "on")

_VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vsphere": {"username": ("GOVC_USERNAME",), "password": ("GOVC_PASSWORD",)},
    "proxmox": {
        "username": ("PROXMOX_USER", "PROXMOX_USERNAME", "PROXMOX_VE_USERNAME", "PM_USER"),
        "password": ("PROXMOX_PASSWORD", "PROXMOX_VE_PASSWORD", "PM_PASS"),
        "token_id": ("PROXMOX_TOKEN_ID", "PM_API_TOKEN_ID"),
        "token_secret": ("PROXMOX_TOKEN_SECRET", "PM_API_TOKEN_SECRET", "PROXMOX_TOKEN"),
    },
    "libvirt": {},
}
NEED_CREDENTIALS = ("vsphere", "proxmox")
_INSECURE = {"vsphere": ("GOVC_INSECURE",), "proxmox": ("PROXMOX_INSECURE", "PROXMOX_VE_INSECURE", "PM_TLS_INSECURE")}
_CA = {"vsphere": ("GOVC_TLS_CA_CERTS",), "proxmox": ("PROXMOX_CA_FILE", "PROXMOX_CA", "REQUESTS_CA_BUNDLE")}
_PLACES = {
    "vsphere": {
        "datacenter": "GOVC_DATACENTER",
        "cluster": "GOVC_CLUSTER",
        "host": "GOVC_HOST",
        "datastore": "GOVC_DATASTORE",
        "folder": "GOVC_FOLDER",
        "resource_pool": "GOVC_RESOURCE_POOL",
    },
    "proxmox": {"host": "PROXMOX_NODE", "datastore": "PROXMOX_STORAGE", "resource_pool": "PROXMOX_POOL"},
}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "username": ("username", "user"),
    "password": ("password",),
    "token_id": ("token_id", "tokenID", "token-id"),
    "token_secret": ("token_secret", "tokenSecret", "token-secret"),
    "ssh_private_key": ("ssh-privatekey",),
    "known_hosts": ("known_hosts",),
    "certificate": ("tls.crt",),
    "certificate_key": ("tls.key",),
}
"""Keys of a Secret: VirtRigaud's spelling first."""
_LINES = ("ssh_private_key", "known_hosts", "certificate", "certificate_key")
"""Texts of many lines, whose ends are theirs."""
CA_KEYS = ("ca.crt", "ca")
RECEIVES = "/report"
"""Where a collector takes reports."""


def type_of(uri: str, otherwise: str = "libvirt") -> str:
    """The provider that an endpoint of the command line belongs to; `otherwise` where the scheme does not tell."""
    scheme = uri.partition("://")[0].lower()
    if scheme in ("vsphere", "proxmox"):
        return scheme
    return otherwise if scheme in ("http", "https") else "libvirt"


def from_secret(found: Entries) -> Credentials | Problem:
    """The credentials in a Secret; the first Problem of one of its values."""
    values: dict[str, str] = {}
    for name, keys in _KEYS.items():
        value = found.first(*keys)
        if isinstance(value, Problem):
            return value
        if value is not None:
            keep = name in _LINES
            values[name] = value.text if keep else value.text.strip("\r\n")
    return Credentials(found.source, **values)


def from_environment(kind: str, endpoint: str, environment: Mapping[str, str]) -> Credentials | None:
    """The credentials that the environment gives for a type of provider; the user also from `scheme://user@host`."""
    values: dict[str, str] = {}
    names: list[str] = []
    for field, variables in _VARIABLES.get(kind, {}).items():
        for variable in variables:
            if environment.get(variable):
                values[field] = environment[variable]
                names.append(variable)
                break
    if kind == "proxmox" and (token := environment.get("PROXMOX_VE_API_TOKEN")) and "token_id" not in values:
        values["token_id"], _, values["token_secret"] = token.partition("=")
        names.append("PROXMOX_VE_API_TOKEN")
    user = _user(endpoint) if kind != "libvirt" else ""
    if user:
        values["username"] = user
        names.append("user of the endpoint")
    return Credentials(f"environment ({', '.join(names)})", **values) if values else None


def insecure(kind: str, environment: Mapping[str, str]) -> bool:
    """The environment says not to verify certificates."""
    return any(environment.get(name, "").lower() in TRUE for name in _INSECURE.get(kind, ()))


def trusted(kind: str, environment: Mapping[str, str]) -> str | None:
    """PEM of the certificates in the files that the environment names. Raises OSError or ValueError."""
    for name in _CA.get(kind, ()):
        if environment.get(name):
            paths = environment[name].split(":")
            return "\n".join(Path(path).read_text(encoding="ascii") for path in paths if path)
    return None


def places(kind: str, endpoint: str, environment: Mapping[str, str]) -> Placement:
    """Where VMs go by the environment, and by the path of `vsphere://host/datacenter`."""
    values = {field: environment.get(name) for field, name in _PLACES.get(kind, {}).items()}
    if kind == "vsphere" and endpoint.startswith("vsphere:"):
        values["datacenter"] = unquote(urlsplit(endpoint).path.strip("/")) or values["datacenter"]
    return Placement(**{field: value or None for field, value in values.items()})


def of_target(target: str, environment: Mapping[str, str]) -> ProviderSpec:
    """The provider that a URL on the command line names, with everything else from the environment.

    Raises ValueError, whose text is for the user, when there is a password in it or a CA file cannot be read.
    """
    kind = type_of(target)
    if _userinfo(target).partition(":")[1]:
        variable = _VARIABLES[kind]["password"][0] if kind in NEED_CREDENTIALS else ""
        raise ValueError(f"{kind}://***: a password does not belong on a command line; use {variable}")
    try:
        ca = trusted(kind, environment)
    except (OSError, ValueError) as e:
        raise ValueError(
            f"the CA file of {' or '.join(_CA[kind])}: {getattr(e, 'strerror', '') or 'no PEM text'}"
        ) from e
    return ProviderSpec(
        target, kind, target, None,
        credentials=from_environment(kind, target, environment), insecure=insecure(kind, environment), ca=ca,
        defaults=places(kind, target, environment),
    )  # fmt: skip


def _userinfo(endpoint: str) -> str:
    match = re.match(r"[A-Za-z+]+://([^/]*)@", endpoint)
    return match[1] if match else ""


def _user(endpoint: str) -> str:
    return unquote(_userinfo(endpoint).partition(":")[0])


def report_url(collector: str) -> str:
    """The address that reports are posted to, from what a user writes. Raises ValueError, for people."""
    parts = urlsplit(collector)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{hide_password(collector)} is not https://HOST[:PORT]")
    whole = collector.rstrip("/")
    return whole if whole.endswith(RECEIVES) else whole + RECEIVES
