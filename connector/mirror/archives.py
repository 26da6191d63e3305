"""Archives of the ledger: the table ``_archives``, and events read back from its files.

An event whose row in the ledger names an archive is, but for that row, in the archive's file. A row of a file
counts only while the ledger names that archive: a better copy that came later stands in the ledger again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from typing import NamedTuple

from sqlalchemy import Connection, select

from connector.errors import DatabaseDamaged
from connector.events import Event, Identity, Sort
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

    def reading(self) -> AbstractContextManager[Reader]:
        """Its file, as it was written; raises ``DatabaseDamaged`` and ``ArchiveAway``."""
        return closing(Reader(self.file, self.sha256))


class Archives:
    """Those of a mirror, as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stored(self) -> dict[int, StoredArchive]:
        """Every archive, by its number."""
        columns = Archive.__table__.c
        query = select(*(columns[name] for name in StoredArchive._fields)).order_by(columns.archive)
        return {row[0]: StoredArchive._make(row) for row in self._connection.execute(query)}

    def readable(self) -> dict[int, StoredArchive]:
        """Archives whose file was read back: of another one there may be none, and the ledger names none."""
        return {number: one for number, one in self.stored().items() if one.read_at is not None}

    def events(self, named: Mapping[int, Collection[Identity]]) -> dict[Identity, Event]:
        """Events by the archive that the ledger names for them.

        Raises ``DatabaseDamaged``, which names what is missing, and ``ArchiveAway``.
        """
        found: dict[Identity, Event] = {}
        known = self.readable() if named else {}
        for archive, identities in sorted(named.items()):
            if archive not in known:
                raise DatabaseDamaged(
                    f"The ledger names the archive {archive}, which the table _archives does not have.",
                    "restore that table from a backup",
                )
            with known[archive].reading() as reader:
                found |= {(row.event_id, row.source): row.event() for row in reader.some(identities)}
            if absent := sorted(set(identities) - found.keys()):
                event_id, source = absent[0]
                raise DatabaseDamaged(
                    f"The archive {known[archive].file} does not have the event {event_id} of {source}, "
                    "which the ledger says is there: somebody changed its row in _notifications.",
                    "restore the mirror and its archives from backups of one time",
                )
        return found

    def of_sorts(self, sorts: Collection[Sort], *, unkeyed: bool = False) -> Iterator[Event]:
        """Every archived event of these sorts, file by file; ``unkeyed``: those that no entity key finds.

        Raises ``DatabaseDamaged`` and ``ArchiveAway``.
        """
        if not sorts:
            return
        for archive in self.readable().values():
            if unkeyed and not archive.unkeyed:
                continue
            with archive.reading() as reader:
                for rows in reader.rows(sorts, unkeyed=unkeyed):
                    yield from map(Archived.event, self.counting(archive, rows))

    def counting(self, archive: StoredArchive, rows: Iterable[Archived]) -> Iterator[Archived]:
        """Those rows of a file that count: for which the ledger names the archive.

        Each is looked up by itself, so that no planner chooses to read the whole ledger instead.
        """
        by_identity = {(row.event_id, row.source): row for row in rows}
        named = "(SELECT archive FROM _notifications WHERE event_id = asked.id AND source = asked.origin)"
        batch = Batch(IDENTITY, sorted(by_identity))
        query = f") SELECT id, origin FROM asked WHERE {named} = {archive.archive}"
        for event_id, source in run(self._connection, "WITH asked(id, origin) AS (", batch, query):
            yield by_identity[event_id, source]

    def counted(self) -> dict[int, int]:
        """For how many events the ledger names each archive.

        A file may have copies beside that do not count.
        """
        query = "SELECT archive, COUNT(*) FROM _notifications WHERE archive IS NOT NULL GROUP BY archive"
        return {row[0]: row[1] for row in self._connection.exec_driver_sql(query)}

    def whole(self, sorts: Collection[Sort], found: list[str]) -> Iterator[Event]:
        """Every archived event of these sorts, file by file, when all of each file is read.

        ``found`` gets a sentence for each archive that has not all events for which the ledger names it.
        Raises ``DatabaseDamaged`` and ``ArchiveAway``.
        """
        named, known = self.counted(), self.readable()
        found += [
            f"the ledger names an archive {number} for {named[number]} events, and _archives has none"
            for number in sorted(named.keys() - known.keys())
        ]
        for number, archive in known.items():
            count = 0
            with archive.reading() as reader:
                for rows in reader.rows():
                    for one in map(Archived.event, self.counting(archive, rows)):
                        count += 1
                        if one.sort in sorts:
                            yield one
            if count != (due := named.get(number, 0)):
                found.append(
                    f"the archive {archive.file} has {count} of the {due} events that the ledger says"
                )


def emptied(details: bytes) -> str:
    """What the ledger has in the place of an archived event's Details.

    An array stays one: events that no entity key finds are looked for among arrays.
    """
    return "[]" if details.startswith(b"[") else "{}"
