"""From the command to the running VM: nestproof apply, virt-install --import and virsh, for the same guest.

    python3 benchmarks/apply/run.py [--rounds 10] [--check]        (root; Debian: libvirt-daemon virtinst qemu-utils)

All three talk to the same libvirtd, which is started for this and sees its own empty /run, /var and /etc/libvirt. They
take turns. What is measured is the time from the start of the command to libvirt's event that the domain has started,
and to the end of the command. The base image is in the pool already, for all of them:

- nestproof apply: asks libvirt what it can give and what runs there, makes the overlay and the cloud-init seed,
  defines, starts.
- virt-install --import: defines and starts; with an overlay that qemu-img makes first, and without any seed.
- virsh: defines the XML that nestproof made, and starts it; disks are there. Nothing can be less.

--check fails when nestproof takes longer than virt-install, or more than 1.5 times as long as virsh.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from private_libvirt import WORLD  # noqa: E402

NAME = "default.bench"
DAEMON = (
    WORLD
    + r"""
cat >"$1/libvirtd.conf" <<END
auth_unix_rw = "none"
unix_sock_dir = "$1/run"
log_outputs = "3:file:$1/libvirtd.log"
END
exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"
"""
)
MANIFEST = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {{name: small}}
spec: {{cpu: 1, memory: 64Mi, diskDefaults: {{size: 1Gi}}, performanceProfile: {{nestedVirtualization: true}}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMImage
metadata: {{name: tiny}}
spec: {{source: {{libvirt: {{path: {image}, format: raw}}}}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {{name: bench, annotations: {{nestproof.org/accel: tcg}}}}
spec: {{providerRef: {{name: p}}, classRef: {{name: small}}, imageRef: {{name: tiny}}}}
"""
Times = dict[str, tuple[list[float], list[float]]]


class Bench:
    """The daemon, a connection to it, and the moment when the domain last started."""

    def __init__(self, place: Path) -> None:
        import libvirt

        self.place = place
        self.endpoint = f"qemu:///system?socket={place}/run/libvirt-sock"
        for name in ("run", "pool", "state"):
            (place / name).mkdir()
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", DAEMON, "sh", str(place)]
        self.daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not (place / "run/libvirt-sock").exists():
            time.sleep(0.05)
        self.virsh("pool-define-as", "default", "dir", "--target", str(place / "pool"))
        self.virsh("pool-start", "default")
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._events, daemon=True).start()
        self.connection = libvirt.open(self.endpoint)
        self.started = threading.Event()
        self.moment = 0.0
        kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        self.connection.domainEventRegisterAny(None, kind, self._lifecycle, None)

    def _events(self) -> None:
        import libvirt

        while True:
            libvirt.virEventRunDefaultImpl()

    def _lifecycle(self, _connection: object, _domain: object, event: int, _detail: int, _opaque: object) -> None:
        import libvirt

        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            self.moment = time.perf_counter()
            self.started.set()

    def virsh(self, *arguments: str) -> None:
        subprocess.run(["virsh", "-q", "-c", self.endpoint, *arguments], check=True, stdout=subprocess.DEVNULL)

    def nestproof(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "nestproof", *arguments, str(self.place / "vm.yaml"), "-c", self.endpoint]
        environment = os.environ | {"NESTPROOF_STATE": str(self.place / "state"), "PYTHONPATH": str(REPOSITORY)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode, as virt-install has
        subprocess.run(command, check=True, env=environment, capture_output=True)

    def time(self, run: Callable[[], None]) -> tuple[float, float]:
        """Milliseconds to the running domain, and to the end."""
        self.started.clear()
        begin = time.perf_counter()
        run()
        end = time.perf_counter()
        assert self.started.wait(30), "the domain never started"
        return (self.moment - begin) * 1000, (end - begin) * 1000

    def close(self) -> None:
        self.connection.close()
        self.daemon.terminate()
        self.daemon.wait(30)


def measure(bench: Bench, rounds: int) -> Times:
    """All commands in turn; the first round warms caches."""
    pool = bench.place / "pool"
    bench.nestproof("apply")
    xml = bench.connection.lookupByName(NAME).XMLDesc(2)
    (bench.place / "domain.xml").write_text(xml)
    base = next(path for path in pool.glob("nestproof.base.*") if path.suffix != ".complete")
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(pool / "other.qcow2"), "1G"]
    install = ["virt-install", "--connect", bench.endpoint, "--import", "--name", "other", "--memory", "64"]
    install += ["--vcpus", "1", "--virt-type", "qemu", "--machine", "q35", "--disk", str(pool / "other.qcow2")]
    install += ["--osinfo", "generic", "--graphics", "none", "--network", "user,model=virtio", "--noautoconsole"]
    install += ["--check", "path_in_use=off"]
    bench.virsh("destroy", NAME)
    keep = pool / "keep"
    keep.mkdir()

    def by_virsh() -> None:
        bench.virsh("define", str(bench.place / "domain.xml"))
        bench.virsh("start", NAME)

    def by_virt_install() -> None:
        subprocess.run(overlay, check=True)
        subprocess.run([*install], check=True, capture_output=True)

    # A second VM keeps the base image in the pool while the first comes and goes.
    manifest = bench.place / "vm.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("name: bench", "name: keeper"))
    bench.nestproof("apply")
    bench.virsh("destroy", "default.keeper")
    manifest.write_text(text)
    times: Times = {name: ([], []) for name in ("virsh define + start", "virt-install --import", "nestproof apply")}
    for n in range(rounds + 1):
        taken = [bench.time(by_virsh)]
        bench.nestproof("destroy")
        taken.append(bench.time(by_virt_install))
        bench.virsh("destroy", "other")
        bench.virsh("undefine", "other")
        (pool / "other.qcow2").unlink()
        taken.append(bench.time(lambda: bench.nestproof("apply")))
        bench.virsh("destroy", NAME)
        bench.virsh("undefine", NAME)
        if n:
            for (running, ended), (first, second) in zip(taken, times.values(), strict=True):
                second.append(ended)
                first.append(running)
    bench.nestproof("destroy")
    return times


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--check", action="store_true", help="fail when a limit is broken")
    options = parser.parse_args()
    from vm_factory import tiny_image

    with tempfile.TemporaryDirectory(prefix="np-") as directory:
        place = Path(directory)
        (place / "vm.yaml").write_text(MANIFEST.format(image=tiny_image(place)))
        bench = Bench(place)
        try:
            times = measure(bench, options.rounds)
        finally:
            bench.close()
    print(f"{'ms, median of ' + str(options.rounds):28}{'running':>10}{'ended':>10}")
    for name, (running, ended) in times.items():
        print(f"{name:28}{median(running):10.0f}{median(ended):10.0f}")
    virsh, install, ours = (median(running) for running, _ in times.values())
    print(f"nestproof is {ours / virsh:.2f} times virsh, {ours / install:.2f} times virt-install")
    return int(options.check and (ours > install or ours > 1.5 * virsh))


if __name__ == "__main__":
    sys.exit(main())
