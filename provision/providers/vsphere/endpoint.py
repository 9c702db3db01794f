"""Which vCenter an endpoint means, and how its certificate is judged. Pure."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from provision.provider import ProviderError

FORMS = "expected vsphere://HOST[:PORT][/DATACENTER] or https://HOST[:PORT]/sdk; vsphere:// alone takes GOVC_URL"
LENGTHS = {40: "sha1", 64: "sha256"}
"""Hexadecimal digits of a thumbprint -> the digest it is of."""


class Endpoint(msgspec.Struct, frozen=True):
    """One vCenter or ESXi host."""

    host: str
    port: int
    path: str
    thumbprint: str = ""
    """Hexadecimal digits, lower case; empty: the certificate has to be signed by somebody trusted."""

    @property
    def shown(self) -> str:
        """For people; carries no user and no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def govc_url(text: str) -> tuple[str, str, str]:
    """Endpoint, user and password of a GOVC_URL, which may be a bare host name; empty where it has none."""
    url = urlsplit(text if "://" in text else f"https://{text}")
    user, separator, host = url.netloc.rpartition("@")
    name, _, password = user.partition(":") if separator else ("", "", "")
    return url._replace(netloc=host).geturl(), unquote(name), unquote(password)


def parse_endpoint(written: str, known_hosts: str = "") -> Endpoint:
    """The endpoint behind what a user wrote; `known_hosts` is the text of a file as govc has it. Raises ProviderError.

    A certificate is pinned by `?thumbprint=AA:BB:...` (SHA-1 or SHA-256), or by the line of the host in govc's file.
    """
    try:
        url = urlsplit(written if "://" in written else f"vsphere://{written}")
        host, port = url.hostname, url.port or 443
    except ValueError as e:
        raise ProviderError(f"{_without_user(written)}: {e}", hint=FORMS) from e
    if url.scheme not in ("vsphere", "https") or not host:
        raise ProviderError(f"{_without_user(written)}: not an endpoint of vSphere", hint=FORMS)
    path = url.path if url.scheme == "https" and url.path not in ("", "/") else "/sdk"
    endpoint = Endpoint(host, port, unquote(path).rstrip("/"))
    pinned = parse_qs(url.query).get("thumbprint", [""])[0] or _known(endpoint.shown, known_hosts)
    return Endpoint(endpoint.host, endpoint.port, endpoint.path, _digits(pinned) if pinned else "")


def _digits(thumbprint: str) -> str:
    digits = thumbprint.replace(":", "").strip().lower()
    if len(digits) not in LENGTHS or not re.fullmatch("[0-9a-f]+", digits):
        raise ProviderError(
            f"not a certificate's thumbprint: {thumbprint[:120]!r}",
            hint="expected the SHA-1 or SHA-256 of the certificate: openssl x509 -noout -fingerprint -sha256",
        )
    return digits


def _known(shown: str, text: str) -> str:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in (shown, f"{shown}:443"):
            return words[1]
    return ""


def _without_user(written: str) -> str:
    return re.sub(r"//[^/@]*@", "//", written)[:200]
