"""The seed that cloud-init reads: the user's part untouched, ours beside it, the same bytes every time."""

import email
import io
import json
import shutil
import subprocess
import time
from email import policy
from pathlib import Path

import pycdlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cloudinit import user_data_part
from provision.seed import LABEL, meta_data, seed_iso, user_data_multipart

HOOK = "#cloud-boothook\n#!/bin/sh\necho hello\n"
CONFIG = "#cloud-config\nwrite_files:\n- path: /etc/motd\n  content: grüße\n"


def parts(data: bytes) -> list[tuple[str, bytes]]:
    """As cloud-init takes a message apart: every part that is no container, decoded."""
    message = email.message_from_bytes(data)
    return [
        (part.get_content_type(), bytes(part.get_payload(decode=True)))  # type: ignore[arg-type]
        for part in message.walk()
        if part.get_content_maintype() != "multipart"
    ]


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        (CONFIG, "text/cloud-config"),
        ("#!/bin/sh\necho one\n", "text/x-shellscript"),
        ("#include\nhttps://example.org/x\n", "text/x-include-url"),
        ("#cloud-config-archive\n- type: text/cloud-config\n", "text/cloud-config-archive"),
        ("## template: jinja\n#cloud-config\n", "text/jinja2"),
        ("\n  #Cloud-Config\na: 1\n", "text/cloud-config"),
        ("## Template: Jinja\n#!/bin/sh\n", "text/jinja2"),
        ("#cloud-config\n# " + "long " * 400 + "\r\n", "text/cloud-config"),
    ],
)
def test_the_users_part_is_untouched_and_ours_beside_it(user: str, kind: str) -> None:
    assert parts(user_data_multipart(user, HOOK)) == [(kind, user.encode()), ("text/cloud-boothook", HOOK.encode())]


@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_no_byte_of_a_cloud_config_is_lost(text: str) -> None:
    user = "#cloud-config\n" + text.replace("mime-version:", "")
    assert parts(user_data_multipart(user, HOOK))[0][1].decode() == user


def test_a_mime_message_is_taken_over_part_by_part() -> None:
    theirs = user_data_multipart(CONFIG, "#cloud-boothook\n#!/bin/sh\necho theirs\n").decode()
    assert [kind for kind, _ in parts(user_data_multipart(theirs, HOOK))] == [
        "text/cloud-config",
        "text/cloud-boothook",
        "text/cloud-boothook",
    ]
    single = "MIME-Version: 1.0\nContent-Type: text/cloud-config\n\n#cloud-config\na: 1\n"
    assert parts(user_data_multipart(single, HOOK))[0] == ("text/cloud-config", b"#cloud-config\na: 1\n")


@pytest.mark.parametrize("user", [None, "", " \n"])
def test_without_user_data_there_is_only_ours(user: str | None) -> None:
    assert parts(user_data_multipart(user, HOOK)) == [("text/cloud-boothook", HOOK.encode())]


def test_user_data_that_cloud_init_would_ignore_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with 'packages:', which cloud-init ignores"):
        user_data_multipart("packages:\n- qemu\n", HOOK)


def test_the_real_agent_fits_in_and_comes_out_again() -> None:
    part = user_data_part(vm="default/tiny")
    assert parts(user_data_multipart(CONFIG, part))[1] == ("text/cloud-boothook", part.encode())


def test_meta_data_has_an_identity_that_follows_the_content() -> None:
    first = json.loads(meta_data("default", "tiny", b"a", None))
    assert first["local-hostname"] == "tiny"
    assert first["instance-id"].startswith("nestproof-default-tiny-")
    assert first == json.loads(meta_data("default", "tiny", b"a", None))
    assert first["instance-id"] != json.loads(meta_data("default", "tiny", b"b", None))["instance-id"]


def test_the_users_meta_data_stays_but_for_the_instance_id() -> None:
    own = "instance-id: mine\nlocal-hostname: other\npublic-keys: [a, b]\n"
    made = json.loads(meta_data("default", "tiny", b"", own))
    assert (made["local-hostname"], made["public-keys"]) == ("other", ["a", "b"])
    assert made["instance-id"] != "mine"


@pytest.mark.parametrize(("own", "says"), [("[a", "not YAML"), ("- a\n", "not a mapping")])
def test_meta_data_of_another_shape_is_refused(own: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        meta_data("default", "tiny", b"", own)


def test_the_seed_is_labelled_and_carries_both_files_under_both_names() -> None:
    image = seed_iso(b"user", b"meta")
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    for name, content in (("user-data", b"user"), ("meta-data", b"meta")):
        for how in ("rr_path", "joliet_path"):
            out = io.BytesIO()
            iso.get_file_from_iso_fp(out, **{how: f"/{name}"})
            assert out.getvalue() == content
    assert iso.pvd.volume_identifier.strip() == LABEL.encode()
    iso.close()


def test_the_seed_does_not_depend_on_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seed_iso(b"user", b"meta")
    late = time.time() + 86400 * 400
    monkeypatch.setattr(time, "time", lambda: late)
    assert seed_iso(b"user", b"meta") == first


def test_the_label_is_what_udev_finds(tmp_path: Path) -> None:
    blkid = shutil.which("blkid") or "/sbin/blkid"
    if not Path(blkid).exists():
        pytest.skip("blkid is not installed; it comes with the package util-linux")
    seed = tmp_path / "seed.iso"
    seed.write_bytes(seed_iso(b"user", b"meta"))
    found = subprocess.run([blkid, "-p", "-o", "export", seed], capture_output=True, text=True, check=True).stdout
    assert "LABEL=cidata" in found
    assert "TYPE=iso9660" in found


def test_lines_end_as_unix_writes_them() -> None:
    message = email.message_from_bytes(user_data_multipart(CONFIG, HOOK), policy=policy.default)
    assert b"\r" not in user_data_multipart(CONFIG, HOOK)
    assert not message.defects
