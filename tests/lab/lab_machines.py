"""The software labs: QEMU's TCG emulates AMD's SVM with nested paging, Bochs emulates Intel's VMX.

``boot`` starts a real Debian kernel with a few shell jobs in an initramfs, and returns what each job printed.
"""

import contextlib
import os
import pty
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lab_artefacts import kernel, needs, vmlinuz
from lab_initramfs import Initramfs, add_modules, add_userland, precompile

from agent.build import agent_bytes

REPOSITORY = Path(__file__).parents[2]
# QEMU 7.2 emulates cmpxchg16b wrongly now and then: without -cx16 a 6.12 kernel's slab breaks in 5 of 16 boots, with it
# in none of 8
EPYC = "EPYC,+svm,-x2apic,-cx16"
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in {modules}; do insmod /mod/$m.ko; done
load() {{ m=$1; shift; insmod /mod/$m.ko "$@"; }}
agent() {{ python3 -I -S /nestproof-agent.pyz "$@"; }}
{jobs}
echo; echo LAB-END
sleep 1
poweroff -f
"""
ECHO_JOB = """echo; echo "LAB-BEGIN {name}"
( {script}
) </dev/null; echo; echo "LAB-STATUS {name} $?"
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One shell script that runs in the lab; ``load MODULE PARAMETERS`` and ``agent OPTIONS`` are its words."""

    name: str
    script: str


@dataclass(frozen=True, slots=True)
class Done:
    """What a job left: its exit status and what it printed."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Lab:
    """What to boot. ``loaded`` modules are there from the start, ``modules`` can be loaded by jobs."""

    jobs: tuple[Job, ...]
    modules: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    suite: str = "stable"
    cpu: str = ""
    cmdline: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 240
    megabytes: int = 768


def initramfs(lab: Lab) -> bytes:
    """Return the initramfs of a lab: userland, modules, the one-file agent, the agent's sources, the jobs."""
    image = Initramfs()
    add_userland(image)
    early = add_modules(image, kernel(lab.suite), list(lab.loaded))
    add_modules(image, kernel(lab.suite), list(lab.modules))
    image.program("nestproof-agent.pyz", agent_bytes())
    for path in sorted((REPOSITORY / "agent").rglob("*.py")):
        image.add(path.relative_to(REPOSITORY).as_posix(), path.read_bytes())
    image.add("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    image.add("etc/group", b"root:x:0:\nkvm:x:104:\nnogroup:x:65534:\n")
    for name, content in lab.files.items():
        image.program(name, content)
    jobs = "".join(ECHO_JOB.format(name=job.name, script=job.script) for job in lab.jobs)
    precompile(image)
    image.program("init", INIT.format(modules=" ".join(early), jobs=jobs))
    return image.image()


def results(console: str) -> dict[str, Done]:
    """Return what each job printed, from the text of the serial console; kernel messages are left out."""
    if "LAB-END" not in console:
        pytest.fail("the lab did not come to its end; its console ends with:\n" + console[-3000:])
    found = {}
    for match in re.finditer(r"^LAB-BEGIN (\S+)\n(.*?)\nLAB-STATUS \1 (\d+)$", console, re.S | re.M):
        lines = [line for line in match[2].splitlines() if not re.match(r"\[ *\d+\.\d+\] ", line)]
        found[match[1]] = Done(int(match[3]), "\n".join(lines).strip())
    return found


def tcg_command(lab: Lab, directory: Path, serial: str = "stdio") -> list[str]:
    """Return QEMU's command line for a lab, whose initramfs is written into the directory."""
    needs(("qemu-system-x86_64", "qemu-system-x86"))
    (directory / "initrd").write_bytes(initramfs(lab))
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", lab.cpu or EPYC,
        "-smp", "1", "-m", str(lab.megabytes), "-nodefaults", "-display", "none", "-serial", serial, "-no-reboot",
        "-kernel", str(vmlinuz(kernel(lab.suite))), "-initrd", str(directory / "initrd"),
        "-append", f"console=ttyS0 quiet panic=-1 {lab.cmdline}",
    ]  # fmt: skip


def tcg(lab: Lab, directory: Path) -> dict[str, Done]:
    """Boot under QEMU's TCG: by default an AMD EPYC with SVM."""
    command = tcg_command(lab, directory)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=lab.seconds, check=False)
        console = done.stdout
    except subprocess.TimeoutExpired as e:
        console = e.stdout or b""
    return results(console.decode("utf-8", "replace").replace("\r", ""))


