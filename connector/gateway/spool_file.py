"""The spool's file: SQLite in WAL mode, where a committed row has been fsynced.

A row is a part of a delivery: records of one topic with a checksum, so that a topic which cannot be
written keeps no other topic's records waiting. What can never go to Kafka moves to ``set_aside``.
``PRAGMA user_version`` holds the layout's version. At start the file is checked; what can be read of
a damaged one is carried over into a new file, the rest is kept aside and reported.

Everything here blocks and belongs to the spool's own thread; ``spool`` is the event loop's side.
"""

import os
import shutil
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from connector import metrics
from connector.errors import SpoolOutage, StartupError
from connector.gateway import salvage
from connector.kafka.record import Record

log = structlog.get_logger(__name__)

# 0.1 wrote version 0: no topics, nothing set aside.
LAYOUT = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_at REAL NOT NULL,
    checksum INTEGER NOT NULL,
    records BLOB NOT NULL,
    topic TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS spool_topic ON spool (topic, id);
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY,
    stored_at REAL NOT NULL,
    checksum INTEGER NOT NULL,
    records BLOB NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    error TEXT NOT NULL,
    set_aside_at REAL NOT NULL
) STRICT
"""
PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "auto_vacuum=INCREMENTAL")
LOCK_SECONDS = 2.0
# Left free on the disk: taking rows out of a WAL writes too, and a checkpoint lets the file grow.
RESERVE_BYTES = 8_388_608
# A delivery of more becomes several rows, so that no row is too large to be carried.
PART_BYTES = 1_048_576
REFUSED, UNREADABLE = "refused", "unreadable"


class Part(NamedTuple):
    """Records of one topic, encoded."""

    topic: str
    body: bytes


class Spooled(NamedTuple):
    """A row: records that wait, or ``error`` with which they could not be read."""

    id: int
    topic: str
    checksum: int
    size: int
    records: list[Record]
    error: str | None = None


class Refusal(NamedTuple):
    """A record that Kafka can never take, and why."""

    record: Record
    error: str


class Oldest(NamedTuple):
    """The row that has waited longest: its topic, and when it was stored in seconds since the epoch."""

    id: int
    topic: str
    stored_at: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening the file found: rows that wait, and what could not be read."""

    waiting: int
    damaged: int
    kept_aside: Path | None = None


