"""What is known of a host: asked for by the VMs that it decides about, and looked at in its own time."""

from typing import Any

import click
import msgspec
import pytest
from vm_factory import image, wanted

from commands import endpoints
from commands.endpoints import Endpoint, begin_look
from hostcheck import local
from hostcheck.local import Look, local_report
from provision.model import AccelPolicy


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
