"""A VM inside a lab machine: QEMU with KVM, which Debian also builds without PCI, 13 MB with its libraries."""

import gzip
import re
import subprocess
from pathlib import Path

from lab_artefacts import kernel, needs, vmlinuz
from lab_machines import Job, Lab, initramfs

QEMU = "/usr/bin/qemu-system-x86_64-microvm"
FIRMWARE = ("bios-microvm.bin", "linuxboot_dma.bin")
# In the machine: starts the VM with a CPU of choice, and prints what its serial line said
START = """rm -f /tmp/serial
timeout 300 qemu -L /usr/share/qemu -M microvm -accel kvm -cpu {cpu} -m 320 -nodefaults -display none -no-reboot \
-serial file:/tmp/serial -kernel /inner/vmlinuz -initrd /inner/initrd \
-append "console=ttyS0 quiet loglevel=0 panic=-1 no_timer_check" </dev/null
cat /tmp/serial"""


def qemu() -> dict[str, bytes]:
    """Return QEMU, its firmware and its libraries, by path in the machine."""
    needs((QEMU, "qemu-system-x86"), ("ldd", "libc-bin"))
    said = subprocess.run(["ldd", QEMU], capture_output=True, text=True, check=True, timeout=60).stdout
    libraries = [Path(found[1]) for found in re.finditer(r"=> (/\S+)", said)]
    files = {f"lib/x86_64-linux-gnu/{path.name}": path.read_bytes() for path in libraries}
    files |= {f"usr/share/qemu/{name}": (Path("/usr/share/qemu") / name).read_bytes() for name in FIRMWARE}
    return files | {"bin/qemu": Path(QEMU).read_bytes()}


def inner(suite: str = "stable") -> dict[str, bytes]:
    """Return kernel and initramfs of a VM that loads kvm_amd where it can, prints its report and ends."""
    lab = Lab(jobs=(Job("agent", "agent --json --timeout 120"),), loaded=("kvm-amd",))
    return {
        "inner/vmlinuz": vmlinuz(kernel(suite)).read_bytes(),
        "inner/initrd": gzip.compress(initramfs(lab), 6, mtime=0),
    }
