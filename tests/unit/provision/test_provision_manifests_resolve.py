"""Documents joined into wanted VMs: references, namespaces, defaults, overrides, secrets, origins."""

import base64
import gzip
from pathlib import Path

import pytest
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, lines, outcome, read, rules
from vm_factory import net

from provision.manifests.documents import load
from provision.manifests.resolve import resolve
from provision.model import (
    AccelPolicy,
    Checksum,
    Collector,
    CpuPolicy,
    ExtraDisk,
    Firmware,
    HttpRequest,
    LibraryItem,
    Limits,
    Origin,
    ProviderSpec,
    VmSpec,
)

HEX = "0123456789abcdef" * 4
BOMB = base64.b64encode(gzip.compress(bytes(2 << 20))).decode()
NETWORK = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMNetworkAttachment
metadata: {name: lan}
spec: {network: {libvirt: {networkName: br-lan}}}
"""


def one(*documents: str, connect: str | None = None) -> VmSpec:
    vms, problems = outcome(*documents, connect=connect)
    assert lines([p for p in problems if p.severity == "error"]) == []
    (vm,) = vms
    return vm


def secret(entries: str, namespace: str = "default") -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: {namespace}}}\n{entries}\n"


def test_the_defaults_of_the_definitions() -> None:
    vm = one(PROVIDER, CLASS, IMAGE, VM)
    assert vm.key == "default/v"
    assert (vm.cpus, vm.memory_mib, vm.disk_gib, vm.firmware) == (8, 16384, 40, Firmware.BIOS)
    assert (vm.nested, vm.secure_boot, vm.power_on, vm.accel) == (False, False, True, AccelPolicy.KVM)
    assert (vm.user_data, vm.meta_data, vm.networks) == (
        None,
        None,
        (net("default", origin=Origin("<stdin>", 25, 14)),),
    )
    assert (vm.image.path, vm.image.url, vm.image.format) == (Path("disk.qcow2").resolve(), None, "qcow2")
    assert vm.provider == ProviderSpec("p", "libvirt", "qemu:///embed", Origin("<stdin>", 1, 1))


def test_everything_that_is_set_arrives() -> None:
    a_class = (
        CLASS.replace("16Gi", "1.5Gi")
        + """\
  firmware: EFI
  diskDefaults: {type: thick, size: 5G}
  performanceProfile:
    nestedVirtualization: true
    virtualizationBasedSecurity: true
    cpuHotAddEnabled: true
    memoryHotAddEnabled: true
    latencySensitivity: high
    hyperThreadingPolicy: avoid
  securityProfile: {secureBoot: true, tpmEnabled: true, tpmVersion: 1.2, vtdEnabled: true}
  resourceLimits: {cpuLimit: 2000, cpuReservation: 1000, cpuShares: 5, memoryLimit: 2Gi, memoryReservation: 1G}
