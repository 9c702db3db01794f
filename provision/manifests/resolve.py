"""Joins documents into wanted VMs: references followed, defaults applied, every rule asked."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from provision.manifests import (
    access,
    class_rules,
    cloudinit,
    image_rules,
    networks,
    provider_rules,
    quantity,
    requests,
    rulebook,
    secrets,
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
from provision.manifests.schemas.provider import Defaults
from provision.manifests.schemas.virtualmachine import Network
from provision.manifests.schemas.virtualmachine import Placement as VmPlacement
from provision.manifests.schemas.vmclass import ResourceLimits
from provision.manifests.text import near, shown
from provision.manifests.tree import Loc
from provision.model import (
    AccelPolicy,
    Collector,
    CpuPolicy,
    ExtraDisk,
    Firmware,
    Gpus,
    ImageSpec,
    Limits,
    NetworkSpec,
    Origin,
    Placement,
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
CPU = "nestproof.org/cpu"
COLLECTOR = "nestproof.org/collector"
KNOWN_ANNOTATIONS = (ACCEL, CPU, COLLECTOR)
"""Of a VirtualMachine."""


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
            join = _Join(documents, document, document.model, connect, environment)
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
            known = name in KNOWN_ANNOTATIONS and document.kind == "VirtualMachine"
            if name.startswith(ANNOTATIONS) and not known:
                loc: Loc = ("metadata", "annotations", name)
                hint = "" if name in KNOWN_ANNOTATIONS else near(name, KNOWN_ANNOTATIONS)
                what = f"{shown(name)} has no effect on a {document.kind}{hint}"
                yield rulebook.ANNOTATION.broken(document.places.place(loc), document.path(*loc), what)


class _Join:
    """The joining of one VirtualMachine with what it refers to; problems gather on the way."""

    def __init__(
        self, documents: Documents, document: Document[VirtualMachine], model: VirtualMachine, connect: str | None,
        environment: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.documents = documents
        self.document = document
        self.spec = model.spec
        self.annotations = model.metadata.annotations
        self.connect = connect
        self.environment = environment
        self.problems: list[Problem] = []
        self.used: list[Document[Any]] = [document]

    def vm(self) -> VmSpec | None:
        """The wanted VM; None when an error stands in its way."""
        provider = self.provider()
        a_class = self.follow(("spec", "classRef"), self.spec.class_ref, VMClass)
        image = self.image(provider)
        accel = self.accel()
        collector = self.collector()
        cpu = self.cpu()
        nics = self.networks(provider)
        texts = cloudinit.GuestTexts(self.documents, self.document, self.environment)
        user_data, meta_data = self.text(texts.user_data()), self.text(texts.meta_data())
        ignition = self.text(texts.ignition())
        if user_data is not None:
            self.problems.extend(cloudinit.check_user_data(user_data))
        if ignition is not None:
            self.problems.extend(cloudinit.check_ignition(ignition))
            if user_data is not None:
                self.broken(rulebook.IGNITION_TWICE, ("spec", "userData"), "ignition and cloudInit are both set")
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
            collector=collector,
            cpu=cpu,
            user_data=user_data.text if user_data else None,
            meta_data=meta_data.text if meta_data else None,
            networks=nics,
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
            disks=tuple(ExtraDisk(d.name, d.size_gib, d.type, d.storage_class) for d in self.spec.disks),
            tags=tuple(self.spec.tags),
            placement=self.placement().over(provider.defaults),
            ignition=ignition.text if ignition else None,
            extra_config=shape.extra_config,
            gpus=Gpus(resources.gpu.count, resources.gpu.type) if resources.gpu else None,
            disk_iops=shape.disk_defaults.iops,
            storage_class=shape.disk_defaults.storage_class,
            encrypted=security.encryption_policy.enabled or security.encryption_policy.require_encryption,
            graceful_off=self.spec.power_state == "OffGraceful",
        )

    def provider(self) -> ProviderSpec | None:
        name = self.spec.provider_ref.name
        if self.connect is not None:
            stated = self.documents.find(Provider, self.document.namespace, name)
            otherwise = stated.model.spec.type if stated and stated.model else "libvirt"
            return self.reached(ProviderSpec(name, access.type_of(self.connect, otherwise), self.connect, None))
        found = self.follow(("spec", "providerRef"), self.spec.provider_ref, Provider)
        if found is None or found.model is None:
            return None
        spec = found.model.spec
        provider = ProviderSpec(
            name, spec.type, spec.endpoint, found.origin,
            insecure=spec.insecure_skip_verify, defaults=_placement(spec.defaults),
        )  # fmt: skip
        if spec.credential_secret_ref is None:
            return self.reached(provider)
        loc = ("spec", "credentialSecretRef")
        secret = secrets.entries(self.documents, found, loc, spec.credential_secret_ref, self.environment)
        if isinstance(secret, Problem):
            # It may be in a cluster only; who needs it and has none in the environment either is told below.
            return self.reached(provider)
        if secret.document is not None:
            self.use(secret.document)
        ca = self.taken(secret.first(*access.CA_KEYS))
        provider = replace(provider, credentials=self.taken(access.from_secret(secret)), ca=ca.text if ca else None)
        return self.reached(provider)

    def reached(self, provider: ProviderSpec) -> ProviderSpec:
        """The provider with what the environment adds to what the manifest says."""
        kind, endpoint, environment = provider.type, provider.endpoint, self.environment
        try:
            ca = provider.ca or access.trusted(kind, environment)
        except (OSError, ValueError) as e:
            why = getattr(e, "strerror", None) or "it is not PEM text"
            self.broken(rulebook.CA_UNREADABLE, ("spec", "providerRef"), f"the CA file of the environment: {why}")
            ca = None
        credentials = provider.credentials or access.from_environment(kind, endpoint, environment)
        if credentials is None and kind in access.NEED_CREDENTIALS:
            self.broken(rulebook.NO_CREDENTIALS, ("spec", "providerRef"), f"{kind} needs credentials, there are none")
        return replace(
            provider,
            credentials=credentials,
            insecure=provider.insecure or access.insecure(kind, environment),
            ca=ca,
            defaults=provider.defaults.over(access.places(kind, endpoint, environment)),
        )

    def placement(self) -> Placement:
        return _placement(self.spec.placement)

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
        if provider.type not in image_rules.NEEDED:
            return None  # said with the Provider itself
        try:
            image = self.taken(image_rules.usable(found, provider.type))
        except ValueError:
            # The checksum: said with the image itself.
            return None
        http = found.model.spec.source.http
        if image is None or http is None or image.url != http.url:
            return image
        return replace(image, request=self.taken(requests.request(self.documents, found, http, self.environment)))

    def cpu(self) -> CpuPolicy:
        given = self.annotations.get(CPU, CpuPolicy.HOST_MODEL)
        try:
            return CpuPolicy(given)
        except ValueError:
            self.broken(rulebook.CPU, ("metadata", "annotations", CPU), f'"{shown(given)}" is no CPU to show')
            return CpuPolicy.HOST_MODEL

    def accel(self) -> AccelPolicy:
        given = self.annotations.get(ACCEL, AccelPolicy.KVM)
        try:
            return AccelPolicy(given)
        except ValueError:
            self.broken(rulebook.ACCEL, ("metadata", "annotations", ACCEL), f'"{shown(given)}" is no accelerator')
            return AccelPolicy.KVM

    def collector(self) -> Collector | None:
        given = self.annotations.get(COLLECTOR)
        if given is None:
            return None
        try:
            return Collector(access.report_url(given))
        except ValueError as e:
            self.broken(rulebook.COLLECTOR, ("metadata", "annotations", COLLECTOR), str(e))
            return None

    def networks(self, provider: ProviderSpec | None) -> tuple[NetworkSpec, ...]:
        if provider is None or provider.type not in networks.KINDS:
            return ()
        if not self.spec.networks:
            if default := self.default_network(provider):
                return (networks.plain("default", default, provider.type, self.document.origin),)
            if provider.type == "libvirt":
                self.broken(rulebook.NO_NETWORKS, ("spec",), "networks is not set")
        found = (self.network(provider, i, network) for i, network in enumerate(self.spec.networks))
        nics = tuple(nic for nic in found if nic is not None)
        if all(nic.address is None for nic in nics):
            return nics
        # The guest finds them by their MACs, also those that go on with DHCP.
        macs = (nic.mac or networks.own_mac(self.document.key, i, provider.type) for i, nic in enumerate(nics))
        return tuple(replace(nic, mac=mac) for nic, mac in zip(nics, macs, strict=True))

    def default_network(self, provider: ProviderSpec) -> str | None:
        found = None
        if provider.origin is not None:
            ref = self.spec.provider_ref
            found = self.documents.find(Provider, ref.namespace or self.document.namespace, ref.name)
        stated = found.model.spec.defaults.network if found and found.model and found.model.spec.defaults else None
        return stated or (self.environment.get("GOVC_NETWORK") if provider.type == "vsphere" else None)

    def network(self, provider: ProviderSpec, index: int, network: Network) -> NetworkSpec | None:
        """The NIC, by the attachment that it refers to or by its own name."""
        loc: Loc = ("spec", "networks", index)
        origin = self.document.places.place(loc)
        attachment = None
        nic = networks.plain(network.name, network.name, provider.type, origin)
        if network.network_ref is not None:
            place = (*loc, "networkRef")
            found = self.follow(place, network.network_ref, VMNetworkAttachment)
            if found is None or found.model is None:
                return None
            attachment = found.model.spec
            by_attachment = networks.attached(network, found, provider.type, origin)
            if by_attachment is None:
                what = f"VMNetworkAttachment {found.key} has no {networks.NEEDED[provider.type]}"
                self.broken(rulebook.NETWORK_BRIDGE, place, what)
                return None
            nic = by_attachment
        if network.ip_address is not None and network.prefix is None:
            self.broken(rulebook.STATIC_PREFIX, (*loc, "ipAddress"), f"{network.ip_address} has no prefix")
        address = networks.address(network, attachment)
        mac = network.mac_address.lower().replace("-", ":") if network.mac_address else None
        return replace(nic, mac=mac, address=address)

    def text(self, found: secrets.Text | Problem | None) -> secrets.Text | None:
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


def _placement(given: Defaults | VmPlacement | None) -> Placement:
    """What a Provider's defaults and a VM's placement have in common; only a VM names a host."""
    if given is None:
        return Placement()
    return Placement(
        cluster=given.cluster,
        host=given.host if isinstance(given, VmPlacement) else None,
        datastore=given.datastore,
        storage_pod=given.storage_pod,
        folder=given.folder,
        resource_pool=given.resource_pool,
    )
