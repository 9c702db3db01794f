"""What a machine says of itself around KVM: distribution, groups, namespaces, rivals, libvirt's memory, other CPUs."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import plumbing
from agent.facts import PROBES
from agent.files import read
from agent.kvm.configured import parse
from agent.kvm.modules import modules
from agent.machine import Machine
from agent.plumbing import libvirt_cache, namespaces
from agent.process import identity
from agent.rivals import rivals
from agent.system import distribution
from agent.worker import fact

REPOSITORY = Path(__file__).parents[3]
CACHE = "/var/cache/libvirt/qemu/capabilities"
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'  # Debian 12
ROCKY = 'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'


class Told(Machine):
    """A machine where every file says the same."""

    def __init__(self, told: str) -> None:
        super().__init__("/nowhere")  # type: ignore[no-untyped-call]
        self.told = told

    def text(self, path: str, limit: int = 65536) -> str:
        return self.told[:limit]


def tree(root: Path, files: dict[str, str]) -> Machine:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Machine(str(root))


def probed(name: str, machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = fact(next(probe for probe in PROBES if probe[0] == name), machine)
    return found


def test_the_distribution(tmp_path: Path) -> None:
    found = distribution(tree(tmp_path, {"etc/os-release": ROCKY, "usr/lib/os-release": DEBIAN}))
    assert found == {"id": "rocky", "version_id": "9.4", "id_like": ["rhel", "centos", "fedora"]}


def test_the_distribution_by_the_vendor_s_file_or_a_link_to_it(tmp_path: Path) -> None:
    machine = tree(tmp_path, {"usr/lib/os-release": DEBIAN})
    assert distribution(machine) == {"id": "debian", "version_id": "12", "id_like": []}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    assert distribution(machine)["id"] == "debian"


def test_without_os_release_the_distribution_is_absent(tmp_path: Path) -> None:
    assert probed("machine.os", Machine(str(tmp_path)))["status"] == "absent"


@given(text=st.text())
def test_any_os_release_is_read(text: str) -> None:
    found = distribution(Told(text))
    assert isinstance(found["id"], str)
    assert all(len(word) <= 64 for word in (found["id"], found["version_id"], *found["id_like"]))


def test_namespaces_are_those_of_the_kernel(tmp_path: Path) -> None:
    names = ("uts", "pid", "pid_for_children", "time_for_children", "user", "time")
    machine = tree(tmp_path, {f"proc/self/ns/{name}": "" for name in names})
    assert namespaces(machine) == ["pid", "time", "user", "uts"]
    assert set(namespaces(Machine())) == {
        path.name for path in Path("/proc/self/ns").iterdir() if not path.name.endswith("_for_children")
    }


class TestLibvirtCache:
    @pytest.fixture
    def at(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The system's own calls, asked below a directory: what is read here are times, which no record can hold."""

        def below(name: str) -> Any:
            real = getattr(os, name)
            return lambda path, *more: real(str(tmp_path) + path, *more)

        system = SimpleNamespace(
            stat=below("stat"),
            listdir=below("listdir"),
            path=SimpleNamespace(isdir=lambda p: (tmp_path / p[1:]).is_dir()),
        )
        monkeypatch.setattr(plumbing, "os", system)
        monkeypatch.setattr(plumbing, "read", lambda root, path: read(root, str(tmp_path) + path))
        return tmp_path

    def test_the_newest_answer_and_the_load_of_the_module(self, at: Path) -> None:
        kept = "<selfvers>9000000</selfvers>\n<flag name='kvm'/>\n<version>7002022</version>"
        tree(at, {CACHE[1:] + "/a.xml": "", CACHE[1:] + "/b.xml": kept, CACHE[1:] + "/c.lock": "", "dev/kvm": ""})
        for name, when in (("a.xml", 1000), ("b.xml", 3000), ("c.lock", 9000)):
            os.utime(at / CACHE[1:] / name, (when, when))
        node = (at / "dev/kvm").stat().st_ctime
        assert libvirt_cache(Machine()) == {
            "newest": 3000.0,
            "module_loaded": node,
            "path": CACHE,
            "libvirt": 9000000,
            "qemu": 7002022,
        }

    @pytest.mark.parametrize("text", ["", "<selfvers>", "<selfvers>-1</", "<selfvers>9 9</", "<selfvers>" + "9" * 99])
    def test_a_file_that_names_no_version(self, text: str, at: Path) -> None:
        tree(at, {CACHE[1:] + "/a.xml": text, "dev/kvm": ""})
        assert libvirt_cache(Machine())["libvirt"] == 0

    def test_of_two_times_that_can_be_late_the_earlier_counts(self, at: Path) -> None:
        tree(at, {CACHE[1:] + "/a.xml": "", "dev/kvm": "", "sys/module/kvm_amd/initstate": "live"})
        os.utime(at / "sys/module/kvm_amd", (2000, 2000))
        assert libvirt_cache(Machine())["module_loaded"] == 2000.0

    def test_without_answers_or_module_it_is_absent(self, at: Path) -> None:
        assert probed("host.libvirt_cache", Machine())["status"] == "absent"
        tree(at, {CACHE[1:] + "/c.lock": "", "dev/kvm": ""})
        assert probed("host.libvirt_cache", Machine())["error"] == "libvirt has kept nothing"
        (at / "dev/kvm").unlink()
        tree(at, {CACHE[1:] + "/a.xml": ""})
        assert probed("host.libvirt_cache", Machine())["error"].startswith("ENOENT")

    def test_a_directory_of_others_is_denied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(path: str) -> list[str]:
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr(plumbing, "os", SimpleNamespace(listdir=refused))
        assert probed("host.libvirt_cache", Machine())["status"] == "denied"


