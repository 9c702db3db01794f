"""What a collector and those who send to it have to agree on: address, certificate and tokens, kept with the state."""

import secrets
import socket
from pathlib import Path

import msgspec

from commands.failures import Failure
from hostcheck.paths import state_dir
from hostcheck.process import ProcessError, run
from provision.model import VmSpec
from reports.collector.tokens import FILE_NAME, TokenError, Tokens

CERTIFICATE, KEY, PASSWORD = "collector.pem", "collector.key", "collector.password"
DAYS = "3650"


def tokens() -> Tokens:
    """This user's tokens. Raises Failure."""
    try:
        return Tokens.open(state_dir() / FILE_NAME)
    except TokenError as e:
        raise Failure(str(e)) from e


def token_of(kind: str, name: str) -> str:
    """The token of one machine. Raises Failure."""
    if kind == "vm" and "/" not in name:
        raise Failure(f"{name}: a VM is named namespace/name", hint=f"such as default/{name}; --host for a host")
    return tokens().of(kind, name)


def enrolled(vm: VmSpec) -> VmSpec:
    """The VM with its token and the certificate to trust, where it names a collector. Raises Failure."""
    if vm.collector is None:
        return vm
    return msgspec.structs.replace(
        vm, collector=msgspec.structs.replace(vm.collector, token=token_of("vm", vm.key), ca=ca_of(None))
    )


def ca_of(path: Path | None) -> str | None:
    """The certificate to trust: the one given, else the one made here, else None for the system's authorities."""
    path = path or state_dir() / CERTIFICATE
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as e:
        raise Failure(f"{path}: not a readable certificate: {e}") from e


def own_certificate(names: tuple[str, ...]) -> tuple[Path, Path]:
    """A self-signed certificate for these names and this machine's, made by openssl once. Raises Failure."""
    certificate, key = state_dir() / CERTIFICATE, state_dir() / KEY
    if certificate.exists() and key.exists():
        _check_names(certificate, names)
        return certificate, key
    state_dir().mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    alternatives = dict.fromkeys(map(_alternative, (*names, host, "localhost", "127.0.0.1")))
    key.touch(0o600)  # openssl keeps the mode of a file that exists
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(key), "-out", str(certificate), "-days", DAYS, "-subj", f"/CN={host[:64]}",
        "-addext", f"subjectAltName={','.join(alternatives)}",
    ]  # fmt: skip
    try:
        done = run(command, timeout=60)
        fault = done.last_words if done.code else ""
    except ProcessError as e:
        fault = str(e)
    if fault:
        key.unlink(missing_ok=True)
        certificate.unlink(missing_ok=True)
        raise Failure(f"no certificate could be made: {fault}", hint="give --cert and --key")
    return certificate, key


def _check_names(certificate: Path, names: tuple[str, ...]) -> None:
    """A certificate that was made before may lack a name of today. Raises Failure."""
    try:
        done = run(["openssl", "x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName"], timeout=60)
    except ProcessError as e:
        raise Failure(f"{certificate} cannot be read: {e}", hint="give --cert and --key") from e
    held = done.stdout.decode("ascii", "replace").replace("IP Address:", "IP:").replace(",", " ").split()
    missing = [name for name in names if _alternative(name) not in held]
    if done.code or missing:
        fault = f"was made without the name {missing[0]}" if missing else f"is damaged: {done.last_words}"
        raise Failure(f"{certificate} {fault}", hint="remove it to have a new one made; agents need the new one too")


def password(path: Path | None) -> str:
    """What readers are asked for: from `path`, else one made here once. Raises Failure."""
    place = path or state_dir() / PASSWORD
    try:
        if path is None and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch(0o600)
            place.write_text(secrets.token_urlsafe(18) + "\n", encoding="ascii")
        word = place.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise Failure(f"{place}: not a readable password: {e}") from e
    if not word:
        raise Failure(f"{place}: it is empty: put the password into its first line")
    return word


def _alternative(name: str) -> str:
    is_address = name.replace(".", "").isdigit() or ":" in name
    return f"{'IP' if is_address else 'DNS'}:{name}"
