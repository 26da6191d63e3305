"""Archives without what they say of a forgotten entity: a file that speaks of it is replaced by another."""

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection

from connector import failpoints
from connector.events import Event, Identity, Sort
from connector.mirror import archive_files, archiving
from connector.mirror.archive_files import Archived, Reader
from connector.mirror.archives import Archives, StoredArchive
from connector.mirror.rebuilder import Rebuilder


class Replaced(NamedTuple):
    """An archive with the file that is to take the place of its own, which stands beside it already."""

    archive: StoredArchive
    file: str
    sha256: str
    size_bytes: int
    unkeyed: int

    def note(self, connection: Connection) -> None:
        """Have the archive be this file, and the former one be removed."""
        archiving.record(
            connection,
            self.archive.archive,
            file=self.file,
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            unkeyed=self.unkeyed,
            former=self.archive.file,
        )


def replace(
    session: Rebuilder,
    named: set[Identity],
    sorts: Collection[Sort],
    without: Callable[[Event], Event],
) -> list[Replaced]:
    """Make files in which these events are as ``without`` leaves them, for each archive that has some.

    Copies of these sorts that a better one took the place of are among them, whatever that one says, and so
    are those of a run of ``connector archive`` that was interrupted. Raises ``DatabaseDamaged`` and
    ``ArchiveAway``.
    """
    archiving.clear(session)
    with session.snapshot() as connection:
        archives = Archives(connection)
        known, counted = archives.stored(), archives.counted()
    found = []
    for number, archive in known.items():
        with archive.reading() as reader:
            # With copies that do not count each row is looked at: no event of the ledger leads to them.
            is_whole = counted.get(number, 0) == archive.events
            rows = reader.some(named) if is_whole else chain.from_iterable(reader.rows(sorts))
            changed = {
                (row.event_id, row.source) for row in rows if without(event := row.event()) is not event
            }
            if changed:
                found.append(_replaced(session, archive, reader, changed, without))
    return found


def _replaced(
    session: Rebuilder,
    archive: StoredArchive,
    reader: Reader,
    changed: set[Identity],
    without: Callable[[Event], Event],
) -> Replaced:
    def rows() -> Iterator[Archived]:
        for group in reader.rows():
            for row in group:
                is_changed = (row.event_id, row.source) in changed
                yield Archived.of(without(row.event())) if is_changed else row

    with archive_files.made(archive.month, rows()) as written:
        file = f"{archive.file.rpartition('/')[0]}/{written.name}"
        # As what is to be removed, until it has taken the other's place.
        session.change(lambda connection: archiving.record(connection, archive.archive, former=file))
        written.put(file)
        failpoints.reach("archive-replaced")
        return Replaced(archive, file, written.sha256, written.size_bytes, written.unkeyed)
