"""What is to become of one VM: the settings that it shall have, and the change that leads there. Pure."""

import msgspec

from provision.identity import identify
from provision.images import LocalImage
from provision.model import VmSpec
from provision.providers.libvirt.changes import Change, Present, change_to
from provision.providers.libvirt.checks import check_moved, check_moving, check_shrinking, check_size
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.fitting import Fitting
from provision.providers.libvirt.guest_data import guest_digest
from provision.providers.libvirt.record import Settings, kept, settings_of
from provision.providers.libvirt.storage import Layout
from provision.providers.libvirt.xmltext import parse_xml


class Aim(msgspec.Struct, frozen=True):
    """Possible with what is there."""

    wanted: Settings
    change: Change
    notes: tuple[str, ...] = ()
    """What is asked for and yet stays as it is, in words."""

    @property
    def new_disk(self) -> bool:
        """The disk is made from the image."""
        return self.change in (Change.CREATE, Change.REBUILD)


def aim_at(vm: VmSpec, choice: Choice, fitting: Fitting, image: LocalImage | None, present: Present) -> Aim:
    """Decide. `image` is None while it is not here. Raises ProviderError for what would lose or not hold a disk."""
    if image is not None:
        check_size(vm, image)
    identity = identify(vm.image, image)
    notes: tuple[str, ...] = ()
    before = present.settings
    if before is not None:
        identity = identity.seen_from(before.identity)
    wanted = settings_of(vm, choice, fitting, identity, guest_digest(vm))
    if before is not None:
        wanted, notes = kept(before, wanted)
    check_moving(vm, present, wanted)
    check_shrinking(vm, present, wanted)
    change = change_to(present, wanted, power_on=vm.power_on)
    return Aim(wanted, change, (*notes, *check_moved(vm, present, change)))


def compared(present: Present, wanted: Settings, vm: VmSpec, native: str) -> Present:
    """With what else somebody changed in a domain that is to stay; one that is redefined anyway needs no comparison."""
    if present.configured is None or present.settings != wanted:
        return present
    from provision.providers.libvirt.readback import strayed  # late: most VMs are new

    return msgspec.structs.replace(present, edits=present.edits + strayed(vm, present.configured, parse_xml(native)))


def made_anew(vm: VmSpec, choice: Choice, fitting: Fitting, image: LocalImage, aim: Aim) -> Settings:
    """What is recorded of a VM whose disk was made from `image` just now."""
    made = settings_of(vm, choice, fitting, identify(vm.image, image), guest_digest(vm))
    return kept(aim.wanted, made)[0]


def layout_of(vm: VmSpec, fitting: Fitting) -> Layout:
    """Its disks."""
    return Layout(vm.disk_gib, fitting.preallocation, fitting.disks)
