"""Why a login by a Secret failed: one line that names the Secret, and what to do. Pure."""

import base64
import binascii
import re

from provision.model import Credentials
from provision.provider import ProviderError

OPENSSH = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", re.DOTALL)
MAGIC = b"openssh-key-v1\0"


def check_key(where: str, source: str, name: str, key: str) -> None:
    """Raises ProviderError for a private key that nobody could use without typing, or that is none."""
    if "PRIVATE KEY-----" not in key:
        raise ProviderError(f"{where}: {name} of {source} is no private key", hint="it begins with -----BEGIN")
    if _encrypted(key):
        raise ProviderError(
            f"{where}: {name} of {source} is encrypted, and nobody is there to type its passphrase",
            hint="put a key without one into the Secret (ssh-keygen -p), or leave the key out and use an ssh-agent"
            if name == "ssh-privatekey"
            else "put a key without one into the Secret: openssl pkey -in tls.key -out plain.key",
        )


def _encrypted(key: str) -> bool:
    if "ENCRYPTED" in key:
        return True
    found = OPENSSH.search(key)
    try:
        content = base64.b64decode("".join(found[1].split())) if found else b""
    except binascii.Error:
        return False  # ssh says what is wrong with it
    length = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 4], "big")
    return content.startswith(MAGIC) and content[len(MAGIC) + 4 :][:length] != b"none"


def ssh_fault(where: str, said: str, login: Credentials) -> ProviderError | None:
    """What ssh's words mean for who logs in by a Secret; None for those that have nothing to do with that."""
    known = f"known_hosts of {login.source}" if login.known_hosts else "your known_hosts"
    if "IDENTIFICATION HAS CHANGED" in said:
        return ProviderError(
            f"{where}: Host key verification failed: the host shows another key than {known} has for it",
            hint="somebody stands in between, or it was set up anew: then put what ssh-keyscan HOST says there",
        )
    if "Host key verification failed" in said or "host key is known for" in said:
        return ProviderError(
            f"{where}: Host key verification failed: {known} has no key of the host",
            hint="put what ssh-keyscan HOST says there, once you know that it is the host's",
        )
    if "error in libcrypto" in said or "invalid format" in said:
        return ProviderError(f"{where}: ssh-privatekey of {login.source} is damaged: ssh cannot read it")
    if "Permission denied" in said and "(" in said:
        given = [name for name, value in (("key", login.ssh_private_key), ("password", login.password)) if value]
        what = f"the {' and the '.join(given)} of {login.source}" if given else "your own keys"
        user = f" for {login.username}" if login.username else ""
        hint = "the public half of a key belongs into authorized_keys of that user there: ssh-keygen -y -f KEY"
        if not given:
            hint = f"{login.source} has none: put ssh-privatekey into it"
        elif not login.ssh_private_key:
            hint = "the host may not take passwords at all: put ssh-privatekey into the Secret"
        return ProviderError(f"{where}: the host does not take {what}{user} (Permission denied)", hint=hint)
    return None
