"""Which packages a machine lacks, and that every program which a test asks for comes with one of the lists."""

import re
import shutil
from pathlib import Path

import guest_image
import packages
import pytest

ROOT = Path(__file__).parents[3]


def test_what_dpkg_does_not_have_is_missing() -> None:
    if not shutil.which("dpkg-query"):
        pytest.skip("no dpkg on this system")
    assert packages.missing(["dpkg", "no-such-package-at-all"]) == ["no-such-package-at-all"]


def test_tests_name_only_packages_that_are_installed_for_them() -> None:
    listed = {name for group in packages.GROUPS.values() for name in group}
    asked = {
        found
        for path in (ROOT / "tests").rglob("*.py")
        for found in re.findall(r'needs\([^)\n]*package="([a-z0-9.+-]+)"', path.read_text(encoding="utf-8"))
    }
    assert asked, "the tests ask for programs by package name"
    assert asked <= listed


def test_the_tools_of_the_image_come_with_its_list() -> None:
    essential = {"apt", "util-linux"}
    assert set(guest_image.TOOLS.values()) - essential <= set(packages.GROUPS["image"])
