"""The CPU as the kernel shows it: /proc/cpuinfo, on every architecture."""

from agent.facts import NotOk

MEGABYTE = 1 << 20


def blocks(text):
    """Return the non-empty ``key: value`` groups of /proc/cpuinfo as dicts; a key keeps its first value."""
    out = []
    for group in text.split("\n\n"):
        block = {}  # type: dict
        for line in group.split("\n"):
            key, colon, value = line.partition(":")
            if colon:
                block.setdefault(key.strip(), value.strip())
        if block:
            out.append(block)
    return out


def common(text, keys):
    """Return the sorted words that the lines named by ``keys`` have in common on all CPUs, None without such a line."""
    lines = set()
    for line in text.split("\n"):
        key, colon, value = line.partition(":")
        if colon and key.strip() in keys:
            lines.add(value)
    if not lines:
        return None
    words = [set(line.split()) for line in lines]
    return sorted(set.intersection(*words))


def cpuinfo(machine):
    """Return the text of /proc/cpuinfo, read once; 8 MiB are more than 4096 CPUs of today fill."""
    return machine.once("cpuinfo", lambda: machine.text("/proc/cpuinfo", 8 * MEGABYTE))


def architecture(machine):
    """Return the machine name as ``uname -m`` prints it; below a root it is told from /proc/cpuinfo."""
    if machine.root is None:
        import os

        return os.uname().machine
    text = cpuinfo(machine)
    for mark, arch in (
        ("CPU implementer", "aarch64"),
        ("IBM/S390", "s390x"),
        ("POWER", "ppc64le"),
        ("isa\t", "riscv64"),
        ("flags\t", "x86_64"),
    ):
        if mark in text:
            return arch
    return "unknown"


def identity(machine):
    """Return architecture, vendor, model, family, stepping and microcode of the first CPU, and how many there are."""
    text = cpuinfo(machine)
    first = (blocks(text[:16384]) or [{}])[0]

    def get(*keys):
        for key in keys:
            if first.get(key):
                return first[key][:128]
        return ""

    count = sum(line.startswith("processor") for line in text.split("\n"))
    return {
        "arch": architecture(machine),
        "vendor": get("vendor_id", "CPU implementer", "mvendorid", "platform"),
        "model_name": get("model name", "cpu", "CPU part", "uarch", "Model Name"),
        "family": get("cpu family", "CPU architecture", "CPU Family"),
        "model": get("model", "CPU variant", "revision"),
        "stepping": get("stepping", "CPU revision"),
        "microcode": get("microcode"),
        "cpus": count,
    }


def flags(machine):
    """Return the flags that every CPU shows."""
    words = common(cpuinfo(machine), ("flags", "Features", "features", "isa"))
    if words is None:
        raise NotOk("absent", "/proc/cpuinfo has no line of flags")
    return [word[:32] for word in words[:400]]


def vmx_flags(machine):
    """Return the kernel's ``vmx flags`` line: what VMX of this CPU can do (Linux 5.6 and later, Intel)."""
    words = common(cpuinfo(machine), ("vmx flags",))
    if words is None:
        raise NotOk("absent", "/proc/cpuinfo has no line of vmx flags")
    return [word[:32] for word in words[:100]]
