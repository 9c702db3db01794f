"""Quantities and checksums in the shapes that people write."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.manifests import checksum, quantity
from provision.model import Checksum

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8Gi", 8 << 30),
        ("1.5Gi", 3 << 29),
        (".5Mi", 1 << 19),
        ("512Mi", 512 << 20),
        ("10G", 10**10),
        ("1k", 1000),
        ("1E", 10**18),
        ("1e9", 10**9),
        ("12E3", 12_000),
        ("1500m", Fraction(3, 2)),
        ("+1Ki", 1024),
        (4096, 4096),
        ("4096", 4096),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_quantities_are_exact(text: str | int, expected: Fraction | int) -> None:
    assert quantity.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8GB", "has the unknown unit GB; write 8G;"),
        ("8gi", "has the unknown unit gi; write 8Gi;"),
        ("8GiB", "has the unknown unit GiB; write 8Gi; the units are"),
        ("8 Gi", "expected a quantity such as 8Gi"),
        ("", "expected a quantity such as 8Gi"),
        ("8gib", "has the unknown unit gib; write 8Gi; the units are"),
        ("8 Gi", "expected a quantity such as 8Gi, 512Mi or 10G; write 8Gi"),
        ("many", "expected a quantity such as 8Gi"),
        ("9" * 100, "expected a quantity such as 8Gi"),
    ],
)
def test_what_is_no_quantity_is_said_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        quantity.parse(text)


@given(st.text(max_size=40))
def test_nothing_but_a_value_error_leaves_the_parser(text: str) -> None:
    try:
        value = quantity.parse(text)
    except ValueError:
        return
    assert re.fullmatch(quantity.PATTERN, text), "we take only what the API server takes"
    assert quantity.show(value)


@given(st.from_regex(quantity.PATTERN, fullmatch=True).filter(lambda t: len(t) < 30))
def test_everything_the_api_server_takes_is_read_or_refused_in_words(text: str) -> None:
    try:
        quantity.parse(text)
    except ValueError as error:
        # Exponents with a fraction or beyond 99 mean no size of anything.
        assert re.search(r"[eE]", text), error


@given(st.integers(min_value=1, max_value=1 << 60))
def test_show_is_exact(value: int) -> None:
    assert quantity.parse(quantity.show(Fraction(value))) == value


@pytest.mark.parametrize("text", ["50G", "1536Mi", "16Gi", "100k", "999", "0", "7"])
def test_show_is_what_people_write(text: str) -> None:
    """50G used to be shown as 48828125Ki."""
    assert quantity.show(quantity.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (HEX, None, Checksum("sha256", HEX)),
        (HEX.upper(), "sha256", Checksum("sha256", HEX)),
        (f"sha256:{HEX}", None, Checksum("sha256", HEX)),
        (f"SHA256={HEX}", None, Checksum("sha256", HEX)),
        (f"sha-512:{HEX * 2}", "sha512", Checksum("sha512", HEX * 2)),
        (f"SHA256 (a b.qcow2) = {HEX}", None, Checksum("sha256", HEX)),
        (f"{HEX}  debian.qcow2", None, Checksum("sha256", HEX)),
        (f"{HEX} *debian.qcow2", None, Checksum("sha256", HEX)),
        (f"{HEX}  my debian.qcow2\n", None, Checksum("sha256", HEX)),
        (HEX[:32], "md5", Checksum("md5", HEX[:32])),
        (f"md5:{HEX[:32]}", None, Checksum("md5", HEX[:32])),
    ],
)
def test_checksums_in_their_shapes(text: str, kind: str | None, expected: Checksum) -> None:
    assert checksum.parse(text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (HEX[:-1], None, "has 63 hexadecimal digits where sha256 has 64; copy it again, whole"),
        (HEX * 2, None, "that is the length of sha512: set checksumType: sha512"),
        (HEX[:-1] + "g", None, "is not hexadecimal"),
        (f"crc32:{HEX}", None, "has the unknown algorithm crc32; the algorithms are md5, sha1, sha256, sha512"),
        (f"sha256:{HEX}", "sha512", "says sha256, but checksumType says sha512"),
        (f"sha512:{HEX}", None, "that is the length of sha256: write sha256 in front"),
        ("", None, 'is no digest; write its hexadecimal digits, alone or with the algorithm in front, as "sha256:…"'),
        ("three different words", None, "is not hexadecimal"),
        (f"uncompressed-sha256:{HEX}", None, "is of the image unpacked; write that of the file as it is published"),
        ("https://example.org/SHA256SUMS", None, "is a URL; write the digest itself: in a list of them it stands in"),
        (f"file:https://example.org/{HEX}", None, "is a URL; write the digest itself"),
        (f"{HEX}  a.img\n{HEX}  b.img\n", None, "has several lines; keep the one of the image's file"),
    ],
)
def test_wrong_checksums_are_said_in_words(text: str, kind: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        checksum.parse(text, kind)


@given(st.text(max_size=300), st.sampled_from([None, "md5", "sha256"]))
def test_a_digest_always_has_its_length(text: str, kind: str | None) -> None:
    try:
        found = checksum.parse(text, kind)
    except ValueError:
        return
    assert len(found.digest) == checksum.DIGITS[found.algorithm]
