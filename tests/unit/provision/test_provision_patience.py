"""How long a guest is waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.patience import BOUND, QUIET, Signs, deadline


@pytest.mark.parametrize(
    ("timeout", "last_sign", "ends"),
    [
        (900.0, 0.0, 900.0),  # it never showed anything
        (900.0, 500.0, 900.0),  # and it stands still since
        (900.0, 880.0, 940.0),  # it is getting on: a minute from its last sign
        (900.0, 2690.0, 2700.0),  # but not for ever
        (5.0, 4.0, 9.0),  # who gives little time does not wait a minute more
        (5.0, 14.0, 15.0),
    ],
)
def test_the_wait_ends(timeout: float, last_sign: float, ends: float) -> None:
    assert deadline(timeout, last_sign) == ends


@given(st.floats(1, 1e6), st.floats(0, 1e7), st.floats(0, 1e7))
def test_bounds(timeout: float, sign: float, later: float) -> None:
    assert timeout <= deadline(timeout, sign) <= BOUND * timeout
    assert deadline(timeout, sign) <= deadline(timeout, max(sign, later))
    if sign + QUIET < timeout:
        assert deadline(timeout, sign) == timeout


def test_a_sign_is_what_has_changed_since_the_look_before() -> None:
    signs = Signs()
    signs.look("the console of an earlier boot", 1.0)
    assert signs.last == 0.0
    signs.look("and more", 2.0)
    signs.look("and more", 3.0)
    assert signs.last == 2.0
