"""What can be said of cloud-init user-data before a guest reads it: is it understood at all, and do its own checks
of nested virtualization ask the right level."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

from provision.manifests import rulebook, tree
from provision.manifests.rulebook import Rule
from provision.manifests.sources import Source
from provision.manifests.text import shown
from provision.model import Problem

_HEADERS = (
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "#upstart-job",
    "## template: jinja",
    "content-type:",
    "mime-version:",
    "from ",
)
"""How user-data may begin, in any case (cloud-init, handlers.INCLUSION_TYPES_MAP, and the start of a MIME message)."""

_LINES = (
    (rulebook.GUEST_NESTED_PARAMETER, re.compile(r"modprobe\b[^\n]*\bkvm_(intel|amd)\b[^\n]*\bnested=")),
    (rulebook.GUEST_NESTED_PARAMETER, re.compile(r"/sys/module/kvm_\S*/parameters/nested")),
    (rulebook.GUEST_CPU_FLAGS, re.compile(r"\b(cpuinfo|lscpu)\b[^\n]*\b(vmx|svm)\b|\b(vmx|svm)\b[^\n]*\bcpuinfo\b")),
    (rulebook.GUEST_DEVICE, re.compile(r"(\bls|\bstat|\btest -[a-z]|\[ -[a-z]) [^\n]*/dev/kvm")),
)

_KEY = re.compile(r"(ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) +([^\s\"']+)")


def check(text: str) -> Iterator[tuple[Rule, int, str]]:
    """Broken rules with the line (from 1) and what was found there."""
    start = text.lstrip()
    if not start.lower().startswith(_HEADERS):
        first = shown(start.splitlines()[0]) if start else "nothing"
        yield rulebook.USERDATA_HEADER, 1, f'user-data begins with "{first}"' if start else "user-data is empty"
    elif start.lower().startswith("#cloud-config") and not start.lower().startswith("#cloud-config-"):
        yield from _cloud_config(text)
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") and number > 1:
            continue
        for rule, pattern in _LINES:
            if pattern.search(line):
                yield rule, number, f'"{shown(line.strip().removeprefix("- "))}"'
        for match in _KEY.finditer(line):
            if not _is_base64(match[2]):
                yield rulebook.PLACEHOLDER_KEY, number, f'the key "{match[1]} {shown(match[2], 24)}" is not whole'


def _cloud_config(text: str) -> Iterator[tuple[Rule, int, str]]:
    documents = list(tree.parse(Source("user-data", Path(), text)))
    for document in documents:
        # Repeated keys and foreign tags are refused in manifests only: cloud-init decides on its own.
        if isinstance(document, Problem):
            if document.rule == "yaml":
                yield rulebook.USERDATA_YAML, document.origin.line, f"the cloud-config {document.message}"
                return
        elif not isinstance(document.value, dict):
            yield rulebook.USERDATA_YAML, document.start.line, "the cloud-config is not a mapping"
    if len(documents) > 1:
        yield rulebook.USERDATA_YAML, 1, "the cloud-config holds several YAML documents"


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
