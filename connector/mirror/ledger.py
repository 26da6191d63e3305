"""The ledger ``notifications``: every event once; events are written as its rows and read back from them.

What an archived event says is read from its archive (``archives.py``). So what reads here gets the whole set
of events, and may raise ``DatabaseDamaged`` and ``ArchiveAway``.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, case, func, select
from sqlmodel import col

from connector.errors import DatabaseDamaged
from connector.events import MAX_INSTANT, SOURCES, Event, Identity, Sort, iso
from connector.mirror import bodies, dialects, models
from connector.mirror.archives import Archives
from connector.mirror.batches import Batch, Columns, Encoded, add, run
from connector.mirror.database import translate
from connector.mirror.dialects import Dialect
from connector.mirror.dialects.dialect import literal
from connector.mirror.models import LedgerRow, names

PAGE = 5000
IDENTITY = LedgerRow.key()
LEDGER = LedgerRow.columns("mirrored_at", "archive")  # of a transaction's own, and null of a new event
LIVE, ARCHIVED = "AND archive IS NULL", "AND archive IS NOT NULL"
INSTANTS = ("received_at", "occurred_at")
INSERT = f"INSERT INTO _notifications ({names(LEDGER)}, mirrored_at)"


# The sort of an event, as columns.
SORT = (
    case((col(LedgerRow.hook).is_(None), col(LedgerRow.family)), else_=col(LedgerRow.action)).label("name"),
    col(LedgerRow.hook).is_(None).label("of_source"),
)


class LedgerRows(NamedTuple):
    """Rows of the ledger, and the bodies that they refer to, ready for ``insert``."""

    events: Encoded
    bodies: Encoded | None


class LedgerEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and the position of its record on Kafka."""

    event: Event
    topic: str
    partition: int
    offset: int


# By column the attribute that fills it; identities are worked out beforehand.
_FILLED_BY = {name: LedgerRow.__table__.c[name].info.get("of", name) for name, _ in LEDGER}
OF_EVENT = {name: of for name, of in _FILLED_BY.items() if of in Event.__struct_fields__}
# Attributes of a hook's event alone: of a snapshot null in the ledger, and this SQL gives them back.
OF_HOOK = {"delivery_id": "event_id", "index": "0", "hook": "''", "attempt": "1"}
OF_RECORD = {name: of for name, of in _FILLED_BY.items() if of in LedgerEvent.__struct_fields__}


def encoded(
    dialect: Dialect, ids: Sequence[str], sources: Sequence[str], ledger_events: Sequence[LedgerEvent]
) -> LedgerRows:
    """Events, with their identities, as rows of the ledger."""
    found = [one.event for one in ledger_events]
    values: dict[str, Sequence[Any]] = {"event_id": ids, "source": sources}
    values |= {name: list(map(attrgetter(of), found)) for name, of in OF_EVENT.items()}
    values |= {name: list(map(attrgetter(of), ledger_events)) for name, of in OF_RECORD.items()}
    of_hook = [event.source_name is None for event in found]
    if not all(of_hook):
        values |= {
            name: [value if keeps else None for value, keeps in zip(values[name], of_hook, strict=True)]
            for name, of in OF_EVENT.items()
            if of in OF_HOOK
        }
    digests = [None if keeps else bodies.digest(event) for event, keeps in zip(found, of_hook, strict=True)]
    values["body"] = digests
    values["details"] = [
        event.details.decode() if body is None else bodies.ELSEWHERE
        for event, body in zip(found, digests, strict=True)
    ]
    rows = dialect.encode(LEDGER, [values[name] for name, _ in LEDGER])
    return LedgerRows(rows, bodies.encoded(dialect, found, digests))


def encoded_identities(dialect: Dialect, ids: Sequence[str], sources: Sequence[str]) -> Encoded:
    """Identities of events, at least one, ready for ``known``."""
    return dialect.encode(IDENTITY, [ids, sources])


def known(connection: Connection, identities: Encoded) -> set[Identity]:
    """Which of these events the ledger holds.

    Each is looked up by itself, so that no planner chooses to read the whole ledger instead.
    """
    same = "event_id = asked.id AND source = asked.origin"
    stored_id = f"(SELECT event_id FROM _notifications WHERE {same})"
    found = f"SELECT {stored_id} AS stored_id, origin FROM asked"
    after = f") SELECT stored_id, origin FROM ({found}) AS found WHERE stored_id IS NOT NULL"
    return {(row[0], row[1]) for row in run(connection, "WITH asked(id, origin) AS (", identities, after)}


