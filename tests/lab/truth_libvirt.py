"""A lab that is a VM of libvirt, with its hypervisor's shell at hand: what has to be done there is done there.

The libvirtd is one of its own, in a mount namespace: it sees and leaves nothing of this machine's. Needs root.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lab_artefacts import kernel, needs, vmlinuz
from lab_machines import Done, Job, Lab, initramfs
from private_libvirt import WORLD
from truth_session import SHELL, TIED, Broken, Session, process

NAME = "NAME"  # as remedies call a VM that they cannot know
SECONDS = 60
DAEMON = (
    WORLD
    + r"""
cat >"$1/libvirtd.conf" <<END
listen_tls = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
END
exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"
"""
)
# QEMU 7.2 emulates cmpxchg16b wrongly now and then: the kernel is told to do without, whatever CPU the VM is given
DOMAIN = """<domain type='qemu'>
<name>{name}</name><memory unit='MiB'>{megabytes}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{directory}/vmlinuz</kernel><initrd>{directory}/initrd</initrd>
<cmdline>console=ttyS0 quiet panic=-1 clearcpuid=cx16 {cmdline}</cmdline></os>
<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>{model}</model>{features}</cpu>
<devices><serial type='tcp'><source mode='connect' host='127.0.0.1' service='{port}'/></serial></devices>
</domain>
"""


class Vm(Session):
    """The shell of a VM, and of the machine that runs it."""

    def __init__(self, server: socket.socket, directory: Path, seconds: float) -> None:
        self.server = server
        self.directory = directory
        self.seconds = seconds
        super().__init__(self.start(), seconds)
        self.until(r"^LAB-READY$")

    def start(self) -> socket.socket:
        """Start the VM; return its serial line. Raises Broken."""
        started = outside(self.directory, f"virsh start {NAME}")
        if started.status:
            raise Broken(f"the VM does not start: {started.output}")
        self.server.settimeout(SECONDS)
        try:
            return self.server.accept()[0]
        except TimeoutError as e:
            raise Broken("the VM has no serial line") from e

    def outside(self, script: str) -> Done:
        """Run a shell script on the hypervisor."""
        return outside(self.directory, script)

    def power_cycle(self) -> None:
        """Switch the VM off and on. Raises Broken."""
        self.outside(f"virsh destroy {NAME}")
        self.line.close()
        super().__init__(self.start(), self.seconds)
        self.until(r"^LAB-READY$")


def outside(directory: Path, script: str) -> Done:
    """Run a shell script where libvirtd runs, and return what it printed on both streams."""
    pid = (directory / "libvirtd.pid").read_text().strip()
    done = subprocess.run(
        ["nsenter", "--target", pid, "--mount", "--root", "sh", "-ec", script], stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(directory)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=SECONDS, check=False, text=True,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.strip())


@contextlib.contextmanager
def libvirt_session(lab: Lab, directory: Path) -> Iterator[Vm]:
    """Boot a lab as a VM of libvirt and give its shell; VM and libvirtd end with the block. Raises Broken."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root: libvirtd runs in a mount namespace of its own")
    needs(
        ("libvirtd", "libvirt-daemon"), ("virsh", "libvirt-clients"), ("virt-xml", "virtinst"),
        ("unshare", "util-linux"), ("qemu-system-x86_64", "qemu-system-x86"),
    )  # fmt: skip
    (directory / "initrd").write_bytes(initramfs(replace(lab, jobs=(Job("session", SHELL),))))
    (directory / "vmlinuz").write_bytes(vmlinuz(kernel(lab.suite)).read_bytes())
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", DAEMON, "libvirtd", str(directory)]
    with socket.create_server(("127.0.0.1", 0)) as server, process(TIED + command, directory) as daemon:
        wait_for(directory / "libvirtd.pid", daemon)
        (directory / "domain.xml").write_text(domain(lab, directory, server.getsockname()[1]))
        defined = outside(directory, f"virsh define {directory}/domain.xml")
        if defined.status:
            raise Broken(f"libvirt refuses the VM: {defined.output}")
        try:
            vm = Vm(server, directory, lab.seconds)
            yield vm
            vm.line.close()
        finally:
            outside(directory, f"virsh destroy {NAME}")


def domain(lab: Lab, directory: Path, port: int) -> str:
    """Return the XML of a lab's VM; its CPU is written as for QEMU, such as EPYC,-svm."""
    model, *changes = lab.cpu.split(",")
    policy = {"-": "disable", "+": "require"}
    features = "".join(f"<feature policy='{policy[each[0]]}' name='{each[1:]}'/>" for each in changes)
    return DOMAIN.format(
        name=NAME, megabytes=lab.megabytes, directory=directory, cmdline=lab.cmdline, model=model, features=features,
        port=port,
    )  # fmt: skip


def wait_for(path: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Wait until the daemon has written its process id. Raises Broken."""
    deadline = time.monotonic() + SECONDS
    while not (path.exists() and path.read_text().strip()):
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise Broken(f"libvirtd does not run: {(path.parent / 'emulator.log').read_text('utf-8', 'replace')}")
        time.sleep(0.05)
