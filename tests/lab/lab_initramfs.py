"""Initramfs images for the software labs, written by Python: no cpio, no root, the same bytes for the same input."""

import importlib.util
import lzma
import marshal
import re
import sys
from functools import cache
from pathlib import Path

from lab_artefacts import PYTHON, userland

ALIGN = 4
LIBRARIES = ["libm.so.6", "libc.so.6", "libz.so.1", "libexpat.so.1"]
STANDARD = {  # modules and packages: what runs a zip, and what the agent imports
    "_collections_abc",
    "_weakrefset",
    "abc",
    "codecs",
    "collections",
    "contextlib",
    "copyreg",
    "encodings",
    "enum",
    "functools",
    "genericpath",
    "hashlib",
    "importlib",
    "io",
    "json",
    "keyword",
    "operator",
    "os",
    "pkgutil",
    "posixpath",
    "re",
    "reprlib",
    "runpy",
    "stat",
    "struct",
    "types",
    "typing",
    "warnings",
    "weakref",
    "zipimport",
}
EXTENSIONS = {"mmap", "_json"}


class Initramfs:
    """Files, directories and links, in the ``newc`` form of cpio (Documentation/driver-api/early-userspace)."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[int, bytes]] = {}

    def add(self, path: str, content: bytes, mode: int = 0o100644) -> None:
        """Add a file, and the directories above it."""
        for parent in list(Path(path).parents)[-2::-1]:
            self.entries.setdefault(parent.as_posix(), (0o40755, b""))
        self.entries[path] = (mode, content)

    def program(self, path: str, content: bytes | str) -> None:
        """Add an executable file."""
        self.add(path, content.encode() if isinstance(content, str) else content, 0o100755)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self.add(path, target.encode(), 0o120777)

    def directory(self, path: str) -> None:
        """Add an empty directory."""
        self.entries.setdefault(path, (0o40755, b""))

    def image(self) -> bytes:
        """Return the archive."""
        out = bytearray()
        for number, (path, (mode, content)) in enumerate([*self.entries.items(), ("TRAILER!!!", (0, b""))], 1):
            name = path.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
            out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
            out += bytes(-len(out) % ALIGN) + content
            out += bytes(-len(out) % ALIGN)
        return bytes(out)


def add_userland(image: Initramfs) -> None:
    """Add busybox with its applets, and Python."""
    tree = userland()
    image.program("bin/busybox", (tree / "bin/busybox").read_bytes())
    for directory in ("dev", "proc", "sys", "tmp", "run", "etc"):
        image.directory(directory)
    image.program("bin/python3", (tree / f"usr/bin/python{PYTHON}").read_bytes())
    places = [tree / "lib/x86_64-linux-gnu", tree / "usr/lib/x86_64-linux-gnu"]
    for library in LIBRARIES:
        found = next(place / library for place in places if (place / library).exists())
        image.program(f"lib/x86_64-linux-gnu/{library}", found.read_bytes())
    image.program("lib64/ld-linux-x86-64.so.2", (places[0] / "ld-linux-x86-64.so.2").read_bytes())
    library = tree / f"usr/lib/python{PYTHON}"
    for path in sorted(library.rglob("*.py")):
        inside = path.relative_to(library)
        if inside.parts[0].removesuffix(".py") in STANDARD and "test" not in inside.parts:
            image.add(f"usr/lib/python{PYTHON}/{inside.as_posix()}", path.read_bytes())
    for path in sorted((library / "lib-dynload").glob("*.so")):
        if path.name.split(".")[0] in EXTENSIONS:
            image.add(f"usr/lib/python{PYTHON}/lib-dynload/{path.name}", path.read_bytes())


@cache
def compiled(path: str, source: bytes) -> bytes:
    """Return a module as the lab's Python keeps it (PEP 552, a hash that is not checked): emulated CPUs are slow."""
    code = compile(source, f"/{path}", "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes([1, 0, 0, 0]) + importlib.util.source_hash(source) + marshal.dumps(code)


def precompile(image: Initramfs) -> None:
    """Add the compiled form of all Python files, where this Python is of the lab's version."""
    if sys.implementation.cache_tag != f"cpython-{PYTHON.replace('.', '')}":
        return
    for path, (_, content) in list(image.entries.items()):
        if path.endswith(".py"):
            place = Path(path).parent / "__pycache__" / f"{Path(path).stem}.{sys.implementation.cache_tag}.pyc"
            image.add(place.as_posix(), compiled(path, content))


def module_files(kernel: Path, names: list[str]) -> dict[str, tuple[Path, bytes]]:
    """Return the files of some modules and of those that they depend on, by name, in the order of loading.

    A name that the kernel has no file for is taken to be built in.
    """
    files = {
        path.name.partition(".ko")[0].replace("-", "_"): path
        for path in (kernel / "lib/modules").rglob("*.ko*")
    }  # fmt: skip
    found: dict[str, tuple[Path, bytes]] = {}

    def visit(name: str) -> None:
        if name in found or name not in files:
            return
        raw = files[name].read_bytes()
        content = lzma.decompress(raw) if files[name].suffix == ".xz" else raw
        depends = re.search(rb"\0depends=([^\0]*)", content)
        for each in depends[1].decode().split(",") if depends and depends[1] else []:
            visit(each.replace("-", "_"))
        found[name] = (files[name], content)

    for name in names:
        visit(name.replace("-", "_"))
    return found


def add_modules(image: Initramfs, kernel: Path, names: list[str]) -> list[str]:
    """Add kernel modules and those that they depend on as /mod/NAME.ko; return their order of loading."""
    found = module_files(kernel, names)
    for name, (_, content) in found.items():
        image.add(f"mod/{name}.ko", content)
    return list(found)
