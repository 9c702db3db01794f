"""vSphere's faults in one line each: what, why, and what to do about it."""

from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from provision.provider import ProviderError

Told = tuple[str, str]
"""What happened, and the next step."""
Named = Callable[[Any], str]
_UNREADABLE = "vSphere refused it without a reason"


def explain(fault: BaseException, where: str, named: Named | None = None) -> ProviderError:
    """One line for the user. `refused` for what cannot work there, as against what is set up wrongly.

    `named` says what an object is called; without it its id has to do.
    """
    for kind, tell in _TOLD:
        if isinstance(fault, kind):
            what, hint = tell(fault, named or identity)
            return ProviderError(f"{where}: {what}", hint=hint, refused=isinstance(fault, _REFUSALS))
    name = type(fault).__name__.rpartition(".")[2]
    return ProviderError(f"{where}: {name}: {_message(fault)}", refused=isinstance(fault, _REFUSALS))


def _message(fault: Any) -> str:
    """The server's own words, shortened: they come from elsewhere."""
    texts = [getattr(fault, "msg", None) or ""]
    texts += [getattr(m, "message", "") or "" for m in getattr(fault, "faultMessage", None) or ()]
    return " ".join(" ".join(texts).split())[:300] or _UNREADABLE


def identity(reference: Any) -> str:
    """The id of an object."""
    return str(getattr(reference, "_moId", "") or "an object")


def _mib(size: int | None) -> str:
    return f"{(size or 0) >> 20} MiB"


def _no_permission(fault: Any, named: Named) -> Told:
    privilege = fault.privilegeId or "unknown"
    return (
        f"this account lacks the privilege {privilege} on {named(fault.object)}",
        f"add {privilege} to its role (docs/vsphere.md lists what nestproof needs)",
    )


def _power_state(fault: Any, _: Named) -> Told:
    return (
        f"the VM is {_words(fault.existingState)} and has to be {_words(fault.requestedState) or 'in another state'}",
        "somebody changed its power state meanwhile: apply again",
    )


def _words(state: Any) -> str:
    return {"poweredOn": "powered on", "poweredOff": "powered off"}.get(str(state), str(state or ""))


def _features(fault: Any, named: Named) -> Told:
    keys = ", ".join(r.featureName or r.key for r in fault.featureRequirement or ())[:200]
    return (
        f"host {named(fault.host)} lacks CPU features that the VM needs: {keys or 'not named'}",
        "place it on a host that offers them (nestproof check vsphere://...), or mind the cluster's EVC mode",
    )


def _no_host(fault: Any, _: Named) -> Told:
    reasons = [type(e.fault if hasattr(e, "fault") else e).__name__.rpartition(".")[2] for e in fault.error or ()]
    return (
        f"no host of the cluster can run it: {', '.join(dict.fromkeys(reasons)) or 'no reason given'}",
        "nestproof check vsphere://... says what every host offers",
    )


def _too_long(fault: Any, _: Named) -> Told:
    return f"{fault.invalidProperty or 'a value'} is not valid: {_message(fault)}", ""


_TOLD: tuple[tuple[type[BaseException], Callable[[Any, Named], Told]], ...] = (
    (vim.fault.NoPermission, _no_permission),
    (vim.fault.InvalidLogin, lambda _, __: (
        "wrong user name or password", "for the environment: GOVC_USERNAME and GOVC_PASSWORD")),
    (vim.fault.NotAuthenticated, lambda _, __: ("the session has ended and could not be renewed", "try again")),
    (vim.fault.FeatureRequirementsNotMet, _features),
    (vim.fault.NoCompatibleHost, _no_host),
    (vim.fault.InvalidPowerState, _power_state),
    (vim.fault.InsufficientMemoryResourcesFault, lambda f, _: (
        f"not enough memory: {_mib(f.requested)} are to be reserved, {_mib(f.unreserved)} are free",
        "lower spec.resourceLimits.memoryReservation, or place the VM elsewhere")),
    (vim.fault.InsufficientCpuResourcesFault, lambda f, _: (
        f"not enough CPU: {f.requested} MHz are to be reserved, {f.unreserved} MHz are free",
        "lower spec.resourceLimits.cpuReservation, or place the VM elsewhere")),
    (vim.fault.InsufficientResourcesFault, lambda f, _: (
        f"not enough resources: {_message(f)}", "place the VM elsewhere")),
    (vim.fault.CpuHotPlugNotSupported, lambda _, __: (
        "CPU hot-add is not supported for this VM",
        "leave out performanceProfile.cpuHotAddEnabled, or mind the guest OS")),
    (vim.fault.MemoryHotPlugNotSupported, lambda _, __: (
        "memory hot-add is not supported for this VM",
        "leave out performanceProfile.memoryHotAddEnabled, or mind the guest OS")),
    (vim.fault.VirtualHardwareVersionNotSupported, lambda f, _: (
        f"host {f.hostName or 'unknown'} does not know this virtual hardware version",
        "place the VM on a newer ESXi, or keep the version of the template")),
    (vim.fault.AlreadyUpgraded, lambda _, __: ("the virtual hardware has this version already", "")),
    (vim.fault.RestrictedVersion, lambda _, __: (
        "this ESXi has a licence whose API only reads", "give it a licence, or let a vCenter manage it")),
    (vim.fault.ConcurrentAccess, lambda _, __: ("somebody else changed the VM at the same time", "apply again")),
    (vim.fault.TaskInProgress, lambda _, __: ("another task is at work on it", "wait for that one, then apply again")),
    (vim.fault.DuplicateName, lambda f, _: (
        f"something named {f.name} is there already and was not made by nestproof", "rename the one or the other")),
    (vim.fault.InvalidHostState, lambda f, named: (
        f"host {named(f.host)} is not fit to start VMs", "it may be in maintenance: choose another host")),
    (vim.fault.NoDiskSpace, lambda f, _: (f"datastore {f.datastore} is full", "choose another datastore")),
    (vim.fault.GenericVmConfigFault, lambda f, _: (f"vSphere says: {_short(f.reason)}", "")),
    (vim.fault.InvalidVmConfig, lambda f, _: (
        f"vSphere refuses the setting {f.property or 'that it does not name'}: {_message(f)}", "")),
    (vmodl.fault.NotSupported, lambda _, __: (
        "the host or the VM's hardware version does not support one of the settings",
        "nestproof check vsphere://... --vm NAME says which")),
    (vmodl.fault.InvalidArgument, _too_long),
    (vmodl.fault.ManagedObjectNotFound, lambda f, named: (
        f"{named(f.obj)} does not exist any more", "somebody removed it meanwhile: apply again")),
    (vmodl.fault.RequestCanceled, lambda _, __: ("the task was cancelled", "apply again")),
    (vmodl.fault.InvalidRequest, lambda f, _: (
        f"this vSphere does not understand the request: {_message(f)}", "it may be too old for one of the settings")),
)  # fmt: skip
_REFUSALS = (
    vim.fault.FeatureRequirementsNotMet, vim.fault.NoCompatibleHost, vim.fault.InsufficientResourcesFault,
    vim.fault.CpuHotPlugNotSupported, vim.fault.MemoryHotPlugNotSupported, vim.fault.VirtualHardwareVersionNotSupported,
    vim.fault.InvalidVmConfig, vmodl.fault.NotSupported,
)  # fmt: skip


def _short(text: str | None) -> str:
    return " ".join((text or "").split())[:300] or _UNREADABLE
