"""An item of a content library as the image: found, deployed once, cloned from, and gone with its last VM."""

import base64
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from test_contract_vsphere_ova import OVF
from vcsim_server import TEMPLATE, VCenter, start
from vm_factory import IMAGE
from vsphere_lab import VsphereLab, provider_spec

from provision.model import Firmware, ImageSpec, LibraryItem, Placement
from provision.provider import ProviderError
from provision.providers import open_provider

DISK = b"vmdk" * 1000


class Librarian:
    """Fills content libraries as `govc library.import` and `govc library.clone` do, by the Automation API."""

    def __init__(self, vc: VCenter) -> None:
        self._vc = vc
        login = base64.b64encode(b"user:pass").decode()
        self._headers = {"Authorization": f"Basic {login}"}
        self._headers = {"vmware-api-session-id": self._post("cis/session", None)}

    def library(self, name: str, store: str) -> str:
        backing = [{"type": "DATASTORE", "datastore_id": store}]
        return str(self._create("content/local-library", {"name": name, "type": "LOCAL", "storage_backings": backing}))

    def item(self, library: str, name: str, kind: str) -> str:
        return str(self._create("content/library/item", {"library_id": library, "name": name, "type": kind}))

    def ovf(self, library: str, name: str, *, hardware: int = 19) -> str:
        item = self.item(library, name, "ovf")
        session = self._create("content/library/item/update-session", {"library_item_id": item})
        for path, data in (("vm.ovf", OVF.format(size=len(DISK), hardware=hardware).encode()), ("disk.vmdk", DISK)):
            spec = {"name": path, "size": len(data), "source_type": "PUSH"}
            added = f"content/library/item/updatesession/file/id:{session}?~action=add"
            where = self._post(added, {"file_spec": spec})["upload_endpoint"]["uri"]
            self._send("PUT", urlsplit(where).path, data)
        self._post(f"content/library/item/update-session/id:{session}?~action=complete", None)
        return item

    def template(self, library: str, name: str, vm: Any) -> None:
        pool = vm.runtime.host.parent.resourcePool
        place = {"folder": vm.parent._moId, "resource_pool": pool._moId}
        spec = {"library": library, "name": name, "source_vm": vm._moId, "placement": place}
        self._send("POST", "/rest/vcenter/vm-template/library-items", json.dumps({"spec": spec}).encode())

    def _create(self, path: str, spec: dict[str, Any]) -> Any:
        return self._post(path, {"create_spec": spec})

    def _post(self, path: str, body: Any) -> Any:
        return self._send("POST", f"/rest/com/vmware/{path}", json.dumps(body).encode() if body is not None else b"")

    def _send(self, method: str, path: str, data: bytes) -> Any:
        context = ssl.create_default_context(cafile=str(self._vc.certificate))
        sender = http.client.HTTPSConnection("127.0.0.1", self._vc.port, timeout=60, context=context)
        sender.request(method, path, data, self._headers)
        answer = sender.getresponse()
        text = answer.read()
        sender.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
        return json.loads(text)["value"] if text.strip() else None


LEAST = [
    "System.Anonymous", "System.Read", "System.View", "Datastore.AllocateSpace", "Network.Assign",
    "VirtualMachine.Config.AdvancedConfig",
]  # fmt: skip
USERS = {"user": {"password": "pass"}, "least": {"password": "pass", "privileges": LEAST}}


def opened(place: Any, **scenario: Any) -> VsphereLab:
    """A vCenter with two libraries, one of them empty."""
    lab = VsphereLab.of(start(place, users=USERS, templates=[TEMPLATE], datastores=2, **scenario))
    source = lab.machine("debian-12")
    librarian = Librarian(lab.vc)
    library = librarian.library("images", source.datastore[0]._moId)
    librarian.library("empty", source.datastore[0]._moId)
    librarian.ovf(library, "debian-ovf")
    librarian.ovf(library, "old-ovf", hardware=8)
    librarian.item(library, "rescue", "iso")
    librarian.template(library, "debian-vmtx", source)
    return lab


@pytest.fixture(scope="module")
def modern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    lab = opened(tmp_path_factory.mktemp("library"))
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    """6.7, whose Automation API is the older dialect."""
    lab = opened(tmp_path_factory.mktemp("library67"), api="6.7", product="6.7.0")
    yield lab
    lab.close()


