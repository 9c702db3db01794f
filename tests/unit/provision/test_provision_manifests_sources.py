"""Files, directories and standard input: each failure one line with its place."""

import io
import os
from pathlib import Path

import pytest
from manifest_texts import CLASS, IMAGE, lines

from provision.manifests.documents import load
from provision.manifests.sources import SIZE_LIMIT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_several_files_several_documents_a_directory_and_stdin(here: Path) -> None:
    (here / "one.yaml").write_text(CLASS + "---\n" + IMAGE)
    (here / "d").mkdir()
    (here / "d" / "b.yml").write_text(CLASS.replace("name: c", "name: b"))
    (here / "d" / "a.yaml").write_text(CLASS.replace("name: c", "name: a"))
    (here / "d" / "notes.txt").write_text("no manifest: [")
    documents = load(["one.yaml", "d", "-"], io.BytesIO(CLASS.replace("name: c", "name: z").encode()))
    assert [f"{d.kind} {d.name} {d.origin}" for d in documents.items] == [
        "VMClass c one.yaml:1:1",
        "VMImage i one.yaml:8:1",
        "VMClass a d/a.yaml:1:1",
        "VMClass b d/b.yml:1:1",
        "VMClass z <stdin>:1:1",
    ]
    assert documents.problems == ()


def test_paths_in_a_pipe_of_the_shell_start_from_the_working_directory(here: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, IMAGE.encode())
    os.close(writer)
    (document,) = load([f"/dev/fd/{reader}"]).items
    os.close(reader)
    assert document.directory == here


def test_the_same_file_by_two_names_is_read_once(here: Path) -> None:
    (here / "a.yaml").write_text(CLASS)
    documents = load(["a.yaml", "./a.yaml", ".", here / "a.yaml"])
    assert len(documents.items) == 1
    assert documents.problems == ()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("huge.yaml", b"#" * (SIZE_LIMIT + 1), "huge.yaml:1:1: error: is larger than 1 MiB"),
        ("latin.yaml", b"a: b\nc: caf\xe9\n", "latin.yaml:2:7: error: is not UTF-8 text here"),
        ("mixed.yaml", "a: b\nc: Grö".encode() + b"\xdfe\n", "mixed.yaml:2:7: error: is not UTF-8 text here"),
        ("empty.yaml", b"", "empty.yaml:1:1: error: holds no document"),
        ("comment.yaml", b"# nothing\n---\n---\n", "comment.yaml:1:1: error: holds no document"),
        ("e\x1b[31m.yaml", b"", "e\\x1b[31m.yaml:1:1: error: holds no document"),
    ],
)
def test_content_that_is_no_manifest(here: Path, name: str, content: bytes, expected: str) -> None:
    (here / name).write_bytes(content)
    (line,) = lines(load([name]).problems)
    assert line.startswith(expected)


def test_paths_that_cannot_be_read(here: Path) -> None:
    (here / "bare").mkdir()
    found = lines(load(["missing.yaml", "bare", "/dev/null", "nul\0byte"]).problems)
    assert found[0] == "missing.yaml:1:1: error: no such file or directory [file]"
    assert found[1] == "bare:1:1: error: the directory holds no *.yaml or *.yml file [file]"
    assert found[2].startswith("/dev/null:1:1: error: is not a file")
    assert found[3].startswith("nul\\x00byte:1:1: error: cannot be read: ")
    assert len(found) == 4


def test_a_byte_order_mark_is_no_part_of_the_text(here: Path) -> None:
    (here / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + CLASS.replace("\n", "\r\n").encode())
    assert load(["bom.yaml"]).problems == ()


def test_the_size_limit_holds_for_stdin() -> None:
    (line,) = lines(load(["-"], io.BytesIO(b"a" * (SIZE_LIMIT + 1))).problems)
    assert line.startswith("<stdin>:1:1: error: is larger than 1 MiB")
