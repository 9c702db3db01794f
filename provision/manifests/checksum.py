"""Checksums in the shapes that people write them."""

import re

from provision.model import Checksum

DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""Hexadecimal digits of a digest."""

_SHAPES = (
    re.compile(r"(?P<algorithm>[A-Za-z0-9-]{2,12}) ?[:=] ?(?P<digest>\S+)"),  # sha256:… as container images write it
    re.compile(r"(?P<algorithm>[A-Za-z0-9-]{2,12}) ?\([^)]{0,255}\) ?= ?(?P<digest>\S+)"),  # sha256sum --tag, BSD
    re.compile(r"(?P<digest>\S+)(?:[ \t]+\*?\S.{0,255})?"),  # bare, or a line of SHA256SUMS
)
_UNPACKED = "uncompressed-"
"""What the streams of Fedora CoreOS put before the digest of an image that was unpacked."""


def parse(text: str, checksum_type: str | None) -> Checksum:
    """`sha256:…`, bare hexadecimal, `SHA256 (file) = …` and `… file`; a bare digest is of `checksum_type`, else sha256.

    Raises ValueError with words for the user.
    """
    text = text.strip()
    if "://" in text:
        raise ValueError(
            "is a URL; write the digest itself: in a list of them it stands in the line of the image's file"
        )
    if "\n" in text:
        raise ValueError("has several lines; keep the one of the image's file")
    if text.lower().startswith(_UNPACKED):
        raise ValueError(
            "is of the image unpacked; write that of the file as it is published, which stands beside it as sha256"
        )
    for shape in _SHAPES:
        match = shape.fullmatch(text)
        if match:
            break
    else:
        raise ValueError(
            'is no digest; write its hexadecimal digits, alone or with the algorithm in front, as "sha256:…"'
        )
    prefix = match.groupdict().get("algorithm")
    named = prefix.lower().replace("-", "") if prefix else None
    if named is not None and named not in DIGITS:
        raise ValueError(f"has the unknown algorithm {prefix}; the algorithms are {', '.join(DIGITS)}")
    if named is not None and checksum_type is not None and named != checksum_type:
        raise ValueError(f"says {named}, but checksumType says {checksum_type}; make them agree")
    algorithm = named or checksum_type or "sha256"
    digest = match["digest"].lower()
    stranger = re.search(r"[^0-9a-f]", digest)
    if stranger:
        raise ValueError("is not hexadecimal (digits 0-9 and a-f)")
    if len(digest) != DIGITS[algorithm]:
        fits = next((a for a, n in DIGITS.items() if n == len(digest)), None)
        change = f"write {fits} in front" if named else f"set checksumType: {fits}"
        advice = f"that is the length of {fits}: {change}" if fits else "copy it again, whole"
        raise ValueError(f"has {len(digest)} hexadecimal digits where {algorithm} has {DIGITS[algorithm]}; {advice}")
    return Checksum(algorithm, digest)


def is_bare(text: str) -> bool:
    """Only the digest: the one shape that VirtRigaud itself compares rightly."""
    return re.fullmatch(r"[0-9a-fA-F]+", text) is not None
