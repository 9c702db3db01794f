"""A fleet is made once for all tests that want one."""

from collections.abc import Callable
from functools import cache

import fleet_factory
import pytest

from hostcheck.model import Chain


@pytest.fixture(scope="session")
def fleet_of() -> Callable[[int], list[Chain]]:
    return cache(fleet_factory.fleet)
