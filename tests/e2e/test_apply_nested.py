"""The whole loop as a user runs it: Debian guests with nesting on, one with it off, a killed apply, and destroy.

Real libvirt, QEMU, cloud-init and agent. On a machine whose KVM offers svm or vmx the guests run under KVM, elsewhere
under QEMU TCG with an emulated AMD CPU; what is asserted holds for both.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runs import LIMIT, ROOT, command, finished, guest_image, machines_of

EXAMPLES = ("nested-vm.yaml", "nested-off.yaml", "hypervisor.yaml")
pytestmark = [pytest.mark.e2e, pytest.mark.libvirt]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Path:
    """The examples beside a copy-free view of the image, in a directory of their own."""
    image = guest_image(needs)
    directory = tmp_path_factory.mktemp("manifests")
    for name in EXAMPLES:
        text = (ROOT / "examples" / name).read_text()
        assert "../.cache/guest/debian-12.qcow2" in text
        (directory / name).write_text(text.replace("../.cache/guest/debian-12.qcow2", str(image)))
    return directory


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """Short, because libvirt puts UNIX sockets below it."""
    with tempfile.TemporaryDirectory(prefix="np-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def chains(state: Path, manifests: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """Apply all VMs, kill -9 that run while it waits, apply again, and give the chains of that second run."""
    files = [str(manifests / name) for name in EXAMPLES]
    first = command(state, "apply", *files, "--wait")
    assert first.stderr is not None
    for line in first.stderr:
        if "waiting for its report" in line:
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    assert len(machines_of(state)) == len(EXAMPLES), "the VMs outlive the killed apply"
    result = state / "result.json"
    second = finished(state, "apply", *files, "--wait", "--timeout", str(LIMIT), "--report", f"json={result}")
    assert second.returncode == 3, second.stderr  # one of them cannot run VMs, on purpose
    yield {chain["subject"]: chain for chain in json.loads(result.read_text())["chains"]}
    finished(state, "destroy", *files)


def statuses(chain: dict[str, Any]) -> dict[str, str]:
    return {link["link"]: link["status"] for link in chain["links"]}


def test_the_nested_guest_ran(chains: dict[str, dict[str, Any]]) -> None:
    chain = chains["default/nested-vm"]
    assert chain["verdict"] in ("PROVEN", "DEGRADED")
    assert "broken" not in chain
    links = statuses(chain)
    for link in ("vm-asks", "vm-got", "guest-cpu", "guest-module", "device", "access", "guest-ran"):
        assert links[link] == "pass", link
    assert chain["guests_nest"]["verdict"] in ("PROVEN", "DEGRADED"), "and a guest of that guest ran"


def test_the_complete_example_of_the_document_is_proven_once_corrected(chains: dict[str, dict[str, Any]]) -> None:
    """UEFI, an IOMMU and a class of the recommended size, made smaller for this machine by the VM's resources."""
    chain = chains["default/nested-hypervisor"]
    assert statuses(chain)["guest-ran"] == "pass"
    assert chain["guests_nest"]["decided_by"] == "nested.run"
    assert chain["machine"]["uefi"] is True


def test_emulation_is_said(chains: dict[str, dict[str, Any]]) -> None:
    chain = chains["default/nested-vm"]
    if chain.get("emulated_cpu"):
        assert chain["verdict"] == "DEGRADED" and "emulated" in chain["sentence"]
    else:
        assert chain["verdict"] == "PROVEN"


def test_nesting_switched_off_is_blamed_on_the_manifest(chains: dict[str, dict[str, Any]], manifests: Path) -> None:
    chain = chains["default/nested-off"]
    assert (chain["verdict"], chain.get("broken")) == ("MISCONFIGURED", "vm-asks")
    lines = (manifests / "nested-off.yaml").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "nestedVirtualization: false" in line)
    assert f"nested-off.yaml:{number}:" in chain["sentence"] and "switch it on" in chain["sentence"]
    assert statuses(chain)["guest-cpu"] == "fail"


def test_the_page_says_so(chains: dict[str, dict[str, Any]], state: Path) -> None:
    assert chains
    page = (state / "matrix.html").read_text()
    assert "default/nested-vm" in page and "default/nested-off" in page


def test_applying_again_keeps_the_vm_and_hears_a_fresh_proof(
    chains: dict[str, dict[str, Any]], state: Path, manifests: Path
) -> None:
    assert chains
    before = machines_of(state)
    again = finished(state, "apply", str(manifests / "nested-vm.yaml"), "--wait")
    assert again.returncode == 0, again.stderr
    assert machines_of(state) == before


