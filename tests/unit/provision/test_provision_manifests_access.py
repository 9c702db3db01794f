"""What a VM needs of its provider besides an endpoint: credentials, trust, places and networks; secrets never show."""

import base64
import json
from pathlib import Path

import pytest
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, joined, outcome, read, rules

from provision.manifests import access
from provision.manifests.resolve import resolve
from provision.model import (
    Credentials,
    GuestAddress,
    NetworkKind,
    NetworkSpec,
    Placement,
    Problem,
    VmSpec,
)

IMAGES = IMAGE.replace(
    "libvirt: {path: disk.qcow2}",
    "libvirt: {path: disk.qcow2}, vsphere: {templateName: t}, proxmox: {templateID: 9000}",
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
CA = "-----BEGIN CERTIFICATE-----\n"


def provider(kind: str, more: str = "") -> str:
    endpoint = "qemu:///embed" if kind == "libvirt" else "https://host"
    return PROVIDER.replace("type: libvirt", f"type: {kind}{more}").replace("qemu:///embed", endpoint)


def joins(*documents: str, connect: str | None = None, **environment: str) -> tuple[VmSpec, list[Problem]]:
    vms, problems = resolve(read(joined(*documents)), connect, environment)
    assert [str(p) for p in problems if p.severity == "error"] == []
    (vm,) = vms
    return vm, problems


def faults(*documents: str, **environment: str) -> list[str]:
    return rules(resolve(read(joined(*documents)), None, environment)[1])


def test_credentials_of_a_secret_document() -> None:
    encoded = base64.b64encode(b"hunter2\n").decode()
    secret = f"{SECRET}stringData: {{username: u, ca.crt: '{CA.strip()}'}}\ndata: {{password: {encoded}}}\n"
    vm, _ = joins(provider("vsphere"), CLASS, IMAGES, VM, secret, GOVC_USERNAME="other", GOVC_PASSWORD="other")
    assert vm.provider.credentials == Credentials("Secret default/s", "u", "hunter2")
    assert vm.provider.ca == CA.strip()
    assert "hunter2" not in repr(vm)


@pytest.mark.parametrize(
    ("kind", "environment", "expected"),
    [
        (
            "vsphere",
            {"GOVC_USERNAME": "u", "GOVC_PASSWORD": "p"},
            Credentials("environment (GOVC_USERNAME, GOVC_PASSWORD)", "u", "p"),
        ),
        (
            "proxmox",
            {"PROXMOX_TOKEN_ID": "root@pam!t", "PROXMOX_TOKEN_SECRET": "x"},
            Credentials(
                "environment (PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET)", token_id="root@pam!t", token_secret="x"
            ),
        ),
        (
            "proxmox",
            {"PROXMOX_VE_API_TOKEN": "root@pam!t=x=y"},
            Credentials("environment (PROXMOX_VE_API_TOKEN)", token_id="root@pam!t", token_secret="x=y"),
        ),
        (
            "proxmox",
            {"NESTPROOF_SECRET_S_USERNAME": "u", "NESTPROOF_SECRET_S_TOKEN_ID": "i", "PROXMOX_USER": "not this"},
            Credentials("the environment (NESTPROOF_SECRET_S_…)", "u", token_id="i"),
        ),
        ("libvirt", {"GOVC_USERNAME": "u"}, None),
    ],
)
def test_credentials_of_the_environment(kind: str, environment: dict[str, str], expected: Credentials | None) -> None:
    vm, problems = joins(provider(kind), CLASS, IMAGES, VM, **environment)
    assert vm.provider.credentials == expected
    assert "no-credentials" not in rules(problems)


def test_credentials_of_mounted_files(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "username").write_text("u\n")
    (tmp_path / "s" / "password").write_text("hunter2")
    vm, _ = joins(provider("vsphere"), CLASS, IMAGES, VM, NESTPROOF_SECRETS=str(tmp_path))
    assert vm.provider.credentials == Credentials(f"the directory {tmp_path / 's'}", "u", "hunter2")
    (tmp_path / "s" / "password").write_bytes(b"\xff")
    assert "secret-value" in faults(provider("vsphere"), CLASS, IMAGES, VM, NESTPROOF_SECRETS=str(tmp_path))


def test_user_data_may_come_from_outside() -> None:
    text = "  userData: {cloudInit: {secretRef: {name: my-data}}}\n"
    vm, _ = joins(PROVIDER, CLASS, IMAGE, VM + text, NESTPROOF_SECRET_MY_DATA_USER_DATA="#cloud-config\n{}")
    assert vm.user_data == "#cloud-config\n{}"


def test_who_needs_credentials_and_has_none_is_told() -> None:
    for kind in ("vsphere", "proxmox"):
        _, problems = joins(provider(kind), CLASS, IMAGES, VM)
        assert rules(problems).count("no-credentials") == 1


def test_trust(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    vm, _ = joins(provider("vsphere"), CLASS, IMAGES, VM, GOVC_TLS_CA_CERTS=str(tmp_path / "ca.pem"), GOVC_INSECURE="1")
    assert (vm.provider.ca, vm.provider.insecure) == (CA, True)
    vm, problems = joins(provider("proxmox", ", insecureSkipVerify: true"), CLASS, IMAGES, VM)
    assert (vm.provider.ca, vm.provider.insecure) == (None, True)
    assert "insecure-tls" in rules(problems)
    assert "ca-unreadable" in faults(provider("vsphere"), CLASS, IMAGES, VM, GOVC_TLS_CA_CERTS="/nowhere")


def test_the_vms_placement_wins_over_the_providers_over_the_environments() -> None:
    defaults = ", defaults: {cluster: c1, datastore: d1, network: net1}"
    vm, _ = joins(
        provider("vsphere", defaults),
        CLASS,
        IMAGES,
        VM.replace("  networks: [{name: default}]\n", "") + "  placement: {cluster: c2, host: h}\n",
        GOVC_DATASTORE="d3",
        GOVC_DATACENTER="dc3",
    )
    assert vm.placement == Placement(datacenter="dc3", cluster="c2", host="h", datastore="d1")
    assert [(n.source, n.kind) for n in vm.networks] == [("net1", NetworkKind.PORTGROUP)]


@pytest.mark.parametrize(
    ("uri", "kind", "user"),
    [
        ("vsphere://admin@vc/dc", "vsphere", "admin"),
        ("proxmox://pve:8006", "proxmox", None),
        ("proxmox://root@pam@pve:8006", "proxmox", "root@pam"),
        ("test:///x", "libvirt", None),
    ],
)
def test_an_endpoint_of_the_command_line(uri: str, kind: str, user: str | None) -> None:
    vm, _ = joins(CLASS, IMAGES, VM, connect=uri)
    assert (vm.provider.type, vm.provider.endpoint, vm.provider.origin) == (kind, uri, None)
    assert (vm.provider.credentials.username if vm.provider.credentials else None) == user
    assert vm.placement.datacenter == ("dc" if kind == "vsphere" else None)


ATTACHMENT = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMNetworkAttachment
metadata: {name: lan}
spec:
  network:
    mtu: 9000
    libvirt: {bridge: {name: br0}, model: e1000, driver: {queues: 4}}
    vsphere: {portgroup: pg, distributedSwitch: {name: dvs}, vlan: {vlanID: 7}, security: {allowPromiscuous: true}}
    proxmox: {bridge: vmbr1, vlanTag: 8, firewall: true, rateLimit: 9}
  ipAllocation:
    type: Static
    staticConfig: {address: 192.0.2.9/26, gateway: 192.0.2.1}
    dnsConfig: {servers: [192.0.2.2], searchDomains: [example.org]}
"""


def nic(kind: str, network: str = "{name: a, networkRef: {name: lan}}") -> NetworkSpec:
    vm, _ = joins(provider(kind), CLASS, IMAGES, VM.replace("{name: default}", network), ATTACHMENT)
    (found,) = vm.networks
    return found


def test_an_attachment_has_a_part_for_each_provider() -> None:
    libvirt, vsphere, proxmox = nic("libvirt"), nic("vsphere"), nic("proxmox")
    assert (libvirt.source, libvirt.kind, libvirt.model, libvirt.queues) == ("br0", NetworkKind.BRIDGE, "e1000", 4)
    assert (vsphere.source, vsphere.kind, vsphere.model) == ("pg", NetworkKind.PORTGROUP, "vmxnet3")
    assert (vsphere.switch, vsphere.vlan, vsphere.promiscuous) == ("dvs", 7, True)
    assert (proxmox.source, proxmox.kind, proxmox.model) == ("vmbr1", NetworkKind.BRIDGE, "virtio")
    assert (proxmox.vlan, proxmox.firewall, proxmox.rate_limit_mbs, proxmox.mtu) == (8, True, 9, 9000)


def test_a_static_address_has_a_mac_to_be_found_by() -> None:
    by_attachment = nic("libvirt")
    assert by_attachment.address == GuestAddress("192.0.2.9/26", "192.0.2.1", ("192.0.2.2",), ("example.org",))
    assert by_attachment.mac is not None
    assert by_attachment.mac.startswith("52:54:00:")
    vsphere = nic("vsphere").mac
    assert vsphere is not None
    assert vsphere.startswith("00:50:56:")
    assert int(vsphere.split(":")[3], 16) < 0x40, "the rest is vCenter's own"
    own = nic(
        "proxmox",
        "{name: a, networkRef: {name: lan}, ipAddress: 192.0.2.7, prefix: 25, macAddress: 'AA-BB-CC-00-11-22'}",
    )
    assert (own.address, own.mac) == (
        GuestAddress("192.0.2.7/25", None, ("192.0.2.2",), ("example.org",)),
        "aa:bb:cc:00:11:22",
    )
    plain = VM.replace("{name: default}", "{name: default, ipAddress: 192.0.2.7}")
    vm, problems = joins(PROVIDER, CLASS, IMAGE, plain)
    assert vm.networks[0].address == GuestAddress("192.0.2.7/24")
    assert joins(PROVIDER, CLASS, IMAGE, VM)[0].networks[0].mac is None, "the hypervisor's choice"
    mixed, _ = joins(PROVIDER, CLASS, IMAGE, plain.replace("}]", "}, {name: other}]"))
    assert [bool(nic.address) for nic in mixed.networks] == [True, False]
    assert len({nic.mac for nic in mixed.networks} - {None}) == 2, "also the one that goes on with DHCP"
    assert "static-address-prefix" in rules(problems)


def test_ignition() -> None:
    text = "  userData: {ignition: {inline: '%s'}}\n"
    vm, _ = joins(PROVIDER, CLASS, IMAGE, VM + text % '{"ignition": {"version": "3.4.0"}}')
    assert (vm.ignition, vm.user_data) == ('{"ignition": {"version": "3.4.0"}}', None)
    for wrong in ("variant: fcos", "[]", "{}", '{"ignition": {"version": "2.2.0"}}', "[" * 100_000):
        assert "ignition" in faults(PROVIDER, CLASS, IMAGE, VM + text % wrong), wrong[:40]
    for config, rule in (("replace", ["ignition-replaced"]), ("merge", [])):
        given = json.dumps({"ignition": {"version": "3.4.0", "config": {config: {"source": "https://h/c.ign"}}}})
        vms, problems = outcome(PROVIDER, CLASS, IMAGE, VM + text % given)
        assert [problem.rule for problem in problems] == rule
        assert len(vms) == 1
    both = '  userData: {ignition: {inline: "{}"}, cloudInit: {inline: "#cloud-config"}}\n'
    assert "ignition-with-cloud-init" in faults(PROVIDER, CLASS, IMAGE, VM + both)


def test_a_collector_is_an_https_address() -> None:
    assert access.report_url("https://np.example:8443/") == "https://np.example:8443/report"
    assert access.report_url("https://np.example/report") == "https://np.example/report"
    for wrong in (
        "http://np.example",
        "np.example",
        "https://",
        "https://u:hunter2@np.example",
        "https://np.example/?x",
    ):
        with pytest.raises(ValueError, match="is not https://HOST") as caught:
            access.report_url(wrong)
        assert "hunter2" not in str(caught.value)
