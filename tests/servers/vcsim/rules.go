package main

import (
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// What real vSphere refuses and govmomi's simulator lets pass.

type fault = types.BaseMethodFault

func hardware(vm *simulator.VirtualMachine) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(vm.Config.Version, "vmx-"))
	return n
}

func isOn(b *bool) bool    { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }

func hostOf(vm *simulator.VirtualMachine) *simulator.HostSystem {
	return simulator.Map.Get(*vm.Runtime.Host).(*simulator.HostSystem)
}

// older tells whether API version a comes before b.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(x) && i < len(y); i++ {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m < n
		}
	}
	return false
}

func flagsOf(spec *types.VirtualMachineConfigSpec) *types.VirtualMachineFlagInfo {
	if spec.Flags != nil {
		return spec.Flags
	}
	return &types.VirtualMachineFlagInfo{}
}

func addsTPM(spec *types.VirtualMachineConfigSpec) bool { return adds[*types.VirtualTPM](spec) }
func addsPCI(spec *types.VirtualMachineConfigSpec) bool {
	return adds[*types.VirtualPCIPassthrough](spec)
}

func adds[T any](spec *types.VirtualMachineConfigSpec) bool {
	for _, change := range spec.DeviceChange {
		c := change.GetVirtualDeviceConfigSpec()
		if _, is := c.Device.(T); is && c.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			return true
		}
	}
	return false
}

func hasPCI(vm *simulator.VirtualMachine) bool {
	for _, d := range vm.Config.Hardware.Device {
		if _, is := d.(*types.VirtualPCIPassthrough); is {
			return true
		}
	}
	return false
}

// refuse gives the fault for a specification; creating: VBS brings what it needs with it.
func (v *vcenter) refuse(vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec) fault {
	flags := flagsOf(spec)
	if older(v.scenario.API, "6.7") && (flags.VvtdEnabled != nil || flags.VbsEnabled != nil || addsTPM(spec)) {
		return &types.InvalidRequest{}
	}
	if spec.ChangeVersion != "" && spec.ChangeVersion != vm.Config.ChangeVersion {
		return &types.ConcurrentAccess{}
	}
	needsOff := spec.NestedHVEnabled != nil || spec.VPMCEnabled != nil || spec.CpuHotAddEnabled != nil ||
		spec.MemoryHotAddEnabled != nil || spec.Firmware != "" || flags.VvtdEnabled != nil || flags.VbsEnabled != nil ||
		addsTPM(spec) || (spec.NumCPUs != 0 && spec.NumCPUs != vm.Config.Hardware.NumCPU && !isOn(vm.Config.CpuHotAddEnabled)) ||
		(spec.MemoryMB != 0 && spec.MemoryMB != int64(vm.Config.Hardware.MemoryMB) && !isOn(vm.Config.MemoryHotAddEnabled))
	if needsOff && vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		return &types.InvalidPowerState{
			ExistingState: vm.Runtime.PowerState, RequestedState: types.VirtualMachinePowerStatePoweredOff,
		}
	}
	return v.refuseFeatures(vm, spec, flags)
}

