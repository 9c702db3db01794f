"""/dev/kvm: the node, whether it opens, and whether it makes virtual machines."""

import errno
import os
import stat

from agent.facts import NotOk
from agent.kvm.ioctls import CREATE_VM, GET_API_VERSION, opened, plain
from agent.process import name

TYPES = {stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFREG: "file", stat.S_IFDIR: "directory"}


def short(error):
    """Return the name of an OSError's number."""
    return errno.errorcode.get(error.errno, "E%s" % error.errno)


def device(machine):
    """Return owner, mode and kind of the node, and what opening it gave."""
    status = os.stat("/dev/kvm")
    value = {
        "path": "/dev/kvm",
        "mode": "%04o" % stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "user": name(machine, "passwd", status.st_uid),
        "group": name(machine, "group", status.st_gid),
        "type": TYPES.get(stat.S_IFMT(status.st_mode), "other"),
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "acl": acl(),
        "open": "ok",
    }
    if value["type"] != "char":  # opening a FIFO that stands in its place would wait
        value["open"] = "ENOTTY"
        raise NotOk("error", "ENOTTY: /dev/kvm is not a character device", value)
    try:
        opened(machine)
    except OSError as e:
        value["open"] = short(e)
        denied = e.errno in (errno.EACCES, errno.EPERM)
        raise NotOk("denied" if denied else "error", "%s: %s" % (short(e), e.strerror), value)
    return value


def acl():
    """Tell whether an access control list adds to the mode (desktop sessions get /dev/kvm so)."""
    try:
        return b"\1" in os.getxattr("/dev/kvm", "system.posix_acl_access")
    except (OSError, AttributeError):
        return False


def api(machine):
    """Return the API version and whether a virtual machine can be created; EBUSY or EIO: another hypervisor is on."""
    kvm = opened(machine)
    value = {"version": plain(kvm, GET_API_VERSION), "create_vm": "ok"}
    try:
        os.close(plain(kvm, CREATE_VM))
    except OSError as e:
        value["create_vm"] = short(e)
        raise NotOk("error", "%s: KVM_CREATE_VM: %s" % (short(e), e.strerror), value)
    return value
