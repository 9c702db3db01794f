"""Waiting for what a guest reports by guestinfo."""

import time
from typing import Any

from hostcheck import clock
from provision.model import VmSpec
from provision.provider import Progress, ProviderError
from provision.providers.vsphere import guestinfo, settings
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.observe import VM

SOON, POLL = 0.2, 2.0
"""Seconds between two looks for a report: soon at first, for it may be there already."""
SILENT = (
    "its image needs cloud-init and open-vm-tools; isolation.tools.setInfo.disable must not be set; "
    "in the guest: systemctl status nestproof-agent"
)


def fetch(calls: Calls, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
    """The latest report that the guest sent since it was switched on, by guestinfo."""
    deadline = clock.monotonic() + timeout
    said, pause = False, SOON
    while True:
        ref = calls.find(vm.namespace, vm.name)
        found = calls.read(ref, VM) if ref is not None else None
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
        if clock.monotonic() > deadline:
            raise ProviderError(f"no report within {timeout:g} s: {_silence(calls, ref)}", hint=SILENT)
        time.sleep(min(pause, max(0.05, deadline - clock.monotonic())))
        pause = min(pause * 1.5, POLL)


def _silence(calls: Calls, ref: Any) -> str:
    """Why there may be none."""
    found = calls.read(ref, ("guest.toolsRunningStatus",))
    if found is None or str(found.get("guest.toolsRunningStatus") or "") != "guestToolsRunning":
        return "VMware Tools do not run in it"
    return "VMware Tools run in it, but the agent has set no guestinfo variable"
