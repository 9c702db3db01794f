"""Manifests to start from, and what loading or resolving a text says."""

import io

from provision.manifests.documents import Documents, load
from provision.manifests.resolve import resolve
from provision.model import Problem, VmSpec

PROVIDER = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: Provider
metadata: {name: p}
spec: {type: libvirt, endpoint: "qemu:///embed", credentialSecretRef: {name: s}, runtime: {image: "a/b:c"}}
"""

CLASS = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {name: c}
spec:
  cpu: 8
  memory: 16Gi
"""

IMAGE = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMImage
metadata: {name: i}
spec: {source: {libvirt: {path: disk.qcow2}}}
"""

VM = """\
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {name: v}
spec:
  providerRef: {name: p}
  classRef: {name: c}
  imageRef: {name: i}
  networks: [{name: default}]
"""


def joined(*documents: str) -> str:
    return "---\n".join(documents)


def read(text: str | bytes) -> Documents:
    """The documents of a text, as if it came on standard input."""
    return load(["-"], io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def outcome(*documents: str, connect: str | None = None) -> tuple[list[VmSpec], list[Problem]]:
    return resolve(read(joined(*documents)), connect)


def lines(problems: list[Problem] | tuple[Problem, ...]) -> list[str]:
    return [str(problem) for problem in problems]


def rules(problems: list[Problem]) -> list[str]:
    return [problem.rule for problem in problems]
