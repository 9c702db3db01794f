"""The live VM read back: what it asks for, what it was started with, and, where we may ask QEMU, what it got."""

from collections.abc import Mapping

import msgspec

from hostcheck.model import Accelerator, Asked, Evidence, Remedy, VmView, Where
from provision.providers.proxmox import tasks
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.config import parts
from provision.providers.proxmox.facts import NATIVE
from provision.providers.proxmox.faults import ApiError, harmless
from provision.providers.proxmox.guests import Guest

FEATURES = ("svm", "vmx")
FORBIDDEN = "may not be asked"
FIRST_CPU = "/machine/unattached/device[0]"
"""QEMU's name of the first virtual CPU."""
NONE = ("kvm64", "kvm32", "qemu64", "qemu32", "486", "pentium", "pentium2", "pentium3", "athlon")


def view(
    api: Api, guest: Guest, name: str, provider: str, native: str, asked_where: str = "", *, ask: bool = True
) -> VmView:
    """`native`: svm or vmx by the vendor of the node, empty when not known. `ask`: QEMU, which may be forbidden."""
    asked, feature = asked_of(guest.config, native)
    evidence = [Evidence(f"{guest.path}: configuration", said(guest.config))]
    got: bool | None = None
    if guest.running:
        if guest.pending:
            text = f"{said(guest.live)}; {', '.join(guest.pending)} wait for a stop and a start"
            evidence.append(Evidence(f"{guest.path}: running", text))
        warnings = tasks.last_start(api, guest.node, guest.vmid)
        evidence += [Evidence("log of the last start", line) for line in warnings]
        got, text = _ask_qemu(api, guest, feature) if ask else (None, FORBIDDEN)
        evidence.append(Evidence("QEMU monitor (qom-get)", text))
        if got is None:
            got = by_start(guest.live, warnings)
    return VmView(
        name=name,
        provider=provider,
        running=guest.running,
        asked=asked,
        asked_where=asked_where,
        feature=feature,
        got=got,
        accelerator=accelerator_of(guest.live),
        evidence=tuple(evidence),
        host=guest.node,
        product=f"QEMU {guest.qemu}" if guest.qemu else "",
    )


def existing(api: Api, guest: Guest, name: str, provider: str, native: str, *, ask: bool) -> VmView:
    """A VM that no manifest describes, with how it gets what it lacks."""
    seen = view(api, guest, name, provider, native, f"{guest.at}: cpu", ask=ask)
    return msgspec.structs.replace(seen, remedies=remedies(guest, seen.asked))


def unread(name: str, provider: str, node: str, why: str) -> VmView:
    """A VM of which nothing could be read. Pure."""
    return VmView(name, provider, False, Asked.UNSTATED, evidence=(Evidence("could not look", why),), host=node)


def asked_of(config: Mapping[str, str], native: str) -> tuple[Asked, str]:
    """What a configuration says of vmx and svm, and of which one. Pure."""
    cpu = parts(config.get("cpu", "kvm64"))
    kind, flags = cpu.get("", cpu.get("cputype", "kvm64")), cpu.get("flags", "").split(";")
    feature = "svm" if accelerator_of(config) is Accelerator.TCG else native
    if "-nested-virt" in flags or kind in NONE or kind.startswith("x86-64-v"):
        return Asked.OFF, feature
    if kind in ("host", "max") or "+nested-virt" in flags:
        return Asked.ON, feature
    if kind.startswith("custom-"):
        return Asked.UNSTATED, feature
    return Asked.OFF, feature  # a vendor's model: Proxmox's have neither feature


def by_start(live: Mapping[str, str], warnings: tuple[str, ...]) -> bool | None:
    """What its having started says of the feature; None where that proves nothing, as with cpu=host. Pure.

    A model other than host is started with `enforce`: without the feature that +nested-virt asks for there is no start.
    """
    if asked_of(live, "")[0] is Asked.OFF or any("nested-virt" in line for line in warnings):
        return False
    cpu = parts(live.get("cpu", ""))
    enforced = accelerator_of(live) is Accelerator.KVM and cpu.get("", cpu.get("cputype")) != "host"
    return True if enforced and "+nested-virt" in cpu.get("flags", "").split(";") else None


def accelerator_of(config: Mapping[str, str]) -> Accelerator:
    return Accelerator.TCG if config.get("kvm") == "0" else Accelerator.KVM


def said(config: dict[str, str]) -> str:
    """The keys that matter here, for people. Pure."""
    shown = [f"{key}={config[key]}" for key in ("cpu", "kvm", "machine") if key in config]
    return ", ".join(shown) or "no cpu key: kvm64"


def remedies(guest: Guest, asked: Asked) -> tuple[Remedy, ...]:
    """How a VM that no manifest describes gets nesting, in Proxmox's own words. Pure."""
    if asked is Asked.ON and not ({"cpu", "kvm"} & set(guest.pending)):
        return ()
    commands = () if asked is Asked.ON else (f"qm set {guest.vmid} --cpu host",)
    return (
        Remedy(
            f"give VM {guest.vmid} the CPU of its host, on {guest.node}",
            Where.HYPERVISOR,
            (*commands, f"qm shutdown {guest.vmid}", f"qm start {guest.vmid}"),
            "a full stop and start: a reboot from inside keeps the CPU",
            risk="stops the VM; with cpu=host it migrates live only between nodes with the same CPU",
            applies="Proxmox VE",
        ),
    )


def _ask_qemu(api: Api, guest: Guest, feature: str) -> tuple[bool | None, str]:
    """The CPUID property of the first virtual CPU itself; of both features when the node's vendor is not known."""
    heard = {}
    for each in (feature,) if feature else FEATURES:
        try:
            answer = api.post(f"{guest.path}/monitor", command=f"qom-get {FIRST_CPU} {each}")
        except ApiError as e:
            return None, f"{FORBIDDEN}: {e.text}" if e.denied else f"cannot be asked: {e.text}"
        word = str(answer).strip().lower()
        if word not in ("true", "false"):
            return None, f"answered {harmless(answer)!r}"
        heard[each] = word
    return "true" in heard.values(), ", ".join(f"{name}={word}" for name, word in heard.items())


def native_of(vendor: str) -> str:
    """svm or vmx; empty for a vendor that is not known."""
    return NATIVE.get(vendor, "")
