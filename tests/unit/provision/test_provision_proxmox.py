"""The pure middle of the Proxmox provider: CPU, gates, configuration, records, words of faults, logins."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_fields
from vm_factory import image, net, wanted

from hostcheck.model import Asked
from provision.model import AccelPolicy, Credentials, Firmware, Limits, NetworkKind, ProviderSpec, VmSpec
from provision.provider import Power, ProviderError, Step
from provision.providers.proxmox import config, gates, readback
from provision.providers.proxmox.choose import node_for
from provision.providers.proxmox.cpu import choose
from provision.providers.proxmox.credentials import login
from provision.providers.proxmox.crowd import sums_of
from provision.providers.proxmox.endpoint import parse_endpoint
from provision.providers.proxmox.facts import Node, Storage
from provision.providers.proxmox.faults import explain, harmless, known
from provision.providers.proxmox.guests import Resource
from provision.providers.proxmox.observe import asked_of, by_start
from provision.providers.proxmox.plan import ProxmoxPlan
from provision.providers.proxmox.record import Record, description, guest_name, identity_tag, read_record, tags
from provision.providers.proxmox.source import Source
from provision.providers.proxmox.version import Version
from provision.room import check_space, notes

MODELS = {"host": "default", "kvm64": "default", "x86-64-v2-AES": "default", "EPYC": "AuthenticAMD",
          "Skylake-Server": "GenuineIntel", "custom-mine": "default"}  # fmt: skip


def node(version: str = "9.1.16", **changes: Any) -> Node:
    values: dict[str, Any] = {
        "name": "pve1", "version": Version.read(version), "vendor": "AuthenticAMD", "cpu": "EPYC 7763",
        "flags": frozenset({"lm", "svm"}), "cpus": 16, "mhz": 2000.0, "memory_mib": 65536, "free_mib": 32768,
        "models": MODELS, "nested_flag": version >= "9.1", "offers": True if version >= "9.1.15" else None,
        "storages": (Storage("local-lvm", "images", "lvmthin", 1, 1, 0, 1 << 40),),
    }  # fmt: skip
    return Node(**values | changes)


def vm(**changes: Any) -> VmSpec:
    return wanted(
        image(Path("disk.raw")), "proxmox://pve1", **{"accel": AccelPolicy.KVM, "memory_mib": 2048, **changes}
    )


def refused(what: Any, match: str) -> ProviderError:
    with pytest.raises(ProviderError, match=match) as caught:
        what()
    assert caught.value.refused
    return caught.value


# ------------------------------------------------------------------------------------------------------------- CPU


@pytest.mark.parametrize("version", ["7.4-17", "8.4.1", "9.0.10", "9.1.16"])
def test_host_is_the_cpu_of_a_nested_vm_on_every_version(version: str) -> None:
    cpu = choose(vm(), node(version))
    assert (cpu.value, cpu.kvm, cpu.feature) == ("host", True, "svm")
    assert any("does not say whether KVM on pve1" in note for note in cpu.notes) is (version < "9.1.15")


@pytest.mark.parametrize(
    ("nested", "model", "value"),
    [
        (True, "host", "host"),
        (True, "EPYC", "EPYC,flags=+nested-virt"),
        (True, "custom-mine", "custom-mine"),
        (False, "", "x86-64-v2-AES"),
        (False, "EPYC", "EPYC"),
        (False, "host", "host,flags=-nested-virt"),
    ],
)
def test_a_model_that_is_named(nested: bool, model: str, value: str) -> None:
    extra = {"proxmox.cpu": model} if model else {}
    assert choose(vm(nested=nested, extra_config=extra), node()).value == value


@pytest.mark.parametrize(
    ("changes", "facts", "says"),
    [
        ({"extra_config": {"proxmox.cpu": "x86-64-v2-AES"}}, {}, "is of no vendor, so it has neither vmx nor svm"),
        ({"extra_config": {"proxmox.cpu": "kvm64"}}, {}, "is of no vendor"),
        (
            {"extra_config": {"proxmox.cpu": "Skylake-Server"}},
            {},
            "is of GenuineIntel, the CPU of pve1 of AuthenticAMD",
        ),
        ({"extra_config": {"proxmox.cpu": "EPYC"}}, {"nested_flag": False}, r"needs Proxmox VE 9\.1 \(qemu-server 9"),
        ({"extra_config": {"proxmox.cpu": "custom-gone"}}, {}, "pve1 knows no CPU model 'custom-gone'"),
        ({"extra_config": {"proxmox.cpu": "host"}, "nested": False}, {"nested_flag": False}, "taking it away needs"),
        ({}, {"flags": frozenset({"lm"})}, "it needs KVM, but the CPU of pve1 shows neither vmx nor svm"),
        ({"nested": False}, {"flags": frozenset({"lm"})}, "it needs KVM, but the CPU of pve1 shows neither"),
        ({}, {"offers": False}, r"KVM on pve1 gives guests neither vmx nor svm \(kvm_amd has nested off\)"),
        ({"accel": AccelPolicy.TCG, "extra_config": {"proxmox.cpu": "EPYC"}}, {}, "the CPU will be emulated"),
    ],
)
def test_what_no_cpu_can_give_is_refused(changes: dict[str, Any], facts: dict[str, Any], says: str) -> None:
    refused(lambda: choose(vm(**changes), node(**facts)), says)


def test_auto_emulates_where_kvm_cannot_and_says_so() -> None:
    cpu = choose(vm(accel=AccelPolicy.AUTO), node(offers=False))
    assert (cpu.value, cpu.kvm, cpu.feature) == ("max", False, "svm")
    assert "because KVM on pve1 gives guests neither vmx nor svm" in cpu.notes[0]
    assert choose(vm(accel=AccelPolicy.AUTO), node()).kvm


def test_a_node_that_may_not_be_looked_at_is_not_ruled_out() -> None:
    assert choose(vm(), node(vendor="", flags=frozenset(), offers=None)).value == "host"


# ----------------------------------------------------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("changes", "version", "says"),
    [
        ({"vtd": True}, "8.1.4", "a virtual IOMMU needs Proxmox VE 8.2; pve1 has 8.1.4"),
        ({"tpm": True}, "7.0", "a TPM needs Proxmox VE 7.1"),
        ({"secure_boot": True, "firmware": Firmware.UEFI}, "7.0", "Secure Boot with enrolled keys needs"),
        ({"secure_boot": True}, "9.1.16", "it needs spec.firmware: UEFI"),
        ({"memory_hot_add": True, "memory_mib": 512}, "9.1.16", "memory hot-plug needs 1024 MiB of memory"),
        ({"cpus": 17}, "9.1.16", "17 CPUs are more than the 16 of pve1"),
        ({"memory_mib": 70000}, "9.1.16", "70000 MiB are more than the 65536 MiB of pve1"),
        ({"ignition": "{}"}, "9.1.16", "only root@pam may set"),
    ],
)
def test_gates(changes: dict[str, Any], version: str, says: str) -> None:
    fault = refused(lambda: gates.check(vm(**changes), node(version)), says.replace(".", r"\."))
    assert str(fault).startswith("vm.yaml:")


@pytest.mark.parametrize(
    "changes",
    [{"vtd": True}, {"tpm": True}, {"secure_boot": True, "firmware": Firmware.UEFI}, {"memory_hot_add": True}],
)
def test_open_gates(changes: dict[str, Any]) -> None:
    gates.check(vm(**changes), node("8.2.0"))


def test_q35_has_to_be_there() -> None:
    refused(lambda: gates.check(vm(vtd=True), node(q35=False)), "pve1 knows no machine q35")


def test_versions() -> None:
    assert Version.read("8.4.1") < Version.read("9.0.10")
    assert Version.read("7.4-17") < (8,)
    assert str(Version.read("9.1.16")) == "9.1.16"
    assert Version.read("8.4.1").file_read_privilege == "VM.Monitor"
    assert Version.read("9.0").file_read_privilege == "VM.GuestAgent.FileRead"
    refused(lambda: Version.read("6.4-13"), r"Proxmox VE 6\.4\.13 is not supported")
    with pytest.raises(ProviderError, match="does not say which version"):
        Version.read("<html>")


# ------------------------------------------------------------------------------------------------------------- nodes


def test_a_cluster_of_one_says_its_own_reason() -> None:
    with pytest.raises(ProviderError, match=r"^vm\.yaml:\d+:\d+: 17 CPUs are more than the 16 of pve1"):
        node_for(vm(cpus=17), (node(),), None)


def test_what_a_vm_says_of_itself_is_read_back_or_not_known() -> None:
    def found(**live: str) -> str:
        return {each.path: each.found for each in readback.settings(vm(), live, None)}["VMClass spec.cpu"]

    assert (found(cores="4", sockets="2"), found(vcpus="3", cores="4"), found(cores="many")) == ("8", "3", "")


def test_the_node_with_most_free_memory_among_those_that_can() -> None:
    nodes = (
        node(name="small", free_mib=1000),
        node(name="large", free_mib=9000),
        node(name="off", free_mib=99000, offers=False),
        node(name="away", free_mib=99000, fault="it is offline", online=False),
    )
    assert node_for(vm(), nodes, None).name == "large"
    assert node_for(vm(), nodes, "small").name == "small"
    with pytest.raises(ProviderError, match="node away: it is offline"):
        node_for(vm(), nodes, "away")
    fault = refused(lambda: node_for(vm(), nodes[2:], None), "no node of the cluster can run it: .*nested off.*offline")
    assert "nestproof enable ssh://root@off" in fault.hint
    refused(lambda: node_for(vm(placement=with_fields(vm().placement, host="pve9")), nodes, None), "has no node pve9")


# ----------------------------------------------------------------------------------------------------- configuration


def built(changes: dict[str, Any], template: dict[str, str] | None = None) -> dict[str, str]:
    spec = vm(**changes)
    return config.settings(spec, choose(spec, node()), node(), "nestproof", "default.tiny", template)


def test_limits_in_the_words_of_proxmox() -> None:
    found = built({"limits": Limits(cpu_limit=1000, cpu_shares=10**6, memory_reservation_mib=4096), "nested": False})
    assert (found["cpulimit"], found["cpuunits"], found["balloon"]) == ("0.5", "10000", "0")
    assert built({})["balloon"] == "0", "ballooning takes from a nested VM what its own VMs use"
    assert "balloon" not in built({"nested": False})


def test_hot_plug_needs_its_companions() -> None:
    found = built({"cpus": 10, "cpu_hot_add": True, "memory_hot_add": True})
    assert (found["cores"], found["vcpus"], found["numa"]) == ("16", "10", "1"), "at most what the node has"
    assert found["hotplug"] == "network,disk,usb,cpu,memory"


def test_a_clone_keeps_machine_and_firmware_of_its_template() -> None:
    assert "machine" not in built({}, {"scsi0": "a:b"})
    assert built({}, {"machine": "pc-q35-9.2,viommu=intel"})["machine"] == "pc-q35-9.2"
    assert built({}, {"bios": "ovmf"})["bios"] == "ovmf"
    assert built({"vtd": True}, {"machine": "pc"})["machine"] == "q35,viommu=intel"


def test_nics_and_what_is_the_same() -> None:
    nic = net("vmbr1", NetworkKind.BRIDGE, model="e1000", mac="bc:24:11:00:00:01", vlan=7, mtu=1400)
    assert config.nic(nic) == "e1000=BC:24:11:00:00:01,bridge=vmbr1,tag=7", "an mtu is of virtio alone"
    assert config.same("net0", "virtio=BC:24:11:00:00:09,bridge=vmbr0", "virtio,bridge=vmbr0")
    assert not config.same("net0", "virtio=BC:24:11:00:00:09,bridge=vmbr0", "virtio=BC:24:11:00:00:01,bridge=vmbr0")
    assert not config.same("net0", "virtio=BC:24:11:00:00:09,bridge=vmbr0,tag=1", "virtio,bridge=vmbr0")
    assert config.same("kvm", None, "1")
    assert config.same("tags", "a;b", "b;a")
    assert config.same("agent", "1", "enabled=1")
    assert not config.same("cpu", "kvm64", "host")
    assert config.nics(vm(), frozenset({"vmbr7"}), None) == {"net0": "virtio,bridge=vmbr7"}


def test_disks_and_their_sizes() -> None:
    found = config.new_disks(vm(firmware=Firmware.UEFI, tpm=True, tpm_version="1.2"), "fast", {})
    assert found["efidisk0"] == "fast:1,efitype=4m,pre-enrolled-keys=0"
    assert found["tpmstate0"] == "fast:1,version=v1.2"
    for size, gib in (("2G", 2), ("512M", 0.5), ("1T", 1024), ("4096K", 4 / 1024), ("", 0), ("x", 0)):
        assert config.disk_gib({"scsi0": f"a:b,size={size}"}, "scsi0") == pytest.approx(gib)
    assert config.boot_drive({"boot": "order=ide2;virtio0", "ide2": "a,media=cdrom", "virtio0": "b"}) == "virtio0"
    assert config.boot_drive({"sata1": "b", "net0": "c"}) == "sata1"
    assert config.boot_drive({}) == ""


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_of_a_server_is_compared_without_an_exception(old: str, new: str) -> None:
    for key in ("net0", "tags", "agent", "cpu", "machine"):
        config.same(key, old, new)
    config.disk_gib({"scsi0": old}, "scsi0")
    config.boot_drive({"boot": old, "scsi0": new})


# ------------------------------------------------------------------------------------------------------------ records


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True), st.text(max_size=60))
def test_a_record_comes_back_out_of_any_notes(name: str, around: str) -> None:
    record = Record(
        namespace="default", name=name, vmid=100, version="1", image="template 9", cloud_init="x", seed="a:iso/b.iso"
    )
    assert read_record(f"{around}\n{description(record)}{around}") == record


@given(st.text())
def test_notes_of_others_hold_no_record(text: str) -> None:
    assert read_record(text) is None or "nestproof/1" in text
    assert read_record(f"<!-- nestproof/1 {{{text}}} -->") is None


def test_tags_are_what_proxmox_takes() -> None:
    found = tags(vm(tags=("Web Server", "ä", "-x", "ok_1")), "").split(";")
    assert "web-server" in found
    assert "ok_1" in found
    assert identity_tag("default", "tiny") in found
    assert all(tag and tag[0] not in "-+." for tag in found)
    with pytest.raises(ProviderError, match="cannot name a VM"):
        guest_name("default", "../etc")


# ------------------------------------------------------------------------------------------------------------ observe


@pytest.mark.parametrize(
    ("cpu", "asked"),
    [
        ("host", Asked.ON), ("host,flags=-nested-virt", Asked.OFF), ("EPYC,flags=+nested-virt", Asked.ON),
        ("cputype=host", Asked.ON), ("EPYC", Asked.OFF), ("x86-64-v2-AES", Asked.OFF), ("kvm64", Asked.OFF),
        ("custom-mine", Asked.UNSTATED),
    ],
)  # fmt: skip
def test_what_a_cpu_asks(cpu: str, asked: Asked) -> None:
    assert asked_of({"cpu": cpu}, "svm") == (asked, "svm")


def test_what_can_never_be_there_and_what_proves_nothing() -> None:
    assert asked_of({}, "vmx") == (Asked.OFF, "vmx")
    assert by_start({"cpu": "kvm64"}, ()) is False
    assert by_start({"cpu": "host"}, ()) is None
    assert by_start({"cpu": "EPYC,flags=+nested-virt"}, ()) is True
    assert by_start({"cpu": "EPYC,flags=+nested-virt"}, ("ignoring 'nested-virt' CPU flag",)) is False


# ------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("status", "reason", "says", "hint"),
    [
        (403, "Permission check failed (/vms/100, VM.PowerMgmt)", "a@pve!t lacks VM.PowerMgmt on /vms/100",
         "pveum acl modify /vms/100 --tokens 'a@pve!t'"),
        (403, "Permission check failed", "a@pve!t may not do this", "docs/proxmox.md"),
        (401, "authentication failure", "a@pve!t is not let in", "tokens can expire"),
        (595, "No route to host", "the node does not answer", "offline"),
        (500, "cluster not ready - no quorum?", "the cluster has lost its quorum", "pvecm status"),
        (500, "VM is locked (migrate)", "the VM is locked: it is being migrated", "qm unlock"),
        (500, "can't lock file '/var/lock/qemu-server/lock-1.conf' - got timeout", "another task holds", "apply again"),
        (500, "unable to write: No space left on device", "the storage is full", "placement.datastore"),
        (500, "KVM virtualisation configured, but not available. Either disable in VM configuration or enable in BIOS.",
         "KVM is not available on that node", "firmware setup"),
        (500, "unexpected status", "its worker died", "system log"),
    ],
)  # fmt: skip
def test_faults_in_words(status: int, reason: str, says: str, hint: str) -> None:
    fault = explain(status, reason, None, "POST /x", "a@pve!t")
    assert says in str(fault)
    assert hint in fault.hint


def test_a_refusal_that_names_no_privilege_is_explained_where_a_vm_is_made() -> None:
    for what in ("POST /nodes/pve1/qemu at proxmox://pve1", "POST /nodes/pve1/qemu/900/clone at proxmox://pve1"):
        assert (
            "VM.Allocate on /vms, or on the pool" in explain(403, "Permission check failed", None, what, "a@pve").hint
        )


def test_the_fields_that_a_server_complains_of_are_named() -> None:
    fault = explain(400, "Parameter verification failed.", {"cpu": "bad\n"}, "POST /x", "a@pve")
    assert "cpu: bad" in str(fault)
    assert fault.refused


@given(st.text(max_size=2000))
def test_whatever_a_server_says_becomes_one_harmless_line(text: str) -> None:
    line = harmless(text)
    assert len(line) <= 300
    assert line.isprintable()
    known(line)


# -------------------------------------------------------------------------------------------------------------- login


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"PROXMOX_VE_API_TOKEN": "a@pve!t=s"}, "a@pve!t"),
        ({"PROXMOX_TOKEN_ID": "a@pve!t", "PROXMOX_TOKEN_SECRET": "s"}, "a@pve!t"),
        ({"PROXMOX_USER": "a@pve", "PROXMOX_TOKEN_ID": "t", "PROXMOX_TOKEN_SECRET": "s"}, "a@pve!t"),
        ({"PROXMOX_USERNAME": "a@pve!t", "PROXMOX_TOKEN": "s"}, "a@pve!t"),
        ({"PM_API_TOKEN_ID": "a@pve!t", "PM_API_TOKEN_SECRET": "s", "PM_PASS": "p", "PM_USER": "b@pve"}, "a@pve!t"),
        ({"PM_USER": "b@pve", "PM_PASS": "p"}, "b@pve"),
        ({"PROXMOX_VE_USERNAME": "b@pve", "PROXMOX_VE_PASSWORD": "p"}, "b@pve"),
    ],
)
def test_dialects(environment: dict[str, str], name: str) -> None:
    found = login(ProviderSpec("p", "proxmox", "proxmox://x", None), environment)
    assert found.name == name
    assert found.secret in ("s", "p")
    assert "secret" not in repr(found)


def test_a_secret_of_the_manifest_wins_over_the_environment() -> None:
    given_by = Credentials("Secret default/x", username="c@pve", password="q")
    found = login(
        ProviderSpec("p", "proxmox", "proxmox://x", None, credentials=given_by), {"PROXMOX_VE_API_TOKEN": "a@pve!t=s"}
    )
    assert (found.name, found.secret) == ("c@pve", "q")


def test_endpoints() -> None:
    assert parse_endpoint("proxmox://a,b:8007,[::1]", {}).addresses == ("a:8006", "b:8007", "[::1]:8006")
    assert parse_endpoint("https://pve.example/api2/json", {}).addresses == ("pve.example:8006",)
    assert parse_endpoint("proxmox://ann@a", {}).written == "proxmox://a"
    assert parse_endpoint("proxmox://", {"PROXMOX_URL": "https://z:1/api2/json"}).addresses == ("z:1",)


@given(st.text(max_size=80))
def test_any_endpoint_is_read_or_refused(text: str) -> None:
    try:
        assert parse_endpoint(text, {}).addresses
    except ProviderError as e:
        assert "\n" not in str(e) or "\n" in text


# ------------------------------------------------------------------------------------------------- many VMs together


def planned(number: int, at: Node, *steps: Step, **changes: Any) -> ProxmoxPlan:
    wanted_vm = vm(**{"name": f"vm-{number}", **changes})
    return ProxmoxPlan(
        vm=wanted_vm, steps=steps, accounts=(), notes=(), evidence=(), native="", node=at, cpu=choose(wanted_vm, at),
        source=Source(template=Resource("pve1", 9000, template=1), template_config={"scsi0": "local-lvm:x,size=1G"}),
    )  # fmt: skip


MADE = (Step("create", "VM"), Step("create", "seed"), Step("start", "VM"))


def test_vms_are_added_up_by_node_with_what_runs_there() -> None:
    there = [
        Resource("pve1", 100, "qemu", status="running", maxmem=8 << 30, maxcpu=4),
        Resource("pve1", 101, "lxc", status="running", maxmem=1 << 30, maxcpu=1),
        Resource("pve1", 102, "qemu", status="running", maxmem=4 << 30, maxcpu=2, tags=identity_tag("default", "vm-9")),
        Resource("pve2", 103, "qemu", status="running", maxmem=64 << 30, maxcpu=64),
    ]
    again = with_fields(planned(9, node(), Step("stop", "VM"), Step("start", "VM")), power=Power.POWER_CYCLE)
    kept = planned(8, node(), Step("keep", "VM"))
    found = sums_of([*(planned(n, node(swap_mib=0), *MADE, memory_mib=4096) for n in range(20)), again, kept], there)
    (host,) = found.hosts
    assert (host.starts.vms, host.starts.cpus, host.starts.memory_mib) == (21, 21, 20 * 4096 + 2048)
    assert (host.runs.vms, host.runs.cpus, host.runs.memory_mib) == (2, 5, 9 << 10), "what is restarted counts once"
    (said,) = notes(found)
    assert said.startswith(
        "21 VMs to be started have 83968 MiB of memory, 2 VMs there already 9216 MiB; pve1 has 65536"
    )


def test_disks_that_take_their_space_have_to_fit_together_and_others_may_not() -> None:
    def store(kind: str) -> Node:
        return node(storages=(Storage("disks", "images", kind, 1, 1, 0, 100 << 30),))

    def fleet(kind: str, **changes: Any) -> list[ProxmoxPlan]:
        return [planned(n, store(kind), *MADE, disk_gib=20, **changes) for n in range(6)]

    why = refused(lambda: check_space(sums_of(fleet("lvm"), ()).needs), "storage disks on pve1 has 100.0 GiB left, 120")
    assert "the disk of the image, 6 times, 120.0 GiB" in str(why)
    linked = with_fields(image(Path("disk.raw")), full_clone=False)
    for found in (sums_of(fleet("lvmthin"), ()), sums_of(fleet("dir"), ()), sums_of(fleet("lvm", image=linked), ())):
        check_space(found.needs)
        assert any(said.startswith("storage disks on pve1 will have 100.0 GiB left, and 6") for said in notes(found))
    assert sums_of([planned(1, store("lvm"), Step("start", "VM"))], ()).needs == ()
