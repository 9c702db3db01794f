"""The small JSON writer agrees with the standard one."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from agent.encode import encode

THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(THINGS)
def test_round_trip(thing: object) -> None:
    assert json.loads(encode(thing)) == thing


@given(THINGS)
def test_indented_text_says_the_same(thing: object) -> None:
    assert json.loads(encode(thing, 1)) == thing


@given(st.text())
def test_output_is_printable_ascii(text: str) -> None:
    assert all(" " <= c <= "~" or c == "\x7f" for c in encode(text))


def test_what_json_cannot_say_is_null() -> None:
    assert encode([math.inf, math.nan]) == "[null, null]"
