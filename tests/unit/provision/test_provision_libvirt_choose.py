"""Which accelerator and feature a VM gets, over policy, nesting, capabilities and the host's own judgement."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from vm_factory import image, wanted

from hostcheck.model import Accelerator, Answer, Judgement, Verdict
from provision.model import AccelPolicy
from provision.provider import ProviderError
from provision.providers.libvirt.choose import choose
from provision.providers.libvirt.offer import Offer

KVM_SVM = Offer(Accelerator.KVM, True, native="svm", feature="svm")
KVM_VMX = Offer(Accelerator.KVM, True, native="vmx", feature="vmx")
KVM_BARE = Offer(Accelerator.KVM, True, native="svm")
NO_KVM = Offer(Accelerator.KVM, False, "KVM is not supported by '/usr/bin/qemu-system-x86_64' on this host")
TCG = Offer(Accelerator.TCG, True, native="svm", feature="svm")
OLD_TCG = Offer(Accelerator.TCG, True, native="svm")


def host(runs: Verdict, nests: Verdict = Verdict.UNSUPPORTED) -> Judgement:
    return Judgement("here", Answer(runs, "as measured"), Answer(nests, "nothing offered"), ())


def vm(policy: AccelPolicy, *, nested: bool):  # type: ignore[no-untyped-def]
    return wanted(image(Path("tiny.img")), accel=policy, nested=nested)


@pytest.mark.parametrize(("kvm", "feature"), [(KVM_SVM, "svm"), (KVM_VMX, "vmx")])
@pytest.mark.parametrize("policy", [AccelPolicy.KVM, AccelPolicy.AUTO])
@pytest.mark.parametrize("judged", [None, host(Verdict.PROVEN), host(Verdict.DEGRADED), host(Verdict.UNKNOWN)])
def test_kvm_that_offers_the_feature_is_taken(kvm, feature, policy, judged):  # type: ignore[no-untyped-def]
    choice = choose(vm(policy, nested=True), kvm, TCG, judged)
    assert (choice.accelerator, choice.feature, choice.notes) == (Accelerator.KVM, feature, ())


@pytest.mark.parametrize("kvm", [KVM_BARE, NO_KVM])
def test_auto_emulates_and_says_why_when_kvm_offers_nothing(kvm: Offer) -> None:
    choice = choose(vm(AccelPolicy.AUTO, nested=True), kvm, TCG, host(Verdict.PROVEN))
    assert (choice.accelerator, choice.feature) == (Accelerator.TCG, "svm")
    assert "will be emulated (QEMU TCG with AMD SVM), because" in choice.notes[0]
    assert ("not supported by" if kvm is NO_KVM else "neither vmx nor svm") in choice.notes[0]


def test_kvm_without_the_feature_is_refused_at_the_line_of_nested_virtualization() -> None:
    with pytest.raises(ProviderError, match=r"^vm\.yaml:14:5: it needs KVM, but .*neither vmx nor svm") as caught:
        choose(vm(AccelPolicy.KVM, nested=True), KVM_BARE, TCG, host(Verdict.PROVEN))
    assert caught.value.refused
    assert "nestproof.org/accel: auto" in caught.value.hint
    assert "nothing offered" in str(caught.value)


def test_a_host_whose_kvm_is_blocked_is_refused_with_its_own_reason() -> None:
    blocked = Judgement("here", Answer(Verdict.BLOCKED_POLICY, "EACCES on /dev/kvm"), Answer(Verdict.UNKNOWN, ""), ())
    with pytest.raises(ProviderError, match="BLOCKED_POLICY: EACCES on /dev/kvm"):
        choose(vm(AccelPolicy.KVM, nested=True), KVM_SVM, TCG, blocked)
    assert choose(vm(AccelPolicy.AUTO, nested=True), KVM_SVM, TCG, blocked).accelerator is Accelerator.TCG


@pytest.mark.parametrize(
    ("judged", "accelerator"),
    [
        (None, Accelerator.KVM),
        (host(Verdict.PROVEN), Accelerator.KVM),
        (host(Verdict.DEGRADED), Accelerator.TCG),
        (host(Verdict.UNKNOWN), Accelerator.TCG),
        (host(Verdict.MISCONFIGURED), Accelerator.TCG),
    ],
)
def test_without_nesting_auto_takes_kvm_only_where_it_was_proven(judged, accelerator):  # type: ignore[no-untyped-def]
    choice = choose(vm(AccelPolicy.AUTO, nested=False), KVM_BARE, TCG, judged)
    assert (choice.accelerator, choice.feature) == (accelerator, "svm")
    assert bool(choice.notes) == (accelerator is Accelerator.TCG)


def test_emulation_that_was_asked_for_looks_at_no_kvm() -> None:
    choice = choose(vm(AccelPolicy.TCG, nested=True), KVM_VMX, TCG, host(Verdict.PROVEN))
    assert (choice.accelerator, choice.feature) == (Accelerator.TCG, "svm")
    assert "as asked for" in choice.notes[0]


def test_an_emulator_without_svm_is_refused_for_nesting_and_taken_without() -> None:
    with pytest.raises(ProviderError, match="offers no svm"):
        choose(vm(AccelPolicy.AUTO, nested=True), NO_KVM, OLD_TCG, None)
    assert choose(vm(AccelPolicy.AUTO, nested=False), NO_KVM, OLD_TCG, None).accelerator is Accelerator.TCG


def test_a_host_without_qemu_is_refused() -> None:
    with pytest.raises(ProviderError, match="cannot emulate an x86_64 CPU there: no emulator"):
        choose(vm(AccelPolicy.AUTO, nested=True), NO_KVM, Offer(Accelerator.TCG, False, "no emulator"), None)


def test_several_emulated_cpus_are_warned_of_where_their_kernel_patches_itself() -> None:
    for cpus, nested, warned in ((1, True, False), (2, True, True), (2, False, False)):
        notes = choose(replace(vm(AccelPolicy.TCG, nested=nested), cpus=cpus), NO_KVM, TCG, None).notes
        assert ("spec.resources.cpu: 1" in notes[-1]) is warned, (cpus, nested)
