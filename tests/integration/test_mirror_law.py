"""The one law: the mirror is a pure function of the set of distinct events received."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from connector import events
from connector.events import Event
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
    with strategies.mirror(make_config({"database.url": database_url}), copied=True) as found:
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


# --- Records -------------------------------------------------------------------------------------


class Truth:
    """What the tables of records must show, worked out event by event and without the mirror's code."""

    def __init__(self, said: list[Event]) -> None:
        self.orders: dict[str, tuple[Any, ...]] = {}
        self.rows: set[tuple[Any, ...]] = set()
        snapshots = [event for event in said if event.source_name is not None]
        for key in {str(event.entity_key) for event in snapshots}:
            of_key = sorted(
                (event for event in snapshots if event.entity_key == key), key=lambda event: event.version
            )
            records = [event for event in of_key if not event.is_gone]
            gone_at = of_key[-1].occurred_at if of_key[-1].is_gone else None
            body = json.loads(records[-1].details) if records else {"orderHeader": {}}
            fetched_at = records[-1].occurred_at if records else None
            self.orders[key] = (body["orderHeader"].get("customerName"), fetched_at, gone_at)
            if gone_at is None:
                self.rows |= {(key, str(row["rowNumber"])) for row in body.get("orderRows") or ()}


def shows(mirror: Mirror, truth: Truth) -> None:
    orders = {
        row["order_number"]: (row["customer_name"], *map(micros, (row["fetched_at"], row["gone_at"])))
        for row in mirror.rows("order_details")
    }
    assert orders == truth.orders
    assert {(row["order_number"], row["row_number"]) for row in mirror.rows("order_rows")} == truth.rows


def micros(value: Any) -> int | None:
    if value is None:
        return None
    return events.from_iso(value) if isinstance(value, str) else events.microseconds(value)


@pytest.fixture
def records(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(
        make_config({"database.url": database_url} | strategies.RECORD_TABLES), copied=True
    ) as found:
        yield found


@looks(30)
@given(data=st.data(), sent=strategies.sent_sets(max_size=5), first=SEEDS, second=SEEDS)
def test_snapshots_in_any_order_among_hooks_give_the_tables_of_the_newest_ones(
    records: Mirror, data: st.DataObject, sent: list[Sent], first: int, second: int
) -> None:
    said = [*said_by(records, sent), *data.draw(strategies.snapshots(records))]
    one = mirrored(records, strategies.arrival(records, said, first))
    assert verify.differences(records.engine, records.mapping) == []
    shows(records, Truth(strategies.distinct(said)))
    assert mirrored(records, strategies.arrival(records, said, second)) == one


@looks(12)
@given(data=st.data(), sent=strategies.sent_sets(max_size=4), first=SEEDS, second=SEEDS)
def test_sqlite_and_postgresql_give_the_same_tables_of_records(
    both: tuple[Mirror, Mirror], data: st.DataObject, sent: list[Sent], first: int, second: int
) -> None:
    sqlite, postgresql = both
    said = [*said_by(sqlite, sent), *data.draw(strategies.snapshots(sqlite))]
    here = mirrored(sqlite, strategies.arrival(sqlite, said, first))
    assert mirrored(postgresql, strategies.arrival(postgresql, said, second)) == here
    shows(postgresql, Truth(strategies.distinct(said)))


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
    file = make_config({"database.url": f"sqlite:///{tmp_path / 'mirror.db'}"} | strategies.RECORD_TABLES)
    server = make_config({"database.url": postgres.new_database()} | strategies.RECORD_TABLES)
    with strategies.mirror(file, copied=True) as sqlite, strategies.mirror(server) as postgresql:
        yield sqlite, postgresql
