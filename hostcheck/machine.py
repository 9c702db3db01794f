"""What a machine is, in the few words and figures by which people compare machines. Pure; it judges nothing."""

from hostcheck.checks.machine import product
from hostcheck.facts import Facts
from hostcheck.model import Machine, Timing
from hostcheck.shapes import Spread


def machine_of(facts: Facts) -> Machine:
    """The machine of one report; what the report does not tell is left at its default."""
    cpu, memory, system, boot = facts.cpu.known, facts.memory_room.known, facts.os.known, facts.boot.known
    offered, iommu, cost = facts.offered.known, facts.iommu.known, facts.cost.known
    inner = (cost.inner_cpuid_exit_paging or cost.inner_cpuid_exit) if cost else None
    return Machine(
        looked=facts.report.started,
        cpu=" ".join(cpu.model_name.split()) if cpu else "",
        cpus=cpu.cpus if cpu else 0,
        memory=memory.total if memory else 0,
        kernel=facts.kernel.known.release if facts.kernel.known else "",
        system=f"{system.id} {system.version_id}".strip() if system else "",
        under=" and ".join(dict.fromkeys(product(name) for name in facts.hypervisor_names)),
        virtual=facts.is_vm,
        uefi=boot.uefi if boot else None,
        secure_boot=boot.secure_boot if boot else None,
        tpm=_tpm(facts.devices.known),
        iommu=iommu.groups > 0 if iommu else None,
        nested_paging=offered.nested_paging if offered and offered.something else None,
        exit=_timing(cost.cpuid_exit if cost else None),
        inner_exit=_timing(inner),
    )


def _tpm(devices: dict[str, str] | None) -> bool | None:
    """A node that may not be opened is there all the same; an older agent did not look."""
    state = (devices or {}).get("tpm0")
    return None if state is None else state != "absent"


def _timing(spread: Spread | None) -> Timing | None:
    return Timing(spread.median_ns, spread.min_ns, spread.max_ns) if spread else None
