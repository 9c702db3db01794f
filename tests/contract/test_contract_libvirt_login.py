"""A libvirt elsewhere that is logged in to by what the Secret of a Provider gives: real sshd, real TLS.

The user of these tests has an ssh configuration that knows where hosts are, and neither key nor known hosts.
"""

import io
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from libvirt_reach import certificates, free_port
from msgspec.structs import replace

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

from hostcheck.paths import state_dir
from provision.manifests.documents import load
from provision.manifests.resolve import resolve
from provision.model import Handling, VmSpec
from provision.provider import ProviderError
from provision.providers import open_provider
from provision.providers.libvirt.endpoint import parse_endpoint
from provision.providers.libvirt.login import handling

pytestmark = pytest.mark.libvirt
ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
SECRET = "Provider spec.credentialSecretRef.name"
DOCUMENTS = """
apiVersion: infra.virtrigaud.io/v1beta1
kind: Provider
metadata: {{name: p}}
spec: {{type: libvirt, endpoint: "{endpoint}", credentialSecretRef: {{name: kvm}}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {{name: c}}
spec: {{cpu: 1, memory: 64Mi, diskDefaults: {{size: 1Gi}}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMImage
metadata: {{name: i}}
spec: {{source: {{libvirt: {{path: {image}, format: raw}}}}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {{name: far, annotations: {{nestproof.org/accel: tcg}}}}
spec: {{providerRef: {{name: p}}, classRef: {{name: c}}, imageRef: {{name: i}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: kvm}}
stringData:
"""
"""The Secret comes last, for its keys to follow."""


def manifests(endpoint: str, boot_image: Path, **keys: str) -> str:
    lines = []
    for key, text in keys.items():
        lines += [f"  {key.replace('_', '-')}: |", *(f"    {line}" for line in text.splitlines())]
    text = "\n".join(lines).replace("known-hosts:", "known_hosts:").replace("tls-", "tls.").replace("ca-crt", "ca.crt")
    return DOCUMENTS.format(endpoint=endpoint, image=boot_image) + text + "\n"


def vm_of(endpoint: str, boot_image: Path, **keys: str) -> VmSpec:
    text = manifests(endpoint, boot_image, **keys)
    vms, problems = resolve(load(["-"], io.BytesIO(text.encode())), None)
    assert len(vms) == 1, problems
    return vms[0]


def refused(vm: VmSpec) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        open_provider(vm.provider)
    assert str(caught.value).startswith(f"{vm.provider.endpoint}: ")
    assert "\n" not in str(caught.value) and "@" not in str(caught.value)
    assert left_behind() == []
    return caught.value


def left_behind() -> list[Path]:
    return list((state_dir() / "login").glob("*/*"))


