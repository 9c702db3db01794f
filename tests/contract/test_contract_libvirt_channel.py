"""Reports over a real virtio-serial port, from a small Linux guest that behaves well, badly, or not at all."""

import gzip
import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab

sys.path.append(str(Path(__file__).parents[1] / "lab"))

from lab_artefacts import kernel, needs, unpacked, userland, vmlinuz
from lab_initramfs import Initramfs, add_modules

from agent.cloudinit import PORT
from hostcheck.model import Silence
from provision.provider import NoReport
from provision.providers.libvirt import hearing

pytestmark = [pytest.mark.libvirt, pytest.mark.lab]
BODY = b'{"schema":"nestproof.report/1","subject":{"hostname":"lab"},"started":1.0,"facts":{}}'
FRAME = b"NESTPROOF-REPORT/1 %d %s\n%s\n" % (len(BODY), hashlib.sha256(BODY).hexdigest().encode(), BODY)
GUEST_AGENT = ["qemu-guest-agent", "libc6", "libglib2.0-0", "libnuma1", "libpcre2-8-0", "libudev1", "liburing2"]
LIBRARIES = ("libudev", "libnuma", "liburing", "libglib-2", "libgmodule", "libpcre2-8", "libm.so", "libc.so")
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
for name in MODULES; do insmod /mod/$name.ko; done
mkdir -p /run/nestproof /var; ln -s /run /var/run
named() {{ for each in /sys/class/virtio-ports/*; do
    [ "$(cat $each/name 2>/dev/null)" = $1 ] && echo /dev/${{each##*/}}
done; }}
qga() {{ /usr/sbin/qemu-ga --method=virtio-serial --path=$(named org.qemu.guest_agent.0) $1 & }}
case $(cat /proc/cmdline) in *noport*) ;; *)
    for i in $(seq 50); do port=$(named {PORT}); [ -n "$port" ] && break; sleep 0.1; done ;;
