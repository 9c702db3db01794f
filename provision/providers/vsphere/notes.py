"""What a plan says aloud of a class's settings on vSphere. Pure."""

from provision.model import VmSpec
from provision.providers.vsphere.settings import dropped_options

INSTEAD = {
    "vhv.": "nestedHVEnabled, by performanceProfile.nestedVirtualization",
    "vvtd.": "flags.vvtdEnabled, by securityProfile.vtdEnabled",
    "vbs.": "flags.vbsEnabled, by performanceProfile.virtualizationBasedSecurity",
    "firmware": "firmware, by spec.firmware",
    "uefi.": "bootOptions.efiSecureBootEnabled, by securityProfile.secureBoot",
    "numvcpus": "numCPUs, by spec.cpu",
    "memsize": "memoryMB, by spec.memory",
    "vpmc.enable": "vPMCEnabled",
    "vpmc.": "nothing: of virtual performance counters nestproof sets vPMCEnabled alone, by vpmc.enable",
    "guestinfo.": "nestproof's own variables, for cloud-init",
    "nestproof.": "nestproof's own marks",
}
"""Key of a VMX file -> what is sent in its place."""


def notes(vm: VmSpec) -> tuple[str, ...]:
    """Settings that do not do what they look like."""
    found = []
    for key in dropped_options(vm):
        instead = next(words for prefix, words in INSTEAD.items() if key.lower().startswith(prefix))
        found.append(
            f"extraConfig {key} is not sent: vSphere drops in silence the keys that a field of its API is for; "
            f"sent instead: {instead}"
        )
    if any(key.lower() == "vhv.enable" for key in vm.extra_config) and not vm.nested:
        found.append("extraConfig vhv.enable asks for nesting, but nestedVirtualization does not: the VM will not nest")
    if vm.latency_sensitivity == "high":
        found.append("latencySensitivity high reserves all of the VM's memory and CPU: without that it has no effect")
    if vm.latency_sensitivity == "low":
        found.append("latencySensitivity low is less than normal, not more: high is the one for short delays")
    if vm.nested and vm.cpu_hot_add:
        found.append("CPU hot-add hides the NUMA nodes from the VM, and so from the VMs inside it")
    if vm.ignition is not None:
        found.append("with Ignition the agent is not installed: the VM will send no report")
    return tuple(found)
