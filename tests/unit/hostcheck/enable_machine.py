"""A machine in memory that `enable` can change: files, one module with parameters, /dev/kvm, an initial RAM disk.

It stands in for the outside world (kernel, modprobe, udev), whose rules it follows: the last setting wins, a module in
use does not unload, a node is made anew with the module. Any step can fail, or be the last before a kill -9.
"""

from dataclasses import dataclass, field

import machines
import msgspec

from agent.kvm.configured import parse
from hostcheck.enable.host import HostError
from hostcheck.enable.state import ABSENT, CONF, RECORD, FileState, Survey, Use, User
from hostcheck.enable.steps import Load, RemoveFile, SetNode, Step, Unload, UpdateInitramfs, WriteFile
from hostcheck.report import Report

DEFAULTS = {"nested": "1", "npt": "Y"}
FRESH_NODE = (0o660, 0, 106)


class Killed(BaseException):
    """kill -9."""


@dataclass
class Machine:
    """`given` are the parameters that the module was loaded with by hand; `elsewhere` are other modprobe.d files."""

    files: dict[str, FileState] = field(default_factory=dict)
    elsewhere: dict[str, bytes] = field(default_factory=dict)
    loaded: bool = True
    parameters: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    node: tuple[int, int, int] = FRESH_NODE
    vms: tuple[User, ...] = ()
    initramfs: str = ""
    boot: str = "boot-1"
    works: bool = True
    """A guest can run its own guest when nested is on."""
    loads: bool = True
    """The module loads as configured; without the configuration it always does."""
    fail_at: int = -1
    kill_at: int = -1
    done: list[Step] = field(default_factory=list)
    ram_disk: FileState = ABSENT

    def snapshot(self) -> object:
        """All that undoing has to bring back."""
        return dict(self.files), self.loaded, self.loaded and dict(self.parameters), self.node, self.ram_disk

    def configuration(self) -> list[dict[str, str]]:
        """As the agent reads it: by file name, the last one wins."""
        found = dict(self.elsewhere)
        if CONF in self.files:
            found[CONF] = self.files[CONF].content
        options = []
        for path in sorted(found, key=lambda path: path.rsplit("/", 1)[1]):
            for name, value in parse(found[path].decode())[0].get("kvm_amd", {}).items():
                options.append({"module": "kvm_amd", "parameter": name, "value": value, "source": path})
        return options

    def report(self) -> Report:
        facts = machines.amd_host()
        parameters = dict(self.parameters) if self.loaded else {}
        module = {"state": "loaded" if self.loaded else "available", "parameters": parameters}
        facts["kvm.modules"] = machines.ok({"kvm": {"state": "loaded", "parameters": {}}, "kvm_amd": module})
        facts["kvm.configured"] = machines.ok({"options": self.configuration(), "blacklisted": []})
        facts["kernel.release"] = machines.ok({"release": "6.1.0-9-amd64", "version": "", "cmdline": ""})
        mode, uid, gid = self.node
        facts["kvm.device"] = machines.ok(machines.NODE | {"mode": f"{mode:04o}", "uid": uid, "gid": gid})
        if not self.loaded:
            facts = machines.no_device(facts)
        elif self.parameters["nested"] == "0" or not self.works:
            facts = machines.not_offered(facts)
        report = machines.report(facts)
        raw = msgspec.structs.replace(report.subject, boot_id=self.boot)
        return msgspec.structs.replace(report, subject=raw)

    def survey(self) -> Survey:
        refcnt = len(self.vms) if self.loaded else None
        return Survey(
            uid=0,
            conf=self.files.get(CONF, ABSENT),
            record=self.files.get(RECORD, ABSENT),
            use={"kvm_amd": Use(refcnt)},
            users=list(self.vms),
            initramfs=self.initramfs,
        )

    def do(self, step: Step) -> None:
        number = len(self.done)
        self.done.append(step)
        if number == self.kill_at:
            raise Killed
        if number == self.fail_at:
            raise HostError(f"step {number} was made to fail")
        self.take(step)

    def take(self, step: Step) -> None:
        """What the step does to the machine."""
        match step:
            case WriteFile(path=path, content=content, mode=mode, uid=uid, gid=gid):
                self.files[path] = FileState("file", content, mode, uid, gid)
            case RemoveFile(path=path):
                self.files.pop(path, None)
            case UpdateInitramfs():
                self.ram_disk = self.files.get(CONF, ABSENT)
            case SetNode(mode=mode, uid=uid, gid=gid):
                self.node = (mode, uid, gid)
            case Unload():
                if self.vms or not self.loaded:
                    raise HostError("the module is in use, or not there")
                self.loaded = False
            case Load(parameters=parameters, bare=bare):
                if not bare and not self.loads:
                    raise HostError("the configuration has a value that the module refuses")
                settings = {} if bare else {o["parameter"]: o["value"] for o in self.configuration()}
                self.parameters = {**DEFAULTS, **settings, **dict(parameters)}
                self.loaded = True
                self.node = FRESH_NODE