esac
echo "guest is up"
# A write to the port waits until the host's end is open.
case $(cat /proc/cmdline) in
*job=good*) while :; do {{ echo garbage; cat /frame; }} >$port; sleep 0.5; done ;;
*job=damaged*) while :; do sed s/lab/LAB/ /frame >$port; sleep 0.5; done ;;
*job=off*) sleep 3; poweroff -f ;;
*job=unseeded*) echo "Cloud-init v. 22.4.2 finished at Sun. Datasource DataSourceNone. Up 24 seconds" ;;
*job=killed*) echo "Cloud-init v. 22.4.2 finished at Sun. Datasource DataSourceNoCloud. Up 24 seconds" ;;
*job=blocked*) exec 3<>$port ;;
*job=console-later*) sleep 4; cat /frame ;;
*job=console*) cat /frame ;;
*job=file*) cp /body /run/nestproof/report.json; qga ;;
esac
while :; do sleep 60; done
"""


def quiet(_line: str) -> None:
    return


def add_guest_agent(image: Initramfs) -> None:
    """Debian's qemu-guest-agent, with the libraries that it needs."""
    tree = unpacked("guest-agent", GUEST_AGENT)
    image.program("usr/sbin/qemu-ga", (tree / "usr/sbin/qemu-ga").read_bytes())
    for path in sorted(tree.rglob("*.so*")):
        if path.parent.name == "x86_64-linux-gnu" and path.name.startswith(LIBRARIES):
            image.program(f"lib/x86_64-linux-gnu/{path.name}", path.read_bytes())
    image.program("lib64/ld-linux-x86-64.so.2", (tree / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").read_bytes())


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Kernel and initramfs."""
    needs(("apt-get", "apt"), ("dpkg-deb", "dpkg"))
    image = Initramfs()
    order = add_modules(image, kernel(), ["virtio_pci", "virtio_console"])
    image.program("bin/busybox", (userland() / "bin/busybox").read_bytes())
    for directory in ("dev", "proc", "sys"):
        image.directory(directory)
    add_guest_agent(image)
    image.add("frame", FRAME)
    image.add("body", BODY + b"\n")
    image.program("init", INIT.replace("MODULES", " ".join(order)))
    path = tmp_path_factory.mktemp("guest") / "initramfs.gz"
    path.write_bytes(gzip.compress(image.image(), 1))
    return vmlinuz(kernel()), path


@pytest.fixture
def run(embedded: Lab, guest: tuple[Path, Path]) -> Iterator[Callable[..., Lab]]:
    """Start the guest with one job, in the domain that apply made but with a kernel of its own."""

    def start(job: str, *, without_port: bool = False) -> Lab:
        vm = embedded.vm(power_on=False, memory_mib=192)
        embedded.provider.apply(embedded.provider.plan(vm), quiet)
        connection = embedded.provider._connection  # type: ignore[attr-defined]
        xml = connection.lookupByName("default.tiny").XMLDesc(2)
        line = f"console=ttyS0 quiet job={job}{' noport' if without_port else ''}"
        boot = f"<kernel>{guest[0]}</kernel><initrd>{guest[1]}</initrd><cmdline>{line}</cmdline>"
        xml = xml.replace("<boot dev='hd'/>", boot)
        if without_port:
            xml = re.sub(rf"<channel type='unix'>(?:(?!</channel>).)*{PORT}.*?</channel>", "", xml, flags=re.DOTALL)
            assert PORT not in xml
        connection.defineXML(xml).create()
        console = ET.fromstring(xml).find("devices/serial/source")
        assert console is not None
        wait_for(Path(console.get("path", "")), "guest is up")
        return embedded

    yield start
    embedded.provider.destroy("default", "tiny")
    assert embedded.remains() == set()


def wait_for(console: Path, text: str) -> None:
    deadline = time.monotonic() + 300
    while text not in console.read_text(errors="replace"):
        assert time.monotonic() < deadline, f"the guest never said {text!r}"
        time.sleep(0.2)


def unheard(lab: Lab, seconds: float = 3) -> NoReport:
    with pytest.raises(NoReport) as caught:
        lab.provider.fetch_report(lab.vm(), seconds, quiet)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_report_arrives_amid_garbage_and_again_when_asked_again(run: Callable[..., Lab]) -> None:
    lab = run("good")
    said: list[str] = []
    assert lab.provider.fetch_report(lab.vm(), 120, said.append) == BODY
    assert lab.provider.fetch_report(lab.vm(), 120, said.append) == BODY
    assert any("waiting for its report" in line for line in said)


CAUSES = {
    "damaged": (Silence.DAMAGED, r"the guest sent a report that was damaged"),
    "unseeded": (Silence.NO_SEED, "cloud-init found no seed"),
    "killed": (Silence.AGENT_GONE, "it is up, but no agent answers"),
    "blocked": (Silence.CHANNEL_BLOCKED, "its agent holds port .* open, but nothing comes through"),
}


@pytest.mark.parametrize("job", CAUSES)
def test_each_cause_of_silence_is_told_from_the_others(run: Callable[..., Lab], job: str) -> None:
    lab = run(job)
    cause, words = CAUSES[job]
    fault = unheard(lab)
    assert fault.silence is cause, str(fault)
    assert re.search(rf"^no report within \d+ s: .*{words}", str(fault))
    assert fault.hint


def test_a_guest_that_ends_is_not_waited_for(run: Callable[..., Lab]) -> None:
    fault = unheard(run("off"), 120)
    assert fault.silence is Silence.OFF
    assert re.search("no report: it shut itself down; its console ends with: .*Power down", str(fault))


def test_a_port_in_use_is_said_to_be_in_use(run: Callable[..., Lab]) -> None:
    lab = run("silent")
    connection = lab.provider._connection  # type: ignore[attr-defined]
    stream = connection.newStream()
    connection.lookupByName("default.tiny").openChannel(PORT, stream, 0)
    try:
        fault = unheard(lab)
    finally:
        stream.abort()
    assert fault.silence is Silence.CHANNEL_TAKEN
    assert f"somebody else is listening on its report port {PORT}" in str(fault)
    assert unheard(lab).silence is Silence.BOOTING


def test_where_the_port_is_silent_the_guest_agent_has_the_report(
    run: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "OTHERS_AFTER", 2.0)
    monkeypatch.setattr(hearing, "OTHERS_EVERY", 2.0)
    lab = run("file")
    said: list[str] = []
    assert lab.provider.fetch_report(lab.vm(), 30, said.append) == BODY
    assert f"its report came by the QEMU guest agent, because the VM is silent on its report port {PORT}" in said


def test_without_its_port_the_report_comes_by_the_console(run: Callable[..., Lab]) -> None:
    lab = run("console", without_port=True)
    said: list[str] = []
    assert lab.provider.fetch_report(lab.vm(), 120, said.append) == BODY
    assert said[-1] == f"its report came by its serial console, because the VM has no report port {PORT}"


def test_without_its_port_a_report_by_the_console_may_still_come(run: Callable[..., Lab]) -> None:
    lab = run("console-later", without_port=True)
    assert lab.provider.fetch_report(lab.vm(), 120, quiet) == BODY


def test_without_its_port_there_is_little_to_wait_for(run: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "WITHOUT_PORT", 5.0)
    lab = run("silent", without_port=True)
    fault = unheard(lab, 100_000)
    assert fault.silence is Silence.CHANNEL_MISSING
    assert "100000" not in str(fault)
