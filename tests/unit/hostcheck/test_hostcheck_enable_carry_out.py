"""Applying and undoing on a machine in memory, interrupted and failing at every step."""

import pytest
from enable_machine import FRESH_NODE, Killed, Machine
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.enable import carry_out
from hostcheck.enable.carry_out import End, Outcome
from hostcheck.enable.host import HostError
from hostcheck.enable.plan import Path, plan
from hostcheck.enable.state import CONF, RECORD, FileState, StateError, User
from hostcheck.enable.steps import Load, Step

OFF = {"/etc/modprobe.d/kvm.conf": b"options kvm_amd nested=0\n"}
OURS = FileState("file", b"blacklist aesni_intel\n# the end \\", 0o640, 0, 4)
VM = User(4711, "web01", True)


@st.composite
def machines_off(draw: st.DrawFn) -> Machine:
    """Machines where nesting is off and can be switched on, in many ways."""
    loaded = draw(st.booleans())
    conf = draw(st.sampled_from([None, OURS, FileState("file", b"options kvm_amd nested=0\n")]))
    return Machine(
        files={CONF: conf} if conf else {},
        elsewhere=draw(st.sampled_from([OFF, {}])),
        loaded=loaded,
        parameters={"nested": "0", "npt": draw(st.sampled_from(["Y", "N"]))},
        node=draw(st.sampled_from([FRESH_NODE, (0o666, 0, 5)])) if loaded else FRESH_NODE,
        initramfs=draw(st.sampled_from(["", "dracut"])),
        ram_disk=conf or FileState("absent"),
    )


def run(machine: Machine) -> Outcome:
    """What the command does with --apply."""
    now = carry_out.look(machine)
    planned = plan(now)
    assert planned.path is not Path.REFUSED, planned.reason
    if planned.path is Path.NOTHING:
        return Outcome(End.PROVEN, planned.reason)
    return carry_out.apply(machine, now, planned, 1.0)


def undo(machine: Machine) -> Outcome:
    return carry_out.undo(machine, carry_out.look(machine))


def kill(machine: Machine, action: object, at: int) -> bool:
    """Run an action until it is killed before its step `at`; False when it ended before."""
    machine.kill_at = len(machine.done) + at
    try:
        action(machine)  # type: ignore[operator]
    except Killed:
        return True
    finally:
        machine.kill_at = -1
    return False


@given(machines_off())
def test_apply_proves_it_and_undo_brings_back_all(machine: Machine) -> None:
    before = machine.snapshot()
    assert run(machine).end is End.PROVEN
    assert machine.parameters["nested"] == "1"
    assert machine.node == (before[3] if before[1] else FRESH_NODE)  # type: ignore[index]
    if machine.initramfs:
        assert machine.ram_disk == machine.files.get(CONF, FileState("absent"))
    steps = len(machine.done)
    assert run(machine).end is End.PROVEN and len(machine.done) == steps, "the second time changes nothing"
    assert undo(machine).end is End.UNDONE
    assert machine.snapshot() == before


@given(machines_off(), st.integers(0, 8))
def test_killed_anywhere_undo_brings_back_all(machine: Machine, at: int) -> None:
    before = machine.snapshot()
    kill(machine, run, at)
    assert undo(machine).end is End.UNDONE
    assert machine.snapshot() == before


@given(machines_off(), st.lists(st.integers(0, 8), max_size=3))
def test_killed_anywhere_apply_goes_on(machine: Machine, kills: list[int]) -> None:
    before = machine.snapshot()
    for at in kills:
        kill(machine, run, at)
    assert run(machine).end is End.PROVEN
    assert machine.parameters["nested"] == "1" and machine.loaded
    if before[1]:  # type: ignore[index]
        assert machine.node == before[3]  # type: ignore[index]
    assert undo(machine).end is End.UNDONE
    assert machine.snapshot() == before


@given(machines_off(), st.lists(st.integers(0, 8), min_size=1, max_size=3))
def test_undo_killed_anywhere_is_finished_by_the_next(machine: Machine, kills: list[int]) -> None:
    before = machine.snapshot()
    run(machine)
    for at in kills:
        kill(machine, undo, at)
    assert undo(machine).end is End.UNDONE
    assert machine.snapshot() == before


