"""Guests that boot beside others: each takes one core, and minutes."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import uefi_guest


@pytest.fixture(scope="session")
def uefi_answers(
    tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]
) -> Iterator[Future[dict[str, str]]]:
    """The guest under UEFI, from whenever it is first asked for."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(uefi_guest.answers, tmp_path_factory.mktemp("uefi"), needs)