BOCHSRC = """display_library: term
plugin_ctrl: {off}
config_interface: textconfig
cpu: model={cpu}, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=512, host=512
romimage: file={rom}, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
clock: sync=none, time0=946684800
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={directory}/lab.iso, status=inserted
boot: cdrom
com1: enabled=1, {com1}
log: {directory}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""
UNUSED = (
    "e1000 es1370 gameport iodebug ne2k parallel pcidev pcipnic sb16 speaker usb_ehci usb_ohci usb_uhci usb_xhci voodoo"
)
ISOLINUX = """SERIAL 0 115200
DEFAULT lab
PROMPT 0
LABEL lab
 KERNEL /vmlinuz
 APPEND initrd=/initrd console=ttyS0,115200 quiet nokaslr mitigations=off no_timer_check tsc=reliable \
cryptomgr.notests panic=-1 random.trust_cpu=on {cmdline}
"""


def firmware_without_vmx(directory: Path) -> Path:
    """Return a copy of Bochs's BIOS that locks IA32_FEATURE_CONTROL with VMX off: ``or eax,5`` becomes ``or eax,1``."""
    rom = bytearray(Path("/usr/share/bochs/BIOS-bochs-latest").read_bytes())
    for pattern, offset in (("b93a0000000f3283c8050f30", 9), ("66b93a0000000f326683c8050f30", 11)):
        where = rom.find(bytes.fromhex(pattern))
        assert where >= 0, "this version of Bochs has another BIOS"
        rom[where + offset] = 1
    (directory / "bios").write_bytes(rom)
    return directory / "bios"


def bochs_command(lab: Lab, directory: Path, firmware_off: bool, com1: str) -> list[str]:
    """Return Bochs's command line for a lab, whose CD image and configuration are written into the directory."""
    needs(
        ("/usr/bin/bochs-bin", "bochs"), ("/usr/share/bochs/BIOS-bochs-latest", "bochsbios"),
        ("/usr/lib/ISOLINUX/isolinux.bin", "isolinux"), ("genisoimage", "genisoimage"),
        ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common"),
        ("/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so", "bochs-term"),
    )  # fmt: skip
    tree = directory / "iso"
    (tree / "isolinux").mkdir(parents=True)
    (tree / "initrd").write_bytes(initramfs(lab))
    (tree / "vmlinuz").write_bytes(vmlinuz(kernel(lab.suite)).read_bytes())
    for source in ("/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32"):
        (tree / "isolinux" / Path(source).name).write_bytes(Path(source).read_bytes())
    (tree / "isolinux/isolinux.cfg").write_text(ISOLINUX.format(cmdline=lab.cmdline))
    subprocess.run(
        ["genisoimage", "-quiet", "-o", "lab.iso", "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
         "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "iso"],
        cwd=directory, env={**os.environ, "HOME": str(directory)}, check=True, timeout=120,
    )  # fmt: skip
    rom = firmware_without_vmx(directory) if firmware_off else Path("/usr/share/bochs/BIOS-bochs-latest")
    off = ", ".join(f"{name}=0" for name in UNUSED.split())
    (directory / "bochsrc").write_text(
        BOCHSRC.format(off=f"biosdev=1, {off}", cpu=lab.cpu or "broadwell_ult", rom=rom, directory=directory, com1=com1)
    )
    (directory / "commands").write_text("c\n")  # Debian's build has the debugger: go on
    return ["/usr/bin/bochs-bin", "-q", "-f", "bochsrc", "-rc", "commands"]


def bochs(lab: Lab, directory: Path, firmware_off: bool = False) -> dict[str, Done]:
    """Boot under Bochs: by default an Intel Broadwell with all that VMX has; other models by ``lab.cpu``."""
    serial = directory / "serial.txt"
    command = bochs_command(lab, directory, firmware_off, f"mode=file, dev={serial}")
    with in_terminal(command, directory) as child, contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(lab.seconds)
    return results(serial.read_text("utf-8", "replace").replace("\r", "") if serial.exists() else "")


@contextlib.contextmanager
def in_terminal(command: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that wants a terminal, until the block ends; Bochs's exit status says nothing."""
    master, slave = pty.openpty()

    def drain() -> None:
        with contextlib.suppress(OSError):
            while os.read(master, 65536):
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    child = subprocess.Popen(
        command, cwd=directory, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        reader.join(5)
        os.close(master)