@given(machines_off(), st.integers(1, 8))
def test_a_failure_anywhere_puts_everything_back(machine: Machine, at: int) -> None:
    before = machine.snapshot()
    steps = len(plan(carry_out.look(machine)).steps) + 2  # the record, before and after
    machine.fail_at = at
    outcome = run(machine)
    assert outcome.end is (End.PUT_BACK if at < steps else End.PROVEN)
    if at < steps:
        assert f"step {at} was made to fail" in outcome.reason
        assert machine.snapshot() == before


@given(machines_off())
def test_no_proof_puts_everything_back(machine: Machine) -> None:
    machine.works = False
    before = machine.snapshot()
    outcome = run(machine)
    assert outcome.end is End.PUT_BACK and "still does not work" in outcome.reason
    assert machine.snapshot() == before


def test_a_configuration_that_no_longer_loads_does_not_hinder_the_way_back() -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "N"}, loads=False)
    before = machine.snapshot()
    assert run(machine).end is End.PUT_BACK
    assert machine.snapshot() == before


def test_when_nothing_can_be_changed_nothing_is_begun() -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "Y"}, fail_at=0)
    before = machine.snapshot()
    with pytest.raises(HostError):
        run(machine)
    assert machine.snapshot() == before


def test_a_failure_after_an_earlier_success_goes_back_to_now_and_keeps_the_first_record() -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "Y"})
    first = machine.snapshot()
    run(machine)
    machine.parameters["nested"] = "0"  # somebody loaded it so by hand
    second = machine.snapshot()
    machine.works = False
    assert run(machine).end is End.PUT_BACK
    assert machine.snapshot() == second
    machine.works = True
    assert undo(machine).end is End.UNDONE
    assert machine.snapshot() == first


def test_vms_are_left_alone_until_the_reboot() -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "Y"}, vms=(VM,))
    outcome = run(machine)
    assert outcome.end is End.WAITS and "web01 (pid 4711)" in outcome.reason
    assert machine.parameters["nested"] == "0" and machine.files[CONF].content.endswith(b"options kvm_amd nested=1\n")
    assert run(machine).end is End.WAITS
    reboot(machine)
    assert run(machine).reason.startswith("it works")
    assert undo(machine).end is End.UNDONE
    assert CONF not in machine.files and RECORD not in machine.files and machine.parameters["nested"] == "0"


def test_undo_waits_for_vms_and_needs_nothing_more_after_a_reboot() -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "Y"})
    run(machine)
    machine.vms = (VM,)
    outcome = undo(machine)
    assert outcome.end is End.WAITS and "goes on with nested=1" in outcome.left[0].text
    reboot(machine)
    assert undo(machine).end is End.UNDONE
    assert machine.parameters["nested"] == "0" and not machine.files


@pytest.mark.parametrize("at", range(6))
def test_undo_killed_in_a_later_boot_is_finished_by_the_next(at: int) -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "Y"})
    run(machine)
    reboot(machine)
    kill(machine, undo, at)
    assert undo(machine).end is End.UNDONE
    assert machine.loaded and machine.parameters["nested"] == "0" and not machine.files


def test_what_somebody_else_wrote_is_not_undone() -> None:
    machine = Machine(elsewhere=OFF, parameters={"nested": "0", "npt": "Y"})
    run(machine)
    machine.files[CONF] = FileState("file", b"# mine now\n")
    with pytest.raises(StateError, match="changed by somebody since"):
        undo(machine)
    assert machine.files[CONF].content == b"# mine now\n"


def test_an_interrupt_puts_everything_back() -> None:
    class Interrupted(Machine):
        def take(self, step: Step) -> None:
            if len(self.done) == 3:
                raise KeyboardInterrupt
            super().take(step)

    machine = Interrupted(elsewhere=OFF, parameters={"nested": "0", "npt": "N"})
    before = machine.snapshot()
    with pytest.raises(KeyboardInterrupt):
        run(machine)
    assert machine.snapshot() == before


def reboot(machine: Machine) -> None:
    machine.boot, machine.vms, machine.loaded = "boot-2", (), False
    machine.take(Load("kvm_amd"))
