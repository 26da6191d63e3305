"""Bodies of records are stored once, and are read, removed and missed as parts of their events."""

from collections.abc import Iterator

import pytest

from connector import events
from connector.errors import DatabaseDamaged, StartupError
from connector.events import Event
from connector.mirror import database, ledger, models, rebuilder, schema, touched, verify
from connector.mirror.entities import Entity
from connector.mirror.erasure import erase
from tests import strategies
from tests.conftest import MakeConfig
from tests.integration.test_forget import content, restore
from tests.integration.test_forget import stored as events_of
from tests.strategies import MINUTE, NOON, Mirror

LONG = "a" * 100
INLINE = (
    "UPDATE _notifications SET body = NULL, details = (SELECT _bodies.details FROM _bodies "
    f"WHERE {models.BODY}) WHERE body IS NOT NULL"
)


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config(strategies.RECORD_TABLES, DATABASE_URL=database_url)) as found:
        yield found


def record(mirror: Mirror, at: int, says: str = LONG, key: str = "1", **more: object) -> Event:
    body = {"orderHeader": {"orderNumber": key, "customerName": says}}
    return mirror.snapshot(key, body, at=NOON + at * MINUTE, **more)  # type: ignore[arg-type]


def does(mirror: Mirror, statement: str) -> int:
    with database.transaction(mirror.engine) as connection:
        return connection.exec_driver_sql(statement).rowcount


def bodies(mirror: Mirror) -> list[tuple[str, str]]:
    """Entity key and first letter of what it says, of each body that is stored."""
    found = mirror.rows("_bodies", order="entity_key")
    return sorted((one["entity_key"], "b" if "bbb" in str(one["details"]) else "a") for one in found)


def test_what_is_fetched_again_unchanged_is_stored_once_and_every_event_reads_as_it_came(
    mirror: Mirror,
) -> None:
    other = "b" * 100
    said = [
        *(record(mirror, at, says) for at, says in enumerate((LONG, LONG, other, LONG))),
        record(mirror, 0, key="2"),
        record(mirror, 0, says="short", key="3"),
        mirror.event("OrderPicked", {"OrderNumber": "1", "Shop": LONG}),
    ]
    mirror.write(*said[:2])
    mirror.write(*said[2:])
    assert bodies(mirror) == [("1", "a"), ("1", "b"), ("2", "a")]  # the short one stands in its event
    assert {identity: content(one) for identity, one in events_of(mirror).items()} == {
        one.identity: content(one) for one in said
    }
    shown = {row["event_id"]: str(row["details"]) for row in mirror.rows("notifications")}
    assert [LONG in shown[one.event_id] for one in said] == [True, True, False, True, True, False, True]
    assert sum(LONG in str(row["details"]) for row in mirror.rows("_notifications")) == 1  # the hook's own
    assert LONG in str(mirror.row("order_details", order_number="1"))  # a, b, a ends as a
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_what_is_forgotten_takes_its_bodies_along_and_no_other_ones(mirror: Mirror) -> None:
    twin = record(mirror, 0, family="customers", entity="Customer")  # another entity with this key and body
    mirror.write(record(mirror, 0), record(mirror, 1, "b" * 100), twin, record(mirror, 0, key="2"))
    does(mirror, INLINE + " AND entity_key = '2'")  # as events before layout 13 are
    does(mirror, "DELETE FROM _bodies WHERE entity_key = '2'")
    for key in ("1", "2"):
        erase(mirror.engine, mirror.mapping, Entity("", "orders", key), dry_run=False)
    assert bodies(mirror) == [("1", "a")]
    assert [LONG in one.details.decode() for one in events_of(mirror).values()].count(True) == 1
    assert content(events_of(mirror)[twin.identity]) == content(twin)
    erase(mirror.engine, mirror.mapping, Entity("", "customers", "1"), dry_run=False)
    assert bodies(mirror) == []
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_better_copy_leaves_no_body_behind_after_a_rebuild(mirror: Mirror) -> None:
    late = record(mirror, 0, received_at=NOON + 2)
    mirror.write(late)
    restore(mirror, record(mirror, 0, "b" * 100, received_at=NOON + 1))
    assert bodies(mirror) == [("1", "b")]
    first = record(mirror, 0, "c" * 100, received_at=NOON)
    mirror.write(first)  # a worker removes none, because another one may rely on it
    assert bodies(mirror) == [("1", "a"), ("1", "b")]
    with rebuilder.rebuilding(mirror.engine, mirror.mapping) as session:
        assert [session.drop_unused_bodies(), session.drop_unused_bodies()] == [1, 0]
    assert content(events_of(mirror)[first.identity]) == content(first)


def test_a_body_that_somebody_took_away_is_named_and_kafka_brings_it_back(mirror: Mirror) -> None:
    gone = record(mirror, 0)
    mirror.write(gone)
    does(mirror, "DELETE FROM _bodies")
    with pytest.raises(DatabaseDamaged, match=r"orders/1@.*deleted its body.*"):
        verify.differences(mirror.engine, mirror.mapping)
    does(mirror, "DELETE FROM _notifications")
    restore(mirror, gone)
    assert content(events_of(mirror)[gone.identity]) == content(gone)
    does(mirror, f"DROP TABLE _bodies{' CASCADE' if mirror.engine.dialect.name == 'postgresql' else ''}")
    with pytest.raises(StartupError, match="the table _bodies, is gone"):
        schema.ensure(mirror.engine, mirror.config, mirror.mapping)


def test_a_dry_run_beside_a_worker_reads_bodies_too(mirror: Mirror) -> None:
    said = record(mirror, 0)
    mirror.write(said)
    with touched.undone(mirror.engine, [said.identity], lambda _: []) as connection:
        found = list(ledger.of_sorts(connection, [events.Sort("orders", of_source=True)]))
    assert [content(one) for one in found] == [content(said)]
