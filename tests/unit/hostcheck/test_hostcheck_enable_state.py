"""What stands on a host: a real survey, the record, and the scripts of the steps as /bin/sh runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.enable import survey
from hostcheck.enable.host import Here, ShellHost
from hostcheck.enable.state import (
    ABSENT,
    SCHEMA,
    Before,
    FileState,
    Phase,
    Record,
    StateError,
    decode_record,
    decode_survey,
    encode_record,
)
from hostcheck.enable.steps import Load, RemoveFile, SetNode, Unload, UpdateInitramfs, WriteFile, command, script

RECORD = Record(
    schema=SCHEMA,
    phase=Phase.CHANGING,
    module="kvm_amd",
    before=Before("boot", FileState("file", b"\xff\n", 0o640, 0, 4), True, {"nested": "0"}, None),
    wrote=b"options kvm_amd nested=1\n",
    initramfs="",
    started=1.0,
)


def kept(content: bytes, mode: int = 0o600, uid: int = 0) -> FileState:
    return FileState("file", content, mode, uid, 0)


def test_a_record_comes_back_as_it_was_written() -> None:
    assert decode_record(kept(encode_record(RECORD))) == RECORD
    assert decode_record(ABSENT) is None


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (kept(encode_record(RECORD), uid=1000), "root alone may write"),
        (kept(encode_record(RECORD), mode=0o666), "root alone may write"),
        (FileState("other"), "root alone may write"),
        (FileState("large"), "root alone may write"),
        (kept(b"{"), "cannot be read"),
        (kept(encode_record(msgspec.structs.replace(RECORD, schema="nestproof.enable/2"))), "another version"),
        (kept(encode_record(msgspec.structs.replace(RECORD, module="; rm -rf /"))), "another version"),
        (kept(encode_record(msgspec.structs.replace(RECORD, initramfs="reboot"))), "another version"),
    ],
)
def test_a_record_in_doubt_is_refused_in_one_line(file: FileState, words: str) -> None:
    with pytest.raises(StateError, match=words) as caught:
        decode_record(file)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_refusal(data: bytes) -> None:
    with pytest.raises(StateError):
        decode_record(kept(data))


@given(st.text(max_size=200))
def test_any_answer_is_a_survey_or_a_refusal(text: str) -> None:
    with pytest.raises(StateError):
        decode_survey(text)


def test_the_survey_sees_files_and_who_holds_the_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As on any host: in an old Python's way of starting, by its source alone."""
    conf = tmp_path / "a.conf"
    conf.write_bytes(b"\xff options")
    conf.chmod(0o640)
    (tmp_path / "link").symlink_to(conf)
    source = Path(survey.__file__).read_text()
    argv = [sys.executable, "-I", "-S", "-c", source, str(conf), str(tmp_path / "link")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = decode_survey(done.stdout.removeprefix("NESTPROOF-ANSWER "))
    assert found.conf == FileState("file", b"\xff options", 0o640, os.getuid(), os.getgid())
    assert found.record.kind == "other", "a link may lead anywhere"
    assert found.uid == os.getuid()
    assert set(found.use) == {"kvm_intel", "kvm_amd"}
    survey.main(str(tmp_path / "missing"), str(tmp_path / "missing"))
    assert json.loads(capsys.readouterr().out.split(" ", 1)[1])["conf"] == {"kind": "absent"}


def test_a_file_that_is_too_large_is_not_taken_along(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (survey.LIMIT + 1))
    assert survey.file_state(str(tmp_path / "large")) == {"kind": "large"}


@pytest.mark.kvm
@pytest.mark.skipif(not os.access("/dev/kvm", os.R_OK | os.W_OK), reason="needs an openable /dev/kvm")
def test_a_virtual_machine_is_found_by_its_name() -> None:
    code = "import fcntl,os,sys; v=fcntl.ioctl(os.open('/dev/kvm',2),0xAE01,0); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, "-name", "guest=web\x1b01,debug-threads=on"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as vm:
        assert vm.stdout and vm.stdin
        vm.stdout.readline()
        mine = [user for user in survey.users() if user["pid"] == vm.pid]
        vm.stdin.close()
    assert mine == [{"pid": vm.pid, "name": "web\x1b01", "vm": True}]


def test_this_machine_can_be_asked_as_any_host() -> None:
    found = ShellHost(Here()).survey()
    assert found.uid == os.getuid() and found.initramfs in ("", "update-initramfs", "dracut")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for another owner")
@pytest.mark.root
@pytest.mark.parametrize("content", [b"", b"options kvm_amd nested=1\n", bytes(range(256)) * 60])
def test_a_written_file_is_there_whole_with_mode_and_owner(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "new directory" / "it's.conf"
    sh(script(WriteFile(str(path), content, 0o640, 0, 4)))
    assert path.read_bytes() == content
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o640, 0, 4)
    assert [entry.name for entry in path.parent.iterdir()] == ["it's.conf"], "nothing else is left"
    sh(script(RemoveFile(str(path), with_directory=True)))
    assert not path.parent.exists()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old")
    (tmp_path / ".a.conf.new").mkdir()
    with pytest.raises(subprocess.CalledProcessError):
        sh(script(WriteFile(str(path), b"new")))
    assert path.read_text() == "old"


def test_removing_keeps_a_directory_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    sh(script(RemoveFile(str(tmp_path / "a"), with_directory=True)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_commands_are_what_a_person_would_type() -> None:
    assert command(Unload("kvm_amd")) == "rmmod kvm_amd"
    assert command(Load("kvm_amd", (("nested", "0"), ("x", "a b;c")), bare=True)) == (
        "modprobe -C /dev/null kvm_amd nested=0 'x=a b;c'"
    )
    assert command(SetNode(0o606, 0, 5)) == "chown 0:5 /dev/kvm && chmod 0606 /dev/kvm"
    assert command(UpdateInitramfs("dracut")) == "dracut --force"


@given(st.binary(max_size=50), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_no_content_and_no_value_escapes_from_a_script(content: bytes, value: str) -> None:
    """Every script is one that a shell can read, and what is in it stays a word."""
    for step in (WriteFile("/x/" + value.replace("/", ""), content), Load("kvm_amd", (("a", value),))):
        sh(script(step), "-n")


def sh(text: str, *options: str) -> None:
    subprocess.run([shutil.which("sh") or "/bin/sh", *options, "-c", text], check=True, capture_output=True)
