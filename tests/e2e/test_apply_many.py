"""Many VMs at once as a user runs them: a hundred planned, twenty applied, Ctrl-C in the middle, all of it removed."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from vm_factory import tiny_image

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
pytestmark = [pytest.mark.e2e, pytest.mark.libvirt]
LIMIT = 600
API = "apiVersion: infra.virtrigaud.io/v1beta1\n"
SHARED = API + "kind: Provider\nmetadata: {name: here}\nspec: {type: libvirt, endpoint: 'qemu:///embed'}\n---\n" + (
    API + "kind: VMClass\nmetadata: {name: tiny}\nspec: {cpu: 1, memory: 128Mi, firmware: BIOS,"
    " performanceProfile: {nestedVirtualization: true}, diskDefaults: {size: 1Gi}}\n---\n"
)  # fmt: skip
VM = API + (
    "kind: VirtualMachine\nmetadata: {{name: vm-{n:03}, annotations: {{nestproof.org/accel: tcg}}}}\nspec:\n"
    "  providerRef: {{name: here}}\n  classRef: {{name: tiny}}\n  imageRef: {{name: tiny}}\n"
)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Callable[[int], str]:
    """Writes a file with so many VMs."""
    needs("qemu-system-x86_64", package="qemu-system-x86")
    needs("qemu-img", package="qemu-utils")
    directory = tmp_path_factory.mktemp("many")
    source = f"{{path: {tiny_image(directory)}, format: raw}}"
    image = API + f"kind: VMImage\nmetadata: {{name: tiny}}\nspec: {{source: {{libvirt: {source}}}}}\n---\n"

    def write(count: int) -> str:
        path = directory / f"{count}.yaml"
        path.write_text(SHARED + image + "---\n".join(VM.format(n=n) for n in range(count)))
        return str(path)

    return write


@pytest.fixture
def state() -> Iterator[Path]:
    """Short, because libvirt puts UNIX sockets below it."""
    with tempfile.TemporaryDirectory(prefix="np-") as directory:
        yield Path(directory)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is downloaded, or half of it."""
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path))


def start(state: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "nestproof", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"NESTPROOF_STATE": str(state)},
    )  # fmt: skip


