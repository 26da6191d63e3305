"""The ledger ``notifications``: every event once, and the way back from its rows to events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector.events import Event
from connector.mirror.batches import Batch, Encoded, encode, run
from connector.mirror.statements import LEDGER

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Placed:
    """An event and where its record stands on Kafka."""

    event: Event
    topic: str
    partition: int
    offset: int

    def ledger_row(self) -> tuple[Any, ...]:
        """Values in the order of ``statements.LEDGER``."""
        event = self.event
        return (
            event.event_id,
            event.delivery_id,
            event.index,
            event.hook,
            event.attempt,
            event.family,
            event.action,
            event.entity_key,
            event.details.decode(),
            event.properties,
            event.received_at,
            event.occurred_at,
            self.topic,
            self.partition,
            self.offset,
        )


def encoded(dialect: str, placed: Iterable[Placed]) -> Encoded:
    """Events as rows of the ledger, ready for ``insert``."""
    return encode(dialect, Batch(LEDGER, [one.ledger_row() for one in placed]))


def insert(connection: Connection, rows: Encoded, mirrored_at: int) -> set[str]:
    """Insert what the ledger does not hold yet; returns the ids of the events that were new."""
    return {row[0] for row in _insert(connection, rows, mirrored_at, "DO NOTHING RETURNING event_id")}


def held(connection: Connection, event_ids: Iterable[str]) -> dict[str, Event]:
    """The ledger's copies of these events."""
    return {event.event_id: event for event in _select(connection, "event_id", event_ids)}


def restate(connection: Connection, better: Sequence[Placed], mirrored_at: int) -> None:
    """Put better copies of known events in the place of the ledger's."""
    names = [name for name, _ in LEDGER if name != "event_id"]
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*names, "mirrored_at"))
    _insert(connection, encoded(connection.dialect.name, better), mirrored_at, f"DO UPDATE SET {sets}")


def _insert(connection: Connection, rows: Encoded, mirrored_at: int, on_conflict: str) -> Sequence[Any]:
    names = ", ".join(name for name, _ in LEDGER)
    before = f"INSERT INTO notifications ({names}, mirrored_at)"
    late = [("timestamp", mirrored_at)]
    return run(connection, before, rows, f"ON CONFLICT (event_id) {on_conflict}", late)


def of_entities(
    connection: Connection, actions: Iterable[str], entity_keys: Iterable[str]
) -> Iterator[Event]:
    """Events of these actions that may touch rows of these entities.

    An event with an array of Details is keyed by its first object alone, and one that came before
    its action was in a family by nothing, so all of those come too.
    """
    kind = "jsonb_typeof" if connection.dialect.name == "postgresql" else "json_type"
    untold = f"({kind}(details) = 'array' OR entity_key IS NULL)"
    wanted = set(actions)
    seen: set[str] = set()
    for event in _select(connection, "entity_key", entity_keys):
        if event.action in wanted:
            seen.add(event.event_id)
            yield event
    for event in _pages(connection, wanted, f"AND {untold}"):
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
