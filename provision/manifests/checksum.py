"""Checksums in the shapes that people write them."""

import re

from provision.model import Checksum

DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""Hexadecimal digits of a digest."""

_SHAPES = (
    re.compile(r"(?P<algorithm>[A-Za-z0-9-]{2,12}) ?[:=] ?(?P<digest>\S+)"),  # sha256:… as container images write it
    re.compile(r"(?P<algorithm>[A-Za-z0-9-]{2,12}) ?\([^)]{0,255}\) ?= ?(?P<digest>\S+)"),  # sha256sum --tag, BSD
    re.compile(r"(?P<digest>\S+)(?:[ \t]+\*?\S{1,255})?"),  # bare, or a line of SHA256SUMS
)


def parse(text: str, checksum_type: str | None) -> Checksum:
    """`sha256:…`, bare hexadecimal, `SHA256 (file) = …` and `… file`; a bare digest is of `checksum_type`, else sha256.

    Raises ValueError with words for the user.
    """
    for shape in _SHAPES:
        match = shape.fullmatch(text.strip())
        if match:
            break
    else:
        raise ValueError("expected a hexadecimal digest, with or without a prefix such as sha256:")
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
        advice = f"that is the length of {fits}: set checksumType: {fits}" if fits else "copy it again, whole"
        raise ValueError(f"has {len(digest)} hexadecimal digits where {algorithm} has {DIGITS[algorithm]}; {advice}")
    return Checksum(algorithm, digest)


def is_bare(text: str) -> bool:
    """Only the digest: the one shape that VirtRigaud itself compares rightly."""
    return re.fullmatch(r"[0-9a-fA-F]+", text) is not None
