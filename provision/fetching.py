"""An image that is not here is brought here: downloaded, or waited for until somebody has put it where it is to be."""

import shutil
import threading
from pathlib import Path

from hostcheck.paths import cache_dir
from provision import download
from provision.budget import POLL, Budget, TimeUp, duration
from provision.cache import ROOM, CacheFull
from provision.images import WAIT, WAITING, check_import
from provision.model import ImageSpec, Preparation
from provision.provider import Progress, ProviderError
from provision.registry_name import kept
from provision.room import Need, Place
from provision.transfer import FULL, Absent
from provision.urls import shown

_asking = threading.Lock()
_lengths: dict[str, int | None] = {}
"""Bytes of what servers have been asked for in this process: many VMs start from one image."""
_forcing = threading.Lock()
_fetched: set[tuple[str, str]] = set()
"""What was fetched again in this process: many VMs of one apply start from one image."""


def brought(image: ImageSpec, progress: Progress) -> Path:
    """Its file on this machine. Raises ProviderError."""
    waits = image.prepare.on_missing == WAIT
    asked = Preparation(timeout=image.prepare.timeout or (WAITING if waits else None), retries=image.prepare.retries)
    budget = Budget(asked)
    try:
        if image.url is None and image.registry is None:
            assert image.path is not None
            return _awaited(image.path, progress, budget)
        while True:
            try:
                return _fetched_once(image, progress, budget)
            except Absent as e:
                if not waits:
                    raise
                progress(f"waiting for {shown(image.url) if image.url else image.registry}: {_bound(budget)}")
                _pause(budget, str(e))
    except (ValueError, OSError) as e:
        full = isinstance(e, CacheFull) or (isinstance(e, OSError) and e.errno in FULL)
        said = f"{cache_dir()}: {e.strerror}" if isinstance(e, OSError) and full else e
        raise ProviderError(f"{image.origin}: image {image.name}: {said}", hint=ROOM if full else "") from e


def coming(image: ImageSpec) -> Need | None:
    """What the download of an image that is not here takes of the cache; None where its server does not tell."""
    if image.url is None:
        return None
    with _asking:
        if image.url not in _lengths:
            _lengths[image.url] = download.length(image.url, image.request)
        length = _lengths[image.url]
    if length is None:
        return None
    there = next(each for each in (cache_dir(), *cache_dir().parents) if each.exists())
    place = Place(f"device {there.stat().st_dev}", str(cache_dir()), shutil.disk_usage(there).free, ROOM)
    return Need(place, f"the download of {image.name}", length, shared=image.url)


def _fetched_once(image: ImageSpec, progress: Progress, budget: Budget) -> Path:
    if not image.prepare.force:
        return _fetch(image, progress, budget, anew=False)
    with _forcing:
        key = (image.url or image.registry or "", image.checksum.digest if image.checksum else "")
        path = _fetch(image, progress, budget, anew=key not in _fetched)
        _fetched.add(key)
        return path


def _fetch(image: ImageSpec, progress: Progress, budget: Budget, *, anew: bool) -> Path:
    if image.registry:
        from provision import registry  # late: few images come from one

        check_import(image, here=kept(image.registry).is_file())
        return registry.pull(image.registry, image.request, progress, budget, anew=anew)
    assert image.url is not None
    check_import(image, here=download.cached(image.url, image.checksum) is not None)
    return download.fetch(image.url, image.checksum, progress, image.request, budget, anew=anew)


def _awaited(path: Path, progress: Progress, budget: Budget) -> Path:
    """A file that is being written grows or is touched from one look to the next."""
    before: tuple[int, int] | None = None
    while True:
        there = path.stat() if path.is_file() else None
        now = (there.st_size, there.st_mtime_ns) if there else None
        if now is not None and now == before:
            return path
        progress(f"waiting for {path}{' to be whole' if now else ''}: {_bound(budget)}")
        _pause(budget, f"{path}: no such file" if now is None else f"{path} is still being written")
        before = now


def _pause(budget: Budget, why: str) -> None:
    try:
        budget.pause(POLL)
    except TimeUp as e:
        raise TimeUp(f"{why}; {e}") from e


def _bound(budget: Budget) -> str:
    return f"{duration(round(max(budget.left() or 0, 0)))} left"
