"""Every way to a libvirt daemon: of the system and of a user, over ssh and over TLS; and what stands in the way.

The daemons, sshd and certificates are real and of these tests alone; everything stays on this machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from libvirt_lab import Lab
from libvirt_reach import certificates, free_port

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
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


OTHER_CONFIGURATION = r"""
mount -t tmpfs none /etc/libvirt
cat >/etc/libvirt/libvirt.conf
virsh -c here uri
exec "$1" -c 'from provision.providers.libvirt.aliases import uri_of; print(uri_of("here"))'
"""


def test_an_alias_stands_for_what_it_does_in_libvirt(needs: Callable[[str, str], str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs to be root: /etc/libvirt is another one for it")
    needs("virsh", "libvirt-clients")
    configuration = """
    # uri_aliases = ["here=test:///commented"]
    uri_aliases = [
      "six=qemu+tls://[::1]/system",
      'here=test:///default',
      "here=test:///second",
    ]
    uri_aliases = [ "here=test:///third" ]
    """
    said = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", OTHER_CONFIGURATION, "sh", sys.executable],
        cwd=Path(__file__).parents[2], input=configuration, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == ["test:///default", "test:///default"]
