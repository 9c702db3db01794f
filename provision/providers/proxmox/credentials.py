"""What to log in with and what to trust: a Secret's credentials, else the environment in any of its dialects.

Of every row the first variable that is set counts. A token is taken before a password: it can be limited and revoked,
and needs no second factor.
"""

from collections.abc import Mapping
from pathlib import Path

from provision.guarded import Guarded
from provision.model import ProviderSpec
from provision.provider import ProviderError

DIALECTS: Mapping[str, tuple[str, ...]] = {
    "user": ("PROXMOX_USER", "PROXMOX_USERNAME", "PROXMOX_VE_USERNAME", "PM_USER"),
    "password": ("PROXMOX_PASSWORD", "PROXMOX_VE_PASSWORD", "PM_PASS"),
    "token": ("PROXMOX_VE_API_TOKEN",),
    "token_id": ("PROXMOX_TOKEN_ID", "PM_API_TOKEN_ID"),
    "token_secret": ("PROXMOX_TOKEN_SECRET", "PM_API_TOKEN_SECRET", "PROXMOX_TOKEN"),
    "otp": ("PROXMOX_VE_OTP", "PM_OTP"),
    "insecure": ("PROXMOX_INSECURE", "PROXMOX_VE_INSECURE", "PM_TLS_INSECURE"),
    "ca_file": ("PROXMOX_CA_FILE", "PROXMOX_CA"),
    "fingerprint": ("PROXMOX_FINGERPRINT",),
}
"""Setting -> the variables of Ansible and proxmoxer, Packer and the Terraform providers. docs/proxmox.md explains."""

TRUE = ("1", "true", "yes", "on")
HINT = "set PROXMOX_TOKEN_ID (user@realm!name) and PROXMOX_TOKEN_SECRET, or PROXMOX_USER and PROXMOX_PASSWORD"


class Login(Guarded, frozen=True):
    """Who logs in and whom they trust."""

    kept_back = frozenset({"secret", "otp", "ca"})

    user: str
    """`user@realm`."""
    token_name: str = ""
    """Empty: log in with the password, for a ticket."""
    secret: str = ""
    """Of the token, or the password."""
    otp: str = ""
    insecure: bool = False
    ca_file: str = ""
    ca: str = ""
    """PEM text, in place of a file."""
    fingerprint: str = ""
    """SHA-256 of the one certificate to trust, in hexadecimal without colons."""

    @property
    def name(self) -> str:
        """As Proxmox writes it: the user, or `user!token`."""
        return f"{self.user}!{self.token_name}" if self.token_name else self.user


def login(spec: ProviderSpec, environment: Mapping[str, str]) -> Login:
    """The login for a provider. Raises ProviderError that says what is missing."""
    at = f"{spec.origin}: " if spec.origin else ""
    found = {setting: _first(names, environment) for setting, names in DIALECTS.items()}
    given = spec.credentials
    if given is not None and (given.token_id or given.password):
        found |= {"token": "", "user": given.username or "", "password": given.password or ""}
        found |= {"token_id": given.token_id or "", "token_secret": given.token_secret or ""}
    user, token_name, secret = _who(found, at)
    ca_file = found["ca_file"]
    if ca_file and not spec.ca and not Path(ca_file).is_file():
        raise ProviderError(f"{at}{ca_file}: no such file of certificates", hint="see PROXMOX_CA_FILE")
    return Login(
        user,
        token_name,
        secret,
        otp=found["otp"],
        insecure=spec.insecure or found["insecure"].lower() in TRUE,
        ca_file="" if spec.ca else ca_file,
        ca=spec.ca or "",
        fingerprint=_fingerprint(found["fingerprint"], at),
    )


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def _who(found: Mapping[str, str], at: str) -> tuple[str, str, str]:
    """User, token name and secret; the token name is empty for a password."""
    whole, secret = found["token_id"], found["token_secret"]
    if found["token"]:
        whole, _, secret = found["token"].partition("=")
    if whole and "!" not in whole:  # Ansible gives the user apart
        whole = f"{found['user']}!{whole}"
    if not whole and secret and "!" in found["user"]:  # Packer has the token's name in the user
        whole = found["user"]
    if whole:
        user, _, name = whole.partition("!")
        _check_user(user, at)
        if not secret:
            raise ProviderError(f"{at}the API token {whole} has no secret", hint=HINT)
        return user, name, secret
    if not found["user"] or not found["password"]:
        raise ProviderError(f"{at}there is nothing to log in to Proxmox with", hint=HINT)
    _check_user(found["user"], at)
    return found["user"], "", found["password"]


def _check_user(user: str, at: str) -> None:
    name, separator, realm = user.partition("@")
    if not (name and separator and realm):
        raise ProviderError(f"{at}Proxmox user {user!r} has no realm", hint=f"such as {user or 'root'}@pam or ..@pve")


def _fingerprint(text: str, at: str) -> str:
    plain = text.replace(":", "").lower()
    if plain and (len(plain) != 64 or set(plain) - set("0123456789abcdef")):
        raise ProviderError(f"{at}PROXMOX_FINGERPRINT is no SHA-256 fingerprint: 64 hexadecimal digits")
    return plain
