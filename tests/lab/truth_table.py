"""The truth table: machines whose state is known, and what must be said of each. Measured, and held by `make lab`."""

from truth_amd import EPYC_612, EPYC_BUSY, EPYC_MODULES, PHENOM, TRINITY
from truth_device import DEVICE
from truth_intel import BROADWELL, MODELS
from truth_scenarios import DEGRADED, PASS, UNSUPPORTED, WARN, Expected, Machine, Scenario, both

UDEV = "mkdir -p /run/udev && /lib/systemd/systemd-udevd --daemon"
MACHINES = (
    Machine("epyc", "AMD EPYC, Linux 6.1", "tcg", prepare=UDEV, cmdline="msr.allow_writes=on"),
    Machine("epyc-6.12", "AMD EPYC, Linux 6.12", "tcg", suite="backports", cmdline="msr.allow_writes=on"),
    Machine("phenom", "AMD Phenom, Linux 6.1", "tcg", cpu="phenom,+svm,-cx16", cmdline="kvm_amd.nested=0"),
    Machine("epyc-no-svm", "AMD EPYC without svm, Linux 6.1", "tcg", cpu="EPYC,-svm,-x2apic,-cx16"),
    Machine("haswell-no-vmx", "Intel Haswell as QEMU emulates it, Linux 6.1", "tcg", cpu="Haswell,-x2apic,-cx16"),
    Machine("libvirt", "A VM of libvirt with an AMD EPYC, Linux 6.1", "libvirt", cpu="EPYC,-svm,-x2apic,-cx16"),
    Machine("broadwell", "Intel Broadwell, Linux 6.1", "bochs", cpu="broadwell_ult"),
    Machine("penryn", "Intel Penryn (no EPT), Linux 6.1", "bochs", cpu="core2_penryn_t9600"),
    Machine("lynnfield", "Intel Lynnfield (EPT only), Linux 6.12", "bochs", cpu="corei5_lynnfield_750",
            suite="backports"),
    Machine("arrandale", "Intel Arrandale, Linux 6.1", "bochs", cpu="corei5_arrandale_m520"),
    Machine("sandy-bridge", "Intel Sandy Bridge, Linux 6.1", "bochs", cpu="corei7_sandy_bridge_2600k"),
    Machine("ivy-bridge", "Intel Ivy Bridge, Linux 6.1", "bochs", cpu="corei7_ivy_bridge_3770k"),
    Machine("haswell", "Intel Haswell, Linux 6.1", "bochs", cpu="corei7_haswell_4770"),
    Machine("skylake", "Intel Skylake-X, Linux 6.1", "bochs", cpu="corei7_skylake_x"),
    Machine("cannon-lake", "Intel Cannon Lake, Linux 6.1", "bochs", cpu="corei3_cnl"),
    Machine("trinity", "AMD Trinity, Linux 6.1", "bochs", cpu="trinity_apu"),
    Machine("prescott", "Intel Pentium 4 Prescott (no VMX), Linux 6.1", "bochs", cpu="p4_prescott_celeron_336"),
    Machine("broadwell-off", "Intel Broadwell, VMX locked off by its BIOS, Linux 6.1", "bochs", firmware_off=True),
)  # fmt: skip

NO_FEATURE = (
    Scenario(
        "vm-without-svm",
        "the VM's CPU model lacks svm",
        "epyc-no-svm",
        "! modprobe kvm_amd",
        both(UNSUPPORTED, "cpu.virtualization"),
        check="cpu.virtualization",
        remedy="vm.libvirt",
        unmended="QEMU was started by hand: in libvirt-cpu-without-svm libvirt starts it",
    ),
    Scenario(
        "vm-without-vmx",
        "the VM's CPU model lacks vmx",
        "haswell-no-vmx",
        "! modprobe kvm_intel",
        both(UNSUPPORTED, "cpu.virtualization"),
        check="cpu.virtualization",
        remedy="vm.libvirt",
        unmended="QEMU was started by hand: in libvirt-cpu-without-svm libvirt starts it",
    ),
)
NONE = both(UNSUPPORTED, "cpu.virtualization", ("guest.exposure", PASS))
SHOWN = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.paging", PASS), ("guest.exposure", WARN)))
BY_LIBVIRT = (
    Scenario(
        "libvirt-cpu-without-svm",
        "the VM's CPU model lacks svm",
        "libvirt",
        "modprobe kvm_amd || true",
        NONE,
        check="cpu.virtualization",
        remedy="vm.libvirt",
        mended=SHOWN,
    ),
    Scenario(
        "libvirt-svm-unused",
        "svm is shown to the VM, and nothing in it runs or manages VMs",
        "libvirt",
        "modprobe kvm_amd || true",
        SHOWN,
        check="guest.exposure",
        remedy="hide.libvirt",
        mended=NONE,
    ),
)
SCENARIOS = (
    *EPYC_MODULES,
    *DEVICE,
    *EPYC_BUSY,
    *EPYC_612,
    *PHENOM,
    *NO_FEATURE,
    *BY_LIBVIRT,
    *BROADWELL,
    *MODELS,
    *TRINITY,
)
