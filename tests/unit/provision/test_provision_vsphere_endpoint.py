"""Endpoints of vSphere, pinned certificates, and what goes by guestinfo."""

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vm_factory import IMAGE, net, wanted

from provision.model import GuestAddress, ImageSpec, NetworkKind, VmSpec
from provision.provider import ProviderError
from provision.providers.vsphere.endpoint import Endpoint, govc_url, parse_endpoint
from provision.providers.vsphere.guestinfo import LIMIT, REPORT, report, variables

SHA1 = ":".join(["AB"] * 20)


def vm(**changes: Any) -> VmSpec:
    return wanted(ImageSpec("debian", None, None, "", None, IMAGE, template="t"), "vsphere://vc", **changes)


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("vsphere://vc.example", Endpoint("vc.example", 443, "/sdk")),
        ("vsphere://user@vc.example:8443/DC0", Endpoint("vc.example", 8443, "/sdk")),
        ("https://vc.example/sdk", Endpoint("vc.example", 443, "/sdk")),
        ("https://vc.example", Endpoint("vc.example", 443, "/sdk")),
        ("https://vc.example/proxy/sdk/", Endpoint("vc.example", 443, "/proxy/sdk")),
        ("vc.example", Endpoint("vc.example", 443, "/sdk")),
        ("vsphere://[2001:db8::1]:444", Endpoint("2001:db8::1", 444, "/sdk")),
        (f"vsphere://vc?thumbprint={SHA1}", Endpoint("vc", 443, "/sdk", "ab" * 20)),
        (f"https://vc/sdk?thumbprint={'cd' * 32}", Endpoint("vc", 443, "/sdk", "cd" * 32)),
    ],
)
def test_endpoints(written: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(written) == endpoint


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("http://vc", "not an endpoint of vSphere"),
        ("vsphere://", "not an endpoint"),
        ("vsphere://vc:99999", "ort"),
        ("vsphere://secret:word@vc:x", "ort"),
        ("vsphere://vc?thumbprint=AB:CD", "not a certificate's thumbprint"),
        (f"vsphere://vc?thumbprint={'zz' * 20}", "not a certificate's thumbprint"),
    ],
)
def test_what_is_no_endpoint_is_refused_without_the_password(written: str, says: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        parse_endpoint(written)
    assert "\n" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_the_file_of_known_hosts_that_govc_writes() -> None:
    known = f"other {'00' * 20}\nvc:8443 {SHA1}\n\nbroken line here\n"
    assert parse_endpoint("vsphere://vc:8443", known).thumbprint == "ab" * 20
    assert parse_endpoint("vsphere://vc", known).thumbprint == ""


def test_cloud_init_and_the_agent_go_packed_and_an_old_report_is_removed() -> None:
    found = variables(vm(user_data="#cloud-config\npackages: [a]\n"))
    assert found[REPORT] == ""
    assert found["guestinfo.userdata.encoding"] == "gzip+base64"
    text = gzip.decompress(base64.b64decode(found["guestinfo.userdata"])).decode()
    assert "packages: [a]" in text
    assert "--send guestinfo" in text
    meta = json.loads(gzip.decompress(base64.b64decode(found["guestinfo.metadata"])))
    assert (meta["local-hostname"], meta["instance-id"].startswith("nestproof-default-tiny-")) == ("tiny", True)
    assert variables(vm(user_data="#cloud-config\npackages: [a]\n")) == found, "the same input gives the same bytes"


def test_a_static_address_goes_as_network_configuration() -> None:
    address = GuestAddress("192.0.2.10/24", "192.0.2.1", ("192.0.2.53",), ("example",))
    nics = (
        net("PG", NetworkKind.PORTGROUP),
        net("PG", NetworkKind.PORTGROUP, mac="00:50:56:01:02:03", address=address),
    )
    meta = json.loads(gzip.decompress(base64.b64decode(variables(vm(networks=nics))["guestinfo.metadata"])))
    assert meta["network.encoding"] == "base64"
    assert json.loads(base64.b64decode(meta["network"]))["ethernets"] == {
        "nic1": {
            "match": {"macaddress": "00:50:56:01:02:03"}, "addresses": ["192.0.2.10/24"], "gateway4": "192.0.2.1",
            "nameservers": {"addresses": ["192.0.2.53"], "search": ["example"]},
        }
    }  # fmt: skip


def test_ignition_goes_in_its_own_variable() -> None:
    found = variables(vm(ignition='{"ignition": {"version": "3.4.0"}}'))
    assert (
        gzip.decompress(base64.b64decode(found["guestinfo.ignition.config.data"]))
        == b'{"ignition": {"version": "3.4.0"}}'
    )
    assert "guestinfo.userdata" not in found


def packed(size: int) -> str:
    """Random text that packs to about `size` characters."""
    import random

    return "#!" + "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=size))


def test_one_byte_beyond_64_kib_is_refused_with_the_numbers() -> None:
    low, high = 0, 60000  # the longest text that still fits, and one more; a letter can cost several packed bytes
    while high - low > 1:
        middle = (low + high) // 2
        try:
            variables(vm(user_data=packed(middle)))
            low = middle
        except ValueError:
            high = middle
    assert LIMIT - 16 < len(variables(vm(user_data=packed(low)))["guestinfo.userdata"]) <= LIMIT
    with pytest.raises(
        ValueError, match=rf"userdata has \d+ bytes, \d+ when packed; a guestinfo variable takes {LIMIT}: \d\d? too"
    ):
        variables(vm(user_data=packed(high)))


def test_a_report_is_unpacked_and_nothing_else_is() -> None:
    body = b'{"a": 1}'
    value = base64.b64encode(gzip.compress(body)).decode()
    assert report({REPORT: value, f"{REPORT}.encoding": "gzip+base64"}) == body
    assert report({}) is None
    assert report({REPORT: ""}) is None
    bomb = base64.b64encode(gzip.compress(b"0" * (17 << 20))).decode()
    for wrong, says in ((bomb, "too large"), ("A" * (LIMIT + 1), "more than VMware takes"), ("%%", "damaged"),
                        (value[:16], "damaged|cut off")):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            report({REPORT: wrong, f"{REPORT}.encoding": "gzip+base64"})
    with pytest.raises(ValueError, match="encoding"):
        report({REPORT: value})


@given(st.text(max_size=200))
def test_no_value_of_a_guest_does_more_than_be_refused(value: str) -> None:
    try:
        report({REPORT: value, f"{REPORT}.encoding": "gzip+base64"})
    except ValueError as e:
        assert str(e)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vc.example", ("https://vc.example", "", "")),
        ("https://vc.example/sdk", ("https://vc.example/sdk", "", "")),
        ("https://u%40d:p%3Aw@vc.example:8443/sdk", ("https://vc.example:8443/sdk", "u@d", "p:w")),
        ("user:pass@vc.example", ("https://vc.example", "user", "pass")),
    ],
)
def test_the_url_of_govc(text: str, found: tuple[str, str, str]) -> None:
    assert govc_url(text) == found
