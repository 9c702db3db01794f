"""Opening libvirt, quietly and with one clear line when it fails."""

import fcntl
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt

from hostcheck import clock
from hostcheck.files import write_whole
from provision.model import Credentials, ProviderSpec
from provision.provider import ProviderError
from provision.providers.libvirt.endpoint import Endpoint
from provision.providers.libvirt.recovery import recover
from provision.providers.libvirt.xmltext import XmlError

QEMU_CONF = """\
# Written by nestproof. The QEMU user can open /dev/kvm, and no daemon, cgroup or mount namespace is needed.
user = "{user}"
group = "{group}"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
swtpm_user = "{user}"
swtpm_group = "{group}"
"""
PATIENCE = 15.0
"""Seconds to wait for another nestproof that uses the same embedded driver, or for a killed one to vanish."""

_event_loop = threading.Lock()
_started: list[threading.Thread] = []
_held: dict[Path, int] = {}


def connect(endpoint: Endpoint, spec: ProviderSpec) -> "libvirt.virConnect":
    """An open connection. Raises ProviderError. One process can use only one embedded root in its life."""
    _start_event_loop()
    if endpoint.root:
        _prepare_root(endpoint, endpoint.root)
    if spec.credentials is None and spec.ca is None:
        return _open(endpoint, endpoint.uri, None)
    from provision.providers.libvirt.login import logged_in  # late: few log in by a Secret

    with logged_in(endpoint, spec) as uri:
        return _open(endpoint, uri, spec.credentials)


def _open(endpoint: Endpoint, uri: str, login: Credentials | None) -> "libvirt.virConnect":
    if _held and not endpoint.root:
        # An embedded driver in this process takes every qemu:///... for itself; a transport is not its business.
        uri = re.sub(r"^qemu:///", "qemu+unix:///", uri)
    if endpoint.transport == "ssh" and not (sys.stdin and sys.stdin.isatty()) and "no_tty=" not in uri:
        # Nobody is there to answer ssh's questions: it must fail rather than wait.
        uri += ("&" if "?" in uri else "?") + "no_tty=1"
    with errors(endpoint, login):
        connection = libvirt.open(uri)
        if endpoint.root:
            _settle(connection)
        elif not endpoint.local:
            connection.setKeepAlive(5, 6)
        return connection


@contextmanager
def errors(endpoint: Endpoint, login: Credentials | None = None) -> Iterator[None]:
    """Turn libvirt's exceptions into ProviderError with the URI and what to do; `login` while one is going on."""
    try:
        yield
    except libvirt.libvirtError as e:
        raise explain(e, endpoint, login) from e
    except XmlError as e:
        raise ProviderError(f"{endpoint.written}: {e}") from e


def explain(error: "libvirt.libvirtError", endpoint: Endpoint, login: Credentials | None = None) -> ProviderError:
    """One line for the user, and the next step where we know one."""
    text = _tidy(error.get_error_message() or str(error))
    if login is not None and endpoint.transport == "ssh":
        from provision.providers.libvirt.login_faults import ssh_fault

        if fault := ssh_fault(endpoint.written, text, login):
            return fault
    refused = error.get_error_code() == libvirt.VIR_ERR_CPU_INCOMPATIBLE
    hint = _hint(text, error.get_error_code(), endpoint)
    return ProviderError(f"{endpoint.written}: {text}", hint=hint, refused=refused)


QEMU_ENDED = re.compile(
    r"internal error: (qemu unexpectedly closed the|process exited while connecting to) monitor( \(vm='[^']*'\))?",
    re.IGNORECASE,
)
QEMU_NOISE = re.compile(
    r"(\d{4}-\d\d-\d\dT[\d:.]+Z )?qemu-system-\w+: (error: )?|\S+:\d+: \w+: Assertion .* failed\.( Aborted)?"
)
"""Who speaks, when, and the line of QEMU's source where it ended."""


def _tidy(text: str) -> str:
    """On one line; what QEMU said when it ended while it was started, in words for people."""
    found = QEMU_ENDED.match(text)
    if found is None:
        return " ".join(text.split())
    lines = text[found.end() :].splitlines()
    faults = [line for line in lines if ": warning: " not in line] or lines
    said = QEMU_NOISE.sub("", " ".join(" ".join(faults).split())).strip(" :")
    return f"QEMU ended at its start: {said}" if said else "QEMU ended at its start and said nothing"


