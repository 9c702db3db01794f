"""Every fault of vSphere is one line that says what to do."""

import pytest

pytest.importorskip("pyVmomi", reason="pyvmomi is not installed (pip install 'nestproof[vsphere]')")
from pyVmomi import vim, vmodl

from provision.providers.vsphere.faults import _TOLD, explain

VM = vim.VirtualMachine("vm-7")
HOST = vim.HostSystem("host-3")
FILLED = {
    vim.fault.NoPermission: (
        {"object": VM, "privilegeId": "VirtualMachine.Config.Settings"},
        "lacks the privilege VirtualMachine.Config.Settings on vm-7",
    ),
    vim.fault.InvalidPowerState: (
        {"existingState": "poweredOn", "requestedState": "poweredOff"},
        "is powered on and has to be powered off",
    ),
    vim.fault.FeatureRequirementsNotMet: (
        {
            "host": HOST,
            "featureRequirement": [
                vim.vm.FeatureRequirement(key="cpuid.VMX", featureName="cpuid.VMX", value="Bool:Min:1")
            ],
        },
        "host host-3 lacks CPU features that the VM needs: cpuid.VMX",
    ),
    vim.fault.InsufficientMemoryResourcesFault: (
        {"requested": 4 << 30, "unreserved": 1 << 30},
        "4096 MiB are to be reserved, 1024 MiB are free",
    ),
    vim.fault.InsufficientCpuResourcesFault: (
        {"requested": 4000, "unreserved": 10},
        "4000 MHz are to be reserved, 10 MHz are free",
    ),
    vim.fault.VirtualHardwareVersionNotSupported: (
        {"hostName": "esx1"},
        "host esx1 does not know this virtual hardware version",
    ),
    vim.fault.DuplicateName: ({"name": "x"}, "something named x is there already"),
    vim.fault.InvalidVmConfig: ({"property": "flags.vbsEnabled"}, "refuses the setting flags.vbsEnabled"),
    vim.fault.GenericVmConfigFault: ({"reason": "Invalid memory\n setting"}, "vSphere says: Invalid memory setting"),
    vim.fault.InvalidHostState: ({"host": HOST}, "host host-3 is not fit to start VMs"),
    vim.fault.NoDiskSpace: ({"datastore": "ds1"}, "datastore ds1 is full"),
    vmodl.fault.InvalidArgument: ({"invalidProperty": "spec.x"}, "spec.x is not valid"),
    vmodl.fault.ManagedObjectNotFound: ({"obj": VM}, "vm-7 does not exist any more"),
}


@pytest.mark.parametrize("kind", [kind for kind, _ in _TOLD], ids=lambda kind: kind.__name__)
def test_every_known_fault_is_one_line_even_when_the_server_leaves_it_empty(kind: type) -> None:
    error = explain(kind(), "vc: starting")
    assert str(error).startswith("vc: starting: ")
    assert "\n" not in str(error) + error.hint


@pytest.mark.parametrize("kind", FILLED, ids=lambda kind: kind.__name__)
def test_what_a_fault_carries_is_told(kind: type) -> None:
    fields, says = FILLED[kind]
    assert says in str(explain(kind(**fields), "vc"))


def test_a_fault_that_nobody_knows_is_named_and_shortened() -> None:
    error = explain(vim.fault.VimFault(msg="some\nlong " + "x" * 900), "vc")
    assert str(error).startswith("vc: VimFault: some long xxx")
    assert len(str(error)) < 400


def test_what_cannot_work_is_told_from_what_is_set_up_wrongly() -> None:
    assert explain(vmodl.fault.NotSupported(), "vc").refused
    assert not explain(vim.fault.NoPermission(), "vc").refused
