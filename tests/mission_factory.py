"""The two classes of the document, literally, each with an image and a VM that a provider's test writes below it."""

from pathlib import Path

from provision.manifests.documents import load
from provision.manifests.resolve import resolve
from provision.model import Severity, VmSpec

MISSION = Path(__file__).parent / "fixtures" / "mission"
# What the linter says of the first class: VBS needs Secure Boot. The second is taken as it stands.
CLASSES = {
    "nested-vm-class": ("class.yaml", "virtrigaud-system", ("secureBoot: false", "secureBoot: true")),
    "hypervisor-class": ("complete.yaml", "default", ("", "")),
}
REST = """
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMImage
metadata: {{name: debian, namespace: {namespace}}}
spec: {{source: {image}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {{name: nested, namespace: {namespace}}}
spec:
  providerRef: {{name: provider}}
  classRef: {{name: {called}}}
  imageRef: {{name: debian}}
  {place}
"""


def vm_of(
    called: str, file: Path, endpoint: str, settings: dict[str, str], *, image: str, place: str, without: str = ""
) -> VmSpec:
    """The VM of one class; `image` and `place` are YAML, `without` a switch of the class that is turned off."""
    name, namespace, (old, new) = CLASSES[called]
    text = (MISSION / name).read_text().removeprefix("---\n")
    a_class = text[text.index("apiVersion") :].split("\n---")[0].replace(old, new)
    if without:
        assert f"{without}: true" in a_class
        a_class = a_class.replace(f"{without}: true", f"{without}: false")
    file.write_text(a_class + REST.format(namespace=namespace, called=called, image=image, place=place))
    vms, problems = resolve(load([str(file)]), endpoint, settings)
    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
    (vm,) = vms
    return vm
