"""Secrets go, and are found when one is left; names get other names, the same everywhere and for ever."""

import base64
import gzip
import ipaddress
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.model import Asked, VmView
from reports.bundle import Bundle, BundleError, secrets
from reports.bundle.aliases import FORM, Aliases, Kind
from reports.bundle.cleaning import cleaned, redacted, reserved, search
from reports.bundle.redact import Redactor
from reports.store import Entry

_KIND = "OPENSSH PRIVATE KEY"
PEM = f"-----BEGIN {_KIND}-----\nb3BlbnNzaC1rZXktdjEAAAAA\nAAAAB3NzaC1yc2EAAAADAQ\n-----END {_KIND}-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
SECRETS = {
    "password=hunter2xyz": "hunter2xyz",
    "rootpw: 'hunter2xyz'": "hunter2xyz",
    "API_KEY = hunter2xyz": "hunter2xyz",
    '"vnc_passwd": "hunter2xyz"': "hunter2xyz",
    "<graphics type='vnc' passwd='hunter2xyz'/>": "hunter2xyz",
    "<password>hunter2xyz</password>": "hunter2xyz",
    "https://me:hunter2xyz@host.example/x": "hunter2xyz",
    "Authorization: Bearer hunter2xyz.abc": "hunter2xyz.abc",
    "root:$6$saltsalt$hashhashhashhashhash:19000::": "$6$saltsalt$hashhashhashhashhash",
    "key AKIAIOSFODNN7EXAMPLE here": "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    f"jwt {JWT} x": JWT,
    "PVEAPIToken=root@pam!ci=12345678-aaaa-bbbb": "12345678-aaaa-bbbb",
    PEM: "b3BlbnNzaC1rZXktdjEAAAAA",
}


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_goes_and_the_rest_stays(text: str) -> None:
    without = secrets.removed(f"before {text} after")
    assert SECRETS[text] not in without and secrets.REMOVED in without
    assert without.startswith("before ") and without.endswith(" after")
    assert secrets.removed(without) == without
    assert list(secrets.search("x", f"before {text} after".encode()))
    assert list(secrets.search("x", without.encode())) == []


@pytest.mark.parametrize(
    "hide",
    [
        lambda text: base64.b64encode(text.encode()),
        lambda text: text.encode("utf-16-le"),
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode()).encode(),
        lambda text: text.replace("=", "&#61;").encode(),
        lambda text: gzip.compress(text.encode()),
    ],
    ids=["base64", "utf-16", "percent", "html", "gzip"],
)
def test_a_hidden_secret_is_found(hide: object) -> None:
    data = hide("one two three password=hunter2xyz four five six")  # type: ignore[operator]
    assert list(secrets.search("x", data))


def test_a_secret_in_json_is_found_and_goes() -> None:
    value = {"password": "hunter2xyz", "a": ["token=hunter2xyz"], "plain": "x", "n": 3}
    data = b'{"pass\\u0077ord": "hunter2xyz"}'
    assert "hunter2xyz" not in json.dumps(secrets.removed_json(value))
    assert list(secrets.search("x.json", data))


def test_what_this_process_was_given_is_known_literally() -> None:
    known = secrets.literals({"PROXMOX_PASSWORD": "tr0ub4dor", "HOME": "/home/me", "GOVC_PASSWORD": "", "TOKEN": "abc"})
    assert known == {"tr0ub4dor"}
    assert secrets.removed("it is tr0ub4dor.", known) == "it is [removed]."
    assert list(secrets.search("x", b"it is tr0ub4dor.", known))


@pytest.mark.parametrize(
    "text", ["passwd: files systemd", "CONFIG_KEYS=y", "no secret at all", "root:x:0:0:root:/root:/bin/sh", "a=b:c@d"]
)
def test_the_search_does_not_stop_for_nothing_after_removal(text: str) -> None:
    assert list(secrets.search("x", secrets.removed(text).encode())) == []


