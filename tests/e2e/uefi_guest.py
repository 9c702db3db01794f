"""The guest image booted once under UEFI, by its own disk alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE.fd")
LIMIT = 600

USER_DATA = """#cloud-config
write_files:
  - path: /run/written
    content: by the init stage
runcmd:
  - [sh, -c, "exec >/dev/console 2>&1; for answer in
      written:$(tr ' ' - </run/written)
      kvm:$(stat -c %F-%G /dev/kvm | tr ' ' -)
      nested:$(cat /sys/module/kvm_amd/parameters/nested)
      port:$(ls /dev/virtio-ports)
      firmware:$(ls -d /sys/firmware/efi)
      root-mib:$(df --output=size -m / | tail -1 | tr -d ' ')
      identity:$(wc -c </etc/machine-id)
      passwords:$(grep -c ':[$]' /etc/shadow)
      failed:$(systemctl --failed --no-legend | wc -l)
      stages:$(journalctl -b -o cat | grep -c \\"^Cloud-init v.* running '\\");
      do echo ANSWER $answer; done"]
power_state: {mode: poweroff, delay: now}
"""


def answers(directory: Path, needs: Callable[..., str]) -> dict[str, str]:
    """What the guest says of itself on its serial console before it powers off."""
    qemu = needs("qemu-system-x86_64", package="qemu-system-x86")
    convert = needs("qemu-img", package="qemu-utils")
    iso = needs("genisoimage", package="genisoimage")
    if not FIRMWARE.exists():
        needs(str(FIRMWARE), package="ovmf")
    image = ROOT / ".cache/guest/debian-12.qcow2"
    if not image.exists():
        needs("mmdebstrap", package="mmdebstrap")
        subprocess.run([sys.executable, str(ROOT / "deploy/guest_image.py"), "--output", str(image)], check=True)

    disk, seed = directory / "disk.qcow2", directory / "seed.iso"
    subprocess.run(
        [convert, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image), str(disk), "5G"], check=True
    )
    (directory / "user-data").write_text(USER_DATA)
    (directory / "meta-data").write_text("instance-id: uefi\nlocal-hostname: uefi\n")
    files = [str(directory / name) for name in ("user-data", "meta-data")]
    subprocess.run([iso, "-quiet", "-output", str(seed), "-volid", "cidata", "-joliet", "-rock", *files], check=True)

    console = subprocess.run(
        [
            *(qemu, "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "EPYC,+svm,-x2apic", "-smp", "1"),
            *("-m", "1024", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-nic", "none"),
            *("-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"),
            *("-drive", f"if=virtio,format=qcow2,file={disk}"),
            *("-drive", f"if=virtio,format=raw,readonly=on,file={seed}"),
            *("-device", "virtio-serial-pci", "-chardev", "null,id=report"),
            *("-device", "virtserialport,chardev=report,name=org.nestproof.report.0"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT,
        check=True,
    ).stdout.decode(errors="replace")
    said = [line.split("ANSWER ", 1)[1].strip() for line in console.splitlines() if "ANSWER " in line]
    assert said, console[-2000:]
    return dict(answer.split(":", 1) for answer in said)
