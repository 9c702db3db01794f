"""How much room there is for virtual machines."""

import os

from agent.facts import NotOk

STORES = ("/var/lib/libvirt/images", "/var/lib/libvirt", "/var/lib/vz", "/var/lib", "/")


def memory(machine):
    """Return memory in bytes: of the machine, still available, the cgroup's limit (null: none), and huge pages."""
    found = {}
    for line in machine.text("/proc/meminfo").split("\n"):
        key, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdecimal():
            found[key] = int(number[0]) * 1024
    huge = {}
    for name in machine.listed("/sys/kernel/mm/hugepages")[:16]:
        total = machine.line("/sys/kernel/mm/hugepages/%s/nr_hugepages" % name)
        free = machine.line("/sys/kernel/mm/hugepages/%s/free_hugepages" % name)
        if total and total.isdecimal() and free and free.isdecimal():
            huge[name[10:]] = {"total": int(total), "free": int(free)}
    return {
        "total": found.get("MemTotal", 0),
        "available": found.get("MemAvailable", found.get("MemFree", 0)),
        "swap": found.get("SwapTotal", 0),
        "cgroup_limit": cgroup_limit(machine, "memory.max", "memory/memory.limit_in_bytes"),
        "hugepages": huge,
        "thp": chosen(machine.line("/sys/kernel/mm/transparent_hugepage/enabled")),
    }


def chosen(text):
    """Return the word in brackets of a line such as ``always [madvise] never``."""
    return text.partition("[")[2].partition("]")[0] if text and "[" in text else None


def cgroup_paths(machine):
    """Return this process's control group directory, and those above it, in the unified hierarchy."""
    out = []
    for line in (machine.line("/proc/self/cgroup") or "").split("\n"):
        if line.startswith("0::"):
            parts = line[3:].strip("/").split("/")
            out = ["/sys/fs/cgroup/" + "/".join(parts[:n]) for n in range(len(parts), -1, -1)]
    return [path.rstrip("/") for path in out[:16]] or ["/sys/fs/cgroup"]


def cgroup_limit(machine, unified, legacy):
    """Return the smallest limit of our control groups in bytes or None; version 2 first, then version 1."""
    limits = []
    for path in cgroup_paths(machine):
        value = machine.line(path + "/" + unified) or ""
        if value.isdecimal():
            limits.append(int(value))
    value = machine.line("/sys/fs/cgroup/" + legacy) or ""
    if value.isdecimal() and int(value) < 1 << 62:  # version 1 says "none" by a number near 2**63
        limits.append(int(value))
    return min(limits) if limits else None


def cpu(machine):
    """Return load averages, the CPUs this process may use, and the cgroup's share of CPUs (null: no limit)."""
    load = (machine.line("/proc/loadavg") or "").split()[:3]
    quota = None
    for path in cgroup_paths(machine):
        part = (machine.line(path + "/cpu.max") or "").split()
        if len(part) == 2 and part[0].isdecimal() and part[1].isdecimal() and int(part[1]):
            share = int(part[0]) / float(int(part[1]))
            quota = share if quota is None else min(share, quota)
    steal = None  # type: object
    for line in (machine.line("/proc/stat") or "").split("\n")[:1]:
        ticks = [int(word) for word in line.split()[1:9] if word.isdecimal()]
        total = sum(ticks)
        if len(ticks) == 8 and total:
            steal = round(100.0 * ticks[7] / total, 2)
    usable = len(os.sched_getaffinity(0))
    return {"load": [number(word) for word in load], "usable": usable, "cgroup_cpus": quota, "steal_percent": steal}


def number(word):
    """Return a float, None for text that is none."""
    try:
        return float(word)
    except ValueError:
        return None


def disk(machine):  # noqa: ARG001
    """Return size and free bytes of the file system where images would lie, the first of the usual places."""
    for path in STORES:
        try:
            status = os.statvfs(path)
        except OSError:
            continue
        size = status.f_frsize
        return {
            "path": path,
            "total": status.f_blocks * size,
            "free": status.f_bavail * size,
            "read_only": bool(status.f_flag & 1),
        }
    raise NotOk("absent", "no file system is to be seen")