def identities_of(connection: Connection, event_ids: Iterable[str]) -> set[Identity]:
    """The identities that the ledger holds with these ids, from whatever source."""
    batch = Batch(IDENTITY[:1], [(event_id,) for event_id in sorted(set(event_ids))])
    if not batch.rows:
        return set()
    before = "SELECT event_id, source FROM _notifications WHERE event_id IN ("
    return {(row[0], row[1]) for row in run(connection, before, batch, ")")}


def insert(connection: Connection, rows: LedgerRows, mirrored_at: int) -> None:
    """Insert events that the ledger does not hold."""
    if rows.bodies:
        bodies.put(connection, rows.bodies)
    add(connection, INSERT, rows.events, [("timestamp", mirrored_at)])


def stored(
    connection: Connection, identities: Iterable[Identity], *, whole: bool = True
) -> dict[Identity, Event]:
    """The ledger's copies of these events; not ``whole``: without what archived ones say."""
    return {event.identity: event for event in _select(connection, IDENTITY, identities, whole=whole)}


def archived(connection: Connection, identities: Iterable[Identity]) -> set[Identity]:
    """Which of these events are in archives."""
    batch = Batch(IDENTITY, sorted(set(identities)))
    named = "(SELECT archive FROM _notifications WHERE event_id = asked.id AND source = asked.origin)"
    after = f") SELECT id, origin FROM asked WHERE {named} IS NOT NULL"
    found = run(connection, "WITH asked(id, origin) AS (", batch, after) if batch.rows else ()
    return {(row[0], row[1]) for row in found}


def restate(connection: Connection, better: Sequence[LedgerEvent], mirrored_at: int) -> None:
    """Replace known events by better copies; their former bodies stay, used or not (``bodies``)."""
    written = [name for name, _ in LedgerRow.columns() if name not in dict(IDENTITY)]
    sets = ", ".join(f"{name} = excluded.{name}" for name in written)
    after = f"ON CONFLICT ({names(IDENTITY)}) DO UPDATE SET {sets}"
    ids, sources = zip(*[one.event.identity for one in better], strict=True)
    rows = encoded(dialects.of(connection), ids, sources, better)
    if rows.bodies:
        bodies.put(connection, rows.bodies)
    run(connection, INSERT, rows.events, after, [("timestamp", mirrored_at)])


def of_entities(
    connection: Connection, sorts: Iterable[Sort], entity_keys: Iterable[str], only: str = ""
) -> Iterator[Event]:
    """Events of these sorts that may touch rows of these entities; ``LIVE`` or ``ARCHIVED`` ones ``only``.

    An event with an array of Details has the key of its first object alone, and an event that came before
    its action had a family has none. So all of these are among them.
    """
    accepted = set(sorts)
    seen: set[Identity] = set()
    for event in _select(connection, (("entity_key", "text"),), [(key,) for key in entity_keys], only):
        if event.sort in accepted:
            seen.add(event.identity)
            yield event
    unkeyed = f"AND ({models.unkeyed(dialects.of(connection))}) {LIVE}"
    others = iter(()) if only == ARCHIVED else _pages(connection, accepted, unkeyed)
    archived = () if only == LIVE else Archives(connection).of_sorts(accepted, unkeyed=True)
    yield from (event for event in chain(others, archived) if event.identity not in seen)


def counts(connection: Connection) -> dict[Sort, int]:
    """How many events there are by sort."""
    query = select(*SORT, func.count()).group_by(*SORT)
    return {Sort(row[0], bool(row[1])): row[2] for row in connection.execute(query)}


def of_sorts(connection: Connection, sorts: Iterable[Sort], only: str = "") -> Iterator[Event]:
    """Every event of these sorts, read in pages: those in archives, then all others; or ``only`` these."""
    found = set(sorts)
    if only != LIVE:
        yield from Archives(connection).of_sorts(found)
    if only != ARCHIVED:
        yield from _pages(connection, found, LIVE)


def live(connection: Connection, sorts: Iterable[Sort]) -> Iterator[Event]:
    """Every event of these sorts that no archive has, in whatever order, while nothing else is asked.

    Raises ``DatabaseDamaged``, and as ``database.transaction`` does.
    """
    of_hooks, of_sources = (
        ", ".join([literal(sort.name) for sort in sorted(sorts) if sort.of_source is of_source]) or "''"
        for of_source in (False, True)
    )
    of_sorts = f"(action IN ({of_hooks}) AND hook IS NOT NULL OR family IN ({of_sources}) AND hook IS NULL)"
    for row in _streamed(connection, f"{_query(connection)} WHERE {of_sorts} {LIVE}"):
        yield _event(row[:-1])


