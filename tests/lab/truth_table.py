"""The truth table: machines whose state is known, and what must be said of each. Measured, and held by `make lab`."""

from truth_scenarios import AGENT, Expected, Machine, Scenario

from hostcheck.model import Status, Verdict

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN
DEGRADED, WRONG, POLICY = Verdict.DEGRADED, Verdict.MISCONFIGURED, Verdict.BLOCKED_POLICY
UNSUPPORTED, CONFLICT, FIRMWARE = Verdict.UNSUPPORTED, Verdict.CONFLICT, Verdict.BLOCKED_FIRMWARE

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

WORKS = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("nested.paging", PASS), ("cpu.emulated", WARN)))
NO_PAGING = (("nested.paging", WARN), ("kvm.paging", WARN))
NO_PAGES = Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", NO_PAGING)
NESTED_OFF = Expected(DEGRADED, "kvm.run", WRONG, "nested.parameter", (("nested.offered", FAIL),))


def both(verdict: Verdict, check: str, *shows: tuple[str, Status]) -> Expected:
    """Both questions have the same answer for the same reason."""
    return Expected(verdict, check, verdict, check, shows)


AS_DEV = f"su dev -c '{AGENT}'"
# as a session that was opened before the user was put into a group
OLD_SESSION = (
    "cd / && python3 -I -S -c 'import os; os.setgroups([]); os.setgid(1000); os.setuid(1000);"
    ' os.execvp("python3", "python3 -S -m agent --json --timeout 60".split())\' 2>/dev/null'
)
IN_ONE_SESSION = f"(echo 'COMMANDS'; sleep 3; echo '{AGENT}') | su dev"
# EFER.SVME set by somebody else, as a hypervisor of another make does it
HOLD_SVM = """modprobe msr
python3 -I -S -c '
import os, struct
fd = os.open("/dev/cpu/0/msr", os.O_RDWR)
efer, = struct.unpack("<Q", os.pread(fd, 8, 0xC0000080))
os.pwrite(fd, struct.pack("<Q", efer | 0x1000), 0xC0000080)'"""
NOBODY_TO_STOP = "the lab sets EFER.SVME by hand: there is no hypervisor to stop"
SETTLE = "udevadm settle"
LOADED = f"modprobe kvm_amd; {SETTLE}"
WITHOUT_SYS = f"unshare -m dash -c 'umount -l /sys; {AGENT}'"
# VirtualBox's entry in /sys/module is made up; what the remedy changes, and is read back, is KVM's own
BESIDE_VIRTUALBOX = f"""unshare -m dash -c '
mkdir -p /tmp/sys && mount -o rbind /sys /tmp/sys && mount -t tmpfs none /sys/module && cd /sys/module &&
mkdir kvm kvm_amd vboxdrv && echo "VERSION" > vboxdrv/version &&
for m in kvm kvm_amd; do mount -o bind /tmp/sys/module/$m $m; done; {AGENT}'"""
WITHOUT_DEV = f"unshare -m dash -c 'mount -t tmpfs none /dev; {AGENT}'"
CGROUP = """mkdir -p /tmp/cg
mountpoint -q /tmp/cg || mount -t cgroup -o devices none /tmp/cg
mkdir -p /tmp/cg/box"""
# seccomp: ioctl(2), number 16, whose command is of KVM's type 0xAE, fails with EPERM (linux/filter.h, linux/seccomp.h)
WITHOUT_IOCTL = """cat > /tmp/filter.py <<'END'
import ctypes, os, struct
program = b"".join(struct.pack("HBBI", *each) for each in (
    (0x20, 0, 0, 0), (0x15, 0, 4, 16), (0x20, 0, 0, 24), (0x54, 0, 0, 0xFF00), (0x15, 0, 1, 0xAE00),
    (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)))
kept = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(kept)), 0, 0) == 0
os.execvp("python3", "python3 -S -m agent --json --timeout 60".split())
END
cd / && python3 -S /tmp/filter.py 2>&1"""
FORBIDDEN = f"dash -c 'echo $$ > /tmp/cg/box/tasks; {AGENT}'"

