"""What a VirtualMachine says to nestproof itself, by annotations."""

from collections.abc import Iterator

from provision.manifests import access, rulebook
from provision.manifests.documents import Documents
from provision.manifests.join import Join
from provision.manifests.text import near, shown
from provision.manifests.tree import Loc
from provision.model import AccelPolicy, Collector, CpuPolicy, Problem

ANNOTATIONS = "nestproof.org/"
ACCEL = "nestproof.org/accel"
CPU = "nestproof.org/cpu"
COLLECTOR = "nestproof.org/collector"
KNOWN_ANNOTATIONS = (ACCEL, CPU, COLLECTOR)
"""Of a VirtualMachine."""


def check(documents: Documents) -> Iterator[Problem]:
    """Annotations of ours that have no effect."""
    for document in documents.items:
        if document.model is None:
            continue
        for name in document.model.metadata.annotations:
            known = name in KNOWN_ANNOTATIONS and document.kind == "VirtualMachine"
            if name.startswith(ANNOTATIONS) and not known:
                loc: Loc = ("metadata", "annotations", name)
                hint = "" if name in KNOWN_ANNOTATIONS else near(name, KNOWN_ANNOTATIONS)
                what = f"{shown(name)} has no effect on a {document.kind}{hint}"
                yield rulebook.ANNOTATION.broken(document.places.place(loc), document.path(*loc), what)


def accel(join: Join) -> AccelPolicy:
    given = join.annotations.get(ACCEL, AccelPolicy.KVM)
    try:
        return AccelPolicy(given)
    except ValueError:
        join.broken(rulebook.ACCEL, ("metadata", "annotations", ACCEL), f'"{shown(given)}" is no accelerator')
        return AccelPolicy.KVM


def cpu(join: Join) -> CpuPolicy:
    given = join.annotations.get(CPU, CpuPolicy.HOST_MODEL)
    try:
        return CpuPolicy(given)
    except ValueError:
        join.broken(rulebook.CPU, ("metadata", "annotations", CPU), f'"{shown(given)}" is no CPU to show')
        return CpuPolicy.HOST_MODEL


def collector(join: Join) -> Collector | None:
    given = join.annotations.get(COLLECTOR)
    if given is None:
        return None
    try:
        return Collector(access.report_url(given))
    except ValueError as e:
        join.broken(rulebook.COLLECTOR, ("metadata", "annotations", COLLECTOR), str(e))
        return None
