"""What virtual machines need around KVM: nodes, control groups, namespaces, secure guests, libvirt's memory."""

import os
import stat

from agent.facts import NotOk
from agent.files import read

NODES = ("vhost-net", "vhost-vsock", "net/tun", "vfio/vfio", "sev", "vsock", "mshv", "fuse", "tpm0")


def devices(machine):  # noqa: ARG001
    """Return for each node ``ok`` (openable for reading and writing by its permissions), ``denied`` or ``absent``."""
    out = {}
    for name in NODES:
        path = "/dev/" + name
        try:
            mode = os.stat(path).st_mode
        except OSError:
            out[name] = "absent"
            continue
        usable = stat.S_ISCHR(mode) and os.access(path, os.R_OK | os.W_OK)
        out[name] = "ok" if usable else "denied"
    return out


def cgroups(machine):
    """Return the version of control groups and the controllers at hand."""
    unified = machine.line("/sys/fs/cgroup/cgroup.controllers")
    if unified is not None:
        return {"version": 2, "controllers": sorted(unified.split())[:32]}
    legacy = []
    for line in (machine.line("/proc/cgroups") or "").split("\n"):
        word = line.split()
        if len(word) == 4 and word[3] == "1":
            legacy.append(word[0])
    if not legacy:
        raise NotOk("absent", "no control groups are to be seen")
    return {"version": 1, "controllers": sorted(legacy)[:32]}


def namespaces(machine):
    """Return the kinds of namespaces that the kernel has."""
    found = machine.list("/proc/self/ns")
    return [name[:32] for name in found[:32] if not name.endswith("_for_children")]


def libvirt_cache(machine):  # noqa: ARG001
    """Return when libvirt last kept what QEMU told it, both versions, and when KVM's module was loaded (Unix time).

    The node's ctime is set as the module is loaded, and again by whoever changes its mode or ACL. A directory in /sys
    gets its times when it is first looked at. Neither is too early, so the earlier one is nearer.
    """
    path = "/var/cache/libvirt/qemu/capabilities"
    names = [path + "/" + name for name in os.listdir(path)[:256] if name.endswith(".xml")]
    if not names:
        raise NotOk("absent", "libvirt has kept nothing")
    newest, name = max((os.stat(name).st_mtime, name) for name in names)
    loaded = os.stat("/dev/kvm").st_ctime
    for module in ("kvm_intel", "kvm_amd"):
        if os.path.isdir("/sys/module/" + module):
            loaded = min(loaded, os.stat("/sys/module/" + module).st_mtime)
    out = {"newest": newest, "module_loaded": loaded, "path": path}
    text = read(None, name)
    for key, tag in (("libvirt", "<selfvers>"), ("qemu", "<version>")):
        number = text.partition(tag)[2].partition("<")[0]
        out[key] = int(number) if number.isdecimal() and len(number) < 12 else 0
    return out


def secure_guests(machine):
    """Return which kinds of secure guest this host could run: its modules' parameters and the s390 ultravisor."""
    out = {}
    for module, names in (("kvm_amd", ("sev", "sev_es", "sev_snp")), ("kvm_intel", ("tdx", "sgx"))):
        for name in names:
            value = machine.line("/sys/module/%s/parameters/%s" % (module, name))
            if value is not None:
                out[name] = value in ("Y", "y", "1")
    uv = machine.line("/sys/firmware/uv/prot_virt_host")
    if uv is not None:
        out["s390_pv"] = uv == "1"
    return out
