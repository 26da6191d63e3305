"""Whole months leave the ledger for archives (``connector archive``).

A month's events are written into a file, which is read again and compared before anything is emptied. Then
the ledger's rows are emptied in small steps, each with what its events gave beside the rows of the tables
(``archived_rows.py``). The rows stay, so that an event is known for all time. A run that is interrupted
leaves a file that the next one removes, or goes on emptying from.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from connector import clocks, events, failpoints
from connector.mirror import archive_files, archive_places, archived_rows, archives, bodies, dialects, ledger
from connector.mirror.archive_files import Archived
from connector.mirror.archive_places import ArchivePlace
from connector.mirror.archives import Archives, StoredArchive
from connector.mirror.batches import Batch, run
from connector.mirror.mapping import Mapping
from connector.mirror.models import Archive, names
from connector.mirror.rebuilder import Rebuilder, Report, rebuilding

COLUMNS = Archive.columns()
STEP = 500  # events of one transaction, beside which batches wait
COPY = (*ledger.IDENTITY, ("received_at", "timestamp"), ("attempt", "integer"))


class DueMonth(NamedTuple):
    """A month that is to be archived, and how many of its events are in the ledger."""

    month: str
    events: int


def due(connection: Connection, months: int, now: int) -> Iterator[DueMonth]:
    """Months with events in the ledger that are before the last ``months`` whole ones.

    ``now`` in microseconds since the epoch.
    """
    today = datetime.fromtimestamp(now / 1e6, UTC)
    limit = _start(today.year, today.month - months)
    oldest = dialects.of(connection).microseconds("MIN(received_at)")
    query = "SELECT {} FROM _notifications WHERE received_at >= '{}' AND received_at < '{}' {}"
    first = 0
    while True:
        # When the first event was received that is in no archive.
        of_first = query.format(oldest, events.iso(first), events.iso(limit), ledger.LIVE)
        if (found := connection.exec_driver_sql(of_first).scalar()) is None:
            return
        first = int(found)
        month, until = _month(first)
        of_month = query.format("COUNT(*)", events.iso(first), events.iso(until), ledger.LIVE)
        yield DueMonth(month, int(connection.exec_driver_sql(of_month).scalar_one()))
        first = until


def archive(
    engine: Engine,
    mapping: Mapping,
    folder: str,
    months: int,
    report: Report,
    now: Callable[[], int] = clocks.now,
) -> Iterator[StoredArchive]:
    """Archive what is due, month by month; gives each archive once its events are out of the ledger.

    The only one of this mirror that archives, rebuilds or forgets meanwhile. Raises ``StartupError`` (with
    ``DatabaseDamaged`` for a file that is not as it was written) and ``DatabaseOutage``.
    """
    archive_places.require()
    with rebuilding(engine, mapping) as session:
        work = _Archiving(session, folder, report, now)
        yield from work.finish()
        with session.snapshot() as connection:
            found = list(due(connection, months, now()))
        if found:
            session.change(lambda connection: archived_rows.ensure(connection, mapping, ahead=True))
        for one in found:
            yield work.month(one)


def move(engine: Engine, mapping: Mapping, folder: str) -> list[StoredArchive]:
    """Note that all files stand in another folder, where each was read and found whole."""
    with rebuilding(engine, mapping) as session:
        clear(session)
        with session.snapshot() as connection:
            known = Archives(connection).stored().values()
        found = [one._replace(file=ArchivePlace(folder).within(one.file)) for one in known]
        for one in found:
            with one.reading():
                pass

        def note(connection: Connection) -> None:
            for one in found:
                record(connection, one.archive, file=one.file)

        session.change(note)
    return found


class _Archiving:
    def __init__(self, session: Rebuilder, folder: str, report: Report, now: Callable[[], int]) -> None:
        self._session = session
        self._folder = folder
        self._report = report
        self._now = now

    def finish(self) -> Iterator[StoredArchive]:
        """Bring to an end what was interrupted; gives what was emptied."""
        clear(self._session)
        for one in self._stored().values():
            if one.emptied_at is None:
                yield self._empty(one)

    def month(self, month: DueMonth) -> StoredArchive:
        """Archive a month."""
        first = _start(int(month.month[:4]), int(month.month[5:]))
        with ExitStack() as stack:
            with self._session.snapshot() as connection:
                rows = map(Archived.of, ledger.received(connection, first, _month(first)[1]))
                watched = self._watched(f"writing {month.month}", rows, month.events)
                written = stack.enter_context(archive_files.made(month.month, watched))
            made = self._put(month, written)
        return self._empty(made)

    def _put(self, month: DueMonth, written: archive_files.WrittenArchive) -> StoredArchive:
        """Put a file in its place, and read it again."""
        file = ArchivePlace(self._folder).within(written.name)
        now = self._now()

        def note(connection: Connection) -> int:
            newest = connection.exec_driver_sql("SELECT MAX(archive) FROM _archives").scalar() or 0
            of_file = (file, written.sha256, written.size_bytes, written.events, written.unkeyed)
            row = (newest + 1, month.month, *of_file, now)
            columns = COLUMNS[: len(row)]
            run(connection, f"INSERT INTO _archives ({names(columns)})", Batch(columns, [row]), "")
            return int(newest) + 1

        # It is noted first, so that no file is left that nobody knows of.
        number = self._session.change(note)
        failpoints.reach("archive-noted")
        written.put(file)
        self._session.change(partial(record, number=number, read_at=events.iso(self._now())))
        failpoints.reach("archive-read")
        return self._stored()[number]

    def _empty(self, archive: StoredArchive) -> StoredArchive:
        """Have the ledger's rows say no more than that their events are in this archive."""
        done = 0
        self._session.change(lambda connection: archived_rows.ensure(connection, self._session.mapping))
        with archive.reading() as reader:
            for rows in reader.rows():
                # Events of one entity together, so that what is kept for its rows is written once for all.
                left = iter(sorted(rows, key=lambda row: (row.entity_key or "", row.event_id)))
                while step := list(islice(left, STEP)):
                    self._session.change(partial(self._empty_some, archive, step))
                    done += len(step)
                    self._report(f"emptying {archive.month}", done, archive.events)
                    failpoints.reach("archive-step")
        self._session.change(partial(record, number=archive.archive, emptied_at=events.iso(self._now())))
        return self._stored()[archive.archive]

    def _empty_some(self, archive: StoredArchive, rows: Sequence[Archived], connection: Connection) -> None:
        """Those of these rows that the ledger has as the file has them; a better copy that came stays."""
        batch = Batch(COPY, [(row.event_id, row.source, row.received_at, row.attempt or 0) for row in rows])
        same = (
            "(SELECT 1 FROM _notifications WHERE event_id = asked.id AND source = asked.origin "
            "AND received_at = asked.at AND COALESCE(attempt, 0) = asked.try AND archive IS NULL)"
        )
        query = f") SELECT id, origin FROM asked WHERE {same} = 1"
        found = run(connection, "WITH asked(id, origin, at, try) AS (", batch, query)
        emptied = {(row[0], row[1]) for row in found}
        taken = [row for row in rows if (row.event_id, row.source) in emptied]
        if not taken:
            return
        mark = dialects.of(connection).mark
        connection.exec_driver_sql(
            f"UPDATE _notifications SET details = {mark}, properties = {mark}, body = NULL, "
            f"archive = {archive.archive} "
            f"WHERE event_id = {mark} AND source = {mark}",
            # An array stays one: what no entity key finds is looked for among arrays.
            [(archives.emptied(row.details.encode()), "{}", row.event_id, row.source) for row in taken],
        )
        # Only what a source gave has a body that stands elsewhere.
        owners = {(row.entity_key, row.source) for row in taken if row.hook is None}
        bodies.drop_unused(connection, owners)
        archived_rows.add(connection, self._session.mapping, map(Archived.event, taken))

    def _watched(self, what: str, rows: Iterator[Archived], total: int) -> Iterator[Archived]:
        for done, row in enumerate(rows, 1):
            yield row
            if done % archive_files.ROWS == 0:
                self._report(what, done, total)

    def _stored(self) -> dict[int, StoredArchive]:
        with self._session.snapshot() as connection:
            return Archives(connection).stored()


