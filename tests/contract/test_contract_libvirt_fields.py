"""Every field of a VMClass on real libvirt and QEMU: set in a manifest, applied, read back from the running VM.

Each field has its row: the account that it gets, and what is found of it in the VM. What is found is what was asked
for, or the account says why not. The guests are a boot sector under QEMU's emulator: nothing has to boot.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab, kvm_runs, processes
from msgspec.structs import replace

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

import libvirt

from hostcheck.model import Setting, VmView
from provision.manifests.documents import load
from provision.manifests.leaves import schema_leaves
from provision.manifests.resolve import resolve
from provision.manifests.schemas import KINDS
from provision.model import FieldAccount, Handling, VmSpec
from provision.provider import ProviderError

pytestmark = [pytest.mark.libvirt, pytest.mark.versions]
HEAD = "apiVersion: infra.virtrigaud.io/v1beta1\nkind: "
HONOURED, APPROXIMATED = Handling.HONOURED, Handling.APPROXIMATED
UNSUPPORTED, REFUSED = Handling.UNSUPPORTED, Handling.REFUSED
PERFORMANCE, SECURITY, LIMITS = "performanceProfile.", "securityProfile.", "resourceLimits."


@dataclass(frozen=True)
class Row:
    """One field: its value, its account, and whether it is read back from the VM."""

    value: str
    handling: Handling
    read: bool = True
    cgroups: bool = False
    """Takes a daemon that has them: elsewhere unsupported, and found to be `none`."""
    libvirt: int = 0
    """The first version that honours it: older ones approximate it."""
    qemu: int = 0
    """The first version of QEMU that tells: with older ones it is not known."""
    swtpm: bool = False
    """Takes swtpm: refused without."""


BIOS = {
    "cpu": Row("1", HONOURED),
    "memory": Row("64Mi", HONOURED),
    "firmware": Row("BIOS", HONOURED),
    "guestToolsPolicy": Row("upgrade", UNSUPPORTED, read=False),
    "extraConfig.isolation": Row("'TRUE'", UNSUPPORTED, read=False),
    "diskDefaults.type": Row("thick", HONOURED),
    "diskDefaults.size": Row("1Gi", HONOURED),
    "diskDefaults.iops": Row("500", HONOURED),
    "diskDefaults.storageClass": Row("fast", UNSUPPORTED, read=False),
    PERFORMANCE + "latencySensitivity": Row("high", UNSUPPORTED, read=False),
    PERFORMANCE + "hyperThreadingPolicy": Row("avoid", UNSUPPORTED, read=False),
    PERFORMANCE + "cpuHotAddEnabled": Row("true", HONOURED),
    PERFORMANCE + "memoryHotAddEnabled": Row("true", HONOURED),
    PERFORMANCE + "nestedVirtualization": Row("true", HONOURED),
    SECURITY + "tpmEnabled": Row("true", HONOURED, swtpm=True),
    SECURITY + "tpmVersion": Row("1.2", HONOURED, read=False, swtpm=True),
    SECURITY + "encryptionPolicy.enabled": Row("true", UNSUPPORTED, read=False),
    SECURITY + "encryptionPolicy.keyProvider": Row("standard", UNSUPPORTED, read=False),
    LIMITS + "cpuLimit": Row("1500", APPROXIMATED, cgroups=True),
    LIMITS + "cpuShares": Row("512", HONOURED, cgroups=True),
    LIMITS + "cpuReservation": Row("100", UNSUPPORTED, read=False),
    LIMITS + "memoryLimit": Row("64Mi", APPROXIMATED, read=False),
    LIMITS + "memoryReservation": Row("64Mi", APPROXIMATED, qemu=5_000_000),
}
UEFI = {
    "cpu": Row("1", HONOURED),
    "memory": Row("256Mi", HONOURED),
    "firmware": Row("UEFI", HONOURED, libvirt=7_002_000),
    "diskDefaults.size": Row("2Gi", HONOURED),
    "diskDefaults.type": Row("thin", HONOURED),
    PERFORMANCE + "nestedVirtualization": Row("false", HONOURED),
    # An emulator shows no Hyper-V interface: asked for, not found, and said so.
    PERFORMANCE + "virtualizationBasedSecurity": Row("true", UNSUPPORTED),
    SECURITY + "secureBoot": Row("true", HONOURED, libvirt=7_002_000),
    SECURITY + "tpmEnabled": Row("true", HONOURED, swtpm=True),
    SECURITY + "vtdEnabled": Row("true", HONOURED),
    LIMITS + "memoryLimit": Row("128Mi", UNSUPPORTED, read=False),
}
PLAIN = {
    "cpu": Row("1", HONOURED),
    "memory": Row("256Mi", HONOURED),
    "firmware": Row("UEFI", HONOURED, libvirt=7_002_000),
    "diskDefaults.size": Row("1Gi", HONOURED),
    SECURITY + "secureBoot": Row("false", HONOURED),
    PERFORMANCE + "memoryHotAddEnabled": Row("true", HONOURED),
}
KVM = {
    "cpu": Row("1", HONOURED),
    "memory": Row("64Mi", HONOURED),
    "diskDefaults.size": Row("1Gi", HONOURED),
    PERFORMANCE + "virtualizationBasedSecurity": Row("true", APPROXIMATED),
    PERFORMANCE + "nestedVirtualization": Row("false", HONOURED),
    PERFORMANCE + "memoryHotAddEnabled": Row("true", HONOURED),
    SECURITY + "tpmEnabled": Row("true", HONOURED, swtpm=True),
    SECURITY + "vtdEnabled": Row("true", HONOURED),
}
"""Under KVM with the host's own CPU; where there is no KVM that is refused, and the same VM is emulated."""
REFUSALS = {SECURITY + "encryptionPolicy.requireEncryption": Row("true", REFUSED, read=False)}
CLASSES = {"bios": BIOS, "uefi": UEFI, "plain": PLAIN, "kvm": KVM}
VBS = PERFORMANCE + "virtualizationBasedSecurity"
UNDER_KVM = "nestproof.org/accel: kvm, nestproof.org/cpu: host-passthrough"