@pytest.fixture
def lab(modern: VsphereLab) -> Iterator[VsphereLab]:
    yield modern
    modern.provider.destroy("default", "tiny")
    assert ours(modern) == []


def ours(lab: VsphereLab) -> list[str]:
    return sorted(vm.name for vm in _ours(lab))


def stores(lab: VsphereLab) -> list[tuple[bool, list[str]]]:
    """Of what is ours: whether it is a template, and the datastores that it is on."""
    return sorted((vm.config.template, [store.name for store in vm.datastore]) for vm in _ours(lab))


def _ours(lab: VsphereLab) -> Iterator[Any]:
    return (vm for vm in lab.machines() if vm.name.startswith(("nestproof-image-", "default.")))


def item(name: str, library: str = "images", version: str | None = None) -> ImageSpec:
    return ImageSpec("debian", None, None, "", None, IMAGE, library_item=LibraryItem(library, name, version))


@pytest.mark.parametrize("dialect", ["modern", "older"])
@pytest.mark.parametrize(("name", "firmware"), [("debian-ovf", Firmware.BIOS), ("debian-vmtx", Firmware.UEFI)])
def test_an_item_is_deployed_once_and_goes_with_its_last_vm(
    request: pytest.FixtureRequest, dialect: str, name: str, firmware: Firmware
) -> None:
    lab: VsphereLab = request.getfixturevalue(dialect)
    vm = lab.vm(source=item(name), firmware=firmware)
    plan = lab.provider.plan(vm)
    assert [step.action for step in plan.steps] == ["import", "create", "configure", "start"]
    assert plan.steps[0].detail == f"item {name} of library images, once"
    assert ours(lab) == [], "a plan has no side effects"
    said: list[str] = []
    lab.provider.apply(plan, said.append)
    assert f"deploying {name} of library images" in said
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert (seen.running, seen.got, [s for s in seen.settings if s.differs]) == (True, True, [])
    assert [step.action for step in lab.provider.plan(vm).steps] == ["keep"]
    lab.vc.calls()
    lab.apply(lab.vm(name="other", source=item(name), firmware=firmware))
    assert "deploy" not in lab.vc.calls()
    assert len(lab.provider.destroy("default", "tiny")) == 1
    assert len(lab.provider.destroy("default", "other")) == 2
    assert ours(lab) == []


@pytest.mark.parametrize(
    ("source", "says", "hint"),
    [
        (item("debian-ovf", "nowhere"), "there is no content library 'nowhere'", "there are: empty, images"),
        (item("gone"), "there is no item of library 'images' 'gone'",
         "there are: debian-ovf, debian-vmtx, old-ovf, rescue"),
        (item("gone", "empty"), "there is no item of library 'empty' 'gone'", "none that this account may see"),
        (item("debian-ovf", version="3"), "item 'debian-ovf' of library 'images' has version 2 or 4, not 3",
         "leave out version, or give this one"),
        (item("rescue"), "item 'rescue' of library 'images' is of type iso", "govc library.import"),
    ],
)  # fmt: skip
def test_what_no_vm_can_be_made_of_is_one_line(lab: VsphereLab, source: ImageSpec, says: str, hint: str) -> None:
    with pytest.raises(ProviderError, match=rf"^vm\.yaml:20:3: {says}") as caught:
        lab.provider.plan(lab.vm(source=source))
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["2", "4"])
def test_a_version_of_the_files_or_of_the_whole_item_is_taken(lab: VsphereLab, version: str) -> None:
    vm = lab.vm(source=item("debian-ovf", version=version), firmware=Firmware.BIOS)
    assert [step.action for step in lab.provider.plan(vm).steps] == ["import", "create", "configure", "start"]


def test_what_the_item_brings_is_held_against_the_gates(lab: VsphereLab) -> None:
    with pytest.raises(ProviderError, match="nested virtualization needs virtual hardware vmx-09"):
        lab.apply(lab.vm(source=item("old-ovf"), firmware=Firmware.BIOS))
    template = lab.machine(*ours(lab))
    assert template.config.template
    template.Destroy_Task()


def test_an_answer_that_was_lost_is_begun_anew(lab: VsphereLab) -> None:
    lab.vc.calls()
    lab.vc.fail("deploy", cut=True)
    lab.apply(lab.vm(source=item("debian-ovf"), firmware=Firmware.BIOS))
    assert lab.vc.calls()["deploy"] == 2
    assert len(ours(lab)) == 2


