"""What KVM can do, and how well nesting will go: capabilities, VMX capability MSRs, SVM's feature leaf."""

from agent.facts import NotOk
from agent.kvm.ioctls import CHECK_EXTENSION, get_msr, opened, plain

CAPABILITIES = (
    ("irqchip", 0),
    ("user_memory", 3),
    ("nr_vcpus", 9),
    ("nr_memslots", 10),
    ("ept_identity_map", 37),
    ("hyperv", 44),
    ("tsc_control", 60),
    ("max_vcpus", 66),
    ("x86_smm", 117),
    ("split_irqchip", 121),
    ("max_vcpu_id", 128),
    ("immediate_exit", 136),
    ("get_msr_features", 153),
    ("nested_state_bytes", 157),
    ("ppc_nested_hv", 160),
    ("hyperv_enlightened_vmcs", 163),
    ("pmu", 212),
    ("vm_types", 235),
    ("arm_el2", 240),
    ("arm_el2_e2h0", 241),
)
# name, MSR, bit of its 64 (the high half of a control MSR says what may be 1); Intel SDM vol. 3, appendix A
VMX = (
    ("ept", 0x48B, 33),
    ("x2apic_virtualization", 0x48B, 36),
    ("vpid", 0x48B, 37),
    ("unrestricted_guest", 0x48B, 39),
    ("apic_register_virtualization", 0x48B, 40),
    ("virtual_interrupt_delivery", 0x48B, 41),
    ("vmfunc", 0x48B, 45),
    ("shadow_vmcs", 0x48B, 46),
    ("pml", 0x48B, 49),
    ("mode_based_execute", 0x48B, 54),
    ("tsc_scaling", 0x48B, 57),
    ("preemption_timer", 0x481, 38),
    ("posted_interrupts", 0x481, 39),
    ("secondary_controls", 0x482, 63),
    ("ept_execute_only", 0x48C, 0),
    ("ept_2m", 0x48C, 16),
    ("ept_1g", 0x48C, 17),
    ("ept_accessed_dirty", 0x48C, 21),
    ("invept", 0x48C, 20),
    ("invvpid", 0x48C, 32),
    ("vmwrite_any_field", 0x485, 29),
)
# bits of CPUID 0x8000000A EDX; AMD APM vol. 3, appendix E
SVM = (
    ("npt", 0),
    ("lbr_virtualization", 1),
    ("svm_lock", 2),
    ("nrip_save", 3),
    ("tsc_scaling", 4),
    ("vmcb_clean", 5),
    ("flush_by_asid", 6),
    ("decode_assists", 7),
    ("pause_filter", 10),
    ("pause_threshold", 12),
    ("avic", 13),
    ("virtual_vmload_vmsave", 15),
    ("vgif", 16),
    ("x2avic", 18),
    ("vnmi", 25),
    ("address_check", 28),
)


def capabilities(machine):
    """Return {name: KVM_CHECK_EXTENSION's answer} for the capabilities that matter here; 0 is "no"."""
    kvm = opened(machine)
    return {name: plain(kvm, CHECK_EXTENSION, number) for name, number in CAPABILITIES}


def features(machine):
    """Return what a guest could use for its own guests, decoded by name, and the raw numbers behind."""
    from agent.kvm.offered import offered

    offer = offered(machine)
    value = {}  # type: dict
    if offer["vmx"]:
        kvm = opened(machine)
        msrs = {number: get_msr(kvm, number) for number in range(0x480, 0x493)}
        value["vmx"] = {name: bool((msrs[number] or 0) >> bit & 1) for name, number, bit in VMX}
        value["msrs"] = {"0x%x" % number: msrs[number] for number in sorted(msrs) if msrs[number] is not None}
    if offer["svm"]:
        value["svm"] = {name: bool(offer["svm_features"] >> bit & 1) for name, bit in SVM}
    if not value:
        raise NotOk("absent", "KVM offers neither vmx nor svm to guests")
    return value
