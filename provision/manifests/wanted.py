"""The wanted VM: its class, image, provider, networks and texts in one, with what stands in its way."""

from fractions import Fraction

import msgspec

from provision.manifests import (
    annotations,
    class_rules,
    cloudinit,
    image_rules,
    preparing,
    quantity,
    requests,
    rulebook,
)
from provision.manifests.join import Join
from provision.manifests.nics import shared_networks, wanted_nics
from provision.manifests.reaching import placement, wanted_provider
from provision.manifests.schemas import VMClass, VMImage
from provision.manifests.schemas.vmclass import ResourceLimits
from provision.manifests.text import listed
from provision.model import ExtraDisk, Firmware, Gpus, ImageSpec, Limits, ProviderSpec, VmSpec


def wanted_vm(join: Join) -> VmSpec | None:
    """The wanted VM; None when an error stands in its way."""
    provider = wanted_provider(join)
    a_class = join.follow(("spec", "classRef"), join.spec.class_ref, VMClass)
    image = _image(join, provider)
    accel = annotations.accel(join)
    collector = annotations.collector(join)
    cpu = annotations.cpu(join)
    nics = wanted_nics(join, provider)
    texts = cloudinit.GuestTexts(join.documents, join.document, join.environment)
    user_data, meta_data = join.text(texts.user_data()), join.text(texts.meta_data())
    ignition = join.text(texts.ignition())
    if user_data is not None:
        join.problems.extend(cloudinit.check_user_data(user_data))
    if ignition is not None:
        join.problems.extend(cloudinit.check_ignition(ignition))
        if user_data is not None:
            join.broken(rulebook.IGNITION_TWICE, ("spec", "userData"), "ignition and cloudInit are both set")
    disks = [disk.name for disk in join.spec.disks]
    for number, name in enumerate(disks):
        if name in disks[:number]:
            join.broken(rulebook.DISK_TWICE, ("spec", "disks", number, "name"), f"there are two disks {name}")
    if a_class is None or a_class.model is None or provider is None or image is None:
        return None
    shape = a_class.model.spec
    if provider.type == "vsphere" and shape.performance_profile.nested_virtualization and join.spec.resources.gpu:
        what = f"class {a_class.name} is nested, the VM has a GPU"
        join.broken(rulebook.NESTED_GPU, ("spec", "resources", "gpu"), what)
    if shape.performance_profile.nested_virtualization and (shared := shared_networks(join, provider)):
        what = f"it runs VMs, and other machines may be on {listed(shared, 'and')}"
        join.broken(rulebook.NESTED_ISOLATION, ("spec", "networks"), what)
    if user_data is not None and not shape.performance_profile.nested_virtualization:
        join.problems.extend(cloudinit.check_purpose(user_data))
    if join.has_error():
        return None
    profile, security = shape.performance_profile, shape.security_profile
    resources = join.spec.resources
    return VmSpec(
        namespace=join.document.namespace,
        name=join.document.name,
        provider=provider,
        image=image,
        cpus=resources.cpu or shape.cpu,
        memory_mib=resources.memory_mib or quantity.ceil(shape.memory, quantity.MIB),
        disk_gib=quantity.ceil(shape.disk_defaults.size, quantity.GIB),
        firmware=Firmware.BIOS if shape.firmware == "BIOS" else Firmware.UEFI,
        nested=profile.nested_virtualization,
        secure_boot=security.secure_boot,
        power_on=join.spec.power_state in (None, "On"),
        accel=accel,
        collector=collector,
        cpu=cpu,
        user_data=user_data.text if user_data else None,
        meta_data=meta_data.text if meta_data else None,
        networks=nics,
        origins=join.origins(),
        fields=join.fields(),
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
        disks=tuple(ExtraDisk(d.name, d.size_gib, d.type, d.storage_class) for d in join.spec.disks),
        tags=tuple(join.spec.tags),
        placement=placement(join.spec.placement).over(provider.defaults),
        ignition=ignition.text if ignition else None,
        extra_config=shape.extra_config,
        gpus=Gpus(resources.gpu.count, resources.gpu.type) if resources.gpu else None,
        disk_iops=shape.disk_defaults.iops,
        storage_class=shape.disk_defaults.storage_class,
        encrypted=security.encryption_policy.enabled or security.encryption_policy.require_encryption,
    )


def _image(join: Join, provider: ProviderSpec | None) -> ImageSpec | None:
    if join.spec.imported_disk is not None:
        join.broken(rulebook.IMPORTED_DISK, ("spec", "importedDisk"), "importedDisk is set")
    if join.spec.image_ref is None:
        if join.spec.imported_disk is None:
            join.broken(rulebook.NO_IMAGE, ("spec",), "imageRef is not set")
        return None
    found = join.follow(("spec", "imageRef"), join.spec.image_ref, VMImage)
    if found is None or found.model is None or provider is None or image_rules.is_empty(found.model.spec.source):
        return None  # also said with the image itself
    if provider.type not in image_rules.NEEDED:
        return None  # said with the Provider itself
    try:
        image = join.taken(image_rules.usable(found, provider.type))
    except ValueError:
        # The checksum: said with the image itself.
        return None
    if image is None:
        return None
    if fault := image_rules.check_format(found, image):
        join.problems.append(fault)
    http, registry = found.model.spec.source.http, found.model.spec.source.registry
    by_http = http is not None and image.url == http.url
    image = msgspec.structs.replace(image, prepare=preparing.preparation(found, by_http=by_http))
    if registry is not None and image.registry:
        from provision.manifests import registry_secret  # late: few images come from a registry

        login = join.taken(registry_secret.login(join.documents, found, registry, join.environment))
        return msgspec.structs.replace(image, request=login)
    if http is None or not by_http:
        return image
    return msgspec.structs.replace(
        image, request=join.taken(requests.request(join.documents, found, http, join.environment))
    )


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
