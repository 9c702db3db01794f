"""For a VM that is shown vmx or svm and does not need it: the setting that hides it, by product."""

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy, Where
from hostcheck.remedies.book import Recipe, recipe
from hostcheck.remedies.vm import HYPERV, LIBVIRT, POWER_CYCLE, PROXMOX, VIRTUALBOX, VSPHERE, products

RISK = "what runs VMs in it, now or later, stops working"


def _setting(recipe_id: str, title: str, *commands: str, then: str = POWER_CYCLE, applies: str) -> Recipe:
    needs = Needs.POWER_CYCLE
    return recipe(
        recipe_id, title, *commands, where=Where.HYPERVISOR, then=then, needs=needs, risk=RISK, applies=applies
    )


HIDE = {
    VSPHERE: _setting(
        "hide.vsphere",
        "vSphere: hide hardware assisted virtualization from this VM",
        "govc vm.change -vm NAME -nested-hv-enabled=false",
        then="the VM has to be powered off for the change",
        applies=VSPHERE.applies,
    ),
    HYPERV: _setting(
        "hide.hyperv",
        "Hyper-V: hide virtualization extensions from this VM",
        "Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $false",
        then="the VM has to be powered off for the change",
        applies=HYPERV.applies,
    ),
    VIRTUALBOX: _setting(
        "hide.virtualbox",
        "VirtualBox: switch nested VT-x/AMD-V off for this VM",
        "VBoxManage modifyvm NAME --nested-hw-virt off",
        then="the VM has to be powered off for the change",
        applies=VIRTUALBOX.applies,
    ),
    LIBVIRT: _setting(
        "hide.libvirt",
        "libvirt: disable {feature} in this VM's CPU",
        "virt-xml NAME --edit --cpu disable={feature}",
        applies=LIBVIRT.applies,
    ),
    PROXMOX: _setting(
        "hide.proxmox",
        "Proxmox VE: give this VM a CPU type without {feature}",
        "qm set VMID --cpu x86-64-v2-AES",
        applies="Proxmox VE 8 and later; before it, kvm64",
    ),
}
OTHER = _setting(
    "hide.other",
    "switch nested virtualization off for this VM where it is configured",
    applies="other hypervisors and clouds",
)


def hide_from_this_vm(facts: Facts) -> tuple[Remedy, ...]:
    """The setting by product, the likeliest first."""
    found = dict.fromkeys(HIDE.get(product, OTHER) for product in products(facts))
    return tuple(setting.fill(facts, feature=facts.feature or "vmx") for setting in found)
