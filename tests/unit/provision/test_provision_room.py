"""Many VMs added up: what cannot be is refused, what may go wrong later is said with its numbers."""

import pytest
from msgspec.structs import replace

from provision.provider import ProviderError
from provision.room import Host, Load, Need, Place, Sums, check_hosts, check_space, notes

GIB = 1 << 30
POOL = Place("device 1", "pool", 100 * GIB, "make room")
HOST = Host("the host", cpus=8, memory_mib=32768, starts=Load(2, 4, 8192), runs=Load(1, 2, 4096), free_mib=30000)


def thick(number: int, gib: int, place: Place = POOL) -> list[Need]:
    return [Need(place, "the disk of the image", gib * GIB) for _ in range(number)]


def refused(needs: list[Need]) -> str:
    with pytest.raises(ProviderError) as caught:
        check_space(needs)
    assert caught.value.refused and caught.value.hint == "make room"
    return str(caught.value)


def test_what_fits_is_not_spoken_of() -> None:
    assert notes(Sums((HOST,), (*thick(4, 20), Need(POOL, "disk", 0, 20 * GIB)))) == ()
    check_space(thick(5, 20))
    check_hosts([HOST])


def test_disks_that_fit_one_by_one_and_not_together_are_refused() -> None:
    assert refused(thick(20, 20)) == (
        "pool has 100.0 GiB left, 400.0 GiB are needed: the disk of the image, 20 times, 400.0 GiB"
    )


def test_what_is_small_is_named_where_nothing_else_is_needed() -> None:
    full = Place("device 1", "pool", 10 << 20, "make room")
    assert (
        refused([Need(full, "seed", 4 << 20)] * 3) == "pool has 10 MiB left, 12 MiB are needed: seed, 3 times, 12 MiB"
    )


def test_what_is_shared_counts_once() -> None:
    image = Need(POOL, "the image a.img", 60 * GIB, shared="a")
    check_space([image] * 20)
    assert "the image a.img 60.0 GiB" in refused(
        [image, image, replace(image, shared="b", what="another"), *thick(1, 1)]
    )


def test_places_that_share_their_space_are_one_and_others_are_not() -> None:
    cache = Place("device 1", "cache", 90 * GIB, "make room")
    assert refused([*thick(1, 50), Need(cache, "the download of a", 45 * GIB, shared="u")]).startswith(
        "pool and cache has 90.0 GiB left, 95.0 GiB are needed: "
    )
    check_space([*thick(1, 50), *thick(1, 50, Place("device 2", "other", 50 * GIB))])


def test_thin_disks_that_can_grow_too_far_are_a_warning() -> None:
    needs = (*thick(1, 60), *(Need(POOL, "disk", 0, 30 * GIB) for _ in range(2)))
    (said,) = notes(Sums(needs=needs))
    assert said.startswith("pool will have 40.0 GiB left, and 2 new disks can grow by 60.0 GiB: ")
    assert notes(Sums(needs=needs[:2])) == ()


@pytest.mark.parametrize(
    ("swap", "says"),
    [(None, "32768 MiB: what"), (0, "32768 MiB and no swap: when"), (512, "32768 MiB and 512 MiB of swap: what")],
)
def test_memory_that_is_promised_twice_is_a_warning(swap: int | None, says: str) -> None:
    crowd = replace(HOST, starts=Load(20, 20, 40960), swap_mib=swap)
    check_hosts([crowd])
    (said,) = notes(Sums((crowd,)))
    assert said.startswith(
        f"20 VMs to be started have 40960 MiB of memory, 1 VM there already 4096 MiB; the host has {says}"
    )


def test_memory_that_something_else_uses_counts() -> None:
    (said,) = notes(Sums((replace(HOST, free_mib=8000),)))
    assert said.startswith("2 VMs to be started have 8192 MiB of memory; the host has 8000 of its 32768 MiB free")


def test_memory_that_is_taken_at_once_and_is_not_there_is_refused() -> None:
    greedy = replace(HOST, starts=Load(9, 9, 36864, 36864), swap_mib=0)
    with pytest.raises(ProviderError, match=r"32768 MiB and no swap, and 9 VMs to be started take 36864 MiB") as caught:
        check_hosts([greedy])
    assert caught.value.refused
    check_hosts([replace(greedy, swap_mib=4096), replace(greedy, swap_mib=None), replace(greedy, memory_mib=0)])


def test_many_cpus_for_each_of_the_host_are_a_note() -> None:
    assert notes(Sums((replace(HOST, starts=Load(15, 30, 1)),))) == ()
    (said,) = notes(Sums((replace(HOST, starts=Load(15, 31, 1)),)))
    assert said.startswith("15 VMs to be started have 31 CPUs, 1 VM there already 2; the host has 8: ")
    assert notes(Sums((replace(HOST, starts=Load(1, 64, 1), runs=Load()),))) == (), "its own plan says it"
