"""A number for a new VM, while others take numbers at the same time.

Proxmox's next free number is only a proposal: between asking and creating anybody may take it. The creation itself is
atomic in the cluster's file system, so the number is whatever a creation succeeded with.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provision.provider import ProviderError
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.faults import ApiError

TRIES = 100
LARGEST = 999_999_999


class Numbers:
    """Hands out numbers to the threads of this process, never one to two of them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._handed_out: set[int] = set()

    def create(self, attempt: Callable[[int], object]) -> tuple[int, object]:
        """Call `attempt` with numbers until it takes one; the number and what it returned. Raises its other errors."""
        for tried in range(TRIES):
            with self._reserved(tried) as number:
                try:
                    return number, attempt(number)
                except ApiError as e:
                    if not taken(e.text):
                        raise
        raise ProviderError(f"no free VM number was to be had in {TRIES} tries", hint="too many creations at once")

    @contextmanager
    def _reserved(self, tried: int) -> Iterator[int]:
        """The next free number that no other thread tries; further away the more often others were faster."""
        number = self._api.get("cluster/nextid", int) + _ahead(tried)
        with self._lock:
            while number in self._handed_out:
                number += 1
            if number > LARGEST:
                raise ProviderError("the cluster has no VM numbers left")
            self._handed_out.add(number)
        try:
            yield number
        finally:
            with self._lock:
                self._handed_out.discard(number)


def _ahead(tried: int) -> int:
    return random.randrange(4 * tried) if tried else 0  # noqa: S311 - spreads those who collide, keeps no secret


def taken(text: str) -> bool:
    """A creation failed because its number is somebody's."""
    return "already exists" in text
