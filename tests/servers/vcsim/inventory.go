package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// build makes the inventory: one datacenter DC0 with one cluster DC0_C0, its hosts, VMs and templates.
func build(s *Scenario) (*simulator.Model, error) {
	m, product := simulator.VPX(), "VMware vCenter Server "
	if s.Alone {
		m, product = simulator.ESX(), "VMware ESXi "
		m.Machine = s.Machines
	} else {
		m.Host, m.Cluster, m.ClusterHost, m.Machine = 0, 1, len(s.Hosts), s.Machines
	}
	if s.Datastores > 0 {
		m.Datastore = s.Datastores
	}
	about := &m.ServiceContent.About
	about.ApiVersion, about.Version = s.API, s.Product
	about.FullName = product + s.Product + " build-1"
	if err := m.Create(); err != nil {
		return nil, err
	}
	setHosts(s)
	setPortgroup(s)
	setKeyProviders(s.KeyProviders)
	for _, e := range simulator.Map.All("VirtualMachine") {
		setVM(e.(*simulator.VirtualMachine))
	}
	for _, t := range s.Templates {
		if err := addTemplate(t); err != nil {
			return nil, fmt.Errorf("template %s: %w", t.Name, err)
		}
	}
	return m, nil
}

func hosts() []*simulator.HostSystem {
	var found []*simulator.HostSystem
	for _, e := range simulator.Map.All("HostSystem") {
		found = append(found, e.(*simulator.HostSystem))
	}
	sort.Slice(found, func(i, j int) bool { return number(found[i].Name) < number(found[j].Name) })
	return found
}

func number(name string) int {
	n := 0
	fmt.Sscanf(name[strings.LastIndex(name, "H")+1:], "%d", &n)
	return n
}

func setHosts(s *Scenario) {
	for i, h := range hosts() {
		spec := s.Hosts[i]
		h.Capability = &types.HostCapability{
			NestedHVSupported:           spec.Nested,
			VPMCSupported:               types.NewBool(spec.VPMC),
			LatencySensitivitySupported: types.NewBool(true),
			CpuHwMmuSupported:           types.NewBool(true),
		}
		h.Hardware.CpuFeature = cpuFeatures(spec)
		if len(s.Standard) == 3 {
			h.Config.Network = standardNetwork(*h.Config.Network, s.Standard)
		}
		h.Hardware.CpuPkg = []types.HostCpuPackage{{Vendor: spec.Vendor, Description: spec.Vendor + " CPU"}}
		product := h.Config.Product
		product.Version, product.Build = spec.Version, "1"
		product.ApiVersion = spec.Version + ".0"
		product.Name, product.FullName = "VMware ESXi", "VMware ESXi "+spec.Version+" build-1"
		h.Config.Product, h.Summary.Config.Product = product, &product
		h.Config.FeatureCapability = featureCapabilities(spec)
		h.Runtime.InMaintenanceMode = spec.Maintenance
		h.Runtime.CryptoState = spec.Crypto
		if spec.Connection != "" {
			h.Runtime.ConnectionState = types.HostSystemConnectionState(spec.Connection)
		}
		h.Summary.MaxEVCModeKey, h.Summary.CurrentEVCModeKey = spec.Vendor+"-broadwell", s.EVC
		h.Hardware.MemorySize = 64 << 30
		h.Summary.Hardware.MemorySize = 64 << 30
		h.Summary.QuickStats.OverallMemoryUsage = 8 << 10
	}
}

// cpuFeatures gives the two CPUID leaves that tell of VMX and SVM, as vSphere writes bits: the highest first.
func cpuFeatures(spec Host) []types.HostCpuIdInfo {
	bits := func(on bool, bit int) string {
		text := []byte(strings.Repeat("0", 32))
		if on {
			text[31-bit] = '1'
		}
		var groups []string
		for i := 0; i < 32; i += 4 {
			groups = append(groups, string(text[i:i+4]))
		}
		return strings.Join(groups, ":")
	}
	zero := bits(false, 0)
	return []types.HostCpuIdInfo{
		{Level: 1, Eax: zero, Ebx: zero, Ecx: bits(spec.Virt && spec.Vendor == "intel", 5), Edx: zero},
		{Level: -2147483647, Eax: zero, Ebx: zero, Ecx: bits(spec.Virt && spec.Vendor == "amd", 2), Edx: zero},
	}
}

func featureCapabilities(spec Host) []types.HostFeatureCapability {
	value := map[bool]string{true: "1", false: "0"}
	key := map[string]string{"intel": "cpuid.VMX", "amd": "cpuid.SVM"}[spec.Vendor]
	return []types.HostFeatureCapability{{Key: key, FeatureName: key, Value: value[spec.Virt]}}
}

