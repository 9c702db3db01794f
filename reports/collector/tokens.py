"""One token for each machine, derived from one secret of the collector: nothing to keep, nothing to look up.

The token of a machine is worth nothing for another one. To take all of them back, remove the secret.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

FILE_NAME = "collector.secret"
SECRET_BYTES = 32


class TokenError(Exception):
    """The secret cannot be used; the message is one line: which file, why, what to do."""


class Tokens:
    """Makes and checks tokens."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def open(cls, path: Path) -> "Tokens":
        """With the secret in `path`, made when there is none. Raises TokenError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path)
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o077
                secret = file.read(SECRET_BYTES + 1)
        except OSError as e:
            raise TokenError(f"{path}: {e.strerror}") from e
        if mode:
            raise TokenError(f"{path}: others may read it, so it is no secret: remove it, and give out new tokens")
        if len(secret) != SECRET_BYTES:
            raise TokenError(f"{path}: it is damaged: remove it, and give out new tokens")
        return cls(secret)

    def of(self, kind: str, name: str) -> str:
        """The token of a machine: `kind` is `host` or `vm`, `name` the host name or `namespace/name`."""
        digest = hmac.digest(self._secret, f"nestproof.token/1\0{kind}\0{name}".encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def fits(self, token: str, kind: str, name: str) -> bool:
        """Whether it is that machine's token; takes the same time for every wrong one."""
        return hmac.compare_digest(self.of(kind, name).encode(), token.encode())


def _make(path: Path) -> None:
    """Put a new secret in place unless there is one; of two that do it at once one wins."""
    if path.exists():
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
