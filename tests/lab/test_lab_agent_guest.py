"""The agent in whole guests, installed by its part of the user-data; its reports arrive by four channels.

Debian with systemd and cloud-init is the image of deploy/guest_image.py. Debian with sysvinit and cloud-init is built
by lab_sysvinit.py. The other guests without systemd are a kernel and busybox: once with Python, once without.
"""

import socket
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
from lab_artefacts import REPOSITORY, kernel, needs, vmlinuz
from lab_guest import PATIENCE, PROOFS, collector, qemu, read_frame, running, seed, whole
from lab_machines import Job, Lab, initramfs
from lab_sysvinit import guest
from truth_session import SHELL, Session

from agent.cloudinit import PORT, user_data_part
from provision.model import GuestAddress, NetworkKind, NetworkSpec, Origin
from provision.network_config import network_config

pytestmark = pytest.mark.lab
STATIC = NetworkSpec(
    "lan", "lan", NetworkKind.NETWORK, Origin("vm.yaml", 1, 1), mac="52:54:00:12:34:56",
    address=GuestAddress("10.0.2.77/24", "10.0.2.2", ("10.0.2.3",), ("example.org",)),
)  # fmt: skip
"""Not the address that QEMU's own DHCP would give; the report by HTTPS comes through it."""
IMAGE = REPOSITORY / ".cache/guest/debian-12.qcow2"
SERIAL = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_console"]


def test_debian_with_cloud_init_and_systemd(tmp_path: Path) -> None:
    needs(("qemu-system-x86_64", "qemu-system-x86"), ("qemu-img", "qemu-utils"))
    if not IMAGE.exists():
        pytest.skip("the guest image is missing: python3 deploy/guest_image.py --output .cache/guest/debian-12.qcow2")
    said = "echo $(ip -br -4 address show scope global) $(ip -4 route show default); echo the user was here"
    user = f"#cloud-config\nruncmd: [[sh, -c, '({said}) >/dev/console']]\n"
    with collector(tmp_path) as (port, came):
        part = user_data_part(
            "team/nested-1",
            send=[f"https://10.0.2.2:{port}/reports"],
            token="of-this-vm",
            ca=(tmp_path / "ca.pem").read_text(),
            every=30,
        )
        overlay = tmp_path / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", IMAGE, overlay], check=True, timeout=60
        )
        command = qemu(
            tmp_path,
            "-drive", f"file={overlay},if=virtio,format=qcow2",
            "-drive", f"file={seed(tmp_path, part, user, network_config([STATIC]))},if=virtio,format=raw,readonly=on",
            "-netdev", "user,id=net,restrict=off", "-device", f"virtio-net-pci,netdev=net,mac={STATIC.mac}",
        )  # fmt: skip
        with running(command, tmp_path):
            first = whole(lambda: read_frame(tmp_path / "port"))
            pushed = whole(lambda: came[-1][1] if came else None)
            again = whole(lambda: read_frame(tmp_path / "port"))
            console = tmp_path / "console.txt"
            until = time.monotonic() + PATIENCE
            while "the user was here" not in console.read_text("utf-8", "replace") and time.monotonic() < until:
                time.sleep(0.5)
            assert "the user was here" in console.read_text("utf-8", "replace")
            assert "a guest of a guest ran" in console.read_text("utf-8", "replace")
            assert " UP 10.0.2.77/24 default via 10.0.2.2 " in console.read_text("utf-8", "replace"), "static, no DHCP"
    assert {token for token, _ in came} == {"Bearer of-this-vm"}
    for report in (first, again, pushed):
        assert report["subject"]["vm"] == "team/nested-1"
        facts = report["facts"]
        assert facts["proof.nested"]["value"]["ok"] is True
        assert facts["proof.nested_paging"]["value"]["ok"] is True
        assert facts["guest.virtio"]["value"]["ports"] == [PORT]
        assert facts["guest.cloud_init"]["value"]["seeds"] == ["cidata"]
    assert again["started"] > first["started"]
    assert "NoCloud" in again["facts"]["guest.cloud_init"]["value"]["datasource"]


# A user's own: a shell on the second serial line, by which the test goes on when it has its reports
USER = f"""#cloud-config
write_files:
- path: /usr/local/sbin/users-shell
  content: |{textwrap.indent(SHELL.replace("ttyS0", "ttyS1"), "    ")}
runcmd:
- [sh, -c, "setsid sh /usr/local/sbin/users-shell </dev/null >/dev/ttyS1 2>&1 &"]
"""
INSTALLED = "/usr/local/lib/nestproof/nestproof-agent.pyz"
LEFT = """
for second in $(seq 60); do pgrep -f nestproof-agent[.]pyz >/dev/null || break; sleep 1; done
pgrep -af nestproof-agent[.]pyz
find / /run -xdev -path /run/udev -prune -o -path '*nestproof*' -print  # udev: the port, the disk's label
"""


