"""The facts that the agent knows how to get: id, where from, and how long one may take."""


class NotOk(Exception):
    """A probe's answer that is not ``ok``: its status, why, and what can be said nevertheless."""

    def __init__(self, status, error, value=None):
        Exception.__init__(self, error)
        self.status = status
        self.error = error
        self.value = value


# id, module, function, source, seconds allowed, whether it executes something (not done below --root)
PROBES = (
    ("process.identity", "process", "identity", "getuid(2)", 3, True),
    ("cpu.identity", "cpu", "identity", "/proc/cpuinfo", 3, False),
    ("cpu.flags", "cpu", "flags", "/proc/cpuinfo", 3, False),
    ("cpu.vmx_flags", "cpu", "vmx_flags", "/proc/cpuinfo", 3, False),
    ("cpu.cpuid", "cpuid", "features", "CPUID instruction", 3, True),
    ("cpu.per_cpu", "cpuid", "per_cpu", "CPUID instruction", 3, True),
    ("cpu.topology", "topology", "topology", "/sys/devices/system", 3, False),
    ("hypervisor.signatures", "cpuid", "signatures", "CPUID 0x40000000", 3, True),
    ("machine.dmi", "system", "dmi", "/sys/class/dmi/id", 3, False),
    ("machine.os", "system", "distribution", "/etc/os-release", 3, False),
    ("machine.container", "isolation", "container", "/proc/1", 3, False),
    ("machine.confidential", "isolation", "confidential", "/dev", 3, True),
    ("machine.iommu", "firmware", "iommu", "/sys/kernel/iommu_groups", 3, False),
    ("machine.rivals", "rivals", "rivals", "/proc", 3, True),
    ("kernel.release", "system", "release", "/proc/sys/kernel/osrelease", 3, False),
    ("kernel.log", "klog", "lines", "/dev/kmsg", 3, True),
    ("kernel.config", "kvm.configured", "kernel_config", "/boot/config", 3, False),
    ("firmware.msr", "firmware", "msr", "/dev/cpu/0/msr", 3, True),
    ("firmware.boot", "firmware", "boot", "/sys/firmware/efi", 3, False),
    ("kvm.modules", "kvm.modules", "modules", "/sys/module", 3, False),
    ("kvm.configured", "kvm.configured", "configured", "/etc/modprobe.d", 3, False),
    ("kvm.device", "kvm.device", "device", "/dev/kvm", 3, True),
    ("kvm.api", "kvm.device", "api", "KVM_CREATE_VM", 3, True),
    ("kvm.offered", "kvm.offered", "offered", "KVM_GET_SUPPORTED_CPUID", 3, True),
    ("kvm.capabilities", "kvm.features", "capabilities", "KVM_CHECK_EXTENSION", 3, True),
    ("kvm.features", "kvm.features", "features", "KVM_GET_MSRS", 3, True),
    ("host.devices", "plumbing", "devices", "/dev", 3, True),
    ("host.cgroups", "plumbing", "cgroups", "/sys/fs/cgroup", 3, False),
    ("host.namespaces", "plumbing", "namespaces", "/proc/self/ns", 3, False),
    ("host.secure_guests", "plumbing", "secure_guests", "/sys/module", 3, False),
    ("host.libvirt_cache", "plumbing", "libvirt_cache", "/var/cache/libvirt/qemu/capabilities", 3, True),
    ("capacity.cpu", "capacity", "cpu", "/proc/loadavg", 3, True),
    ("capacity.memory", "capacity", "memory", "/proc/meminfo", 3, False),
    ("capacity.disk", "capacity", "disk", "statvfs(2)", 3, True),
    ("guest.cloud_init", "guest_side", "cloud_init", "/run/cloud-init", 3, False),
    ("guest.virtio", "guest_side", "virtio", "/sys/bus/virtio/devices", 3, False),
    ("proof.plain", "proof.plain", "prove", "KVM_RUN", 4, True),
    ("proof.pace", "proof.plain", "pace", "KVM_RUN", 4, True),
    ("proof.nested", "proof.nested", "shadow", "KVM_RUN", 4, True),
    ("proof.nested_paging", "proof.nested", "paging", "KVM_RUN", 4, True),
    ("proof.cost", "proof.cost", "cost", "KVM_RUN", 60, True),  # only when it is asked for
)
