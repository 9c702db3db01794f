"""Plans from reports: which way, which steps, which words."""

from typing import Any

import machines
import pytest
from machines import FactDict

from hostcheck.enable.plan import Path, Plan, plan
from hostcheck.enable.situation import Situation, means_on, outranks
from hostcheck.enable.state import ABSENT, CONF, FileState, Survey, Use, User
from hostcheck.enable.steps import Load, SetNode, Unload, UpdateInitramfs, WriteFile
from hostcheck.enable.words import plan_lines
from hostcheck.exits import Exit


def situation(facts: dict[str, FactDict], **survey: Any) -> Situation:
    found = {"uid": 0, "conf": ABSENT, "record": ABSENT, "use": {}, "users": []}
    return Situation(machines.report(facts), Survey(**found | survey), None)  # type: ignore[arg-type]


def with_module(
    facts: dict[str, FactDict], name: str, state: str, nested: str | None, *options: tuple[str, str]
) -> dict[str, FactDict]:
    """The machine with its vendor module in a state, and `nested` as configured: (value, source)."""
    parameters = {} if nested is None else {"nested": nested}
    settings = [{"module": name, "parameter": "nested", "value": v, "source": s} for v, s in options]
    return facts | {
        "kvm.modules": machines.ok(
            {"kvm": {"state": "loaded", "parameters": {}}, name: {"state": state, "parameters": parameters}}
        ),
        "kvm.configured": machines.ok({"options": settings, "blacklisted": []}),
        "kernel.release": machines.ok({"release": "6.1.0-9-amd64", "version": "", "cmdline": ""}),
    }


def intel_off(*options: tuple[str, str], state: str = "loaded") -> dict[str, FactDict]:
    return with_module(machines.not_offered(machines.intel_host()), "kvm_intel", state, "N", *options)


def intel_on(*options: tuple[str, str]) -> dict[str, FactDict]:
    return with_module(machines.intel_host(), "kvm_intel", "loaded", "Y", *options)


def test_off_and_idle_is_reloaded() -> None:
    planned = plan(situation(intel_off(("0", "/etc/modprobe.d/kvm.conf")), use={"kvm_intel": Use(0)}))
    assert planned.path is Path.RELOAD and planned.code is Exit.OK
    write, *rest = planned.steps
    assert isinstance(write, WriteFile) and write.path == CONF and write.mode == 0o644
    assert write.content.endswith(b"\noptions kvm_intel nested=1\n")
    assert rest == [Unload("kvm_intel"), Load("kvm_intel"), SetNode(0o660, 0, 106)]


def test_what_is_configured_already_is_not_written_again() -> None:
    planned = plan(situation(intel_off(("1", "/etc/modprobe.d/kvm.conf"))))
    assert planned.steps == (Unload("kvm_intel"), Load("kvm_intel"), SetNode(0o660, 0, 106))


def test_what_stands_in_our_file_is_kept() -> None:
    ours = FileState("file", b"options kvm ignore_msrs=1 \\", 0o600, 0, 4)
    planned = plan(situation(intel_off(), conf=ours))
    write = planned.steps[0]
    assert isinstance(write, WriteFile) and (write.mode, write.gid) == (0o600, 4)
    assert write.content.startswith(ours.content + b"\n\n#")


@pytest.mark.parametrize(
    ("survey", "words"),
    [
        (
            {"use": {"kvm_intel": Use(4)}, "users": [User(7, "web01", True), User(9, "libvirtd", False)]},
            "VMs run: web01 (pid 7)",
        ),
        ({"use": {"kvm_intel": Use(1)}, "users": [User(9, "libvirtd", False)]}, "held by libvirtd (pid 9)"),
        ({"use": {"kvm_intel": Use(1, ["foo"])}}, "needed by foo"),
        ({"use": {"kvm_intel": Use(2)}}, "held 2 times by processes that cannot be seen from here"),
    ],
)
def test_what_holds_the_module_is_named_and_a_reboot_is_planned(survey: dict[str, Any], words: str) -> None:
    planned = plan(situation(intel_off(), **survey))
    assert planned.path is Path.REBOOT and words in planned.reason
    assert [type(step) for step in planned.steps] == [WriteFile]


def test_the_initial_ram_disk_is_renewed_with_the_file() -> None:
    planned = plan(situation(intel_off(), initramfs="dracut"))
    assert planned.steps[1] == UpdateInitramfs("dracut")


def test_on_and_working_needs_nothing() -> None:
    planned = plan(situation(intel_on()))
    assert planned.path is Path.NOTHING and not planned.steps and planned.code is Exit.OK


@pytest.mark.parametrize(
    ("release", "path"), [("6.1.0", Path.NOTHING), ("4.18.0-553.el8", Path.CONFIGURE), ("", Path.CONFIGURE)]
)
def test_the_default_of_an_old_intel_kernel_is_off(release: str, path: Path) -> None:
    facts = intel_on() | {"kernel.release": machines.ok({"release": release, "version": "", "cmdline": ""})}
    assert plan(situation(facts)).path is path