class SpoolFile:
    """The rows on disk, and what is known of them without looking."""

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

    def open(self) -> Recovery:
        """Open and check the file; raises ``StartupError`` when it cannot be used."""
        damaged, aside = 0, None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            salvage.finish(self._path)
            try:
                self._connect()
                sound = self._connected.execute("PRAGMA quick_check").fetchone() == ("ok",)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                sound = False
            if not sound:
                damaged, aside = self._salvage()
            self._retry_refused()
            self._count()
        except (sqlite3.Error, OSError) as error:
            self.close()
            cure = "Give each gateway a spool of its own, on a disk that it may write: gateway.spool_path."
            raise StartupError(f"The spool {self._path} cannot be used: {error}", cure) from error
        return Recovery(self.waiting.total(), damaged, aside)

    def close(self) -> None:
        """Close the file; what is in it waits."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        self._connection = _connection_to(self._path)

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connect()
        assert self._connection is not None  # noqa: S101 - _connect sets it or raises
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

    def insert(self, parts: Sequence[Part]) -> None:
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
            unreadable, aside = self._salvage()
            self._count()
            log.error(
                "the spool is damaged; what can be read was carried over",
                error=str(error),
                kept_aside=str(aside),
                carried_over=self.waiting.total(),
                unreadable_at_least=unreadable,
            )
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
                found.append(Spooled(row_id, topic, checksum, len(body), [], str(error)))
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
        now = self._clock()
        with self._transaction() as connection:
            if row.error is None:
                bodies = [(encode([one.record]), one) for one in refusals]
                values = [
                    (zlib.crc32(body), body, one.record.topic, REFUSED, one.error, now, row.id)
                    for body, one in bodies
                ]
                kept = sum(len(body) for body, _ in bodies)
                connection.executemany(
                    "INSERT INTO set_aside (stored_at, checksum, records, topic, reason, error, set_aside_at)"
                    " SELECT stored_at, ?, ?, ?, ?, ?, ? FROM spool WHERE id = ?",
                    values,
                )
            else:
                kept = row.size
                connection.execute(
                    "INSERT INTO set_aside (stored_at, checksum, records, topic, reason, error, set_aside_at)"
                    " SELECT stored_at, checksum, records, topic, ?, ?, ? FROM spool WHERE id = ?",
                    (UNREADABLE, row.error, now, row.id),
                )
            self._delete(connection, [row])
        self.bytes += kept
        self.set_aside_rows += 1 if row.error is not None else len(refusals)
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

    # --- What is known of the rows ---

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

    def _salvage(self) -> tuple[int, Path]:
        """Carry what can be read into a new file; returns how many rows could not, and the old file.

        The new file takes the old one's place in one step, once it is complete: a process that dies
        on the way starts from the old one again.
        """
        self.close()
        fresh = salvage.unfinished(self._path)
        with salvage.opened(self._path) as damaged, closing(_connection_to(fresh)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            unreadable = salvage.carry_over(damaged, connection, check=decode)
            connection.execute("COMMIT")
        aside = salvage.keep_aside(self._path, f"damaged-{int(self._clock())}")
        salvage.complete(self._path)
        metrics.spool_damaged.inc(unreadable)
        return unreadable, aside


def _connection_to(path: Path) -> sqlite3.Connection:
    """Open a file, alone, in this version's layout; raises ``StartupError`` for a newer one."""
    _make_private(path)
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        # Takes the exclusive lock now, so that a second gateway on this file fails at its start.
        connection.execute("BEGIN IMMEDIATE")
        _bring_over(connection, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_over(connection: sqlite3.Connection, path: Path) -> None:
    """Give the file this version's layout; raises ``StartupError`` for a newer one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > LAYOUT:
        what = f"The spool {path} was written by a newer connector (layout {found}; this one knows {LAYOUT})."
        raise StartupError(what, "Start the newer version again, or set another gateway.spool_path.")
    if found == LAYOUT:
        return
    columns = [row[1] for row in connection.execute("PRAGMA table_info(spool)")]
    if columns and "topic" not in columns:
        # Rows of 0.1 hold records of any topics; they wait in a queue of their own, named "".
        connection.execute("ALTER TABLE spool ADD COLUMN topic TEXT NOT NULL DEFAULT ''")
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _make_private(path: Path) -> None:
    """Make the file for this user only; SQLite gives ``-wal`` and ``-shm`` the file's mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError, PermissionError):
            path.with_name(path.name + suffix).chmod(0o600)


def parts_of(records: Sequence[Record]) -> list[Part]:
    """Encode a delivery's records, per topic and in pieces of about ``PART_BYTES``."""
    found: list[Part] = []
    by_topic: dict[str, list[Record]] = {}
    for record in records:
        by_topic.setdefault(record.topic, []).append(record)
    for topic, own in by_topic.items():
        found += [Part(topic, encode(portion)) for portion in portions(own)]
    return found


def portions(records: Sequence[Record], size: int = PART_BYTES) -> Iterator[Sequence[Record]]:
    """Slices of about ``size`` bytes, of one record at least."""
    start, taken = 0, 0
    for index, record in enumerate(records):
        if taken and taken + record.size > size:
            yield records[start:index]
            start, taken = index, 0
        taken += record.size
    if start < len(records):
        yield records[start:]


def encode(records: Sequence[Record]) -> bytes:
    """Records as a row holds them."""
    return msgspec.msgpack.encode([tuple(record) for record in records])


_records = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes, list[tuple[str, bytes]], str, bool]])


def decode(checksum: int, body: bytes) -> list[Record]:
    """Read a row; ``ValueError`` when it is not what was written."""
    if zlib.crc32(body) != checksum:
        raise ValueError("the checksum does not hold")
    return [Record(*fields) for fields in _records.decode(body)]
