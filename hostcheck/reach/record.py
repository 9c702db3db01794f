"""The record of a remote machine, sent before its report: hostile, so capped, compared, and never on disk.

`NESTPROOF-RECORD/1 <decimal length> <sha256 hex>\\n` and a compressed tar of the files that the agent read.
"""

import hashlib
import io
import re
import tarfile
import zlib

HEADER = re.compile(rb"NESTPROOF-RECORD/1 ([1-9][0-9]{0,7}) ([0-9a-f]{64})\n")
MAX_PACKED = 8 << 20
MAX_BYTES = 64 << 20
"""Of the tar, unpacked."""
MAX_FILES = 10_000
GZIP = 31
"""What zlib calls its format with the header and the checksum of gzip."""
FAULTS = (tarfile.TarError, ValueError, EOFError, IndexError, KeyError, OverflowError, RecursionError, zlib.error)
"""What is raised for tars that were made to hurt."""


class RecordError(Exception):
    """There is no record that could be taken; the message says why."""


def record_in(sent: bytes) -> dict[str, bytes]:
    """The plain files of the record in a stream, by their paths as the host names them. Raises RecordError.

    Links, devices and directories are passed over; whether a path leads anywhere is for whoever writes it down.
    """
    header = HEADER.search(sent)
    if header is None:
        raise RecordError("it sent no record")
    data = sent[header.end() : header.end() + int(header[1])]
    if len(data) > MAX_PACKED or hashlib.sha256(data).hexdigest().encode() != header[2]:
        raise RecordError("its record is too large, or was damaged on the way")
    try:
        return _files(_unpacked(data))
    except FAULTS as e:
        raise RecordError(f"its record cannot be read: {e}") from e


def _unpacked(data: bytes) -> bytes:
    unpack = zlib.decompressobj(GZIP)
    tar = unpack.decompress(data, MAX_BYTES)
    if unpack.unconsumed_tail:
        raise RecordError(f"its record is larger than {MAX_BYTES >> 20} MiB")
    return tar


def _files(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for number, member in enumerate(tar):
            if number >= MAX_FILES:
                raise RecordError(f"its record has more than {MAX_FILES} files")
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse() or member.size > len(data):
                continue  # what claims more bytes than there are would be read as zeros without end
            content = tar.extractfile(member)
            found[member.name.removeprefix("./")] = content.read() if content else b""
    return found