def a_class(rows: dict[str, Row]) -> str:
    tree: dict[str, object] = {}
    for path, row in rows.items():
        *parents, last = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})  # type: ignore[assignment]
        place[last] = row.value
    return f"{HEAD}VMClass\nmetadata: {{name: c}}\nspec: {flow(tree)}\n"


def flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value.items()) + "}"
    return str(value)


def vm_of(
    lab: Lab, rows: dict[str, Row], extra: str = "", name: str = "other", annotations: str = "nestproof.org/accel: tcg"
) -> VmSpec:
    text = (
        f"{a_class(rows)}---\n{HEAD}VMImage\nmetadata: {{name: i}}\n"
        f"spec: {{source: {{libvirt: {{path: {lab.image}, format: raw}}}}}}\n---\n"
        f"{HEAD}VirtualMachine\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n"
        f"spec:\n  providerRef: {{name: p}}\n  classRef: {{name: c}}\n  imageRef: {{name: i}}\n{extra}"
    )
    vms, problems = resolve(load(["-"], io.BytesIO(text.encode())), lab.endpoint)
    assert len(vms) == 1, problems
    return vms[0]


@dataclass(frozen=True)
class Outcome:
    accounts: dict[str, FieldAccount]
    view: VmView
    settings: dict[str, Setting]
    is_daemon: bool
    libvirt: int
    qemu: int


def outcome(lab: Lab, vm: VmSpec) -> Outcome:
    plan = lab.provider.plan(vm)
    lab.provider.apply(plan, lambda _line: None)
    view = lab.provider.observe(vm)
    assert view is not None and view.running
    assert lab.provider.plan(vm).differences == ()
    is_daemon = lab.endpoint.startswith("qemu:///system")
    settings = {setting.path: setting for setting in view.settings}
    connection = lab.provider._connection  # type: ignore[attr-defined]
    versions = connection.getLibVersion(), connection.getVersion()
    return Outcome({a.path: a for a in plan.accounts}, view, settings, is_daemon, *versions)


@pytest.fixture(scope="session")
def place(each_libvirt: Lab) -> Lab:
    return each_libvirt