"""
    )
    vm = one(
        PROVIDER,
        a_class,
        IMAGE.replace("path: disk.qcow2", f"url: 'https://h/i.raw', format: raw, checksum: {HEX}"),
        NETWORK,
        VM.replace(
            "{name: v}",
            "{name: v, annotations: {nestproof.org/accel: tcg, nestproof.org/cpu: host-passthrough, "
            "nestproof.org/collector: 'https://np.example'}}",
        ).replace("[{name: default}]", "[{name: a}, {name: b, networkRef: {name: lan}}]")
        + '  disks: [{name: data, sizeGiB: 3, type: ssd}]\n  tags: [x]\n  powerState: "Off"\n'
        + "  resources: {cpu: 3, memoryMiB: 700}\n  metaData: {cloudInit: {inline: 'a: b'}}\n",
    )
    assert (vm.cpus, vm.memory_mib, vm.disk_gib, vm.disk_type) == (3, 700, 5, "thick")
    assert (vm.firmware, vm.nested, vm.secure_boot, vm.power_on) == (Firmware.UEFI, True, True, False)
    assert (vm.vbs, vm.tpm, vm.tpm_version, vm.vtd) == (True, True, "1.2", True)
    assert (vm.cpu_hot_add, vm.memory_hot_add) == (True, True)
    assert (vm.latency_sensitivity, vm.hyper_threading) == ("high", "avoid")
    assert vm.limits == Limits(2000, 1000, 5, 2048, 954)
    assert (vm.disks, vm.tags) == ((ExtraDisk("data", 3, "ssd"),), ("x",))
    assert [(n.name, n.source, n.kind) for n in vm.networks] == [("a", "a", "network"), ("b", "br-lan", "network")]
    assert vm.collector == Collector("https://np.example/report")
    assert (vm.accel, vm.cpu, vm.meta_data) == (AccelPolicy.TCG, CpuPolicy.HOST_PASSTHROUGH, "a: b")
    assert (vm.image.url, vm.image.format, vm.image.checksum) == ("https://h/i.raw", "raw", Checksum("sha256", HEX))


def test_a_relative_image_path_starts_at_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "image.yaml").write_text(IMAGE.replace("disk.qcow2", "../disk.qcow2"))
    (tmp_path / "vm.yaml").write_text(PROVIDER + "---\n" + CLASS + "---\n" + VM)
    vms, _ = resolve(load([tmp_path / "vm.yaml", tmp_path / "deep"]))
    assert vms[0].image.path == tmp_path / "disk.qcow2"
    absolute = one(PROVIDER, CLASS, IMAGE.replace("disk.qcow2", "/srv/../x.qcow2"), VM)
    assert absolute.image.path == Path("/srv/../x.qcow2"), "it may be a path of another host"


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        (
            (PROVIDER, IMAGE, VM, CLASS.replace("{name: c}", "{name: c, namespace: virtrigaud-system}")),
            "<stdin>:16:20: error: VirtualMachine spec.classRef.name: VMClass c is in namespace virtrigaud-system "
            "(<stdin>:20:1), not in default: a reference without namespace looks in the VM's own; add the namespace "
            "[reference-namespace]",
        ),
        (
            (PROVIDER, IMAGE, VM.replace("classRef: {name: c}", "classRef: {name: clas}"),
             CLASS.replace("{name: c}", "{name: class}")),
            "error: VirtualMachine spec.classRef.name: there is no VMClass default/clas (did you mean class?): "
            "no document given has this name there; add its file, or correct the name [reference]",
        ),
        (
            (PROVIDER, CLASS, IMAGE, VM.replace("{name: i}", "{name: i, namespace: other}")),
            "VMImage i is in namespace default (<stdin>:13:1), not in other: no document given has this name there; "
            "add its file, or correct the name [reference]",
        ),
        (
            (PROVIDER, CLASS, IMAGE.replace("{path: disk.qcow2}", "{path: disk.vmdk, format: vmdk}"), VM),
            "error: VMImage spec.source.libvirt.format: the format is vmdk: disks are made from qcow2 and raw, and",
        ),
        (
            (PROVIDER, CLASS, IMAGE.replace("libvirt: {path: disk.qcow2}", ""), VM),
            "error: VMImage spec.source: spec.source names no image: no provider has anything to start from; set one",
        ),
        ((CLASS, IMAGE, VM), "error: VirtualMachine spec.providerRef.name: there is no Provider default/p: "),
        ((PROVIDER, CLASS, VM), "error: VirtualMachine spec.imageRef.name: there is no VMImage default/i: "),
        (
            (PROVIDER, CLASS, IMAGE, VM.replace("{name: default}", "{name: a, networkRef: {name: lna}}"), NETWORK),
            "spec.networks[0].networkRef.name: there is no VMNetworkAttachment default/lna (did you mean lan?)",
        ),
        (
            (PROVIDER, CLASS, IMAGE, VM.replace("{name: default}", "{name: a, networkRef: {name: lan}}"),
             NETWORK.replace("libvirt: {networkName: br-lan}", "proxmox: {bridge: vmbr0}")),
            "spec.networks[0].networkRef: VMNetworkAttachment default/lan has no libvirt.networkName or "
            "libvirt.bridge.name: each provider attaches NICs by its own part",
        ),
        ((PROVIDER, CLASS, VM.replace("  imageRef: {name: i}\n", "")), "spec: imageRef is not set: "),
        (
            (PROVIDER, CLASS, IMAGE.replace("libvirt: {path: disk.qcow2}", "vsphere: {templateName: t}"), VM),
            "error: VMImage spec.source: spec.source has vsphere, a libvirt provider needs libvirt.path, libvirt.url, "
            "http.url or registry.image: each provider starts from its own part of spec.source; add that part",
        ),
        (
            (PROVIDER, CLASS, IMAGE, VM.replace("{name: v}", "{name: v, annotations: {nestproof.org/accel: hvf}}")),
            'metadata.annotations.nestproof.org/accel: "hvf" is no accelerator: the accelerators are kvm,',
        ),
        (
            (PROVIDER, CLASS, IMAGE, VM.replace("{name: v}", "{name: v, annotations: {nestproof.org/collector: np}}")),
            "metadata.annotations.nestproof.org/collector: np is not https://HOST[:PORT]: a report travels with",
        ),
        (
            (PROVIDER, CLASS, IMAGE, VM.replace("{name: v}", "{name: v, annotations: {nestproof.org/cpu: host}}")),
            'metadata.annotations.nestproof.org/cpu: "host" is no CPU to show: the CPUs to show a guest are',
        ),
        (
            (PROVIDER, CLASS, IMAGE.replace("path: disk.qcow2", "url: 'https://h/', checksum: abc"), VM),
            "VMImage spec.source.libvirt.checksum: the checksum has 3 hexadecimal digits where sha256 has 64; ",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_one_line(documents: tuple[str, ...], expected: str) -> None:
    vms, problems = outcome(*documents)
    assert vms == []
    (line,) = lines(problems)
    assert expected in line


def test_a_reference_may_name_another_namespace() -> None:
    vm = one(
        PROVIDER,
        IMAGE,
        CLASS.replace("{name: c}", "{name: c, namespace: shared}"),
        VM.replace("classRef: {name: c}", "classRef: {name: c, namespace: shared}"),
    )
    assert vm.cpus == 8


def test_a_document_that_violates_its_schema_is_found_and_said_once() -> None:
    vms, problems = outcome(PROVIDER, CLASS.replace("cpu: 8", "cpu: 0"), IMAGE, VM)
    assert vms == []
    assert rules(problems) == ["field-value"]


@pytest.mark.parametrize(
    ("uri", "kind"), [("qemu+ssh://h/system", "libvirt"), ("test:///default", "libvirt"), ("vsphere://vc", "vsphere")]
)
def test_connect_stands_in_for_the_provider(uri: str, kind: str) -> None:
    image = IMAGE.replace("libvirt: {path: disk.qcow2}", "libvirt: {path: disk.qcow2}, vsphere: {templateName: t}")
    for documents in ((CLASS, image, VM), (PROVIDER, CLASS, image, VM)):
        assert one(*documents, connect=uri).provider == ProviderSpec("p", kind, uri, None)


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("vsphere", "vsphere: {templateName: t}", {"template": "t"}),
        (
            "vsphere",
            "vsphere: {contentLibrary: {library: l, item: i}}",
            {"library_item": LibraryItem("l", "i")},
        ),
        ("vsphere", "vsphere: {ovaURL: 'https://h/x.ova'}", {"url": "https://h/x.ova"}),
        ("vsphere", "http: {url: 'https://h/x.ova'}", {"url": "https://h/x.ova"}),
        ("proxmox", "proxmox: {templateID: 9000, node: n, fullClone: false}",
         {"template_id": 9000, "node": "n", "full_clone": False}),
        ("proxmox", "proxmox: {templateName: n}", {"template": "n"}),
        ("proxmox", "proxmox: {storage: local}, http: {url: 'https://h/x.qcow2'}",
         {"url": "https://h/x.qcow2", "storage": "local", "format": "qcow2"}),
    ],
)  # fmt: skip
def test_images_of_the_other_providers(kind: str, source: str, expected: dict[str, object]) -> None:
    provider = PROVIDER.replace("libvirt", kind).replace("qemu:///embed", "https://host")
    image = one(provider, CLASS, IMAGE.replace("libvirt: {path: disk.qcow2}", source), VM).image
    starts = ("path", "url", "template", "template_id", "library_item")
    found = {name: getattr(image, name) for name in {*starts, *expected} if getattr(image, name) is not None}
    assert found == expected


@pytest.mark.parametrize(
    ("kind", "source"), [("vsphere", "vsphere: {checksum: abc}"), ("proxmox", "proxmox: {node: n}")]
)
def test_an_image_without_a_start_is_refused(kind: str, source: str) -> None:
    provider = PROVIDER.replace("libvirt", kind).replace("qemu:///embed", "https://host")
    _, problems = outcome(provider, CLASS, IMAGE.replace("libvirt: {path: disk.qcow2}", source), VM)
    assert "image-empty" in rules(problems)


def test_without_any_provider_the_environment_says_where_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+ssh://root@hail/system")
    vms, problems = outcome(CLASS, IMAGE, VM)
    assert vms[0].provider == ProviderSpec("p", "libvirt", "qemu+ssh://root@hail/system", None)
    assert [(p.rule, p.severity) for p in problems if "LIBVIRT_DEFAULT_URI" in p.message] == [
        ("provider-from-environment", "warning")
    ]
    assert one(CLASS, IMAGE, VM, connect="qemu:///session").provider.endpoint == "qemu:///session"
    assert one(CLASS, IMAGE, VM, PROVIDER).provider.endpoint != "qemu+ssh://root@hail/system"
    other = PROVIDER.replace("name: p", "name: another")
    assert "reference" in rules(outcome(CLASS, IMAGE, VM, other)[1]), "a misspelt name leads nowhere else"


def test_a_download_may_need_secrets() -> None:
    http = "http: {url: 'https://h/i', headers: {X: y}, authentication: {basicAuth: {secretRef: {name: s}}}}"
    image = IMAGE.replace("libvirt: {path: disk.qcow2}", http)
    request = one(PROVIDER, CLASS, image, VM, secret("stringData: {username: u, password: hunter2}")).image.request
    assert request == HttpRequest({"X": "y"}, "u", "hunter2")
    assert "hunter2" not in repr(request)
    _, problems = outcome(PROVIDER, CLASS, image, VM, secret("stringData: {username: u}"))
    assert (
        "VMImage spec.source.http.authentication.basicAuth.secretRef: Secret default/s has none of the keys password"
        in (str(problems[-1]))
    )


def test_an_http_source_serves_libvirt() -> None:
    image = one(
        PROVIDER,
        CLASS,
        IMAGE.replace("libvirt: {path: disk.qcow2}", f"http: {{url: 'https://h/i', checksum: {HEX}}}"),
        VM,
    ).image
    assert (image.url, image.checksum) == ("https://h/i", Checksum("sha256", HEX))


USERDATA = "  userData: {cloudInit: {secretRef: {name: s}}}\n"


@pytest.mark.parametrize("key", ["userdata", "user-data", "cloud-init", "cloud-config"])
def test_user_data_from_a_secret(key: str) -> None:
    text = "#cloud-config\npassword: hunter2\n"
    encoded = base64.b64encode(text.encode()).decode()
    packed = base64.b64encode(gzip.compress(text.encode())).decode()
    for entries in (
        f'stringData: {{{key}: "#cloud-config\\npassword: hunter2\\n"}}',
        f"data: {{{key}: {encoded}}}",
        f"data: {{{key}: {packed}}}",
    ):
        vm = one(PROVIDER, CLASS, IMAGE, VM + USERDATA, secret(entries))
        assert vm.user_data == text
        assert "hunter2" not in repr(vm) + repr(vm.fields)
        assert encoded not in repr(vm.fields)


@pytest.mark.parametrize(
    ("entries", "namespace", "expected"),
    [
        ("data: {user-data: '*'}", "default", "Secret data.user-data: the value is not base64"),
        ("data: {user-data: //79}", "default", "Secret data.user-data: the value is not UTF-8 text"),
        ("data: {user-data: H4sI}", "default", "Secret data.user-data: the value is gzip that was cut off"),
        ("data: {user-data: H4v/////}", "default", "Secret data.user-data: the value is damaged gzip"),
        (f"data: {{user-data: {BOMB}}}", "default", "Secret data.user-data: the value unpacks to more than 1 MiB"),
        ("data: {other: ''}", "default", "Secret default/s has none of the keys userdata, user-data, cloud-init or"),
        ("data: {user-data: ''}", "other", "Secret s is in namespace other (<stdin>:28:1), not in default"),
        ("stringData: {user-data: x}", "default", 'Secret stringData.user-data: user-data begins with "x": cloud-init'),
    ],
)
def test_secrets_that_cannot_be_used(entries: str, namespace: str, expected: str) -> None:
    vms, problems = outcome(PROVIDER, CLASS, IMAGE, VM + USERDATA, secret(entries, namespace))
    assert vms == []
    (line,) = lines(problems)
    assert expected in line


@pytest.mark.parametrize(
    ("network", "noted"),
    [
        ("{type: bridged, libvirt: {networkName: br-lan}}", True),
        ("{libvirt: {networkName: br-lan}}", True),
        ("{libvirt: {networkName: br-lan, filterRef: {filter: clean-traffic}}}", False),
        ("{type: isolated, libvirt: {networkName: br-lan}}", False),
    ],
)
def test_a_vm_that_runs_vms_on_a_shared_network_is_a_note(network: str, noted: bool) -> None:
    vm = VM.replace("[{name: default}]", "[{name: a}, {name: b, networkRef: {name: lan}}]")
    attachment = NETWORK.replace("{libvirt: {networkName: br-lan}}", network)
    limits = "  resourceLimits: {cpuShares: 100}\n"
    _, problems = outcome(PROVIDER, CLASS + limits, IMAGE, attachment, vm)
    assert rules(problems) == []
    nested = limits + "  performanceProfile: {nestedVirtualization: true}\n"
    _, problems = outcome(PROVIDER, CLASS + nested, IMAGE, attachment, vm)
    assert rules(problems) == ["nested-isolation"] * noted
    assert noted is any("it runs VMs, and other machines may be on b:" in line for line in lines(problems))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("ipAddress: 192.0.2.7, prefix: 24", "ipAddress: 192.0.2.7, prefix: 24", "192.0.2.7"),
        ("macAddress: '52:54:00:aa:00:01'", "macAddress: 52-54-00-AA-00-01", "52:54:00:aa:00:01"),
        ("ipAddress: 192.0.2.7, prefix: 24", "ipAddress: 192.0.2.8, prefix: 24", ""),
        ("ipAddress: 192.0.2.7, prefix: 24", "name: other, ipAddress: 192.0.2.7, prefix: 24", ""),
    ],
)
def test_an_address_of_two_machines(first: str, second: str, said: str) -> None:
    vms = [
        VM.replace("name: v", name).replace("{name: default}", f"{{{'' if 'name' in nic else 'name: default, '}{nic}}}")
        for name, nic in (("name: v", first), ("name: w", second))
    ]
    _, problems = outcome(PROVIDER, CLASS, IMAGE, *vms)
    assert [p.message.partition(":" if "." in said else " is")[0] for p in problems if p.rule == "address-twice"] == (
        [f"{said} is that of default/v too"] if "." in said else [said] if said else []
    )


def test_no_networks_is_a_note() -> None:
    vms, problems = outcome(PROVIDER, CLASS, IMAGE, VM.replace("  networks: [{name: default}]\n", ""))
    assert vms[0].networks == ()
    assert rules(problems) == ["no-networks"]


def test_origins_exist_for_fields_that_are_not_set() -> None:
    vm = one(PROVIDER, CLASS, IMAGE, VM)
    nested = "VMClass spec.performanceProfile.nestedVirtualization"
    assert str(vm.origins[nested]) == "<stdin>:9:1", "spec of the class"
    vm = one(PROVIDER, CLASS + "  performanceProfile: {cpuHotAddEnabled: true}\n", IMAGE, VM)
    assert str(vm.origins[nested]) == "<stdin>:12:3", "the profile"
    vm = one(PROVIDER, CLASS + "  performanceProfile:\n    nestedVirtualization: true\n", IMAGE, VM)
    assert str(vm.origins[nested]) == "<stdin>:13:5", "the field"
    assert str(vm.origins["vm"]) == "<stdin>:20:1"
    assert str(vm.origins["VirtualMachine spec.networks[0].name"]) == "<stdin>:27:15"


def test_problems_come_in_the_order_of_the_file_and_once() -> None:
    second = VM.replace("{name: v}", "{name: w}")
    vms, problems = outcome(VM, second, CLASS, IMAGE.replace("path: disk.qcow2", "storagePool: x"), PROVIDER)
    assert vms == []
    assert len(problems) == 1, "two VMs share the image that is at fault"
    _, problems = outcome(VM + "  bad: 1\n  tags: 1\n", CLASS + "  bad: 1\n")
    assert [p.origin.line for p in problems] == sorted(p.origin.line for p in problems)


def test_nothing_given_is_nothing_wanted() -> None:
    documents = read("")
    assert resolve(documents) == ([], list(documents.problems))