def run(state: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(state, *arguments)
    out, err = process.communicate(timeout=LIMIT)
    assert "Traceback" not in out + err, err
    return process.returncode, out, err


def machines(state: Path) -> set[str]:
    """Names of the VMs whose QEMU runs below this directory."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdecimal() else ""
        except OSError:
            continue
        name = re.search(r"guest=default\.(vm-\d+),", line)
        if name and str(state) in line:
            found.add(name[1])
    return found


def disks(state: Path) -> list[Path]:
    kinds = (".qcow2", ".iso", ".img", ".raw")
    return [p for p in state.rglob("*") if p.is_file() and (p.suffix in kinds or "nvram" in p.parts)]


def test_a_hundred_are_planned_and_nothing_is_touched(state: Path, manifests: Callable[[int], str]) -> None:
    code, out, err = run(state, "plan", manifests(100), "--format", "json")
    assert code == 0, err
    assert out.count("default/vm-") >= 100
    json.loads(out)
    assert (machines(state), disks(state)) == (set(), [])


def test_twenty_are_applied_at_once_kept_and_removed(state: Path, manifests: Callable[[int], str]) -> None:
    twenty, names = manifests(20), {f"vm-{n:03}" for n in range(20)}
    try:
        code, _, err = run(state, "apply", twenty, "--parallel", "8")
        assert code == 0, err
        assert "20 VMs: 20 created" in err
        assert machines(state) == names
        code, _, err = run(state, "apply", twenty)
        assert (code, "20 VMs: 20 as wanted already" in err) == (0, True), err
        assert machines(state) == names
    finally:
        code, _, err = run(state, "destroy", twenty)
    assert code == 0, err
    assert (machines(state), disks(state)) == (set(), [])


def test_ctrl_c_ends_with_130_and_says_what_exists(state: Path, manifests: Callable[[int], str]) -> None:
    twenty = manifests(20)
    try:
        process = start(state, "apply", twenty, "--parallel", "2")
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if re.match(r"default/vm-\d+: created", line):
                process.send_signal(signal.SIGINT)
                break
        _, rest = process.communicate(timeout=LIMIT)
        said += rest
        assert process.returncode == 130, said
        assert "Traceback" not in said
        applied = re.search(r"apply: (\d+) applied.* (\d+) not begun", said)
        assert applied is not None, said
        there = machines(state)
        assert 1 <= int(applied[1]) <= len(there) < 20
        assert f"nestproof destroy {twenty}" in said and f"nestproof apply {twenty}" in said
    finally:
        code, _, err = run(state, "destroy", twenty)
    assert code == 0, err
    assert (machines(state), disks(state)) == (set(), [])


def test_a_vm_that_nothing_was_done_for_is_not_half_way(manifests: Callable[[int], str], state: Path) -> None:
    """Its image is gone: only the plan failed."""
    whole = Path(manifests(1))
    broken = whole.with_name("no-image.yaml")
    broken.write_text(re.sub(r"path: [^,]+,", "path: /no/such/image.raw,", whole.read_text()))
    process = start(state, "apply", str(broken))
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, said
    assert "/no/such/image.raw" in said and "half way" not in said


def test_twenty_that_do_not_fit_together_are_refused_before_anything_is_made(
    manifests: Callable[[int], str], state: Path
) -> None:
    """Each alone would fit."""
    whole = Path(manifests(20))
    each = shutil.disk_usage(state).free // 10 >> 30
    thick = whole.with_name("thick.yaml")
    thick.write_text(whole.read_text().replace("{size: 1Gi}", f"{{size: {each}Gi, type: thick}}"))
    saved = whole.with_name("thick.json")
    said = f" GiB are needed: the disk of the image, 20 times, {20 * each}.0 GiB"
    code, out, err = run(state, "plan", str(thick), "-o", str(saved))
    assert (code, said in err, "20 VMs alike" in out, saved.exists()) == (3, True, True, False), err
    assert f"{saved} was not written: not all of it fits" in err
    code, _, err = run(state, "apply", str(thick))
    assert (code, said in err, "nothing was done there" in err) == (3, True, True), err
    assert (machines(state), disks(state)) == (set(), [])


def test_more_memory_than_there_is_is_a_warning_with_numbers(manifests: Callable[[int], str], state: Path) -> None:
    whole = Path(manifests(20))
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    large = whole.with_name("large.yaml")
    large.write_text(whole.read_text().replace("memory: 128Mi", f"memory: {total // 10}Mi"))
    code, out, err = run(state, "plan", str(large), "--format", "json")
    said = f"20 VMs to be started have {total // 10 * 20} MiB of memory; the host has "
    assert (code, said in err) == (0, True), err
    assert any(said in note for note in json.loads(out)["notes"])


@pytest.mark.usefixtures("own_cache")
def test_a_vm_whose_image_does_not_come_is_not_half_way(manifests: Callable[[int], str], state: Path) -> None:
    """Of a first download that failed nothing is there: neither to go on with nor to undo."""
    whole = Path(manifests(1))
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/image.raw"
        broken = whole.with_name("no server.yaml")
        broken.write_text(re.sub(r"path: [^,]+,", f"url: '{url}',", whole.read_text()))
        code, _, said = run(state, "apply", str(broken), "-c", "qemu:///embed")
    assert (code, url in said) == (2, True), said
    assert "half way" not in said and "undo" not in said
    assert (
        "nothing of it was made or changed" in said
        and f"`nestproof apply '{broken}' -c qemu:///embed` tries again" in said
    )
    assert (machines(state), disks(state)) == (set(), [])


@pytest.mark.usefixtures("own_cache")
def test_ctrl_c_while_an_image_comes_leaves_nothing_half_way(manifests: Callable[[int], str], state: Path) -> None:
    """The server is slow: the user gives up, and is told that there is nothing to undo."""
    whole = Path(manifests(1))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    slow = whole.with_name("slow.yaml")
    slow.write_text(re.sub(r"path: [^,]+,", f"url: 'http://127.0.0.1:{server.server_port}/x.raw',", whole.read_text()))
    process = start(state, "apply", str(slow))
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "downloading x.raw" in line:
            process.send_signal(signal.SIGINT)
            break
    said += process.communicate(timeout=LIMIT)[1]
    server.shutdown()
    server.server_close()
    assert process.returncode == 130, said
    assert "1 stopped before anything was changed (default/vm-000)" in said and "half way" not in said
    assert (machines(state), disks(state)) == (set(), [])


class Dripping(BaseHTTPRequestHandler):
    """A file that comes slowly, for as long as somebody takes it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(1 << 16))
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        return
