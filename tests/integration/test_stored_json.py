"""What the gateway accepts can be read again from PostgreSQL's ``jsonb``, and again after that."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import events
from connector.errors import Poison

EDGE = events.MAX_EXPONENT

whole = st.one_of(
    st.integers(0, 10**6).map(str),
    st.integers(EDGE - 2, EDGE + 3).map(lambda count: "9" * count),
    st.integers(1, EDGE + 3).map(lambda count: "1" + "0" * count),
)
fraction = st.one_of(
    st.just(""),
    st.integers(0, 10**6).map(lambda digits: f".{digits}"),
    st.integers(EDGE - 2, 2 * EDGE + 3).map(lambda count: "." + "0" * count + "1"),
    st.integers(1, 2 * EDGE + 3).map(lambda count: "." + "5" * count),
)
exponent = st.one_of(
    st.just(""), st.integers(-3 * EDGE - 3, EDGE + 3).map(lambda power: f"e{power}"), st.just("E+05")
)
numbers = st.tuples(st.sampled_from(["", "-"]), whole, fraction, exponent).map("".join)


@pytest.fixture(scope="module")
def connection(postgres: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.new_database().replace("+psycopg", "")) as made:
        yield made


@given(numbers)
@example("1e-999")
@example("1e-1000")
@example("1e1000")
@example("9.99e-1000")
@example("0e-2999")
@example("0." + "0" * 999 + "1")
@example("0." + "1" * 2000)
def test_a_number_that_is_accepted_is_the_same_number_when_it_is_read_again(
    connection: psycopg.Connection[Any], number: str
) -> None:
    raw = f'{{"Noise":[{number}]}}'.encode()
    try:
        data = events.read_json("Details", raw)
    except Poison:
        return
    for _ in range(2):
        row = connection.execute("SELECT CAST(CAST(%s AS jsonb) AS text)", (raw.decode(),)).fetchone()
        assert row is not None
        raw = row[0].encode()
        assert events.read_json("Details", raw) == data


@pytest.mark.parametrize("number", ["1e-999", "4.9E-324", "1.7976931348623157E+308", "9" * 1001])
def test_a_number_as_large_or_small_as_programs_write_is_accepted(number: str) -> None:
    events.read_json("Details", b'{"Noise":' + number.encode() + b"}")
