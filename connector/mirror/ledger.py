"""The ledger ``notifications``: every event once, and the way back from its rows to events."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection

from connector.events import Event, Identity, iso
from connector.mirror.batches import Batch, Columns, Encoded, add, encode, run
from connector.mirror.statements import LEDGER

PAGE = 5000
PROGRESS_STEPS = 10_000  # of SQLite's machine, between two looks at the clock
IDENTITY = (("event_id", "text"), ("source", "text"))
INSERT = f"INSERT INTO _notifications ({', '.join(name for name, _ in LEDGER)}, mirrored_at)"


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An event and where its record stands on Kafka."""

    event: Event
    topic: str
    partition: int
    offset: int


def encoded(dialect: str, ids: Sequence[str], sources: Sequence[str], placed: Sequence[Placed]) -> Encoded:
    """Events, with their identities, as rows of the ledger, in the order of ``statements.LEDGER``."""
    said = [one.event for one in placed]
    values: list[Sequence[Any]] = [
        ids,
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
        sources,
    ]
    return encode(dialect, LEDGER, values)


def encoded_identities(dialect: str, ids: Sequence[str], sources: Sequence[str]) -> Encoded:
    """Identities of events, at least one, ready for ``known``."""
    return encode(dialect, IDENTITY, [ids, sources])


def known(connection: Connection, identities: Encoded) -> set[Identity]:
    """Which of these events the ledger holds.

    Each is looked up by itself, so that no planner may choose to read the whole ledger instead.
    """
    same = "event_id = asked.id AND source = asked.origin"
    held = f"(SELECT event_id FROM _notifications WHERE {same})"
    found = f"SELECT {held} AS held, origin FROM asked"
    after = f") SELECT held, origin FROM ({found}) AS found WHERE held IS NOT NULL"
    return {(row[0], row[1]) for row in run(connection, "WITH asked(id, origin) AS (", identities, after)}


def identities_of(connection: Connection, event_ids: Iterable[str]) -> set[Identity]:
    """The identities that the ledger holds with these ids, from whatever source."""
    batch = Batch(IDENTITY[:1], [(event_id,) for event_id in sorted(set(event_ids))])
    if not batch.rows:
        return set()
    before = "SELECT event_id, source FROM _notifications WHERE event_id IN ("
    return {(row[0], row[1]) for row in run(connection, before, batch, ")")}


def insert(connection: Connection, rows: Encoded, mirrored_at: int) -> None:
    """Insert events that the ledger does not hold."""
    add(connection, INSERT, rows, [("timestamp", mirrored_at)])


def held(connection: Connection, identities: Iterable[Identity]) -> dict[Identity, Event]:
    """The ledger's copies of these events."""
    return {event.identity: event for event in _select(connection, IDENTITY, identities)}


def restate(connection: Connection, better: Sequence[Placed], mirrored_at: int) -> None:
    """Put better copies of known events in the place of the ledger's."""
    names = [name for name, _ in LEDGER if name not in ("event_id", "source")]
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*names, "mirrored_at"))
    after = f"ON CONFLICT (event_id, source) DO UPDATE SET {sets}"
    ids, sources = zip(*[one.event.identity for one in better], strict=True)
    rows = encoded(connection.dialect.name, ids, sources, better)
    run(connection, INSERT, rows, after, [("timestamp", mirrored_at)])


def newest(
    connection: Connection,
    wanted: Mapping[str, int],
    since: int | None,
    until: int | None,
    deadline: float,
) -> list[tuple[str, Identity]]:
    """The newest events that were received in a stretch of time: so many of each action, newest first.

    Instants are microseconds since the epoch, None is open. Fails as in an outage when it is not done at
    ``deadline``, on the monotonic clock.
    """
    postgresql = connection.dialect.name == "postgresql"
    mark, instant = ("%s", "%s::timestamptz") if postgresql else ("?", "?")
    conditions = [f"action IN ({', '.join([mark] * len(wanted))})"]
    parameters: list[Any] = list(wanted)
    for bound, sign in ((since, ">="), (until, "<")):
        if bound is not None:
            conditions.append(f"received_at {sign} {instant}")
            parameters.append(iso(bound))
    order = "PARTITION BY action ORDER BY received_at DESC, event_id DESC, source DESC"
    query = (
        f"SELECT action, event_id, source FROM (SELECT action, event_id, source, ROW_NUMBER() OVER ({order}) "
        f"AS place FROM _notifications WHERE {' AND '.join(conditions)}) AS ranked "
        f"WHERE place <= {max(wanted.values())} ORDER BY action, place"
    )
    with _until(connection, deadline):
        rows = connection.exec_driver_sql(query, tuple(parameters)).fetchall()
    return [(row[0], (row[1], row[2])) for row in rows]


@contextmanager
def _until(connection: Connection, deadline: float) -> Iterator[None]:
    """Have the database end a statement that is not done in time."""
    left = max(deadline - time.monotonic(), 0.001)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(left * 1000) or 1}")
        yield
        return
    database: Any = connection.connection.driver_connection
    database.set_progress_handler(lambda: time.monotonic() >= deadline, PROGRESS_STEPS)
    try:
        yield
    finally:
        database.set_progress_handler(None, 0)


def unkeyed(dialect: str) -> str:
    """Events whose entity key does not name all entities that they speak of; an index holds just these."""
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
    seen: set[Identity] = set()
    for event in _select(connection, (("entity_key", "text"),), [(key,) for key in entity_keys]):
        if event.action in wanted:
            seen.add(event.identity)
            yield event
    for event in _pages(connection, wanted, f"AND ({unkeyed(connection.dialect.name)})"):
        if event.identity not in seen:
            yield event


def counts(connection: Connection) -> dict[str, int]:
    """How many events there are by action."""
    rows = connection.exec_driver_sql("SELECT action, COUNT(*) FROM _notifications GROUP BY action")
    return {row[0]: row[1] for row in rows.fetchall()}


def of_actions(connection: Connection, actions: Iterable[str]) -> Iterator[Event]:
    """Every event of these actions, read in pages."""
    return _pages(connection, set(actions), "")


def _select(connection: Connection, columns: Columns, rows: Iterable[tuple[str, ...]]) -> Iterator[Event]:
    """Events with these values in these text columns."""
    batch = Batch(columns, sorted(set(rows)))
    if batch.rows:
        names = ", ".join(name for name, _ in columns)
        found = run(connection, f"{_query(connection)} WHERE ({names}) IN (", batch, ")")
        yield from map(_event, found)


def _pages(connection: Connection, actions: set[str], condition: str) -> Iterator[Event]:
    """Keyset pages over the primary key, so that memory stays bounded."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    listed = ", ".join([mark] * len(actions))
    query = (
        f"{_query(connection)} WHERE (event_id, source) > ({mark}, {mark}) "
        f"AND action IN ({listed}) {condition} ORDER BY event_id, source LIMIT {PAGE}"
    )
    last: Identity = ("", "")
    while rows := connection.exec_driver_sql(query, (*last, *sorted(actions))).fetchall():
        found = [_event(row) for row in rows]
        yield from found
        last = found[-1].identity


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
        f"{instants.format('received_at')}, {instants.format('occurred_at')} FROM _notifications"
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
