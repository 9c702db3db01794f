"""How the CPUs are laid out."""

from agent.cpu import cpuinfo


def span(text):
    """Return how many numbers a list such as ``0-3,8`` names; 0 for what is none."""
    count = 0
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if first.isdecimal() and (last.isdecimal() or not dash) and len(first + last) < 12:
            count += max(int(last or first) - int(first) + 1, 0)
    return count


def topology(machine):
    """Return sockets, cores, online and present CPUs, NUMA nodes, and whether SMT is on (kernel's word)."""
    sockets, cores = set(), set()
    socket = ""
    for line in cpuinfo(machine).split("\n"):
        key, _, value = line.partition(":")
        key = key.strip()
        if key == "physical id":
            socket = value.strip()
            sockets.add(socket)
        elif key == "core id":
            cores.add((socket, value.strip()))
    base = "/sys/devices/system/"
    return {
        "online": span(machine.line(base + "cpu/online") or ""),
        "present": span(machine.line(base + "cpu/present") or ""),
        "sockets": len(sockets),
        "cores": len(cores),
        "numa_nodes": span(machine.line(base + "node/online") or ""),
        "smt": machine.line(base + "cpu/smt/control"),
    }