def received(connection: Connection, first: int, until: int) -> Iterator[Event]:
    """Events in no archive, received from ``first`` (µs) to before ``until``, in order of identities."""
    between = f"received_at >= '{iso(first)}' AND received_at < '{iso(until)}'"
    query = f"{_query(connection)} WHERE {between} {LIVE} ORDER BY {names(IDENTITY)}"
    for row in _streamed(connection, query):
        yield _event(row[:-1])


def _streamed(connection: Connection, query: str) -> Iterator[Any]:
    try:
        yield from dialects.of(connection).stream(connection, query)
    except dialects.ERRORS as error:
        raise translate(error, connection.engine.url.database or "") from error


def _select(
    connection: Connection,
    columns: Columns,
    rows: Iterable[tuple[str, ...]],
    only: str = "",
    *,
    whole: bool = True,
) -> Iterator[Event]:
    """Events with these values in these text columns."""
    batch = Batch(columns, sorted(set(rows)))
    if batch.rows:
        found = run(connection, f"{_query(connection)} WHERE ({names(columns)}) IN (", batch, f") {only}")
        yield from _whole(connection, found) if whole else (_event(row[:-1]) for row in found)


def _pages(connection: Connection, sorts: set[Sort], condition: str) -> Iterator[Event]:
    """Keyset pages over the primary key, so that memory stays bounded."""
    if not sorts:
        return
    mark = dialects.of(connection).mark
    # No action and no family has an empty name, and no list of SQL is empty.
    actions, families = (
        sorted(sort.name for sort in sorts if sort.of_source is of_source) or [""]
        for of_source in (False, True)
    )
    of_hooks = f"action IN ({', '.join([mark] * len(actions))}) AND hook IS NOT NULL"
    of_sources = f"family IN ({', '.join([mark] * len(families))}) AND hook IS NULL"
    query = (
        f"{_query(connection)} WHERE (event_id, source) > ({mark}, {mark}) "
        f"AND ({of_hooks} OR {of_sources}) {condition} ORDER BY event_id, source LIMIT {PAGE}"
    )
    last: Identity = ("", "")
    while rows := connection.exec_driver_sql(query, (*last, *actions, *families)).fetchall():
        found = [*_whole(connection, rows)]
        yield from found
        last = found[-1].identity


def _query(connection: Connection) -> str:
    dialect = dialects.of(connection)
    read = {"timestamp": dialect.microseconds, "json": dialect.json_text}
    listed = [
        f"COALESCE({name}, {OF_HOOK[of]})"
        if (of := OF_EVENT[name]) in OF_HOOK
        else read.get(type_, str)(models.DETAILS if name == "details" else name)
        for name, type_ in LEDGER
        if name in OF_EVENT
    ]
    return f"SELECT {', '.join(listed)}, CASE WHEN hook IS NULL THEN source END, archive FROM _notifications"


def _whole(connection: Connection, rows: Iterable[Any]) -> Iterator[Event]:
    """Events of rows in their order, with what stands in archives."""
    found = [(_event(row[:-1]), row[-1]) for row in rows]
    named: dict[int, set[Identity]] = {}
    for event, archive in found:
        if archive is not None:
            named.setdefault(archive, set()).add(event.identity)
    archived = Archives(connection).events(named)
    return (archived.get(event.identity, event) if archived else event for event, _ in found)


def _event(row: Any) -> Event:
    *cells, source = row
    values = dict(zip(OF_EVENT.values(), cells, strict=True))
    name, details = source and source.removeprefix(SOURCES), values["details"]
    event = Event(**values | {"details": (details or "").encode(), "source_name": name})
    if details is None:
        raise _damaged(event, "somebody deleted its body from _bodies", "delete its row from _notifications")
    for column in INSTANTS:
        instant = values[column]
        if instant is None or not 0 <= instant <= MAX_INSTANT:
            raise _damaged(
                event,
                f"somebody changed its row in _notifications, where {column} is no instant that an event can "
                "have",
                f"write the right {column} into that row; or delete the row",
            )
    return event


def _damaged(event: Event, what: str, cure: str) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"The event {event.event_id} of {event.source} cannot be read: {what}.",
        f"{cure}, and run connector rebuild --from kafka, which brings the event back while Kafka has it",
    )
