"""The agent's own rules: Python 3.6 syntax, standard library only, nothing of the other rooms, early imports few."""

import ast
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[3] / "agent"
CONTROLLER_SIDE = {"build.py", "cloudinit.py", "boothook.py", "fallback.py"}
SOURCES = sorted(p for p in ROOM.rglob("*.py") if p.name not in CONTROLLER_SIDE)
# costly to import, or not there in 3.6
UNWANTED = {"argparse", "subprocess", "typing", "platform", "pathlib", "dataclasses", "enum", "re", "json", "signal"}


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports do not work for python3 DIR/agent"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOM).as_posix())
def test_parses_as_python_3_6(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOM).as_posix())
def test_imports_standard_library_only(path: Path) -> None:
    private = {"_signal", "_json"}  # C parts of standard modules, imported to spare what is around them
    assert imports(ast.parse(path.read_text("utf-8"))) <= set(sys.stdlib_module_names) | private | {"agent"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOM).as_posix())
def test_imports_nothing_costly_at_the_top(path: Path) -> None:
    top = ast.Module([n for n in ast.parse(path.read_text("utf-8")).body if not isinstance(n, ast.If)], [])
    body = ast.Module([n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    assert not imports(body) & (UNWANTED | {"ctypes"})
