"""Other hypervisors beside KVM."""

from full_machines import AMD, RIVALS, MachineFacts, amd, kernel, kvm_modules, without
from machines import ok

from check_cases.case import PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

VBOX = {**RIVALS, "modules": ["vboxdrv"], "processes": {"VBoxHeadless": 2}}


def vbox(version: str, at_load: str, release: str = "6.12.1") -> MachineFacts:
    rivals = ok({**VBOX, "versions": {"vboxdrv": version}})
    modules = kvm_modules(kvm={"enable_virt_at_load": at_load}, kvm_amd=AMD)
    return amd(machine_rivals=rivals, kvm_modules=modules, kernel_release=kernel(release))


case("rivals.present", PASS, amd())
case("rivals.present", PASS, amd(machine_rivals=ok({**RIVALS, "own_pid_namespace": True})), says="PID namespace")
case("rivals.present", WARN, amd(machine_rivals=ok(VBOX)), "rivals.stop-virtualbox", says="VirtualBox")
case("rivals.present", WARN, amd(machine_rivals=ok({**RIVALS, "modules": ["vmmon"]})), "rivals.stop-vmware")
case("rivals.present", WARN, amd(machine_rivals=ok({**RIVALS, "processes": {"prl_vm_app": 1}})), "rivals.stop-other")
case("rivals.present", WARN, amd(machine_rivals=ok({**RIVALS, "xen_dom0": True})), says="dom0")
case("rivals.present", UNKNOWN, without(amd(), "machine.rivals"))
case("rivals.virt-at-load", PASS, vbox("7.2.10", "Y"))
case("rivals.virt-at-load", PASS, vbox("7.1.4_Debian", "N"))
case("rivals.virt-at-load", WARN, vbox("7.1.4_Debian", "Y"), "rivals.virt-on-demand", says="needs 0")
case("rivals.virt-at-load", WARN, vbox("7.2.10", "N"), "rivals.virt-at-load", says="needs 1")
case("rivals.virt-at-load", WARN, vbox("7.2.10 r170000 (0x00340001)", "N"), "rivals.virt-at-load", says="needs 1")
case("rivals.virt-at-load", WARN, vbox("7.0.20_Debian r163906 (0x00330004)", "Y"), "rivals.virt-on-demand", says=" 0")
case("rivals.virt-at-load", WARN, vbox("7.2.10.1", "Y"), "rivals.virt-on-demand", "rivals.virt-at-load")
case("rivals.virt-at-load", WARN, vbox("", "Y"), "rivals.virt-on-demand", "rivals.virt-at-load", says="depends on")
case("rivals.virt-at-load", SKIP, amd())
case("rivals.virt-at-load", SKIP, vbox("7.1.4", "Y", "6.1.0-40-amd64"), says="before Linux 6.12")
case("rivals.virt-at-load", UNKNOWN, vbox("7.1.4", "Y", "next"))
case("rivals.virt-at-load", UNKNOWN, without(amd(), "machine.rivals"))