def test_on_now_but_off_after_the_next_boot_is_configured_without_a_reload() -> None:
    planned = plan(situation(intel_on(("0", "/lib/modprobe.d/kvm.conf")), use={"kvm_intel": Use(3)}))
    assert planned.path is Path.CONFIGURE
    assert [type(step) for step in planned.steps] == [WriteFile]


@pytest.mark.parametrize("facts", [intel_off, intel_on])
def test_a_later_file_is_stronger_and_named_with_the_command(facts: Any) -> None:
    planned = plan(situation(facts(("0", "/etc/modprobe.d/zz kvm.conf"))))
    assert planned.path is Path.REFUSED and planned.code is Exit.FAIL and not planned.steps
    assert planned.reason == "/etc/modprobe.d/zz kvm.conf says nested=0"
    (command,) = planned.remedies[0].commands
    assert command == "sed -i '/^ *options  *kvm[-_]intel /s/nested=0/nested=1/' '/etc/modprobe.d/zz kvm.conf'"


def test_the_kernel_command_line_is_stronger() -> None:
    planned = plan(situation(intel_off(("1", "/etc/modprobe.d/zz.conf"), ("0", "/proc/cmdline"))))
    assert planned.path is Path.REFUSED
    assert planned.reason == "the kernel command line says kvm_intel.nested=0"
    assert "grubby --update-kernel=ALL --remove-args=kvm_intel.nested" in planned.remedies[1].commands


def test_a_built_in_module_takes_the_kernel_command_line() -> None:
    planned = plan(situation(intel_off(state="builtin")))
    assert planned.path is Path.REFUSED
    assert "grubby --update-kernel=ALL --args=kvm_intel.nested=1" in planned.remedies[1].commands


def not_loaded(**configured: Any) -> dict[str, FactDict]:
    facts = with_module(machines.no_device(machines.amd_host()), "kvm_amd", "available", None)
    return facts | {"kvm.configured": machines.ok({"options": [], "blacklisted": [], **configured})}


def test_a_module_that_is_not_loaded_is_loaded() -> None:
    planned = plan(situation(not_loaded()))
    assert planned.path is Path.LOAD and planned.steps[1:] == (Load("kvm_amd"),)


def test_a_forbidden_module_stays_forbidden() -> None:
    barred = [{"module": "kvm_amd", "source": "/etc/modprobe.d/no-kvm.conf"}]
    planned = plan(situation(not_loaded(blacklisted=barred)))
    assert planned.path is Path.REFUSED and "no-kvm.conf forbids to load kvm_amd" in planned.reason


@pytest.mark.parametrize("facts", [machines.guest_without_feature(), machines.pvm_vm()])
def test_a_machine_without_the_feature_is_refused_with_the_judges_own_reason(facts: dict[str, FactDict]) -> None:
    now = situation(facts)
    planned = plan(now)
    assert planned.path is Path.REFUSED and planned.code is Exit.FAIL
    assert planned.reason == now.judgement.guests_nest.reason
    assert planned.remedies


@pytest.mark.parametrize("kind", ["other", "large"])
def test_a_file_of_another_kind_in_our_place_is_left_alone(kind: Any) -> None:
    planned = plan(situation(intel_off(), conf=FileState(kind)))
    assert planned.path is Path.REFUSED and CONF in planned.reason


@pytest.mark.parametrize(
    ("value", "on"), [("1", True), ("Y", True), ("", True), ("on", True), ("0", False), ("n", False), ("off", False)]
)
def test_what_a_configured_value_means(value: str, on: bool) -> None:
    assert means_on(value) is on


def test_what_modprobe_reads_last_wins() -> None:
    assert outranks("/proc/cmdline") and outranks("/lib/modprobe.d/zz.conf")
    assert not outranks("/etc/modprobe.d/kvm.conf") and not outranks(CONF)


def lines(now: Situation) -> tuple[Plan, str]:
    planned = plan(now)
    return planned, "\n".join(plan_lines("kvm07", now, planned))


def test_the_plan_shows_what_runs_what_changes_and_what_it_stops() -> None:
    users = [User(4711, "web01", True)]
    now = situation(
        intel_off(("0", "/etc/modprobe.d/kvm.conf")), use={"kvm_intel": Use(4)}, users=users, initramfs="dracut"
    )
    _, text = lines(now)
    assert text.startswith("kvm07: would be configured now, and needs a reboot: kvm_intel runs with nested=N")
    for part in (
        "kvm_intel is loaded, nested=N",
        "VMs run: web01 (pid 4711)",
        "nested=0 by /etc/modprobe.d/kvm.conf",
        f"write {CONF}",
        "options kvm_intel nested=1",
        "dracut --force",
        "the reboot stops all VMs",
        "nestproof enable --apply",
    ):
        assert part in text


def test_a_refusal_offers_no_apply() -> None:
    _, text = lines(situation(machines.guest_without_feature()))
    assert "--apply" not in text
    assert (text.count("To mend it"), text.count("Or instead")) == (1, 1)  # libvirt's way, or Proxmox'