@pytest.mark.root
def test_debian_with_cloud_init_and_sysvinit(tmp_path: Path) -> None:
    needs(("qemu-system-x86_64", "qemu-system-x86"))
    built = guest()
    with collector(tmp_path) as (port, came), socket.create_server(("127.0.0.1", 0)) as shell:
        part = user_data_part(
            "team/nested-2",
            send=[f"https://10.0.2.2:{port}/reports"],
            token="of-this-vm",
            ca=(tmp_path / "ca.pem").read_text(),
            every=30,
        )
        command = qemu(
            tmp_path,
            "-serial", f"tcp:127.0.0.1:{shell.getsockname()[1]}",
            "-kernel", str(built.kernel), "-initrd", str(built.initrd), "-append", built.command_line,
            "-drive", f"file={built.disk},if=virtio,format=raw,snapshot=on",
            "-drive", f"file={seed(tmp_path, part, USER)},if=virtio,format=raw,readonly=on",
            "-netdev", "user,id=net,restrict=off", "-device", "virtio-net-pci,netdev=net",
        )  # fmt: skip
        with running(command, tmp_path):
            shell.settimeout(PATIENCE)
            line = shell.accept()[0]
            with line:
                user = Session(line, PATIENCE)
                user.until(r"^LAB-READY$")
                by_port = whole(lambda: read_frame(tmp_path / "port"))
                pushed = whole(lambda: came[-1][1] if came else None)
                init = user.run("readlink -f /proc/1/exe; test -e /run/systemd/system || echo no systemd")
                stages = user.run("cloud-init status --long")
                leaving = user.run(f"python3 {INSTALLED} --uninstall")
                left = user.run(LEFT)
    assert init.output.splitlines() == ["/usr/sbin/init", "no systemd"]
    assert "NoCloud" in stages.output, stages.output
    assert {token for token, _ in came} == {"Bearer of-this-vm"}
    for report in (by_port, pushed):
        assert report["subject"]["vm"] == "team/nested-2"
        assert [report["facts"][name]["value"]["ok"] for name in PROOFS] == [True, True, True]
        assert report["facts"]["guest.cloud_init"]["value"]["seeds"] == ["cidata"]
    assert by_port["subject"]["hostname"] == "nested"
    assert leaving.status == 0
    assert f"removed {INSTALLED}" in leaving.output
    assert left.output.splitlines() == ["/var/lib/nestproof", "/var/lib/nestproof/removed"]


@pytest.mark.parametrize("python", [True, False], ids=["with Python", "without Python"])
def test_a_guest_without_systemd(python: bool, tmp_path: Path) -> None:
    """The part as /bin/sh of busybox runs it; the report comes through the port, and as a file that the job prints."""
    needs(("qemu-system-x86_64", "qemu-system-x86"))
    script = (
        ("" if python else "rm /bin/python3; ")
        + "load irqbypass; load kvm; load kvm_amd; mkdir -p /usr/local/lib /var/lib; sh /hook; sh /hook;"
        + "while :; do sleep 1; done"
    )
    lab = Lab(
        loaded=tuple(SERIAL), modules=("kvm-amd",), files={"hook": user_data_part("a/b").encode()},
        jobs=(Job("hook", script),),
    )  # fmt: skip
    (tmp_path / "initrd").write_bytes(initramfs(lab))
    command = qemu(
        tmp_path,
        "-kernel",
        str(vmlinuz(kernel())),
        "-initrd",
        str(tmp_path / "initrd"),
        "-append",
        "console=ttyS0 quiet no_timer_check panic=-1",
    )
    with running(command, tmp_path):
        report = read_frame(tmp_path / "port")
    assert report["subject"]["vm"] == "a/b"
    facts = report["facts"]
    assert facts["kvm.modules"]["value"]["kvm_amd"]["parameters"]["nested"] == "1"
    assert facts["kvm.device"]["value"]["open"] == "ok"
    assert "svm" in facts["cpu.flags"]["value"]
    if python:
        assert facts["proof.nested_paging"]["value"]["ok"] is True
    else:
        assert facts["proof.nested"]["status"] == "unsupported"
        assert "nothing was proven" in facts["proof.nested"]["error"]
