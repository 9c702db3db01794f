"""Every violation of a schema at once, in words for people, at the line and column of the key or value."""

import re

import pytest
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, lines, read

from provision.manifests import schemas
from provision.manifests.leaves import schema_leaves

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"


def test_all_errors_at_once() -> None:
    text = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {name: x}
spec:
  cpu: 200
  memoryMiB: 12
  firmware: uefi
  nestedVirtualization: true
  performanceProfile:
    nestedVirtualisation: true
    latencySensitivity: 3
    cpuHotAddEnabled: "true"
  diskDefaults:
  bogus: 1
"""
    head = "<stdin>:"
    assert sorted(lines(read(text).problems)) == sorted(
        head + line
        for line in (
            "4:1: error: VMClass spec.memory: is missing; every VMClass needs it [missing-field]",
            "5:8: error: VMClass spec.cpu: must be at most 128, got 200 [field-value]",
            "6:3: error: VMClass spec.memoryMiB: unknown field (did you mean memory?) [unknown-field]",
            '7:13: error: VMClass spec.firmware: expected BIOS, UEFI or EFI, got "uefi" '
            "(did you mean UEFI?) [field-value]",
            "8:3: error: VMClass spec.nestedVirtualization: unknown field here; "
            "it belongs at spec.performanceProfile.nestedVirtualization [unknown-field]",
            "10:5: error: VMClass spec.performanceProfile.nestedVirtualisation: unknown field "
            "(did you mean nestedVirtualization?) [unknown-field]",
            "11:25: error: VMClass spec.performanceProfile.latencySensitivity: "
            "expected low, normal or high, got 3 [field-value]",
            "12:23: error: VMClass spec.performanceProfile.cpuHotAddEnabled: "
            'expected true or false, got "true": remove the quotes [field-value]',
            "14:3: error: VMClass spec.bogus: unknown field; known here: cpu, diskDefaults, extraConfig, firmware, "
            "guestToolsPolicy, memory, performanceProfile, resourceLimits, securityProfile [unknown-field]",
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CLASS.replace("cpu: 8", 'cpu: "8"'), 'spec.cpu: expected a whole number, got "8": remove the quotes'),
        (CLASS.replace("cpu: 8", "cpu: 1.5"), "spec.cpu: expected a whole number, got 1.5"),
        (CLASS.replace("cpu: 8", "cpu: true"), "spec.cpu: expected a whole number, got true"),
        (CLASS.replace("cpu: 8", "cpu: 0"), "spec.cpu: must be at least 1, got 0"),
        (CLASS.replace("cpu: 8", "cpu:"), "5:3: error: VMClass spec.cpu: is empty; every VMClass needs it"),
        (CLASS.replace("16Gi", "16GB"), "spec.memory: has the unknown unit GB; write 16G;"),
        (CLASS.replace("16Gi", "1.5"), "spec.memory: expected a quantity such as 8Gi, 512Mi or 10G, got 1.5"),
        (CLASS.replace("16Gi", "[]"), "spec.memory: expected a quantity such as 8Gi, 512Mi or 10G, got a list"),
        (CLASS + "  extraConfig: {a: 1}\n", "spec.extraConfig.a: expected a string, got 1: put it in quotes"),
        (CLASS + "  extraConfig: [a]\n", "spec.extraConfig: expected a mapping, got a list"),
        (CLASS + "  performanceProfile: on\n", 'spec.performanceProfile: expected a mapping, got "on"'),
        (
            CLASS + "  extraConfig: {" + ", ".join(f"k{i}: v" for i in range(51)) + "}\n",
            "spec.extraConfig: must have at most 50 entries, has 51",
        ),
        (
            CLASS.replace("name: c", "name: My_Class"),
            "metadata.name: expected lower-case letters, digits, dashes and dots",
        ),
        (CLASS.replace("{name: c}", "{nmae: c}"), "metadata.nmae: unknown field (did you mean name?)"),
        (CLASS + "replicas: 1\n", "replicas: unknown field; known here: apiVersion, kind, metadata, spec, status"),
        (CLASS.replace("spec:", "specs:"), "specs: unknown field (did you mean spec?)"),
        (
            VM.replace("v}", "v}\nstatus: {anything: [1]}").replace("spec:", "spec:\n  cpus: 2"),
            "spec.cpus: unknown field",
        ),
        (VM + "  powerState: on\n", 'spec.powerState: expected On, Off or OffGraceful, got "on" (did you mean On?)'),
        (
            VM + "  powerState: true\n",
            'spec.powerState: expected On, Off or OffGraceful, got true (did you mean "On", in',
        ),
        (VM.replace("default", "Default"), "spec.networks[0].name: expected lower-case letters, digits and dashes"),
        (
            VM.replace("{name: default}", "{name: n, ipAddress: 300.1.1.1}"),
            "spec.networks[0].ipAddress: expected an IPv4 address such as 192.0.2.10, got",
        ),
        (
            VM.replace("{name: default}", "{name: n, vlan: 3}"),
            "spec.networks[0].vlan: unknown field; known here: dns, gateway, ipAddress, macAddress, name, networkRef",
        ),
        (VM + "  disks: [{name: d, sizeGib: 1}]\n", "spec.disks[0].sizeGiB: is missing, and it is required here"),
        (VM + "  disks: [{name: d, sizeGib: 1}]\n", "spec.disks[0].sizeGib: unknown field (did you mean sizeGiB?)"),
        (VM + "  tags: [a, 2]\n", "spec.tags[1]: expected a string, got 2: put it in quotes"),
        (VM + "  tags: a\n", 'spec.tags: expected a list, got "a"'),
        (
            IMAGE.replace("path: disk.qcow2", "url: /srv/x"),
            "spec.source.libvirt.url: expected an http, https or ftp URL",
        ),
        (
            IMAGE.replace("path: disk", "format: qcow, path: disk"),
            "expected qcow2, raw, vmdk, vhd, vhdx, iso, ova or ovf",
        ),
        (PROVIDER.replace("qemu:///embed", "/tmp"), "spec.endpoint: expected a URI such as qemu:///system"),
        (PROVIDER.replace("libvirt,", "libvirtd,"), 'or proxmox, got "libvirtd" (did you mean libvirt?)'),
        (SECRET + "data: {a: 1}\n", "Secret data.a: expected a string: put it in quotes"),
        (VM.replace("imageRef: {name: i}", "imageRef: i"), 'imageRef: expected a mapping, got "i": write {name: i}'),
        (VM.replace("{name: default}", "lan"), 'spec.networks[0]: expected a mapping, got "lan": write {name: lan}'),
        (
            VM.replace("{name: default}", "{name: n, ipAddress: ''}"),
            "such as 192.0.2.10, got an empty string: leave the field out where none is meant [field-value]",
        ),
        (VM + "  metaData: {inline: x}\n", "unknown field here; it belongs at spec.metaData.cloudInit.inline ["),
        (VM + "  userData: {secretRef: {name: s}}\n", "it belongs at spec.userData.cloudInit.secretRef ["),
        (VM + "  networkRef: {name: n}\n", "unknown field here; it belongs at spec.networks[].networkRef ["),
        (VM + "  resources: {memory: 8Gi}\n", "spec.resources.memory: unknown field (did you mean memoryMiB?)"),
        (IMAGE.replace("spec: {", "spec: {description: x, "), "it belongs at spec.metadata.description ["),
        (IMAGE.replace("source: {", "vsphere: {templateName: x}, source: {"), "it belongs at spec.source.vsphere ["),
        (VM + "  disks: [{name: d, sizeGiB: 10Gi}]\n", 'expected a whole number, got "10Gi": write 10 [field-value]'),
        (VM + "  resources: {memoryMiB: 1.5Gi}\n", 'expected a whole number, got "1.5Gi": write 1536 [field-value]'),
        (VM + "  resources: {cpu: 2 cores}\n", 'expected a whole number, got "2 cores" [field-value]'),
        (VM + "  userData: x\n", 'spec.userData: expected a mapping, got "x" [field-value]'),
        (VM + "  tags: [null]\n", "spec.tags[0]: expected a string, got an empty value"),
        (
            VM + "  lifecycle: {gracefulShutdownTimeout: 60}\n",
            "spec.lifecycle.gracefulShutdownTimeout: expected a duration such as 30s, 5m or 1h30m, got 60 [",
        ),
        (VM + "  lifecycle: {preStop: {exec: {command: []}}}\n", "exec.command: must have at least 1 entry ["),
    ],
)
def test_one_violation(text: str, expected: str) -> None:
    found = lines(read(text).problems)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            CLASS.replace("VMClass", "VmClass"),
            "2:7: error: kind: unknown kind VmClass (did you mean VMClass?); the known kinds are VMClass, VMImage, "
            "VirtualMachine, Provider, VMNetworkAttachment or Secret [unknown-kind]",
        ),
        ("kind: Pod\napiVersion: v1\n", "1:7: warning: kind: Pod of v1 is passed over: nestproof reads VMClass, "),
        ("kind: Secrets\napiVersion: v1\n", "1:7: error: kind: unknown kind Secrets (did you mean Secret?); the known"),
        ("kind: Service\napiVersion: v1\n", "1:7: warning: kind: Service of v1 is passed over: nestproof reads "),
        (
            VM.replace("infra.virtrigaud.io/v1beta1", "kubevirt.io/v1"),
            "2:7: warning: kind: VirtualMachine of kubevirt.io/v1 is passed over: nestproof reads VMClass, ",
        ),
        (
            VM.replace("infra.virtrigaud.io", "infra.virtigaud.io"),
            "1:13: error: apiVersion: unknown apiVersion infra.virtigaud.io/v1beta1 for a VirtualMachine; expected ",
        ),
        ("apiVersion: v1\n", "1:1: error: kind: is missing; the known kinds are "),
        ("kind: [1]\n", "1:7: error: kind: unknown kind [1]; the known kinds are "),
        (
            CLASS.replace("v1beta1", "v1alpha1"),
            "1:13: error: apiVersion: unknown apiVersion infra.virtrigaud.io/v1alpha1 for a VMClass; "
            "expected infra.virtrigaud.io/v1beta1 [unknown-kind]",
        ),
        (
            "kind: VMClass\n",
            "1:1: error: apiVersion: is missing; a VMClass is infra.virtrigaud.io/v1beta1 [unknown-kind]",
        ),
        ("kind: VMSnapshot\n", "1:7: warning: kind: VMSnapshot is passed over: nestproof reads VMClass, "),
    ],
)
def test_unknown_kinds_and_versions(text: str, expected: str) -> None:
    (line,) = lines(read(text).problems)
    assert line.startswith(f"<stdin>:{expected}")


def test_what_kubectl_adds_to_an_object_is_taken() -> None:
    text = CLASS.replace(
        "{name: c}",
        "{name: c, uid: 1-2, resourceVersion: '1', generation: 3, creationTimestamp: 2026-01-01T00:00:00Z, "
        "managedFields: [{a: b}], labels: {a: b}, annotations: {c: d}}",
    )
    assert read(text + "status: {usedByVMs: 3}\n").problems == ()


def test_empty_optional_parts_are_as_if_absent() -> None:
    documents = read(CLASS + "  performanceProfile:\n  diskDefaults: ~\n")
    assert documents.problems == ()
    (document,) = documents.of(schemas.VMClass)
    assert document.model is not None
    assert document.model.spec.disk_defaults.size == 40 << 30
    assert not document.has("spec", "performanceProfile")


def test_a_secret_never_shows() -> None:
    documents = read(
        SECRET + "stringData: {user-data: hunter2}\ndata: {x: aHVudGVyMg==, y: [hunter2], z: {k: hunter2}}\n"
    )
    assert len(documents.problems) == 2
    assert "hunter2" not in repr(documents) + str(lines(documents.problems))
    valid = read(SECRET + "stringData: {user-data: hunter2}\ndata: {x: aHVudGVyMg==}\n")
    assert valid.problems == ()
    assert "hunter2" not in repr(valid)
    assert "aHVudGVyMg" not in repr(valid)


def test_user_data_and_headers_do_not_show_in_repr() -> None:
    vm = read(VM + "  userData: {cloudInit: {inline: hunter2}}\n")
    image = read(IMAGE.replace("libvirt: {path: disk.qcow2}", "http: {url: 'https://h/', headers: {A: hunter2}}"))
    assert vm.problems == image.problems == ()
    assert "hunter2" not in repr(vm) + repr(image)


def test_a_password_in_a_url_does_not_show() -> None:
    (line,) = lines(read(IMAGE.replace("path: disk.qcow2", "url: 'sftp://me:hunter2@host/x'")).problems)
    assert "sftp://me:***@host/x" in line


def test_hostile_values_are_printed_safely() -> None:
    found = lines(
        read(CLASS + '  "a\\u001b[31m\\u202e": 1\n  firmware: "\\u001b]0;x\\u0007' + "y" * 500 + '"\n').problems
    )
    text = "".join(found)
    assert text.isprintable()
    assert "\\x1b" in text
    assert "\\u202e" in text
    assert max(map(len, found)) < 600


def test_a_flood_of_problems_is_cut() -> None:
    found = lines(read(CLASS + "".join(f"  k{i}: 1\n" for i in range(150))).problems)
    assert len(found) == 101
    assert found[-1].endswith("VMClass: and 50 more problems like these [more]")
    documents = "---\n".join(["a\n"] * 1000)
    assert lines(read(documents).problems)[-1].endswith("has more than 200 problems; the rest was not read [file]")


def test_kubectl_booleans() -> None:
    text = VM + "  powerState: On\n---\n" + CLASS + "  performanceProfile: {nestedVirtualization: yes}\n"
    documents = read(text)
    assert lines(documents.problems) == [
        "<stdin>:9:15: warning: VirtualMachine spec.powerState: kubectl reads the unquoted On as true and refuses it; "
        'write "On" in quotes [kubectl-boolean]',
        "<stdin>:17:46: warning: VMClass spec.performanceProfile.nestedVirtualization: yes is a boolean for kubectl "
        "and a string for newer YAML readers; write true [kubectl-boolean]",
    ]
    (document,) = documents.of(schemas.VMClass)
    assert document.model is not None
    assert document.model.spec.performance_profile.nested_virtualization


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (
            CLASS + '  performanceProfile: {nestedVirtualization: "yes"}\n',
            "7:46",
            'error: .*kubectl reads "yes" in quo',
        ),
        (CLASS + "  performanceProfile: {nestedVirtualization: n}\n", "7:46", "warning: .*n is a boolean for kubectl"),
        (VM + "  tags: [y]\n", "9:10", "warning: .*kubectl reads the unquoted y as true and refuses it"),
        (CLASS.replace("cpu: 8", "cpu: 010"), "5:8", "warning: .*reads 010 as the octal number 8, .* as 10; write 10"),
        (CLASS.replace("cpu: 8", "cpu: 0o10"), "", ""),
        (CLASS.replace("cpu: 8", "cpu: 08"), "", ""),
        (CLASS + "  extraConfig: {a: 'yes', b: \"010\"}\n", "", ""),
    ],
)
def test_what_kubectl_reads_otherwise(text: str, place: str, says: str) -> None:
    """As measured with kubectl 1.32: y and n are booleans for it as well, and 010 is octal."""
    found = lines(read(text).problems)
    assert len(found) == bool(says)
    assert not found or re.match(f"<stdin>:{place}: {says}", found[0]), found


def test_a_list_is_the_documents_in_it() -> None:
    """So `kubectl get -o yaml` prints several objects."""
    entries = "".join(f"- {text.rstrip().replace(chr(10), chr(10) + '  ')}\n" for text in (CLASS, VM + "  tgas: []\n"))
    documents = read(f"apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: ''}}\nitems:\n{entries}")
    assert [(document.kind, document.origin.line, document.origin.column) for document in documents.items] == [
        ("VMClass", 5, 3),
        ("VirtualMachine", 11, 3),
    ]
    assert lines(documents.problems) == [
        "<stdin>:19:5: error: VirtualMachine spec.tgas: unknown field (did you mean tags?) [unknown-field]"
    ]


def test_two_documents_of_one_name() -> None:
    found = lines(read(CLASS + "---\n" + CLASS).problems)
    assert found == [
        "<stdin>:10:18: error: VMClass metadata.name: a VMClass default/c stands at <stdin>:1:1 already; "
        "rename or remove one [duplicate-object]"
    ]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("VMClass", 27), ("VMImage", 68), ("VirtualMachine", 66), ("Provider", 41), ("VMNetworkAttachment", 77)],
)
def test_every_field_of_the_definitions_is_there(kind: str, count: int) -> None:
    """Counted in VirtRigaud's definitions of July 2026; of a Provider's pod template only the roots are counted."""
    _, schema = schemas.KINDS[kind]
    assert len([leaf for leaf in schema_leaves(schema) if leaf.startswith("spec.")]) == count
