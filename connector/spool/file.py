"""The spool's file: SQLite in WAL mode, where a committed row has been fsynced.

A row is a part of a delivery: records of one topic with a checksum, so that a topic which cannot be
written keeps no other topic's records waiting. What can never go to Kafka moves to ``set_aside``.
At start the file is checked; what can be read of a damaged one is carried over into a new file, the
rest is kept aside and reported.

Everything here blocks and belongs to the spool's own thread; ``spool`` is the event loop's side.
"""

import shutil
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import structlog

from connector import metrics, private_files
from connector.errors import SpoolOutage, StartupError
from connector.spool.layout import connect
from connector.spool.rows import Oldest, Refusal, Spooled, SpooledPart, decode, encode
from connector.spool.salvage import Salvage, SalvagedFile

log = structlog.get_logger(__name__)

# Left free on the disk: taking rows out of a WAL writes too, and a checkpoint lets the file grow.
RESERVE_BYTES = 8_388_608
REFUSED, UNREADABLE = "refused", "unreadable"


class SpoolFile:
    """The rows on disk, with counts of them in memory."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds since the epoch."""
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self.waiting: Counter[str] = Counter()
        self.bytes = 0
        self.set_aside_rows = 0
        self.oldest: Oldest | None = None

    # --- Opening and closing ---

    def open(self) -> None:
        """Open and check the file; raises ``StartupError`` when it cannot be used."""
        try:
            private_files.own_database(self._path, setting="gateway.spool_path")
            SalvagedFile(self._path).finish()
            try:
                sound = self._connected.execute("PRAGMA quick_check").fetchone() == ("ok",)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                sound = False
            if not sound:
                self._salvage("it was found so at the start")
            self._retry_refused()
            self._count()
        except (sqlite3.Error, OSError) as error:
            self.close()
            cure = "Give each gateway a spool of its own, on a disk that it may write: gateway.spool_path."
            raise StartupError(f"The spool {self._path} cannot be used: {error}", cure) from error

    def close(self) -> None:
        """Close the file; what is in it waits."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path)
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction; after a failed write the next use opens the file again."""
        connection = self._connected
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self.close()
            raise

    # --- Rows ---

    def insert(self, parts: Sequence[SpooledPart]) -> None:
        """Store parts in one transaction; raises ``SpoolOutage`` or ``sqlite3.Error``."""
        size = sum(len(part.body) for part in parts)
        if shutil.disk_usage(self._path.parent).free < RESERVE_BYTES + size:
            raise SpoolOutage("the disk is full but for what draining needs")
        now = self._clock()
        rows = [(now, zlib.crc32(part.body), part.body, part.topic) for part in parts]
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO spool (stored_at, checksum, records, topic) VALUES (?, ?, ?, ?)", rows
            )
        self.waiting = self.waiting + Counter(part.topic for part in parts)
        self.bytes += size
        if self.oldest is None:
            self._look_at_oldest()
        self._show()

    def page(self, topic: str, after: int, *, rows: int, size: int) -> list[Spooled]:
        """Rows of a topic behind an id, oldest first: the first one, and more up to ``size`` bytes.

        A file that turns out to be damaged is salvaged, so that what can be read goes on.
        """
        try:
            return self._page(topic, after, rows, size)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self._salvage(str(error))
            self._count()
            return self._page(topic, after, rows, size)

    def _page(self, topic: str, after: int, rows: int, size: int) -> list[Spooled]:
        found: list[Spooled] = []
        cursor = self._connected.execute(
            "SELECT id, checksum, records FROM spool WHERE topic = ? AND id > ? ORDER BY id LIMIT ?",
            (topic, after, rows),
        )
        for row_id, checksum, body in cursor:
            size -= len(body)
            if found and size < 0:
                break
            try:
                found.append(Spooled(row_id, topic, checksum, len(body), decode(checksum, body)))
            except ValueError as error:
                found.append(Spooled(row_id, topic, checksum, len(body), [], str(error), body))
        cursor.close()
        return found

    def remove(self, rows: Iterable[Spooled]) -> None:
        """Forget rows that are on Kafka."""
        gone = list(rows)
        with self._transaction() as connection:
            self._delete(connection, gone)
        self._forget(gone)
        self._connected.execute("PRAGMA incremental_vacuum(1024)").fetchall()
        if not self.waiting:
            self._connected.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def set_aside(self, row: Spooled, refusals: Sequence[Refusal]) -> None:
        """Move what can never go out of the queue: the records refused, or the whole unreadable row."""
        if row.error is None:
            bodies = [encode([one.record]) for one in refusals]
            kept = [
                (zlib.crc32(body), body, one.record.topic, REFUSED, one.error)
                for body, one in zip(bodies, refusals, strict=True)
            ]
        else:
            kept = [(row.checksum, row.raw, row.topic, UNREADABLE, row.error)]
        now = self._clock()
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO set_aside (stored_at, checksum, records, topic, reason, error, set_aside_at)"
                " SELECT stored_at, ?, ?, ?, ?, ?, ? FROM spool WHERE id = ?",
                [(*one, now, row.id) for one in kept],
            )
            self._delete(connection, [row])
        self.bytes += sum(len(body) for _, body, *_ in kept)
        self.set_aside_rows += len(kept)
        self._forget([row])

    @staticmethod
    def _delete(connection: sqlite3.Connection, rows: Sequence[Spooled]) -> None:
        # By the checksum too: after a salvage another row may have been given the id.
        connection.executemany(
            "DELETE FROM spool WHERE id = ? AND checksum = ?", [(row.id, row.checksum) for row in rows]
        )

    def _retry_refused(self) -> None:
        """Queue again what Kafka refused: a start often follows the change that lets it go."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO spool (stored_at, checksum, records, topic)"
                " SELECT stored_at, checksum, records, topic FROM set_aside WHERE reason = ?",
                (REFUSED,),
            )
            connection.execute("DELETE FROM set_aside WHERE reason = ?", (REFUSED,))

    # --- Counts of the rows ---

    def _forget(self, rows: Sequence[Spooled]) -> None:
        # A new one each time: the event loop reads the former meanwhile.
        self.waiting = self.waiting - Counter(row.topic for row in rows)
        self.bytes -= sum(row.size for row in rows)
        self._look_at_oldest()
        self._show()

    def _count(self) -> None:
        execute = self._connected.execute
        self.waiting = Counter(dict(execute("SELECT topic, COUNT(*) FROM spool GROUP BY topic")))
        sizes = "SELECT COALESCE(SUM(LENGTH(records)), 0), COUNT(*) FROM "
        waiting, _ = execute(f"{sizes} spool").fetchone()
        aside, self.set_aside_rows = execute(f"{sizes} set_aside").fetchone()
        self.bytes = waiting + aside
        self._look_at_oldest()
        self._show()

    def _look_at_oldest(self) -> None:
        row = self._connected.execute("SELECT id, topic, stored_at FROM spool ORDER BY id LIMIT 1").fetchone()
        self.oldest = Oldest(*row) if row else None

    def _show(self) -> None:
        metrics.spool_deliveries.set(self.waiting.total())
        metrics.spool_bytes.set(self.bytes)
        metrics.spool_oldest.set(self.oldest.stored_at if self.oldest else 0)
        metrics.spool_set_aside.set(self.set_aside_rows)

    # --- Recovery ---

    def _salvage(self, error: str) -> None:
        """Carry what can be read into a new file, and keep the old one aside.

        The new file takes the old one's place in one step, once it is complete: a process that dies
        on the way starts from the old one again.
        """
        self.close()
        salvaged = SalvagedFile(self._path)
        fresh = salvaged.unfinished()
        with Salvage.of(self._path) as damaged, closing(connect(fresh)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            carried_over, unreadable = damaged.carry_over(connection, check=decode)
            connection.execute("COMMIT")
        aside = salvaged.keep_aside(f"damaged-{int(self._clock())}")
        salvaged.complete()
        metrics.spool_damaged.inc(unreadable)
        log.error(
            "the spool is damaged; what can be read was carried over",
            error=error,
            kept_aside=str(aside),
            carried_over=carried_over,
            unreadable_at_least=unreadable,
        )
