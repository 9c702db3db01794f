"""One report out of a byte stream: `NESTPROOF-REPORT/1 <decimal length> <sha256 hex>\\n<JSON>\\n`.

The guest writes it and is not trusted: lengths are capped, digests compared, and whatever else stands in the stream is
passed over.
"""

import hashlib
import re

from hostcheck.report import MAX_BYTES

MARKER = b"NESTPROOF-REPORT/1 "
HEADER = re.compile(rb"NESTPROOF-REPORT/1 ([1-9][0-9]{0,5}) ([0-9a-f]{64})\n")
LONGEST_HEADER = len(MARKER) + 6 + 1 + 64 + 1


class FrameReader:
    """Takes bytes as they come and gives back the first whole report among them."""

    def __init__(self) -> None:
        self._buffer = b""
        self.fault = ""
        """What was wrong with the last frame that had to be passed over; empty when none was."""

    def feed(self, data: bytes) -> bytes | None:
        """The JSON of a whole and intact frame, else None. What follows it in `data` is dropped."""
        self._buffer += data
        while True:
            start = self._buffer.find(MARKER)
            if start < 0:
                self._buffer = self._buffer[-(len(MARKER) - 1) :]
                return None
            self._buffer = self._buffer[start:]
            header = HEADER.match(self._buffer)
            if header is None:
                if len(self._buffer) < LONGEST_HEADER and b"\n" not in self._buffer:
                    return None
                self._pass_over("a frame with a malformed header")
                continue
            length = int(header[1])
            if length > MAX_BYTES:
                self._pass_over(f"a report of {length} bytes; at most {MAX_BYTES} are accepted")
                continue
            body = self._buffer[header.end() : header.end() + length + 1]
            if len(body) < length + 1:
                return None
            if body[-1:] != b"\n" or hashlib.sha256(body[:-1]).hexdigest().encode() != header[2]:
                self._pass_over("a report that was damaged on the way (wrong digest)")
                continue
            return body[:-1]

    def _pass_over(self, fault: str) -> None:
        self.fault = fault
        self._buffer = self._buffer[len(MARKER) :]
