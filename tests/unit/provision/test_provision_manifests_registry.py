"""The login for a container registry: from the Secret that kubectl makes, and nothing of it is ever shown."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, lines, outcome

from provision.accounting import account
from provision.model import Handling, HttpRequest

REGISTRY = "{registry: {image: 'quay.io/disks/tiny:1', pullSecretRef: {name: pull}, format: raw}}"
SOURCE = IMAGE.replace("{libvirt: {path: disk.qcow2}}", REGISTRY)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: pull}\ntype: kubernetes.io/dockerconfigjson\ndata:\n"
HIDDEN = "hunter2"
AUTH = b64encode(f"me:{HIDDEN}".encode()).decode()
LOGIN = HttpRequest(username="me", password=HIDDEN)


def secret(config: object) -> str:
    text = config if isinstance(config, str) else json.dumps(config)
    return f"{SECRET}  .dockerconfigjson: {b64encode(text.encode()).decode()}\n"


@pytest.mark.parametrize(
    ("auths", "found"),
    [
        ({"quay.io": {"auth": AUTH}}, LOGIN),
        ({"https://quay.io/v2/": {"username": "me", "password": HIDDEN}, "other.io": {"auth": "x"}}, LOGIN),
        ({"quay.io": {"registrytoken": HIDDEN}}, HttpRequest(token=HIDDEN)),
    ],
)
def test_the_login_of_a_secret(auths: object, found: HttpRequest) -> None:
    vms, problems = outcome(PROVIDER, CLASS, SOURCE, VM, secret({"auths": auths}))
    assert vms, problems
    image = vms[0].image
    assert (image.registry, image.format, image.request, image.url) == ("quay.io/disks/tiny:1", "raw", found, None)
    assert HIDDEN not in repr(vms) + repr(problems)
    handled = {a.path: a for a in account(vms[0], "libvirt")}
    for field in ("image", "format", "pullSecretRef.name"):
        assert handled[f"VMImage spec.source.registry.{field}"].handling is Handling.HONOURED


def test_docker_hub_is_known_by_the_names_that_its_tools_write() -> None:
    source = SOURCE.replace("quay.io/disks/tiny:1", "me/disk:1")
    vms, problems = outcome(
        PROVIDER, CLASS, source, VM, secret({"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}})
    )
    assert vms, problems
    assert vms[0].image.request == LOGIN


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (secret(f"{{{HIDDEN}"), "Secret default/pull: .dockerconfigjson is not what `kubectl create secret docker-reg"),
        (
            secret({"auths": {"other.io": {"auth": AUTH}}}),
            ".dockerconfigjson has no login for quay.io; it has other.io",
        ),
        (secret({}), ".dockerconfigjson has no login for quay.io; it has none"),
        (secret({"auths": {"quay.io": {"auth": HIDDEN}}}), "has neither a username nor a readable auth for quay.io"),
        (f"{SECRET}  other: aGk=\n", "Secret default/pull has none of the keys .dockerconfigjson"),
    ],
)
def test_a_secret_that_has_no_login_is_named_without_its_values(document: str, says: str) -> None:
    vms, problems = outcome(PROVIDER, CLASS, SOURCE, VM, document)
    assert vms == []
    (line,) = [line for line in lines(problems) if "error" in line]
    assert says in line
    assert HIDDEN not in line and AUTH not in line


def test_a_secret_that_is_mounted_has_its_dot_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pull").mkdir()
    (tmp_path / "pull" / ".dockerconfigjson").write_text(json.dumps({"auths": {"quay.io": {"auth": AUTH}}}))
    (tmp_path / "pull" / "..2026").write_text("what Kubernetes keeps beside it")
    monkeypatch.setenv("NESTPROOF_SECRETS", str(tmp_path))
    vms, problems = outcome(PROVIDER, CLASS, SOURCE, VM)
    assert vms, problems
    assert vms[0].image.request == LOGIN


def test_a_registry_counts_where_no_other_source_does_and_vsphere_takes_none() -> None:
    both = SOURCE.replace("{registry:", "{libvirt: {path: disk.qcow2}, registry:")
    vms, _ = outcome(PROVIDER, CLASS, both, VM)
    assert (vms[0].image.registry, vms[0].image.request) == (None, None)
    proxmox = PROVIDER.replace('libvirt, endpoint: "qemu:///embed"', 'proxmox, endpoint: "https://pve"')
    login = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {username: u@pam, password: p}\n"
    vms, problems = outcome(proxmox + login, CLASS, SOURCE, VM, secret({"auths": {"quay.io": {"auth": AUTH}}}))
    assert vms, problems
    assert (vms[0].image.registry, vms[0].image.format) == ("quay.io/disks/tiny:1", "raw")
    vsphere = PROVIDER.replace('libvirt, endpoint: "qemu:///embed"', 'vsphere, endpoint: "https://vc"')
    vms, problems = outcome(vsphere + login, CLASS, SOURCE, VM)
    assert vms == []
    assert any("spec.source has registry, a vsphere provider needs" in line for line in lines(problems))
