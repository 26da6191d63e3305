"""Pauses between attempts grow, end at the longest, and differ where many wait at once."""

from hypothesis import given
from hypothesis import strategies as st

from connector import retry


@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(10, 1000))
def test_a_pause_doubles_until_it_is_the_longest(failures: int, first: float, longest: float) -> None:
    growing, jittered = retry.growing(first, longest), retry.jittered(first, longest)
    assert growing(failures + 1) == min(2 * growing(failures), longest)
    assert 0 <= jittered(failures) <= growing(failures)
