"""Which URIs are taken for what, and what the registry says of kinds and libraries it does not have."""

import sys
from pathlib import Path

import pytest

from provision.model import Origin, ProviderSpec
from provision.provider import ProviderError
from provision.providers import open_provider
from provision.providers.libvirt.endpoint import Endpoint, parse_endpoint
from provision.providers.libvirt.storage import VmKey
from provision.providers.libvirt.xmltext import XmlError, parse_xml


def test_the_embedded_driver_lives_in_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_STATE", "/s t/a")
    assert parse_endpoint("qemu:///embed") == Endpoint(
        "qemu:///embed", "qemu:///embed?root=/s%20t/a/libvirt", True, Path("/s t/a/libvirt")
    )
    assert parse_endpoint("qemu:///embed?root=/elsewhere").root == Path("/elsewhere")


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("qemu:///session", True),
        ("qemu+unix:///system?socket=/run/x", True),
        ("qemu+ssh://kvm07/system", False),
        ("qemu+ssh://localhost/system", False),
        ("qemu+tcp://127.0.0.1:1/system", False),
        ("qemu+tls://[::1]/system", False),
    ],
)
def test_other_uris_stay_as_they_are(uri: str, local: bool) -> None:
    assert parse_endpoint(uri) == Endpoint(uri, uri, local, None)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("/var/run/libvirt", "not a libvirt URI"),
        ("", "not a libvirt URI"),
        ("xen:///system", "only qemu"),
        ("test:///default", "only qemu"),
        ("qemu+ssh://[::1/system", "not a URI"),
        ("qemu:///embed?root=relative", "absolute"),
        (f"qemu:///embed?root=/{'x' * 80}", "too long a path"),
    ],
)
def test_what_is_no_endpoint_is_refused_in_one_line(uri: str, says: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        parse_endpoint(uri)
    assert "\n" not in str(caught.value)


def spec(kind: str) -> ProviderSpec:
    return ProviderSpec("lab", kind, "https://vc", Origin("p.yaml", 3, 9))


def test_a_kind_without_a_provider_is_said_honestly() -> None:
    with pytest.raises(ProviderError, match=r"^p\.yaml:3:9: provider lab: type 'xen' is unknown") as caught:
        open_provider(spec("xen"))
    assert caught.value.hint.startswith("supported: libvirt, proxmox")


def test_without_libvirt_python_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("provision.providers.libvirt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(ProviderError, match=r"libvirt support is not installed: pip install 'nestproof\[libvirt\]'"):
        open_provider(spec("libvirt"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a-", "a..b", "a\n", "a" * 121, "é"])
def test_a_name_that_would_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(ProviderError, match="cannot name a VM"):
        VmKey("default", name)


def test_a_namespace_has_no_dot_so_that_keys_stay_apart() -> None:
    assert str(VmKey("a", "b.c")) == "a.b.c"
    with pytest.raises(ProviderError, match="must not contain a dot"):
        VmKey("a.b", "c")


@pytest.mark.parametrize(
    "text", ["", "<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>" + " " * (4 << 20) + "</a>"]
)
def test_xml_that_is_broken_or_hostile_is_not_read(text: str) -> None:
    with pytest.raises(XmlError):
        parse_xml(text)
