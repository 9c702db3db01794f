"""Logging in to a libvirt elsewhere by what a Secret gives, which is written to no disk and stands on no command line.

Keys and passwords are memory files of this process (memfd_create(2)), which ssh and TLS open by way of /proc: they are
gone with the process, however it ends. What has to be a file (a command for libvirt to call, the names that TLS looks
for) holds no secret but where to look; what a killed process left of that is swept by the next one.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from hostcheck.paths import state_dir
from provision.model import Credentials, Handling, ProviderSpec
from provision.provider import ProviderError
from provision.providers.libvirt.endpoint import Endpoint
from provision.providers.libvirt.login_faults import check_key

SSH_KEYS = "username, ssh-privatekey, password or known_hosts"
TLS_KEYS = "tls.crt, tls.key or ca.crt"
ANSWERS = ("BatchMode=no", "NumberOfPasswordPrompts=1", "StrictHostKeyChecking=yes")
"""One try with the password. No host is taken on trust meanwhile: ssh would get the password for an answer."""
ASKED = 'SSH_ASKPASS_REQUIRE=force DISPLAY="${DISPLAY:-:0}" NESTPROOF_SSH=$$'
"""What makes ssh ask for the password, and who it is that asks: a jump host's ssh inherits all of it."""
OWN_WAY = ("ControlMaster=no", "ControlPath=none", "IdentitiesOnly=yes")
"""Neither a connection nor an agent's key that another login left open."""


def handling(spec: ProviderSpec, endpoint: Endpoint) -> tuple[Handling, str]:
    """What becomes of the Secret that a Provider refers to."""
    login = spec.credentials
    if endpoint.transport not in ("ssh", "tls"):
        return Handling.UNSUPPORTED, "nothing to log in to: that libvirt goes by who you are on this machine"
    if login is None and spec.ca is None:
        own = "your ssh configuration and agent decide" if endpoint.transport == "ssh" else "libvirt's own certificates"
        return Handling.UNSUPPORTED, f"there is no such Secret here: {own}"
    if endpoint.transport == "ssh" and login is not None and _for_ssh(login):
        return Handling.HONOURED, f"ssh logs in by it: its {SSH_KEYS}, before your own configuration"
    if endpoint.transport == "tls" and _for_tls(spec):
        return Handling.HONOURED, f"TLS goes by it: its {TLS_KEYS}"
    keys = SSH_KEYS if endpoint.transport == "ssh" else TLS_KEYS
    return Handling.UNSUPPORTED, f"it has nothing for {endpoint.transport}: {keys}"


@contextmanager
def logged_in(endpoint: Endpoint, spec: ProviderSpec) -> Iterator[str]:
    """The URI to open, good until the connection is open. Raises ProviderError."""
    login = spec.credentials
    with ExitStack() as held:
        if endpoint.transport == "ssh" and login is not None and _for_ssh(login):
            yield _by_ssh(endpoint, login, held)
        elif endpoint.transport == "tls" and _for_tls(spec):
            yield _by_tls(endpoint, spec, held)
        else:
            yield endpoint.uri


def _for_ssh(login: Credentials) -> bool:
    return any((login.username, login.ssh_private_key, login.password, login.known_hosts))


def _for_tls(spec: ProviderSpec) -> bool:
    return bool(spec.ca or (spec.credentials and (spec.credentials.certificate or spec.credentials.certificate_key)))


def _by_ssh(endpoint: Endpoint, login: Credentials, held: ExitStack) -> str:
    options, environment = [*OWN_WAY], ""
    if login.ssh_private_key:
        check_key(endpoint.written, login.source, "ssh-privatekey", login.ssh_private_key)
        options.append(f"IdentityFile={_in_memory(held, _lines(login.ssh_private_key))}")
    if login.known_hosts:
        options.append(f"UserKnownHostsFile={_in_memory(held, _lines(login.known_hosts))}")
        options += ["GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "UpdateHostKeys=no"]
    if login.username and not urlsplit(endpoint.uri).username:
        if not login.username.isprintable() or any(letter in login.username for letter in ' "\\'):
            raise ProviderError(f"{endpoint.written}: {login.source}: its username cannot be a user's name")
        options.append(f"User={login.username}")
    directory = _directory(endpoint, held)
    if login.password:
        options += ANSWERS
        if not login.ssh_private_key:
            options.append("PubkeyAuthentication=no")
        ask = directory / "askpass"
        answer = f"exec cat {_in_memory(held, login.password + chr(10))}"
        _program(ask, f'[ "$PPID" = "$NESTPROOF_SSH" ] || exit 1\n{answer}')
        environment = f"export SSH_ASKPASS={shlex.quote(str(ask))} {ASKED}\n"
    else:
        options.append("BatchMode=yes")
    own = dict(parse_qsl(urlsplit(endpoint.uri).query)).get("command", "ssh")
    words = " ".join(f"-o {shlex.quote(option)}" for option in options)
    command = directory / "ssh"
    _program(command, f'{environment}exec {shlex.quote(own)} {words} "$@"')
    return _with(endpoint.uri, command=str(command))


def _by_tls(endpoint: Endpoint, spec: ProviderSpec, held: ExitStack) -> str:
    login = spec.credentials
    certificate, key = (login.certificate, login.certificate_key) if login else (None, None)
    source = login.source if login else "the Secret"
    if bool(certificate) != bool(key):
        raise ProviderError(f"{endpoint.written}: {source} has only one of tls.crt and tls.key")
    if not spec.ca:
        raise ProviderError(
            f"{endpoint.written}: {source} has no ca.crt: TLS needs the authority that signed the host's certificate"
        )
    if key:
        check_key(endpoint.written, source, "tls.key", key)
    directory = _directory(endpoint, held)
    for name, text in (("cacert.pem", spec.ca), ("clientcert.pem", certificate), ("clientkey.pem", key)):
        if text:
            (directory / name).symlink_to(_in_memory(held, _lines(text)))
    return _with(endpoint.uri, pkipath=str(directory))


def _in_memory(held: ExitStack, text: str) -> str:
    """The path of a text that is in no file system; only the same user can open it."""
    if not hasattr(os, "memfd_create"):
        raise ProviderError(
            "logging in by a Secret takes Linux: nothing else has files that are in memory alone",
            hint="leave credentialSecretRef out: ssh then goes by your own configuration and agent",
        )
    descriptor = os.memfd_create("nestproof")
    held.callback(os.close, descriptor)
    os.fchmod(descriptor, 0o600)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(text.encode())
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _directory(endpoint: Endpoint, held: ExitStack) -> Path:
    """A directory of this login's, and the sweeping of those whose process is gone."""
    top = state_dir() / "login"
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in top.iterdir():
            if not Path("/proc", left.name.partition("-")[0]).exists():
                shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=top))
    except OSError as e:
        hint = "set NESTPROOF_STATE to a writable directory"
        raise ProviderError(f"{endpoint.written}: {top}: {e.strerror}", hint=hint) from e
    held.callback(shutil.rmtree, made, ignore_errors=True)
    return made


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)


def _lines(text: str) -> str:
    """As ssh and TLS want it: with an end to the last line, and none of a Windows editor's."""
    return text.replace("\r\n", "\n").strip() + "\n"


def _with(uri: str, **changed: str) -> str:
    parts = urlsplit(uri)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | changed
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote, safe="/")))
