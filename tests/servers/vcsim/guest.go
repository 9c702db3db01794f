package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os/exec"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// bootGuest runs what stands for the guest's operating system: it is given the guestinfo variables as JSON on its
// standard input, and every JSON object that it prints, one a line, is what VMware Tools would set.
func (v *vcenter) bootGuest(vm *simulator.VirtualMachine) {
	variables := map[string]string{}
	for _, o := range vm.Config.ExtraConfig {
		option := o.GetOptionValue()
		if text, is := option.Value.(string); is && strings.HasPrefix(option.Key, "guestinfo.") {
			variables[option.Key] = text
		}
	}
	if len(v.scenario.Guest) == 0 || variables["guestinfo.userdata"] == "" {
		return
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "guest.toolsRunningStatus", Val: "guestToolsRunning"}})
	if v.scenario.GuestSilent {
		return
	}
	go func() {
		input, _ := json.Marshal(variables)
		command := exec.Command(v.scenario.Guest[0], v.scenario.Guest[1:]...)
		command.Stdin = bytes.NewReader(input)
		out, err := command.Output()
		if err != nil {
			log.Printf("guest of %s: %s", vm.Name, err)
			return
		}
		set := map[string]string{}
		if err := json.Unmarshal(out, &set); err != nil {
			log.Printf("guest of %s: %s", vm.Name, err)
			return
		}
		simulator.Map.WithLock(vm, func() {
			if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
				return
			}
			var changes []types.BaseOptionValue
			for key, value := range set {
				changes = append(changes, &types.OptionValue{Key: key, Value: value})
			}
			v.setOptions(vm, changes)
		})
	}()
}
