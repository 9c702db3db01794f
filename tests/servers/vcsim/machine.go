package main

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func newContext() *simulator.Context {
	return &simulator.Context{
		Context: context.Background(), Map: simulator.Map,
		Session: &simulator.Session{Registry: simulator.NewRegistry()},
	}
}

// result gives what a task made, or its fault.
func result(res soap.HasFault) (types.ManagedObjectReference, fault) {
	none := types.ManagedObjectReference{}
	if f := res.Fault(); f != nil {
		return none, f.Detail.Fault.(fault)
	}
	task := simulator.Map.Get(reflect.ValueOf(res).Elem().FieldByName("Res").Elem().FieldByName("Returnval").
		Interface().(types.ManagedObjectReference)).(*simulator.Task)
	if task.Info.Error != nil {
		return none, task.Info.Error.Fault
	}
	ref, _ := task.Info.Result.(types.ManagedObjectReference)
	return ref, nil
}

// ignored are keys of the VMX file behind a field of ConfigSpec: vSphere drops them without a word.
var ignored = []string{"vhv.", "vvtd.", "vbs.", "firmware", "uefi.", "numvcpus", "memsize", "vpmc."}

func conflicts(key string) bool {
	for _, prefix := range ignored {
		if strings.HasPrefix(strings.ToLower(key), prefix) {
			return true
		}
	}
	return false
}

// merge lays what a partial structure sets over another one.
func merge(base, over interface{}) {
	to, from := reflect.ValueOf(base).Elem(), reflect.ValueOf(over).Elem()
	for i := 0; i < from.NumField(); i++ {
		if !from.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// reconfigure applies a specification that was not refused.
func (v *vcenter) reconfigure(vm *simulator.VirtualMachine, spec types.VirtualMachineConfigSpec) fault {
	if spec.Flags != nil {
		flags := vm.Config.Flags
		merge(&flags, spec.Flags)
		spec.Flags = &flags
	}
	if spec.BootOptions != nil && vm.Config.BootOptions != nil {
		options := *vm.Config.BootOptions
		merge(&options, spec.BootOptions)
		spec.BootOptions = &options
	}
	for _, allocation := range []struct {
		wanted **types.ResourceAllocationInfo
		there  *types.ResourceAllocationInfo
	}{{&spec.CpuAllocation, vm.Config.CpuAllocation}, {&spec.MemoryAllocation, vm.Config.MemoryAllocation}} {
		if *allocation.wanted != nil && allocation.there != nil {
			merged := *allocation.there
			merge(&merged, *allocation.wanted)
			*allocation.wanted = &merged
		}
	}
	options := spec.ExtraConfig
	spec.ExtraConfig, spec.Version, spec.ChangeVersion = nil, "", ""
	if _, f := result(vm.ReconfigVMTask(newContext(), &types.ReconfigVM_Task{This: vm.Self, Spec: spec})); f != nil {
		return f
	}
	if spec.VPMCEnabled != nil {
		vm.Config.VPMCEnabled = spec.VPMCEnabled
	}
	for i := range spec.DeviceChange {
		tellSizes(spec.DeviceChange[i].GetVirtualDeviceConfigSpec().Device)
	}
	v.setOptions(vm, options)
	n, _ := strconv.Atoi(vm.Config.ChangeVersion)
	vm.Config.ChangeVersion = strconv.Itoa(n + 1)
	return nil
}

func tellSizes(device types.BaseVirtualDevice) {
	if disk, is := device.(*types.VirtualDisk); is {
		if disk.CapacityInBytes > disk.CapacityInKB<<10 {
			disk.CapacityInKB = disk.CapacityInBytes >> 10
		}
		disk.CapacityInBytes = disk.CapacityInKB << 10
	}
}

// setOptions merges extraConfig by key; an empty value removes one.
func (v *vcenter) setOptions(vm *simulator.VirtualMachine, changes []types.BaseOptionValue) {
	if len(changes) == 0 {
		return
	}
	var kept []types.BaseOptionValue
	changed := map[string]bool{}
	for _, c := range changes {
		changed[c.GetOptionValue().Key] = true
	}
	for _, o := range vm.Config.ExtraConfig {
		if !changed[o.GetOptionValue().Key] {
			kept = append(kept, o)
		}
	}
	for _, c := range changes {
		o := *c.GetOptionValue()
		if text, is := o.Value.(string); !conflicts(o.Key) && (!is || text != "") {
			kept = append(kept, &o)
		}
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: kept}})
}

