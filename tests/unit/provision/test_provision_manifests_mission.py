"""The mission's own examples: every fault of theirs named with its line; and our examples without one."""

from pathlib import Path

import pytest
from golden_files import Golden

from provision.manifests.documents import load
from provision.manifests.resolve import lint_text, resolve
from provision.model import AccelPolicy, Firmware, Problem, Severity

ROOT = Path(__file__).parents[3]
MISSION = ROOT / "tests" / "fixtures" / "mission"


@pytest.mark.parametrize("name", ["class", "complete"])
def test_the_linter_names_each_fault(name: str, monkeypatch: pytest.MonkeyPatch, golden: Golden) -> None:
    monkeypatch.chdir(MISSION)
    _, problems = resolve(load([f"{name}.yaml"]))
    golden(MISSION / f"{name}.lint", lint_text(problems))


def at(problems: list[Problem], rule: str) -> list[int]:
    return [problem.origin.line for problem in problems if problem.rule == rule]


def line_of(name: str, text: str) -> int:
    return next(i for i, line in enumerate((MISSION / name).read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("name", "rule", "text"),
    [
        ("class.yaml", "vbs-needs-secure-boot", "secureBoot: false"),
        ("class.yaml", "nested-with-cpu-hot-add", "cpuHotAddEnabled: true"),
        ("complete.yaml", "nested-with-cpu-hot-add", "cpuHotAddEnabled: true"),
        ("complete.yaml", "latency-low", "latencySensitivity: low"),
        ("complete.yaml", "checksum-shape", "checksum:"),
        ("complete.yaml", "rolling-image-checksum", "url:"),
        ("complete.yaml", "reference", "name: my-provider"),
        ("complete.yaml", "ssh-key-invalid", "ssh-rsa AAAA"),
        ("complete.yaml", "guest-cpu-flags", "cat /proc/cpuinfo"),
        ("complete.yaml", "guest-device-listing", "ls -la /dev/kvm"),
        ("complete.yaml", "guest-nested-parameter", "modprobe kvm_intel nested=1"),
        ("complete.yaml", "kubectl-boolean", "powerState: On"),
    ],
)
def test_each_known_fault_at_its_own_line(name: str, rule: str, text: str) -> None:
    _, problems = resolve(load([MISSION / name]))
    assert at(problems, rule) == [line_of(name, text)]


def test_the_class_of_the_first_example_is_out_of_reach_of_the_vm_of_the_second(tmp_path: Path) -> None:
    text = (MISSION / "complete.yaml").read_text().replace("name: hypervisor-class\n\n", "")
    vm = tmp_path / "vm.yaml"
    vm.write_text("---\n" + text.split("---\n")[-1].replace("name: hypervisor-class", "name: nested-vm-class"))
    _, problems = resolve(load([vm, MISSION / "class.yaml"]), connect="qemu:///system")
    (problem,) = [p for p in problems if p.rule == "reference-namespace"]
    assert "VMClass nested-vm-class is in namespace virtrigaud-system" in problem.message


def test_with_a_provider_the_complete_example_is_wanted_as_written() -> None:
    vms, problems = resolve(load([MISSION / "complete.yaml"]), connect="qemu:///system")
    assert [p for p in problems if p.severity is Severity.ERROR] == []
    (vm,) = vms
    assert (vm.key, vm.cpus, vm.memory_mib, vm.disk_gib) == ("default/nested-hypervisor", 8, 16384, 200)
    assert vm.nested
    assert vm.power_on
    assert vm.image.checksum is not None
    assert (vm.image.checksum.algorithm, len(vm.image.checksum.digest)) == ("sha256", 64)
    assert vm.user_data is not None
    assert vm.user_data.startswith("#cloud-config\nhostname: nested-hypervisor\n")


@pytest.mark.parametrize(("name", "nested"), [("nested-vm", True), ("nested-off", False)])
def test_our_examples_have_nothing_wrong(name: str, nested: bool) -> None:
    vms, problems = resolve(load([ROOT / "examples" / f"{name}.yaml"]))
    assert [p for p in problems if p.severity is not Severity.NOTE] == []
    (vm,) = vms
    assert (vm.key, vm.nested, vm.accel, vm.power_on) == (f"default/{name}", nested, AccelPolicy.AUTO, True)
    assert (vm.cpus, vm.memory_mib, vm.disk_gib) == (1, 1024, 4)
    assert vm.image.path == (ROOT / ".cache" / "guest" / "debian-12.qcow2").resolve()
    assert vm.user_data is not None
    assert vm.user_data.startswith("#cloud-config\n")


def test_the_documents_hypervisor_corrected_has_nothing_wrong_either() -> None:
    (vm,), problems = resolve(load([ROOT / "examples/hypervisor.yaml"]))
    assert [p for p in problems if p.severity is not Severity.NOTE] == []
    assert (vm.key, vm.nested, vm.vtd, vm.firmware) == ("default/nested-hypervisor", True, True, Firmware.UEFI)
    assert (vm.cpus, vm.memory_mib, vm.disk_gib) == (1, 1024, 200), "made small by spec.resources"


def test_the_examples_do_not_collide() -> None:
    vms, problems = resolve(load([ROOT / "examples"]))
    assert len(vms) == len(list((ROOT / "examples").glob("*.yaml")))
    assert [p for p in problems if p.severity is Severity.ERROR] == []
