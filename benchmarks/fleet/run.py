"""Fifty hosts over ssh: nestproof's check beside Ansible's and pyinfra's fact gathering, in one run.

    python benchmarks/fleet/run.py [--hosts 50] [--forks 16] [--rounds 3]

Real sshd on loopback, so the "remote" work happens on the same cores: controller and hosts share them, for every peer
alike. Of the peers only pyinfra speaks ssh itself, and knows no post-quantum key exchange; OpenSSH 9 spends most of a
short connection on it, unless --classic-kex lets it try the others first. Wall time and the controller's own CPU time
(user + system of its process tree, without sshd and what it starts) are given as medians and as ratios to nestproof.
ansible and pyinfra are looked for on PATH; what is missing is said.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import sshd  # noqa: E402 - the servers of the end-to-end tests


def peers(directory: Path, names: list[str], config: Path, forks: int) -> dict[str, list[str]]:
    """Command lines by peer; each asks all hosts once."""
    ini = directory / "inventory.ini"
    ini.write_text("[all]\n" + "\n".join(names) + "\n")
    plain = directory / "hosts.txt"
    plain.write_text("\n".join(names) + "\n")
    python_inventory = directory / "inventory.py"
    data = {"ssh_config_file": str(config), "ssh_known_hosts_file": str(config.parent / "known_hosts")}
    python_inventory.write_text(f"hosts = {[(name, data) for name in names]!r}\n")
    python = ["-e", "ansible_python_interpreter=/usr/bin/python3"]
    check = [sys.executable, "-m", "nestproof", "check", "-i", str(plain), "--ssh-config", str(config)]
    check += ["--forks", str(forks)]
    return {
        "nestproof check": check,
        "nestproof check --classic-kex": [*check, "--classic-kex"],
        "ansible -m setup": [
            "ansible", "all", "-i", str(ini), "-m", "setup", "-f", str(forks), *python,
            "--ssh-common-args", f"-F {config}",
        ],
        "pyinfra fact hardware.Cpus server.KernelModules": [
            "pyinfra", "-y", "--parallel", str(forks), str(python_inventory), "fact", "hardware.Cpus",
            "server.KernelModules",
        ],
    }  # fmt: skip


def measured(argv: list[str], directory: Path) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds of the process tree, exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    environment = os.environ | {
        "NESTPROOF_STATE": str(directory / "state"),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, check=False)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 3, 5):
        print(f"  {argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    return wall, cpu, done.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--forks", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    names = [f"host{n:03}" for n in range(options.hosts)]
    with tempfile.TemporaryDirectory(prefix="fleet-") as name:
        directory = Path(name)
        servers = sshd.start(directory, dict.fromkeys(names, "good"))
        try:
            figures: dict[str, list[tuple[float, float, int]]] = {}
            commands = peers(directory, names, servers.config, options.forks)
            for peer in [peer for peer, argv in commands.items() if not shutil.which(argv[0])]:
                print(f"{peer}: not installed, left out")
                del commands[peer]
            for _ in range(options.rounds):
                for peer, argv in commands.items():
                    figures.setdefault(peer, []).append(measured(argv, directory))
        finally:
            servers.stop()
    base_wall, base_cpu = (statistics.median(f[i] for f in figures["nestproof check"]) for i in (0, 1))
    print(
        f"{options.hosts} hosts, {options.forks} at a time, {os.cpu_count()} cores, medians of {options.rounds} rounds"
    )
    print(f"{'':58}{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}")
    for peer, values in figures.items():
        wall, cpu = (statistics.median(v[i] for v in values) for i in (0, 1))
        print(f"{peer:58}{wall:8.2f}{wall / base_wall:7.1f}{cpu:8.2f}{cpu / base_cpu:7.1f}")


if __name__ == "__main__":
    main()
