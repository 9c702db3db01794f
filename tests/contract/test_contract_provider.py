"""What every provider promises, whatever is behind it: idempotent on (namespace, name), read back, nothing left."""

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from hostcheck.model import Asked
from provision.model import VmSpec
from provision.provider import Plan, Provider, ProviderError
from provision.proving import hear


class Lab(Protocol):
    """One endpoint to try the contract on; `remains` names everything that belongs to VMs at this moment.

    One with `tells = False` cannot say whether a running VM got what it asked for; it must never say that it did not.
    """

    endpoint: str
    provider: Provider
    remains: Callable[[], set[str]]

    def vm(self, **changes: object) -> VmSpec: ...


@pytest.fixture(params=[pytest.param("embedded", marks=pytest.mark.libvirt), "vsphere", "pve8", "pve9"])
def any_lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Each provider in turn, found and left empty."""
    lab: Lab = request.getfixturevalue(request.param)
    if request.param == "embedded":
        from provision.providers.libvirt import domains

        monkeypatch.setattr(domains, "GRACE", 0.0)  # a boot sector does not hear ACPI
    assert lab.remains() == set()
    yield lab
    for name in ("tiny", "other"):
        lab.provider.destroy("default", name)
    assert lab.remains() == set()


def quiet(_line: str) -> None:
    return


def apply(lab: Lab, vm: VmSpec) -> Plan:
    plan = lab.provider.plan(vm)
    lab.provider.apply(plan, quiet)
    return plan


def verbs(plan: Plan) -> list[str]:
    return [step.action for step in plan.steps]


def test_from_nothing_to_running_to_nothing(any_lab: Lab) -> None:
    vm = any_lab.vm()
    assert any_lab.provider.observe(vm) is None
    plan = any_lab.provider.plan(vm)
    assert (verbs(plan)[0], verbs(plan)[-1]) == ("create", "start")
    assert any_lab.remains() == set(), "a plan has no side effects"
    any_lab.provider.apply(plan, quiet)
    seen = any_lab.provider.observe(vm)
    assert seen is not None
    assert (seen.name, seen.running, seen.asked) == ("default/tiny", True, Asked.ON)
    assert seen.got is (True if getattr(any_lab, "tells", True) else None)
    assert seen.feature in ("vmx", "svm")
    assert seen.asked_where == "vm.yaml:14:5"
    assert not [setting for setting in seen.settings if setting.differs]
    assert any_lab.provider.destroy("default", "tiny")
    assert any_lab.remains() == set()
    assert any_lab.provider.destroy("default", "tiny") == ()
    assert any_lab.provider.observe(vm) is None


def test_applying_twice_changes_nothing(any_lab: Lab) -> None:
    apply(any_lab, any_lab.vm())
    before = any_lab.remains()
    assert verbs(apply(any_lab, any_lab.vm())) == ["keep"]
    assert any_lab.remains() == before


def test_a_power_cycle_is_part_of_the_plan_that_is_agreed_to(any_lab: Lab) -> None:
    apply(any_lab, any_lab.vm())
    off = any_lab.vm(nested=False)
    plan = any_lab.provider.plan(off)
    assert verbs(plan)[0] == "stop"
    assert any("nested yes → no" in step.detail for step in plan.steps)
    still = any_lab.provider.observe(off)
    assert still is not None
    assert still.running
    any_lab.provider.apply(plan, quiet)
    seen = any_lab.provider.observe(off)
    assert seen is not None
    assert (seen.running, seen.asked, seen.got) == (True, Asked.OFF, False)


def test_power_off_and_on(any_lab: Lab) -> None:
    assert "start" not in verbs(apply(any_lab, any_lab.vm(power_on=False)))
    seen = any_lab.provider.observe(any_lab.vm())
    assert seen is not None
    assert (seen.running, seen.got) == (False, None)
    assert verbs(apply(any_lab, any_lab.vm())) == ["start"]
    assert verbs(apply(any_lab, any_lab.vm(power_on=False))) == ["stop"]


def test_two_vms_do_not_meet(any_lab: Lab) -> None:
    apply(any_lab, any_lab.vm())
    apply(any_lab, any_lab.vm(name="other", nested=False))
    any_lab.provider.destroy("default", "other")
    seen = any_lab.provider.observe(any_lab.vm())
    assert seen is not None
    assert (seen.running, seen.asked) == (True, Asked.ON)


def test_what_is_not_there_says_so(any_lab: Lab) -> None:
    with pytest.raises(ProviderError, match="it does not exist at") as caught:
        any_lab.provider.fetch_report(any_lab.vm(), 1, quiet)
    assert caught.value.hint
    apply(any_lab, any_lab.vm(power_on=False))
    with pytest.raises(ProviderError, match="no report: it is"):
        any_lab.provider.fetch_report(any_lab.vm(), 2, quiet)
    heard = hear(any_lab.provider, any_lab.vm(), 1, quiet)
    assert heard.report is None
    assert heard.detail.startswith("no report: it is")


def test_a_disk_does_not_shrink(any_lab: Lab) -> None:
    apply(any_lab, any_lab.vm(disk_gib=4, power_on=False))
    with pytest.raises(ProviderError, match=r"vm\.yaml:16:5: its disk of 4 GiB cannot shrink to 3 GiB") as caught:
        any_lab.provider.plan(any_lab.vm(disk_gib=3, power_on=False))
    assert caught.value.refused
