"""Ways to a libvirt elsewhere, on this machine: real sshd and libvirtd of these tests alone, and certificates."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from libvirt_lab import Lab
from private_libvirt import WORLD

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

import sshd


@pytest.fixture(scope="session")
def ssh(daemon: Lab, tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str, str], str]) -> Iterator[str]:
    """The rest of a URI that finds the servers; on `kvm`, commands see what the daemon sees."""
    needs("/usr/sbin/sshd", "openssh-server")
    needs("virt-ssh-helper", "libvirt-daemon")
    needs("nsenter", "util-linux")
    directory = tmp_path_factory.mktemp("ssh")
    run = Path(daemon.endpoint.partition("socket=")[2]).parent
    pid = (run.parent / "libvirtd.pid").read_text().strip()
    inside = f'exec nsenter --target {pid} --mount --root /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sshd.BEHAVIOURS, "libvirt", inside)
        bare = directory / "bin"
        bare.mkdir()
        (bare / "sh").symlink_to("/bin/sh")
        patch.setitem(sshd.BEHAVIOURS, "without", f"PATH={bare}\n")
        hosts = {"kvm": "libvirt", "closed": "denied", "dead": "dead", "other": "wrongkey", "bare": "without"}
        hosts["slow"] = "slow"
        servers = sshd.start(directory, hosts)
    wrapper = directory / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec ssh -F {shlex.quote(str(servers.config))} "$@"\n')
    wrapper.chmod(0o755)
    yield f"/system?command={wrapper}"
    servers.stop()


def certificates(directory: Path, name: str) -> None:
    """An authority and, signed by it, a server's certificate for `name` and a client's, as libvirt wants them."""
    directory.mkdir()
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    quiet = {"check": True, "cwd": directory, "capture_output": True}
    ca = ["-keyout", "cakey.pem", "-out", "cacert.pem", "-subj", "/CN=test authority"]
    subprocess.run([*new, *ca, "-addext", "keyUsage=critical,keyCertSign"], **quiet)  # type: ignore[call-overload]
    for kind, subject, usage in (("server", name, "serverAuth"), ("client", "tester", "clientAuth")):
        made = ["-CA", "cacert.pem", "-CAkey", "cakey.pem", "-keyout", f"{kind}key.pem", "-out", f"{kind}cert.pem"]
        about = ["-subj", f"/CN={subject}", "-addext", f"subjectAltName=DNS:{subject}"]
        use = ["-addext", f"extendedKeyUsage={usage}", "-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run([*new, *made, *about, *use], **quiet)  # type: ignore[call-overload]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


TLS = WORLD + 'exec libvirtd --listen --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"'


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str, str], str]) -> Iterator[tuple[str, Path]]:
    """Host and port of a daemon that listens by TLS, and the directory of its certificates."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root: libvirtd runs in a mount namespace of its own")
    needs("libvirtd", "libvirt-daemon")
    needs("openssl", "openssl")
    place = tmp_path_factory.mktemp("tls")
    port, pki = free_port(), place / "pki"
    certificates(pki, "localhost")
    (place / "pool").mkdir()
    (place / "libvirtd.conf").write_text(
        f'listen_tls = 1\nlisten_tcp = 0\nlisten_addr = "127.0.0.1"\ntls_port = "{port}"\nauth_tls = "none"\n'
        f'auth_unix_rw = "none"\nunix_sock_dir = "{place}/run"\nlog_outputs = "3:file:{place}/libvirtd.log"\n'
        f'key_file = "{pki}/serverkey.pem"\ncert_file = "{pki}/servercert.pem"\nca_file = "{pki}/cacert.pem"\n'
    )
    (place / "run").mkdir()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", TLS, "sh", str(place)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0 or process.poll() is not None:
                        break
                time.sleep(0.1)
            virsh = ["virsh", "-q", "-c", f"qemu:///system?socket={place}/run/libvirt-sock"]
            pool = ["pool-define-as", "default", "dir", "--target", str(place / "pool")]
            subprocess.run([*virsh, *pool], check=True, capture_output=True)
            subprocess.run([*virsh, "pool-start", "default"], check=True, capture_output=True)
            yield f"localhost:{port}", pki
        finally:
            process.terminate()
            process.wait(30)
