"""One image or another: told by content where that is known, by what the manifest says where it is not."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from vm_factory import image

from provision.identity import Identity, identify
from provision.images import LocalImage
from provision.model import Checksum, ImageSpec

HERE, OTHER = (LocalImage(Path("x"), "raw", digit * 64, 512) for digit in "12")
FILE = image(Path("x"))
REMOTE = replace(FILE, path=None, url="https://user:hunter2@images.example/x.img")


def stated(algorithm: str, digest: str) -> ImageSpec:
    return replace(REMOTE, checksum=Checksum(algorithm, digest))


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ((FILE, HERE), (FILE, HERE), True),
        ((FILE, HERE), (FILE, OTHER), False),
        ((REMOTE, HERE), (REMOTE, None), True),
        ((REMOTE, HERE), (REMOTE, OTHER), True),
        ((REMOTE, HERE), (replace(REMOTE, url="https://images.example/y.img"), None), False),
        ((REMOTE, HERE), (replace(REMOTE, url="https://images.example/y.img"), HERE), True),
        ((FILE, HERE), (stated("sha256", HERE.sha256), None), True),
        ((FILE, HERE), (stated("sha256", OTHER.sha256), None), False),
        ((FILE, HERE), (stated("sha512", "5" * 128), None), False),
        ((stated("sha512", "5" * 128), HERE), (stated("sha512", "5" * 128), None), True),
        ((stated("sha512", "5" * 128), HERE), (stated("sha512", "6" * 128), None), False),
        (
            (stated("sha512", "5" * 128), HERE),
            (replace(stated("sha512", "5" * 128), url="https://mirror/"), None),
            True,
        ),
    ],
)
def test_one_image_or_another(
    before: tuple[ImageSpec, LocalImage], after: tuple[ImageSpec, LocalImage | None], same: bool
) -> None:
    recorded, now = identify(*before), identify(*after)
    assert now.seen_from(recorded) == (recorded if same else now)


def test_what_nobody_knows_is_never_the_same() -> None:
    assert Identity("1" * 64).seen_from(Identity("")) == Identity("1" * 64)
    assert Identity("").seen_from(Identity("1" * 64)) == Identity("")


def test_a_password_in_a_url_is_in_no_record() -> None:
    assert "hunter2" not in repr(identify(REMOTE, HERE))
