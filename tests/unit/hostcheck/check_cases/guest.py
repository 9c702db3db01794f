"""A VM: is it shown more than it uses, did cloud-init run in it."""

from full_machines import RIVALS, MachineFacts, amd, cloud, elsewhere, intel, named, signature, without
from machines import FactDict, failed, ok

from check_cases.case import PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

IDLE = ok({**RIVALS, "processes": {}}, "/proc")


def shown(*signatures: str, **changes: FactDict) -> MachineFacts:
    """A VM that is shown vmx, and runs nothing that needs it."""
    facts = intel(machine_rivals=IDLE, hypervisor_signatures=signature(*signatures or ("KVMKVMKVM",)))
    return without(facts, "host.libvirt_cache") | named(changes)


case("guest.exposure", SKIP, intel(), says="not a VM")
case("guest.exposure", SKIP, elsewhere("aarch64", True))
case("guest.exposure", PASS, cloud(), says="neither")
case("guest.exposure", PASS, shown(machine_rivals=ok(RIVALS)), says="3 x qemu")
case("guest.exposure", PASS, shown(machine_rivals=ok({**RIVALS, "processes": {}, "modules": ["vboxdrv"]})))
case("guest.exposure", PASS, shown(host_libvirt_cache=intel()["host.libvirt_cache"]), says="libvirt")
case("guest.exposure", WARN, shown(), "hide.libvirt", "hide.proxmox", says="vmx is shown")
case("guest.exposure", WARN, shown("VMwareVMware"), "hide.vsphere")
case("guest.exposure", WARN, shown("Microsoft Hv"), "hide.hyperv")
case("guest.exposure", WARN, shown("VBoxVBoxVBox"), "hide.virtualbox")
case("guest.exposure", WARN, shown("bhyve bhyve "), "hide.other")
case("guest.exposure", UNKNOWN, shown(machine_rivals=ok({**RIVALS, "processes": {}, "own_pid_namespace": True})))
case("guest.exposure", UNKNOWN, without(shown(), "machine.rivals"))
case("guest.exposure", UNKNOWN, without(intel(), "cpu.flags", "cpu.cpuid"))

case("guest.cloud-init", PASS, amd())
case(
    "guest.cloud-init",
    WARN,
    amd(guest_cloud_init=ok({"datasource": "DataSourceNone", "done": True, "seeds": ["cidata"]})),
    "guest.clean-cloud-init",
    says="never saw",
)
case(
    "guest.cloud-init",
    WARN,
    amd(guest_cloud_init=ok({"datasource": "DataSourceNoCloud", "done": True, "errors": ["x"]})),
    "guest.clean-cloud-init",
)
case("guest.cloud-init", SKIP, amd(guest_cloud_init=failed("absent", "cloud-init has not run here")))
case("guest.cloud-init", SKIP, amd(guest_cloud_init=ok({"disabled": True})))
case("guest.cloud-init", UNKNOWN, without(amd(), "guest.cloud_init"))
case("guest.cloud-init", UNKNOWN, amd(guest_cloud_init=ok({"datasource": "DataSourceNoCloud", "done": False})))
