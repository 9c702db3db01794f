"""Every way to a libvirt daemon: of the system and of a user, over ssh and over TLS; and what stands in the way.

The daemons, sshd and certificates are real and of these tests alone; everything stays on this machine.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from libvirt_lab import Lab

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
sys.path.append(str(Path(__file__).parents[1] / "e2e"))

import sshd
from vm_factory import image, wanted

from hostcheck.model import Asked
from provision.model import ProviderSpec
from provision.provider import ProviderError
from provision.providers import is_local, open_provider

pytestmark = pytest.mark.libvirt
NOBODY = 65534


def from_nothing_to_nothing(endpoint: str, boot_image: Path, *, local: bool) -> None:
    """The whole contract in short, over one endpoint."""
    provider = open_provider(ProviderSpec("p", "libvirt", endpoint, None))
    try:
        vm = wanted(image(boot_image), endpoint, name="far")
        provider.apply(provider.plan(vm), lambda _line: None)
        seen = provider.observe(vm)
        assert seen is not None
        assert (seen.running, seen.asked, seen.got) == (True, Asked.ON, True)
        assert [setting for setting in seen.settings if setting.differs] == []
        assert [step.action for step in provider.plan(vm).steps] == ["keep"]
        with pytest.raises(ProviderError, match=r"no report within \d+ s: .*no agent answers"):
            provider.fetch_report(vm, 1, lambda _line: None)
        assert is_local(ProviderSpec("p", "libvirt", endpoint, None)) is local
        assert any("domain" in name for name in provider.destroy("default", "far"))
        assert provider.observe(vm) is None
    finally:
        provider.destroy("default", "far")
        provider.close()


def refused(endpoint: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        open_provider(ProviderSpec("p", "libvirt", endpoint, None))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{endpoint}: ")
    return caught.value


@pytest.fixture(scope="module")
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
        servers = sshd.start(directory, hosts)
    wrapper = directory / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec ssh -F {shlex.quote(str(servers.config))} "$@"\n')
    wrapper.chmod(0o755)
    yield f"/system?command={wrapper}"
    servers.stop()


def test_over_ssh(ssh: str, daemon: Lab, boot_image: Path) -> None:
    from_nothing_to_nothing(f"qemu+ssh://kvm{ssh}", boot_image, local=False)
    assert not [name for name in daemon.remains() if "far" in name]


@pytest.mark.parametrize(
    ("host", "says", "hint"),
    [
        ("dead", "Connection refused", "ssh"),
        ("closed", "this account is not available", "ssh"),
        ("other", "Host key verification failed", "accept the host's key"),
        ("bare", "not found", "libvirt"),
    ],
)
def test_what_stands_in_the_way_over_ssh(ssh: str, host: str, says: str, hint: str) -> None:
    fault = refused(f"qemu+ssh://{host}{ssh}")
    assert says in str(fault)
    assert hint in fault.hint


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


TLS = r"""
for place in /run /var/lib /var/log /var/cache /etc/libvirt; do mount -t tmpfs none $place; done
mkdir /run/lock
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
END
exec libvirtd --listen --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"
"""


@pytest.fixture(scope="module")
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


def test_over_tls(tls: tuple[str, Path], boot_image: Path) -> None:
    host, pki = tls
    from_nothing_to_nothing(f"qemu+tls://{host}/system?pkipath={pki}", boot_image, local=False)


def test_what_stands_in_the_way_over_tls(tls: tuple[str, Path], tmp_path: Path) -> None:
    host, pki = tls
    strangers = tmp_path / "strangers"
    certificates(strangers, "localhost")
    fault = refused(f"qemu+tls://{host}/system?pkipath={strangers}")
    assert "certificate" in str(fault).lower()
    assert "tlscerts" in fault.hint
    fault = refused(f"qemu+tls://127.0.0.1:{host.partition(':')[2]}/system?pkipath={pki}")
    assert "certificate" in str(fault).lower()
    (tmp_path / "none").mkdir()
    fault = refused(f"qemu+tls://{host}/system?pkipath={tmp_path / 'none'}")
    assert "cacert.pem" in str(fault)
    assert "tlscerts" in fault.hint
    assert "is libvirtd running" in refused(f"qemu+tls://localhost:{free_port()}/system?pkipath={pki}").hint


@pytest.fixture(scope="module")
def session(needs: Callable[[str, str], str]) -> Iterator[str]:
    """The daemon of an ordinary user, who is nobody."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root: to become another user")
    needs("libvirtd", "libvirt-daemon")
    needs("setpriv", "util-linux")
    place = Path(tempfile.mkdtemp(prefix="np-"))
    try:
        for name in ("run", "home", "pool"):
            (place / name).mkdir()
            os.chown(place / name, NOBODY, NOBODY)
        place.chmod(0o755)
        environment = {"PATH": os.environ["PATH"], "HOME": str(place / "home"), "XDG_RUNTIME_DIR": str(place / "run")}
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        with subprocess.Popen([*user, "libvirtd"], env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                path = place / "run/libvirt/libvirt-sock"
                for _ in range(600):
                    if path.exists() or process.poll() is not None:
                        break
                    time.sleep(0.1)
                endpoint = f"qemu:///session?socket={path}"
                virsh = ["virsh", "-q", "-c", endpoint]
                pool = ["pool-define-as", "default", "dir", "--target", str(place / "pool")]
                subprocess.run([*virsh, *pool], check=True, capture_output=True)
                subprocess.run([*virsh, "pool-start", "default"], check=True, capture_output=True)
                yield endpoint
            finally:
                process.terminate()
                process.wait(30)
    finally:
        shutil.rmtree(place)


def test_the_daemon_of_a_user(session: str, boot_image: Path) -> None:
    from_nothing_to_nothing(session, boot_image, local=True)
