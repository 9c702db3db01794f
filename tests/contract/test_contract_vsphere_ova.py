"""An OVA as the image: imported once, cloned from, and gone with the last VM that was made from it."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace
from vcsim_server import start
from vm_factory import IMAGE
from vsphere_lab import VsphereLab, provider_spec, template

from provision.model import Checksum, Firmware, ImageSpec, LibraryItem
from provision.provider import ProviderError
from provision.providers import open_estate
from provision.proving import hear

OVF = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
 <References><File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="{size}"/></References>
 <DiskSection><Info>disks</Info>
  <Disk ovf:capacity="2" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk1" ovf:fileRef="file1"/>
 </DiskSection>
 <VirtualSystem ovf:id="vm"><Info>a VM</Info><Name>debian</Name>
  <OperatingSystemSection ovf:id="100"><Info>Linux</Info></OperatingSystemSection>
  <VirtualHardwareSection><Info>hardware</Info>
   <System><vssd:ElementName>hw</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
    <vssd:VirtualSystemType>vmx-{hardware}</vssd:VirtualSystemType></System>
   <Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
    <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
   <Item><rasd:ElementName>memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>
    <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
   <Item><rasd:ElementName>SCSI</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID>
    <rasd:ResourceSubType>lsilogic</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
   <Item><rasd:ElementName>disk</rasd:ElementName><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
    <rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web server for images: its address and its directory."""
    place = tmp_path_factory.mktemp("site")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(place)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", place
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    found = VsphereLab.of(start(tmp_path_factory.mktemp("ova"), templates=[]))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))