@given(st.text(max_size=200))
def test_removing_twice_changes_nothing_and_leaves_nothing(text: str) -> None:
    once = secrets.removed(text)
    assert secrets.removed(once) == once


def redactor(*reserved: str) -> Redactor:
    made = Redactor(Aliases(), reserved)
    made.learn_host("kvm07.dc1.acme.org")
    made.learn_vm("payroll/sap-prod-1")
    made.learn_user("alice")
    return made


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("kvm07.dc1.acme.org and KVM07: up", "kvm07"),
        ("other.dc1.acme.org", "acme"),
        ("nfsroot=nas01.acme.org:/x", "acme"),
        ("kvm07-boot.qcow2 of kvm07.local", "kvm07"),
        ("nestproof-payroll-sap-prod-1.qcow2", "payroll"),
        ("/home/alice/.cache, uid=1000(alice)", "alice"),
        ("from 10.1.2.3:443 to 10.1.2.4.", "10.1.2."),
        ("fe80::1ff:fe23:4567:890a%eth0 dead", "fe80"),
        ("link 52:54:00:12:34:56 and 52-54-00-12-34-57", "12:34:5"),
        ("uuid 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810"),
        ("id 3d1219c7c4c5404aaa1f6d2a48adfda4", "3d1219c7"),
        ("mail alice.b@acme.org now", "alice.b@"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS x", "AAAAC3"),
        ("SHA256:" + "a" * 43, "a" * 43),
    ],
)
def test_names_and_addresses_get_others(text: str, gone: str) -> None:
    made = redactor()
    once = made.text(text)
    assert gone.lower() not in once.lower()
    assert made.text(text) == once and made.text(once) == once
    assert not made.left(once)


def test_the_same_name_is_the_same_everywhere() -> None:
    made = redactor()
    assert made.text("kvm07") == made.text("KVM07.dc1.acme.org") == made.learn_host("kvm07.dc1.acme.org")
    one, two = made.text("10.0.0.1 10.0.0.2").split()
    assert one != two and ipaddress.ip_address(one) in ipaddress.ip_network("198.18.0.0/15")
    assert made.text("a 10.0.0.2") == f"a {two}"


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1 ::1 0.0.0.0", "kvm: enabled", "root and nobody", "12:34:56 up", "0000:00:1f.2", "vmx,svm 1.16.2-debian",
     "/dev/kvm 10, 232", "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff", "pc-q35-7.2", "std::vector", "5/200 29190"],
)  # fmt: skip
def test_what_says_nothing_stays(text: str) -> None:
    made = redactor()
    made.learn_host("kvm")
    made.learn_user("root")
    assert made.text(text) == text


def test_hosts_of_urls_are_learnt_but_not_those_of_makers() -> None:
    made = redactor()
    text = "see https://git.corp.example/x and https://docs.kernel.org/virt, or mirror git.corp.example"
    made.learn_text(text)
    assert "corp" not in made.text(text) and "docs.kernel.org" in made.text(text)


def test_words_of_the_reports_stay_in_texts_and_go_where_they_are_a_name() -> None:
    made = redactor("loaded")
    assert made.learn_host("loaded").startswith("host-")
    assert made.text("state: loaded") == "state: loaded"


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_redacting_twice_changes_nothing(text: str) -> None:
    made = redactor()
    once = made.text(text)
    assert made.text(once) == once
    assert not made.left(once)


@given(st.sampled_from(Kind), st.integers(1, 3000))
def test_every_alias_is_its_own(kind: Kind, number: int) -> None:
    assert FORM[kind](number) != FORM[kind](number + 1)
    if kind in (Kind.IPV4, Kind.IPV6):
        ipaddress.ip_address(FORM[kind](number))


def test_an_alias_is_never_the_name_of_something_else() -> None:
    aliases = Aliases()
    assert aliases.of(Kind.HOST, "host-0001") != "host-0001"
    assert aliases.of(Kind.HOST, "kvm07") not in ("host-0001", aliases.of(Kind.HOST, "host-0001"))


