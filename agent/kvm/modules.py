"""The kernel modules of KVM and the parameters that they run with."""

NAMES = ("kvm", "kvm_intel", "kvm_amd", "kvm_pvm", "kvm_hv", "kvm_pr")


def modules(machine):
    """Return state and parameters of each module.

    ``loaded`` and ``builtin`` come from /sys/module; one that is not there may be ``available`` in /lib/modules. Where
    that directory is not to be seen (containers), ``indexed`` is false and ``absent`` only means: not loaded.
    """
    indexed, available, builtin = index(machine)
    out = {}
    for name in NAMES:
        base = "/sys/module/" + name
        try:
            entries = machine.list(base)
        except OSError:
            state = "builtin" if name in builtin else "available" if name in available else "absent"
            out[name] = {"state": state, "parameters": {}, "indexed": indexed}
            continue
        state = "loaded" if "initstate" in entries or "refcnt" in entries else "builtin"
        out[name] = {"state": state, "parameters": parameters(machine, base), "indexed": indexed}
    return out


def parameters(machine, base):
    """Return {name: value} of a module; values that only root may read are left out."""
    try:
        names = machine.list(base + "/parameters")
    except OSError:
        return {}
    out = {}
    for name in names[:100]:
        try:
            out[name] = machine.text(base + "/parameters/" + name, 256).strip()
        except OSError:
            continue
    return out


def index(machine):
    """Return whether the index of the running kernel's modules is readable, which are files, and which built in."""
    try:
        release = machine.text("/proc/sys/kernel/osrelease", 256).strip()
    except OSError:
        return False, (), ()
    found = []
    readable = False
    for name, limit in (("modules.dep", 4 << 20), ("modules.builtin", 1 << 20)):
        present = []
        try:
            text = machine.text("/lib/modules/%s/%s" % (release, name), limit)
            readable = True
            for module in NAMES:
                for spelling in (module, module.replace("_", "-")):
                    if "/%s.ko" % spelling in text:
                        present.append(module)
        except OSError:
            pass
        found.append(present)
    return readable, found[0], found[1]
