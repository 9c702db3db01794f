"""Reading is bounded and stays below the root, whatever lies there."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.files import names, read, resolve


def test_reads_text_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc\xff" * 1000)
    assert read(str(tmp_path), "/f", 5) == "abc\ufffda"


def test_endless_file_ends_at_the_limit() -> None:
    with pytest.raises(OSError, match="Not a regular file"):
        read(None, "/dev/zero", 10)


def test_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="Not a regular file"):
        read(str(tmp_path), "/fifo")


def test_link_loop_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("/a")
    with pytest.raises(OSError, match="symbolic links"):
        read(str(tmp_path), "/a")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd", "sub/../../../etc/passwd"])
def test_links_cannot_leave_the_tree(tmp_path: Path, target: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "leak").symlink_to(target)
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path), "/leak")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("the tree's own")
    assert read(str(tmp_path), "/leak") == "the tree's own"


@given(st.lists(st.sampled_from(["..", ".", "a", "b", ""]), max_size=12))
def test_no_path_leaves_the_root(parts: list[str]) -> None:
    assert resolve("/no/such/root", "/" + "/".join(parts)).startswith("/no/such/root")


def test_names_are_sorted(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / name).touch()
    assert names(str(tmp_path), "/") == ["a", "b", "c"]
