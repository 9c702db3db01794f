"""The rules of meaning: each is broken by the least that breaks it, at the right place, and by nothing else."""

import pytest
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, lines, outcome, rules

from provision.manifests.rulebook import RULES
from provision.model import Severity

HEX = "0123456789abcdef" * 4
NETWORK = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMNetworkAttachment
metadata: {name: lan}
spec:
  network: {libvirt: {networkName: default}}
"""
SECURE = "  firmware: UEFI\n  securityProfile: {secureBoot: true, vtdEnabled: true}\n"
VBS = "{nestedVirtualization: true, virtualizationBasedSecurity: true}"


def nested(**sizes: str) -> str:
    text = CLASS + "  performanceProfile: {nestedVirtualization: true}\n  resourceLimits: {cpuShares: 1000}\n"
    return text.replace("cpu: 8", f"cpu: {sizes.get('cpu', '8')}").replace("16Gi", sizes.get("memory", "16Gi"))


def image(source: str) -> str:
    return IMAGE.replace("libvirt: {path: disk.qcow2}", source)


def cloud_config(*text: str) -> str:
    """As the user-data of a VM; its first line is the 13th."""
    return "".join(f"{line}\n" for line in ("  userData:", "    cloudInit:", "      inline: |", "        #cloud-config",
        *(f"        {line}" for line in text)))  # fmt: skip


CASES = [
    # A class: rule, text, place.
    ("vbs-needs-secure-boot", CLASS + f"  firmware: UEFI\n  performanceProfile: {VBS}\n", "8:81"),
    (
        "vbs-needs-secure-boot",
        CLASS + f"  firmware: UEFI\n  performanceProfile: {VBS}\n  securityProfile:\n    secureBoot: false\n",
        "10:17",
    ),
    ("vbs-needs-uefi", CLASS + f"  performanceProfile: {VBS}\n  securityProfile: {{secureBoot: true}}\n", "7:81"),
    ("vbs-needs-uefi", CLASS + f"  performanceProfile: {VBS}\n  firmware: BIOS\n", "8:13"),
    ("vbs-needs-nested", CLASS + SECURE + "  performanceProfile: {virtualizationBasedSecurity: true}\n", "9:53"),
    ("vbs-needs-vtd", CLASS + f"  performanceProfile: {VBS}\n", "7:81"),
    ("secure-boot-needs-uefi", CLASS + "  securityProfile: {secureBoot: true}\n", "7:33"),
    ("firmware-efi", CLASS + "  firmware: EFI\n", "7:13"),
    ("tpm-version", CLASS + '  securityProfile: {tpmEnabled: true, tpmVersion: "2.0"}\n', "7:51"),
    ("tpm-version-unknown", CLASS + "  securityProfile: {tpmEnabled: true, tpmVersion: 3}\n", "7:51"),
    ("tpm-version-unused", CLASS + "  securityProfile: {tpmVersion: 2}\n", "7:33"),
    ("latency-low", CLASS + "  performanceProfile: {latencySensitivity: low}\n", "7:44"),
    (
        "nested-with-cpu-hot-add",
        CLASS + "  performanceProfile: {nestedVirtualization: true, cpuHotAddEnabled: true}\n",
        "7:70",
    ),
    ("nested-cpu-size", nested(cpu="7"), "5:8"),
    ("nested-limits", CLASS + "  performanceProfile: {nestedVirtualization: true}\n", "7:46"),
    ("nested-memory-size", nested(memory="16383Mi"), "6:11"),
    ("unit-forgotten", CLASS.replace("16Gi", "16"), "6:11"),
    ("unit-forgotten", CLASS + "  diskDefaults: {size: 40}\n", "7:24"),
    ("size-not-positive", CLASS.replace("16Gi", "-1Gi"), "6:11"),
    ("size-rounded", CLASS.replace("16Gi", "1G"), "6:11"),
    ("size-rounded", CLASS + "  diskDefaults: {size: 1.5Gi}\n", "7:24"),
    ("limit-below-reservation", CLASS + "  resourceLimits: {cpuLimit: 1000, cpuReservation: 2000}\n", "7:52"),
    ("limit-below-reservation", CLASS + "  resourceLimits: {memoryLimit: 1Gi, memoryReservation: 2Gi}\n", "7:57"),
    ("limit-below-memory", CLASS + "  resourceLimits: {memoryLimit: 15Gi}\n", "7:33"),
    ("reservation-above-memory", CLASS + "  resourceLimits: {memoryReservation: 17Gi}\n", "7:39"),
    ("extra-config-ignored", CLASS + '  extraConfig: {vhv.enable: "TRUE"}\n', "7:29"),
    ("unknown-annotation", CLASS.replace("{name: c}", "{name: c, annotations: {nestproof.org/accel: kvm}}"), "3:35"),
    # An image.
    ("image-ambiguous", image(f"libvirt: {{path: a, url: 'https://h/i', checksum: {HEX}}}"), "4:41"),
    ("image-architecture", IMAGE.replace("spec: {", "spec: {metadata: {architecture: arm64}, "), "4:33"),
    ("checksum", image(f"libvirt: {{url: 'https://h/i', checksum: {HEX[1:]}}}"), "4:57"),
    ("checksum-shape", image(f"libvirt: {{url: 'https://h/i', checksum: 'sha256:{HEX}'}}"), "4:57"),
    ("rolling-image-checksum", image(f"libvirt: {{url: 'https://h/release/i', checksum: {HEX}}}"), "4:32"),
    ("rolling-image-checksum", image(f"http: {{url: 'https://h/i-latest.img', checksum: {HEX}}}"), "4:29"),
    ("image-unverified", image("vsphere: {ovaURL: 'https://h/i.ova'}"), "4:35"),
    ("password-in-url", image(f"libvirt: {{url: 'https://u:hunter2@h/i', checksum: {HEX}}}"), "4:32"),
    ("password-in-url", image(f"libvirt: {{url: 'https://u:hunter2@hunter2@h/i', checksum: {HEX}}}"), "4:32"),
    ("checksum", image(f"libvirt: {{url: 'https://h/i', checksum: 'uncompressed-sha256:{HEX}'}}"), "4:57"),
    ("login-in-headers", image("http: {url: 'https://h/i', headers: {authorization: Bearer hunter2}}"), "4:54"),
    (
        "login-twice",
        image(
            "http: {url: 'https://h/i', authentication: {basicAuth: {secretRef: {name: s}}, "
            "bearer: {secretRef: {name: s}}}}"
        ),
        "4:61",
    ),
    ("image-empty", image(""), "4:8"),
    ("image-empty", image("proxmox: {node: pve1}"), "4:8"),
    ("image-two-ways", image("vsphere: {contentLibrary: {library: l, item: i}, templateName: t}"), "4:27"),
    ("image-two-ways", image("proxmox: {templateID: 100, templateName: t}"), "4:44"),
    # A network.
    ("dns-address", NETWORK + "  ipAllocation: {dnsConfig: {servers: ['2001:db8::1', ns.example]}}\n", "6:55"),
    ("static-config", NETWORK + "  ipAllocation: {type: Static}\n", "6:18"),
    ("static-config", NETWORK + "  ipAllocation: {staticConfig: {address: 192.0.2.7/24}}\n", "6:18"),
    (
        "gateway-outside",
        NETWORK + "  ipAllocation: {type: Static, staticConfig: {address: 192.0.2.7/25, gateway: 192.0.2.129}}\n",
        "6:70",
    ),
    # A provider.
    ("password-in-url", PROVIDER.replace("qemu:///embed", "qemu+tcp://u:hunter2@h/system"), "4:33"),
    ("kubectl-endpoint", PROVIDER.replace("qemu:///embed", "qemu+tcp://u:hunter2@h/system"), "4:33"),
    ("endpoint-type", PROVIDER.replace("qemu:///embed", "https://u:hunter2@h"), "4:33"),
    ("endpoint-type", PROVIDER.replace("qemu:///embed", "https://root@pam:hunter2@h"), "4:33"),
    ("endpoint-type", PROVIDER.replace("qemu:///embed", "tcp://host:16509"), "4:33"),
    ("kubectl-required", PROVIDER.replace(', runtime: {image: "a/b:c"}', ""), "4:1"),
    ("kubectl-required", PROVIDER.replace(", credentialSecretRef: {name: s}", ""), "4:1"),
    ("kubectl-required", PROVIDER.replace('image: "a/b:c"', "replicas: 1"), "4:82"),
    ("kubectl-endpoint", PROVIDER.replace("qemu:///embed", "qemu+unix:///system"), "4:33"),
    ("endpoint-type", PROVIDER.replace("qemu:///embed", "https://host"), "4:33"),
    ("endpoint-type", PROVIDER.replace("libvirt", "vsphere"), "4:33"),
    ("provider-type", PROVIDER.replace("libvirt", "firecracker"), "4:14"),
    ("insecure-tls", PROVIDER.replace("{type", "{insecureSkipVerify: true, type"), "4:28"),
]


@pytest.mark.parametrize(("rule", "text", "place"), CASES, ids=[f"{case[0]}-{i}" for i, case in enumerate(CASES)])
def test_a_document_breaks_the_rule(rule: str, text: str, place: str) -> None:
    _, problems = outcome(text)
    hits = [problem for problem in problems if problem.rule == rule]
    assert [f"{p.origin.line}:{p.origin.column}" for p in hits] == [place], lines(problems)
    assert hits[0].severity is RULES[rule].severity
    assert "hunter2" not in str(hits[0])


VM_CASES = [
    ("nested-with-gpu", "  resources: {gpu: {count: 1}}\n", "9:15"),
    ("imported-disk", "  importedDisk: {diskID: d}\n", "9:3"),
    ("userdata-twice", "  userData: {cloudInit: {inline: '#!/bin/sh', secretRef: {name: s}}}\n", "9:47"),
    ("reference", "  userData: {cloudInit: {secretRef: {name: s}}}\n", "9:44"),
    ("userdata-header", "  userData: {cloudInit: {inline: 'packages: []'}}\n", "9:34"),
    ("userdata-yaml", "  userData:\n    cloudInit:\n      inline: |\n        #cloud-config\n        a: b: c\n", "13:9"),
    (
        "userdata-yaml",  # the end of the text, not of the file
        "  userData:\n    cloudInit:\n      inline: |\n        #cloud-config\n        a: [b\n  powerState: 'On'\n",
        "13:9",
    ),
    ("gateway-outside", "  networks: [{name: a, ipAddress: 192.0.2.3, prefix: 24, gateway: 192.0.3.1}]\n", "8:58"),
    ("dns-address", "  networks: [{name: a, dns: '192.0.2.53, ns.example'}]\n", "8:24"),
    ("mac-of-a-group", "  networks: [{name: a, macAddress: '01:00:5e:00:00:01'}]\n", "8:24"),
    ("disk-name-twice", "  disks: [{name: a, sizeGiB: 1}, {name: b, sizeGiB: 1}, {name: a, sizeGiB: 2}]\n", "9:58"),
    ("userdata-yaml", '  userData: {cloudInit: {inline: "#cloud-config\\n- a"}}\n', "9:34"),
    ("userdata-yaml", '  userData: {cloudInit: {inline: "#cloud-config\\na: 1\\n---\\nb: 1"}}\n', "9:34"),
    ("ssh-key-invalid", '  userData: {cloudInit: {inline: "#cloud-config\\nk: ssh-rsa AAAA... me"}}\n', "9:34"),
    (
        "ssh-key-invalid",  # cut off where it still is base64
        cloud_config("k: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample me"),
        "13:9",
    ),
    ("userdata-key", cloud_config("a: 1", "packges: [qemu]"), "14:9"),
    ("guest-password", cloud_config("password: hunter2"), "13:9"),
    ("guest-password", cloud_config("password: 1234"), "13:9"),
    ("guest-password", cloud_config("users:", "  - default", "  - {name: a, plain_text_passwd: hunter2}"), "15:11"),
    ("guest-password", cloud_config("chpasswd:", "  expire: false", "  list: |", "    a:hunter2"), "15:11"),
    ("guest-password", cloud_config("chpasswd: {list: ['a:R', 'b:hunter2']}"), "13:9"),
    ("guest-password", cloud_config("chpasswd: {users: [{name: a, password: hunter2, type: text}]}"), "13:9"),
    ("guest-password-login", cloud_config("ssh_pwauth: yes"), "13:9"),
    ("guest-default-user", cloud_config("users:", "  - name: ubuntu", "    sudo: ALL=(ALL) NOPASSWD:ALL"), "14:11"),
]


@pytest.mark.parametrize(("rule", "addition", "place"), VM_CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(VM_CASES)])
def test_a_vm_breaks_the_rule(rule: str, addition: str, place: str) -> None:
    vsphere = PROVIDER.replace("libvirt", "vsphere").replace("qemu:///embed", "https://vc")
    template = image("vsphere: {templateName: t}")
    vm = VM.replace("  networks: [{name: default}]\n", "") if "networks" in addition else VM
    vms, problems = outcome(vm + addition, nested(), *((vsphere, template) if "gpu" in rule else (PROVIDER, IMAGE)))
    hits = [problem for problem in problems if problem.rule == rule]
    assert [f"{p.origin.line}:{p.origin.column}" for p in hits] == [place], lines(problems)
    assert bool(vms) is (hits[0].severity is not Severity.ERROR)
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("modprobe kvm_intel nested=1 || modprobe kvm_amd nested=1", "guest-nested-parameter"),
        ("cat /sys/module/kvm_amd/parameters/nested", "guest-nested-parameter"),
        ('grep -E "(vmx|svm)" /proc/cpuinfo', "guest-cpu-flags"),
        ("lscpu | grep svm", "guest-cpu-flags"),
        ("virt-host-validate qemu", "guest-cpu-flags"),
        ("ls -la /dev/kvm", "guest-device-listing"),
        ("modprobe kvm_intel", None),
        ("chmod 0660 /dev/kvm", None),
        ("# ls -la /dev/kvm", None),
    ],
)
def test_in_guest_checks_of_the_wrong_level(line: str, rule: str | None) -> None:
    user = f"  userData:\n    cloudInit:\n      inline: |\n        #cloud-config\n        runcmd:\n          - {line}\n"
    _, problems = outcome(VM + user, CLASS, IMAGE, PROVIDER)
    assert rules(problems) == ([rule] if rule else [])
    assert [str(problem.origin) for problem in problems] == (["<stdin>:14:11"] if rule else [])


@pytest.mark.parametrize(
    "header",
    [
        "#cloud-config",
        "#Cloud-Config\n{a: 1}",
        "#cloud-config\n",
        "\n#cloud-config\na: 1",
        "#!/bin/sh",
        "#include\nhttps://h/x",
        "## template: jinja\n#cloud-config\na: {{ v1.x }}",
        "MIME-Version: 1.0\n",
        'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n',
        "#cloud-config\nmy_own_module: {packges: 1}\npassword: $6$abc$def\nssh_pwauth: false\nusers: [default, ubuntu]",
        "#cloud-config\nchpasswd: {list: [a:RANDOM], users: [{name: a, password: $y$x$y}, {name: b, type: RANDOM}]}",
        "#cloud-config\nusers: [{name: me, sudo: 'ALL=(ALL) NOPASSWD:ALL'}, {name: ubuntu, sudo: 'ALL=(ALL) ALL'}]",
        "#cloud-config\nusers: {a: b}\nchpasswd: x\npassword: true",
        "#cloud-config-archive\n- a",
        "#cloud-config\nusers: [{ssh_authorized_keys: [ssh-ed25519 "
        "AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS me@host]}]",
        "#cloud-config\na: 1\na: 2\nb: !!binary aGk=",
    ],
)
def test_user_data_that_cloud_init_takes(header: str) -> None:
    escaped = header.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    user = f'  userData: {{cloudInit: {{inline: "{escaped}"}}}}\n'
    vms, problems = outcome(VM + user, CLASS, IMAGE, PROVIDER)
    assert lines(problems) == []
    assert vms[0].user_data == header


def test_the_common_spelling_mistake_of_the_header_is_shown() -> None:
    _, problems = outcome(VM + "  userData: {cloudInit: {inline: '# cloud-config'}}\n", CLASS, IMAGE, PROVIDER)
    assert 'user-data begins with "# cloud-config": cloud-init ignores' in str(problems[0])


def test_a_sound_set_has_no_problem() -> None:
    secure = nested() + SECURE.replace("vtdEnabled", "tpmEnabled: true, vtdEnabled")
    vms, problems = outcome(VM + '  powerState: "On"\n', secure, IMAGE, PROVIDER)
    assert lines(problems) == []
    assert len(vms) == 1


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("packages: [vim, qemu-kvm]", "13:9"),
        ("runcmd: [systemctl enable --now libvirtd]", "13:9"),
        ("packages: [qemu-guest-agent, libvirt-clients, my-qemu-kvm]", ""),
        ("# qemu-kvm would be here", ""),
    ],
)
def test_a_vm_that_is_given_a_hypervisor_is_meant_to_nest(line: str, place: str) -> None:
    vms, problems = outcome(VM + cloud_config(line), CLASS, IMAGE, PROVIDER)
    assert [f"{p.origin.line}:{p.origin.column}" for p in problems if p.rule == "nested-not-asked"] == [place] * bool(
        place
    )
    assert vms
    _, problems = outcome(VM + cloud_config(line), nested(), IMAGE, PROVIDER)
    assert "nested-not-asked" not in rules(problems)


def test_every_rule_is_broken_by_some_test() -> None:
    """The remaining ids are broken in the tests of resolving."""
    here = {case[0] for case in CASES} | {case[0] for case in VM_CASES}
    here |= {"nested-not-asked", "guest-nested-parameter", "guest-cpu-flags", "guest-device-listing"}
    elsewhere = {
        "accel",
        "collector",
        "cpu",
        "ca-unreadable",
        "ignition",
        "ignition-replaced",
        "ignition-with-cloud-init",
        "no-credentials",
        "static-address-prefix",
        "address-twice",
        "image-format",
        "image-wrong-provider",
        "nested-isolation",
        "network-without-name",
        "no-image",
        "no-networks",
        "provider-from-environment",
        "reference-namespace",
        "secret-key",
        "secret-value",
    }
    assert here | elsewhere == set(RULES)
    assert not here & elsewhere


def test_rules_say_why_and_what_to_change() -> None:
    for rule in RULES.values():
        assert len(rule.why) > 15
        assert len(rule.change) > 8
        assert rule.why[0].islower() or rule.why.startswith(("VirtRigaud", "VMware")), rule.id
        assert not rule.change.endswith("."), rule.id