def test_what_a_killed_run_left_is_removed_and_what_is_not_ours_is_not(lab: VsphereLab) -> None:
    vm = lab.vm(source=item("debian-ovf"), firmware=Firmware.BIOS)
    lab.vc.fail("ReconfigVM_Task", "TaskInProgress", "<task type='Task'>task-1</task>")
    with pytest.raises(ProviderError, match="marking it: another task is at work"):
        lab.apply(vm)
    (left,) = ours(lab)
    assert not lab.machine(left).config.template
    assert lab.reconfigure(left, annotation="mine") is None
    with pytest.raises(ProviderError, match="exists already and was not made by nestproof"):
        lab.apply(vm)
    lab.reconfigure(left, annotation="made by nestproof from a content library")
    lab.apply(vm)
    assert len(ours(lab)) == 2


@pytest.mark.parametrize(("name", "firmware"), [("debian-ovf", Firmware.BIOS), ("debian-vmtx", Firmware.UEFI)])
def test_killed_while_vcenter_deploys_the_next_apply_finishes_and_destroy_leaves_nothing(
    lab: VsphereLab, name: str, firmware: Firmware
) -> None:
    """The deployment goes on without its client, and comes to its end while the next apply waits for its own."""
    vm = lab.vm(source=item(name), firmware=firmware)
    lab.vc.calls()
    lab.vc.control("clone-seconds?seconds=1")
    process = lab.begun("deploying", vm)
    while not lab.vc.calls().get("deploy"):
        time.sleep(0.02)
    process.kill()
    process.communicate()

    def progress(line: str) -> None:
        if line.startswith("vCenter lost"):
            lab.vc.control("clone-seconds?seconds=0")

    lab.apply(vm, progress)
    lab.vc.control("clone-seconds?seconds=0")
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert (seen.running, seen.got) == (True, True)
    assert [template for template, _ in stores(lab)] == [False, True]


def test_a_template_goes_where_its_image_says_and_the_vm_where_its_placement_says(lab: VsphereLab) -> None:
    image = replace(item("debian-ovf"), storage="LocalDS_1")
    vm = lab.vm(source=image, firmware=Firmware.BIOS)
    lab.apply(vm)
    assert stores(lab) == [(False, ["LocalDS_1"]), (True, ["LocalDS_1"])]
    assert [step.action for step in lab.provider.plan(replace(vm, image=item("debian-ovf"))).steps] == ["keep"]
    lab.provider.destroy("default", "tiny")
    lab.apply(replace(vm, placement=Placement(datastore="LocalDS_0")))
    assert stores(lab) == [(False, ["LocalDS_0"]), (True, ["LocalDS_1"])]
    lab.provider.destroy("default", "tiny")
    nowhere = lab.vm(source=replace(image, storage="gone"), firmware=Firmware.BIOS)
    with pytest.raises(ProviderError, match="there is no datastore for the image 'gone'") as caught:
        lab.provider.plan(nowhere)
    assert caught.value.hint == "there are: LocalDS_0, LocalDS_1"


def test_a_session_that_ended_is_renewed_and_errors_are_one_line(lab: VsphereLab) -> None:
    vm = lab.vm(source=item("debian-ovf"), firmware=Firmware.BIOS)
    lab.provider.plan(vm)
    lab.vc.control("expire")
    lab.provider.plan(vm)
    lab.vc.fail("deploy", "RESOURCE_BUSY", "the datastore is busy")
    with pytest.raises(ProviderError, match=r"deploying debian-ovf of library images: RESOURCE_BUSY: the datastore"):
        lab.apply(vm)
    lab.vc.control("restart?seconds=1")
    assert lab.provider.plan(vm).steps[0].action == "import", "a vCenter that is away for a moment is waited for"


@pytest.mark.parametrize("name", ["debian-ovf", "debian-vmtx"])
def test_a_privilege_that_is_lacking_is_said(lab: VsphereLab, name: str) -> None:
    provider = open_provider(provider_spec(lab.vc, user="least"))
    try:
        with pytest.raises(ProviderError, match="this account lacks a privilege for it") as caught:
            provider.apply(provider.plan(lab.vm(source=item(name), firmware=Firmware.BIOS)), lambda _: None)
        assert "docs/vsphere.md" in caught.value.hint
    finally:
        provider.close()
