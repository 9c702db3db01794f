"""What else a host of VMs needs: versions, room, devices, control groups, an IOMMU."""

from full_machines import DENIED, DEVICES, GIB, amd, cloud, intel, kernel, without
from machines import FactDict, failed, ok

from check_cases.case import PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add


def kept(libvirt: int, qemu: int = 0) -> FactDict:
    return ok(
        {"newest": 2.0, "module_loaded": 1.0, "path": "/var/cache/libvirt/qemu", "libvirt": libvirt, "qemu": qemu}
    )


case("host.libvirt-version", PASS, amd(host_libvirt_cache=kept(9_000_000, 7_002_022)), says="9.0.0 with QEMU 7.2.22")
case("host.libvirt-version", WARN, amd(host_libvirt_cache=kept(1_002_012)), "host.update-libvirt", says="1.2.12")
case("host.libvirt-version", SKIP, amd(host_libvirt_cache=failed("absent", "ENOENT")))
case("host.libvirt-version", UNKNOWN, amd(host_libvirt_cache=kept(0)), says="does not say")
case("host.libvirt-version", UNKNOWN, amd(host_libvirt_cache=DENIED))
case("host.proxmox-version", PASS, amd(kernel_release=kernel("6.8.12-4-pve")))
case("host.proxmox-version", WARN, amd(kernel_release=kernel("4.15.18-30-pve")), "host.update-proxmox")
case("host.proxmox-version", SKIP, amd())
case("host.proxmox-version", UNKNOWN, without(amd(), "kernel.release"))
case("host.proxmox-version", UNKNOWN, amd(kernel_release=kernel("next-pve")))

case("capacity.cpus", PASS, amd())
case("capacity.cpus", PASS, amd(capacity_cpu=ok({"usable": 6})), says="recommended")
case("capacity.cpus", WARN, amd(capacity_cpu=ok({"usable": 16, "cgroup_cpus": 1.5})), says="1.5")
case("capacity.cpus", UNKNOWN, without(amd(), "capacity.cpu"))
case("capacity.memory", PASS, amd())
case("capacity.memory", PASS, amd(capacity_memory=ok({"total": int(7.6 * GIB)})), says="recommended")
case("capacity.memory", WARN, amd(capacity_memory=ok({"total": 64 * GIB, "cgroup_limit": 2 * GIB})))
case("capacity.memory", UNKNOWN, without(amd(), "capacity.memory"))
case("capacity.disk", PASS, amd())
case("capacity.disk", WARN, amd(capacity_disk=ok({"path": "/", "total": GIB, "free": GIB})))
case(
    "capacity.disk",
    WARN,
    amd(capacity_disk=ok({"path": "/", "total": 900 * GIB, "free": 900 * GIB, "read_only": True})),
)
case("capacity.disk", UNKNOWN, without(amd(), "capacity.disk"))
case("capacity.steal", PASS, amd())
case("capacity.steal", WARN, amd(capacity_cpu=ok({"usable": 4, "steal_percent": 30.0})))
case("capacity.steal", UNKNOWN, amd(capacity_cpu=ok({"usable": 4, "steal_percent": None})))

for _id, _key in (
    ("host.vhost-net", "vhost-net"),
    ("host.vhost-vsock", "vhost-vsock"),
    ("host.tun", "net/tun"),
    ("host.fuse", "fuse"),
):
    case(_id, PASS, amd())
    case(_id, WARN, amd(host_devices=ok({**DEVICES, _key: "absent"})), "plumbing.load")
    case(_id, WARN, amd(host_devices=ok({**DEVICES, _key: "denied"})))
    case(_id, UNKNOWN, without(amd(), "host.devices"))
    case(_id, UNKNOWN, amd(host_devices=ok({})))
case("host.cgroups", PASS, amd())
case("host.cgroups", WARN, amd(host_cgroups=ok({"version": 1, "controllers": ["cpu", "memory"]})), says="blkio")
case("host.cgroups", UNKNOWN, without(amd(), "host.cgroups"))
case("host.namespaces", PASS, amd())
case("host.namespaces", WARN, amd(host_namespaces=ok(["ipc", "mnt"])), says="user")
case("host.namespaces", UNKNOWN, without(amd(), "host.namespaces"))
case("host.iommu", PASS, amd())
case("host.iommu", WARN, amd(machine_iommu=ok({"tables": ["IVRS"], "groups": 0})), "plumbing.iommu-amd")
case("host.iommu", WARN, intel(machine_iommu=ok({"tables": ["DMAR"], "groups": 0})), "plumbing.iommu-intel")
case("host.iommu", WARN, cloud(machine_iommu=ok({"tables": ["DMAR"], "groups": 0})), "plumbing.iommu-vm")
case("host.iommu", SKIP, amd(machine_iommu=ok({"tables": [], "groups": 0})))
case("host.iommu", UNKNOWN, without(amd(), "machine.iommu"))
case("host.secure-guests", PASS, amd(host_secure_guests=ok({"sev": True}), host_devices=ok({"sev": "ok"})))
case("host.secure-guests", WARN, amd(host_secure_guests=ok({"sev": True, "sev_es": True})), says="/dev/sev is absent")
case("host.secure-guests", SKIP, amd())
case("host.secure-guests", UNKNOWN, without(amd(), "host.secure_guests"))
