"""Chains: host, provider's view and guest joined, with the right link named as broken."""

import pytest
from machines import (
    amd_host,
    as_nobody,
    guest_without_feature,
    intel_host,
    no_device,
    not_offered,
    ok,
    pvm_vm,
    report,
    tcg_guest,
)

from hostcheck.chain import exposed, host_chain, vm_chain
from hostcheck.judge import judge
from hostcheck.model import Accelerator, Asked, Chain, Judgement, Link, Question, Status, Verdict, VmView


def cell(chain: Chain, link: Link) -> Status:
    return next(entry.status for entry in chain.links if entry.link is link)


def view(**changes: object) -> VmView:
    values: dict[str, object] = {
        "name": "default/vm",
        "provider": "libvirt qemu:///system",
        "running": True,
        "asked": Asked.ON,
        "asked_where": "vm.yaml:9",
        "feature": "svm",
        "got": True,
        "accelerator": Accelerator.KVM,
    }
    return VmView(**(values | changes))  # type: ignore[arg-type]


HOST = judge(report(amd_host()), "kvm07")
NESTED_OFF = judge(
    report(
        not_offered(amd_host()) | {"kvm.modules": ok({"kvm_amd": {"state": "loaded", "parameters": {"nested": "0"}}})}
    ),
    "kvm07",
)
GOOD_GUEST = judge(report(amd_host() | {"cpu.cpuid": ok({"vmx": False, "svm": True, "hypervisor": True})}), "vm")
BLIND_GUEST = judge(report(guest_without_feature()), "vm")


def test_every_chain_has_every_link_once_in_order() -> None:
    for chain in (host_chain(HOST), vm_chain(view(), GOOD_GUEST, HOST), vm_chain(view(), None, None)):
        assert [entry.link for entry in chain.links] == list(Link)


def test_a_good_host() -> None:
    chain = host_chain(HOST)
    assert (chain.verdict, chain.broken) == (Verdict.PROVEN, None)
    assert cell(chain, Link.VM_ASKS) is Status.SKIP
    assert cell(chain, Link.GUEST_RAN) is Status.PASS


def test_a_pvm_host_breaks_at_the_cpu_for_nesting_and_still_ran_a_guest() -> None:
    chain = host_chain(judge(report(pvm_vm()), "cloud"))
    assert (chain.verdict, chain.broken) == (Verdict.UNSUPPORTED, Link.CPU)
    assert chain.runs_guests.verdict is Verdict.DEGRADED
    assert cell(chain, Link.GUEST_RAN) is Status.PASS


def test_a_proven_vm() -> None:
    chain = vm_chain(view(), GOOD_GUEST, HOST)
    assert (chain.verdict, chain.broken, chain.host) == (Verdict.PROVEN, None, "kvm07")


def test_under_tcg_the_host_does_not_matter_and_the_emulation_is_said() -> None:
    chain = vm_chain(view(accelerator=Accelerator.TCG), judge(report(tcg_guest()), "vm"), judge(report(pvm_vm()), "h"))
    assert (chain.verdict, chain.broken) == (Verdict.DEGRADED, None)
    assert chain.emulated_cpu and "emulated" in chain.sentence
    assert cell(chain, Link.CPU) is Status.SKIP


def test_emulation_is_said_even_if_the_guest_does_not_notice() -> None:
    chain = vm_chain(view(accelerator=Accelerator.TCG), GOOD_GUEST, HOST)
    assert chain.verdict is Verdict.DEGRADED and "TCG" in chain.sentence


def test_off_in_the_manifest_is_the_cause_whatever_else_is_missing() -> None:
    off = view(asked=Asked.OFF, got=False)
    for host in (HOST, NESTED_OFF, None):
        chain = vm_chain(off, BLIND_GUEST, host)
        assert (chain.verdict, chain.broken) == (Verdict.MISCONFIGURED, Link.VM_ASKS)
        assert "vm.yaml:9" in chain.sentence
        assert next(c for c in chain.links if c.link is Link.VM_ASKS).remedies


def test_nested_off_on_the_host_is_blamed_on_the_host() -> None:
    chain = vm_chain(view(got=False), BLIND_GUEST, NESTED_OFF)
    assert (chain.verdict, chain.broken) == (Verdict.MISCONFIGURED, Link.NESTED_PARAMETER)
    assert "kvm07" in chain.sentence and "nested=0" in chain.sentence


def test_asked_and_not_got() -> None:
    chain = vm_chain(view(got=False), BLIND_GUEST, HOST)
    assert (chain.verdict, chain.broken) == (Verdict.MISCONFIGURED, Link.VM_GOT)


def test_got_by_the_provider_and_lost_before_the_guest() -> None:
    chain = vm_chain(view(), BLIND_GUEST, HOST)
    assert (chain.verdict, chain.broken) == (Verdict.UNSUPPORTED, Link.GUEST_CPU)


def test_a_guest_that_shows_the_feature_disproves_what_failed_before_it() -> None:
    """The host's report is older than the VM: contradictions stay visible, the cause is where it still breaks."""
    guest = no_device(amd_host()) | {"kvm.modules": ok({"kvm_amd": {"state": "available", "parameters": {}}})}
    chain = vm_chain(view(), judge(report(guest), "vm"), NESTED_OFF)
    assert chain.broken is Link.GUEST_MODULE
    assert cell(chain, Link.NESTED_PARAMETER) is Status.FAIL


