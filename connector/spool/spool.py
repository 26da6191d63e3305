"""Deliveries that Kafka could not take in time, on disk until it can: the event loop's side.

Once ``put`` returns the records have been fsynced (``file``), so a 2xx may be answered.
Deliveries that come in while a commit is under way share the next one (group commit). One thread of
its own touches the file; the event loop only waits.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from connector import metrics
from connector.errors import SpoolOutage
from connector.kafka.record import Record
from connector.spool.file import SpoolFile
from connector.spool.rows import Oldest, Refusal, Spooled, SpooledPart, parts_of

log = structlog.get_logger(__name__)

T = TypeVar("T")

TROUBLE_SECONDS = 5.0


class _Pending:
    """A delivery that waits for its commit."""

    __slots__ = ("future", "parts", "size")

    def __init__(self, parts: list[SpooledPart], future: "asyncio.Future[None]") -> None:
        self.parts = parts
        self.size = sum(len(part.body) for part in parts)
        self.future = future


class Spool:
    """A file of deliveries; used from the event loop, with one thread underneath."""

    def __init__(self, path: Path, *, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since the epoch; ``max_bytes`` counts stored records."""
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._file = SpoolFile(path, clock)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._committing = False
        self._trouble: str | None = None
        self._trouble_at = 0.0
        self.filled = asyncio.Event()

    def open(self) -> None:
        """Open and check the file, blocking; raises ``StartupError`` when it cannot be used."""
        self._thread.submit(self._file.open).result()
        if self.deliveries:
            log.info("deliveries wait in the spool", deliveries=self.deliveries)

    # --- State ---

    @property
    def deliveries(self) -> int:
        """How many deliveries wait; one with records of several topics counts once for each."""
        return self._file.waiting.total()

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many wait, by topic; "" stands for rows of an earlier layout."""
        return self._file.waiting

    @property
    def bytes(self) -> int:
        """Bytes of records in the file, those set aside included."""
        return self._file.bytes

    @property
    def set_aside_rows(self) -> int:
        """How many rows can never go to Kafka as they are."""
        return self._file.set_aside_rows

    @property
    def oldest(self) -> Oldest | None:
        """What has waited longest, or None while nothing waits."""
        return self._file.oldest

    def trouble(self) -> str | None:
        """What keeps deliveries out of the spool, or None."""
        if self.bytes + self._pending_bytes >= self._max_bytes:
            return f"the spool is full ({self._max_bytes} bytes, gateway.spool_max_bytes)"
        if self._clock() - self._trouble_at > TROUBLE_SECONDS:
            # Try again: an unready gateway that receives nothing would never see that its disk
            # was freed.
            return None
        return self._trouble

    # --- In ---

    async def put(self, records: Sequence[Record]) -> None:
        """Return when the records are fsynced; raises ``SpoolOutage`` when they are not.

        When it is cancelled before its commit has started, nothing is stored. Once that has started
        the records may be stored all the same: a duplicate of what the sender sends again.
        """
        pending = _Pending(parts_of(records), asyncio.get_running_loop().create_future())
        if self.bytes + self._pending_bytes + pending.size > self._max_bytes:
            raise SpoolOutage(f"The spool is full: {self._max_bytes} bytes (gateway.spool_max_bytes).")
        self._pending.append(pending)
        self._pending_bytes += pending.size
        if not self._committing:
            self._committing = True
            self._commit_soon()
        try:
            await pending.future
        except asyncio.CancelledError:
            if pending in self._pending:
                self._pending.remove(pending)
                self._pending_bytes -= pending.size
            raise

    def _commit_soon(self) -> None:
        """Commit everything that is pending in one transaction; again while more has come."""
        pending, self._pending = self._pending, []
        parts = [part for one in pending for part in one.parts]
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._file.insert, parts)
        job.add_done_callback(lambda done: self._committed(pending, done))

    def _committed(self, pending: list[_Pending], done: "asyncio.Future[None]") -> None:
        self._pending_bytes -= sum(one.size for one in pending)
        error = done.exception()
        self._trouble, self._trouble_at = (str(error) if error else None), self._clock()
        for one in pending:
            if not one.future.done():
                if error:
                    one.future.set_exception(SpoolOutage(f"The spool could not be written: {error}"))
                else:
                    one.future.set_result(None)
        if not error:
            metrics.spool_stored.inc(len(pending))
            self.filled.set()
        if self._pending:
            self._commit_soon()
        else:
            self._committing = False

    # --- Out ---

    async def page(self, topic: str, after: int, *, rows: int, size: int) -> list[Spooled]:
        """Rows of a topic behind an id, oldest first: one, and more up to ``size`` bytes.

        Raises ``SpoolOutage``.
        """
        return await self._call(lambda: self._file.page(topic, after, rows=rows, size=size))

    async def remove(self, rows: Sequence[Spooled]) -> None:
        """Forget rows that are on Kafka; raises ``SpoolOutage``."""
        if rows:
            await self._call(lambda: self._file.remove(rows))
            metrics.spool_drained.inc(len(rows))

    async def set_aside(self, row: Spooled, refusals: Sequence[Refusal]) -> None:
        """Take a row out of the queue and keep of it what can never go; raises ``SpoolOutage``."""
        await self._call(lambda: self._file.set_aside(row, refusals))

    async def close(self) -> None:
        """Close the file; what is in it waits for the next start."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        self._thread.shutdown(wait=False)

    async def _call(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except (sqlite3.Error, OSError) as error:
            raise SpoolOutage(f"The spool {self._path} cannot be used: {error}") from error