@pytest.fixture(scope="module", params=list(CLASSES))
def applied(request: pytest.FixtureRequest, place: Lab) -> Iterator[tuple[dict[str, Row], Outcome]]:
    """One class, one VM for all its rows."""
    rows, annotations = CLASSES[request.param], "nestproof.org/accel: tcg"
    rows = {path: row for path, row in rows.items() if place.has_swtpm or not row.swtpm}
    if request.param == "kvm" and kvm_runs():
        annotations = UNDER_KVM
        capabilities = place.provider._connection.getDomainCapabilities(virttype="kvm")  # type: ignore[attr-defined]
        if ET.fromstring(capabilities).find("features/hyperv") is None:  # then nobody knows whether this KVM has any
            del rows[VBS]
    elif request.param == "kvm":
        with pytest.raises(ProviderError, match=r"it needs KVM, but KVM is not usable there") as caught:
            place.provider.plan(vm_of(place, rows, annotations=UNDER_KVM))
        assert caught.value.refused
        rows = rows | {VBS: UEFI[VBS]}
    try:
        yield rows, outcome(place, vm_of(place, rows, name="tiny", annotations=annotations))
    finally:
        place.provider.destroy("default", "tiny")
        assert place.remains() == set()


def test_every_field_of_the_schema_has_its_row() -> None:
    rows = {path.replace("extraConfig.isolation", "extraConfig.*") for path in BIOS | UEFI | REFUSALS}
    leaves = {leaf.removeprefix("spec.") for leaf in schema_leaves(KINDS["VMClass"][1]) if leaf.startswith("spec.")}
    assert rows == leaves


def test_every_field_is_as_asked_for_or_said_not_to_be(applied: tuple[dict[str, Row], Outcome]) -> None:
    rows, found = applied
    wrong: list[str] = []
    for path, row in rows.items():
        account = found.accounts[f"VMClass spec.{path}"]
        handling = UNSUPPORTED if row.cgroups and not found.is_daemon else row.handling
        handling = APPROXIMATED if found.libvirt < row.libvirt else handling
        if account.handling is not handling or not account.how:
            wrong.append(f"{path}: the account is {account.handling}, not {handling}: {account.how}")
        if not row.read:
            continue
        setting = found.settings[f"VMClass spec.{path}"]
        if handling is UNSUPPORTED and not setting.differs:
            wrong.append(f"{path}: unsupported, and yet found as asked for: {setting}")
        if found.qemu < row.qemu:
            if setting.found:
                wrong.append(f"{path}: nobody can know, and yet {setting}")
        elif handling is not UNSUPPORTED and (setting.differs or not setting.found):
            wrong.append(f"{path}: {handling}, but {setting}")
    assert wrong == []


def test_what_is_not_as_asked_for_is_evidence(applied: tuple[dict[str, Row], Outcome]) -> None:
    _, found = applied
    told = {e.source.removeprefix("read back: ") for e in found.view.evidence if e.source.startswith("read back: ")}
    assert told == {setting.path for setting in found.settings.values() if setting.differs}


def others(lab: Lab) -> set[str]:
    return {name for name in lab.remains() if "default.other" in name}


def test_what_must_not_be_left_out_stops_the_vm(place: Lab) -> None:
    rows = {"cpu": Row("1", HONOURED), "memory": Row("64Mi", HONOURED), **REFUSALS}
    with pytest.raises(ProviderError, match=r"requireEncryption: true: disks are not encrypted") as caught:
        place.provider.plan(vm_of(place, rows))
    assert caught.value.refused
    assert others(place) == set()


def test_a_tpm_is_refused_where_nothing_emulates_it(place: Lab) -> None:
    rows = SMALL | {SECURITY + "tpmEnabled": Row("true", HONOURED)}
    if place.has_swtpm:
        assert place.provider.plan(vm_of(place, rows)).native.count("<tpm ") == 1
        return
    with pytest.raises(ProviderError, match=r"a TPM 2\.0 was asked for, but libvirt there can emulate none") as caught:
        place.provider.plan(vm_of(place, rows))
    assert caught.value.refused


SMALL = {"cpu": Row("1", HONOURED), "memory": Row("64Mi", HONOURED), "diskDefaults.size": Row("1Gi", HONOURED)}


