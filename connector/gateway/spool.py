"""Deliveries that Kafka could not take in time, on disk until it can.

SQLite in WAL mode with ``synchronous=FULL``: a row that was committed here has been fsynced, so a
2xx may be answered for it. Deliveries that come in while a commit is under way share the next one
(group commit). One thread of its own touches the file; the event loop only waits.

A row is one delivery's records with a checksum. At start the file is checked; what can be read of a
damaged one is carried over into a new file, the rest is kept aside and reported.
"""

import asyncio
import shutil
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from connector import metrics
from connector.errors import SpoolOutage, StartupError
from connector.gateway import salvage
from connector.kafka.record import Record

log = structlog.get_logger(__name__)

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_at REAL NOT NULL,
    checksum INTEGER NOT NULL,
    records BLOB NOT NULL
) STRICT
"""
PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "auto_vacuum=INCREMENTAL")
# Rows of one draining step; also what one step may hold in memory.
STEP_ROWS = 200
STEP_BYTES = 4_194_304
LOCK_SECONDS = 2.0
TROUBLE_SECONDS = 5.0
# Left free on the disk: taking rows out of a WAL writes too, and a checkpoint lets the file grow.
RESERVE_BYTES = 8_388_608


class Spooled(NamedTuple):
    """One delivery in the spool."""

    id: int
    records: list[Record]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening the file found: deliveries that wait, and what could not be read."""

    waiting: int
    damaged: int
    kept_aside: Path | None = None