// clone makes a VM as another is, with the devices copied and the configuration of the request honoured.
func (v *vcenter) clone(source *simulator.VirtualMachine, req *types.CloneVM_Task) (types.AnyType, fault) {
	folder := simulator.Map.Get(req.Folder).(*simulator.Folder)
	if simulator.Map.FindByName(req.Name, folder.ChildEntity) != nil {
		return nil, &types.DuplicateName{Name: req.Name, Object: folder.Self}
	}
	pool := req.Spec.Location.Pool
	if pool == nil && !source.Config.Template {
		pool = source.ResourcePool
	}
	if pool == nil {
		return nil, &types.InvalidArgument{InvalidProperty: "spec.location.pool"}
	}
	host := req.Spec.Location.Host
	if host == nil {
		host = v.place(req.Spec.Config)
	}
	store := "[LocalDS_0]"
	if len(source.Datastore) > 0 { // where nobody says another, the clone is beside what it is a clone of
		store = "[" + simulator.Map.Get(source.Datastore[0]).(*simulator.Datastore).Name + "]"
	}
	if ref := req.Spec.Location.Datastore; ref != nil {
		store = "[" + simulator.Map.Get(*ref).(*simulator.Datastore).Name + "]"
	}
	hw := source.Config.Hardware
	config := types.VirtualMachineConfigSpec{
		Name: req.Name, GuestId: source.Config.GuestId, Version: source.Config.Version, Firmware: source.Config.Firmware,
		NumCPUs: hw.NumCPU, NumCoresPerSocket: hw.NumCoresPerSocket, MemoryMB: int64(hw.MemoryMB),
		Files: &types.VirtualMachineFileInfo{VmPathName: store},
	}
	standard := object.VirtualDeviceList(esx.VirtualDevice)
	devices := object.VirtualDeviceList(hw.Device)
	for _, device := range devices {
		if standard.Find(devices.Name(device)) != nil {
			continue
		}
		change := &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: copyOf(device)}
		if disk, is := change.Device.(*types.VirtualDisk); is {
			change.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
			backing := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			backing.FileName, backing.Parent = "", nil
			for _, locator := range req.Spec.Location.Disk {
				if wish, is := locator.DiskBackingInfo.(*types.VirtualDiskFlatVer2BackingInfo); is && locator.DiskId == disk.Key {
					backing.ThinProvisioned, backing.EagerlyScrub = wish.ThinProvisioned, wish.EagerlyScrub
				}
			}
		}
		config.DeviceChange = append(config.DeviceChange, change)
	}
	ref, f := result(folder.CreateVMTask(newContext(), &types.CreateVM_Task{
		This: folder.Self, Config: config, Pool: *pool, Host: host,
	}))
	if f != nil {
		return nil, f
	}
	made := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	made.Config.Version, made.Config.Firmware = source.Config.Version, source.Config.Firmware
	for _, device := range made.Config.Hardware.Device {
		tellSizes(device)
	}
	setVM(made)
	v.setOptions(made, options(source.Config.ExtraConfig))
	if req.Spec.Config != nil {
		if f = v.refuse(made, req.Spec.Config); f == nil {
			f = v.reconfigure(made, *req.Spec.Config)
		}
		if f != nil {
			made.DestroyTask(newContext(), &types.Destroy_Task{This: made.Self})
			return nil, f
		}
	}
	return ref, nil
}

// options copies extraConfig without what belongs to one VM alone.
func options(all []types.BaseOptionValue) []types.BaseOptionValue {
	var kept []types.BaseOptionValue
	for _, o := range all {
		if !strings.HasPrefix(o.GetOptionValue().Key, "guestinfo.") {
			kept = append(kept, o)
		}
	}
	return kept
}

// place chooses a host as DRS does: one that can.
func (v *vcenter) place(spec *types.VirtualMachineConfigSpec) *types.ManagedObjectReference {
	for _, h := range hosts() {
		usable := !h.Runtime.InMaintenanceMode && h.Runtime.ConnectionState == types.HostSystemConnectionStateConnected
		if usable && (spec == nil || !isOn(spec.NestedHVEnabled) || isOn(h.Capability.NestedHVSupported)) {
			return &h.Self
		}
	}
	return &hosts()[0].Self
}

func copyOf(device types.BaseVirtualDevice) types.BaseVirtualDevice {
	value := reflect.New(reflect.TypeOf(device).Elem())
	value.Elem().Set(reflect.ValueOf(device).Elem())
	made := value.Interface().(types.BaseVirtualDevice)
	base := made.GetVirtualDevice()
	base.DeviceInfo, base.Connectable = nil, nil
	if disk, is := made.(*types.VirtualDisk); is {
		backing := *disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		disk.Backing = &backing
	}
	if nic, is := made.(types.BaseVirtualEthernetCard); is {
		card := nic.GetVirtualEthernetCard()
		card.MacAddress, card.AddressType = "", ""
	}
	return made
}

func (v *vcenter) upgrade(vm *simulator.VirtualMachine, req *types.UpgradeVM_Task) fault {
	most := newest(hostOf(vm).Config.Product.Version)
	wanted := most
	if req.Version != "" {
		wanted, _ = strconv.Atoi(strings.TrimPrefix(req.Version, "vmx-"))
	}
	switch {
	case vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff:
		return &types.InvalidPowerState{ExistingState: vm.Runtime.PowerState, RequestedState: "poweredOff"}
	case wanted <= hardware(vm):
		return &types.AlreadyUpgraded{}
	case wanted > most:
		return &types.VirtualHardwareVersionNotSupported{
			HostName: hostOf(vm).Name, Host: hostOf(vm).Self,
		}
	}
	vm.Config.Version = "vmx-" + strconv.Itoa(wanted)
	setVM(vm)
	return nil
}

// wait lets a task take its time, tells its progress, and ends early when it is cancelled or lost.
func wait(task *simulator.Task, seconds float64, alive func() bool) bool {
	steps := int(seconds * 20)
	for i := 0; i < steps; i++ {
		time.Sleep(50 * time.Millisecond)
		if !alive() {
			return false
		}
		simulator.Map.Update(task, []types.PropertyChange{{Name: "info.progress", Val: int32(100 * (i + 1) / (steps + 1))}})
	}
	return true
}
