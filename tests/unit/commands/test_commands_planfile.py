"""Plans in files: read back as they were written, held to, and never with a secret in them."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from vm_factory import image, tiny_image, wanted

from commands.apply import apply
from commands.failures import Failure
from commands.planfile import hold_to, load, plan_file, save, text
from provision.model import Credentials, FieldAccount, Handling, Origin, VmSpec
from provision.provider import Difference, Plan, Power, ProviderError, Step


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "vm.yaml"
    path.write_text("kind: VirtualMachine\n")
    return path


@pytest.fixture
def planned(tmp_path: Path) -> Plan:
    vm: VmSpec = wanted(image(tiny_image(tmp_path)))
    secret = replace(vm.provider, credentials=Credentials("Secret x", password="hunter2"))
    return Plan(
        vm=replace(vm, provider=secret, user_data="#cloud-config\npassword: hunter2\n"),
        steps=(Step("create", "disk", "1 GiB"), Step("start", "domain")),
        accounts=(FieldAccount("VMClass spec.cpu", "1", Handling.HONOURED, "<vcpu>", Origin("vm.yaml", 3, 5)),),
        notes=("emulated",), evidence=(), native="<domain/>",
        differences=(Difference("cpus", "1", "2"),), power=Power.POWER_CYCLE,
    )  # fmt: skip


def test_what_is_saved_is_loaded_and_held_to(manifest: Path, planned: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save(plan_file([planned], [str(manifest)], "qemu:///embed"), path)
    loaded = load([str(path)])
    assert loaded is not None
    assert loaded.connect == "qemu:///embed"
    assert [source.path for source in loaded.sources] == [str(manifest)]
    saved = loaded.expected("default/tiny")
    assert saved is not None
    assert (saved.intent, saved.power, saved.differences) == ("to create", Power.POWER_CYCLE, planned.differences)
    hold_to(loaded, planned)
    hold_to(loaded, replace(planned, notes=("another note",), accounts=()))  # what is said decides nothing


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"steps": (Step("keep", "domain"),)}, "it was to create, now it is as wanted already"),
        ({"native": "<domain><vcpu/></domain>"}, "other settings"),
        ({"differences": ()}, "other settings"),
        ({"power": Power.OFF}, "other settings"),
        ({"loses_disk": True}, "it was to create, now it is to rebuild"),
    ],
)
def test_a_world_that_moved_is_refused(manifest: Path, planned: Plan, changes: dict[str, object], says: str) -> None:
    saved = plan_file([planned], [str(manifest)], None)
    with pytest.raises(ProviderError, match=says) as caught:
        hold_to(saved, replace(planned, **changes))  # type: ignore[arg-type]
    assert caught.value.refused
    assert "nothing was done" in str(caught.value)


def test_a_vm_that_was_not_planned_is_refused(manifest: Path, planned: Plan) -> None:
    with pytest.raises(ProviderError, match="not in the plan file"):
        hold_to(plan_file([], [str(manifest)], None), planned)


def test_a_plan_for_another_place_is_refused(manifest: Path, planned: Plan) -> None:
    saved = plan_file([planned], [str(manifest)], None)
    elsewhere = replace(
        planned, vm=replace(planned.vm, provider=replace(planned.vm.provider, endpoint="qemu:///other"))
    )
    with pytest.raises(ProviderError, match="it was for libvirt qemu:///embed, now it is for libvirt qemu:///other"):
        hold_to(saved, elsewhere)


def test_a_plan_of_another_version_says_so(manifest: Path, planned: Plan) -> None:
    saved = replace(plan_file([planned], [str(manifest)], None), version="0.0.1")
    hold_to(saved, planned)
    with pytest.raises(ProviderError, match=r"other settings \(it was made by nestproof 0\.0\.1, this is \d"):
        hold_to(saved, replace(planned, native="<other/>"))


@pytest.mark.parametrize(
    "changes", [{"steps": (Step("keep", "domain"),)}, {"native": ""}, {"loses_disk": True}, {"digest": "0" * 64}]
)
def test_a_plan_that_says_something_else_than_it_does_is_refused(
    manifest: Path, planned: Plan, tmp_path: Path, changes: dict[str, object]
) -> None:
    """Who approves a plan reads its words: they are what is carried out."""
    plan, path = plan_file([planned], [str(manifest)], None), tmp_path / "plan.json"
    save(replace(plan, vms=(replace(plan.vms[0], **changes),)), path)  # type: ignore[arg-type]
    with pytest.raises(Failure, match=r"what it says of default/tiny was changed after it was made"):
        load([str(path)])


def test_no_secret_is_written(manifest: Path, planned: Plan) -> None:
    assert "hunter2" not in text(plan_file([planned], [str(manifest)], None))


def test_a_manifest_that_changed_is_refused(manifest: Path, planned: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save(plan_file([planned], [str(manifest)], None), path)
    manifest.write_text("kind: VirtualMachine\n# more\n")
    with pytest.raises(Failure, match=r"vm\.yaml: changed since .*plan\.json was made"):
        load([str(path)])
    manifest.unlink()
    with pytest.raises(Failure, match="no such file"):
        load([str(path)])


def test_a_plan_says_itself_where_its_vms_are(manifest: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save(plan_file([], [str(manifest)], None), path)
    result = CliRunner().invoke(apply, [str(path), "-c", "qemu:///system"])
    assert isinstance(result.exception, Failure) and "--connect goes with manifests" in str(result.exception)


def test_manifests_are_no_plans(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert load(["vm.yaml"]) is None
    assert load(["a.json", "b.json"]) is None
    assert load([str(path)]) is None
    for content in ("", "[]", "{", '{"kind": "VMClass"}', '{"schema": "another"}'):
        path.write_text(content)
        assert load([str(path)]) is None


def test_a_plan_that_cannot_be_used_is_one_line(tmp_path: Path, planned: Plan) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"schema": "nestproof.plan/1", "vms": 3}')
    with pytest.raises(Failure, match="a damaged plan") as caught:
        load([str(path)])
    assert "\n" not in str(caught.value)
    path.write_text('{"schema": "nestproof.plan/9"}')
    with pytest.raises(Failure, match=r"nestproof\.plan/9"):
        load([str(path)])
    with pytest.raises(Failure, match="standard input"):
        plan_file([planned], ["-"], None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Failure, match="pipe, a pipe, cannot be carried out later"):
        plan_file([planned], [str(tmp_path / "pipe")], None)
