"""How long the agent takes, beside the tools that people use today, on the same machine in the same minutes.

    python3 benchmarks/agent/side_by_side.py [--rounds 30] [--check]

All commands take turns, so that whatever else the machine does hits all of them alike. The baseline is an interpreter
that does nothing. Peers that are not installed are named (Debian: cpu-checker, libvirt-clients, virt-what, systemd).

--check fails when the agent, as the one file that guests run, takes more than five times the baseline, or more than
the four peers together. Read it on a machine that has two CPUs to spare: the agent works in two processes at once.
Where there is none, `chrt -r 10` before it (root) keeps other processes from the CPUs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))
PEERS = {
    "kvm-ok": ["kvm-ok"],
    "virt-host-validate": ["virt-host-validate", "qemu"],
    "virt-what": ["virt-what"],
    "systemd-detect-virt": ["systemd-detect-virt"],
}
BASELINE, AGENT, SOURCES = (
    "python3 -I -S -c pass",
    "agent: the one file, all facts and proofs",
    "the same from compiled sources",
)


def commands(python: str, one_file: Path) -> dict[str, list[str]]:
    """Return what is measured: name and command line."""
    found = {
        BASELINE: [python, "-I", "-S", "-c", "pass"],
        AGENT: [python, "-I", "-S", str(one_file), "--json"],
        SOURCES: [python, "-I", "-S", str(REPOSITORY / "agent/__main__.py"), "--json"],
    }
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for name, command in PEERS.items():
        where = shutil.which(command[0], path=path)
        if where:
            found[name] = [where, *command[1:]]
    return found


def measure(what: dict[str, list[str]], rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return for each command wall times and processor times (children included), in milliseconds."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in what}
    for n in range(rounds + 1):
        for name, command in what.items():
            begin = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, _, used = os.wait4(child.pid, 0)
            wall = time.perf_counter() - begin
            child.returncode = 0
            if n:  # the first round warms caches
                times[name][0].append(wall * 1000)
                times[name][1].append((used.ru_utime + used.ru_stime) * 1000)
    return times


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="fail when a limit is broken")
    options = parser.parse_args()
    from agent.build import build

    with tempfile.TemporaryDirectory() as directory:
        times = measure(commands(options.python, build(Path(directory))), options.rounds)
    base = median(times[BASELINE][0])
    print(f"{'milliseconds, ' + str(options.rounds) + ' rounds':<42}  wall: median    min   x base   cpu: median")
    for name, (wall, cpu) in times.items():
        print(f"{name:<42} {median(wall):14.1f} {min(wall):6.1f} {median(wall) / base:8.1f} {median(cpu):13.1f}")
    for name in PEERS:
        if name not in times:
            print(f"{name:<42} is not installed")
    peers = sum(median(times[name][0]) for name in PEERS if name in times)
    agent = median(times[AGENT][0])
    print(f"\nagent: {agent / base:.1f} times the baseline (limit 5); {agent:.1f} ms, all peers {peers:.1f} ms")
    return int(options.check and (agent > 5 * base or agent > peers))


if __name__ == "__main__":
    sys.exit(main())
