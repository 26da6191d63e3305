"""The ledger ``notifications``: every event once, and the way back from its rows to events."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from connector.events import Event
from connector.mirror.batches import Batch, Encoded, add, encode, run
from connector.mirror.statements import LEDGER

PAGE = 5000
INSERT = f"INSERT INTO notifications ({', '.join(name for name, _ in LEDGER)}, mirrored_at)"


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An event and where its record stands on Kafka."""

    event: Event
    topic: str
    partition: int
    offset: int


def encoded(dialect: str, placed: Sequence[Placed]) -> Encoded:
    """Events as rows of the ledger, in the order of ``statements.LEDGER``."""
    said = [one.event for one in placed]
    values: list[list[Any]] = [
        [event.event_id for event in said],
        [event.delivery_id for event in said],
        [event.index for event in said],
        [event.hook for event in said],
        [event.attempt for event in said],
        [event.family for event in said],
        [event.action for event in said],
        [event.entity_key for event in said],
        [event.details.decode() for event in said],
        [event.properties for event in said],
        [event.received_at for event in said],
        [event.occurred_at for event in said],
        [one.topic for one in placed],
        [one.partition for one in placed],
        [one.offset for one in placed],
    ]
    return encode(dialect, LEDGER, values)


def encoded_ids(dialect: str, event_ids: Iterable[str]) -> Encoded:
    """Ids of events, at least one, ready for ``known``."""
    return encode(dialect, LEDGER[:1], [list(event_ids)])


def known(connection: Connection, event_ids: Encoded) -> set[str]:
    """Which of these events the ledger holds.

    Each Id is looked up by itself, so that no planner may choose to read the whole ledger instead.
    """
    held = "(SELECT event_id FROM notifications WHERE event_id = asked.id)"
    after = f") SELECT held FROM (SELECT {held} AS held FROM asked) AS found WHERE held IS NOT NULL"
    return {row[0] for row in run(connection, "WITH asked(id) AS (", event_ids, after)}


def insert(connection: Connection, rows: Encoded, mirrored_at: int) -> None:
    """Insert events that the ledger does not hold."""
    add(connection, INSERT, rows, [("timestamp", mirrored_at)])


def held(connection: Connection, event_ids: Iterable[str]) -> dict[str, Event]:
    """The ledger's copies of these events."""
    return {event.event_id: event for event in _select(connection, "event_id", event_ids)}


def restate(connection: Connection, better: Sequence[Placed], mirrored_at: int) -> None:
    """Put better copies of known events in the place of the ledger's."""
    names = [name for name, _ in LEDGER if name != "event_id"]
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*names, "mirrored_at"))
    after = f"ON CONFLICT (event_id) DO UPDATE SET {sets}"
    rows = encoded(connection.dialect.name, better)
    run(connection, INSERT, rows, after, [("timestamp", mirrored_at)])


def untold(dialect: str) -> str:
    """Events whose entity key does not tell all entities that they speak of; an index holds just these."""
    kind = "jsonb_typeof" if dialect == "postgresql" else "json_type"
    return f"{kind}(details) = 'array' OR entity_key IS NULL"


def of_entities(
    connection: Connection, actions: Iterable[str], entity_keys: Iterable[str]
) -> Iterator[Event]:
    """Events of these actions that may touch rows of these entities.

    An event with an array of Details is keyed by its first object alone, and one that came before
    its action was in a family by nothing, so all of those come too.
    """
    wanted = set(actions)
    seen: set[str] = set()
    for event in _select(connection, "entity_key", entity_keys):
        if event.action in wanted:
            seen.add(event.event_id)
            yield event
    for event in _pages(connection, wanted, f"AND ({untold(connection.dialect.name)})"):
        if event.event_id not in seen:
            yield event


def of_actions(connection: Connection, actions: Iterable[str]) -> Iterator[Event]:
    """Every event of these actions, read in pages."""
    return _pages(connection, set(actions), "")


def _select(connection: Connection, column: str, values: Iterable[str]) -> Iterator[Event]:
    batch = Batch(((column, "text"),), [(value,) for value in sorted(set(values))])
    if batch.rows:
        rows = run(connection, f"{_query(connection)} WHERE {column} IN (", batch, ")")
        yield from map(_event, rows)


def _pages(connection: Connection, actions: set[str], condition: str) -> Iterator[Event]:
    """Keyset pages over the primary key, so that memory stays bounded."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    listed = ", ".join([mark] * len(actions))
    query = (
        f"{_query(connection)} WHERE event_id > {mark} AND action IN ({listed}) {condition} "
        f"ORDER BY event_id LIMIT {PAGE}"
    )
    last = ""
    while rows := connection.exec_driver_sql(query, (last, *sorted(actions))).fetchall():
        yield from map(_event, rows)
        last = rows[-1][0]


def _query(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        instants = "(EXTRACT(EPOCH FROM {0}) * 1000000)::bigint"
        json = "{0}::text"
    else:
        # Whole seconds by the calendar, microseconds as they stand in the text.
        seconds = "CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER)"
        instants = f"({seconds} * 1000000 + CAST(substr({{0}}, 21, 6) AS INTEGER))"
        json = "{0}"
    return (
        "SELECT event_id, delivery_id, notification_index, hook, attempt, family, action, entity_key, "
        f"{json.format('details')}, {json.format('properties')}, "
        f"{instants.format('received_at')}, {instants.format('occurred_at')} FROM notifications"
    )


def _event(row: Any) -> Event:
    return Event(
        delivery_id=row[1],
        index=row[2],
        hook=row[3],
        attempt=row[4],
        family=row[5],
        action=row[6],
        entity_key=row[7],
        details=row[8].encode(),
        properties=row[9],
        received_at=row[10],
        occurred_at=row[11],
    )
