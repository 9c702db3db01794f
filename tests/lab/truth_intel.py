"""Intel: kvm_intel's parameters on a Broadwell, and every model that Bochs has."""

from truth_scenarios import (
    DEGRADED,
    FIRMWARE,
    NESTED_OFF,
    NO_PAGES,
    NO_PAGING,
    PASS,
    UNSUPPORTED,
    WARN,
    WORKS,
    WRONG,
    Expected,
    Scenario,
    both,
)

from hostcheck.model import Status

BROADWELL = (
    Scenario(
        "intel-broadwell-nested",
        "nesting on",
        "broadwell",
        "modprobe kvm_intel nested=1",
        Expected(
            DEGRADED,
            "kvm.run",
            DEGRADED,
            "nested.run",
            (("nested.paging", PASS), ("nested.unrestricted-guest", PASS), ("nested.shadow-vmcs", PASS)),
        ),
    ),
    Scenario(
        "intel-nested-off",
        "kvm_intel nested=0",
        "broadwell",
        "modprobe kvm_intel nested=0",
        NESTED_OFF,
        check="nested.parameter",
        remedy="module.nested-on",
        mended=WORKS,
    ),
    Scenario(
        "intel-ept-off",
        "kvm_intel ept=0",
        "broadwell",
        "modprobe kvm_intel nested=1 ept=0",
        NO_PAGES,
        check="kvm.paging",
        remedy="module.parameter-on",
        mended=WORKS,
    ),
    Scenario(
        "intel-unrestricted-guest-off",
        "kvm_intel unrestricted_guest=0",
        "broadwell",
        "modprobe kvm_intel nested=1 unrestricted_guest=0",
        Expected(
            DEGRADED,
            "kvm.run",
            DEGRADED,
            "nested.run",
            (("kvm.unrestricted-guest", WARN), ("nested.unrestricted-guest", WARN), ("nested.paging", PASS)),
        ),
        check="kvm.unrestricted-guest",
        remedy="module.parameter-on",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("kvm.unrestricted-guest", PASS),)),
    ),
    Scenario(
        "intel-shadow-vmcs-off",
        "kvm_intel enable_shadow_vmcs=0",
        "broadwell",
        "modprobe kvm_intel nested=1 enable_shadow_vmcs=0",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.shadow-vmcs", WARN), ("nested.paging", PASS))),
        check="nested.shadow-vmcs",
        remedy="module.parameter-on",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.shadow-vmcs", PASS),)),
    ),
    Scenario(
        "intel-wrong-vendor",
        "somebody tried kvm_amd on an Intel CPU",
        "broadwell",
        "! modprobe kvm_amd",
        both(WRONG, "kvm.module"),
        check="kvm.module",
        remedy="module.load",
        mended=WORKS,
    ),
)


def intel(machine: str, *shows: tuple[str, Status]) -> Scenario:
    """One Intel model with nesting on; all of these have EPT."""
    expected = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.paging", PASS), *shows))
    return Scenario(f"intel-{machine}-nested", "nesting on", machine, "modprobe kvm_intel nested=1", expected)


URG, NO_URG = ("nested.unrestricted-guest", PASS), ("nested.unrestricted-guest", WARN)
SHADOW, NO_SHADOW = ("nested.shadow-vmcs", PASS), ("nested.shadow-vmcs", WARN)
MODELS = (
    Scenario(
        "intel-penryn-nested",
        "nesting on",
        "penryn",
        "modprobe kvm_intel nested=1",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (*NO_PAGING, NO_URG, NO_SHADOW)),
    ),
    intel("lynnfield", NO_URG, NO_SHADOW),
    intel("arrandale", URG, NO_SHADOW),
    intel("sandy-bridge", URG, NO_SHADOW),
    intel("ivy-bridge", URG, NO_SHADOW),
    intel("haswell", URG, SHADOW),
    intel("skylake", URG, SHADOW),
    intel("cannon-lake", URG, SHADOW),
    Scenario(
        "intel-without-vmx",
        "a CPU without VMX",
        "prescott",
        "! modprobe kvm_intel",
        both(UNSUPPORTED, "cpu.virtualization"),
        check="cpu.virtualization",
    ),
    Scenario(
        "intel-firmware-off",
        "VMX locked off by the firmware",
        "broadwell-off",
        "! modprobe kvm_intel",
        both(FIRMWARE, "firmware.virtualization"),
        check="firmware.virtualization",
        remedy="firmware.enable-by-hand",
        unmended="a menu of the firmware; with VMX on in it, the same machine is intel-broadwell-nested",
    ),
)
