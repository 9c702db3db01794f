"""Reports over a real virtio-serial port, from a small Linux guest that behaves well, badly, or not at all."""

import gzip
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab

sys.path.append(str(Path(__file__).parents[1] / "lab"))

from lab_artefacts import kernel, needs, userland, vmlinuz
from lab_initramfs import Initramfs, add_modules

from agent.cloudinit import PORT
from provision.provider import ProviderError

pytestmark = [pytest.mark.libvirt, pytest.mark.lab]
BODY = b'{"schema":"nestproof.report/1","subject":{"hostname":"lab"},"started":1.0,"facts":{}}'
FRAME = b"NESTPROOF-REPORT/1 %d %s\n%s\n" % (len(BODY), hashlib.sha256(BODY).hexdigest().encode(), BODY)
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
for name in MODULES; do insmod /mod/$name.ko; done
port=
while [ -z "$port" ]; do
    for each in /sys/class/virtio-ports/*; do
        [ "$(cat $each/name 2>/dev/null)" = {PORT} ] && port=/dev/${{each##*/}}
    done
    sleep 0.1
done
echo "guest is up"
# A write to the port waits until the host's end is open.
case $(cat /proc/cmdline) in
*job=good*) while :; do {{ echo garbage; cat /frame; }} >$port; sleep 0.5; done ;;
*job=damaged*) while :; do sed s/lab/LAB/ /frame >$port; sleep 0.5; done ;;
*job=off*) sleep 3; poweroff -f ;;
*job=unseeded*) echo "Cloud-init v. 22.4.2 finished at Sun. Datasource DataSourceNone. Up 24 seconds" ;;
esac
while :; do sleep 60; done
"""


def quiet(_line: str) -> None:
    return


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Kernel and initramfs."""
    needs(("apt-get", "apt"), ("dpkg-deb", "dpkg"))
    image = Initramfs()
    order = add_modules(image, kernel(), ["virtio_pci", "virtio_console"])
    image.program("bin/busybox", (userland() / "bin/busybox").read_bytes())
    for directory in ("dev", "proc", "sys"):
        image.directory(directory)
    image.add("frame", FRAME)
    image.program("init", INIT.replace("MODULES", " ".join(order)))
    path = tmp_path_factory.mktemp("guest") / "initramfs.gz"
    path.write_bytes(gzip.compress(image.image(), 1))
    return vmlinuz(kernel()), path


@pytest.fixture
def run(embedded: Lab, guest: tuple[Path, Path]) -> Iterator[Callable[[str], Lab]]:
    """Start the guest with one job, in the domain that apply made but with a kernel of its own."""

    def start(job: str) -> Lab:
        vm = embedded.vm(power_on=False, memory_mib=192)
        embedded.provider.apply(embedded.provider.plan(vm), quiet)
        connection = embedded.provider._connection  # type: ignore[attr-defined]
        xml = connection.lookupByName("default.tiny").XMLDesc(2)
        boot = f"<kernel>{guest[0]}</kernel><initrd>{guest[1]}</initrd><cmdline>console=ttyS0 quiet job={job}</cmdline>"
        connection.defineXML(xml.replace("<boot dev='hd'/>", boot)).create()
        console = ET.fromstring(xml).find("devices/serial/source")
        assert console is not None
        deadline = time.monotonic() + 300
        while "guest is up" not in Path(console.get("path", "")).read_text(errors="replace"):
            assert time.monotonic() < deadline, "the guest did not come up"
            time.sleep(0.2)
        return embedded

    yield start
    embedded.provider.destroy("default", "tiny")
    assert embedded.remains() == set()


def test_a_report_arrives_amid_garbage_and_again_when_asked_again(run: Callable[[str], Lab]) -> None:
    lab = run("good")
    said: list[str] = []
    assert lab.provider.fetch_report(lab.vm(), 120, said.append) == BODY
    assert lab.provider.fetch_report(lab.vm(), 120, said.append) == BODY
    assert any("waiting for its report" in line for line in said)


def test_a_damaged_report_is_said_to_be_damaged(run: Callable[[str], Lab]) -> None:
    lab = run("damaged")
    with pytest.raises(ProviderError, match=r"no report within .* s: the guest sent a report that was damaged"):
        lab.provider.fetch_report(lab.vm(), 5, quiet)


def test_a_guest_that_ends_is_not_waited_for(run: Callable[[str], Lab]) -> None:
    lab = run("off")
    with pytest.raises(ProviderError, match=r"no report: it shut itself down; its console ends with: .*Power down"):
        lab.provider.fetch_report(lab.vm(), 120, quiet)


def test_a_guest_without_seed_is_told_from_one_without_agent(run: Callable[[str], Lab]) -> None:
    lab = run("unseeded")
    with pytest.raises(ProviderError, match="cloud-init found no seed") as caught:
        lab.provider.fetch_report(lab.vm(), 5, quiet)
    assert "virtio_blk" in caught.value.hint


def test_a_port_in_use_is_said_to_be_in_use(run: Callable[[str], Lab]) -> None:
    lab = run("silent")
    connection = lab.provider._connection  # type: ignore[attr-defined]
    stream = connection.newStream()
    connection.lookupByName("default.tiny").openChannel(PORT, stream, 0)
    try:
        with pytest.raises(ProviderError, match=f"somebody else is listening on its report port {PORT}"):
            lab.provider.fetch_report(lab.vm(), 5, quiet)
    finally:
        stream.abort()