OUT_OF_REACH = (
    "the account that QEMU runs as cannot get there: look at the rights of each directory above, and at what SELinux "
    "or AppArmor says (journalctl, dmesg)"
)
HINTS = (
    ("Failed to parse user 'libvirt-qemu'", "the account is missing: apt-get install libvirt-daemon-system, or "
     "useradd --system --no-create-home --user-group libvirt-qemu"),
    ("Failed to parse group", "the group is missing: groupadd --system kvm; groupadd --system libvirt-qemu"),
    ("suitable emulator", "QEMU is missing: apt-get install qemu-system-x86"),
    ("Connection refused", "nothing listens there: is libvirtd running, and is it set to listen for this transport?"),
    ("resolve", "no such host: check the name in the endpoint"),
    ("bridge helper", "a user's own daemon joins a bridge by qemu-bridge-helper alone, which has to be setuid root and "
     "to find `allow BRIDGE` in /etc/qemu/bridge.conf; or use qemu:///system"),
    ('"write" lock', "another QEMU has this disk open: was the VM migrated, or does something else use its disk?"),
    ("Could not open", OUT_OF_REACH),
    ("cannot access storage file", OUT_OF_REACH),
    ("Permission denied", "join the group libvirt, or run as root"),
    ("authentication", "check user, key or SASL set-up for this URI; try: virsh -c URI list"),
    ("cgroup", "limits and shares need a system libvirtd with cgroups: leave out spec.resourceLimits"),
    ("swtpm", "see the swtpm log of this VM; for a user's own daemon: swtpm_setup --create-config-files skip-if-exist"),
    ("TPM version", "TPMs are emulated by swtpm: apt-get install swtpm swtpm-tools"),
    ("efi", "UEFI firmware is missing: apt-get install ovmf"),
    ("already open with path", "one process drives one embedded root: run nestproof once for each of the endpoints"),
    ("failed to set MSR", "KVM there offers guests what it then refuses: try another kernel, or emulate the CPU: "
     "set the annotation nestproof.org/accel: tcg on the VirtualMachine"),
    ("Network not found", "see: virsh net-list --all; or leave out spec.networks for user-mode networking"),
)  # fmt: skip

TRANSPORT_HINTS = {
    "ssh": (
        ("Host key verification failed", "accept the host's key first: ssh HOST true"),
        ("not found", "libvirt is missing on that host, or its virt-ssh-helper: apt-get install libvirt-daemon-system"),
        ("No such file", "no libvirt daemon runs on that host: systemctl start libvirtd"),
        ("Connection refused", "nothing answers ssh there: check host and port with: ssh HOST true"),
        ("resolve", "no such host: check the name in the endpoint"),
        ("", "check that ssh to this host works without a question: ssh HOST true"),
    ),
    "tls": (
        ("cert", "TLS takes certificates that both sides trust: https://libvirt.org/kbase/tlscerts.html"),
        ("key", "TLS takes certificates that both sides trust: https://libvirt.org/kbase/tlscerts.html"),
    ),
}  # fmt: skip
"""What the same words mean on one transport; an empty word stands for all others."""
CONNECTING = ("Cannot recv data", "End of file", "certificate", "connect", "resolve", "No such file", "private key")
"""What an error that comes from the transport says, as against one of the daemon behind it."""


def _hint(text: str, code: int, endpoint: Endpoint) -> str:
    if code == libvirt.VIR_ERR_NO_CONNECT or "libvirt_driver_qemu" in text:
        return "libvirt's QEMU driver is missing: apt-get install libvirt-daemon-driver-qemu qemu-system-x86"
    if endpoint.local and not endpoint.root and "No such file" in text and "socket" in text:
        return "no libvirt daemon runs here: systemctl start libvirtd, or use qemu:///embed, which needs none"
    if any(words.lower() in text.lower() for words in CONNECTING):
        for words, hint in TRANSPORT_HINTS.get(endpoint.transport, ()):
            if words.lower() in text.lower():
                return hint
    return next((hint for words, hint in HINTS if words.lower() in text.lower()), "")


def _start_event_loop() -> None:
    """libvirt's own loop in a thread; the embedded driver and streams need it, and it must exist before `open`."""
    with _event_loop:
        if _started:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        thread = threading.Thread(target=_run_event_loop, name="libvirt events", daemon=True)
        thread.start()
        _started.append(thread)


def _run_event_loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _prepare_root(endpoint: Endpoint, root: Path) -> None:
    """The driver's directory with its configuration, held by this process alone until it ends."""
    try:
        (root / "etc").mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        configuration = root / "etc" / "qemu.conf"
        wanted = QEMU_CONF.format(user=f"+{os.getuid()}", group=f"+{os.getgid()}")
        if not configuration.exists() or _is_ours_but_old(configuration, wanted):
            write_whole(configuration, wanted.encode())
        if root not in _held:
            _held[root] = _hold(endpoint, root)
            recover(root)
    except OSError as e:
        hint = "set NESTPROOF_STATE to a writable directory"
        raise ProviderError(f"{endpoint.written}: {root}: {e.strerror}", hint=hint) from e


def _is_ours_but_old(configuration: Path, wanted: str) -> bool:
    """Written by an older nestproof; one that the user has changed stays."""
    lines = wanted.splitlines()
    found = configuration.read_text(errors="replace").splitlines()
    return found[:1] == lines[:1] and len(found) < len(lines) and set(found) < set(lines)


def _hold(endpoint: Endpoint, root: Path) -> int:
    lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = clock.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() > deadline:
                holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
                os.close(lock)
                raise ProviderError(
                    f"{endpoint.written}: in use by another nestproof (process {holder})",
                    hint="wait for it to end, or stop it",
                ) from None
            time.sleep(0.1)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock


def _settle(connection: Any) -> None:
    """Wait until the driver has found its running VMs again.

    It reconnects to each in a thread of its own and answers before that is done; a query that needs the VM's monitor
    waits for it. Without this, stopping a VM right after opening reports that it is not running.
    """
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            domain.memoryStats()
        except libvirt.libvirtError:  # it died meanwhile: whoever asks for it will see
            continue
