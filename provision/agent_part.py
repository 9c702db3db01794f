"""The agent's part of a VM's user-data: by which channels its reports leave the guest."""

from collections.abc import Sequence

from agent.cloudinit import user_data_part
from hostcheck.paths import cache_dir
from provision.model import VmSpec


def agent_part(vm: VmSpec, send: Sequence[str], every: int | None = None) -> str:
    """The part for one VM. `send` are the provider's own channels; a collector that the user names comes after them.

    `every` is the pause between two looks, in seconds. Raises ValueError for a channel that cannot be written down.
    """
    kept, collector = cache_dir() / "agent", vm.collector
    if collector is None:
        return user_data_part(vm.key, send=send, every=every, kept=kept)
    return user_data_part(
        vm.key, send=(*send, collector.url), token=collector.token or None, ca=collector.ca, every=every, kept=kept
    )