def ova(site: tuple[str, Path], name: str, *, hardware: int = 19, disk: bytes = b"vmdk" * 1000) -> ImageSpec:
    address, place = site
    with tarfile.open(place / name, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in (("vm.ovf", OVF.format(size=len(disk), hardware=hardware).encode()), ("disk.vmdk", disk)):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    digest = hashlib.sha256((place / name).read_bytes()).hexdigest()
    return ImageSpec("debian", None, f"{address}/{name}", "", Checksum("sha256", digest), IMAGE)


def test_an_ova_is_imported_once_and_goes_with_its_last_vm(lab: VsphereLab, site: tuple[str, Path]) -> None:
    vm = lab.vm(source=ova(site, "debian.ova"), firmware=Firmware.BIOS)
    plan = lab.provider.plan(vm)
    assert [step.action for step in plan.steps] == ["import", "create", "configure", "start"]
    assert lab.machines() == [], "a plan has no side effects"
    lab.provider.apply(plan, lambda _: None)
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert (seen.running, seen.got, [s for s in seen.settings if s.differs]) == (True, True, [])
    assert [step.action for step in lab.provider.plan(vm).steps] == ["keep"]
    other = lab.vm(name="other", source=vm.image, firmware=Firmware.BIOS)
    lab.vc.calls()
    assert [step.action for step in lab.apply(other).steps] == ["create", "configure", "start"]
    assert "ImportVApp" not in lab.vc.calls()
    assert len(lab.provider.destroy("default", "tiny")) == 1
    assert len(lab.provider.destroy("default", "other")) == 2
    assert lab.machines() == []


def test_vms_of_one_ova_at_once_import_it_once(lab: VsphereLab, site: tuple[str, Path]) -> None:
    image = ova(site, "many.ova")
    vms = [lab.vm(name=f"vm{n}", source=image, firmware=Firmware.BIOS) for n in range(4)]
    lab.vc.calls()
    with ThreadPoolExecutor(len(vms)) as pool:
        for applied in [pool.submit(lab.apply, vm) for vm in vms]:
            applied.result(120)
    assert lab.vc.calls()["ImportVApp"] == 1
    for vm in vms:
        seen = lab.provider.observe(vm)
        assert seen is not None
        assert seen.running
    removed = [lab.provider.destroy("default", vm.name) for vm in vms]
    assert [len(names) for names in removed] == [1, 1, 1, 2]
    assert lab.machines() == []


def test_what_the_ova_brings_is_held_against_the_gates_when_it_is_there(
    lab: VsphereLab, site: tuple[str, Path]
) -> None:
    vm = lab.vm(source=ova(site, "old.ova", hardware=8), firmware=Firmware.BIOS)
    with pytest.raises(ProviderError, match="nested virtualization needs virtual hardware vmx-09") as caught:
        lab.apply(vm)
    assert caught.value.refused
    (template,) = lab.machines()
    assert template.config.template
    template.Destroy_Task()


def test_a_half_imported_template_is_begun_anew(lab: VsphereLab, site: tuple[str, Path]) -> None:
    vm = lab.vm(source=ova(site, "half.ova"), firmware=Firmware.BIOS)
    lab.vc.fail("MarkAsTemplate", "InvalidState")
    with pytest.raises(ProviderError, match="importing debian: InvalidState"):
        lab.apply(vm)
    assert len(lab.machines()) == 1
    lab.vc.fail("ImportVApp", cut=True)
    lab.apply(vm)
    assert sorted(m.config.template for m in lab.machines()) == [False, True]
    lab.provider.destroy("default", "tiny")
    assert lab.machines() == []


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    """An ESXi host without a vCenter."""
    found = VsphereLab.of(start(tmp_path_factory.mktemp("alone"), alone=True, templates=[]))
    yield found
    found.close()


def test_on_an_esxi_host_alone_an_ova_becomes_the_vm_itself(alone: VsphereLab, site: tuple[str, Path]) -> None:
    vm = alone.vm(source=ova(site, "alone.ova"), firmware=Firmware.BIOS)
    plan = alone.provider.plan(vm)
    assert [step.action for step in plan.steps] == ["create", "configure", "start"]
    assert plan.steps[0].detail == "of the OVA of image debian on host localhost.localdomain"
    alone.provider.apply(plan, lambda _: None)
    heard = hear(alone.provider, vm, 60, lambda _: None)
    assert heard.report is not None, heard.detail
    assert (heard.view.running, heard.view.got) == (True, True)
    assert [s for s in heard.view.settings if s.differs] == []
    assert [step.action for step in alone.provider.plan(vm).steps] == ["keep"]
    more = alone.vm(source=vm.image, firmware=Firmware.BIOS, cpus=2)
    assert [step.action for step in alone.apply(more).steps] == ["stop", "configure", "start"]
    estate = open_estate(provider_spec(alone.vc))
    assert [host.name for host in estate.hosts(lambda _: None)] == ["localhost.localdomain"]
    assert [seen.got for seen in estate.vms(lambda _: None)] == [True]
    estate.close()
    assert alone.provider.destroy("default", "tiny") == ("VM default.tiny with its disks",)
    assert alone.machines() == []


def test_on_an_esxi_host_alone_a_broken_import_is_begun_anew(alone: VsphereLab, site: tuple[str, Path]) -> None:
    vm = alone.vm(source=ova(site, "broken.ova"), firmware=Firmware.BIOS)
    alone.vc.fail("ReconfigVM_Task", "TaskInProgress", "<task type='Task'>task-1</task>")
    with pytest.raises(ProviderError, match="marking it: another task is at work"):
        alone.apply(vm)
    alone.vc.fail("ImportVApp", cut=True)
    plan = alone.apply(vm)
    assert [step.action for step in plan.steps] == ["replace", "create", "configure", "start"]
    assert plan.steps[0].detail == "its import was broken off"
    assert [step.action for step in alone.provider.plan(vm).steps] == ["keep"]
    alone.provider.destroy("default", "tiny")
    assert alone.machines() == []


def test_what_an_esxi_host_alone_cannot_do_is_one_line(alone: VsphereLab, site: tuple[str, Path]) -> None:
    for source in (template(), replace(template(""), library_item=LibraryItem("images", "debian"))):
        with pytest.raises(ProviderError, match=r"^vm\.yaml:20:3: .* is an ESXi host alone: it clones no") as caught:
            alone.provider.plan(alone.vm(source=source))
        assert caught.value.refused
        assert "ovaURL" in caught.value.hint
    alone.vc.fail("ImportVApp", "RestrictedVersion")
    with pytest.raises(ProviderError, match="a licence whose API only reads"):
        alone.apply(alone.vm(source=ova(site, "free.ova"), firmware=Firmware.BIOS))
    assert alone.machines() == []


def test_what_is_no_ova_is_one_line(lab: VsphereLab, site: tuple[str, Path]) -> None:
    address, place = site
    (place / "text.ova").write_text("hello")
    with tarfile.open(place / "empty.ova", "w") as archive:
        archive.addfile(tarfile.TarInfo("readme"))
    good = ova(site, "good.ova")
    for url, checksum, says in (
        (f"{address}/text.ova", None, "it is no OVA"),
        (f"{address}/empty.ova", None, r"there is no descriptor \(\.ovf\) in it"),
        (f"{address}/gone.ova", None, "404"),
        (str(good.url), Checksum("sha256", "00" * 32), "wrong checksum"),
    ):
        source = ImageSpec("debian", None, url, "", checksum, IMAGE)
        with pytest.raises(ProviderError, match=rf"^vm\.yaml:20:3: image debian: .*{says}") as caught:
            lab.apply(lab.vm(source=source, firmware=Firmware.BIOS))
        assert "\n" not in str(caught.value)
    assert lab.machines() == []
