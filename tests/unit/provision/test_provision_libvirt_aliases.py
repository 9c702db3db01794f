"""Names of hypervisors in libvirt's client configuration."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.provider import ProviderError
from provision.providers import leads_here
from provision.providers.libvirt import aliases
from provision.providers.libvirt.aliases import parse
from provision.providers.libvirt.endpoint import Endpoint, parse_endpoint

TEXT = """\
# uri_aliases = ["commented=qemu:///out"]
#
uri_aliases = [
  "hail=qemu+ssh://root@hail.example/system?command=/opt/ssh&no_verify=1"
  'six=qemu+tls://[::1]/system', "here=qemu:///system",
  "mine=qemu:///embed?root=/srv/vms",
  "here=qemu:///session",
]
uri_aliases = [ "late=qemu:///system" ]
uri_default = "qemu:///system"
"""
ALIASES = {
    "hail": "qemu+ssh://root@hail.example/system?command=/opt/ssh&no_verify=1",
    "six": "qemu+tls://[::1]/system",
    "here": "qemu:///system",
    "mine": "qemu:///embed?root=/srv/vms",
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "libvirt.conf"
    path.write_text(TEXT)
    monkeypatch.setattr(aliases, "libvirt_client_file", lambda: path)
    return path


def test_aliases_are_read_as_libvirt_reads_them() -> None:
    assert parse(TEXT) == ALIASES
    assert parse('uri_aliases = [ "a=qemu:///system" ]\n') == {"a": "qemu:///system"}
    assert parse("uri_aliases = []") == {}
    assert parse("") == {}


def test_an_alias_leads_where_its_uri_does_and_keeps_its_name(file: Path) -> None:
    assert parse_endpoint("hail") == Endpoint("hail", ALIASES["hail"], False, None)
    assert parse_endpoint("here") == Endpoint("here", "qemu:///system", True, None)
    assert parse_endpoint("mine").root == Path("/srv/vms")
    assert leads_here("here")
    assert not leads_here("hail")
    assert parse_endpoint("qemu:///system").uri == "qemu:///system"


def test_what_is_no_alias_is_one_line_with_the_file(file: Path) -> None:
    with pytest.raises(ProviderError, match="'nowhere' is not a libvirt URI") as caught:
        parse_endpoint("nowhere")
    assert caught.value.hint.endswith("libvirt.conf")
    file.write_bytes(b'uri_aliases = ["x=\xff\xfe')
    with pytest.raises(ProviderError, match="not a libvirt URI"):
        parse_endpoint("x")
    file.unlink()
    with pytest.raises(ProviderError, match="not a libvirt URI"):
        parse_endpoint("x")


@given(st.text(alphabet="uri_aliases=[]\"',#\n xq:/\\"))
def test_any_text_is_read(text: str) -> None:
    parse(text)
