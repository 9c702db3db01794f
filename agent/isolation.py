"""What this system is enclosed in besides a hypervisor: a container, a confidential VM."""

CONTAINERS = ("lxc", "docker", "podman", "kubepods", "containerd", "crio", "garden", "machine-rkt")


def container(machine):
    """Return the kind of container, null for none, and every trace of one: left-over traces are common."""
    traces = []
    kind = machine.line("/run/systemd/container") or ""
    if kind:
        traces.append("/run/systemd/container: " + kind[:64])
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        try:
            machine.text(path, 1)
        except OSError:
            continue
        traces.append(path)
        kind = kind or name
    for word in (machine.line("/proc/1/environ") or "").split("\0"):  # for root only
        if word.startswith("container="):
            traces.append("pid 1: " + word[:64])
            kind = word[10:]
    for line in (machine.line("/proc/1/cgroup") or "").split("\n"):
        found = [name for name in CONTAINERS if name in line]
        if found:
            traces.append("pid 1 cgroup: " + line[:128])
            kind = kind or found[0]
    if "microsoft" in (machine.line("/proc/sys/kernel/osrelease") or "").lower():
        traces.append("kernel of WSL")
        kind = kind or "wsl"
    # the marks of the image that became this system prove nothing when PID 1 sees the whole machine
    certain = [trace for trace in traces if not trace.startswith(("/.dockerenv", "/run/.containerenv"))]
    return {"kind": kind[:64] or None, "certain": bool(certain), "traces": traces[:8]}


def confidential(machine):
    """Return the kind of confidential VM this is (sev, sev-es, sev-snp, tdx, s390), null for none; none can nest."""
    from agent.klog import messages

    kind, why = None, ""
    if machine.line("/sys/firmware/uv/prot_virt_guest") == "1":
        kind, why = "s390", "/sys/firmware/uv/prot_virt_guest"
    names = machine.listed("/dev")
    for node, name in (("sev-guest", "sev-snp"), ("tdx_guest", "tdx")):
        if node in names:
            kind, why = name, "/dev/" + node
    if kind is None:
        try:
            for line in messages(machine):
                lower = line.lower()
                if "memory encryption features active:" in lower:
                    why = line[:128]
                    kind = "tdx" if "tdx" in lower else "sev-snp" if "sev-snp" in lower else None
                    kind = kind or ("sev-es" if "sev-es" in lower else "sev" if "sev" in lower else None)
        except OSError:
            why = "the kernel log may not be read"
    return {"kind": kind, "why": why}