class Spool:
    """A file of deliveries; ``put`` and ``remove`` from the event loop, in one thread underneath."""

    def __init__(self, path: Path, *, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since the epoch; ``max_bytes`` counts stored records."""
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._connection: sqlite3.Connection | None = None
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._committing = False
        self._trouble: str | None = None
        self._trouble_at = 0.0
        self.deliveries = 0
        self.bytes = 0
        self.filled = asyncio.Event()

    # --- On the event loop ---

    def open(self) -> Recovery:
        """Open and check the file, blocking; raises ``StartupError`` when it cannot be used."""
        return self._thread.submit(self._open).result()

    def trouble(self) -> str | None:
        """What keeps deliveries out of the spool, or None."""
        if self.bytes + self._pending_bytes >= self._max_bytes:
            return f"the spool is full ({self._max_bytes} bytes, gateway.spool_max_bytes)"
        if self._clock() - self._trouble_at > TROUBLE_SECONDS:
            # Somebody must try again: a gateway that gets nothing because it is not ready would
            # never learn that its disk was freed.
            return None
        return self._trouble

    async def put(self, records: Sequence[Record]) -> None:
        """Return when the records are fsynced; raises ``SpoolOutage`` when they are not."""
        body = _encode(records)
        if self.bytes + self._pending_bytes + len(body) > self._max_bytes:
            raise SpoolOutage(f"The spool is full: {self._max_bytes} bytes (gateway.spool_max_bytes).")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((body, future))
        self._pending_bytes += len(body)
        if not self._committing:
            self._committing = True
            self._commit_soon()
        await future

    async def oldest(self) -> list[Spooled]:
        """The deliveries that have waited longest, oldest first; raises ``SpoolOutage``."""
        return await self._call(self._oldest)

    async def remove(self, spooled: Iterable[Spooled]) -> None:
        """Forget deliveries that are on Kafka; raises ``SpoolOutage``."""
        ids = [one.id for one in spooled]
        if ids:
            await self._call(lambda: self._remove(ids))
            metrics.spool_drained.inc(len(ids))

    async def close(self) -> None:
        """Close the file; what is in it waits for the next start."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _commit_soon(self) -> None:
        """Commit everything that is pending in one transaction; again while more has come."""
        loop = asyncio.get_running_loop()
        pending, self._pending = self._pending, []
        bodies = [body for body, _ in pending]
        job = loop.run_in_executor(self._thread, self._insert, bodies)
        job.add_done_callback(lambda done: self._committed(pending, done))

    def _committed(
        self, pending: list[tuple[bytes, asyncio.Future[None]]], done: "asyncio.Future[None]"
    ) -> None:
        self._pending_bytes -= sum(len(body) for body, _ in pending)
        error = done.exception()
        self._trouble, self._trouble_at = (str(error) if error else None), self._clock()
        for _, future in pending:
            if not future.done():
                if error:
                    future.set_exception(SpoolOutage(f"The spool could not be written: {error}"))
                else:
                    future.set_result(None)
        if not error:
            metrics.spool_stored.inc(len(pending))
            self.filled.set()
        if self._pending:
            self._commit_soon()
        else:
            self._committing = False

    async def _call(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except sqlite3.Error as error:
            raise SpoolOutage(f"The spool {self._path} cannot be used: {error}") from error

    # --- On the spool's thread ---

    def _open(self) -> Recovery:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        damaged, aside = 0, None
        try:
            try:
                self._connect()
                sound = self._connected.execute("PRAGMA quick_check").fetchone() == ("ok",)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                sound = False
            if not sound:
                damaged, aside = self._salvage()
            self._measure()
        except (sqlite3.Error, OSError) as error:
            self._close()
            cure = "Give each gateway a spool of its own, on a disk that it may write: gateway.spool_path."
            raise StartupError(f"The spool {self._path} cannot be used: {error}", cure) from error
        return Recovery(self.deliveries, damaged, aside)

    def _connect(self) -> None:
        connection = sqlite3.connect(
            self._path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        connection.execute(SCHEMA)
        # Takes the exclusive lock now, so that a second gateway on this file fails at its start.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connect()
        assert self._connection is not None  # noqa: S101 - _connect sets it or raises
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _insert(self, bodies: list[bytes]) -> None:
        if shutil.disk_usage(self._path.parent).free < RESERVE_BYTES + sum(map(len, bodies)):
            raise SpoolOutage("the disk is full but for what draining needs")
        connection = self._connected
        now = self._clock()
        rows = [(now, zlib.crc32(body), body) for body in bodies]
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO spool (stored_at, checksum, records) VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
        except sqlite3.Error:
            self._give_up()
            raise
        self.deliveries += len(bodies)
        self.bytes += sum(map(len, bodies))
        self._show()

    def _give_up(self) -> None:
        """After a failed write the connection is suspect: the next use opens the file anew."""
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.warning("spool rollback failed", error=str(error))
        self._close()

    def _oldest(self) -> list[Spooled]:
        found: list[Spooled] = []
        size = 0
        rows = self._connected.execute(
            "SELECT id, checksum, records FROM spool ORDER BY id LIMIT ?", (STEP_ROWS,)
        )
        for row_id, checksum, body in rows:
            size += len(body)
            if found and size > STEP_BYTES:
                break
            found.append(Spooled(row_id, _decode(checksum, body)))
        return found

    def _remove(self, ids: list[int]) -> None:
        connection = self._connected
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("DELETE FROM spool WHERE id = ?", [(row_id,) for row_id in ids])
            connection.execute("COMMIT")
        except sqlite3.Error:
            self._give_up()
            raise
        connection.execute("PRAGMA incremental_vacuum(256)").fetchall()
        self._measure()
        if not self.deliveries:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _measure(self) -> None:
        row = self._connected.execute(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(records)), 0), MIN(stored_at) FROM spool"
        ).fetchone()
        self.deliveries, self.bytes = row[0], row[1]
        metrics.spool_oldest.set(row[2] or 0)
        self._show()

    def _show(self) -> None:
        metrics.spool_deliveries.set(self.deliveries)
        metrics.spool_bytes.set(self.bytes)

    # --- Recovery ---

    def _salvage(self) -> tuple[int, Path]:
        """Carry what can be read into a new file; returns how many rows could not, and the old file."""
        self._close()
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(self._clock())}")
        for suffix in ("", "-wal"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
        rows, unreadable = salvage.readable(aside, _decode)
        self._connect()
        connection = self._connected
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO spool (stored_at, checksum, records) VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
        metrics.spool_damaged.inc(unreadable)
        return unreadable, aside


def _encode(records: Sequence[Record]) -> bytes:
    return msgspec.msgpack.encode([tuple(record) for record in records])


_records = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes, list[tuple[str, bytes]], str, bool]])


def _decode(checksum: int, body: bytes) -> list[Record]:
    """Read a row; ``ValueError`` when it is not what was written."""
    if zlib.crc32(body) != checksum:
        raise ValueError("the checksum does not hold")
    return [Record(*fields) for fields in _records.decode(body)]
