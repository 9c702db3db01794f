"""Makes the one-file agent, nestproof-agent.pyz, from this package. Runs on the controller, is not part of the file."""

import ast
import contextlib
import functools
import hashlib
import marshal
import re
import sys
import tempfile
import threading
import zlib
from pathlib import Path

NAME = "nestproof-agent.pyz"
HERE = Path(__file__).parent
# ast counts the depth of the tree that it makes for all threads together: two that make one at once get a SystemError.
MAKING = threading.RLock()
NOT_SHIPPED = {"build.py", "cloudinit.py", "boothook.py", "fallback.py", "streamed.py", "__main__.py"}
# Makes the package importable from one block, compressed as a whole: a third smaller than an entry for each module.
# importlib.machinery would cost half a millisecond for the one name that the specification of sys has as its class, and
# a collection of garbage copies pages that are shared with the workers; who stays, collects (agent/service.py).
IMPORTER = """\
import gc, sys
gc.disable()
from marshal import loads
from zlib import decompress
SOURCES = loads(decompress(%s))
Spec = type(sys.__spec__)
class Bundle:
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return Spec(name, self, is_package=SOURCES[name][0])
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(SOURCES[module.__name__][1], module.__name__, "exec", 0, True), module.__dict__)
sys.meta_path.insert(0, Bundle())
"""
# sys.exit would clear away every object, one after the other, before the process ends
LEAVE = "sys.stdout.flush()\nsys.stderr.flush()\n__import__('os')._exit(%s)\n"
# The file: a script whose encoding gives every byte a character, so that the block can stand in a string as it is.
# Python starts it 5 ms faster than a zip, which it runs by means of runpy and zipimport.
SCRIPT = (
    """\
#!/usr/bin/env python3
# coding: latin-1
import sys
if sys.version_info < (3, 6):
    sys.exit("nestproof-agent: this is Python %%d.%%d, it needs 3.6 or later" %% sys.version_info[:2])
block = r'%s'
for code, byte in zip("qrnze", "'\\r\\n\\0\\1"):
    block = block.replace("\\1" + code, byte)
"""
    + IMPORTER % 'block.encode("latin-1")'
    + "from agent.cli import main\ncode = main(sys.argv[1:])\n"
    + LEAVE % "code"
)
# What may not stand in such a string, and what stands for it; the mark itself first
ESCAPES = ((b"\1", b"\1e"), (b"\0", b"\1z"), (b"\n", b"\1n"), (b"\r", b"\1r"), (b"'", b"\1q"))
# What a remote Python is given with -c; the block follows on its standard input, and nothing is written anywhere.
STREAMED = (
    IMPORTER % "sys.stdin.buffer.read()"
    + "from agent import collect\nfrom agent.frame import frame\n"
    + "sys.stdout.buffer.write(frame(collect(timeout=%r, measure=%r)))\n"
    + LEAVE % 0
)


def recording() -> str:
    """Return what a remote Python is given with -c in place of STREAMED where the machine is to be recorded."""
    source = lean_source(HERE / "streamed.py")
    return IMPORTER % "sys.stdin.buffer.read()" + source.replace("%", "%%") + "\nsend(%r, %r)\n"


class Lean(ast.NodeTransformer):
    """Drops what the interpreter does not need: docstrings, annotations of functions, blocks for type checkers."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self.lean(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self.lean(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in node.args.args + node.args.kwonlyargs:
            argument.annotation = None
        return self.lean(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def lean(self, node: ast.Module | ast.ClassDef | ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node


def lean_source(path: Path) -> str:
    """Return a module's source without what the interpreter does not need. Any number of threads may ask at once."""
    with MAKING:
        return ast.unparse(Lean().visit(ast.parse(path.read_text("utf-8"))))


def shipped() -> dict[str, tuple[bool, str]]:
    """Return {module: (is it a package, its source without comments and docstrings)}."""
    sources = {}
    for path in sorted(HERE.rglob("*.py")):
        inside = path.relative_to(HERE.parent).with_suffix("").as_posix()
        if path.name not in NOT_SHIPPED or path.parent != HERE:
            package = path.name == "__init__.py"
            name = inside.removesuffix("/__init__").replace("/", ".")
            sources[name] = (package, re.sub("(?m)^ +", lambda found: found[0][::4], lean_source(path)))
    return sources


def bundle() -> bytes:
    """Return the package as one compressed block, in the form that Python 3.6 and later read."""
    return zlib.compress(marshal.dumps(shipped(), 2), 9)


@functools.cache
def agent_bytes(kept: Path | None = None) -> bytes:
    """Return the one-file agent: a script with the block in it, the same bytes for the same sources and Python.

    To make it takes a fifth of a second; ``kept`` is a directory of this user's where it is kept for the next time.
    """
    if kept is None:
        return made()
    path = kept / f"agent-{sources_key()}"
    with MAKING:  # the second of two threads finds what the first has kept
        try:
            return path.read_bytes()
        except OSError:
            content = made()
        with contextlib.suppress(OSError):  # it was only to be faster the next time
            keep(path, content)
    return content


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, under a name that no other writer has until then. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=str(path.parent), prefix=path.name + ".", delete=False) as part:
        beside = Path(part.name)
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def sources_key() -> str:
    """Return what changes whenever the sources do, or the Python that reads them."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(HERE.rglob("*.py")):
        stat = path.stat()
        digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:32]


def made() -> bytes:
    """Make the one-file agent from the sources."""
    block = bundle() + b"."  # zlib ignores what follows its end; a raw string must not end in a backslash
    for byte, code in ESCAPES:
        block = block.replace(byte, code)
    return SCRIPT.encode("ascii") % block


def build(path: Path | str) -> Path:
    """Write the one-file agent to ``path``, or into it when it is a directory; return where. OSError as write gives."""
    target = Path(path)
    if target.is_dir():
        target = target / NAME
    target.write_bytes(agent_bytes())
    target.chmod(0o755)
    return target
