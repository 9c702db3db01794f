"""Waiting for what a guest reports by guestinfo."""

import time

from hostcheck import clock
from provision.model import VmSpec
from provision.patience import Signs, deadline
from provision.provider import Progress, ProviderError
from provision.providers.vsphere import guestinfo, settings
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.observe import VM
from provision.providers.vsphere.properties import Read

SOON, POLL = 0.2, 2.0
"""Seconds between two looks for a report: soon at first, for it may be there already."""
LIFE = ("guest.toolsRunningStatus", "guest.hostName", "guest.ipAddress")
"""What a guest that is getting on changes, beside its guestinfo variables."""
SILENT = (
    "its image needs cloud-init and open-vm-tools; isolation.tools.setInfo.disable must not be set; "
    "in the guest: systemctl status nestproof-agent"
)


def fetch(calls: Calls, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
    """The latest report that the guest sent since it was switched on, by guestinfo.

    Within `timeout` seconds, or more (`patience`) while what vCenter shows of the guest changes.
    """
    started, signs = clock.monotonic(), Signs()
    said, pause = False, SOON
    while True:
        ref = calls.find(vm.namespace, vm.name)
        found = calls.read(ref, (*VM, *LIFE)) if ref is not None else None
        if found is None:
            raise ProviderError(f"it does not exist at {calls.shown}", hint="apply the manifests")
        try:
            report = guestinfo.report(settings.options(found.get("config.extraConfig")))
        except ValueError as e:
            raise ProviderError(f"its report cannot be read: {e}") from e
        if report is not None:
            return report
        if str(found.get("runtime.powerState")) != "poweredOn":
            raise ProviderError("no report: it is powered off", hint="start it, or set spec.powerState: On")
        if not said:
            progress("waiting for its report by guestinfo")
            said = True
        waited = clock.monotonic() - started
        signs.look(_shown(found), waited)
        left = deadline(timeout, signs.last) - waited
        if left < 0:
            raise ProviderError(f"no report within {max(timeout, round(waited)):g} s: {_silence(found)}", hint=SILENT)
        time.sleep(min(pause, max(0.05, left)))
        pause = min(pause * 1.5, POLL)


def _shown(found: Read) -> tuple[str, ...]:
    """What a guest that is getting on changes: cloud-init and VMware Tools write variables of their own."""
    told = settings.options(found.get("config.extraConfig"))
    variables = sorted(f"{key}={value}" for key, value in told.items() if key.startswith("guestinfo."))
    return (*(str(found.get(name)) for name in LIFE), *variables)


def _silence(found: Read) -> str:
    """Why there may be none."""
    if str(found.get("guest.toolsRunningStatus") or "") != "guestToolsRunning":
        return "VMware Tools do not run in it"
    return "VMware Tools run in it, but the agent has set no guestinfo variable"
