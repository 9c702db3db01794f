"""Which accelerator a VM gets, and which of vmx and svm: decided by evidence, said aloud, or refused. Pure."""

import msgspec

from hostcheck.model import Accelerator, Evidence, Judgement, Verdict
from provision.model import AccelPolicy, CpuPolicy, VmSpec
from provision.provider import ProviderError
from provision.providers.libvirt.offer import Offer

NESTED = "VMClass spec.performanceProfile.nestedVirtualization"
ACCEL = "VirtualMachine metadata.annotations.nestproof.org/accel"
CPU = "VirtualMachine metadata.annotations.nestproof.org/cpu"
SEVERAL = (
    "with more than one emulated CPU a kernel that patches its own code, as KVM's does, now and then panics (int3) or "
    "hangs (seen with QEMU 7.2): spec.resources.cpu: 1 avoids that"
)
EMULATE = "or accept an emulated CPU: set the annotation nestproof.org/accel: auto on the VirtualMachine"


class Choice(msgspec.Struct, frozen=True):
    """How a VM will be run."""

    accelerator: Accelerator
    feature: str
    """The vendor's feature, svm or vmx: required when nesting was asked for, disabled when not; empty if unknown."""
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    passthrough: bool = False
    """The guest sees the host's CPU as it is. Nothing refuses to start it then when the feature is missing."""


def choose(vm: VmSpec, kvm: Offer | None, tcg: Offer, host: Judgement | None) -> Choice:
    """Decide. `kvm` is None where nobody asks for it, for a VM that is to be emulated. `host` is this machine's own
    judgement, None when the endpoint is elsewhere. Raises ProviderError."""
    evidence = [offer.evidence for offer in (kvm, tcg) if offer]
    if host:
        said = f"runs guests: {host.runs_guests.verdict}: {host.runs_guests.reason}"
        evidence.append(Evidence("this host's own report", said))
    if kvm is None or vm.accel is AccelPolicy.TCG:
        return _emulated(vm, tcg, "", tuple(evidence))
    against = _against_kvm(vm, kvm, host)
    if vm.accel is AccelPolicy.KVM and against:
        raise ProviderError(
            f"{where(vm, NESTED if vm.nested else ACCEL)}: it needs KVM, but {against}",
            hint=f"mend the host (nestproof check says how), {EMULATE}",
            refused=True,
        )
    if not against:
        passthrough = _passthrough(vm, kvm)
        return Choice(Accelerator.KVM, kvm.feature or kvm.native, (), tuple(evidence), passthrough)
    return _emulated(vm, tcg, against, tuple(evidence))


def _against_kvm(vm: VmSpec, kvm: Offer, host: Judgement | None) -> str:
    """Why KVM cannot give this VM what it asks for; empty when it can."""
    if not kvm.usable:
        return f"KVM is not usable there: {kvm.reason}"
    if vm.nested and not kvm.feature:
        reason = f" ({host.guests_nest.reason})" if host and not host.guests_nest.verdict.works else ""
        return f"KVM there offers guests neither vmx nor svm{reason}"
    if host is None:
        return ""
    good_enough = {Verdict.PROVEN}
    if vm.nested or vm.accel is AccelPolicy.KVM:  # emulation could not do better, or is not wanted
        good_enough |= {Verdict.DEGRADED, Verdict.CAPABLE, Verdict.UNKNOWN}
    if host.runs_guests.verdict in good_enough:
        return ""
    return f"KVM on this host is {host.runs_guests.verdict}: {host.runs_guests.reason}"


def _passthrough(vm: VmSpec, kvm: Offer) -> bool:
    if vm.cpu is CpuPolicy.HOST_PASSTHROUGH and not kvm.passthrough:
        raise ProviderError(f"{where(vm, CPU)}: libvirt there cannot show a guest the host's own CPU", refused=True)
    return vm.cpu is CpuPolicy.HOST_PASSTHROUGH


def _emulated(vm: VmSpec, tcg: Offer, against: str, evidence: tuple[Evidence, ...]) -> Choice:
    if not tcg.usable:
        raise ProviderError(f"{where(vm, ACCEL)}: QEMU cannot emulate an x86_64 CPU there: {tcg.reason}", refused=True)
    if vm.nested and tcg.feature != "svm":
        raise ProviderError(
            f"{where(vm, NESTED)}: this QEMU's emulator offers no svm to guests",
            hint="install a QEMU whose TCG emulates AMD SVM (4.2 or newer), or use a host whose KVM offers vmx or svm",
            refused=True,
        )
    why = f", because {against}" if against else ", as asked for by nestproof.org/accel: tcg"
    with_svm = " with AMD SVM" if vm.nested else ""
    if vm.cpu is CpuPolicy.HOST_PASSTHROUGH:
        raise ProviderError(
            f"{where(vm, CPU)}: host-passthrough needs KVM: an emulated CPU is never the host's{why}",
            hint="leave the annotation out, or use nestproof.org/accel: kvm on a host that can",
            refused=True,
        )
    note = f"the CPU will be emulated (QEMU TCG{with_svm}){why}; results are true, speed means nothing"
    notes = (note, SEVERAL) if vm.nested and vm.cpus > 1 else (note,)
    return Choice(Accelerator.TCG, "svm", notes, evidence)


def where(vm: VmSpec, path: str) -> str:
    """The place of a setting in the user's files, else of the VM's own document."""
    return str(vm.origins.get(path) or vm.origins["vm"])
