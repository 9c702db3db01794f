"""Real OpenSSH servers on loopback, each with its own behaviour, and an ssh configuration that names many hosts."""

import os
import shlex
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS = 30

NO_PYTHON = """
for p in /usr/bin/python3*; do [ -f "$p" ] && mount --bind /dev/null "$p"; done 2>/dev/null
[ -e /usr/libexec/platform-python ] && mount --bind /dev/null /usr/libexec/platform-python
export PATH=/usr/bin:/bin
"""
FULL_DISK = """
for d in /tmp /var/tmp /dev/shm "$HOME"; do
  mount -t tmpfs -o size=4k none "$d" && dd if=/dev/zero of="$d/full" bs=4k count=9 2>/dev/null
done
"""
BEHAVIOURS = {
    "good": "",
    "noisy": "echo '*** authorised use only ***'; echo 'NESTPROOF-REPORT/1 12 deadbeef'; echo mail >&2\n",
    "slow": "sleep 600\n",
    "flood": "yes | head -c 9000000; exit 0\n",
    "denied": "echo 'this account is not available' >&2; exit 1\n",
    "nopython": NO_PYTHON,
    "full": FULL_DISK,
}
IN_NAMESPACE = ("nopython", "full")


@dataclass
class Servers:
    """What runs, and how to reach it."""

    directory: Path
    config: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=30)


def start(directory: Path, hosts: dict[str, str]) -> Servers:
    """Servers for `hosts` {name: behaviour}; `dead` has no server, `wrongkey` answers with an unexpected host key."""
    key = _key(directory / "user")
    host_key = _key(directory / "host")
    other_key = _key(directory / "other")
    (directory / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    servers = Servers(directory, directory / "ssh_config")
    ports = {b: _serve(servers, b, host_key, script) for b, script in BEHAVIOURS.items() if b in hosts.values()}
    if "wrongkey" in hosts.values():
        ports["wrongkey"] = _serve(servers, "wrongkey", other_key, "")
    known = host_key.with_suffix(".pub").read_text().split()[:2]
    lines, hosts_known = [], []
    for name, behaviour in hosts.items():
        port = ports.get(behaviour) or _free_port()
        lines += [f"Host {name}", "  HostName 127.0.0.1", f"  Port {port}", f"  HostKeyAlias {name}"]
        hosts_known.append(f"{name} {known[0]} {known[1]}")
    (directory / "known_hosts").write_text("\n".join(hosts_known) + "\n")
    lines += ["Host *", f"  IdentityFile {key}", "  IdentitiesOnly yes", "  StrictHostKeyChecking yes"]
    lines += [f"  UserKnownHostsFile {directory / 'known_hosts'}", "  GlobalKnownHostsFile /dev/null"]
    servers.config.write_text("\n".join(lines) + "\n")
    return servers


def _serve(servers: Servers, name: str, host_key: Path, script: str) -> int:
    port = _free_port()
    forced = servers.directory / f"{name}.sh"
    forced.write_text(f'#!/bin/sh\n{script}exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    forced.chmod(0o755)
    command = f"unshare --mount {shlex.quote(str(forced))}" if name in IN_NAMESPACE else str(forced)
    config = servers.directory / f"sshd_{name}"
    config.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nPidFile none\nStrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {servers.directory / 'authorized_keys'}\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nMaxStartups 200\nLogLevel QUIET\nForceCommand {command}\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    servers.processes.append(process)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return port
        time.sleep(0.05)
    raise RuntimeError(f"sshd for {name} did not listen on {port}")


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
