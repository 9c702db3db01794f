"""A real VM inside a real machine, both judged: QEMU runs it by the KVM of an emulated AMD host."""

from functools import cache

import pytest
from truth_levels import LEVELS, Level, SeenLevel, level_differences, run_levels


@cache
def seen() -> dict[str, SeenLevel]:
    return run_levels(LEVELS)


@pytest.mark.lab
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.id)
def test_a_vm_is_judged_as_the_table_says(level: Level) -> None:
    assert level_differences(level, seen()[level.id]) == []


@pytest.mark.lab
def test_both_levels_are_in_the_chain() -> None:
    """Links of the host come from its own report, those of the guest from its own; the emulated CPU is not hidden."""
    nested = seen()["levels-nested"]
    assert nested.host.emulated_cpu and nested.before.emulated_cpu
    assert nested.before.host == "host" and "emulated" in nested.before.sentence
