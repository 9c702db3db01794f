package main

import (
	"encoding/json"
	"os"
)

// Scenario says what the simulated vCenter has; read from a JSON file.
type Scenario struct {
	API          string          `json:"api"`      // the newest version that it speaks, such as 8.0.2.0
	Prior        []string        `json:"prior"`    // older ones
	Alone        bool            `json:"alone"`    // an ESXi host without a vCenter
	Product      string          `json:"product"`  // version of vCenter
	Users        map[string]User `json:"users"`    // name to what it may do
	Hosts        []Host          `json:"hosts"`    // of the one cluster
	Machines     int             `json:"machines"` // VMs in the cluster besides the templates
	Templates    []Template      `json:"templates"`
	Datastores   int             `json:"datastores"` // LocalDS_0, LocalDS_1, ...; 0: one
	KeyProviders []string        `json:"keyProviders"`
	EVC          string          `json:"evc"`
	CloneSeconds float64         `json:"cloneSeconds"` // a clone is a task that takes this long
	Portgroup    Portgroup       `json:"portgroup"`
	Objection    string          `json:"objection"`   // what CheckVmConfig_Task has against everything
	Standard     []Security      `json:"standard"`    // of the portgroup VM Network: switch, portgroup, what comes of them
	PageSize     int             `json:"pageSize"`    // objects in one answer of the PropertyCollector; 0: all
	Guest        []string        `json:"guest"`       // command run when a VM with guestinfo starts; see guest.py
	GuestSilent  bool            `json:"guestSilent"` // the guest never speaks
}

// User is one account; without privileges it may do everything.
type User struct {
	Password   string   `json:"password"`
	Privileges []string `json:"privileges"`
}

// Host is one ESXi host of the cluster.
type Host struct {
	Version     string `json:"version"` // of ESXi
	Vendor      string `json:"vendor"`  // intel or amd
	Virt        bool   `json:"virt"`    // the CPU has VMX or SVM
	Nested      *bool  `json:"nested"`  // capability.nestedHVSupported; null: the host does not say
	VPMC        bool   `json:"vpmc"`
	Maintenance bool   `json:"maintenance"`
	Connection  string `json:"connection"` // connected unless it says otherwise
	Crypto      string `json:"crypto"`     // runtime.cryptoState
}

// Template is a VM that others are cloned from.
type Template struct {
	Name     string `json:"name"`
	Hardware string `json:"hardware"` // vmx-NN
	Firmware string `json:"firmware"` // bios or efi
	DiskGiB  int64  `json:"diskGiB"`
	Plain    bool   `json:"plain"` // an ordinary VM, not marked as a template
}

// Portgroup is the policy of the distributed portgroup that every VM hangs on.
type Portgroup struct {
	Promiscuous bool `json:"promiscuous"`
	Forged      bool `json:"forged"`
	Learning    bool `json:"learning"`
}

// Security is a policy of a standard switch or portgroup; null: not set there.
type Security struct {
	Promiscuous *bool `json:"promiscuous"`
	Forged      *bool `json:"forged"`
}

func readScenario(path string) (*Scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Scenario{API: "8.0.2.0", Product: "8.0.2"}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	if len(s.Users) == 0 {
		s.Users = map[string]User{"user": {Password: "pass"}}
	}
	if len(s.Hosts) == 0 {
		yes := true
		s.Hosts = []Host{{Version: "8.0.2", Vendor: "intel", Virt: true, Nested: &yes}}
	}
	return s, nil
}
