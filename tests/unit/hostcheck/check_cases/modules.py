"""KVM's modules and their parameters: as they run, and as they are configured."""

from full_machines import DENIED, amd, barred, cloud, elsewhere, intel, kernel, kvm_modules, options, without
from machines import FactDict, no_device, ok, pvm_vm

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

AVAILABLE = kvm_modules(kvm="loaded", kvm_amd="available")
ABSENT = kvm_modules(kvm="absent", kvm_amd="absent")
HELD = "kvm: enabling virtualization on CPU0 failed"


def _system(name: str, *like: str) -> FactDict:
    return ok({"id": name, "version_id": "1", "id_like": list(like)}, "/etc/os-release")


case("kvm.module", PASS, amd(), says="kvm_amd")
case("kvm.module", PASS, pvm_vm(), says="kvm_pvm")
case("kvm.module", PASS, amd(kvm_modules=DENIED), says="answers")
case("kvm.module", PASS, amd(kvm_modules=ABSENT), says="answers")
case("kvm.module", PASS, elsewhere("aarch64", True), says="kvm is builtin")
case("kvm.module", FAIL, no_device(amd(kvm_modules=AVAILABLE)), "module.load")
case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kvm_configured=barred("kvm_amd", "/etc/modprobe.d/no.conf"))),
    "module.unblock",
    says="bars it",
)
case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kvm_configured=barred("kvm_amd", "/proc/cmdline"))),
    "module.unblock-elsewhere",
)
case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT)), "kernel.debian", says="no kvm_amd module")
case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT, machine_os=_system("ubuntu", "debian"))), "kernel.ubuntu")
case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=ABSENT, machine_os=_system("rocky", "rhel", "centos", "fedora"))),
    "kernel.fedora",
)
case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT, machine_os=_system("sles", "suse"))), "kernel.suse")
case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT, machine_os=_system("gentoo"))), "kernel.other")
case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kernel_release=kernel(cmdline="nomodule"))),
    "kernel.debian",
    says="nomodule",
)
case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kernel_log=ok([HELD]))),
    "rivals.stop-other",
    says="another hypervisor",
)
case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kernel_log=ok([HELD, "kvm_amd: Nested Paging enabled"]))),
    "module.load",
)
case("kvm.module", FAIL, cloud(), says="cannot run without")
case("kvm.module", UNKNOWN, no_device(amd(kvm_modules=DENIED)))
case("kvm.module", UNKNOWN, no_device(without(amd(kvm_modules=ABSENT), "cpu.identity", "cpu.flags", "cpu.cpuid")))
case("nested.parameter", PASS, amd())
case("nested.parameter", PASS, intel())
case("nested.parameter", PASS, elsewhere("aarch64", True, kernel_release=kernel(cmdline="kvm-arm.mode=nested")))
case("nested.parameter", FAIL, amd(kvm_modules=kvm_modules(kvm_amd={"nested": "0"})), "module.nested-on")
case(
    "nested.parameter",
    FAIL,
    intel(
        kvm_modules=kvm_modules(kvm_intel={"nested": "N"}),
        kvm_configured=options(("kvm_intel", "nested", "0", "/etc/modprobe.d/a.conf")),
    ),
    "module.nested-edit",
)
case(
    "nested.parameter",
    FAIL,
    intel(
        kvm_modules=kvm_modules(kvm_intel={"nested": "N"}),
        kvm_configured=options(("kvm_intel", "nested", "0", "/proc/cmdline")),
    ),
    "module.nested-command-line",
)
case("nested.parameter", FAIL, elsewhere("aarch64", False), "arch.arm64-nested")
case(
    "nested.parameter",
    FAIL,
    elsewhere("s390x", False, kvm_modules=kvm_modules(kvm={"nested": "0"})),
    "arch.s390x-nested",
)
case(
    "nested.parameter",
    FAIL,
    elsewhere("ppc64le", False, kvm_modules=kvm_modules(kvm_hv={"nested": "N"})),
    "arch.ppc64-nested",
)
case("nested.parameter", SKIP, cloud())
case("nested.parameter", SKIP, pvm_vm())
case("nested.parameter", UNKNOWN, amd(kvm_modules=kvm_modules(kvm_amd={})))
case("nested.parameter", UNKNOWN, without(elsewhere("aarch64", True), "kernel.release"))

ETC = "/etc/modprobe.d/kvm.conf"
case("module.drift", PASS, amd(), says="1 configured")
case("module.drift", PASS, amd(kvm_configured=options()), says="nothing is configured")
case(
    "module.drift",
    PASS,
    amd(kvm_configured=options(("kvm_amd", "nested", "0", ETC), ("kvm_amd", "nested", "1", "/proc/cmdline"))),
)
case(
    "module.drift",
    PASS,
    intel(kvm_configured=options(("kvm_intel", "nested", "on", ETC), ("kvm_intel", "ept", "1", ETC))),
)
case(
    "module.drift",
    WARN,
    intel(kvm_modules=kvm_modules(kvm_intel={"nested": "N"})),
    "module.reload",
    "module.persist",
    says="nested=N",
)
case(
    "module.drift",
    WARN,
    amd(kvm_configured=options(("kvm_amd", "nested", "0", ETC))),
    "module.persist",
    says="nested=1",
)
case(
    "module.drift",
    WARN,
    amd(kvm_modules=ok({"kvm_amd": {"state": "builtin", "parameters": {"nested": "0"}}})),
    "module.nested-command-line",
)
case("module.drift", SKIP, cloud(kvm_configured=options()))
case("module.drift", UNKNOWN, without(amd(), "kvm.configured"))
case("module.options", PASS, amd())
case("module.options", PASS, intel(kvm_configured=options(("kvm_intel", "nested", "Y", ETC))))
case("module.options", WARN, amd(kvm_configured=options(("kvm_amd", "nested", "Y", ETC))), "module.fix-option")
case("module.options", WARN, intel(kvm_configured=options(("kvm_intel", "nested", "2", "/proc/cmdline"))))
case("module.options", SKIP, amd(kvm_configured=options()))
case("module.options", UNKNOWN, without(amd(), "kvm.configured"))
case("module.blacklist", PASS, amd())
case("module.blacklist", WARN, amd(kvm_configured=barred("kvm_amd", ETC)), "module.unblock")
case(
    "module.blacklist",
    WARN,
    amd(kvm_configured=barred("kvm_amd", "/usr/lib/modprobe.d/x.conf")),
    "module.override",
)
case("module.blacklist", SKIP, cloud(kvm_configured=options()))
case("module.blacklist", UNKNOWN, without(amd(), "kvm.configured"))
