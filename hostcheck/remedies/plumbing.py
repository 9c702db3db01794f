"""What VMs need around KVM: device nodes, control groups, IOMMU, libvirt's memory of the host, memory that is huge."""

from hostcheck.model import Needs, Where
from hostcheck.remedies.book import recipe

LOAD_NODE = recipe(
    "plumbing.load",
    "load {module}, now and at every boot",
    "modprobe {module}",
    "echo {module} > /etc/modules-load.d/nestproof-{module}.conf",
)
IOMMU_INTEL = recipe(
    "plumbing.iommu-intel",
    "write intel_iommu=on on the kernel's command line, for devices that are passed through",
    needs=Needs.REBOOT,
    risk="the machine reboots; a few old devices do not work behind an IOMMU",
    applies="Intel",
)
IOMMU_AMD = recipe(
    "plumbing.iommu-amd",
    "enable AMD-Vi (IOMMU) in the firmware set-up: the kernel uses it when it is there",
    where=Where.HOST_FIRMWARE,
    needs=Needs.REBOOT,
    risk="the machine reboots",
    applies="AMD",
)
IOMMU_VM = recipe(
    "plumbing.iommu-vm",
    "give this VM a virtual IOMMU, if it has to pass devices through to its own guests",
    where=Where.HYPERVISOR,
    then="libvirt: <iommu model='intel'/> in <devices> of a q35 machine; vSphere: vvtdEnabled",
    needs=Needs.POWER_CYCLE,
    risk="the VM is down meanwhile",
)
REFRESH_LIBVIRT = recipe(
    "libvirt.refresh",
    "let libvirt look at the host again",
    "rm -f /var/cache/libvirt/qemu/capabilities/*.xml",
    "systemctl try-restart libvirtd.service virtqemud.service",
    then="running VMs keep running; one of the two services exists",
)
CLEAN_SEED = recipe(
    "guest.clean-cloud-init",
    "let cloud-init run again at the next boot",
    "cloud-init status --long",
    "cloud-init clean --logs",
    then="reboot; read its errors first, for they come back otherwise",
    needs=Needs.REBOOT,
    risk="host keys and users are made anew",
)
