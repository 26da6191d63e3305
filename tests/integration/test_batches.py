"""Rows on their way into SQL: what goes in comes out, on both databases."""

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine

from connector import events
from connector.mirror import dialects
from connector.mirror.batches import Batch, run
from connector.mirror.dialects.postgresql_rows import SAME_FROM

COLUMNS = (("a", "integer"), ("b", "text"), ("c", "numeric"), ("d", "timestamp"), ("e", "json"))

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
cells = (
    st.integers(-(2**63), 2**63 - 1),
    texts,
    st.decimals(allow_nan=False, allow_infinity=False, places=6, max_value=10**30, min_value=-(10**30)).map(
        events.decimal_text
    ),
    st.integers(events.EARLIEST, events.LATEST),
    st.sampled_from(['{"a":"\\u00e9\\"\\\\"}', "[]", '"NULL"', "{}"]),
)
rows = st.tuples(*(st.none() | cell for cell in cells))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()


def canonical(type_: str, value: Any) -> Any:
    if value is None:
        return None
    if type_ == "numeric":
        return Decimal(value)
    if type_ == "timestamp":
        return (
            events.from_iso(value) if isinstance(value, str) else events.microseconds(value.astimezone(UTC))
        )
    return value


def through(connection: Connection, given: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [
        tuple(canonical(type_, value) for (_, type_), value in zip(COLUMNS[:4], row[:4], strict=True))
        for row in run(connection, "", Batch(COLUMNS, given), "")
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=8), st.booleans())
def test_rows_come_out_as_they_went_in(engine: Engine, given: list[tuple[Any, ...]], many: bool) -> None:
    """Few and many: from ``SAME_FROM`` rows on, a column that is the same throughout goes in once."""
    if many:
        given = given[:1] * SAME_FROM if len(given) % 2 else given * SAME_FROM
    expected = [tuple(canonical_given(row)) for row in given]
    with engine.connect() as connection:
        assert through(connection, given) == expected


def canonical_given(row: tuple[Any, ...]) -> Iterator[Any]:
    for (_, type_), value in zip(COLUMNS[:4], row[:4], strict=True):
        yield Decimal(value) if type_ == "numeric" and value is not None else value


def test_a_column_that_equals_another_is_given_once_and_comes_out_twice(engine: Engine) -> None:
    columns = (("a", "integer"), ("b", "timestamp"), ("c", "text"), ("d", "text"), ("e", "numeric"))
    given = [(place, place, f"{place}", f"{place}", f"{place}") for place in range(SAME_FROM)]
    with engine.connect() as connection:
        found = run(connection, "", Batch(columns, given), "")
        if connection.dialect.name == "postgresql":
            assert len(Batch(columns, given).encoded(dialects.of(connection)).arrays) == 2
    assert [(row[0], canonical("timestamp", row[1]), *row[2:4], int(row[4])) for row in found] == given_back(
        SAME_FROM
    )


def given_back(count: int) -> list[tuple[Any, ...]]:
    return [(place, place, f"{place}", f"{place}", place) for place in range(count)]


def test_late_columns_are_the_same_for_each_row(engine: Engine) -> None:
    batch = Batch((("a", "integer"),), [(1,), (2,)])
    with engine.connect() as connection:
        found = run(connection, "", batch, "", late=[("text", "x"), ("timestamp", 1_750_000_000_123_457)])
    assert [(row[0], row[1], canonical("timestamp", row[2])) for row in found] == [
        (1, "x", 1_750_000_000_123_457),
        (2, "x", 1_750_000_000_123_457),
    ]