// standardNetwork gives the switches of a host with these policies of the switch, its VM Network, and of what comes.
func standardNetwork(network types.HostNetworkInfo, levels []Security) *types.HostNetworkInfo {
	policy := func(s Security) *types.HostNetworkSecurityPolicy {
		if s.Promiscuous == nil && s.Forged == nil {
			return nil
		}
		return &types.HostNetworkSecurityPolicy{AllowPromiscuous: s.Promiscuous, ForgedTransmits: s.Forged}
	}
	network.Vswitch = append([]types.HostVirtualSwitch{}, network.Vswitch...)
	network.Portgroup = append([]types.HostPortGroup{}, network.Portgroup...)
	network.Vswitch[0].Spec.Policy = &types.HostNetworkPolicy{Security: policy(levels[0])}
	for i := range network.Portgroup {
		if group := &network.Portgroup[i]; group.Spec.Name == "VM Network" {
			group.Spec.Policy.Security = policy(levels[1])
			group.ComputedPolicy.Security = policy(levels[2])
		}
	}
	return &network
}

func setPortgroup(s *Scenario) {
	p := s.Portgroup
	off := func(v bool) *types.BoolPolicy { return &types.BoolPolicy{Value: types.NewBool(v)} }
	for _, e := range simulator.Map.All("DistributedVirtualPortgroup") {
		pg := e.(*simulator.DistributedVirtualPortgroup)
		setting := &types.VMwareDVSPortSetting{
			SecurityPolicy: &types.DVSSecurityPolicy{
				AllowPromiscuous: off(p.Promiscuous), ForgedTransmits: off(p.Forged), MacChanges: off(p.Forged),
			},
		}
		if !older(s.API, "6.7") {
			setting.MacManagementPolicy = &types.DVSMacManagementPolicy{
				AllowPromiscuous:  types.NewBool(p.Promiscuous),
				ForgedTransmits:   types.NewBool(p.Forged),
				MacChanges:        types.NewBool(p.Forged),
				MacLearningPolicy: &types.DVSMacLearningPolicy{Enabled: p.Learning},
			}
		}
		pg.Config.DefaultPortConfig = setting
	}
}

func setKeyProviders(names []string) {
	ref := types.ManagedObjectReference{Type: "CryptoManagerKmip", Value: "CryptoManager"}
	manager := &mo.CryptoManagerKmip{CryptoManager: mo.CryptoManager{Self: ref, Enabled: len(names) > 0}}
	for i, name := range names {
		manager.KmipServers = append(manager.KmipServers, types.KmipClusterInfo{
			ClusterId: types.KeyProviderId{Id: name}, UseAsDefault: i == 0, ManagementType: "nativeProvider",
		})
	}
	simulator.Map.Put(manager)
}

func setVM(vm *simulator.VirtualMachine) {
	vm.Capability.NestedHVSupported = types.NewBool(hardware(vm) >= 9)
	if vm.Config.NestedHVEnabled == nil {
		vm.Config.NestedHVEnabled = types.NewBool(false)
	}
	vm.Config.ChangeVersion = "1"
}

func addTemplate(t Template) error {
	internal := newContext()
	var folder *simulator.Folder
	for _, e := range simulator.Map.All("Folder") {
		if f := e.(*simulator.Folder); f.Name == "vm" {
			folder = f
		}
	}
	var devices object.VirtualDeviceList
	scsi, _ := devices.CreateSCSIController("pvscsi")
	disk := devices.CreateDisk(scsi.(types.BaseVirtualController), types.ManagedObjectReference{}, "")
	disk.CapacityInKB = t.DiskGiB << 20
	disk.CapacityInBytes = t.DiskGiB << 30
	network := simulator.Map.All("DistributedVirtualPortgroup")[0].(*simulator.DistributedVirtualPortgroup)
	for _, e := range simulator.Map.All("DistributedVirtualPortgroup") {
		if pg := e.(*simulator.DistributedVirtualPortgroup); strings.HasPrefix(pg.Name, "DC0_DVPG") {
			network = pg
		}
	}
	nic, err := devices.CreateEthernetCard("vmxnet3", portgroupBacking(network))
	if err != nil {
		return err
	}
	devices = append(devices, scsi, disk, nic)
	changes, _ := devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	host := hosts()[0]
	pool := clusterPool()
	res := folder.CreateVMTask(internal, &types.CreateVM_Task{
		This: folder.Self,
		Config: types.VirtualMachineConfigSpec{
			Name: t.Name, Version: t.Hardware, Firmware: t.Firmware, GuestId: "otherLinux64Guest",
			NumCPUs: 1, MemoryMB: 512,
			Files:        &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
			DeviceChange: changes,
		},
		Pool: pool, Host: &host.Self,
	})
	ref, fault := result(res)
	if fault != nil {
		return fmt.Errorf("%T", fault)
	}
	vm := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	vm.Config.Version, vm.Config.Firmware = t.Hardware, t.Firmware
	setVM(vm)
	if !t.Plain {
		leavePool(vm)
		vm.MarkAsTemplate(&types.MarkAsTemplate{This: vm.Self})
	}
	return nil
}

func portgroupBacking(pg *simulator.DistributedVirtualPortgroup) types.BaseVirtualDeviceBackingInfo {
	dvs := simulator.Map.Get(*pg.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch)
	return &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{
		Port: types.DistributedVirtualSwitchPortConnection{PortgroupKey: pg.Key, SwitchUuid: dvs.Uuid},
	}
}

func clusterPool() types.ManagedObjectReference {
	for _, e := range simulator.Map.All("ClusterComputeResource") {
		return *e.(*simulator.ClusterComputeResource).ResourcePool
	}
	panic("no cluster")
}
