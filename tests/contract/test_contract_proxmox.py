"""The life of a VM on Proxmox VE 7, 8, 9.0 and 9.1, with exactly the privileges that docs/proxmox.md names."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from msgspec.structs import replace
from pve_lab import PVE_7, PVE_9_1, VERSIONS, PveLab, actions, lab, quiet, template
from pve_server import TOKEN, documented
from vm_factory import net, tiny_image

from commands.drift import status_of
from commands.intent import intent
from hostcheck.judge import judge
from hostcheck.model import Accelerator, Asked
from hostcheck.report import decode
from provision.model import AccelPolicy, ExtraDisk, Firmware, GuestAddress, Limits, NetworkKind
from provision.provider import Difference, Power, ProviderError
from provision.proving import hear


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module", params=VERSIONS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[PveLab]:
    with lab(tmp_path_factory.mktemp("pve"), disk, request.param) as made:
        yield made


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[PveLab]:
    with lab(tmp_path_factory.mktemp("pve"), disk, PVE_9_1) as made:
        yield made


@pytest.fixture(autouse=True)
def left_empty(request: pytest.FixtureRequest) -> Iterator[None]:
    """Found and left without a trace of a VM."""
    name = "cluster" if "cluster" in request.fixturenames else "newest"
    made: PveLab = request.getfixturevalue(name)
    assert remains(made) == []
    yield
    for each in ("tiny", "other"):
        made.provider.destroy("default", each)
    assert remains(made) == []


def remains(made: PveLab) -> list[str]:
    state = made.pve.state()
    return [volume for volume in state["disks"] if "base-900" not in volume] + [
        vm["name"] for vm in state["vms"] if not vm["template"]
    ]


def test_from_nothing_to_proven_to_nothing(cluster: PveLab) -> None:
    vm = cluster.vm(user_data="#cloud-config\nhostname: mine\n")
    assert cluster.provider.observe(vm) is None
    plan = cluster.provider.plan(vm)
    assert actions(plan)[0] == "create VM"
    assert actions(plan)[-2:] == ["create seed", "start VM"]
    assert remains(cluster) == [], "a plan has no side effects"
    cluster.provider.apply(plan, quiet)
    made = cluster.pve.vm("default.tiny")
    assert (made["status"], made["config"]["cpu"]) == ("running", "host")
    seed = cluster.pve.call("seed", made["vmid"])
    assert seed["text/cloud-config"] == "#cloud-config\nhostname: mine\n"
    heard = hear(cluster.provider, vm, 60, quiet)
    assert heard.report is not None, heard.detail
    judged = judge(decode(heard.report))
    assert judged.runs_guests.verdict.works, judged.runs_guests.reason
    assert (heard.view.running, heard.view.asked, heard.view.feature) == (True, Asked.ON, "svm")
    assert heard.view.accelerator is Accelerator.KVM
    assert heard.view.asked_where == "vm.yaml:14:5"
    assert heard.view.host == "pve1"
    removed = cluster.provider.destroy("default", "tiny")
    assert removed[0] == f"VM {made['vmid']} with its disks"
    assert cluster.provider.destroy("default", "tiny") == ()


def test_the_seed_is_taken_away_once_it_was_read_and_not_missed(cluster: PveLab) -> None:
    vm = cluster.vm()
    cluster.apply(vm)
    assert any("iso/nestproof-default.tiny-" in volume for volume in cluster.pve.state()["disks"])
    cluster.provider.fetch_report(vm, 60, quiet)
    assert not any("iso/" in volume for volume in cluster.pve.state()["disks"])
    assert cluster.pve.vm("default.tiny")["config"]["ide2"] == "none,media=cdrom"
    assert actions(cluster.provider.plan(vm)) == ["keep VM"]


def test_applying_twice_changes_nothing(cluster: PveLab) -> None:
    cluster.apply(cluster.vm())
    before = cluster.pve.state()["vms"]
    plan, _ = cluster.apply(cluster.vm())
    assert actions(plan) == ["keep VM"]
    assert cluster.pve.state()["vms"] == before


def test_nesting_switched_off_is_off_and_read_back(cluster: PveLab) -> None:
    cluster.apply(cluster.vm())
    off = cluster.vm(nested=False)
    plan, _ = cluster.apply(off)
    assert actions(plan) == ["stop VM", "configure VM", "start VM"]
    seen = cluster.provider.observe(off)
    assert seen is not None
    assert (seen.asked, seen.got) == (Asked.OFF, False)
    heard = hear(cluster.provider, off, 60, quiet)
    assert heard.report is not None
    assert not judge(decode(heard.report)).runs_guests.verdict.works


def test_changed_settings_are_taken_up_and_the_disk_stays(cluster: PveLab) -> None:
    cluster.apply(cluster.vm())
    disk = cluster.pve.vm("default.tiny")["config"]["scsi0"].partition(",")[0]
    bigger = cluster.vm(cpus=2, memory_mib=96, disk_gib=2)
    plan, _ = cluster.apply(bigger)
    assert "cores 1 → 2, memory 64 → 96, scsi0 1 GiB → 2 GiB" in plan.steps[1].detail
    now = cluster.pve.vm("default.tiny")
    assert (now["status"], now["pending"]) == ("running", {})
    assert now["config"]["scsi0"].startswith(disk)
    assert actions(cluster.provider.plan(bigger)) == ["keep VM"]
    with pytest.raises(ProviderError, match=r"vm\.yaml:16:5: its disk of 2 GiB cannot shrink to 1 GiB"):
        cluster.provider.plan(cluster.vm())


def test_other_user_data_makes_a_new_disk_and_says_so(cluster: PveLab) -> None:
    cluster.apply(cluster.vm())
    changed = cluster.vm(user_data="#cloud-config\n")
    plan, _ = cluster.apply(changed)
    assert actions(plan)[:2] == ["stop VM", "replace disk"]
    assert "what was written to it is lost" in plan.steps[1].detail
    assert actions(cluster.provider.plan(changed)) == ["keep VM"]


def test_power_off_and_on(cluster: PveLab) -> None:
    plan, _ = cluster.apply(cluster.vm(power_on=False))
    assert actions(plan)[-1] == "create seed"
    seen = cluster.provider.observe(cluster.vm())
    assert seen is not None
    assert (seen.running, seen.got) == (False, None)
    assert actions(cluster.apply(cluster.vm())[0]) == ["start VM"]
    assert actions(cluster.apply(cluster.vm(power_on=False))[0]) == ["stop VM"]
    assert cluster.pve.vm("default.tiny")["status"] == "stopped"
    with pytest.raises(ProviderError, match="no report: it is powered off"):
        cluster.provider.fetch_report(cluster.vm(), 5, quiet)


def test_a_vm_that_is_not_ours_is_left_alone(cluster: PveLab) -> None:
    cluster.pve.call("add_vm", 777, "default.tiny", node="pve1", config={"cores": 1})
    try:
        for verb in (
            lambda: cluster.provider.plan(cluster.vm()),
            lambda: cluster.provider.destroy("default", "tiny"),
        ):
            with pytest.raises(ProviderError, match=r"VM 777 on pve1 .*exists already and was not made by nestproof"):
                verb()
    finally:
        cluster.pve.call("forget", 777)


def test_a_copy_that_somebody_makes_of_our_vm_is_theirs(cluster: PveLab) -> None:
    """A clone in the web interface takes notes and tags along: it must survive our destroy."""
    cluster.apply(cluster.vm())
    config = {key: value for key, value in cluster.pve.vm("default.tiny")["config"].items() if key != "scsi0"}
    cluster.pve.call("add_vm", 777, "mine", node="pve1", config={**config, "name": "mine"})
    try:
        assert actions(cluster.provider.plan(cluster.vm())) == ["keep VM"]
        cluster.apply(cluster.vm(cpus=2))
        assert cluster.provider.destroy("default", "tiny")
        assert cluster.pve.vm("mine") is not None
        assert cluster.provider.observe(cluster.vm()) is None
    finally:
        cluster.pve.call("forget", 777)
        cluster.pve.call("sweep")


def test_everything_that_a_class_can_ask_for(cluster: PveLab) -> None:
    iommu = cluster.version != PVE_7
    nic = net("vmbr1", NetworkKind.BRIDGE, mac="bc:24:11:00:00:05", vlan=30, firewall=True, rate_limit_mbs=10, mtu=1400)
    vm = cluster.vm(
        firmware=Firmware.UEFI, secure_boot=True, tpm=True, vtd=iommu, cpu_hot_add=True, memory_hot_add=True,
        cpus=2, memory_mib=2048, limits=Limits(cpu_limit=3000, cpu_shares=2000, memory_reservation_mib=1024),
        networks=(nic,), disks=(ExtraDisk("data", 3, "ssd"),), tags=("Team A",), disk_iops=500,
    )  # fmt: skip
    plan, _ = cluster.apply(vm)
    assert "\ntpmstate0: local-lvm:1,version=v2.0" in plan.native
    config = cluster.pve.vm("default.tiny")["config"]
    assert config["bios"] == "ovmf"
    assert "efitype=4m" in config["efidisk0"]
    assert "pre-enrolled-keys=1" in config["efidisk0"]
    assert "version=v2.0" in config["tpmstate0"]
    assert config["machine"] == ("q35,viommu=intel" if iommu else "q35")
    assert (config["hotplug"], str(config["numa"])) == ("network,disk,usb,cpu,memory", "1")
    assert (str(config["cores"]), str(config["vcpus"])) == ("4", "2")
    assert (str(config["cpulimit"]), str(config["cpuunits"]), str(config["balloon"])) == ("1.5", "200", "1024")
    assert config["net0"] == "virtio=BC:24:11:00:00:05,bridge=vmbr1,firewall=1,mtu=1400,rate=10,tag=30"
    assert "size=3G" in config["scsi1"]
    assert "ssd=1" in config["scsi1"]
    assert "iops=500" in config["scsi0"], "also on the disk of a clone"
    assert "team-a" in config["tags"].split(";")
    assert actions(cluster.provider.plan(vm)) == ["keep VM"]
    seen = cluster.provider.observe(vm)
    assert seen is not None
    assert len(seen.settings) >= 12
    assert [setting for setting in seen.settings if setting.differs] == []
    # Back to a plain VM: what only some of it needs goes, the disks stay.
    plain = replace(vm, cpu_hot_add=False, memory_hot_add=False, limits=Limits(), vtd=False)
    cluster.apply(plain)
    config = cluster.pve.vm("default.tiny")["config"]
    assert not {"hotplug", "vcpus", "numa", "cpulimit", "cpuunits"} & config.keys()
    assert (config["machine"], str(config["cores"])) == ("q35", "2")
    assert actions(cluster.provider.plan(plain)) == ["keep VM"]


def test_a_static_address_reaches_the_guest_by_its_mac(cluster: PveLab) -> None:
    address = GuestAddress("192.0.2.10/24", "192.0.2.1", ("192.0.2.53",), ("example.org",))
    first = net("vmbr0", NetworkKind.BRIDGE, mac="bc:24:11:00:00:07", address=address)
    vm = cluster.vm(networks=(first, net("vmbr1", NetworkKind.BRIDGE)))
    cluster.apply(vm)
    made = cluster.pve.vm("default.tiny")
    said = json.loads(cluster.pve.call("seed", made["vmid"])["network-config"])
    assert said["ethernets"]["nic0"] == {
        "match": {"macaddress": "bc:24:11:00:00:07"}, "addresses": ["192.0.2.10/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}],
        "nameservers": {"addresses": ["192.0.2.53"], "search": ["example.org"]},
    }  # fmt: skip
    chosen = made["config"]["net1"].partition("=")[2].partition(",")[0].lower()
    assert said["ethernets"]["nic1"] == {"match": {"macaddress": chosen}, "dhcp4": True}
    assert actions(cluster.provider.plan(vm)) == ["keep VM"]
    seen = cluster.provider.observe(vm)
    assert seen is not None
    assert [setting.path for setting in seen.settings if setting.differs] == []


@pytest.mark.parametrize("full", [True, False])
def test_a_template_is_cloned_in_full_or_linked(newest: PveLab, full: bool) -> None:
    vm = newest.vm(image=template(full_clone=full))
    plan, _ = newest.apply(vm)
    assert ("a full copy of template 900" if full else "linked to template 900") in plan.steps[0].detail
    made = newest.pve.vm("default.tiny")
    asked = [body for _method, path, body in newest.pve.state()["requests"] if path.endswith("/900/clone")]
    assert f"full={int(full)}" in asked[-1]
    assert made["config"]["net0"].startswith("virtio=")
    assert actions(newest.provider.plan(vm)) == ["keep VM"]
    assert newest.provider.fetch_report(vm, 60, quiet)


def test_a_template_by_name_and_a_template_that_is_none(newest: PveLab) -> None:
    by_name = newest.vm(image=template(None, template="debian-12"))  # type: ignore[arg-type]
    assert "template 900 debian-12" in newest.provider.plan(by_name).steps[0].detail
    with pytest.raises(ProviderError, match=r"vm\.yaml:20:3: image debian: there is no template 'windows'"):
        newest.provider.plan(newest.vm(image=template(None, template="windows")))  # type: ignore[arg-type]
    newest.apply(newest.vm())
    number = newest.pve.vm("default.tiny")["vmid"]
    with pytest.raises(ProviderError, match=f"VM {number} is no template"):
        newest.provider.plan(newest.vm(name="other", image=template(number)))


def test_vms_share_an_uploaded_image_until_the_last_one_goes(newest: PveLab) -> None:
    newest.apply(newest.vm())
    _, said = newest.apply(newest.vm(name="other"))
    assert not any("uploading tiny.img" in line for line in said)
    assert not any("image" in name for name in newest.provider.destroy("default", "tiny"))
    assert any("image local:import/" in name for name in newest.provider.destroy("default", "other"))


def test_an_emulated_cpu_where_it_is_asked_for(newest: PveLab) -> None:
    vm = newest.vm(accel=AccelPolicy.TCG)
    plan, _ = newest.apply(vm)
    assert "the CPU will be emulated" in plan.notes[0]
    seen = newest.provider.observe(vm)
    assert seen is not None
    assert (seen.accelerator, seen.asked, seen.feature) == (Accelerator.TCG, Asked.ON, "svm")
    assert newest.provider.fetch_report(vm, 60, quiet)


def test_a_model_of_the_nodes_vendor_gets_the_flag_for_nesting(newest: PveLab) -> None:
    vm = newest.vm(extra_config={"proxmox.cpu": "EPYC"})
    newest.apply(vm)
    assert newest.pve.vm("default.tiny")["config"]["cpu"] == "EPYC,flags=+nested-virt"
    heard = hear(newest.provider, vm, 60, quiet)
    assert heard.view.asked is Asked.ON
    assert heard.report is not None
    assert judge(decode(heard.report)).runs_guests.verdict.works


def test_host_without_nesting_is_said_with_a_flag(newest: PveLab) -> None:
    vm = newest.vm(nested=False, extra_config={"proxmox.cpu": "host"})
    newest.apply(vm)
    assert newest.pve.vm("default.tiny")["config"]["cpu"] == "host,flags=-nested-virt"
    seen = newest.provider.observe(vm)
    assert seen is not None
    assert (seen.asked, seen.got) == (Asked.OFF, False)


def test_a_vm_changed_behind_our_back_is_brought_back_and_what_waits_is_told(newest: PveLab) -> None:
    vm = newest.vm()
    newest.apply(vm)
    number = newest.pve.vm("default.tiny")["vmid"]
    newest.pve.set(vm=number, pending={"cpu": "kvm64"})
    seen = newest.provider.observe(vm)
    assert seen is not None
    assert seen.asked is Asked.OFF
    assert any("cpu wait for a stop and a start" in each.text for each in seen.evidence)
    plan, _ = newest.apply(vm)
    waits = Difference("cpu", "host, and kvm64 from its next cold start", "host")
    assert (plan.differences, plan.power) == ((waits,), Power.UNTOUCHED), "what runs is as wanted: it is not stopped"
    assert actions(plan) == ["configure VM"]
    made = newest.pve.vm("default.tiny")
    assert (made["config"]["cpu"], made["pending"], made["status"]) == ("host", {}, "running")


def test_a_plan_shows_asked_configured_and_pending_and_what_it_costs_a_running_vm(newest: PveLab) -> None:
    vm = newest.vm()
    new, _ = newest.apply(vm)
    assert (new.differences, new.power, new.loses_disk) == ((), Power.UNTOUCHED, False)
    more = newest.provider.plan(newest.vm(cpus=2))
    assert (more.differences, more.power) == ((Difference("cores", "1", "2"),), Power.POWER_CYCLE)
    assert intent(more) == "to change"
    status = status_of(newest.vm(cpus=2), "pve", more, newest.provider.observe(vm), None)
    assert status.drift == ("cores: is 1, asked is 2",)
    tagged = newest.provider.plan(newest.vm(tags=("a",)))
    assert ([d.setting for d in tagged.differences], tagged.power) == (["tags"], Power.UNTOUCHED)
    assert newest.provider.plan(newest.vm(power_on=False)).power is Power.OFF
    anew = newest.provider.plan(newest.vm(user_data="#cloud-config\n"))
    assert ([d.setting for d in anew.differences], anew.power, anew.loses_disk) == (
        ["cloud init"], Power.POWER_CYCLE, True,
    )  # fmt: skip
    # The right CPU is configured and waits; somebody's own setting that waits is none of our business.
    number = newest.pve.vm("default.tiny")["vmid"]
    config = {**newest.pve.vm("default.tiny")["config"], "cpu": "kvm64"}
    newest.pve.set(vm=number, config=config, pending={"cpu": "host", "vga": "none"})
    waits = newest.provider.plan(vm)
    assert waits.differences == (
        Difference("nested", "no", "yes"), Difference("cpu", "kvm64, and host from its next cold start", "host"),
    )  # fmt: skip
    assert (actions(waits), waits.power) == (["stop VM", "start VM"], Power.POWER_CYCLE)
    newest.pve.set(vm=number, config=config | {"cpu": "host"}, pending={"vga": "none"})
    assert actions(newest.provider.plan(vm)) == ["keep VM"]


def test_a_running_vm_is_not_stopped_without_consent(newest: PveLab) -> None:
    vm = newest.vm()
    newest.apply(vm)
    changed = newest.vm(cpus=2)
    keeps = replace(newest.provider.plan(changed), power=newest.provider.plan(vm).power)
    with pytest.raises(ProviderError, match="would have to be stopped, which the plan did not say"):
        newest.provider.apply(keeps, quiet)
    assert newest.pve.vm("default.tiny")["status"] == "running"


def test_snippets_of_ones_own_on_the_native_drive(newest: PveLab) -> None:
    vm = newest.vm(extra_config={"proxmox.cicustom": "user=local:snippets/mine.yaml"})
    with pytest.raises(ProviderError, match=r"lacks VM\.Config\.Cloudinit on /vms/\d+"):
        newest.apply(vm)
    granted = [[path, [*given, "VM.Config.Cloudinit"]] for _user, path, given in documented(PVE_9_1)]
    newest.pve.call("set_acl", {TOKEN: granted})
    plan, _ = newest.apply(vm)
    assert any("nestproof agent cloud-init" in note for note in plan.notes)
    config = newest.pve.vm("default.tiny")["config"]
    assert config["cicustom"] == "user=local:snippets/mine.yaml"
    assert config["ide2"].startswith("local-lvm:vm-")
    assert not any("iso/" in volume for volume in newest.pve.state()["disks"])
    assert actions(newest.provider.plan(vm)) == ["keep VM"]
    with pytest.raises(
        ProviderError, match="there is user-data, and the class asks for Proxmox's own cloud-init drive"
    ):
        newest.provider.plan(replace(vm, user_data="#cloud-config\n"))


def test_a_user_keys_and_addresses_on_the_native_drive(newest: PveLab) -> None:
    granted = [[path, [*given, "VM.Config.Cloudinit"]] for _user, path, given in documented(PVE_9_1)]
    newest.pve.call("set_acl", {TOKEN: granted})
    address = GuestAddress("192.0.2.10/24", "192.0.2.1", ("192.0.2.53",), ("example.org",))
    nics = (net("vmbr0", NetworkKind.BRIDGE, address=address), net("vmbr1", NetworkKind.BRIDGE))
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@example.org"
    vm = newest.vm(networks=nics, extra_config={"proxmox.ciuser": "ann", "proxmox.sshkeys": f"{key}\n"})
    newest.apply(vm)
    config = newest.pve.vm("default.tiny")["config"]
    assert (config["ciuser"], unquote(config["sshkeys"])) == ("ann", key)
    assert (config["ipconfig0"], config["ipconfig1"]) == ("ip=192.0.2.10/24,gw=192.0.2.1", "ip=dhcp")
    assert (config["nameserver"], config["searchdomain"]) == ("192.0.2.53", "example.org")
    assert actions(newest.provider.plan(vm)) == ["keep VM"]
    other = newest.provider.plan(replace(vm, extra_config={"proxmox.ciuser": "bob", "proxmox.sshkeys": key}))
    assert (other.differences, other.loses_disk) == ((Difference("ciuser", "ann", "bob"),), False)
    seeded = newest.provider.plan(newest.vm())
    assert seeded.differences == (Difference("cloud init", "Proxmox's own drive", "a seed"),)
    assert (seeded.loses_disk, actions(seeded)[:2]) == (True, ["stop VM", "replace disk"])
    with pytest.raises(ProviderError, match="a password in a class is read by everyone") as caught:
        newest.provider.plan(replace(vm, extra_config={"proxmox.cipassword": "hunter2"}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("native", [False, True])
def test_the_cloud_init_drive_of_a_template_gives_way(newest: PveLab, native: bool) -> None:
    """Two disks with the same label: cloud-init would take either."""
    granted = [[path, [*given, "VM.Config.Cloudinit"]] for _user, path, given in documented(PVE_9_1)]
    newest.pve.call("set_acl", {TOKEN: granted})
    newest.pve.call("give_drive", 900, "scsi1", "local-lvm:vm-900-cloudinit,media=cdrom")
    try:
        extra = {"proxmox.ciuser": "ann"} if native else {}
        plan, _ = newest.apply(newest.vm(image=template(), extra_config=extra))
        assert any("debian has a cloud-init drive on scsi1: the clone's is removed" in note for note in plan.notes)
        config = newest.pve.vm("default.tiny")["config"]
        assert "scsi1" not in config
        assert ("cloudinit" if native else "iso/nestproof-default.tiny-") in config["ide2"]
        again = newest.provider.plan(newest.vm(image=template(), extra_config=extra))
        assert (actions(again), again.notes) == (["keep VM"], plan.notes[:-1])
    finally:
        newest.provider.destroy("default", "tiny")
        newest.pve.call("take_drive", 900, "scsi1")


def test_the_limit_of_a_clones_disk_comes_and_stays_as_its_template_has_it(newest: PveLab) -> None:
    limited = newest.vm(image=template(), disk_iops=500)
    newest.apply(limited)
    assert actions(newest.provider.plan(limited)) == ["keep VM"]
    more = newest.vm(image=template(), disk_iops=900)
    plan, _ = newest.apply(more)
    assert (plan.differences, plan.power) == ((Difference("scsi0 iops", "500", "900"),), Power.UNTOUCHED)
    assert "iops=900" in newest.pve.vm("default.tiny")["config"]["scsi0"]
    assert actions(newest.provider.plan(newest.vm(image=template()))) == ["keep VM"]
    newest.provider.destroy("default", "tiny")
    newest.apply(newest.vm(disk_iops=500))
    plan, _ = newest.apply(newest.vm())
    assert plan.differences == (Difference("scsi0 iops", "500", ""),), "of an image's disk all is ours"
    assert "iops" not in newest.pve.vm("default.tiny")["config"]["scsi0"]


def test_the_record_and_the_tags_tell_whose_it_is(newest: PveLab) -> None:
    newest.apply(newest.vm())
    config = newest.pve.vm("default.tiny")["config"]
    record = json.loads(config["description"].split("nestproof/1 ")[1].split(" -->")[0])
    assert (record["namespace"], record["name"]) == ("default", "tiny")
    assert config["description"].startswith("Made by nestproof for default/tiny")
    assert "nestproof" in config["tags"].split(";")
