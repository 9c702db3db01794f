"""What is set right before an embedded driver is opened again; the files are those that a killed driver left."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.providers.libvirt.recovery import recover


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run/qemu").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def qemu(root: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process whose command line looks like the QEMU of a VM below root."""
    sleep = [sys.executable, "-c", "import time; time.sleep(120)", "-name", "guest=default.tiny", str(root)]
    with subprocess.Popen(sleep) as process:
        yield process
        process.kill()


def left(root: Path, pid: int, noted: int | None) -> tuple[Path, Path, Path]:
    run = root / "run/qemu"
    pid_file, status, directory = (
        run / "default.tiny.pid",
        run / "default.tiny.xml",
        root / "lib/qemu/domain-1-default.tiny",
    )
    pid_file.write_text(str(pid))
    if noted is not None:
        status.write_text(f"<!-- generated -->\n<domstatus state='paused' pid='{noted}'><domain id='1'/></domstatus>")
    directory.mkdir(parents=True)
    return pid_file, status, directory


def test_a_running_vm_stays_as_it_is(root: Path, qemu: "subprocess.Popen[bytes]") -> None:
    files = left(root, qemu.pid, qemu.pid)
    recover(root)
    assert all(file.exists() for file in files)
    assert qemu.poll() is None


@pytest.mark.parametrize("noted", [0, None])
def test_a_qemu_that_libvirt_did_not_note_is_ended(
    root: Path, qemu: "subprocess.Popen[bytes]", noted: int | None
) -> None:
    files = left(root, qemu.pid, noted)
    recover(root)
    assert qemu.wait(10) == -9
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("noted", [0, 4194305, None])
def test_a_process_that_is_gone_is_forgotten(root: Path, noted: int | None) -> None:
    files = left(root, 4194305, noted)
    recover(root)
    assert not any(file.exists() for file in files)


def test_a_vm_that_was_killed_before_its_qemu_had_a_pid_file_is_forgotten(root: Path) -> None:
    pid_file, status, directory = left(root, 4194305, 0)
    pid_file.unlink()  # libvirt would wait 30 s for every call about it, and never get an answer
    recover(root)
    assert not status.exists()
    assert not directory.exists()


def test_a_process_of_somebody_else_is_not_touched(root: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)", "guest=default.tiny"]) as other:
        left(root, other.pid, 0)
        recover(root)
        assert other.poll() is None
        other.kill()


def test_other_vms_and_the_drivers_own_file_stay(root: Path) -> None:
    left(root, 4194305, 0)
    other = root / "lib/qemu/domain-2-default.tiny2"
    other.mkdir()
    (root / "run/qemu/default.tiny2.xml").write_text("<domstatus pid='1'><domain id='2'/></domstatus>")
    driver = root / "run/qemu/driver.pid"
    driver.write_text("4194305")
    recover(root)
    assert other.exists()
    assert driver.exists()


def test_rubbish_in_the_files_is_no_obstacle(root: Path) -> None:
    pid_file, status, _ = left(root, 1, 0)
    pid_file.write_text("many")
    status.write_text("<domst")
    recover(root)
    assert not status.exists()
    recover(root / "nothing")


def tpm(root: Path, name: str) -> "subprocess.Popen[bytes]":
    """A process whose command line looks like the TPM of a VM below root, with libvirt's note of it."""
    (root / "run/swtpm").mkdir(exist_ok=True)
    code = "import time; time.sleep(120)"
    process = subprocess.Popen([sys.executable, "-c", code, "swtpm", "socket", f"path={root}/run/swtpm/{name}.sock"])
    (root / f"run/swtpm/{name}-swtpm.pid").write_text(str(process.pid))
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():  # the kernel fills it in after exec has succeeded
        time.sleep(0.01)
    return process


def test_a_tpm_without_its_qemu_is_ended_and_that_of_a_running_vm_is_not(
    root: Path, qemu: "subprocess.Popen[bytes]"
) -> None:
    left(root, qemu.pid, qemu.pid)
    kept, orphan = tpm(root, "1-default.tiny"), tpm(root, "2-default.gone")
    try:
        recover(root)
        assert orphan.wait(10) == -9
        assert kept.poll() is None
        assert [file.name for file in (root / "run/swtpm").iterdir()] == ["1-default.tiny-swtpm.pid"]
    finally:
        for process in (kept, orphan):
            process.kill()
            process.wait()


def test_what_libvirt_had_only_half_written_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    kept = [tmp_path / "run/qemu/default.a.xml", tmp_path / "etc/qemu/default.a.xml"]
    for file in kept:
        file.parent.mkdir(parents=True)
        file.write_text("<domstatus/>")
        file.with_name(f"{file.name}.new").write_text("<domst")
    recover(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