def told(secret: str) -> list[str]:
    """The command lines and environments of this machine that a part of a secret stands in."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for kind in ("cmdline", "environ"):
            try:
                if secret.encode() in (process / kind).read_bytes():
                    found.append(f"{process}/{kind}")
            except OSError:
                continue
    return found


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_STATE", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def directory(ssh: str) -> Path:
    """Of the servers: `user` is the key that they take, `known_hosts` knows them but for `other`."""
    return Path(ssh.partition("command=")[2]).parent


@pytest.fixture(scope="module")
def stranger(directory: Path) -> str:
    """The rest of a URI for a user who has no key and knows no host, but has a configuration of where they are."""
    config = directory / "stranger_config"
    config.write_text((directory / "ssh_config").read_text().partition("Host *")[0])
    wrapper = directory / "stranger"
    wrapper.write_text(f'#!/bin/sh\nexec ssh -F {shlex.quote(str(config))} "$@"\n')
    wrapper.chmod(0o755)
    return f"/system?command={wrapper}"


@pytest.fixture
def login(directory: Path) -> dict[str, str]:
    return {"ssh_privatekey": (directory / "user").read_text(), "known_hosts": (directory / "known_hosts").read_text()}


def from_nothing_to_nothing(vm: VmSpec) -> None:
    assert vm.provider.credentials is not None
    provider = open_provider(vm.provider)
    try:
        plan = provider.plan(vm)
        for text in filter(None, (vm.provider.credentials.ssh_private_key, vm.provider.credentials.certificate_key)):
            assert text.splitlines()[2] not in repr(plan)
        account = next(each for each in plan.accounts if each.path == SECRET)
        assert account.handling is Handling.HONOURED
        provider.apply(plan, lambda _line: None)
        seen = provider.observe(vm)
        assert seen is not None and seen.running
    finally:
        provider.destroy(vm.namespace, vm.name)
        provider.close()


def test_the_key_of_a_secret_logs_in_and_stands_nowhere(stranger: str, login: dict[str, str], boot_image: Path) -> None:
    vm = vm_of(f"qemu+ssh://kvm{stranger}", boot_image, **login)
    provider = open_provider(vm.provider)
    try:
        secret = login["ssh_privatekey"].splitlines()[2]
        assert told(secret) == []
        assert left_behind() == []
        assert secret not in repr(vm)
    finally:
        provider.close()
    from_nothing_to_nothing(vm)


def test_the_user_is_of_the_secret_unless_the_endpoint_names_one(
    stranger: str, login: dict[str, str], boot_image: Path
) -> None:
    fault = refused(vm_of(f"qemu+ssh://kvm{stranger}", boot_image, username="nobody-here", **login))
    assert "for nobody-here (Permission denied)" in str(fault)
    assert "cannot be a user's name" in str(refused(vm_of(f"qemu+ssh://kvm{stranger}", boot_image, username="a b")))
    named = vm_of(f"qemu+ssh://root@kvm{stranger}", boot_image, username="nobody-here", **login)
    open_provider(named.provider).close()


def another_key(directory: Path, passphrase: str) -> str:
    path = directory / f"key{len(passphrase)}"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return path.read_text()


def test_what_stands_in_the_way_is_one_line(
    stranger: str, login: dict[str, str], directory: Path, boot_image: Path
) -> None:
    def fault(host: str = "kvm", **keys: str) -> ProviderError:
        return refused(vm_of(f"qemu+ssh://{host}{stranger}", boot_image, **login | keys))

    wrong = fault(ssh_privatekey=another_key(directory, ""))
    assert "the host does not take the key of Secret default/kvm" in str(wrong)
    assert "authorized_keys" in wrong.hint
    encrypted = fault(ssh_privatekey=another_key(directory, "secret"))
    assert "ssh-privatekey of Secret default/kvm is encrypted" in str(encrypted)
    assert "ssh-keygen -p" in encrypted.hint
    damaged = login["ssh_privatekey"].replace("b3BlbnNzaC1rZXktdjE", "b3BlbnNzaC1rZXktdjF")
    assert damaged != login["ssh_privatekey"]
    assert "ssh-privatekey of Secret default/kvm is damaged" in str(fault(ssh_privatekey=damaged))
    assert "is no private key" in str(fault(ssh_privatekey="ssh-ed25519 AAAA"))
    unknown = fault(known_hosts="# nobody")
    assert str(unknown).endswith("known_hosts of Secret default/kvm has no key of the host")
    assert "ssh-keyscan" in unknown.hint
    changed = fault("other")
    assert "the host shows another key than known_hosts of Secret default/kvm has for it" in str(changed)
    nothing = refused(vm_of(f"qemu+ssh://kvm{stranger}", boot_image, known_hosts=login["known_hosts"]))
    assert "the host does not take your own keys (Permission denied)" in str(nothing)
    assert "Secret default/kvm has none" in nothing.hint
    dead = fault("dead")
    assert "Connection refused" in str(dead)


def test_a_secret_without_known_hosts_leaves_that_to_the_user(
    ssh: str, stranger: str, login: dict[str, str], boot_image: Path
) -> None:
    key = {"ssh_privatekey": login["ssh_privatekey"]}
    unknown = refused(vm_of(f"qemu+ssh://kvm{stranger}", boot_image, **key))
    assert str(unknown).endswith("your known_hosts has no key of the host")
    open_provider(vm_of(f"qemu+ssh://kvm{ssh}", boot_image, **key).provider).close()


SLOW = """
import sys
from provision.manifests.documents import load
from provision.manifests.resolve import resolve
from provision.providers import open_provider
(vm,), _ = resolve(load([sys.argv[1]]), None)
open_provider(vm.provider)
"""


def test_a_killed_login_leaves_no_secret_and_is_swept(
    stranger: str, login: dict[str, str], boot_image: Path, tmp_path: Path
) -> None:
    file = tmp_path / "vm.yaml"
    file.write_text(manifests(f"qemu+ssh://slow{stranger}", boot_image, **login))
    secret = login["ssh_privatekey"].splitlines()[2]
    with subprocess.Popen([sys.executable, "-c", SLOW, str(file)], cwd=ROOT, start_new_session=True) as process:
        try:
            for _ in range(600):
                if left_behind() or process.poll() is not None:
                    break
                time.sleep(0.05)
            time.sleep(0.5)  # by now ssh has been called
            assert process.poll() is None
            assert told(secret) == []
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    files = left_behind()
    assert [path.name for path in files] == ["ssh"]
    assert secret not in files[0].read_text()
    open_provider(vm_of(f"qemu+ssh://kvm{stranger}", boot_image, **login).provider).close()
    assert list((state_dir() / "login").iterdir()) == []


@pytest.fixture(scope="module")
def by_password(directory: Path, stranger: str, needs: Callable[[str, str], str]) -> Iterator[str]:
    """The rest of a URI of a server that takes root's password, which is one of its own."""
    needs("openssl", "openssl")
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, text=True, check=True, capture_output=True
    ).stdout.strip()
    shadow, config, port = directory / "shadow", directory / "sshd_password", free_port()
    shadow.write_text(f"root:{hashed}:19000:0:99999:7:::\n")
    shadow.chmod(0o600)
    config.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {directory / 'host'}\nPidFile none\nStrictModes no\n"
        "UsePAM no\nPubkeyAuthentication no\nPasswordAuthentication yes\nPermitRootLogin yes\nLogLevel QUIET\n"
        f"ForceCommand {directory / 'libvirt.sh'}\n"
    )
    known = (directory / "known_hosts").read_text().split()
    (directory / "known_password").write_text(f"passworded {known[1]} {known[2]}\n")
    user = directory / "stranger_config"
    where = f"Host passworded\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias passworded\n"
    user.write_text(user.read_text() + where)
    serve = f"mount --bind {shadow} /etc/shadow && exec /usr/sbin/sshd -D -e -f {config}"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", serve]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        yield f"passworded{stranger}"
        process.terminate()


