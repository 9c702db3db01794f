"""Bundles as files: one tar, compressed by its ending, the same bytes for the same bundle; and reading anybody's.

What is read is hostile: nothing is written to disk, only plain files are taken, sizes are capped while unpacking, names
may lead nowhere, and every file must be what the manifest says.
"""

import io
import tarfile
from pathlib import Path

import msgspec

from reports.bundle.model import (
    MANIFEST,
    MAX_FILE,
    MAX_FILES,
    MAX_TOTAL,
    PAGE,
    SCHEMA,
    TOP,
    Bundle,
    BundleError,
    Manifest,
    file_of,
    name_fault,
)
from reports.packing import PackError, packed, unpacked

ENDINGS = (".tar.zst", ".tar.gz", ".tgz", ".tar")
BLOCK = 512
MAX_STREAM = MAX_TOTAL + MAX_FILES * 4 * BLOCK
"""Bytes of the unpacked tar: the files, and what a tar says about each."""
FAULTS = (tarfile.TarError, ValueError, EOFError, IndexError, KeyError, OverflowError, RecursionError)
"""What tarfile raises for tars that were made to hurt."""


def write(bundle: Bundle, page: bytes, path: Path) -> None:
    """Write the bundle with its page, unless that is empty; only the user may read it. Raises BundleError."""
    if not path.name.endswith(ENDINGS):
        raise BundleError(f"{path}: the name of a bundle ends in one of {', '.join(ENDINGS)}")
    manifest = msgspec.json.format(msgspec.json.encode(bundle.manifest(page)), indent=1)
    try:
        with packed(path) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            _add(tar, MANIFEST, manifest, bundle.made)
            if page:
                _add(tar, PAGE, page, bundle.made)
            for name, data in sorted(bundle.files.items()):
                _add(tar, name, data, bundle.made)
    except PackError as e:
        raise BundleError(str(e)) from e


def read(path: Path) -> Bundle:
    """A bundle from a file. Raises BundleError."""
    try:
        with unpacked(path, MAX_STREAM) as stream:
            files = _members(path, stream)  # type: ignore[arg-type]
    except PackError as e:
        raise BundleError(str(e)) from e
    if MANIFEST not in files:
        raise BundleError(f"{path}: not a nestproof bundle: there is no {TOP}{MANIFEST} in it")
    try:
        manifest = msgspec.json.decode(files.pop(MANIFEST), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise BundleError(f"{path}: its manifest is not one of {SCHEMA}: {e}") from e
    for listed in manifest.files:
        data = files.get(listed.name)
        if data is None:
            raise BundleError(f"{path}: {listed.name[:200]!r} is named in its manifest and not there")
        if file_of(listed.name, data) != listed:
            raise BundleError(f"{path}: {listed.name[:200]!r} is not what its manifest says: damaged or changed")
    if unknown := files.keys() - {listed.name for listed in manifest.files}:
        raise BundleError(f"{path}: {min(unknown)!r} is not named in its manifest")
    files.pop(PAGE, None)
    about = (manifest.version, manifest.command, manifest.made, manifest.redacted)
    return Bundle(*about, list(manifest.subjects), files, list(manifest.left_out))


def is_bundle(path: Path) -> bool:
    """The file is a tar, packed or not, that begins as a bundle does; or so damaged that only its name says so."""
    try:
        with unpacked(path, MAX_STREAM) as stream:
            head = stream.read(BLOCK)
    except PackError:
        return path.name.endswith(ENDINGS)
    return head[257:262] == b"ustar" or head.startswith(TOP.encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes, made: float) -> None:
    member = tarfile.TarInfo(TOP + name)
    member.size, member.mtime, member.mode = len(data), int(made), 0o644
    tar.addfile(member, io.BytesIO(data))


def _members(path: Path, stream: io.BufferedIOBase) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_FILES:
                    raise BundleError(f"{path}: more than {MAX_FILES} files")
                if member.isdir():
                    continue
                name = member.name.removeprefix(TOP)
                shown = member.name[:200].encode("ascii", "backslashreplace").decode()
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    raise BundleError(f"{path}: {shown!r} is no plain file; a bundle has no links or devices")
                if fault := name_fault(name) or ("" if name != member.name else "it lies outside the bundle's folder"):
                    raise BundleError(f"{path}: {shown!r}: {fault}")
                if name in files:
                    raise BundleError(f"{path}: {shown!r} is there twice")
                if not 0 <= member.size <= MAX_FILE:
                    raise BundleError(f"{path}: {shown!r} has {member.size} bytes; at most {MAX_FILE} are accepted")
                content = tar.extractfile(member)
                files[name] = content.read(MAX_FILE) if content else b""
    except FAULTS as e:
        raise BundleError(f"{path}: not a tar that can be read: {e}") from e
    return files
