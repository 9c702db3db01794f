"""The `cpu` of a VM on one node: never a flag that Proxmox refuses, and why this one. Pure.

Proxmox refuses +vmx and +svm on a VM. What there is: `host`, which shows what KVM gives and says nothing when KVM gives
none; a model of the node's vendor with +nested-virt, from 9.1 on, which does not start without; a custom model.
"""

import msgspec

from hostcheck.model import Evidence
from provision.model import AccelPolicy, VmSpec
from provision.provider import ProviderError
from provision.providers.proxmox.facts import NATIVE, Node
from provision.providers.proxmox.words import ACCEL, CPU_MODEL, NESTED, refusal

MODEL_KEY = "proxmox.cpu"
"""The key of a VMClass's extraConfig that names a CPU model."""
PLAIN = ("x86-64-v2-AES", "kvm64")
"""Models without vmx and svm, the best first. The first is there from 8.0 on."""
NESTED_FLAG_SINCE = "Proxmox VE 9.1 (qemu-server 9.0.27)"


class Cpu(msgspec.Struct, frozen=True):
    """How a VM's CPU is configured."""

    value: str
    """Of the key `cpu`."""
    kvm: bool
    feature: str
    """svm or vmx: what nesting means there; empty when the node's vendor is not known."""
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def choose(vm: VmSpec, node: Node) -> Cpu:
    """Decide. Raises ProviderError, refused, where the node cannot give what is asked for."""
    evidence = tuple(_evidence(node))
    if vm.accel is AccelPolicy.TCG:
        return _emulated(vm, "as asked for by nestproof.org/accel: tcg", evidence)
    against, hint = against_kvm(node, nested=vm.nested)
    if against and vm.accel is AccelPolicy.AUTO:
        return _emulated(vm, f"because {against}", evidence)
    if against:
        raise refusal(vm, NESTED if vm.nested else ACCEL, f"it needs KVM, but {against}", hint)
    feature = node.feature or node.native
    asked = vm.extra_config.get(MODEL_KEY, "")
    if not vm.nested:
        return Cpu(_without(vm, node, asked), True, feature, evidence=evidence)
    notes = []
    if node.offers is None:
        notes.append(
            f"Proxmox VE {node.version} does not say whether KVM on {node.name} lets guests nest: "
            "the VM's own proof will"
        )
    if not asked or asked == "host":
        notes.append("cpu=host: live migration only between nodes with the same CPU")
        return Cpu("host", True, feature, tuple(notes), evidence)
    return Cpu(_with(vm, node, asked), True, feature, tuple(notes), evidence)


def against_kvm(node: Node, *, nested: bool) -> tuple[str, str]:
    """Why KVM on a node cannot run a VM (that nests), and what to do; two empty texts when it can or nobody knows."""
    if node.looked and not node.feature:
        why = f"the CPU of {node.name} shows neither vmx nor svm"
        return why, f"switch virtualization on in the firmware setup of {node.name}, or choose another node"
    if nested and node.offers is False:
        module = {"svm": "kvm_amd", "vmx": "kvm_intel"}.get(node.feature, "kvm_intel or kvm_amd")
        why = f"KVM on {node.name} gives guests neither vmx nor svm ({module} has nested off)"
        return why, f"nestproof enable ssh://root@{node.name} --apply, or choose another node"
    return "", ""


def _with(vm: VmSpec, node: Node, model: str) -> str:
    """A CPU model that the class names, with nesting."""
    _must_exist(vm, node, model)
    if model.startswith("custom-"):
        return model
    vendor = node.models.get(model, "")
    if vendor not in NATIVE:
        why = f"CPU model {model} is of no vendor, so it has neither vmx nor svm"
        raise refusal(vm, CPU_MODEL, why, "name a model of the node's vendor, or leave it out: host")
    if vendor != node.vendor:
        raise refusal(vm, CPU_MODEL, f"CPU model {model} is of {vendor}, the CPU of {node.name} of {node.vendor}")
    if not node.nested_flag:
        why = f"a CPU model with nesting needs {NESTED_FLAG_SINCE}; {node.name} has {node.version}"
        raise refusal(vm, CPU_MODEL, why, "leave it out (host), or name an existing custom model")
    return f"{model},flags=+nested-virt"


def _without(vm: VmSpec, node: Node, model: str) -> str:
    """A CPU without vmx and svm."""
    if not model:
        return next((plain for plain in PLAIN if plain in node.models), PLAIN[-1])
    if model == "host":
        if not node.nested_flag:
            why = f"cpu=host has vmx or svm whenever KVM gives it; taking it away needs {NESTED_FLAG_SINCE}"
            raise refusal(vm, CPU_MODEL, why, "leave the model out, or ask for nestedVirtualization")
        return "host,flags=-nested-virt"
    _must_exist(vm, node, model)
    return model


def _must_exist(vm: VmSpec, node: Node, model: str) -> None:
    if node.models and model not in node.models:
        known = ", ".join(sorted(node.models))
        raise refusal(vm, CPU_MODEL, f"{node.name} knows no CPU model {model!r}", f"it knows: {known[:200]}")


def _emulated(vm: VmSpec, why: str, evidence: tuple[Evidence, ...]) -> Cpu:
    if vm.extra_config.get(MODEL_KEY, "") not in ("", "max"):
        raise ProviderError(f"{CPU_MODEL} is for KVM, and the CPU will be emulated, {why}", refused=True)
    with_svm = " with AMD SVM" if vm.nested else ""
    note = f"the CPU will be emulated (QEMU TCG{with_svm}), {why}; results are true, speed means nothing"
    return Cpu("max" if vm.nested else "qemu64", False, "svm", (note,), evidence)


def _evidence(node: Node) -> list[Evidence]:
    if not node.looked:
        return [
            Evidence(f"GET /nodes/{node.name}/status", node.unread[0] if node.unread else "says nothing of its CPU")
        ]
    said = [
        Evidence(f"GET /nodes/{node.name}/status", f"{node.cpu} ({node.vendor}): {node.feature or 'no vmx or svm'}")
    ]
    if node.offers is not None:
        answer = "supported" if node.offers else "not supported"
        said.append(Evidence(f"GET /nodes/{node.name}/capabilities/qemu/cpu-flags", f"nested-virt is {answer} there"))
    return said
