"""The node /dev/kvm: is it there, may it be opened, by whom."""

from typing import Any

from full_machines import DOCKER, amd, without
from machines import FactDict, amd_host, as_nobody, failed, no_device, ok, pvm_vm

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases
from check_cases.modules import AVAILABLE

CASES = Cases()
case = CASES.add

NULL = ok({"path": "/dev/kvm", "mode": "0666", "type": "char", "major": 1, "minor": 3, "open": "ok"})
FILE = failed("error", "ENOTTY", {"path": "/dev/kvm", "mode": "0644", "type": "file", "open": "ENOTTY"})
STATIC = failed(
    "error", "ENODEV", {"path": "/dev/kvm", "mode": "0660", "type": "char", "major": 10, "minor": 232, "open": "ENODEV"}
)


def node(**changes: Any) -> FactDict:
    fact = amd_host()["kvm.device"]
    return {**fact, "value": {**fact["value"], **changes}}


def user(**changes: Any) -> FactDict:
    return ok({"uid": 1000, "gid": 1000, "groups": [1000], "user": "ann", **changes})


case("kvm.device", PASS, amd())
case("kvm.device", FAIL, no_device(amd()), "device.remake")
case("kvm.device", FAIL, no_device(amd(kvm_modules=AVAILABLE)), "device.make")
case("kvm.device", FAIL, no_device(amd(machine_container=DOCKER)), "device.container")
case("kvm.device", FAIL, amd(kvm_device=FILE), "device.replace", says="file")
case("kvm.device", FAIL, amd(kvm_device=NULL), "device.replace", says="something else")
case("kvm.device", FAIL, amd(kvm_api=failed("error", "ENOTTY: Inappropriate ioctl for device")), "device.replace")
case("kvm.device", FAIL, amd(kvm_device=STATIC), "device.make", says="no driver")
case("kvm.device", UNKNOWN, without(amd(), "kvm.device"))
case("kvm.access", PASS, amd())
case("kvm.access", FAIL, as_nobody(amd()), "device.group", says="nobody")
case(
    "kvm.access",
    FAIL,
    as_nobody(amd()) | {"process.identity": user(configured_groups=["kvm"])},
    "device.login",
    says="before that",
)
case("kvm.access", FAIL, as_nobody(amd(), "0600"), "device.acl")
case(
    "kvm.access",
    FAIL,
    amd(kvm_device=failed("denied", "EPERM", node(open="EPERM")["value"]), machine_container=DOCKER),
    "device.container",
    says="cgroup",
)
case(
    "kvm.access", FAIL, amd(kvm_device=failed("denied", "EPERM", node(open="EPERM")["value"])), "device.allow",
    says="cgroup",
)  # fmt: skip
case(
    "kvm.access",
    FAIL,
    amd(kvm_device=failed("denied", "EACCES", node(open="EACCES", group="nogroup")["value"])),
    "device.acl",
    says="user namespace",
)
case("kvm.access", FAIL, amd(kvm_device=failed("error", "EBUSY", node(open="EBUSY")["value"])), says="EBUSY")
case("kvm.access", SKIP, no_device(amd()))
case("kvm.access", UNKNOWN, amd(kvm_device=failed("timeout", "ETIMEDOUT: stopped after 3 s")), says="ETIMEDOUT")
case("kvm.access", UNKNOWN, without(amd(), "kvm.device"))
case("kvm.permissions", PASS, amd(), says="group kvm")
case("kvm.permissions", PASS, amd(kvm_device=node(mode="0666")), says="everybody")
case("kvm.permissions", WARN, pvm_vm(), "device.rule", says="only root")
case(
    "kvm.permissions",
    WARN,
    amd(kvm_device=node(acl=True), process_identity=user()),
    "device.rule",
    says="access control list",
)
case("kvm.permissions", SKIP, no_device(amd()))
case("kvm.permissions", UNKNOWN, amd(kvm_device=node(mode="")))