EPYC = (
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
    Scenario(
        "node-missing", "kvm_amd loaded, /dev/kvm removed", "epyc", f"{LOADED}; rm /dev/kvm",
        both(WRONG, "kvm.device"), check="kvm.device", remedy="device.remake", mended=WORKS,
    ),
    Scenario(
        "node-static", "a static node, no module behind it", "epyc", "mknod /dev/kvm c 10 232",
        both(WRONG, "kvm.module"), check="kvm.module", remedy="module.load", mended=WORKS,
    ),
    Scenario(
        "node-of-null", "/dev/kvm is the device of something else (1:3)", "epyc",
        f"{LOADED}; rm /dev/kvm; mknod /dev/kvm c 1 3", both(WRONG, "kvm.device"),
        check="kvm.device", remedy="device.replace", mended=WORKS,
    ),
    Scenario(
        "node-is-a-file", "/dev/kvm is a regular file", "epyc", f"{LOADED}; rm /dev/kvm; echo > /dev/kvm",
        both(WRONG, "kvm.device"), check="kvm.device", remedy="device.replace", mended=WORKS,
    ),
    Scenario(
        "node-0600", "mode 0600, user 1000", "epyc", f"{LOADED}; chmod 600 /dev/kvm; chgrp root /dev/kvm",
        both(POLICY, "kvm.access"), AS_DEV, check="kvm.access", remedy="device.acl", mended=WORKS,
    ),
    Scenario(
        "node-0600-rule", "mode 0600, root: QEMU's own user will not be able to", "epyc",
        f"{LOADED}; chmod 600 /dev/kvm; chgrp root /dev/kvm",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("kvm.permissions", WARN),)),
        check="kvm.permissions", remedy="device.rule",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("kvm.permissions", PASS),)),
    ),
    Scenario(
        "node-group", "mode 0660 root:kvm, user 1000 not in the group", "epyc", LOADED, both(POLICY, "kvm.access"),
        AS_DEV, check="kvm.access", remedy="device.group", mended=WORKS,
    ),
    Scenario(
        "node-wrong-group", "mode 0660 root:audio, user 1000 in kvm", "epyc",
        f"{LOADED}; chgrp audio /dev/kvm; usermod -aG kvm dev", both(POLICY, "kvm.access"),
        AS_DEV, check="kvm.access", remedy="device.group", mended=WORKS,
    ),
    Scenario(
        "node-old-session", "user 1000 in kvm, but its session is older", "epyc", f"{LOADED}; usermod -aG kvm dev",
        both(POLICY, "kvm.access"), OLD_SESSION, check="kvm.access", remedy="device.login",
        mended=WORKS, session=IN_ONE_SESSION,
    ),
    Scenario(
        "cgroup-device", "a device cgroup forbids /dev/kvm to root", "epyc",
        f"{LOADED}; {CGROUP}; echo 'c 10:232 rwm' > /tmp/cg/box/devices.deny", both(POLICY, "kvm.access"),
        FORBIDDEN, check="kvm.access", remedy="device.allow", unmended="the lab has no systemd, which sets such rules",
    ),
    Scenario(
        "host-without-tun", "no tun module: no VM can be put on a bridge", "epyc", LOADED,
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("host.tun", WARN),)),
        check="host.tun", remedy="plumbing.load",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("host.tun", PASS),)),
    ),
    Scenario("container-no-sys", "no /sys", "epyc", LOADED, WORKS, WITHOUT_SYS),
    Scenario(
        "container-no-dev", "no /dev", "epyc", LOADED, both(WRONG, "kvm.device"), WITHOUT_DEV,
        check="kvm.device", remedy="device.remake", unmended="the next container would lack it too",
    ),
    Scenario(
        "seccomp-ioctl", "a seccomp filter answers EPERM to the ioctls of KVM", "epyc", LOADED,
        both(POLICY, "kvm.run"), WITHOUT_IOCTL,
    ),
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
    Scenario("amd-trinity-nested", "nesting on", "trinity", "modprobe kvm_amd nested=1", WORKS),
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
SCENARIOS = (*EPYC, *EPYC_612, *PHENOM, *NO_FEATURE, *BY_LIBVIRT, *BROADWELL, *MODELS)
