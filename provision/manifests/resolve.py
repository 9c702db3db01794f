"""Joins documents into wanted VMs: references followed, defaults applied, every rule asked."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeVar

from provision.manifests import (
    class_rules,
    cloudinit,
    image_rules,
    provider_rules,
    quantity,
    rulebook,
)
from provision.manifests.documents import Document, Documents
from provision.manifests.leaves import dotted, schema_leaves
from provision.manifests.references import follow
from provision.manifests.rulebook import Rule
from provision.manifests.schemas import (
    KINDS,
    Provider,
    Resource,
    VirtualMachine,
    VMClass,
    VMImage,
    VMNetworkAttachment,
)
from provision.manifests.schemas.base import Ref
from provision.manifests.schemas.virtualmachine import Network
from provision.manifests.schemas.vmclass import ResourceLimits
from provision.manifests.text import near, shown
from provision.manifests.tree import Loc
from provision.model import (
    AccelPolicy,
    ExtraDisk,
    Firmware,
    ImageSpec,
    Limits,
    Origin,
    Problem,
    ProviderSpec,
    SetField,
    Severity,
    VmSpec,
)

R = TypeVar("R", bound=Resource)
T = TypeVar("T")

ANNOTATIONS = "nestproof.org/"
ACCEL = "nestproof.org/accel"


def resolve(documents: Documents, connect: str | None = None) -> tuple[list[VmSpec], list[Problem]]:
    """Every VM that is wanted, and everything that is wrong or doubtful, by place.

    `connect` is the endpoint that the command line names: it takes the place of every Provider document. A VM with an
    error of its own is left out; the other problems of `documents` are among those returned.
    """
    problems = list(documents.problems)
    problems.extend(_check_documents(documents))
    vms: list[VmSpec] = []
    for document in documents.of(VirtualMachine):
        if document.model is not None:
            join = _Join(documents, document, document.model, connect)
            vm = join.vm()
            problems.extend(join.problems)
            if vm is not None:
                vms.append(vm)
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
    for document in documents.items:
        if document.model is None:
            continue
        for name in document.model.metadata.annotations:
            known = name == ACCEL and document.kind == "VirtualMachine"
            if name.startswith(ANNOTATIONS) and not known:
                loc: Loc = ("metadata", "annotations", name)
                what = f"{shown(name)} has no effect on a {document.kind}{near(name, [ACCEL]) if name != ACCEL else ''}"
                yield rulebook.ANNOTATION.broken(document.places.place(loc), document.path(*loc), what)


class _Join:
    """The joining of one VirtualMachine with what it refers to; problems gather on the way."""

    def __init__(
        self, documents: Documents, document: Document[VirtualMachine], model: VirtualMachine, connect: str | None
    ) -> None:
        self.documents = documents
        self.document = document
        self.spec = model.spec
        self.annotations = model.metadata.annotations
        self.connect = connect
        self.problems: list[Problem] = []
        self.used: list[Document[Any]] = [document]

    def vm(self) -> VmSpec | None:
        """The wanted VM; None when an error stands in its way."""
        provider = self.provider()
        a_class = self.follow(("spec", "classRef"), self.spec.class_ref, VMClass)
        image = self.image(provider)
        accel = self.accel()
        networks = self.networks(provider)
        user_data = self.text(cloudinit.user_data(self.documents, self.document))
        meta_data = self.text(cloudinit.meta_data(self.documents, self.document))
        if user_data is not None:
            self.problems.extend(cloudinit.check_user_data(user_data))
        if a_class is None or a_class.model is None or provider is None or image is None:
            return None
        shape = a_class.model.spec
        if provider.type == "vsphere" and shape.performance_profile.nested_virtualization and self.spec.resources.gpu:
            what = f"class {a_class.name} is nested, the VM has a GPU"
            self.broken(rulebook.NESTED_GPU, ("spec", "resources", "gpu"), what)
        if self.has_error():
            return None
        profile, security = shape.performance_profile, shape.security_profile
        resources = self.spec.resources
        return VmSpec(
            namespace=self.document.namespace,
            name=self.document.name,
            provider=provider,
            image=image,
            cpus=resources.cpu or shape.cpu,
            memory_mib=resources.memory_mib or quantity.ceil(shape.memory, quantity.MIB),
            disk_gib=quantity.ceil(shape.disk_defaults.size, quantity.GIB),
            firmware=Firmware.BIOS if shape.firmware == "BIOS" else Firmware.UEFI,
            nested=profile.nested_virtualization,
            secure_boot=security.secure_boot,
            power_on=self.spec.power_state in (None, "On"),
            accel=accel,
            user_data=user_data.text if user_data else None,
            meta_data=meta_data.text if meta_data else None,
            networks=networks,
            origins=self.origins(),
            fields=self.fields(),
            disk_type=shape.disk_defaults.type,
            vbs=profile.virtualization_based_security,
            tpm=security.tpm_enabled,
            tpm_version=class_rules.tpm_version(shape),
            vtd=security.vtd_enabled,
            cpu_hot_add=profile.cpu_hot_add_enabled,
            memory_hot_add=profile.memory_hot_add_enabled,
            latency_sensitivity=profile.latency_sensitivity,
            hyper_threading=profile.hyper_threading_policy,
            limits=_limits(shape.resource_limits),
            disks=tuple(ExtraDisk(disk.name, disk.size_gib, disk.type) for disk in self.spec.disks),
            tags=tuple(self.spec.tags),
        )

    def provider(self) -> ProviderSpec | None:
        name = self.spec.provider_ref.name
        if self.connect is not None:
            return ProviderSpec(name, _type_of(self.connect), self.connect, None)
        found = self.follow(("spec", "providerRef"), self.spec.provider_ref, Provider)
        if found is None or found.model is None:
            return None
        spec = found.model.spec
        return ProviderSpec(name, spec.type, spec.endpoint, found.origin)

    def image(self, provider: ProviderSpec | None) -> ImageSpec | None:
        if self.spec.imported_disk is not None:
            self.broken(rulebook.IMPORTED_DISK, ("spec", "importedDisk"), "importedDisk is set")
        if self.spec.image_ref is None:
            if self.spec.imported_disk is None:
                self.broken(rulebook.NO_IMAGE, ("spec",), "imageRef is not set")
            return None
        found = self.follow(("spec", "imageRef"), self.spec.image_ref, VMImage)
        if found is None or found.model is None or provider is None:
            return None
        try:
            return self.taken(image_rules.usable(found, provider.type))
        except ValueError:
            # The checksum: said with the image itself.
            return None

    def accel(self) -> AccelPolicy:
        given = self.annotations.get(ACCEL, AccelPolicy.KVM)
        try:
            return AccelPolicy(given)
        except ValueError:
            self.broken(rulebook.ACCEL, ("metadata", "annotations", ACCEL), f'"{shown(given)}" is no accelerator')
            return AccelPolicy.KVM

    def networks(self, provider: ProviderSpec | None) -> tuple[str, ...]:
        if not self.spec.networks and provider is not None and provider.type == "libvirt":
            self.broken(rulebook.NO_NETWORKS, ("spec",), "networks is not set")
        names = (self.network(network, ("spec", "networks", i)) for i, network in enumerate(self.spec.networks))
        return tuple(name for name in names if name is not None)

    def network(self, network: Network, loc: Loc) -> str | None:
        """The hypervisor's name of the network."""
        if network.network_ref is None:
            return network.name
        place = (*loc, "networkRef")
        found = self.follow(place, network.network_ref, VMNetworkAttachment)
        if found is None or found.model is None:
            return None
        libvirt = found.model.spec.network.libvirt
        if libvirt is None or libvirt.network_name is None:
            self.broken(rulebook.NETWORK_BRIDGE, place, f"VMNetworkAttachment {found.key} names no libvirt network")
            return None
        return libvirt.network_name

    def text(self, found: cloudinit.Text | Problem | None) -> cloudinit.Text | None:
        text = self.taken(found)
        if text is not None:
            self.use(text.document)
        return text

    def use(self, document: Document[Any]) -> None:
        if all(document is not known for known in self.used):
            self.used.append(document)

    def follow(self, loc: Loc, ref: Ref, schema: type[R]) -> Document[R] | None:
        found = self.taken(follow(self.documents, self.document, loc, ref, schema))
        if found is not None:
            self.use(found)
        return found

    def taken(self, result: T | Problem) -> T | None:
        """The result, or None when it is a problem, which is kept."""
        if isinstance(result, Problem):
            self.problems.append(result)
            return None
        return result

    def broken(self, rule: Rule, loc: Loc, what: str) -> None:
        self.problems.append(rule.broken(self.document.places.place(loc), self.document.path(*loc), what))

    def has_error(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def fields(self) -> tuple[SetField, ...]:
        return tuple(field for document in self.used for field in document.fields())

    def origins(self) -> dict[str, Origin]:
        """Where every field stands, or would stand, in the documents of this VM."""
        origins = {"vm": self.document.origin}
        for document in self.used:
            for leaf in schema_leaves(KINDS[document.kind][1]):
                if "[]" not in leaf and "*" not in leaf:
                    origins[f"{document.kind} {leaf}"] = document.places.place(tuple(leaf.split(".")))
            for loc, origin in document.places.keys.items():
                origins[f"{document.kind} {dotted(loc)}"] = origin
        return origins


def _limits(limits: ResourceLimits) -> Limits:
    def mib(size: Fraction | None) -> int | None:
        return None if size is None else quantity.ceil(size, quantity.MIB)

    return Limits(
        cpu_limit=limits.cpu_limit,
        cpu_reservation=limits.cpu_reservation,
        cpu_shares=limits.cpu_shares,
        memory_limit_mib=mib(limits.memory_limit),
        memory_reservation_mib=mib(limits.memory_reservation),
    )


def _type_of(uri: str) -> str:
    """The provider that an endpoint of the command line belongs to."""
    scheme = uri.partition("://")[0].lower()
    return scheme if scheme in ("vsphere", "proxmox") else "libvirt"
