"""The account is complete: every leaf of every schema has an entry, and no entry is idle."""

import pytest
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, outcome

from provision.accounting import TABLES, account, account_fields, look_up
from provision.accounting_versions import OLDEST, SINCE, Version
from provision.manifests.leaves import schema_leaves
from provision.manifests.schemas import KINDS
from provision.model import FieldAccount, Handling

LEAVES = sorted(f"{kind} {leaf}" for kind, (_, schema) in KINDS.items() for leaf in schema_leaves(schema))


def accounts(*documents: str) -> dict[str, FieldAccount]:
    vms, _ = outcome(PROVIDER, *documents)
    (vm,) = vms
    return {entry.path: entry for entry in account(vm, "libvirt")}


@pytest.mark.parametrize("provider", sorted(TABLES))
def test_every_leaf_has_an_entry(provider: str) -> None:
    assert len(LEAVES) > 300
    for leaf in LEAVES:
        _, how = look_up(TABLES[provider], leaf)
        assert how


@pytest.mark.parametrize("provider", sorted(TABLES))
def test_every_entry_is_of_some_leaf(provider: str) -> None:
    table = TABLES[provider]
    for pattern in table:
        path = pattern.partition("=")[0]
        stem = path.removesuffix("**")
        assert any(
            leaf == path
            or (stem != path and leaf.startswith(stem))
            or (leaf[-2:] == ".*" and path.startswith(leaf[:-1]))
            for leaf in LEAVES
        ), pattern


def test_the_most_telling_pattern_wins() -> None:
    table = {
        "K a.**": (Handling.UNSUPPORTED, "below a"),
        "K a.b.**": (Handling.REFUSED, "below b"),
        "K a.b.c": (Handling.HONOURED, "c"),
        "K a.b.c=x": (Handling.APPROXIMATED, "c is x"),
        "K m.x.y/z": (Handling.HONOURED, "the key"),
        "K m.**": (Handling.INFORMATIVE, "any key"),
    }
    assert look_up(table, "K a.z")[1] == "below a"
    assert look_up(table, "K a.b.z[]")[1] == "below b"
    assert look_up(table, "K a.b.c")[1] == "c"
    assert look_up(table, "K a.b.c", value="x")[1] == "c is x"
    assert look_up(table, "K m.*", "K m.x.y/z")[1] == "the key"
    assert look_up(table, "K m.*", "K m.other")[1] == "any key"
    with pytest.raises(KeyError):
        look_up(table, "K b")


@pytest.mark.parametrize("provider", sorted(TABLES))
def test_every_version_is_of_some_entry(provider: str) -> None:
    """What changed with a version is a leaf, and is otherwise now, else there would be nothing to say."""
    assert SINCE.keys() == OLDEST.keys() == TABLES.keys()
    for pattern, since in SINCE[provider].items():
        path, _, value = pattern.partition("=")
        leaf = path.replace("**", "inline")
        assert look_up(TABLES[provider], leaf, leaf, value or None)[0] != since.before[0]
        assert since.version > OLDEST[provider]


def test_versions_of_proxmox_are_those_that_its_provider_refuses() -> None:
    pytest.importorskip("proxmoxer", reason="proxmoxer is not installed (pip install 'nestproof[proxmox]')")
    from provision.providers.proxmox.gates import GATES

    assert {gate.path: gate.since for gate in GATES} == {
        path: since.version.parts for path, since in SINCE["proxmox"].items() if "securityProfile" in path
    }


def test_versions_of_libvirt_are_those_that_its_provider_tells_apart() -> None:
    pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
    from provision.providers.libvirt import machine

    def number(version: Version) -> int:
        return version.parts[0] * 1_000_000 + version.parts[1] * 1000

    assert number(OLDEST["libvirt"]) == machine.OLDEST
    known = {number(since.version) for since in SINCE["libvirt"].values()}
    assert known == {machine.FW_CFG, machine.FIRMWARE_FEATURES}


@pytest.mark.parametrize(
    ("version", "handling"), [("6.4", Handling.REFUSED), ("6.5", Handling.HONOURED), ("12", Handling.HONOURED)]
)
def test_a_field_is_accounted_for_by_version(version: str, handling: Handling) -> None:
    ignition = '  userData: {ignition: {inline: \'{"ignition": {"version": "3.0.0"}}\'}}\n'
    (vm,), _ = outcome(PROVIDER, CLASS, IMAGE, VM + ignition)
    found = {a.path: a for a in account_fields(vm.fields, "libvirt", Version.read(version))}
    assert found["VirtualMachine spec.userData.ignition.inline"].handling is handling
    assert found["VMClass spec.cpu"].handling is Handling.HONOURED


def test_what_was_set_is_accounted_for_and_nothing_else() -> None:
    found = accounts(
        CLASS
        + "  performanceProfile: {nestedVirtualization: true, cpuHotAddEnabled: false, memoryHotAddEnabled: true}\n",
        IMAGE.replace("{path: disk.qcow2}", "{path: disk.qcow2}, proxmox: {templateID: 100}"),
        VM.replace("{name: v}", "{name: v, annotations: {nestproof.org/accel: auto, other.example/x: y}}")
        + "  powerState: OffGraceful\n  tags: [a, b]\n",
    )
    handled = {path: entry.handling for path, entry in found.items() if " spec." in path or "annotations" in path}
    assert {p: h for p, h in handled.items() if not p.startswith("Provider")} == {
        "VirtualMachine metadata.annotations.nestproof.org/accel": Handling.HONOURED,
        "VirtualMachine metadata.annotations.other.example/x": Handling.INFORMATIVE,
        "VirtualMachine spec.providerRef.name": Handling.HONOURED,
        "VirtualMachine spec.classRef.name": Handling.HONOURED,
        "VirtualMachine spec.imageRef.name": Handling.HONOURED,
        "VirtualMachine spec.networks[0].name": Handling.APPROXIMATED,
        "VirtualMachine spec.powerState": Handling.HONOURED,
        "VirtualMachine spec.tags[0]": Handling.INFORMATIVE,
        "VirtualMachine spec.tags[1]": Handling.INFORMATIVE,
        "VMClass spec.cpu": Handling.HONOURED,
        "VMClass spec.memory": Handling.HONOURED,
        "VMClass spec.performanceProfile.nestedVirtualization": Handling.HONOURED,
        "VMClass spec.performanceProfile.cpuHotAddEnabled": Handling.HONOURED,
        "VMClass spec.performanceProfile.memoryHotAddEnabled": Handling.HONOURED,
        "VMImage spec.source.libvirt.path": Handling.HONOURED,
        "VMImage spec.source.proxmox.templateID": Handling.INFORMATIVE,
    }
    assert found["VMClass spec.performanceProfile.cpuHotAddEnabled"].how == "the default: it asks for nothing"
    hot_add = found["VMClass spec.performanceProfile.memoryHotAddEnabled"]
    assert (hot_add.value, str(hot_add.origin)) == ("true", "<stdin>:12:77")


def test_values_of_secrets_are_not_in_the_account() -> None:
    user_data = '  userData: {cloudInit: {inline: "#cloud-config\\npassword: hunter2"}}\n'
    source = "url: 'https://u:hunter2@h/i'"
    found = accounts(CLASS, IMAGE.replace("path: disk.qcow2", source), VM + user_data)
    assert found["VirtualMachine spec.userData.cloudInit.inline"].value == "(31 characters)"
    assert found["VMImage spec.source.libvirt.url"].value == "https://u:***@h/i"
    assert "hunter2" not in repr(found)
