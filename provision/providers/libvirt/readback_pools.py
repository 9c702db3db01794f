"""The storage pools that a VM's files are in, asked for and found. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from hostcheck.model import Setting
from provision.model import VmSpec
from provision.providers.libvirt.live import Live
from provision.providers.libvirt.site import image_pool_path, pool_path

SOURCE = "domain XML, storage pools"


def pools_of_live(vm: VmSpec, live: Live, directories: Mapping[str, set[str]]) -> tuple[Setting, ...]:
    """`directories`: the names of the pools in each. A layer's image is known only of a VM that runs."""
    settings = []
    for path, asked, source in (
        (pool_path(vm), vm.placement.datastore, "source"),
        (image_pool_path(vm), vm.image.storage, "backingStore/source"),
    ):
        file = live.xml.find(f"devices/disk/target[@dev='vda']/../{source}")
        if not asked or file is None:
            continue
        names = directories.get(str(PurePosixPath(file.get("file", "")).parent), set())
        settings.append(Setting(path, asked, asked if asked in names else ", ".join(sorted(names)) or "none", SOURCE))
    return tuple(settings)