def test_no_permission_in_the_guest() -> None:
    chain = vm_chain(view(), judge(report(as_nobody(intel_host())), "vm"), HOST)
    assert (chain.verdict, chain.broken) == (Verdict.BLOCKED_POLICY, Link.ACCESS)


def test_a_silent_vm_is_unknown_not_failed() -> None:
    chain = vm_chain(view(), None, HOST, "cloud-init never saw its seed")
    assert (chain.verdict, chain.broken) == (Verdict.UNKNOWN, None)
    assert "never saw its seed" in chain.sentence
    assert cell(chain, Link.GUEST_RAN) is Status.UNKNOWN


@pytest.mark.parametrize("host", [HOST, NESTED_OFF, None])
def test_of_a_vm_that_does_not_exist_nothing_is_known_and_its_host_is_not_blamed(host: Judgement | None) -> None:
    chain = vm_chain(view(running=False, exists=False), None, host, "it does not exist at qemu:///embed")
    assert (chain.verdict, chain.broken) == (Verdict.UNKNOWN, None)
    assert chain.sentence == "nothing is known of default/vm: it does not exist at qemu:///embed"
    assert {link.status for link in chain.links} == {Status.UNKNOWN}


def test_a_silent_vm_with_nesting_off_still_says_what_is_known_to_be_wrong() -> None:
    chain = vm_chain(view(asked=Asked.OFF, got=False), None, HOST, "no report")
    assert (chain.verdict, chain.broken) == (Verdict.MISCONFIGURED, Link.VM_ASKS)


def test_the_other_question_has_its_own_broken_link() -> None:
    """A user without permission on a machine without vmx and svm: two questions, two causes."""
    nobody = judge(report(as_nobody(pvm_vm(), "0600")), "cloud")
    assert host_chain(nobody).broken is Link.CPU
    chain = host_chain(nobody, Question.RUNS_GUESTS)
    assert (chain.verdict, chain.broken) == (Verdict.BLOCKED_POLICY, Link.ACCESS)
    assert chain.sentence.startswith("cloud cannot run VMs: nobody may not open")


def test_a_confidential_vm_is_the_cause_where_the_cpu_would_be_blamed() -> None:
    """Nobody is told to expose svm to a VM that cannot use it: the link shows what cannot be mended there."""
    snp = {"machine.confidential": ok({"kind": "sev-snp", "why": "/dev/sev-guest"})}
    judged = judge(report(guest_without_feature() | snp), "vm")
    chain = host_chain(judged)
    assert (chain.verdict, chain.broken) == (Verdict.BLOCKED_POLICY, Link.CPU)
    shown = next(entry for entry in chain.links if entry.link is Link.CPU)
    assert (shown.check, [remedy.id for remedy in shown.remedies]) == ("machine.confidential", ["vm.ordinary"])
    blamed = judged.finding("cpu.virtualization")
    assert blamed is not None and blamed.follows == "machine.confidential"
    chain = vm_chain(view(), judged, HOST)
    assert (chain.verdict, chain.broken) == (Verdict.BLOCKED_POLICY, Link.GUEST_CPU)
    assert "sev-snp" in chain.sentence


def test_a_confidential_vm_that_shows_svm_and_refuses_kvm() -> None:
    snp = {"machine.confidential": ok({"kind": "sev-snp", "why": "/dev/sev-guest"})}
    chain = host_chain(judge(report(no_device(tcg_guest()) | snp), "vm"), Question.RUNS_GUESTS)
    assert (chain.verdict, chain.broken) == (Verdict.BLOCKED_POLICY, Link.CPU)
    assert cell(chain, Link.CPU) is Status.FAIL


def test_a_vm_that_has_more_than_it_asked_for_is_named_and_not_sent_to_switch_it_on() -> None:
    chain = vm_chain(view(asked=Asked.OFF, got=True), None, HOST, "no report")
    got = next(link for link in chain.links if link.link is Link.VM_GOT)
    assert got.status is Status.WARN and "does not ask for it" in got.summary
    assert chain.broken is None and chain.verdict is Verdict.UNKNOWN


def test_who_is_shown_vmx_or_svm_without_need_is_told_of_a_fleet() -> None:
    idle = amd_host() | {"cpu.cpuid": ok({"vmx": False, "svm": True, "hypervisor": True})}
    idle |= {"machine.rivals": ok({"modules": [], "processes": {}, "xen_dom0": False, "own_pid_namespace": False})}
    busy = idle | {"machine.rivals": ok({"modules": [], "processes": {"qemu": 1}, "own_pid_namespace": False})}
    chains = [
        host_chain(judge(report(idle), "web7")),
        host_chain(judge(report(busy), "kvm1")),
        host_chain(judge(report(guest_without_feature()), "db2")),
        vm_chain(view(asked=Asked.OFF, got=True), None, None),
        vm_chain(view(), None, None),
    ]
    assert exposed(chains) == ("web7", "default/vm")
