"""Many hosts at once: bounded concurrency, each host with its own time limit, every outcome told as it comes."""

import asyncio
from collections.abc import Callable, Iterable

from hostcheck.reach.ssh import Reached, Ssh, reach
from hostcheck.reach.targets import Target


def fetch(
    targets: Iterable[Target],
    ssh: Ssh,
    *,
    limit: int,
    timeout: float,
    begin: Callable[[Target], None],
    done: Callable[[Reached], None],
) -> None:
    """Fetch the reports of all targets, at most `limit` at a time and `timeout` seconds each.

    `begin` and `done` are called in this thread. An interrupt (Ctrl-C) leaves what `done` was told as it is.
    """
    asyncio.run(_fetch(list(targets), ssh, limit, timeout, begin, done))


async def _fetch(
    targets: list[Target],
    ssh: Ssh,
    limit: int,
    timeout: float,
    begin: Callable[[Target], None],
    done: Callable[[Reached], None],
) -> None:
    waiting = iter(targets)

    async def worker() -> None:
        for target in waiting:
            begin(target)
            done(await reach(target, ssh, timeout))

    await asyncio.gather(*(worker() for _ in range(min(limit, len(targets)))))
