"""What can be said of cloud-init user-data before a guest reads it: is it understood at all, and do its own checks
of nested virtualization ask the right level."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

from provision.manifests import cloudconfig, rulebook, syntax
from provision.manifests.rulebook import Rule
from provision.manifests.sources import Source
from provision.manifests.text import shown
from provision.model import Problem
from provision.user_data import kind_of

_LINES = (
    (rulebook.GUEST_NESTED_PARAMETER, ("modprobe", "kvm_", "nested=")),
    (rulebook.GUEST_NESTED_PARAMETER, ("/sys/module/kvm_", "parameters/nested")),
    *((rulebook.GUEST_CPU_FLAGS, (tool, flag)) for tool in ("cpuinfo", "lscpu") for flag in ("vmx", "svm")),
    *((rulebook.GUEST_CPU_FLAGS, (tool,)) for tool in ("kvm-ok", "virt-host-validate")),
    *((rulebook.GUEST_DEVICE, (tool, "/dev/kvm")) for tool in ("ls ", "stat ", "test -", "[ -")),
)
"""Commands that look for nested virtualization: a line that holds all the words breaks the rule."""

_HYPERVISOR = re.compile(
    r"(?<![\w-])(qemu-kvm|qemu-system-x86(?:-64)?|libvirt-daemon(?:-system|-kvm|-driver-qemu)?|libvirtd|proxmox-ve)(?![\w-])"
)
"""Packages and services of a machine that runs VMs; not their clients, and no guest agent."""
_KEY = re.compile(r"(ssh-(?:rsa|ed25519|dss)|(?:sk-)?(?:ecdsa|ssh)-[a-z0-9@.-]{1,60}) +([^\s\"']+)")


def check(text: str) -> Iterator[tuple[Rule, int, str]]:
    """Broken rules with the line (from 1) and what was found there."""
    kind = kind_of(text)
    if not kind:
        start = text.lstrip()
        what = f'user-data begins with "{shown(start.splitlines()[0])}"' if start else "user-data is empty"
        yield rulebook.USERDATA_HEADER, 1, what
    elif kind == "text/cloud-config":
        yield from _cloud_config(text)
    for number, line in enumerate(text.splitlines(), 1):
        command = line.strip().removeprefix("- ")
        if command.startswith("#"):
            continue
        for rule in dict.fromkeys(rule for rule, words in _LINES if all(word in line for word in words)):
            yield rule, number, f'"{shown(command)}"'
        for match in _KEY.finditer(line):
            if not _is_whole(match[1], match[2]):
                yield rulebook.PLACEHOLDER_KEY, number, f'the key "{match[1]} {shown(match[2], 24)}" is not whole'


def hypervisor(text: str) -> tuple[int, str] | None:
    """The line (from 1) that makes a hypervisor of the guest, and the word that tells."""
    for number, line in enumerate(text.splitlines(), 1):
        if (match := _HYPERVISOR.search(line)) and not line.lstrip().startswith("#"):
            return number, match[1]
    return None


def _cloud_config(text: str) -> Iterator[tuple[Rule, int, str]]:
    documents = list(syntax.parse(Source("user-data", Path(), text)))
    for document in documents:
        # Repeated keys and foreign tags are refused in manifests only: cloud-init decides on its own.
        if isinstance(document, Problem):
            if document.rule == "yaml":
                # What is left open ends where the text ends, a line below its last.
                line = min(document.origin.line, len(text.splitlines()))
                yield rulebook.USERDATA_YAML, line, f"the cloud-config {document.message}"
                return
        elif not isinstance(document.value, dict):
            yield rulebook.USERDATA_YAML, document.start.line, "the cloud-config is not a mapping"
        else:
            yield from cloudconfig.check(document)
    if len(documents) > 1:
        yield rulebook.USERDATA_YAML, 1, "the cloud-config holds several YAML documents"


def _is_whole(algorithm: str, key: str) -> bool:
    """Nothing is missing: a public key is its algorithm and numbers, each after its length (RFC 4253, 6.6)."""
    try:
        rest = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = list[bytes]()
    while rest:
        size = int.from_bytes(rest[:4], "big")
        if len(rest) < 4 + size:
            return False
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return len(fields) > 1 and fields[0] == algorithm.encode()