def test_status_tells_asked_configured_running_and_proven(
    chains: dict[str, dict[str, Any]], state: Path, manifests: Path, tmp_path: Path
) -> None:
    done = finished(state, "status", str(manifests / "nested-vm.yaml"), "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    (vm,) = json.loads(done.stdout)["vms"]
    assert (vm["asked"], vm["configured"], vm["running"], vm["got"], vm["drift"]) == ("on", "on", True, True, [])
    assert chains and vm["proven"] in ("PROVEN", "DEGRADED")
    changed = tmp_path / "vm.yaml"
    changed.write_text((manifests / "nested-vm.yaml").read_text().replace("cpu: 1", "cpu: 2"))
    done = finished(state, "status", str(changed))
    assert done.returncode == 3
    assert "drift: cpus: is 1, asked is 2" in done.stdout


def test_verify_exits_0_only_for_the_proven_one(
    chains: dict[str, dict[str, Any]], state: Path, manifests: Path
) -> None:
    assert chains
    assert finished(state, "verify", str(manifests / "nested-vm.yaml")).returncode == 0
    assert finished(state, "verify", str(manifests / "nested-vm.yaml"), "--fail-on", "warn").returncode in (0, 4)
    assert finished(state, "verify", str(manifests / "nested-off.yaml")).returncode == 3


def test_destroy_leaves_nothing(chains: dict[str, dict[str, Any]], state: Path, manifests: Path) -> None:
    """The last test of this module: afterwards the VMs are gone."""
    assert chains
    files = [str(manifests / name) for name in EXAMPLES]
    gone = finished(state, "destroy", *files)
    assert gone.returncode == 0, gone.stderr
    assert machines_of(state) == []
    left = [path for path in (state / "libvirt").rglob("*") if path.is_file()]
    assert not [path for path in left if "nested" in path.name or path.suffix in (".qcow2", ".iso", ".sock")], left
    assert "default/nested-vm" not in (state / "matrix.html").read_text()
    assert finished(state, "destroy", *files).returncode == 0
    assert finished(state, "verify", str(manifests / "nested-vm.yaml")).returncode in (2, 3, 5)


WRONG = {
    "unknown kind": ("kind: VMClass", "kind: VMClas", 2, "did you mean VMClass"),
    "misspelt field": ("nestedVirtualization:", "nestedVirtualisation:", 2, "did you mean nestedVirtualization"),
    "missing image": ("debian-12.qcow2", "no-such.qcow2", 2, "no-such.qcow2: no such file"),
    "bad checksum": ("      format: qcow2", f"      format: qcow2\n      checksum: {'ab' * 32}", 3, "checksum"),
    "refusing URI": ("qemu:///embed", "qemu+tcp://127.0.0.1:1/system", 2, "Connection refused"),
    "no such transport": ("qemu:///embed", "qemu+carrier://host/system", 2, ""),
    "unpaired bracket": ("spec:", "spec: [", 2, "yaml"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_leaves_nothing(case: str, manifests: Path, tmp_path: Path) -> None:
    old, new, code, words = WRONG[case]
    text = (manifests / "nested-vm.yaml").read_text()
    assert old in text
    (tmp_path / "wrong.yaml").write_text(text.replace(old, new, 1))
    with tempfile.TemporaryDirectory(prefix="np-") as short:  # libvirt's socket names need a short directory
        state = Path(short)
        result = finished(state, "apply", str(tmp_path / "wrong.yaml"), "--wait")
        assert result.returncode == code, result.stderr
        assert words in result.stderr
        assert machines_of(state) == []
        for kind in ("*.qcow2", "*.iso", "*.part"):
            assert not list(state.rglob(kind))


def test_without_libvirt_python_the_core_works_and_apply_says_what_to_install(manifests: Path, tmp_path: Path) -> None:
    (tmp_path / "libvirt.py").write_text("raise ModuleNotFoundError(\"No module named 'libvirt'\", name='libvirt')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NESTPROOF_STATE": str(tmp_path / "state")}
    for arguments, code in ((["check", "--need", "runs-guests"], (0, 3, 5)), (["apply", "nested-vm.yaml"], (2,))):
        result = subprocess.run(
            [sys.executable, "-m", "nestproof", *arguments],
            cwd=manifests,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode in code, result.stderr
    assert "nestproof[libvirt]" in result.stderr and "Traceback" not in result.stderr


def test_the_tools_that_the_image_needs_are_named(tmp_path: Path) -> None:
    """The image builder on a machine without its tools: one line with the package, no half image."""
    empty = tmp_path / "bin"
    empty.mkdir()
    for tool in ("python3", "env"):
        (empty / tool).symlink_to(shutil.which(tool) or sys.executable)
    result = subprocess.run(
        [sys.executable, str(ROOT / "deploy/guest_image.py"), "--output", str(tmp_path / "x.qcow2"), "--force"],
        env={"PATH": str(empty), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert result.stderr.strip()
    assert not (tmp_path / "x.qcow2").exists()