def test_versions_of_rival_modules(tmp_path: Path) -> None:
    machine = tree(
        tmp_path,
        {
            "sys/module/vboxdrv/version": "7.2.10 r168766 (0x00340001)\n",
            "sys/module/vmmon/initstate": "live\n",
            "sys/module/nouveau/version": "1\n",
        },
    )
    found = rivals(machine)
    assert found["modules"] == ["vboxdrv", "vmmon"]
    assert found["versions"] == {"vboxdrv": "7.2.10 r168766 (0x00340001)"}


def test_groups_that_a_new_session_would_have(tmp_path: Path) -> None:
    user = f"me:x:{os.getuid()}:1000::/home/me:/bin/sh\n"
    groups = "root:x:0:\nme:x:1000:\nkvm:x:104:you,me\nlibvirt:x:105:memento\nbroken\nshort:x:1000\n"
    found = identity(tree(tmp_path, {"etc/passwd": "broken\n" + user, "etc/group": groups}))
    assert found["user"] == "me"
    assert found["configured_groups"] == ["kvm", "me"]


def test_a_user_of_a_directory_server_has_no_local_groups(tmp_path: Path) -> None:
    found = identity(Machine(str(tmp_path)))
    assert (found["user"], found["configured_groups"]) == (str(os.getuid()), [])


@given(text=st.text())
def test_any_account_file_is_read(text: str) -> None:
    assert all(len(name) <= 64 for name in identity(Told(text))["configured_groups"])


def test_ways_of_keeping_a_module_from_loading_differ() -> None:
    lines = "blacklist kvm-intel\ninstall kvm_amd /usr/bin/false\ninstall kvm /sbin/modprobe -i kvm\ninstall kvm_hv\n"
    assert parse(lines)[1] == [("kvm_intel", "blacklist"), ("kvm_amd", "install")]


def test_a_parameter_without_a_value_is_not_one_with_an_empty_value() -> None:
    assert parse("options kvm_amd nested npt=\n")[0] == {"kvm_amd": {"nested": None, "npt": ""}}


def test_the_user_mode_engine_of_power_is_a_module(tmp_path: Path) -> None:
    found = modules(tree(tmp_path, {"sys/module/kvm_pr/initstate": "live\n"}))
    assert found["kvm_pr"]["state"] == "loaded"


@pytest.mark.parametrize("arch", ["aarch64", "s390x", "ppc64le", "riscv64"])
@pytest.mark.parametrize("name", ["proof.plain", "proof.pace", "proof.nested", "proof.nested_paging"])
def test_no_proof_on_other_architectures(arch: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=arch))
    found = probed(name, Machine())
    assert found["status"] == "unsupported"
    assert found["error"] == f"no proof on {arch}: the agent's guests are for x86-64"
    assert "value" not in found


def test_the_same_from_a_recorded_tree_on_every_python(python: str, pyz: Path, tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "usr/lib/os-release": ROCKY,
            "proc/self/ns/net": "",
            "proc/self/ns/time_for_children": "",
            "etc/modprobe.d/kvm.conf": "options kvm_intel nested ept=\ninstall kvm_amd /bin/true\n",
            "proc/cmdline": "module_blacklist=kvm modprobe.blacklist=kvm_amd kvm-amd.nested\n",
            "sys/module/kvm_pr/initstate": "live\n",
        },
    )
    only = ("machine.os", "host.namespaces", "kvm.configured", "kvm.modules")
    done = subprocess.run(
        [python, str(pyz), "--json", "--root", str(tmp_path), "--only", ",".join(only)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    facts = {name: found["value"] for name, found in json.loads(done.stdout)["facts"].items()}
    assert facts["machine.os"] == {"id": "rocky", "version_id": "9.4", "id_like": ["rhel", "centos", "fedora"]}
    assert facts["host.namespaces"] == ["net"]
    assert facts["kvm.modules"]["kvm_pr"]["state"] == "loaded"
    conf, line = "/etc/modprobe.d/kvm.conf", "/proc/cmdline"
    assert facts["kvm.configured"] == {
        "options": [
            {"module": "kvm_intel", "parameter": "ept", "value": "", "bare": False, "source": conf},
            {"module": "kvm_intel", "parameter": "nested", "value": "", "bare": True, "source": conf},
            {"module": "kvm_amd", "parameter": "nested", "value": "", "bare": True, "source": line},
        ],
        "blacklisted": [
            {"module": "kvm_amd", "source": conf, "how": "install"},
            {"module": "kvm", "source": line, "how": "module_blacklist"},
            {"module": "kvm_amd", "source": line, "how": "blacklist"},
        ],
    }


def test_the_contract_names_every_fact() -> None:
    contract = (REPOSITORY / "docs/report.md").read_text("utf-8")
    rows = [line.split("`")[1] for line in contract.split("\n") if line.startswith("| `") and "." in line.split("`")[1]]
    assert sorted(rows) == sorted(probe[0] for probe in PROBES)