def test_a_password_is_given_once_and_stands_nowhere(by_password: str, directory: Path, boot_image: Path) -> None:
    keys = {"username": "root", "known_hosts": (directory / "known_password").read_text()}
    vm = vm_of(f"qemu+ssh://{by_password}", boot_image, password=PASSWORD, **keys)
    provider = open_provider(vm.provider)
    try:
        assert told(PASSWORD) == []
        assert left_behind() == []
    finally:
        provider.close()
    fault = refused(vm_of(f"qemu+ssh://{by_password}", boot_image, password="wrong", **keys))
    assert "the host does not take the password of Secret default/kvm for root (Permission denied)" in str(fault)
    # Asked whether it trusts an unknown host, ssh would get the password for an answer.
    fault = refused(vm_of(f"qemu+ssh://{by_password}", boot_image, username="root", password=PASSWORD))
    assert "your known_hosts has no key of the host" in str(fault)


def test_the_certificates_of_a_secret_are_those_of_tls(tls: tuple[str, Path], boot_image: Path, tmp_path: Path) -> None:
    host, pki = tls
    mine = {
        "ca_crt": (pki / "cacert.pem").read_text(),
        "tls_crt": (pki / "clientcert.pem").read_text(),
        "tls_key": (pki / "clientkey.pem").read_text(),
    }

    def vm(**keys: str) -> VmSpec:
        return vm_of(f"qemu+tls://{host}/system", boot_image, **keys)

    from_nothing_to_nothing(vm(**mine))
    assert left_behind() == []
    strangers = tmp_path / "strangers"
    certificates(strangers, "localhost")
    assert "certificate" in str(refused(vm(**mine | {"ca_crt": (strangers / "cacert.pem").read_text()}))).lower()
    assert "has only one of tls.crt and tls.key" in str(refused(vm(ca_crt=mine["ca_crt"], tls_crt=mine["tls_crt"])))
    assert "has no ca.crt" in str(refused(vm(tls_key=mine["tls_key"], tls_crt=mine["tls_crt"])))
    locked = subprocess.run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", str(pki / "clientkey.pem")],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "tls.key of Secret default/kvm is encrypted" in str(refused(vm(**mine | {"tls_key": locked})))


def test_a_jump_host_that_asks_does_not_hear_the_password(stranger: str, directory: Path, boot_image: Path) -> None:
    """Its ssh is another process, with the same environment."""
    heard = directory / "heard"
    config = directory / "stranger_config"
    jump = f"Host behind\n  ProxyCommand sh -c '\"$SSH_ASKPASS\" password >{heard}; echo asked >>{heard}; exit 1'\n"
    config.write_text(config.read_text() + jump)
    refused(vm_of(f"qemu+ssh://behind{stranger}", boot_image, username="root", password=PASSWORD))
    assert heard.read_text() == "asked\n"


def test_where_no_file_is_in_memory_alone_that_is_said(
    stranger: str, login: dict[str, str], boot_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(ProviderError, match="logging in by a Secret takes Linux"):
        open_provider(vm_of(f"qemu+ssh://kvm{stranger}", boot_image, **login).provider)
    assert left_behind() == []


@pytest.mark.parametrize(
    ("endpoint", "keys", "says"),
    [
        ("qemu:///system", {"username": "root"}, "nothing to log in to"),
        ("qemu+ssh://kvm/system", {"tls_crt": "x"}, "it has nothing for ssh"),
        ("qemu+tls://kvm/system", {"username": "root"}, "it has nothing for tls"),
        ("qemu+ssh://kvm/system", {}, "there is no such Secret here: your ssh configuration"),
        ("qemu+tls://kvm/system", {}, "there is no such Secret here: libvirt's own certificates"),
    ],
)
def test_a_secret_that_changes_nothing_is_said_to(
    endpoint: str, keys: dict[str, str], says: str, boot_image: Path
) -> None:
    provider = vm_of(endpoint, boot_image, **keys).provider
    if not keys:
        provider = replace(provider, credentials=None)
    answer, how = handling(provider, parse_endpoint(endpoint))
    assert answer is Handling.UNSUPPORTED
    assert says in how