def clear(session: Rebuilder) -> None:
    """Remove files that stand beside archives: those of interrupted runs, and those that were replaced."""
    with session.snapshot() as connection:
        known = Archives(connection).stored()
    for one in known.values():
        if one.former:
            ArchivePlace(one.former).remove()
            session.change(partial(record, number=one.archive, former=None))
        if one.read_at is None:
            ArchivePlace(one.file).remove()
            delete = f"DELETE FROM _archives WHERE archive = {one.archive}"
            session.change(partial(Connection.exec_driver_sql, statement=delete))


def record(connection: Connection, number: int, **values: Any) -> None:
    """Note these values of an archive."""
    mark = dialects.of(connection).mark
    sets = ", ".join(f"{name} = {mark}" for name in values)
    statement = f"UPDATE _archives SET {sets} WHERE archive = {mark}"
    connection.exec_driver_sql(statement, (*values.values(), number))


def _month(instant: int) -> tuple[str, int]:
    """The month of an instant, and when the next one starts."""
    at = datetime.fromtimestamp(instant / 1e6, UTC)
    return f"{at.year:04d}-{at.month:02d}", _start(at.year, at.month + 1)


def _start(year: int, month: int) -> int:
    """When a month starts; months before January are of the years before."""
    years, of_year = divmod(year * 12 + month - 1, 12)
    return events.microseconds(datetime(years, of_year + 1, 1, tzinfo=UTC))
