package main

import (
	"net/http"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func runTask(
	target mo.Reference, name string, run func(*simulator.Task) (types.AnyType, fault),
) types.ManagedObjectReference {
	task := simulator.CreateTask(target, name, run)
	remember(target, task)
	task.Run()
	return task.Self
}

// remember adds a task to the recent ones of an object.
func remember(target mo.Reference, task *simulator.Task) {
	if vm, is := target.(*simulator.VirtualMachine); is {
		recent := append(append([]types.ManagedObjectReference{}, vm.RecentTask...), task.Self)
		if len(recent) > 20 {
			recent = recent[len(recent)-20:]
		}
		simulator.Map.Update(vm, []types.PropertyChange{{Name: "recentTask", Val: recent}})
	}
}

// own gives how a method is carried out here; nil when govmomi's simulator is strict enough.
func (v *vcenter) own(method *simulator.Method) func(http.ResponseWriter) {
	if req, is := method.Body.(*types.CancelTask); is {
		return func(w http.ResponseWriter) { v.cancel(w, req.This) }
	}
	if req, is := method.Body.(*types.CheckVmConfig_Task); is {
		return func(w http.ResponseWriter) { answerTask(w, method.Name, v.checkConfig(req)) }
	}
	vm, is := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if !is {
		return nil
	}
	simple := func(run func() fault) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			simulator.Map.WithLock(vm, func() {
				answerTask(w, method.Name, runTask(vm, method.Name, func(*simulator.Task) (types.AnyType, fault) {
					return nil, run()
				}))
			})
		}
	}
	switch req := method.Body.(type) {
	case *types.ReconfigVM_Task:
		return simple(func() fault {
			if f := v.refuse(vm, &req.Spec); f != nil {
				return f
			}
			return v.reconfigure(vm, req.Spec)
		})
	case *types.MarkAsTemplate:
		if v.scenario.Alone {
			return func(w http.ResponseWriter) { answerFault(w, "NotSupported", "") }
		}
		leavePool(vm)
	case *types.UpgradeVM_Task:
		return simple(func() fault { return v.upgrade(vm, req) })
	case *types.PowerOnVM_Task:
		return simple(func() fault {
			if f := v.refuseStart(vm); f != nil {
				return f
			}
			_, f := result(vm.PowerOnVMTask(newContext(), req))
			if f == nil {
				v.bootGuest(vm)
			}
			return f
		})
	case *types.CloneVM_Task:
		if v.scenario.Alone {
			return func(w http.ResponseWriter) { answerFault(w, "NotSupported", "") }
		}
		return func(w http.ResponseWriter) { answerTask(w, method.Name, v.startClone(vm, req)) }
	}
	return nil
}

// leavePool takes a VM that becomes a template out of its resource pool, where it would be found after its end.
func leavePool(vm *simulator.VirtualMachine) {
	if vm.ResourcePool == nil {
		return
	}
	if pool, is := simulator.Map.Get(*vm.ResourcePool).(*simulator.ResourcePool); is {
		simulator.Map.RemoveReference(pool, &pool.Vm, vm.Self)
	}
}

// startClone is the one task that outlives its request.
func (v *vcenter) startClone(source *simulator.VirtualMachine, req *types.CloneVM_Task) types.ManagedObjectReference {
	v.mu.Lock()
	epoch, seconds := v.epoch, v.scenario.CloneSeconds
	v.mu.Unlock()
	task := simulator.CreateTask(source, "cloneVm", func(task *simulator.Task) (types.AnyType, fault) {
		lost := func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.epoch != epoch }
		cancelled := func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.cancelled[task.Self] }
		if !wait(task, seconds, func() bool { return !lost() && !cancelled() }) {
			return nil, &types.RequestCanceled{}
		}
		var made types.AnyType
		var f fault
		simulator.Map.WithLock(source, func() { made, f = v.clone(source, req) })
		return made, f
	})
	task.Info.Cancelable = true
	remember(source, task)
	go func() {
		task.Run()
		v.mu.Lock()
		lost := v.epoch != epoch
		v.mu.Unlock()
		if lost {
			simulator.Map.Remove(task.Self)
		}
	}()
	for i := 0; seconds == 0 && task.Info.State != types.TaskInfoStateSuccess &&
		task.Info.State != types.TaskInfoStateError && i < 500; i++ {
		time.Sleep(2 * time.Millisecond)
	}
	return task.Self
}

func (v *vcenter) cancel(w http.ResponseWriter, task types.ManagedObjectReference) {
	v.mu.Lock()
	v.cancelled[task] = true
	v.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	w.Write([]byte(`<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">` +
		`<soapenv:Body><CancelTaskResponse xmlns="urn:vim25"/></soapenv:Body></soapenv:Envelope>`))
}

// checkConfig says what a reconfiguration would be refused for, without carrying it out.
func (v *vcenter) checkConfig(req *types.CheckVmConfig_Task) types.ManagedObjectReference {
	vm := simulator.Map.Get(*req.Vm).(*simulator.VirtualMachine)
	return runTask(vm, "checkVmConfig", func(*simulator.Task) (types.AnyType, fault) {
		found := types.CheckResult{Vm: req.Vm, Host: req.Host}
		if f := v.refuse(vm, &req.Spec); f != nil {
			found.Error = []types.LocalizedMethodFault{{Fault: f}}
		}
		if v.scenario.Objection != "" {
			found.Error = append(found.Error, types.LocalizedMethodFault{
				Fault: &types.GenericVmConfigFault{Reason: v.scenario.Objection},
			})
		}
		return types.ArrayOfCheckResult{CheckResult: []types.CheckResult{found}}, nil
	})
}
