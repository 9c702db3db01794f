"""Joins documents into wanted VMs: references followed, defaults applied, every rule asked."""

import os
from collections.abc import Iterator, Mapping

from provision.manifests import annotations, class_rules, image_rules, network_rules, provider_rules
from provision.manifests.documents import Documents
from provision.manifests.join import Join
from provision.manifests.schemas import Provider, VirtualMachine, VMClass, VMImage, VMNetworkAttachment
from provision.manifests.wanted import wanted_vm
from provision.model import Problem, VmSpec


def resolve(
    documents: Documents, connect: str | None = None, environment: Mapping[str, str] | None = None
) -> tuple[list[VmSpec], list[Problem]]:
    """Every VM that is wanted, and everything that is wrong or doubtful, by place.

    `connect` is the endpoint that the command line names: it takes the place of every Provider document. Secrets and
    settings of the providers may stand in `environment`, by default this process's. A VM with an error of its own is
    left out; the other problems of `documents` are among those returned.
    """
    environment = os.environ if environment is None else environment
    problems = list(documents.problems)
    problems.extend(_check_documents(documents))
    vms: list[VmSpec] = []
    for document in documents.of(VirtualMachine):
        if document.model is not None:
            join = Join(documents, document, document.model, connect, environment)
            vm = wanted_vm(join)
            problems.extend(join.problems)
            if vm is not None:
                vms.append(vm)
    problems.extend(network_rules.check_neighbours(vms))
    # Two VMs may break the same rule of a document that they share.
    return vms, sorted(dict.fromkeys(problems), key=lambda p: (p.origin, p.severity, p.path, p.message))


def lint_text(problems: list[Problem]) -> str:
    """One line per problem, ending in a newline; empty when there is none."""
    return "".join(f"{problem}\n" for problem in problems)


def _check_documents(documents: Documents) -> Iterator[Problem]:
    for a_class in documents.of(VMClass):
        yield from class_rules.check(a_class)
    for image in documents.of(VMImage):
        yield from image_rules.check(image)
    for provider in documents.of(Provider):
        yield from provider_rules.check(provider)
    for network in documents.of(VMNetworkAttachment):
        yield from network_rules.check(network)
    yield from annotations.check(documents)
