"""`nestproof enable` on a real kernel: a Debian guest with emulated SVM, its module, its udev, its modprobe.

One boot runs every scenario of enable_guest.sh; nothing of this machine is changed.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("enable_guest.sh")
LIMIT = 900
# Not the image's own: TCG passes the TSC of the host's CPUs on, and where those differ the guest's clock would jump.
COMMAND_LINE = "root=LABEL=nestproof-root rw console=ttyS0 quiet tsc=unstable clocksource=hpet"
PACKAGES = ("click", "msgspec", "platformdirs")
USER_DATA = """#cloud-boothook
#!/bin/sh
exec >/dev/ttyS0 2>&1
mkdir -p /run/payload
mount -o ro LABEL=cidata /run/payload
sh /run/payload/enable_guest.sh
poweroff -f
"""
pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Job:
    """What a scenario printed, its exit code, and the state of the guest after it."""

    output: str
    code: int
    state: dict[str, str]


@pytest.fixture(scope="module")
def jobs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]
) -> dict[str, Job]:
    """Boot the guest once; every scenario by its name."""
    if any("uefi_answers" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("uefi_answers")  # that guest boots meanwhile
    qemu = needs("qemu-system-x86_64", package="qemu-system-x86")
    needs("qemu-img", package="qemu-utils")
    needs("genisoimage", package="genisoimage")
    needs("mcopy", package="mtools")
    image = ROOT / ".cache/guest/debian-12.qcow2"
    if not image.exists():
        needs("mmdebstrap", package="mmdebstrap")
        subprocess.run([sys.executable, str(ROOT / "deploy/guest_image.py"), "--output", str(image)], check=True)
    directory = tmp_path_factory.mktemp("enable")
    disk, seed, console = directory / "disk.qcow2", directory / "seed.iso", directory / "console"
    boot = directory / "boot"
    subprocess.run(["qemu-img", "dd", "-O", "raw", "bs=1M", "count=63", f"if={image}", f"of={boot}"], check=True)
    subprocess.run(["mcopy", "-i", f"{boot}@@1M", "::vmlinuz", "::initrd", str(directory)], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", "qcow2", str(disk)], check=True)
    payload(directory / "payload")
    command = ["genisoimage", "-quiet", "-R", "-V", "cidata", "-o", str(seed), str(directory / "payload")]
    subprocess.run(command, check=True)
    command = [
        *(qemu, "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "EPYC,+svm,-x2apic,-cx16"),
        *("-smp", "1", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none"),
        *("-serial", f"file:{console}", "-drive", f"file={disk},if=virtio,format=qcow2"),
        *("-drive", f"file={seed},if=virtio,format=raw,readonly=on"),
        *("-kernel", str(directory / "vmlinuz"), "-initrd", str(directory / "initrd"), "-append", COMMAND_LINE),
    ]
    with subprocess.Popen(command) as machine:
        try:
            machine.wait(LIMIT)
        except subprocess.TimeoutExpired:
            machine.kill()
    text = console.read_text("utf-8", "replace").replace("\r", "")
    assert "ALL-JOBS-END" in text, "the guest did not come to its end; its console ends with:\n" + text[-3000:]
    found = re.findall(r"^JOB-BEGIN (\S+)\n(.*?)^JOB-END \1 (\d+) (.*?)$", text, re.S | re.M)
    return {
        name: Job(output, int(code), dict(word.split("=", 1) for word in state.split()))
        for name, output, code, state in found
    }


def payload(directory: Path) -> None:
    """The seed, and beside it our sources and what they import: host and guest have the same Python and processor."""
    directory.mkdir()
    (directory / "user-data").write_text(USER_DATA)
    (directory / "meta-data").write_text("instance-id: enable\n")
    shutil.copy(SCRIPT, directory)
    shutil.copy(ROOT / "nestproof.py", directory)
    for name in ("agent", "commands", "hostcheck", "reports"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    site = Path(sysconfig.get_path("purelib"))
    for name in PACKAGES:
        shutil.copytree(site / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("nestproof", *PACKAGES):
        found = distribution(name)
        metadata = directory / f"{name}-{found.version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {found.version}\n")


def test_the_plan_changes_nothing(jobs: dict[str, Job]) -> None:
    assert jobs["plan"].code == 0
    assert "would reload the module now" in jobs["plan"].output
    assert "nested=0 by /etc/modprobe.d/kvm.conf" in jobs["plan"].output
    assert jobs["plan"].state == jobs["begin"].state
    assert jobs["begin"].state["nested"] == "0"


def test_apply_switches_it_on_and_proves_it(jobs: dict[str, Job]) -> None:
    job = jobs["apply"]
    assert job.code == 0, job.output
    assert "nested virtualization is on, and proven: a guest ran its own guest" in job.output
    assert job.state["nested"] == "1"
    assert job.state["node"] == jobs["begin"].state["node"] == "root:tty:606"
    assert job.state["record"] == "yes"


def test_apply_again_does_nothing(jobs: dict[str, Job]) -> None:
    assert jobs["apply-again"].code == 0
    assert "nothing to do" in jobs["apply-again"].output
    assert jobs["apply-again"].state == jobs["apply"].state


@pytest.mark.parametrize("name", ["undo", "undo-with-vm", "undo-after-going-on", "undo-after-kill"])
def test_undo_puts_everything_back(jobs: dict[str, Job], name: str) -> None:
    assert jobs[name].code == 0, jobs[name].output
    assert jobs[name].state == jobs["begin"].state


def test_undo_again_has_nothing_to_do(jobs: dict[str, Job]) -> None:
    assert jobs["undo-again"].code == 0
    assert "nothing of nestproof's is on record here" in jobs["undo-again"].output


def test_a_running_vm_is_named_and_left_alone(jobs: dict[str, Job]) -> None:
    assert jobs["plan-with-vm"].code == 0
    assert re.search(r"VMs run: web01 \(pid \d+\)", jobs["plan-with-vm"].output)
    job = jobs["apply-with-vm"]
    assert job.code == 5
    assert "configured, and the rest waits" in job.output and "web01" in job.output
    assert job.state["nested"] == "0" and job.state["record"] == "yes"
    assert job.state["conf"] == jobs["apply"].state["conf"] != jobs["begin"].state["conf"]


def test_undo_waits_for_a_running_vm(jobs: dict[str, Job]) -> None:
    job = jobs["undo-waits"]
    assert job.code == 5
    assert "the configuration was put back, and the rest waits" in job.output
    assert "kvm_amd is in use and goes on with nested=1" in job.output
    assert job.state["conf"] == jobs["begin"].state["conf"] and job.state["nested"] == "1"


def test_after_kill_9_the_next_run_says_so_and_goes_on(jobs: dict[str, Job]) -> None:
    assert jobs["killed"].state["record"] == "yes"
    assert "an earlier run was interrupted" in jobs["plan-after-kill"].output
    assert jobs["goes-on"].code == 0, jobs["goes-on"].output
    assert jobs["goes-on"].state == jobs["apply"].state


def test_parameters_set_by_hand_come_back(jobs: dict[str, Job]) -> None:
    assert jobs["by-hand"].state["npt"] == "N"
    assert jobs["apply-by-hand"].code == 0, jobs["apply-by-hand"].output
    assert "npt N -> Y" in jobs["apply-by-hand"].output
    assert jobs["undo-by-hand"].code == 0, jobs["undo-by-hand"].output
    assert jobs["undo-by-hand"].state == jobs["by-hand"].state


def test_a_module_that_does_not_load_again_is_put_back(jobs: dict[str, Job]) -> None:
    job = jobs["broken"]
    assert job.code == 3
    assert "everything was put back as it was: `modprobe kvm_amd` failed" in job.output
    assert job.state == jobs["by-hand"].state


def test_a_stronger_setting_is_named_and_its_remedy_works(jobs: dict[str, Job]) -> None:
    assert jobs["overruled"].code == 3
    assert "/etc/modprobe.d/zz.conf says nested=0" in jobs["overruled"].output
    assert jobs["overruled"].state == jobs["by-hand"].state
    assert jobs["remedied"].code == 0, jobs["remedied"].output
    assert jobs["remedied"].state["nested"] == "1"
    assert jobs["remedied"].state["conf"] == jobs["by-hand"].state["conf"]
    assert jobs["undo-remedied"].state == jobs["by-hand"].state
