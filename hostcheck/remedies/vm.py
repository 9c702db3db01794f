"""For a VM whose hypervisor keeps vmx and svm from it: the setting, by the product that runs the VM."""

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy, Where
from hostcheck.remedies.book import Recipe, recipe

POWER_CYCLE = "power the VM off and on again: a reboot from inside keeps the old virtual CPU"
RISK = "live migration then needs hosts with like CPUs"
AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"


def _setting(recipe_id: str, title: str, *commands: str, then: str = POWER_CYCLE, applies: str) -> Recipe:
    needs = Needs.POWER_CYCLE
    return recipe(
        recipe_id, title, *commands, where=Where.HYPERVISOR, then=then, needs=needs, risk=RISK, applies=applies
    )


VSPHERE = _setting(
    "vm.vsphere",
    "vSphere: expose hardware assisted virtualization to this VM (nestedHVEnabled)",
    "govc vm.change -vm NAME -nested-hv-enabled=true",
    then="the VM has to be powered off for the change",
    applies="VMware ESXi 5.1 and later, VM hardware version 9 and later",
)
HYPERV = _setting(
    "vm.hyperv",
    "Hyper-V: expose virtualization extensions to this VM",
    "Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true",
    then="the VM has to be powered off for the change",
    applies="Hyper-V of Windows 10 and Windows Server 2016 and later; AMD since Windows 11 and Server 2022",
)
AZURE = _setting(
    "vm.azure",
    "Azure: resize this VM to a size whose documentation lists nested virtualization as supported",
    "az vm deallocate --resource-group GROUP --name NAME",
    "az vm resize --resource-group GROUP --name NAME --size SIZE",
    then="start the VM again; a confidential VM cannot nest at any size",
    applies="Microsoft Azure",
)
GCE = _setting(
    "vm.gce",
    "Compute Engine: set advancedMachineFeatures.enableNestedVirtualization: true on this instance",
    "gcloud compute instances export NAME --zone ZONE --destination NAME.yaml",
    "gcloud compute instances update-from-file NAME --zone ZONE --source NAME.yaml"
    " --most-disruptive-allowed-action RESTART",
    then="edit NAME.yaml between the two commands; E2, AMD and Arm machine types cannot",
    applies="Google Compute Engine, Intel machine types",
)
AWS = _setting(
    "vm.aws",
    "EC2: move this workload to a .metal instance, or to a type that EC2 documents as able to nest",
    then="an instance type is changed while the instance is stopped",
    applies="Amazon EC2",
)
OPENSTACK = _setting(
    "vm.openstack",
    "OpenStack: set cpu_mode = host-passthrough in the [libvirt] section of nova.conf on the compute node",
    "openstack server reboot --hard NAME",
    then="restart nova-compute before the hard reboot; nested=1 is needed on the compute node too",
    applies="OpenStack with libvirt",
)
KUBEVIRT = _setting(
    "vm.kubevirt",
    "KubeVirt: give this VM the node's CPU",
    "kubectl patch vm NAME --type merge"
    """ -p '{{"spec":{{"template":{{"spec":{{"domain":{{"cpu":{{"model":"host-passthrough"}}}}}}}}}}}}'""",
    "virtctl stop NAME",
    "virtctl start NAME",
    then="the node needs nested=1 in its KVM module",
    applies="KubeVirt",
)
VIRTUALBOX = _setting(
    "vm.virtualbox",
    "VirtualBox: switch nested VT-x/AMD-V on for this VM",
    "VBoxManage modifyvm NAME --nested-hw-virt on",
    then="the VM has to be powered off for the change",
    applies="VirtualBox 6.1 and later",
)
XEN = _setting(
    "vm.xen",
    "Xen: add nestedhvm=1 and hap=1 to this HVM domain's configuration",
    "xl destroy NAME",
    "xl create NAME.cfg",
    then="nested HVM is experimental in Xen, and never there for PV and PVH domains",
    applies="Xen with xl",
)
LIBVIRT = _setting(
    "vm.libvirt",
    "libvirt: give this VM the host's CPU and require {feature}",
    "virt-xml NAME --edit --cpu clearxml=yes,mode=host-model,check=partial,require={feature}",
    then=POWER_CYCLE + "; if it then does not start, run `nestproof check` on the hypervisor",
    applies="libvirt with QEMU/KVM",
)
PROXMOX = _setting(
    "vm.proxmox",
    "Proxmox VE: give this VM the CPU type `host`",
    "qm set VMID --cpu host",
    applies="Proxmox VE",
)
WSL = _setting(
    "vm.wsl",
    "WSL 2: write nestedVirtualization=true below [wsl2] in %UserProfile%\\.wslconfig on Windows",
    "wsl --shutdown",
    then="start the distribution again; needs Windows 11",
    applies="WSL 2 on Windows 11",
)
OTHER = _setting(
    "vm.other",
    "switch nested virtualization on for this VM where it is configured",
    applies="a hypervisor that is not recognised",
)
ORDINARY = recipe(
    "vm.ordinary",
    "run this workload in an ordinary VM: a confidential VM ({kind}) cannot run VMs",
    where=Where.HYPERVISOR,
    then="the disk can be kept; what relies on attestation or on encrypted memory cannot",
    needs=Needs.POWER_CYCLE,
    risk="memory is no longer hidden from the host",
)


def expose_to_this_vm(facts: Facts) -> tuple[Remedy, ...]:
    """The setting by product, recognised by CPUID signature, DMI, and the kernel's name; the likeliest first."""
    confidential = facts.confidential.known
    if confidential and confidential.kind:
        return (ORDINARY.fill(facts, kind=confidential.kind),)
    feature = "vmx" if facts.vendor_module == "kvm_intel" else "svm"
    return tuple(found.fill(facts, feature=feature) for found in products(facts))


def products(facts: Facts) -> tuple[Recipe, ...]:
    """The settings of the products that this VM may run under, the likeliest first."""
    names = " ".join(facts.hypervisor_names)
    dmi = facts.dmi.value or {}
    text = " ".join(dmi.values()).lower()
    if "microsoft" in (facts.kernel.value.release.lower() if facts.kernel.value else ""):
        return (WSL,)
    if "VMwareVMware" in names:
        return (VSPHERE,)
    if "virtualbox" in text or "VBoxVBoxVBox" in names:
        return (VIRTUALBOX,)
    if "amazon ec2" in text:
        return (AWS,)
    if "google compute engine" in text:
        return (GCE,)
    if "Microsoft Hv" in names and "KVMKVMKVM" not in names:
        return (AZURE,) if dmi.get("chassis_asset_tag") == AZURE_ASSET_TAG else (HYPERV,)
    if "openstack" in text:
        return (OPENSTACK,)
    if "kubevirt" in text:
        return (KUBEVIRT,)
    if "XenVMMXenVMM" in names:
        return (XEN,)
    if "KVMKVMKVM" in names or "TCGTCGTCG" in names or "qemu" in text:
        return (LIBVIRT, PROXMOX)
    return (OTHER,)
