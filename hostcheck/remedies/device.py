"""/dev/kvm: make it, and let the right people open it."""

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy, Where
from hostcheck.remedies.book import recipe
from hostcheck.report import FactStatus

MAKE = recipe(
    "device.make",
    "load the KVM module; it makes the node",
    "modprobe {module}",
    "udevadm trigger --name-match=kvm",
)
REMAKE = recipe(
    "device.remake",
    "make the node again: the module runs, and only a reload or this brings back what was removed",
    "mknod -m 0660 /dev/kvm c 10 232",
    "chgrp kvm /dev/kvm",
)
REPLACE = recipe(
    "device.replace",
    "take away what stands in the place of /dev/kvm, and make the node",
    "rm /dev/kvm",
    "mknod -m 0660 /dev/kvm c 10 232",
    "chgrp kvm /dev/kvm",
    risk="look first what it is that gets removed",
)
GROUP = recipe(
    "device.group",
    "add {user} to the group {group}",
    "usermod -aG {group} {user}",
    then="log in again: a running session keeps its groups",
    needs=Needs.LOGIN,
    risk="members of the group can start VMs, and use what memory and CPU they like for it",
)
LOGIN = recipe(
    "device.login",
    "{user} is in the group {group} already, this session began before: log in again",
    "newgrp {group}",
    then="services and terminal multiplexers of the user have to be started anew too",
    needs=Needs.LOGIN,
)
ACL = recipe(
    "device.acl",
    "let {user} open /dev/kvm, until the node is made anew",
    "setfacl -m u:{user}:rw /dev/kvm",
    then="for good: a udev rule that gives the node to group kvm with mode 0660",
)
RULE = recipe(
    "device.rule",
    "give /dev/kvm to the group kvm, now and after every boot",
    "groupadd --system --force kvm",
    """echo 'KERNEL=="kvm", GROUP="kvm", MODE="0660"' > /etc/udev/rules.d/65-nestproof-kvm.rules""",
    "udevadm control --reload && udevadm trigger --name-match=kvm",
    applies="systems with udev",
)
ALLOW = recipe(
    "device.allow",
    "allow /dev/kvm where this service or session is set up: a device cgroup or a security module forbids it",
    "systemctl set-property UNIT 'DeviceAllow=/dev/kvm rw'",
    then="start the service again; a security module says in its own log what it refused",
    applies="systemd, where a unit has DevicePolicy= or PrivateDevices=",
)
CONTAINER = recipe(
    "device.container",
    "give the container the device when it is started",
    "docker run --device /dev/kvm IMAGE",
    where=Where.HYPERVISOR,
    then="podman takes the same option; in Kubernetes ask for a device plugin's resource, such as "
    "devices.kubevirt.io/kvm; LXC: lxc.cgroup2.devices.allow = c 10:232 rwm and lxc.mount.entry = /dev/kvm dev/kvm "
    "none bind,create=file",
    needs=Needs.NOTHING,
    risk="the container can start VMs on its host's kernel",
    applies="Docker, Podman, Kubernetes, LXC",
)


def make_node(facts: Facts) -> tuple[Remedy, ...]:
    """No node: in a container it has to be handed in, elsewhere the module makes it, but only when it is loaded."""
    container = facts.container.known
    if container and container.certain and container.kind and container.kind != "wsl":
        return (CONTAINER.fill(facts),)
    module = (facts.modules.known or {}).get(facts.vendor_module)
    if facts.device.status is FactStatus.ABSENT and module is not None and module.state == "loaded":
        return (REMAKE.fill(facts),)
    return (MAKE.fill(facts, module=facts.vendor_module or "kvm_intel"),)


def replace_node(facts: Facts) -> tuple[Remedy, ...]:
    """Something else stands there."""
    return (REPLACE.fill(facts),)


def grant_access(facts: Facts) -> tuple[Remedy, ...]:
    """Membership of the node's group where the group is allowed, else an ACL for this one user; EPERM needs neither."""
    device = facts.device.value
    process = facts.process.value
    container = facts.container.known
    user = process.user if process and process.user else "USER"
    if device is not None and device.open == "EPERM":
        return ((CONTAINER if container and container.certain else ALLOW).fill(facts),)
    if device is not None and group_may(device.mode) and device.group not in ("", "root", "nogroup", "nobody"):
        joined = process is not None and device.group in process.configured_groups
        return ((LOGIN if joined else GROUP).fill(facts, group=device.group, user=user),)
    return (ACL.fill(facts, user=user),)


def group_may(mode: str) -> bool:
    """The node's group may read and write it; `mode` is octal text such as 0660."""
    return mode[-2:-1] in ("6", "7")
