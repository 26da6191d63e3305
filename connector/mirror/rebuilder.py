"""Mapped tables made again from the ledger while workers go on (``connector rebuild``, ``verify --repair``).

The rows that a table should have are folded beside it (``replacement.py``) from one state of the database,
without a lock. Then the rows that differ are put right, one table at a time, in a short transaction beside
which no batch runs. When the rebuild is interrupted before that, nothing has happened.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Engine, delete

from connector import failpoints
from connector.errors import Poison, StartupError
from connector.mirror import (
    bodies,
    counters,
    database,
    dialects,
    ledger,
    locks,
    obstacles,
    rules,
    shape,
    steps,
)
from connector.mirror.archived_rows import ArchivedTable
from connector.mirror.archives import Archives
from connector.mirror.mapped import logical
from connector.mirror.mapping import Mapping
from connector.mirror.models import MirrorCounter
from connector.mirror.projections import Projection
from connector.mirror.replacement import Rebuilt, Replacement
from connector.mirror.tables import Tables

T = TypeVar("T")
Report = Callable[[str, int, int], None]
"""Gets what is done, how much of it, and of how much."""

PAGE = 20_000  # events that are folded at once
# How many rows may be folded again while batches wait, and how many rounds try to get down to that.
FEW_ROWS = 200
ROUNDS = 10


class Rebuilder:
    """The only rebuild of a mirror while it is open, on one session of its own."""

    def __init__(self, engine: Engine, mapping: Mapping, connection: Connection) -> None:
        self.connection = connection
        self.mapping = mapping
        self.engine = engine
        self._tables = Tables(mapping)
        self._fingerprint = rules.fingerprint(mapping)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database, and writes to temporary tables alone."""
        with self._translated(), dialects.of(self.connection).snapshot(self.connection):
            yield self.connection

    def change(self, act: Callable[[Connection], T]) -> T:
        """Do it in a transaction beside which no batch and no change of the schema runs.

        Raises ``StartupError`` when the mapping is no longer the one that the tables were made by.
        """

        def change(clear: obstacles.Clear) -> T:
            with self._translated(), self.connection.begin():
                steps.lock_for_change(self.connection)
                clear(self.connection)
                self._require_mapping()
                return act(self.connection)

        return obstacles.overcome(
            self.engine, self.mapping, lambda clear: locks.until_granted(partial(change, clear))
        )

    def require(self) -> None:
        """Raise ``StartupError`` unless the store has the tables of this mapping."""
        steps.require(self.engine)
        with self.snapshot() as connection:
            self._require_mapping()
            for table, found in shape.of(connection, self._tables).items():
                if found.missing or found.refilled or found.key:
                    fault = next(found.faults(logical(table)))
                    raise StartupError(f"The mirror is not as tables.yaml says: {fault}.", rules.APPLY)

    def require_whole_ledger(self, *, kafka_was_read: bool) -> None:
        """Raise ``StartupError`` where the ledger lacks events that were counted: their rows would go."""
        with self.snapshot() as connection:
            missing = counters.missing(connection)
        if missing:
            raise StartupError(
                f"The ledger lacks {missing:,} events that it had: somebody deleted them, and tables made "
                "from it would lose what these events gave."
                + " Kafka does not have them any more either."
                * kafka_was_read,
                (
                    ""
                    if kafka_was_read
                    else "run connector rebuild --from kafka, which brings back what Kafka still has, or "
                )
                + "restore a backup; to make the tables without these events, add --accept-smaller-ledger",
            )

    def tables(self, names: Iterable[str], report: Report) -> Iterator[Rebuilt]:
        """Make these tables as the ledger has them; gives the result of each when it is done.

        Raises ``DatabaseOutage``, and ``StartupError`` where somebody's foreign key keeps a row.
        """
        tables = [self.mapping.table(name) for name in names]
        for table in tables:
            while table.folded and not self._put_archived_right(table):
                pass
        with self.snapshot() as connection:
            replacements = [
                Replacement(connection, self._tables, table, number) for number, table in enumerate(tables)
            ]
        with self.snapshot():
            self._fold(replacements, report)
        for _ in range(ROUNDS):
            with self.snapshot():
                if sum(replacement.catch_up() for replacement in replacements) <= FEW_ROWS:
                    break
        for number, replacement in enumerate(replacements):
            report("putting rows right", number, len(replacements))
            yield self._put_right(replacement)

    def count_again(self) -> bool:
        """Count the ledger's events again where ``mirror_status`` has them wrong; whether it had."""
        with self.snapshot() as connection:
            if next(counters.differences(connection), None) is None:
                return False

        def count(connection: Connection) -> None:
            connection.execute(delete(MirrorCounter))
            counters.fill(connection)

        self.change(count)
        return True

    def drop_unused_bodies(self) -> int:
        """Delete bodies that no event refers to; gives how many. No batch waits where there is none."""
        with self.snapshot() as connection:
            if not bodies.any_unused(connection):
                return 0
        return self.change(bodies.drop_unused)

    def _put_archived_right(self, table: Projection) -> bool:
        """Have what archives give for rows as they have it; False where a batch changed that meanwhile."""
        with self.snapshot() as connection:
            if not Archives(connection).readable():
                return True
            archived = ArchivedTable(connection, table)
            kept, due = archived.rows(), archived.due()
        if not archived.differences(kept, due):
            return True

        def replace(connection: Connection) -> bool:
            archived = ArchivedTable(connection, table)
            stands = not archived.differences(kept, archived.rows())
            if stands:
                archived.replace(due)
            return stands

        return self.change(replace)

    def _fold(self, replacements: Sequence[Replacement], report: Report) -> None:
        """Fold the ledger's events, and note which rows are other ones."""
        sorts = {sort for replacement in replacements for sort in replacement.table.sorts}
        total = sum(count for sort, count in ledger.counts(self.connection).items() if sort in sorts)
        done, events = 0, ledger.of_sorts(self.connection, sorts)
        report("folding events", 0, total)
        while page := list(islice(events, PAGE)):
            for replacement in replacements:
                replacement.merge(page)
            done += len(page)
            report("folding events", done, total)
            failpoints.reach("rebuild-page")
        for number, replacement in enumerate(replacements):
            report("comparing tables", number, len(replacements))
            replacement.compare()
        failpoints.reach("rebuild-compared")

    def _put_right(self, replacement: Replacement) -> Rebuilt:
        """Put the rows of a table right that differ; no lock is taken where none does."""
        table = replacement.table
        with self.snapshot() as connection:
            is_filled = rules.changed_columns(table, rules.recorded(connection)) == []
            left = replacement.count
        rebuilt, started = Rebuilt(table.name, 0, 0, 0), 0.0  # on the monotonic clock
        most = dialects.of(self.connection).most_rows

        def put_right(connection: Connection) -> tuple[Rebuilt, int]:
            nonlocal started
            started = time.monotonic()
            while replacement.catch_up(most):
                pass
            done = replacement.apply(most)
            left = replacement.count
            if not left:
                rules.note_filled(connection, table)
            failpoints.reach("rebuild-swap")
            return done, left

        while left or not is_filled:
            try:
                done, left = self.change(put_right)
            except Poison as error:
                raise StartupError(
                    f"Rows of the table {table.name} cannot be put right: {error.error}",
                    "drop or disable what refuses them, a constraint, a unique index or a trigger that "
                    f"somebody made on {table.store}, and run this again",
                ) from error
            is_filled = is_filled or not left
            rebuilt = rebuilt.plus(done, time.monotonic() - started)
        return rebuilt

    def _require_mapping(self) -> None:
        rules.require(self.connection, self._fingerprint)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except dialects.ERRORS as error:
            raise database.translate(error, self.engine.url.database or "") from error


@contextmanager
def rebuilding(engine: Engine, mapping: Mapping) -> Iterator[Rebuilder]:
    """Start a rebuild, which must be the only one of this mirror.

    Raises ``StartupError`` when another one is under way, and when the store is not as ``tables.yaml``
    says; ``DatabaseOutage``. The session ends with the block, and its temporary tables with it.
    """
    try:
        connection = engine.connect()
    except dialects.ERRORS as error:
        raise database.translate(error, engine.url.database or "") from error
    try:
        with dialects.of(engine).rebuilding(connection), locks.watching(engine):
            rebuilder = Rebuilder(engine, mapping, connection)
            rebuilder.require()
            yield rebuilder
    finally:
        connection.invalidate()
        connection.close()
