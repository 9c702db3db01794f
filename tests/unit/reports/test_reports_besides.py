"""What is said beside the verdicts: exit costs, and who is shown vmx or svm for nothing."""

import msgspec
from chain_factory import host

from hostcheck.model import Chain, Evidence, Finding, Status
from reports.besides import costs_text, exposed_text

IDLE = Finding("guest.exposure", Status.WARN, "svm is shown, and nothing uses it")
SLOW = Finding("kvm.exit-cost", Status.WARN, "slow", evidence=(Evidence("KVM_RUN", "median 90.00 µs, in a VM"),))
NOTHING = Finding("nested.exit-cost", Status.SKIP, "KVM offers guests nothing to nest with")


def machine(name: str, *findings: Finding) -> Chain:
    return msgspec.structs.replace(host(name), findings=findings)


def test_costs_are_told_with_their_environment_and_a_grade() -> None:
    text = costs_text([machine("kvm07", SLOW, NOTHING)], width=100)
    assert text == (
        "! kvm07: an exit of a guest: slow: median 90.00 µs, in a VM\n"
        "– kvm07: an exit of a guest's guest: KVM offers guests nothing to nest with\n"
    )
    assert costs_text([machine("kvm07", SLOW)], ascii=True).isascii()


def test_a_fleet_hears_who_is_shown_it_for_nothing() -> None:
    fleet = [machine("web\x1b[2J", IDLE), machine("kvm1")]
    text = exposed_text(fleet, width=100)
    assert "shown to 1 of 2 that do not use it: web" in text and "\x1b" not in text
    assert exposed_text(fleet[1:]) == exposed_text(fleet[:1]) == ""


def test_of_very_many_some_are_named_and_the_others_counted() -> None:
    text = exposed_text([machine(f"vm{n}", IDLE) for n in range(30)], width=400)
    assert "30 of 30" in text and "vm19 and 10 others" in text