def test_extra_disks_and_what_is_added_while_it_runs(place: Lab) -> None:
    """CPUs and memory are not only declared: they are added to the running VM."""
    rows = SMALL | {f"{PERFORMANCE}{each}HotAddEnabled": Row("true", HONOURED) for each in ("cpu", "memory")}
    vm = vm_of(place, rows, "  disks: [{name: data, sizeGiB: 3}, {name: log, sizeGiB: 1, type: thick}]\n")
    try:
        found = outcome(place, vm)
        for n, size in enumerate(("3 GiB", "1 GiB")):
            assert found.settings[f"VirtualMachine spec.disks[{n}].sizeGiB"].found == size
            assert found.accounts[f"VirtualMachine spec.disks[{n}].sizeGiB"].handling is HONOURED
        assert found.settings["VirtualMachine spec.disks[1].type"].found == "thick"
        domain = place.provider._connection.lookupByName("default.other")  # type: ignore[attr-defined]
        domain.setVcpusFlags(2, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        domain.attachDeviceFlags(
            "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>",
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )
        seen = place.provider.observe(vm)
        assert seen is not None
        drift = {setting.path: (setting.asked, setting.found) for setting in seen.settings if setting.differs}
        assert drift["VMClass spec.cpu"] == ("1", "2")
        assert drift["VMClass spec.memory"] == ("64 MiB", "192 MiB")
    finally:
        place.provider.destroy("default", "other")
    assert others(place) == set()


def test_ignition_goes_by_fw_cfg_and_not_by_the_command_line(place: Lab) -> None:
    ignition = (
        '  userData: {ignition: {inline: \'{"ignition": {"version": "3.3.0"}, "passwd": {"users": []}}\'}}\n'
        "  metaData: {cloudInit: {inline: 'a: b'}}\n"
    )
    vm = vm_of(place, SMALL, ignition)
    if place.provider._connection.getLibVersion() < 6_005_000:  # type: ignore[attr-defined]
        with pytest.raises(ProviderError, match=r"Ignition needs libvirt 6\.5\.0, that host has 6\.\d"):
            place.provider.plan(vm)
        return
    try:
        found = outcome(place, vm)
        assert found.accounts["VirtualMachine spec.userData.ignition.inline"].handling is HONOURED
        assert found.accounts["VirtualMachine spec.metaData.cloudInit.inline"].handling is UNSUPPORTED
        domain = place.provider._connection.lookupByName("default.other")  # type: ignore[attr-defined]
        live = ET.fromstring(domain.XMLDesc())
        assert live.find("devices/disk/target[@dev='vdb']") is None, "a seed that nobody reads"
        entry = live.find("sysinfo[@type='fwcfg']/entry[@name='opt/com.coreos/config']")
        assert entry is not None and not entry.text
        config = json.loads(Path(entry.get("file", "")).read_bytes())
        assert config["passwd"] == {"users": []}
        assert [unit["name"] for unit in config["systemd"]["units"]] == ["nestproof-install.service"]
        (command,) = processes(f"name=opt/com.coreos/config,file={entry.get('file')}")
        assert "passwd" not in command
        assert not place.provider.plan(vm).changes
        broken = replace(vm, ignition='{"ignition": {"version": "3.3.0"}, "storage": []}')
        with pytest.raises(ProviderError, match=r"^<stdin>:\d+:\d+: storage of the Ignition config is not a mapping"):
            place.provider.plan(broken)
    finally:
        place.provider.destroy("default", "other")
    assert others(place) == set()


def test_networks_of_a_daemon(daemon: Lab) -> None:
    networks = (
        "  networks:\n  - {name: bridged, ipAddress: 192.0.2.9, prefix: 26, gateway: 192.0.2.1}\n"
        "  - {name: lan, networkRef: {name: lan}, macAddress: '52:54:00:AB:CD:EF'}\n"
        f"---\n{HEAD}VMNetworkAttachment\nmetadata: {{name: lan}}\n"
        "spec: {network: {libvirt: {bridge: {name: nestbr0}, model: e1000e}}}\n"
    )
    try:
        found = outcome(daemon, vm_of(daemon, SMALL, networks))
        first = found.settings["VirtualMachine spec.networks[0].name"]
        mac = first.asked.split()[-1]
        assert first.found == first.asked == f"network bridged virtio {mac}"
        assert found.accounts["VirtualMachine spec.networks[0].ipAddress"].handling is HONOURED
        domain = daemon.provider._connection.lookupByName("default.other")  # type: ignore[attr-defined]
        seed = ET.fromstring(domain.XMLDesc()).find("devices/disk/target[@dev='vdb']/../source")
        assert seed is not None
        carried = Path(seed.get("file", "")).read_bytes()
        for words in (mac, '"addresses": ["192.0.2.9/26"]', '"via": "192.0.2.1"', '"dhcp4": true'):
            assert words.encode() in carried, words
        second = found.settings["VirtualMachine spec.networks[1].name"]
        assert second.found == second.asked == "bridge nestbr0 e1000e 52:54:00:ab:cd:ef"
    finally:
        daemon.provider.destroy("default", "other")
    assert others(daemon) == set()
