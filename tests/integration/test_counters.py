"""``mirror_status`` counts what the ledger holds without reading it."""

from collections.abc import Iterator
from typing import Any

import pytest

from connector.errors import StartupError
from connector.events import iso
from connector.mirror import database, verify
from tests import strategies
from tests.conftest import MakeConfig
from tests.integration.test_steps import Store, load
from tests.strategies import MINUTE, NOON, Mirror


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": database_url}), copied=True) as found:
        yield found


def status(mirror: Mirror) -> tuple[Any, ...]:
    row = mirror.row("mirror_status", family="orders")
    return row["events"], *(
        strategies.plain("", row[name])
        for name in ("first_received_at", "last_received_at", "last_mirrored_at")
    )


def order(mirror: Mirror, delivery: str, received: int, attempt: int = 1) -> Any:
    details = {"OrderNumber": "1"}
    return mirror.event("OrderPicked", details, delivery=delivery, received=received, attempt=attempt)


def test_the_status_reads_no_row_of_the_ledger(mirror: Mirror) -> None:
    explain = "EXPLAIN" if mirror.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    plan = strategies.select(mirror.engine, f"{explain} SELECT * FROM mirror_status")
    assert "mirror_counters" in str(plan)
    assert "notifications" not in str(plan)


def test_each_batch_adds_its_new_events_and_a_copy_adds_none(mirror: Mirror) -> None:
    mirror.write(order(mirror, "a", NOON + MINUTE), order(mirror, "b", NOON))
    mirror.now = NOON + 5 * MINUTE
    mirror.write(order(mirror, "c", NOON - MINUTE), order(mirror, "a", NOON + MINUTE), partition=1)
    assert status(mirror) == (3, iso(NOON - MINUTE), iso(NOON + MINUTE), iso(NOON + 5 * MINUTE))
    # The topic was re-created, and its records come again from its start.
    mirror.sink.reset_position(("t", 0), 0, "another")
    mirror.write(order(mirror, "a", NOON + MINUTE), order(mirror, "b", NOON))
    assert status(mirror)[0] == 3
    assert verify.differences(mirror.engine, mirror.mapping) == []


@pytest.mark.parametrize("distance", [MINUTE, 3 * 24 * 60 * MINUTE])
def test_a_better_copy_from_another_partition_moves_the_count_and_the_instants(
    mirror: Mirror, distance: int
) -> None:
    first, last = NOON - distance, NOON + distance
    mirror.write(
        order(mirror, "early", first, attempt=2),
        order(mirror, "a", NOON),
        order(mirror, "late", last, attempt=2),
    )
    assert status(mirror)[:3] == (3, iso(first), iso(last))
    mirror.write(order(mirror, "late", NOON + 1), order(mirror, "early", NOON - 1), partition=1)
    assert status(mirror)[:3] == (3, iso(NOON - 1), iso(NOON + 1))
    counted = {row["partition"]: row["events"] for row in mirror.rows("_mirror_counters")}
    assert counted == {0: 1, 1: 2}
    # The last that partition 0 holds goes as well.
    mirror.write(order(mirror, "a", NOON - 2), partition=1)
    assert [row["partition"] for row in mirror.rows("_mirror_counters")] == [1]
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_verify_names_a_counter_that_is_not_as_the_ledger_says(mirror: Mirror) -> None:
    mirror.write(order(mirror, "a", NOON))
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("UPDATE _mirror_counters SET events = 7")
    (found,) = verify.differences(mirror.engine, mirror.mapping)
    assert found.startswith("mirror_counters ('t', 0, 'orders'): is 7 events, ")
    assert "and should be 1 events, " in found


def test_a_table_of_that_name_which_is_somebodys_own_stops_the_step_and_is_kept(database_url: str) -> None:
    load(database_url)
    store = Store(database_url)
    store.execute("CREATE TABLE mirror_counters (theirs INTEGER)", "INSERT INTO mirror_counters VALUES (1)")
    with pytest.raises(StartupError, match=r"(?s)mirror_counters that is not the connector's.*rename it"):
        store.ensure()
    assert strategies.select(store.engine, "SELECT * FROM mirror_counters") == [{"theirs": 1}]
    store.engine.dispose()
