"""How well nesting will go: what guests are offered for their own guests, one check a feature."""

from functools import partial

import msgspec

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.modules import ENGINE_FACTS, is_on, running_backend
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.modules import PARAMETER_ON

MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


class Feature(msgspec.Struct, frozen=True):
    """A feature that guests are offered, and what its absence costs them."""

    id: str
    kind: str
    key: str
    name: str
    why: str
    link: str


FEATURES = (
    Feature(
        "nested.unrestricted-guest", "vmx", "unrestricted_guest", "unrestricted guest",
        "Without it a guest's KVM emulates the real mode of its own guests: their firmware is slow, some do not start, "
        "and Kata Containers refuses.",
        "Intel SDM vol. 3, 27.3.1.2 Unrestricted Guests",
    ),
    Feature(
        "nested.apicv", "vmx", "virtual_interrupt_delivery", "virtual interrupt delivery (APICv)",
        "Without it every interrupt of a guest's guest costs exits through two levels.",
        "Intel SDM vol. 3, chapter 30 APIC Virtualization and Virtual Interrupts",
    ),
    Feature(
        "nested.vpid", "vmx", "vpid", "VPID",
        "Without it the TLB is flushed at every entry into a guest's guest and every exit.",
        "Intel SDM vol. 3, 29.1 Virtual Processor Identifiers",
    ),
    Feature(
        "nested.nrip-save", "svm", "nrip_save", "next-RIP saving (nRIP)",
        "Without it a guest's hypervisor has to decode each intercepted instruction, and some refuse to start.",
        "AMD APM vol. 2, 15.7.1 State Saved on Exit",
    ),
    Feature(
        "nested.vgif", "svm", "vgif", "virtual GIF",
        "Without it STGI and CLGI, two for each entry into a guest's guest, exit to this machine.",
        "AMD APM vol. 2, 15.33.2 Virtual GIF",
    ),
    Feature(
        "nested.virtual-vmload", "svm", "virtual_vmload_vmsave", "virtual VMLOAD and VMSAVE",
        "Without it VMLOAD and VMSAVE, two for each entry into a guest's guest, exit to this machine.",
        "AMD APM vol. 2, 15.33.1 Virtual VMLOAD and VMSAVE",
    ),
    Feature(
        "nested.flush-by-asid", "svm", "flush_by_asid", "flush by ASID",
        "Without it a guest's hypervisor flushes the whole TLB where one guest's part would do.",
        "AMD APM vol. 2, 15.16.2 Flush by ASID",
    ),
)  # fmt: skip


def _judge(facts: Facts, feature: Feature) -> Outcome:
    offered = facts.offered.known
    if facts.vendor_module and facts.vendor_module != MODULES[feature.kind]:
        return Outcome(SKIP, f"{feature.kind} is of another vendor's CPUs")
    if offered is not None and not getattr(offered, feature.kind):
        return Outcome(SKIP, f"guests are not offered {feature.kind}")
    found = facts.features.known
    table = getattr(found, feature.kind) if found else None
    if offered is None or table is None or feature.key not in table:
        return Outcome(UNKNOWN, f"what guests are offered is not known: {facts.features.error or facts.offered.error}")
    evidence = (Evidence(facts.features.source, f"{feature.key}={int(table[feature.key])}"),)
    if table[feature.key]:
        return Outcome(PASS, f"guests are offered {feature.name}", evidence)
    return Outcome(WARN, f"guests are not offered {feature.name}", evidence)


for _feature in FEATURES:
    check(
        _feature.id,
        question=f"Are guests offered {_feature.name} for their own guests?",
        why=_feature.why,
        judged="What KVM answers about its own capabilities decides (KVM_GET_MSRS, KVM_GET_SUPPORTED_CPUID): not what "
        "this CPU has, but what its guests get. Warns when it is missing.",
        severity=Severity.DEGRADES,
        facts=("cpu.identity", "cpu.flags", "cpu.cpuid", "kvm.offered", "kvm.features"),
        gives=(PASS, WARN, SKIP, UNKNOWN),
        links=(_feature.link,),
    )(partial(_judge, feature=_feature))


@check(
    "nested.shadow-vmcs",
    question="Do a guest's VMREAD and VMWRITE stay in the guest (shadow VMCS)?",
    why="Without it each of the dozens that a guest's hypervisor executes per exit of its guest exits to this machine: "
    "the largest single cost of nesting on Intel.",
    judged="The running value of enable_shadow_vmcs of kvm_intel. KVM shows the feature to guests either way, by "
    "emulating it, so what guests see does not tell. Warns on N.",
    severity=Severity.DEGRADES,
    facts=(*ENGINE_FACTS, "kvm.offered", "cpu.vmx_flags"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("module.parameter-on",),
    links=("Linux, arch/x86/kvm/vmx/nested.c: nested_vmx_setup_secondary_ctls", "Intel SDM vol. 3, 25.10 VMCS Types"),
)
def nested_shadow_vmcs(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    offered = facts.offered.known
    if backend is None or backend[0] != "kvm_intel" or (offered is not None and not offered.vmx):
        return Outcome(SKIP, "guests are not offered vmx by kvm_intel")
    value = backend[1].parameters.get("enable_shadow_vmcs")
    if value is None:
        return Outcome(UNKNOWN, "the parameter enable_shadow_vmcs of kvm_intel could not be read")
    evidence = (Evidence("/sys/module/kvm_intel/parameters/enable_shadow_vmcs", value),)
    if is_on(value):
        return Outcome(PASS, "shadow VMCS is used", evidence)
    switch = PARAMETER_ON.fill(facts, module="kvm_intel", parameter="enable_shadow_vmcs")
    has = "shadow_vmcs" in (facts.vmx_flags.known or ())  # the parameter is called otherwise than the flag
    return Outcome(WARN, "kvm_intel runs without shadow VMCS", evidence, (switch,) if has else ())