func (v *vcenter) refuseFeatures(
	vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec, flags *types.VirtualMachineFlagInfo,
) fault {
	hw, host := hardware(vm), hostOf(vm)
	firmware := spec.Firmware
	if firmware == "" {
		firmware = vm.Config.Firmware
	}
	secure := spec.BootOptions != nil && isOn(spec.BootOptions.EfiSecureBootEnabled)
	if isOn(spec.NestedHVEnabled) && (hw < 9 || !isOn(host.Capability.NestedHVSupported)) {
		return &types.NotSupported{}
	}
	if isOn(spec.NestedHVEnabled) && (hasPCI(vm) || addsPCI(spec)) {
		return &types.InvalidVmConfig{Property: "nestedHVEnabled"}
	}
	if isOn(spec.VPMCEnabled) && !isOn(host.Capability.VPMCSupported) {
		return &types.NotSupported{}
	}
	if secure && (firmware != "efi" || hw < 13) {
		return &types.InvalidVmConfig{Property: "bootOptions.efiSecureBootEnabled"}
	}
	if isOn(flags.VvtdEnabled) && hw < 14 {
		return &types.NotSupported{}
	}
	if addsTPM(spec) {
		if firmware != "efi" || hw < 14 {
			return &types.InvalidVmConfig{Property: "deviceChange.VirtualTPM"}
		}
		if len(v.scenario.KeyProviders) == 0 {
			return &types.GenericVmConfigFault{
				VmConfigFault: types.VmConfigFault{}, Reason: "Cannot add a TPM device: no default key provider is configured.",
			}
		}
	}
	if isOn(flags.VbsEnabled) {
		vendor := host.Hardware.CpuPkg[0].Vendor
		if hw < 14 || (vendor == "amd" && hw < 19) {
			return &types.InvalidVmConfig{Property: "flags.vbsEnabled"}
		}
		if firmware != "efi" || isFalse(spec.NestedHVEnabled) || isFalse(flags.VvtdEnabled) ||
			(spec.BootOptions != nil && isFalse(spec.BootOptions.EfiSecureBootEnabled)) {
			return &types.InvalidVmConfig{Property: "flags.vbsEnabled"}
		}
		if !isOn(spec.NestedHVEnabled) && !isOn(vm.Config.NestedHVEnabled) {
			return &types.InvalidVmConfig{Property: "flags.vbsEnabled"}
		}
	}
	if hot(spec) && hw < 8 {
		return &types.CpuHotPlugNotSupported{}
	}
	for _, option := range spec.ExtraConfig {
		o := option.GetOptionValue()
		if text, is := o.Value.(string); is && strings.HasPrefix(o.Key, "guestinfo.") && len(text) > 65536 {
			return &types.InvalidArgument{InvalidProperty: "configSpec.extraConfig[\"" + o.Key + "\"]"}
		}
	}
	return nil
}

func hot(spec *types.VirtualMachineConfigSpec) bool {
	return isOn(spec.CpuHotAddEnabled) || isOn(spec.MemoryHotAddEnabled)
}

// refuseStart gives the fault for switching a VM on.
func (v *vcenter) refuseStart(vm *simulator.VirtualMachine) fault {
	host := hostOf(vm)
	if host.Runtime.InMaintenanceMode {
		return &types.InvalidHostState{Host: &host.Self}
	}
	if isOn(vm.Config.NestedHVEnabled) && !isOn(host.Capability.NestedHVSupported) {
		return &types.FeatureRequirementsNotMet{
			FeatureRequirement: []types.VirtualMachineFeatureRequirement{
				{Key: "hv.capable", FeatureName: "hv.capable", Value: "Bool:Min:1"},
			},
			Vm: &vm.Self, Host: &host.Self,
		}
	}
	memory := vm.Config.MemoryAllocation
	if l := vm.Config.LatencySensitivity; l != nil && l.Level == types.LatencySensitivitySensitivityLevelHigh {
		full := isOn(vm.Config.MemoryReservationLockedToMax) ||
			(memory != nil && memory.Reservation != nil && *memory.Reservation >= int64(vm.Config.Hardware.MemoryMB))
		if !full {
			return &types.GenericVmConfigFault{Reason: "Invalid memory setting: memory reservation (sched.mem.min) " +
				"should be equal to memsize."}
		}
	}
	free := host.Hardware.MemorySize>>20 - int64(host.Summary.QuickStats.OverallMemoryUsage)
	if memory != nil && memory.Reservation != nil && *memory.Reservation > free {
		return &types.InsufficientMemoryResourcesFault{Unreserved: free << 20, Requested: *memory.Reservation << 20}
	}
	total := int64(host.Summary.Hardware.CpuMhz) * int64(host.Summary.Hardware.NumCpuCores)
	if cpu := vm.Config.CpuAllocation; cpu != nil && cpu.Reservation != nil && *cpu.Reservation > total {
		return &types.InsufficientCpuResourcesFault{Unreserved: total, Requested: *cpu.Reservation}
	}
	return nil
}

// newest gives the newest hardware version that a release of ESXi has.
func newest(version string) int {
	for _, known := range []struct {
		release  string
		hardware int
	}{{"9.0", 22}, {"8.0.2", 21}, {"8.0", 20}, {"7.0.2", 19}, {"7.0", 17}, {"6.7", 14}, {"6.5", 13}} {
		if !older(version, known.release) {
			return known.hardware
		}
	}
	return 11
}
