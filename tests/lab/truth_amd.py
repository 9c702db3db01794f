"""AMD: kvm_amd's parameters, configuration and loading, other hypervisors beside it, and AMD's other models."""

from truth_scenarios import (
    AGENT,
    CONFLICT,
    DEGRADED,
    FAIL,
    LOADED,
    NESTED_OFF,
    NO_PAGES,
    PASS,
    WARN,
    WORKS,
    WRONG,
    Expected,
    Scenario,
    both,
)

# EFER.SVME set by somebody else, as a hypervisor of another make does it
HOLD_SVM = """modprobe msr
python3 -I -S -c '
import os, struct
fd = os.open("/dev/cpu/0/msr", os.O_RDWR)
efer, = struct.unpack("<Q", os.pread(fd, 8, 0xC0000080))
os.pwrite(fd, struct.pack("<Q", efer | 0x1000), 0xC0000080)'"""
NOBODY_TO_STOP = "the lab sets EFER.SVME by hand: there is no hypervisor to stop"
# VirtualBox's entry in /sys/module is made up; what the remedy changes, and is read back, is KVM's own
BESIDE_VIRTUALBOX = f"""unshare -m dash -c '
mkdir -p /tmp/sys && mount -o rbind /sys /tmp/sys && mount -t tmpfs none /sys/module && cd /sys/module &&
mkdir kvm kvm_amd vboxdrv && echo "VERSION" > vboxdrv/version &&
for m in kvm kvm_amd; do mount -o bind /tmp/sys/module/$m $m; done; {AGENT}'"""

