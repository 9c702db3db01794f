"""What a VM's disk is made from: a template of the cluster, or an image file that is uploaded."""

from collections.abc import Mapping, Sequence

import msgspec

from provision import images
from provision.identity import Identity, identify
from provision.images import LocalImage
from provision.model import ImageSpec, VmSpec
from provision.provider import ProviderError
from provision.providers.proxmox import config, guests
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.choose import template_of
from provision.providers.proxmox.guests import Resource
from provision.providers.proxmox.words import DISK, refusal


class Source(msgspec.Struct, frozen=True):
    """One of the two."""

    template: Resource | None = None
    template_config: Mapping[str, str] | None = None
    file: LocalImage | None = None
    """None for a template, and for an image that is not downloaded yet."""

    def identity(self, image: ImageSpec) -> Identity:
        """As the record has it."""
        return Identity(f"template {self.template.vmid}") if self.template is not None else identify(image, self.file)

    @property
    def drive(self) -> str:
        """The drive that its disk becomes."""
        return config.boot_drive(self.template_config) if self.template_config else "scsi0"

    @property
    def gib(self) -> float:
        """Of its disk; 0 while nobody knows."""
        if self.template_config is not None:
            return config.disk_gib(self.template_config, self.drive)
        return self.file.size / 2**30 if self.file else 0.0


def source_of(api: Api, vm: VmSpec, resources: Sequence[Resource]) -> Source:
    """What the image of `vm` is there. Raises ProviderError."""
    template = template_of(vm, resources)
    if template is None:
        return Source(file=images.locate(vm.image))
    found = guests.read(api, template.node, template.vmid)
    if found is None:
        raise ProviderError(f"{vm.image.origin}: template {template.vmid} went away meanwhile")
    return Source(template=template, template_config=found.config)


def check_size(vm: VmSpec, source: Source) -> None:
    """Raises ProviderError, refused, for a disk smaller than its image."""
    if vm.disk_gib < source.gib:
        why = f"a disk of {vm.disk_gib} GiB is smaller than its image {vm.image.name} ({source.gib:.1f} GiB)"
        raise refusal(vm, DISK, why)
