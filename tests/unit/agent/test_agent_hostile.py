"""The agent in hostile and crippled surroundings: bounded time and memory, no traceback, no wrong answer."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seccomp_filter import filtering

import agent
from agent.facts import PROBES
from agent.guest_side import cloud_init
from agent.klog import record
from agent.kvm.configured import configured, parse
from agent.kvm.modules import modules
from agent.machine import Machine
from agent.record import FACTS
from agent.topology import span

REPOSITORY = Path(__file__).parents[3]
STATUSES = {"ok", "absent", "denied", "error", "timeout", "unsupported"}
# what the probes read below a root: every path that a recording of this machine holds, and those of other machines
PATHS = [
    "proc/cpuinfo", "proc/meminfo", "proc/cmdline", "proc/sys/kernel/osrelease", "proc/sys/kernel/hostname",
    "proc/1/cgroup", "proc/1/environ", "proc/self/cgroup", "proc/loadavg", "proc/stat", "proc/cgroups", "etc/passwd",
    "etc/group", "etc/machine-id", "etc/modprobe.d/kvm.conf", "etc/cloud/cloud.cfg", "run/cloud-init/status.json",
    "run/cloud-init/result.json", "sys/class/dmi/id/product_uuid", "sys/class/dmi/id/sys_vendor",
    "sys/module/kvm/parameters/nested", "sys/module/kvm_amd/parameters/sev", "sys/kernel/security/lockdown",
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "sys/devices/system/cpu/online",
    "sys/bus/virtio/devices/virtio0/device", "sys/class/virtio-ports/vport0p1/name", "sys/fs/cgroup/cgroup.controllers",
    "sys/fs/cgroup/memory.max", "lib/modules/6.1/modules.dep", "boot/config-6.1", "run/systemd/container",
    "etc/os-release", FACTS,
]  # fmt: skip


def started(root: Path, *options: str) -> tuple[dict[str, Any], int]:
    """Run the agent on a tree as a user would, within 1 GiB of memory; return its report and peak memory in KiB.

    Its own peak is VmHWM: getrusage(2) would count what the test process had before it became the agent.
    """
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "sys.argv[1:1] = []; from agent.cli import main; code = main(sys.argv[1:]);"
        "own = next(int(s.split()[1]) for s in open('/proc/self/status') if s.startswith('VmHWM'));"
        "sys.stderr.write('PEAK %d' % max(own, resource.getrusage(-1).ru_maxrss)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--root", root, "--json", *options],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return json.loads(done.stdout), int(done.stderr.rsplit("PEAK ", 1)[1])


def hold(report: dict[str, Any]) -> None:
    for name, fact in report["facts"].items():
        assert fact["status"] in STATUSES, name
        assert not str(fact.get("error", "")).startswith(("TypeError", "KeyError", "IndexError", "AttributeError")), (
            fact
        )
    assert len(json.dumps(report)) < 100_000
    assert report["duration_ms"] < 10_500


def filled(root: Path, make: Any) -> Path:
    for name in PATHS:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    return root


def test_huge_files(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        with path.open("wb") as f:
            f.truncate(1 << 40)

    report, peak = started(filled(tmp_path, make))
    hold(report)
    assert peak < 300_000


def test_endless_lines_and_junk(tmp_path: Path) -> None:
    junk = os.urandom(1 << 16) + b"\n: = " * 1000 + b"[" * 100_000

    report, peak = started(filled(tmp_path, lambda path: path.write_bytes(junk)))
    hold(report)
    assert peak < 300_000


def test_fifos_sockets_and_loops(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        kind = PATHS.index(path.relative_to(tmp_path).as_posix()) % 4
        if kind == 0:
            os.mkfifo(path)
        elif kind == 1:
            path.symlink_to(path.name)
        elif kind == 2:
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()

    hold(started(filled(tmp_path, make))[0])


def test_unreadable_and_absent(tmp_path: Path) -> None:
    filled(tmp_path, lambda path: (path.write_text("x"), path.chmod(0)))
    hold(started(tmp_path)[0])
    (tmp_path / "empty").mkdir()
    hold(started(tmp_path / "empty")[0])


def test_directories_with_very_many_names(tmp_path: Path) -> None:
    for place in ("sys/module", "etc/modprobe.d", "sys/bus/virtio/devices", "sys/kernel/iommu_groups", "dev/cpu"):
        (tmp_path / place).mkdir(parents=True)
        for n in range(5000):
            (tmp_path / place / f"{n}.conf").touch()
    hold(started(tmp_path)[0])


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "null", '{"facts": 1}', '{"facts": {"proof.plain": 1}}', "[" * 90_000,
        '{"facts": {"proof.plain": {"status": ["ok"], "value": {}}}}',
        '{"facts": {"proof.plain": {"status": "' + "x" * 100_000 + '"}}}',
    ],
)  # fmt: skip
def test_forged_records(tmp_path: Path, content: str) -> None:
    (tmp_path / FACTS).write_text(content)
    report = agent.collect(only=["proof.plain", "kvm.offered"], root=str(tmp_path))
    for fact in report["facts"].values():
        assert fact["status"] in STATUSES


slow = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@given(text=st.text())
def test_any_modprobe_file_is_parsed(text: str) -> None:
    options, barred = parse(text)
    assert all(isinstance(value, str | None) for found in options.values() for value in found.values())
    assert all("-" not in name for name, _ in barred)


def test_modprobe_files() -> None:
    assert parse(
        "options kvm-intel nested=1 \\\n ept=N # why\nblacklist kvm_amd\ninstall kvm /bin/false\n#options x"
    ) == (
        {"kvm_intel": {"nested": "1", "ept": "N"}},
        [("kvm_amd", "blacklist"), ("kvm", "install")],
    )


def test_what_is_configured_comes_in_the_order_of_modprobe(tmp_path: Path) -> None:
    for name, text in (
        ("usr/lib/modprobe.d/50-kvm.conf", "options kvm_amd nested=0\n"),
        ("etc/modprobe.d/50-kvm.conf", "options kvm_amd nested=1\n"),
        ("lib/modprobe.d/90-other.conf", "options kvm_intel ept=0\n"),
        ("etc/modprobe.d/notes.txt", "options kvm nx_huge_pages=never\n"),
        ("proc/cmdline", "quiet kvm-amd.npt=0 modprobe.blacklist=kvm_intel,nouveau x.y=z\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    value = configured(Machine(str(tmp_path)))
    assert [(e["module"], e["parameter"], e["value"], e["source"]) for e in value["options"]] == [
        ("kvm_amd", "nested", "1", "/etc/modprobe.d/50-kvm.conf"),
        ("kvm_intel", "ept", "0", "/lib/modprobe.d/90-other.conf"),
        ("kvm_amd", "npt", "0", "/proc/cmdline"),
    ]
    assert value["blacklisted"] == [{"module": "kvm_intel", "source": "/proc/cmdline", "how": "blacklist"}]


@given(text=st.text())
def test_any_list_of_cpus_is_counted(text: str) -> None:
    assert span(text) >= 0


def test_lists_of_cpus() -> None:
    assert [span(text) for text in ("0", "0-3", "0-1,4,6-7", "", "3-1", "a-b")] == [1, 4, 5, 0, 0, 0]


@given(raw=st.binary())
def test_any_kernel_log_record_is_read(raw: bytes) -> None:
    assert isinstance(record(raw), str)


def test_a_kernel_log_record() -> None:
    raw = b"6,339,5140900,-;kvm: Nested Virtualization enabled\n SUBSYSTEM=misc\n"
    assert record(raw) == "kvm: Nested Virtualization enabled"


def test_modules_loaded_built_in_available_and_unknown(tmp_path: Path) -> None:
    for name, text in (
        ("proc/sys/kernel/osrelease", "6.1.0\n"),
        ("lib/modules/6.1.0/modules.dep", "kernel/arch/x86/kvm/kvm-intel.ko.xz: kernel/arch/x86/kvm/kvm.ko.xz\n"),
        ("lib/modules/6.1.0/modules.builtin", "kernel/arch/x86/kvm/kvm-pvm.ko\n"),
        ("sys/module/kvm/initstate", "live\n"),
        ("sys/module/kvm/parameters/nx_huge_pages", "auto\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = modules(Machine(str(tmp_path)))
    assert {name: found[name]["state"] for name in ("kvm", "kvm_intel", "kvm_amd", "kvm_pvm")} == {
        "kvm": "loaded",
        "kvm_intel": "available",
        "kvm_amd": "absent",
        "kvm_pvm": "builtin",
    }
    assert found["kvm"]["parameters"] == {"nx_huge_pages": "auto"}
    assert found["kvm_amd"]["indexed"] is True
    assert modules(Machine(str(tmp_path / "nothing")))["kvm"] == {"state": "absent", "parameters": {}, "indexed": False}


@slow
@given(text=st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_cloud_init_record_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "run/cloud-init").mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/cloud").mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/cloud/cloud.cfg").touch()
    for name in ("status", "result"):
        (tmp_path / f"run/cloud-init/{name}.json").write_text(text, errors="replace")
    assert cloud_init(Machine(str(tmp_path)))["installed"] is True


def test_a_recording_is_complete_and_closed(tmp_path: Path) -> None:
    """Nothing but what was read, and from it the same facts again."""
    record_dir = tmp_path / "record"
    done = subprocess.run(
        [sys.executable, "-m", "agent", "--capture", record_dir], cwd=REPOSITORY, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before = json.loads((record_dir / FACTS).read_text())["facts"]
    after = agent.collect(root=str(record_dir))["facts"]
    assert set(before) == set(after)
    for name, fact in before.items():
        assert after[name]["status"] == fact["status"], name
        assert after[name].get("value") == fact.get("value"), name
    assert not (record_dir / "etc/shadow").exists()
    assert not [path for path in record_dir.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)")
@pytest.mark.parametrize(
    "prepare",
    [
        "mount -t tmpfs none /sys",
        "mount -t tmpfs none /dev",
        "mount -t tmpfs none /proc",
        "mount -t tmpfs none /proc; mount -t tmpfs none /sys; mount -t tmpfs none /dev",
        "mount -o remount,ro,bind / / 2>/dev/null; mount --bind / /mnt; mount -o remount,ro,bind /mnt; cd /mnt",
        "ulimit -u 0; ulimit -n 12",
        "ulimit -v 400000",
        "ulimit -l 0",
    ],
    ids=["no sys", "no dev", "no proc", "nothing", "read-only", "few descriptors", "little memory", "no locked memory"],
)
def test_crippled_surroundings(prepare: str, pyz: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{prepare}; exec /usr/bin/python3 {pyz} --json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert list(report["facts"]) == [probe[0] for probe in PROBES if probe[0] != "proof.cost"]
    hold(report)
    if "none /dev" in prepare:
        assert report["facts"]["proof.plain"]["value"]["cause"] == "no-device"
    elif Path("/dev/kvm").exists() and "proc" in prepare:
        assert report["facts"]["proof.plain"]["status"] in {"ok", "error"}


def test_limits_are_not_ours_to_change() -> None:
    before = [resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_CPU)]
    agent.collect(only=["proof.plain"])
    assert before == [
        resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_CPU)
    ]


# refuse one system call, or kill by it
SECCOMP = filtering("""
number, action = int(sys.argv[1]), int(sys.argv[2], 16)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, action), (0x06, 0, 0, 0x7FFF0000)]
""")
CALLS = {"memfd_create": 319, "execve of a memfd": 322, "sched_setaffinity": 203, "setitimer and alarm": 37, "mmap": 9}
REFUSE, KILL = "50001", "80000000"  # SECCOMP_RET_ERRNO with EPERM, SECCOMP_RET_KILL_PROCESS


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter is written for x86-64")
@pytest.mark.parametrize(
    ("call", "action"),
    [("memfd_create", REFUSE), ("memfd_create", KILL), ("sched_setaffinity", REFUSE), ("sched_setaffinity", KILL),
     ("execve of a memfd", REFUSE), ("setitimer and alarm", REFUSE)],
)  # fmt: skip
def test_under_seccomp(call: str, action: str, pyz: Path) -> None:
    done = subprocess.run(
        ["/usr/bin/python3", "-c", SECCOMP, str(CALLS[call]), action, "/usr/bin/python3", str(pyz), "--json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    hold(report)
    assert report["facts"]["cpu.identity"]["status"] == "ok"
    if call == "memfd_create":
        other_way = os.access("/dev/cpu/0/cpuid", os.R_OK)
        assert report["facts"]["cpu.cpuid"]["status"] in ({"ok"} if other_way else {"denied", "error"})
        if report["facts"]["kvm.device"]["status"] == "ok":
            assert report["facts"]["proof.plain"]["value"]["cause"] == ("denied" if action == REFUSE else "killed")
    if call == "sched_setaffinity":
        assert report["facts"]["cpu.cpuid"]["status"] == "ok"