EPYC_MODULES = (
    Scenario("amd-nested", "nesting on", "epyc", LOADED, WORKS),
    Scenario(
        "amd-nested-off", "kvm_amd nested=0", "epyc", "modprobe kvm_amd nested=0", NESTED_OFF,
        check="nested.parameter", remedy="module.nested-on", mended=WORKS,
    ),
    Scenario(
        "amd-nested-off-configured", "nested=0 in modprobe.d", "epyc",
        "echo options kvm_amd nested=0 > /etc/modprobe.d/kvm.conf; modprobe kvm_amd", NESTED_OFF,
        check="nested.parameter", remedy="module.nested-edit", mended=WORKS,
    ),
    Scenario(
        "amd-configured-not-reloaded", "nested=1 is configured, 0 runs", "epyc",
        "modprobe kvm_amd nested=0; echo options kvm_amd nested=1 > /etc/modprobe.d/kvm.conf",
        Expected(DEGRADED, "kvm.run", WRONG, "nested.parameter", (("module.drift", WARN),)),
        check="module.drift", remedy="module.reload",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.drift", PASS),)),
    ),
    Scenario(
        "amd-running-not-configured", "nested=1 runs, 0 is configured", "epyc",
        "modprobe kvm_amd nested=1; echo options kvm_amd nested=0 > /etc/modprobe.d/kvm.conf",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.drift", WARN),)),
        check="module.drift", remedy="module.persist",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.drift", PASS),)),
    ),
    Scenario(
        "amd-option-refused", "nested=Y is configured, which kvm_amd refuses at the next load", "epyc",
        "modprobe kvm_amd; echo options kvm_amd nested=Y > /etc/modprobe.d/kvm.conf",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.options", WARN),)),
        check="module.options", remedy="module.fix-option",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.options", PASS),)),
    ),
    Scenario(
        "amd-npt-off", "kvm_amd npt=0", "epyc", "modprobe kvm_amd npt=0", NO_PAGES,
        check="kvm.paging", remedy="module.parameter-on", mended=WORKS,
    ),
    Scenario(
        "amd-nothing-loaded", "no module loaded", "epyc", "", both(WRONG, "kvm.module"),
        check="kvm.module", remedy="module.load", mended=WORKS,
    ),
    Scenario(
        "amd-nothing-loaded-no-node", "no module loaded: what is said of the node", "epyc", "",
        both(WRONG, "kvm.module", ("kvm.device", FAIL)), check="kvm.device", remedy="device.make", mended=WORKS,
    ),
    Scenario(
        "amd-vendor-not-loaded", "kvm loaded, kvm_amd not", "epyc", "modprobe kvm", both(WRONG, "kvm.module"),
        check="kvm.module", remedy="module.load", mended=WORKS,
    ),
    Scenario(
        "amd-wrong-vendor", "somebody tried kvm_intel on an AMD CPU", "epyc", "! modprobe kvm_intel",
        both(WRONG, "kvm.module"), check="kvm.module", remedy="module.load", mended=WORKS,
    ),
    Scenario(
        "amd-blacklisted", "kvm_amd blacklisted in modprobe.d", "epyc",
        "echo blacklist kvm_amd > /etc/modprobe.d/blacklist-kvm.conf", both(WRONG, "kvm.module"),
        check="kvm.module", remedy="module.unblock", mended=WORKS,
    ),
    Scenario(
        "amd-install-false", "install kvm-amd /bin/false in modprobe.d", "epyc",
        "echo install kvm-amd /bin/false > /etc/modprobe.d/hardening.conf; ! modprobe kvm_amd",
        both(WRONG, "kvm.module"), check="kvm.module", remedy="module.unblock", mended=WORKS,
    ),
    Scenario(
        "amd-install-false-by-package", "the same in /lib/modprobe.d, as a package brings it", "epyc",
        "echo install kvm_amd /bin/false > /lib/modprobe.d/hardening.conf; ! modprobe kvm_amd",
        both(WRONG, "kvm.module"), check="kvm.module", remedy="module.override", mended=WORKS,
    ),
    Scenario(
        "amd-loaded-yet-blacklisted", "kvm_amd runs, and is blacklisted for the next boot", "epyc",
        f"{LOADED}; echo blacklist kvm-amd > /etc/modprobe.d/blacklist-kvm.conf",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.blacklist", WARN),)),
        check="module.blacklist", remedy="module.unblock",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("module.blacklist", PASS),)),
    ),
    Scenario(
        "amd-kernel-without-module", "a kernel packaged without kvm_amd", "epyc",
        "cd /lib/modules/*/ && mv kernel/arch/x86/kvm/kvm-amd.ko /tmp && depmod -a", both(WRONG, "kvm.module"),
        check="kvm.module", remedy="kernel.debian", unmended="a kernel is installed from a mirror, and booted",
    ),
)  # fmt: skip
EPYC_BUSY = (
    Scenario(
        "amd-busy", "another hypervisor holds SVM, Linux 6.1 (EBUSY)", "epyc", f"modprobe kvm_amd; {HOLD_SVM}",
        both(CONFLICT, "kvm.run"), check="kvm.run", remedy="rivals.stop-other", unmended=NOBODY_TO_STOP,
    ),
)  # fmt: skip
VIRTUALBOX = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("rivals.virt-at-load", WARN),))
BESIDE = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("rivals.virt-at-load", PASS),))
EPYC_612 = (
    Scenario("amd-6.12-nested", "nesting on", "epyc-6.12", "modprobe kvm_amd", WORKS),
    Scenario(
        "amd-6.12-nested-off",
        "kvm_amd nested=0",
        "epyc-6.12",
        "modprobe kvm_amd nested=0",
        NESTED_OFF,
        check="nested.parameter",
        remedy="module.nested-on",
        mended=WORKS,
    ),
    Scenario(
        "amd-6.12-npt-off",
        "kvm_amd npt=0",
        "epyc-6.12",
        "modprobe kvm_amd npt=0",
        NO_PAGES,
        check="kvm.paging",
        remedy="module.parameter-on",
        mended=WORKS,
    ),
    Scenario(
        "amd-6.12-virtualbox-7.0",
        "VirtualBox 7.0 beside KVM that holds SVM from its load on (VirtualBox's module is made up)",
        "epyc-6.12",
        "modprobe kvm_amd",
        VIRTUALBOX,
        BESIDE_VIRTUALBOX.replace("VERSION", "7.0.20_Debian r163906 (0x00330004)"),
        check="rivals.virt-at-load",
        remedy="rivals.virt-on-demand",
        mended=BESIDE,
    ),
    Scenario(
        "amd-6.12-virtualbox-7.2.10",
        "VirtualBox 7.2.10 beside KVM with enable_virt_at_load=0 (VirtualBox's module is made up)",
        "epyc-6.12",
        "modprobe kvm enable_virt_at_load=0; modprobe kvm_amd",
        VIRTUALBOX,
        BESIDE_VIRTUALBOX.replace("VERSION", "7.2.10 r170000 (0x00340001)"),
        check="rivals.virt-at-load",
        remedy="rivals.virt-at-load",
        mended=BESIDE,
    ),
    Scenario(
        "amd-6.12-on-demand-busy",
        "another hypervisor holds SVM, kvm.enable_virt_at_load=0",
        "epyc-6.12",
        f"modprobe kvm enable_virt_at_load=0; modprobe kvm_amd; {HOLD_SVM}",
        both(CONFLICT, "kvm.run"),
        check="kvm.run",
        remedy="rivals.stop-other",
        unmended=NOBODY_TO_STOP,
    ),
    Scenario(
        "amd-6.12-busy",
        "another hypervisor holds SVM: kvm_amd does not load",
        "epyc-6.12",
        f"{HOLD_SVM}; ! modprobe kvm_amd",
        both(CONFLICT, "kvm.module"),
        check="kvm.module",
        remedy="rivals.stop-other",
        unmended=NOBODY_TO_STOP,
    ),
)
PHENOM = (
    Scenario(
        "amd-nested-off-command-line",
        "kvm_amd.nested=0 on the kernel's command line",
        "phenom",
        "modprobe kvm_amd",
        NESTED_OFF,
        check="nested.parameter",
        remedy="module.nested-command-line",
        mended=WORKS,
        reboot="kvm_amd.nested=1",
    ),
    Scenario(
        "amd-phenom-nested",
        "nesting on, by hand against the command line",
        "phenom",
        "modprobe kvm_amd nested=1",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.paging", PASS), ("module.drift", WARN))),
        check="module.drift",
        remedy="module.persist",
        unmended="the kernel has to be booted with another command line",
    ),
)
TRINITY = (Scenario("amd-trinity-nested", "nesting on", "trinity", "modprobe kvm_amd nested=1", WORKS),)
