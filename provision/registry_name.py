"""Names of images in container registries, as container tools read them, and where what was pulled is kept."""

import hashlib
import re
from pathlib import Path

import msgspec

from hostcheck.paths import cache_dir

HUB = "docker.io"
HUB_API = "registry-1.docker.io"
_REPOSITORY = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"


class Reference(msgspec.Struct, frozen=True):
    """A registry, a repository in it, a tag."""

    registry: str
    repository: str
    tag: str

    @property
    def url(self) -> str:
        """Where the repository's API begins. Only a registry on this very machine is asked without TLS."""
        host = HUB_API if self.registry == HUB else self.registry
        scheme = "http" if is_loopback(host.rpartition(":")[0] or host) else "https"
        return f"{scheme}://{host}/v2/{self.repository}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


def parse(text: str) -> Reference:
    """Without a registry it is Docker Hub's. Raises ValueError."""
    name, colon, tag = text.rpartition(":")
    first, slash, rest = name.partition("/")
    if not colon or "/" in tag:
        raise ValueError(f"{text} is no name of an image with its tag")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = HUB, name if slash else f"library/{name}"
    if not re.fullmatch(_REPOSITORY, rest):
        raise ValueError(f"{text}: {rest} cannot name a repository: lower-case letters, digits, and . _ - / in between")
    return Reference(first, rest, tag)


def kept(text: str) -> Path:
    """Where the disk of this image is once it was pulled."""
    name = hashlib.sha256(f"registry\n{parse(text)}".encode()).hexdigest()[:24]
    return cache_dir() / "images" / name


def is_loopback(host: str) -> bool:
    """This very machine."""
    return host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
