"""The one-file agent: small, the same every time, complete."""

import ast
import gc
import subprocess
import sys
import threading
import time
import tomllib
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent
from agent.build import Lean, agent_bytes, build, bundle, keep, made, shipped

REPOSITORY = Path(__file__).parents[3]


def test_fits_its_budget() -> None:
    assert len(agent_bytes()) <= 32 * 1024


def test_is_deterministic(tmp_path: Path) -> None:
    first = build(tmp_path)
    second = build(tmp_path / "other.pyz")
    assert first.name == "nestproof-agent.pyz"
    assert first.read_bytes() == second.read_bytes() == agent_bytes()


def test_is_executable(tmp_path: Path) -> None:
    done = subprocess.run([build(tmp_path), "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"nestproof-agent {agent.VERSION}\n"


def test_is_a_script_that_holds_the_block_whole(pyz: Path) -> None:
    text = pyz.read_bytes()
    assert text.startswith(b"#!/usr/bin/env python3\n# coding: latin-1\n")
    names: dict[str, str] = {}
    exec(compile(text.split(b"import gc")[0], "start", "exec"), names)
    assert zlib.decompress(names["block"].encode("latin-1")) == zlib.decompress(bundle())


def test_leaves_out_what_only_the_controller_needs() -> None:
    assert not {"agent.build", "agent.cloudinit", "agent.boothook", "agent.fallback", "agent.__main__"} & set(shipped())
    assert "agent.proof.nested" in shipped()


@given(st.binary(max_size=300))
def test_any_block_survives_being_written_into_the_script(block: bytes) -> None:
    from agent import build as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "bundle", lambda: block)
        names: dict[str, str] = {}
        exec(compile(made().split(b"import gc")[0], "start", "exec"), names)
    assert names["block"].encode("latin-1") == block + b"."


def test_too_old_a_python_is_told_in_one_line(pyz: Path) -> None:
    code = f"import sys; sys.version_info = (3, 5, 0); sys.argv = ['x']; exec(open({str(pyz)!r}, 'rb').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == "nestproof-agent: this is Python 3.5, it needs 3.6 or later\n"
    assert done.returncode == 1


def test_comments_and_docstrings_are_left_out() -> None:
    for package, source in shipped().values():
        assert isinstance(package, bool)
        assert '"""' not in source
        assert "\n#" not in source


def test_what_is_shipped_says_what_the_sources_say() -> None:
    for name, (package, source) in shipped().items():
        path = REPOSITORY / name.replace(".", "/")
        text = (path / "__init__.py" if package else path.with_suffix(".py")).read_text("utf-8")
        lean = Lean().visit(ast.parse(text))
        assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(ast.unparse(lean)))


def test_runs_from_its_sources_too() -> None:
    for command in ([sys.executable, "-m", "agent"], [sys.executable, "-I", str(REPOSITORY / "agent")]):
        done = subprocess.run(
            [*command, "--version"], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == f"nestproof-agent {agent.VERSION}\n"


def test_version_is_the_distribution_s() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["version"] == agent.VERSION


def test_is_made_once_and_kept_for_as_long_as_the_sources_are_the_same(tmp_path: Path) -> None:
    from agent import build as module

    first = agent_bytes(tmp_path)
    assert first == made()
    agent_bytes.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "made", lambda: b"anew")
        assert agent_bytes(tmp_path) == first
        agent_bytes.cache_clear()
        patch.setattr(module, "sources_key", lambda: "changed")
        assert agent_bytes(tmp_path) == b"anew"
        agent_bytes.cache_clear()
        assert agent_bytes(tmp_path / "agent-changed") == b"anew", "where nothing can be kept it is still made"
    agent_bytes.cache_clear()


@pytest.fixture
def interleaved() -> Iterator[None]:
    """Another thread runs whenever the garbage is collected, as also in the middle of making a tree of source."""

    def give_way(_phase: str, _info: dict[str, int]) -> None:
        time.sleep(0)

    gc.callbacks.append(give_way)
    agent_bytes.cache_clear()
    yield
    gc.callbacks.remove(give_way)
    agent_bytes.cache_clear()


@pytest.mark.parametrize("make", [made, bundle])
def test_is_made_by_several_threads_at_once(interleaved: None, make: Callable[[], object]) -> None:
    """As for the VMs of an apply and for the hosts of a check."""
    together = threading.Barrier(4)

    def one() -> object:
        together.wait(60)
        return make()

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(one) for _ in range(4)]
    assert {result.result() for result in results} == {make()}


def test_the_first_of_several_threads_makes_it_and_the_others_find_it(
    interleaved: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent import build as module

    times: list[int] = []

    def counted() -> bytes:
        times.append(1)
        return made()

    monkeypatch.setattr(module, "made", counted)
    together = threading.Barrier(4)

    def one() -> bytes:
        together.wait(60)
        return agent_bytes(tmp_path / "cache")

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(one) for _ in range(4)]
    assert {result.result() for result in results} == {made()}
    assert len(times) == 1
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.read_bytes() == made()


def test_what_is_kept_is_whole_whoever_else_writes_it(tmp_path: Path) -> None:
    """Also writers of one process: their temporary names differ."""
    path, texts = tmp_path / "agent", [bytes([n]) * 100_000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for writing in [pool.submit(keep, path, text) for text in texts * 4]:
            writing.result()
    assert path.read_bytes() in texts
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="directory"):
        keep(tmp_path, b"no file can have the name of a directory")
    assert list(tmp_path.iterdir()) == [path]
