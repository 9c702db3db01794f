"""The list of results: complete, each with an identity that does not change with what was found."""

import msgspec
import pytest
from chain_factory import HOST_LINKS, fleet, host, nobody_in_a_vm, pvm_host, silent_vm, tcg_vm, vm, vm_without_nesting

from hostcheck.chain import unreached_chain, vm_chain
from hostcheck.judge import judge
from hostcheck.model import Accelerator, Asked, Chain, Finding, Link, Status, VmView
from hostcheck.report import Report, Subject
from reports.observations import CHECKS, Observation, observations
from reports.rows import VM_ONLY, row_of


def seen(chain: Chain) -> list[Observation]:
    return list(observations(row_of(chain)))


@pytest.mark.parametrize(
    "chain", [*fleet(4, 2), pvm_host(), tcg_vm(), nobody_in_a_vm(), unreached_chain("k", "no route")]
)
def test_every_result_has_a_name_of_its_own(chain: Chain) -> None:
    keys = [observation.key for observation in seen(chain)]
    assert len(keys) == len(set(keys))


def test_a_host_is_not_asked_what_only_a_vm_can_be() -> None:
    links = [observation.link for observation in seen(host())]
    assert links == [which for which in Link if which not in VM_ONLY]
    assert len(seen(vm())) == len(Link)


def test_what_a_vm_was_told_of_its_host_is_named_so() -> None:
    named = {observation.link: observation.key.startswith("host/") for observation in seen(vm())}
    assert named == {which: which in HOST_LINKS for which in Link}


def test_every_link_has_a_check_also_where_nothing_was_heard() -> None:
    assert set(CHECKS) == set(Link)
    checks = {o.link: o.check for o in seen(silent_vm()) if o.status is Status.UNKNOWN}
    assert checks[Link.GUEST_RAN] == "kvm.run"


def test_nothing_that_a_vm_said_hides_behind_what_its_host_said() -> None:
    """Both were asked whether firmware is on; only the host's answer is a link of the chain."""
    report = Report("nestproof.report/1", Subject(hostname="guest"), 0.0, {})
    guest, kvm = judge(report), judge(report, "kvm07")
    view = VmView("a/b", "libvirt", True, Asked.ON, feature="svm", got=True, accelerator=Accelerator.KVM)
    keys = [observation.key for observation in seen(vm_chain(view, guest, kvm))]
    assert len(keys) == len(set(keys))
    assert {"host/firmware.virtualization", "firmware.virtualization", "nested.parameter", "nested.run"} <= set(keys)


def test_cause_and_consequence_are_told_apart() -> None:
    assert [o.link for o in seen(vm_without_nesting()) if o.cause] == [Link.VM_ASKS]
    chain = host()
    failed = Finding("check.offered", Status.FAIL, chain.links[4].summary, follows="cpu.virtualization")
    (offered,) = [o for o in seen(msgspec.structs.replace(chain, findings=(failed,))) if o.link is Link.OFFERED]
    assert offered.follows == "cpu.virtualization"
