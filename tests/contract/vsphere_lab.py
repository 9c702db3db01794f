"""A simulated vCenter that the contract is tried on, and what is left of VMs in it."""

import base64
import pickle
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyVim.connect import SmartConnect
from pyVmomi import vim
from vcsim_server import VCenter
from vm_factory import IMAGE, wanted

from provision.model import AccelPolicy, Credentials, Firmware, ImageSpec, ProviderSpec, VmSpec
from provision.provider import Plan, Provider
from provision.providers import open_provider

HERE = Path(__file__).parent
APPLY = """
import base64, pickle, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from vcsim_server import VCenter
from vsphere_lab import VsphereLab
lab = VsphereLab.of(VCenter(int(sys.argv[3]), Path(sys.argv[4]), None))
lab.apply(pickle.loads(base64.b64decode(sys.argv[5])), lambda line: print(line, flush=True))
"""


def provider_spec(vc: VCenter, user: str = "user", password: str = "pass", **changes: Any) -> ProviderSpec:
    values: dict[str, Any] = {"credentials": Credentials("test", username=user, password=password), "ca": vc.ca}
    return ProviderSpec("vc", "vsphere", vc.url, None, **values | changes)


def template(name: str = "debian-12") -> ImageSpec:
    return ImageSpec("debian", None, None, "", None, IMAGE, template=name)


@dataclass
class VsphereLab:
    """One simulated vCenter with an open provider, and a client of its own that looks behind the provider's back."""

    vc: VCenter
    provider: Provider
    endpoint: str = ""
    _instance: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, vc: VCenter) -> "VsphereLab":
        return cls(vc, open_provider(provider_spec(vc)), f"127.0.0.1:{vc.port}")

    def vm(self, **changes: Any) -> VmSpec:
        values: dict[str, Any] = {
            "provider": provider_spec(self.vc), "memory_mib": 1024, "disk_gib": 2, "firmware": Firmware.UEFI,
            "accel": AccelPolicy.KVM,
        }  # fmt: skip
        return wanted(changes.pop("source", template()), self.vc.url, **values | changes)

    def apply(self, vm: VmSpec, progress: Callable[[str], None] = lambda _: None) -> Plan:
        plan = self.provider.plan(vm)
        self.provider.apply(plan, progress)
        return plan

    def begun(self, until: str, vm: VmSpec | None = None) -> "subprocess.Popen[str]":
        """Another process in the middle of an apply: it has said a line that starts like this."""
        wanted = base64.b64encode(pickle.dumps(vm or self.vm())).decode()
        process = subprocess.Popen(
            [sys.executable, "-c", APPLY, HERE, HERE.parent, str(self.vc.port), self.vc.certificate, wanted],
            stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1],
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(until):
                return process
        raise AssertionError(f"it ended before {until!r}: {process.wait()}")

    def remains(self) -> set[str]:
        """VMs that are no templates and that the scenario did not bring."""
        return {vm.name for vm in self.machines() if not vm.config.template and vm.name != "plain"}

    def machines(self) -> list[Any]:
        content = self.content()
        view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
        return list(view.view)

    def machine(self, name: str = "default.tiny") -> Any:
        (found,) = (vm for vm in self.machines() if vm.name == name)
        return found

    def options(self, name: str = "default.tiny") -> dict[str, str]:
        return {o.key: o.value for o in self.machine(name).config.extraConfig}

    def reconfigure(self, name: str = "default.tiny", **settings: Any) -> Any:
        """Change a VM behind the provider's back; the task's fault, or None."""
        task = self.machine(name).ReconfigVM_Task(vim.vm.ConfigSpec(**settings))
        return task.info.error

    def content(self) -> Any:
        """A session of its own, made anew: the simulator may have been restarted."""
        self._drop()
        context = ssl.create_default_context(cafile=str(self.vc.certificate))
        self._instance = SmartConnect(host="127.0.0.1", port=self.vc.port, user="user", pwd="pass", sslContext=context)
        return self._instance.RetrieveContent()

    def _drop(self) -> None:
        if self._instance is not None:
            self._instance._stub.DropConnections()

    def close(self) -> None:
        self._drop()
        self.provider.close()
        self.vc.stop()
