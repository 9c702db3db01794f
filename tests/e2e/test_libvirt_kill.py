"""kill -9 in the middle of an apply, at every stage of it: applying again converges, destroying leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from vm_factory import tiny_image

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
pytestmark = pytest.mark.libvirt

TESTS = Path(__file__).parents[1]
DRIVER = """
import sys
from pathlib import Path
from vm_factory import image, wanted
from provision.model import ExtraDisk
from provision.providers import open_provider, prepare_process

verb, path, endpoint = sys.argv[1:]
vm = wanted(image(Path(path)), endpoint, tpm=True, disks=(ExtraDisk("data", 1, "thin"),))
prepare_process([vm.provider])
provider = open_provider(vm.provider)
if verb == "apply":
    provider.apply(provider.plan(vm), lambda line: print(line, flush=True))
    view = provider.observe(vm)
    print("running" if view and view.running and view.got else view)
else:
    print(provider.destroy("default", "tiny"))
"""
KEPT = {"lock", "etc/qemu.conf", "run/qemu/driver.pid", "run/qemu/autostarted"}
"""The embedded driver's own files, which are of no VM."""


class Embedded:
    """An embedded driver that only processes of its own open."""

    def __init__(self, root: Path, image: Path) -> None:
        self.root = root
        self.image = image

    def start(self, verb: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, verb, str(self.image), f"qemu:///embed?root={self.root}"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(TESTS)},
        )

    def run(self, verb: str) -> str:
        with self.start(verb) as process:
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0
            return out

    def remains(self) -> set[str]:
        files = {str(p.relative_to(self.root)) for p in self.root.rglob("*") if not p.is_dir()}
        return {f for f in files - KEPT if not f.startswith(("cache/", "etc/swtpm/"))}

    def processes(self) -> list[int]:
        """Everything that still runs below this root; processes that are just ending are waited for."""
        found: list[int] = []
        for _ in range(50):
            found = []
            for entry in Path("/proc").iterdir():
                try:
                    if entry.name.isdecimal() and os.fsencode(self.root) in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
            if not found:
                break
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Embedded:
    needs("qemu-system-x86_64", package="qemu-system-x86")
    needs("qemu-img", package="qemu-utils")
    needs("swtpm_setup", package="swtpm-tools")
    return Embedded(tmp_path_factory.mktemp("k"), tiny_image(tmp_path_factory.mktemp("image")))


@pytest.mark.parametrize("again", [True, False], ids=["apply-destroy", "destroy"])
@pytest.mark.parametrize(
    ("stage", "later"),
    [("making disk", 0.0), ("making disk", 0.06), ("copying", 0.02), ("starting", 0.05), ("starting", 0.1),
     ("starting", 0.2), ("starting", 0.4)],
)  # fmt: skip
def test_killed(embedded: Embedded, stage: str, later: float, again: bool) -> None:
    with embedded.start("apply") as process:
        assert process.stdout is not None
        assert any(line.startswith(stage) for line in process.stdout), f"apply never said {stage!r}"
        time.sleep(later)
        process.send_signal(signal.SIGKILL)
    if again:
        assert "running" in embedded.run("apply").split()
    embedded.run("destroy")
    assert embedded.remains() == set()
    assert embedded.processes() == []
