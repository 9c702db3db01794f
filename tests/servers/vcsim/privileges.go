package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// missing gives the first privilege that a user lacks for a call; empty when there is none.
func (v *vcenter) missing(name string, method *simulator.Method) string {
	user, known := v.scenario.Users[name]
	if !known || user.Privileges == nil {
		return ""
	}
	has := map[string]bool{}
	for _, privilege := range user.Privileges {
		has[privilege] = true
	}
	for _, privilege := range needed(method) {
		if !has[privilege] {
			return privilege
		}
	}
	return ""
}

// needed are the privileges of a call, as VMware's API reference gives them for it and for each field.
func needed(method *simulator.Method) []string {
	const vm = "VirtualMachine."
	switch req := method.Body.(type) {
	case *types.CloneVM_Task:
		all := []string{"Datastore.AllocateSpace", "Network.Assign", "Resource.AssignVMToPool", vm + "Inventory.CreateFromExisting"}
		source, is := simulator.Map.Get(req.This).(*simulator.VirtualMachine)
		if is && source.Config.Template {
			all = append(all, vm+"Provisioning.DeployTemplate")
		} else {
			all = append(all, vm+"Provisioning.Clone")
		}
		if req.Spec.Config != nil {
			all = append(all, neededBySpec(req.Spec.Config)...)
		}
		return all
	case *types.ReconfigVM_Task:
		return neededBySpec(&req.Spec)
	case *types.PowerOnVM_Task:
		return []string{vm + "Interact.PowerOn"}
	case *types.PowerOffVM_Task, *types.ShutdownGuest:
		return []string{vm + "Interact.PowerOff"}
	case *types.Destroy_Task:
		return []string{vm + "Inventory.Delete"}
	case *types.UpgradeVM_Task:
		return []string{vm + "Config.UpgradeVirtualHardware"}
	case *types.ImportVApp:
		return []string{"VApp.Import"}
	case *types.ReconfigureDVPortgroup_Task:
		return []string{"DVPortgroup.Modify", "DVPortgroup.PolicyOp"}
	}
	return nil
}

func neededBySpec(spec *types.VirtualMachineConfigSpec) []string {
	const config = "VirtualMachine.Config."
	var all []string
	add := func(is bool, privilege string) {
		if is {
			all = append(all, config+privilege)
		}
	}
	add(spec.NestedHVEnabled != nil || spec.VPMCEnabled != nil || spec.Flags != nil || spec.Firmware != "" ||
		spec.BootOptions != nil, "Settings")
	add(spec.NumCPUs != 0 || spec.CpuHotAddEnabled != nil, "CPUCount")
	add(spec.MemoryMB != 0 || spec.MemoryHotAddEnabled != nil, "Memory")
	add(spec.CpuAllocation != nil || spec.MemoryAllocation != nil || spec.LatencySensitivity != nil, "Resource")
	add(len(spec.ExtraConfig) > 0, "AdvancedConfig")
	add(spec.Annotation != "", "Annotation")
	for _, change := range spec.DeviceChange {
		c := change.GetVirtualDeviceConfigSpec()
		_, disk := c.Device.(*types.VirtualDisk)
		switch {
		case disk && c.Operation == types.VirtualDeviceConfigSpecOperationEdit:
			add(true, "DiskExtend")
		case disk:
			add(true, "AddNewDisk")
		default:
			add(true, "AddRemoveDevice")
		}
		if nic, is := c.Device.(types.BaseVirtualEthernetCard); is && nic.GetVirtualEthernetCard().Backing != nil &&
			!strings.EqualFold(string(c.Operation), "remove") {
			all = append(all, "Network.Assign")
		}
	}
	return all
}