def test_the_map_is_kept_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "map.json"
    aliases = Aliases.load(path)
    first = aliases.of(Kind.HOST, "kvm07"), aliases.of(Kind.IPV4, "10.0.0.1")
    aliases.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Aliases.load(path)
    assert (again.of(Kind.HOST, "KVM07"), again.of(Kind.IPV4, "10.0.0.1")) == first
    assert again.of(Kind.HOST, "kvm08") not in first
    path.write_text("{}")
    with pytest.raises(BundleError, match="not a map of redacted names"):
        Aliases.load(path)


def report(**subject: str) -> bytes:
    facts = {
        "process.identity": {"status": "ok", "value": {"uid": 1000, "user": "alice"}},
        "machine.dmi": {"status": "ok", "value": {"product_serial": "CZ3 1234-XY", "sys_vendor": "HPE"}},
        "kernel.log": {"status": "ok", "value": ["nfs: 10.1.2.3 of kvm07 (CZ3 1234-XY) token=hunter2xyz"]},
        "cpu.flags": {"status": "ok", "value": ["vmx", "lm"]},
    }
    return json.dumps({"schema": "nestproof.report/1", "subject": subject, "started": 1.0, "facts": facts}).encode()


def whole() -> Bundle:
    bundle = Bundle("1", "nestproof bundle kvm07", 1.0)
    view = VmView("payroll/sap", "libvirt qemu+ssh://alice@kvm07/system", True, Asked.ON, host="kvm07")
    folder = bundle.add_entry(Entry("kvm07", "host", 1.0, report=report(hostname="kvm07", vm="")))
    bundle.add_entry(Entry("payroll/sap", "vm", 2.0, "kvm07", view.provider, None, view=view))
    bundle.add_entry(Entry("lm", "host", 3.0, report=report(hostname="lm")))
    bundle.add(f"{folder}/capture/etc/passwd", b"bob:x:1001:1001:Robert Smith,,,:/home/bob:/bin/sh\n")
    bundle.add(f"{folder}/capture/home/bob/x", b"Robert Smith's\n")
    bundle.add(f"{folder}/provider/domain.xml", b"<domain><name>sap</name><mac address='52:54:00:00:00:01'/></domain>")
    bundle.add(f"{folder}/blob", b"\0\1kvm07")
    return bundle


def test_a_whole_bundle_keeps_no_name_and_no_secret() -> None:
    full = whole()
    made = Redactor(Aliases(), reserved(full))
    clean = redacted(cleaned(full, ()), made)
    everything = b"\n".join([*clean.files.values(), *(n.encode() for n in clean.files)]) + str(clean.subjects).encode()
    for name in (b"kvm07", b"alice", b"bob", b"Robert", b"payroll", b"sap", b"10.1.2.3", b"CZ3", b"52:54", b"hunter2"):
        assert name not in everything, name
    assert clean.command == "nestproof bundle --redact" and clean.redacted
    assert [out.why for out in clean.left_out] == ["not text: it cannot be redacted"]
    assert list(search(clean, b"<html>", (), made)) == []
    host, other, vm = clean.entries()
    assert vm.host == host.name and vm.view is not None and vm.view.host == host.name  # type: ignore[union-attr]
    assert json.loads(other.report or b"")["subject"]["hostname"] == other.name
    assert json.loads(other.report or b"")["facts"]["cpu.flags"]["value"] == ["vmx", "lm"]


def test_the_search_finds_a_name_that_is_left() -> None:
    full = whole()
    made = Redactor(Aliases(), reserved(full))
    clean = redacted(cleaned(full, ()), made)
    clean.add("more/notes.txt", b"ask alice about it")
    assert [found.file for found in search(clean, b"", (), made)] == ["more/notes.txt"]


def test_without_redaction_a_file_without_secrets_stays_byte_for_byte() -> None:
    full = whole()
    clean = cleaned(full, ())
    changed = {name for name in full.files if full.files[name] != clean.files[name]}
    assert changed == {"subjects/00001/report.json", "subjects/00003/report.json"}
