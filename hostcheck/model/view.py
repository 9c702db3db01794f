"""What a provider says of a VM and of a host, and what became of a VM's report."""

from enum import StrEnum

import msgspec

from hostcheck.model.chain import ChainLink, Setting
from hostcheck.model.judgement import Evidence, Finding, Remedy


class Accelerator(StrEnum):
    """What executes a VM's instructions."""

    KVM = "kvm"
    TCG = "tcg"


class Asked(StrEnum):
    """What a VM's configuration says about hardware virtualization."""

    ON = "on"
    OFF = "off"
    UNSTATED = "unstated"


class VmView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the provider says of a VM: asked for, configured, really got. Read back, never assumed."""

    name: str
    """`namespace/name`."""
    provider: str
    """For people, such as `libvirt qemu:///system`."""
    running: bool
    asked: Asked
    asked_where: str = ""
    """`file:line` of the setting, or the provider's own place."""
    feature: str = ""
    """`vmx` or `svm`: the one that the provider chose for this VM."""
    got: bool | None = None
    """The live VM has the feature; None when the provider cannot tell."""
    accelerator: Accelerator | None = None
    evidence: tuple[Evidence, ...] = ()
    settings: tuple[Setting, ...] = ()
    """Every field that the provider can read back, from the running VM where it runs."""
    host: str = ""
    """The host that the VM is on, as its provider names it; empty where the provider has only one host."""
    remedies: tuple[Remedy, ...] = ()
    """How this VM gets what it lacks, in its provider's own words; empty for a VM that a manifest describes."""
    product: str = ""
    """What runs the VM, with its version, such as `QEMU 7.2.0`; empty where the provider does not say."""
    state: str = ""
    """What a VM that is there and does not run does instead, such as `paused: internal-error`; empty for one that is
    off."""
    exists: bool = True
    """False when there is no such VM: nothing else of this can then be true of it."""


class HostView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a provider's API says of one of its hosts. No code ran there, so it can rule out and never prove."""

    name: str
    """As the provider names the host; qualified where such a name says little, as in `cluster1/pve3`."""
    provider: str
    """For people, such as `vsphere vc.example`."""
    product: str = ""
    """What runs the VMs, with its version, such as `VMware ESXi 8.0.2 build-22380479`."""
    feature: str = ""
    """`vmx` or `svm`: what the host's CPU has; empty when the API does not say or it has neither."""
    unusable: str = ""
    """Why no VM can be started there now (disconnected, in maintenance, offline); empty when one can."""
    links: tuple[ChainLink, ...] = ()
    """The links that the API speaks of, each with the id of its check; what it does not show is left out."""
    findings: tuple[Finding, ...] = ()
    """What else is worth knowing of this host: EVC, key providers, capacity."""
    addresses: tuple[str, ...] = ()
    """Where the host itself may be reached by ssh, the likeliest first; empty where the agent cannot run on it."""


class Arrival(StrEnum):
    """What became of the report that a VM should send."""

    ARRIVED = "arrived"
    NOT_AWAITED = "not-awaited"
    SILENT = "silent"
    REFUSED = "refused"
    DESTROYED = "destroyed"
    """There is no such VM any more; what was known of it stays in its history."""


class Silence(StrEnum):
    """Why a VM sent no report: what its provider saw of it, not a guess."""

    NOT_THERE = "not-there"
    """There is no such VM."""
    OFF = "off"
    PAUSED = "paused"
    """By somebody, or because its disk cannot be written."""
    CRASHED = "crashed"
    """Its kernel panicked, or the hypervisor ended."""
    NEVER_BOOTED = "never-booted"
    """It has said nothing since it was started."""
    BOOTING = "booting"
    """It speaks, and may not be done."""
    EARLIER_BOOT = "earlier-boot"
    """What it said is of an earlier boot: it has booted again, and not reported since."""
    NO_SEED = "no-seed"
    """It booted, and cloud-init took nothing of what was given to it."""
    NO_PYTHON = "no-python"
    AGENT_FAILED = "agent-failed"
    """The agent said so itself."""
    AGENT_GONE = "agent-gone"
    """The guest is up and there is no agent: it was stopped, or never started."""
    CHANNEL_MISSING = "channel-missing"
    """The VM has no channel that a report could leave it by."""
    CHANNEL_TAKEN = "channel-taken"
    """Somebody else listens."""
    CHANNEL_BLOCKED = "channel-blocked"
    """The agent is there, and nothing comes through."""
    DAMAGED = "damaged"
    """Something came, and it was no whole report."""
    UNKNOWN = "unknown"
    """Nobody could look."""
