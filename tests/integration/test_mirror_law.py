"""The one law: the mirror is a pure function of the set of distinct events received."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from connector.mirror import verify
from connector.mirror.fold import fold
from tests import strategies
from tests.conftest import MakeConfig
from tests.strategies import MINUTE, NOON, Mirror, Sent

# HYPOTHESIS=1000 in the environment looks longer, as the fault suite does.
EXAMPLES = int(os.environ.get("HYPOTHESIS", "0"))
thorough = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
SEEDS = st.integers(0, 2**32)


def looks(few: int) -> Any:
    return settings(
        max_examples=EXAMPLES or few,
        deadline=None,
        suppress_health_check=thorough,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    )


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": database_url})) as found:
        yield found


def said_by(mirror: Mirror, sent: list[Sent]) -> list[Any]:
    return [event for one in sent for event in strategies.copies_of(mirror, one)]


def mirrored(mirror: Mirror, batches: Any) -> dict[str, Any]:
    mirror.empty()
    for batch in batches:
        written = mirror.sink.write(batch)
        assert not written.gaps
        assert not written.lost
    return mirror.content()


def folded(mirror: Mirror, said: list[Any]) -> Any:
    return fold((event, mirror.mapping.contributions(event)) for event in strategies.distinct(said))


# The copy of a lower attempt arrives after the higher one, and moves the event to another place in time.
LATE_FIRST_ATTEMPT = [
    Sent("a", 0, "OrderPicked", {"OrderNumber": "1"}, ((2, NOON + MINUTE, NOON), (1, NOON - MINUTE, NOON))),
    Sent("b", 0, "OrderReserved", {"OrderNumber": "1"}, ((1, NOON, NOON),)),
]


@looks(70)
@given(sent=strategies.sent_sets(), first=SEEDS, second=SEEDS)
@example(sent=LATE_FIRST_ATTEMPT, first=0, second=1)
def test_two_orders_of_arrival_give_the_same_tables_and_these_are_the_fold(
    mirror: Mirror, sent: list[Sent], first: int, second: int
) -> None:
    said = said_by(mirror, sent)
    one = mirrored(mirror, strategies.arrival(mirror, said, first))
    assert verify.differences(mirror.engine, mirror.mapping) == []
    other = mirrored(mirror, strategies.arrival(mirror, said, second))
    assert other == one
    assert verify.differences(mirror.engine, mirror.mapping) == []
    assert verify.count(mirror.engine) == len(strategies.distinct(said))
    rows = folded(mirror, said)
    for table in mirror.mapping.tables:
        expected = verify.expected(table, strategies.distinct(said))
        assert set(expected) == set(rows.get(table.name, {}))
        assert len(one[table.name]) == len(expected)


@looks(40)
@given(sent=strategies.sent_sets(max_size=16), first=SEEDS, second=SEEDS)
def test_sqlite_and_postgresql_give_the_same_tables(
    both: tuple[Mirror, Mirror], sent: list[Sent], first: int, second: int
) -> None:
    sqlite, postgresql = both
    said = said_by(sqlite, sent)
    here = mirrored(sqlite, strategies.arrival(sqlite, said, first))
    there = mirrored(postgresql, strategies.arrival(postgresql, said, second))
    assert here == there


@looks(40)
@given(sent=strategies.sent_sets(), first=SEEDS)
def test_writing_everything_again_from_other_partitions_changes_nothing(
    mirror: Mirror, sent: list[Sent], first: int
) -> None:
    said = said_by(mirror, sent)
    before = mirrored(mirror, strategies.arrival(mirror, said, first))
    mirror.sink.write([mirror.chunk(said, topic="again")])
    assert mirror.content() == before
    assert verify.differences(mirror.engine, mirror.mapping) == []


@pytest.fixture
def both(make_config: MakeConfig, postgres: Any, tmp_path: Path) -> Iterator[tuple[Mirror, Mirror]]:
    file = make_config({"database.url": f"sqlite:///{tmp_path / 'mirror.db'}"})
    server = make_config({"database.url": postgres.new_database()})
    with strategies.mirror(file) as sqlite, strategies.mirror(server) as postgresql:
        yield sqlite, postgresql
