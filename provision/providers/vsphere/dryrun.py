"""vCenter's own opinion of a reconfiguration before it is made: it knows rules that are in no documentation.

Told beside the plan and never a refusal: for a template and a host that the VM is not on yet, it may object to what is
no fault. Since vSphere 6.7; an ESXi host alone has no such check.
"""

import copy
from typing import Any

from pyVmomi import vim

from hostcheck.model import Evidence
from provision.provider import ProviderError
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.faults import explain
from provision.providers.vsphere.tasks import TaskLost

SOURCE = "CheckVmConfig_Task"


def check(calls: Calls, vm: Any, host: Any, spec: Any) -> tuple[tuple[str, ...], tuple[Evidence, ...]]:
    """Notes on what vCenter objects to, and what was asked; `vm` is the VM, or the template that it is cloned from."""
    checker: Any = calls.connection.content.vmCompatibilityChecker
    if checker is None or vm is None or not calls.connection.knows_method(checker, "CheckVmConfig"):
        return (), ()
    asked = copy.copy(spec)
    asked.extraConfig, asked.changeVersion = [], None  # cloud-init's secrets are nothing to check
    try:
        results = calls.run(vm, "checking", lambda: checker.CheckVmConfig_Task(asked, vm, host), lambda _: None)
    except (ProviderError, TaskLost) as e:
        return (), (Evidence(SOURCE, f"could not look: {e}"),)
    faults = [e.fault if hasattr(e, "fault") else e for result in results or () for e in result.error or ()]
    # A VM that runs is switched off first
    told = [str(explain(f, "vCenter's own check")) for f in faults if not isinstance(f, vim.fault.InvalidPowerState)]
    return tuple(told), (Evidence(SOURCE, f"{len(told)} objections"),)
