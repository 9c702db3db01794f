"""What is known of a host: asked for by the VMs that it decides about, and looked at in its own time."""

from typing import Any

import click
import msgspec
import pytest
from vm_factory import image, wanted

from commands import endpoints
from commands.crew import Job, Stopped
from commands.display import State
from commands.endpoints import Endpoint, Errand, begin_look
from hostcheck import local
from hostcheck.exits import Exit
from hostcheck.local import Look, local_report
from provision.model import AccelPolicy
from provision.provider import UNCHANGED


class Here(Look):
    """A look that counts how often it begins and is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = self.asked = 0

    def begin(self) -> None:
        self.begun += 1

    def report(self) -> Any:
        self.asked += 1
        return local_report(timeout=60)


def test_an_emulated_vm_waits_for_nothing_that_is_known_of_the_host(tmp_path: Any) -> None:
    vm, here = wanted(image(tmp_path / "disk")), Here()
    endpoint = Endpoint(None, (vm,), here)  # type: ignore[arg-type] - nobody asks the provider
    assert endpoint.deciding(msgspec.structs.replace(vm, accel=AccelPolicy.TCG)) is None
    assert here.asked == 0
    for accel in (AccelPolicy.KVM, AccelPolicy.AUTO):
        judged = endpoint.deciding(msgspec.structs.replace(vm, accel=accel))
        assert judged is not None
        assert judged is endpoint.host
    assert here.asked == 1
    elsewhere = Endpoint(None, (vm,), None)  # type: ignore[arg-type]
    assert elsewhere.deciding(msgspec.structs.replace(vm, accel=AccelPolicy.KVM)) is None


@pytest.mark.parametrize(("cores", "begun"), [(1, 0), (2, 0), (None, 0), (3, 1), (64, 1)])
def test_a_look_begins_with_reading_where_there_is_a_core_for_it(
    cores: int | None, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "Look", Here)
    monkeypatch.setattr(endpoints.os, "cpu_count", lambda: cores)
    with click.Context(click.Command("apply")):
        look = begin_look(None)
        assert isinstance(look, Here)
        assert look.begun == begun
        assert begin_look("qemu+ssh://there/system") is None
        assert begin_look("vsphere://there") is None


def test_what_an_end_by_ctrl_c_leaves_is_called_what_it_is() -> None:
    untouched, stopped = Stopped(), Stopped()
    untouched.add_note(UNCHANGED)
    jobs: list[Job[Any]] = [
        Job("a", print, state=State.WORKING), Job("b", print, state=State.STOPPED, error=untouched),
        Job("c", print, state=State.STOPPED, error=stopped), Job("d", print, state=State.DONE),
        Job("e", print, state=State.FAILED, error=ValueError()), Job("f", print),
    ]  # fmt: skip
    errand: Errand[Any] = Errand("apply", lambda *_: None, lambda *_: Exit.OK, 4, past="applied")
    assert endpoints._how_far(errand, jobs) == (
        "apply: 1 applied (d), 1 failed (e), 1 stopped before anything was changed (b), 1 stopped half way (c), "
        "1 left half way (a), 1 not begun"
    )
    waiting = msgspec.structs.replace(errand, title="proof", past="heard", cut_off="not heard yet")
    assert (
        endpoints._how_far(waiting, jobs) == "proof: 1 heard (d), 1 failed (e), 3 not heard yet (b, c, a), 1 not begun"
    )
