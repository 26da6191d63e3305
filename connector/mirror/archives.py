"""Archives of the ledger: the table ``_archives``, and events read back from its files.

An event whose row in the ledger names an archive is, but for that row, in the archive's file. A row of a file
counts only while the ledger names that archive: a better copy that came later stands in the ledger again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, select

from connector.errors import DatabaseDamaged
from connector.events import SOURCES, Event, Identity, Sort
from connector.mirror import archive_files
from connector.mirror.archive_files import Archived, Reader
from connector.mirror.batches import Batch, run
from connector.mirror.models import Archive, LedgerRow

IDENTITY = LedgerRow.key()


class StoredArchive(NamedTuple):
    """A row of ``_archives``; instants are text, null while that did not happen."""

    archive: int
    month: str
    file: str
    sha256: str
    size_bytes: int
    events: int
    unkeyed: int
    read_at: str | None
    emptied_at: str | None
    former: str | None

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Its file, as it was written; raises ``DatabaseDamaged`` and ``ArchiveAway``."""
        with archive_files.reading(self.file, self.sha256) as reader:
            yield reader


def stored(connection: Connection) -> dict[int, StoredArchive]:
    """Every archive, by its number."""
    columns = Archive.__table__.c
    query = select(*(columns[name] for name in StoredArchive._fields)).order_by(columns.archive)
    return {row[0]: StoredArchive._make(row) for row in connection.execute(query)}


def readable(connection: Connection) -> dict[int, StoredArchive]:
    """Archives whose file was read back: of another one there may be none, and the ledger names none."""
    return {number: one for number, one in stored(connection).items() if one.read_at is not None}


def events(connection: Connection, named: Mapping[int, Collection[Identity]]) -> dict[Identity, Event]:
    """Events by the archive that the ledger names for them.

    Raises ``DatabaseDamaged``, which names what is missing, and ``ArchiveAway``.
    """
    found: dict[Identity, Event] = {}
    known = readable(connection) if named else {}
    for archive, identities in sorted(named.items()):
        if archive not in known:
            raise DatabaseDamaged(
                f"The ledger names the archive {archive}, which the table _archives does not have.",
                "restore that table from a backup",
            )
        with known[archive].reading() as reader:
            found |= {(row.event_id, row.source): event(row) for row in reader.some(identities)}
        if absent := sorted(set(identities) - found.keys()):
            raise lacks(known[archive], absent[0])
    return found


def lacks(archive: StoredArchive, identity: Identity) -> DatabaseDamaged:
    """The error for an event that an archive should have."""
    return DatabaseDamaged(
        f"The archive {archive.file} does not have the event {identity[0]} of {identity[1]}, "
        "which the ledger says is there: somebody changed its row in _notifications.",
        "restore the mirror and its archives from backups of one time",
    )


def of_sorts(connection: Connection, sorts: Collection[Sort], *, unkeyed: bool = False) -> Iterator[Event]:
    """Every archived event of these sorts, file by file; ``unkeyed``: those that no entity key finds.

    Raises ``DatabaseDamaged`` and ``ArchiveAway``.
    """
    if not sorts:
        return
    for archive in readable(connection).values():
        if unkeyed and not archive.unkeyed:
            continue
        with archive.reading() as reader:
            for rows in rows_of(reader, sorts, unkeyed=unkeyed):
                yield from map(event, counting(connection, archive, rows))


def rows_of(reader: Reader, sorts: Collection[Sort], *, unkeyed: bool = False) -> Iterator[list[Archived]]:
    """The rows of these sorts in a file, in groups, whether they count or not."""
    actions, families = (
        sorted(sort.name for sort in sorts if sort.of_source is of_source) for of_source in (False, True)
    )
    return reader.rows(actions, families, unkeyed=unkeyed)


def counting(connection: Connection, archive: StoredArchive, rows: Iterable[Archived]) -> Iterator[Archived]:
    """Those rows of a file that count: for which the ledger names the archive.

    Each is looked up by itself, so that no planner chooses to read the whole ledger instead.
    """
    by_identity = {(row.event_id, row.source): row for row in rows}
    named = "(SELECT archive FROM _notifications WHERE event_id = asked.id AND source = asked.origin)"
    batch = Batch(IDENTITY, sorted(by_identity))
    query = f") SELECT id, origin FROM asked WHERE {named} = {archive.archive}"
    for event_id, source in run(connection, "WITH asked(id, origin) AS (", batch, query):
        yield by_identity[event_id, source]


def counted(connection: Connection) -> dict[int, int]:
    """For how many events the ledger names each archive; a file may have copies beside that do not count."""
    query = "SELECT archive, COUNT(*) FROM _notifications WHERE archive IS NOT NULL GROUP BY archive"
    return {row[0]: row[1] for row in connection.exec_driver_sql(query)}


def whole(connection: Connection, sorts: Collection[Sort], found: list[str]) -> Iterator[Event]:
    """Every archived event of these sorts, file by file, when all of each file is read.

    ``found`` gets a sentence for each archive that has not all events for which the ledger names it. Raises
    ``DatabaseDamaged`` and ``ArchiveAway``.
    """
    named, known = counted(connection), readable(connection)
    found += [
        f"the ledger names an archive {number} for {named[number]} events, and _archives has none"
        for number in sorted(named.keys() - known.keys())
    ]
    for number, archive in known.items():
        count = 0
        with archive.reading() as reader:
            for rows in reader.rows():
                for one in map(event, counting(connection, archive, rows)):
                    count += 1
                    if one.sort in sorts:
                        yield one
        if count != (due := named.get(number, 0)):
            found.append(f"the archive {archive.file} has {count} of the {due} events that the ledger says")


def event(row: Archived) -> Event:
    """The event of a row."""
    of_hook = row.hook is not None
    return Event(
        delivery_id=row.event_id if row.delivery_id is None else row.delivery_id,
        index=row.notification_index or 0,
        hook=row.hook or "",
        attempt=1 if row.attempt is None else row.attempt,
        family=row.family,
        action=row.action,
        entity_key=row.entity_key,
        details=row.details.encode(),
        properties=row.properties,
        received_at=row.received_at,
        occurred_at=row.occurred_at,
        source_name=None if of_hook else row.source.removeprefix(SOURCES),
    )


def row(one: Event) -> Archived:
    """The row of an event."""
    of_hook = one.source_name is None
    return Archived(
        *one.identity,
        one.delivery_id if of_hook else None,
        one.index if of_hook else None,
        one.hook if of_hook else None,
        one.attempt if of_hook else None,
        one.family,
        one.action,
        one.entity_key,
        one.details.decode(),
        one.properties,
        one.received_at,
        one.occurred_at,
    )


def emptied(details: bytes) -> str:
    """What the ledger has in the place of an archived event's Details.

    An array stays one: events that no entity key finds are looked for among arrays.
    """
    return "[]" if details.startswith(b"[") else "{}"
