"""The way from the spool to Kafka: oldest first within a topic, and nothing blocks what is behind it.

Each topic is a queue of its own. A queue that fails pauses, longer each time, while the others go on;
after a pause it goes on *behind* the rows that failed, and comes back to them at its end. So one topic
that is missing, one partition without a leader or one row that Kafka never acknowledges delays only
itself. A record that Kafka refuses for good, and a row that cannot be read, are set aside.

A row goes to the topics of today's configuration, whatever they were when it was stored.

While Kafka as a whole is away, one row at a time finds out whether it is back.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog
from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_base

from connector import metrics
from connector.errors import KafkaOutage, Outage, RecordRefused
from connector.kafka.record import Record
from connector.logs import Reports
from connector.spool.rows import Refusal, Spooled, portions
from connector.spool.spool import Spool

log = structlog.get_logger(__name__)

# Rows under way at once of a topic that goes, and of one that has not shown that it does.
ROWS = 1000
TRIAL_ROWS = 8
# What all rows under way may hold in memory; a single row may be larger.
WINDOW_BYTES = 4_194_304
STUCK_SECONDS = 60.0


class Kafka(Protocol):
    """What the drain needs of the publisher."""

    def trouble(self) -> str | None:
        """What keeps every delivery from Kafka, or None."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when Kafka has the records; raises ``KafkaOutage`` or ``RecordRefused``."""


Route = Callable[[Record], Record]
"""Gives a record the topic that it has in the configuration of today."""


def as_stored(record: Record) -> Record:
    """Leave a record the topic that it was stored for."""
    return record


class _Queue:
    """One topic's rows, and how it goes with them."""

    __slots__ = ("after", "failures", "flowing", "in_flight", "resume_at", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.after = 0  # id of the last row that was taken up
        self.in_flight = 0
        self.flowing = False  # the newest outcome was an acknowledgement
        self.failures = 0  # pauses since the last acknowledgement
        self.resume_at = 0.0


class _Outcome(NamedTuple):
    queue: _Queue
    row: Spooled
    error: str | None = None
    refusals: Sequence[Refusal] = ()


class Drain:
    """Carries the spool to Kafka for as long as ``run`` runs."""

    def __init__(
        self,
        kafka: Kafka,
        spool: Spool,
        pause: wait_base,
        *,
        route: Route = as_stored,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``monotonic`` gives seconds."""
        self._kafka = kafka
        self._route = route
        self._rerouted: set[tuple[str, str]] = set()
        self._aside_reports = Reports(monotonic)
        self._spool = spool
        self._pause = pause
        self._monotonic = monotonic
        self._queues: dict[str, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = self._bytes_in_flight = 0
        self._outcomes: list[_Outcome] = []
        self._woken = asyncio.Event()
        self._failures = 0  # of the spool, or of Kafka as a whole
        self._resume_at = 0.0
        self._error: str | None = None
        self._stands: tuple[int, float] | None = None  # the oldest row's id, and since when

    async def run(self) -> None:
        """Drain until cancelled; waits while there is nothing to carry."""
        self._spool.filled.set()
        try:
            while True:
                await self._spool.filled.wait()
                self._woken.clear()
                try:
                    await self._settle()
                    await self._start()
                except Outage as error:
                    self._fail(str(error))
                except Exception as bug:
                    log.exception("the drain tripped over a bug; it tries again")
                    self._fail(repr(bug))
                if not self._in_flight and not self._spool.deliveries:
                    self._spool.filled.clear()
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._rest())
        finally:
            for task in self._tasks:
                task.cancel()

    def stuck(self) -> str | None:
        """Say why the oldest row has not moved for ``STUCK_SECONDS``, or None.

        To be called every few seconds: it measures from the first call that sees the row.
        """
        oldest, now = self._spool.oldest, self._monotonic()
        if oldest is None or not self._spool.deliveries:
            self._stands = None
            return None
        if self._stands is None or self._stands[0] != oldest.id:
            self._stands = (oldest.id, now)
        standing = now - self._stands[1]
        if standing <= STUCK_SECONDS:
            return None
        since = datetime.fromtimestamp(oldest.stored_at, UTC).isoformat(timespec="seconds")
        return (
            f"The oldest of {self._spool.deliveries} deliveries in the spool waits for topic "
            f"{oldest.topic or '(several)'} since {since} and has not moved for {standing:.0f} s: "
            f"{self._error or 'nothing was tried yet'}. Check Kafka and its topics: connector check"
        )

    # --- Starting ---

    async def _start(self) -> None:
        """Take up as many rows as may go at this moment."""
        for topic in self._spool.waiting:
            self._queues.setdefault(topic, _Queue(topic))
        for queue in list(self._queues.values()):
            if not queue.in_flight and queue.topic not in self._spool.waiting:
                del self._queues[queue.topic]
                continue
            while rows := self._room(queue):
                if not await self._take_up(queue, rows):
                    break
                # The next look starts at another queue.
                self._queues[queue.topic] = self._queues.pop(queue.topic)

    def _room(self, queue: _Queue) -> int:
        """How many rows of a queue may be taken up at this moment."""
        now = self._monotonic()
        if now < queue.resume_at or now < self._resume_at or self._bytes_in_flight >= WINDOW_BYTES:
            return 0
        flowing = any(one.flowing for one in self._queues.values())
        if not flowing and self._kafka.trouble() is not None:
            return 0 if self._in_flight else 1
        return max(0, (ROWS if queue.flowing else TRIAL_ROWS) - queue.in_flight)

    async def _take_up(self, queue: _Queue, rows: int) -> bool:
        """Send the queue's next rows on their way; whether there were any."""
        size = WINDOW_BYTES - self._bytes_in_flight
        page = await self._spool.page(queue.topic, queue.after, rows=rows, size=size)
        for row in page:
            queue.after = row.id
            queue.in_flight += 1
            self._in_flight += 1
            self._bytes_in_flight += row.size
            task = asyncio.create_task(self._carry(queue, row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not page and not queue.in_flight:
            # The end: what failed on the way is tried again after a pause.
            waits = queue.after and queue.topic in self._spool.waiting
            queue.after = 0
            if waits:
                self._rest_queue(queue)
        return bool(page)

    async def _carry(self, queue: _Queue, row: Spooled) -> None:
        """Publish one row and note what came of it."""
        error: str | None = None
        refusals: list[Refusal] = []
        try:
            for portion in portions([self._routed(record) for record in row.records]):
                refusals += await self._publish(portion)
        except KafkaOutage as outage:
            error = str(outage)
        except Exception as bug:
            log.exception("a spooled delivery could not be published; it stays in the spool", id=row.id)
            error = repr(bug)
        self._outcomes.append(_Outcome(queue, row, error, refusals))
        self._woken.set()

    def _routed(self, record: Record) -> Record:
        routed = self._route(record)
        change = (record.topic, routed.topic)
        if routed is not record and change not in self._rerouted:
            self._rerouted.add(change)
            log.warning(
                "spooled deliveries of a topic that is configured otherwise now go to today's",
                former=record.topic,
                topic=routed.topic,
            )
        return routed

    async def _publish(self, records: Sequence[Record]) -> list[Refusal]:
        """Publish records; gives those that Kafka can never take, found by halving."""
        try:
            await self._kafka.publish(records)
        except RecordRefused as error:
            if len(records) == 1:
                return [Refusal(records[0], str(error))]
            middle = len(records) // 2
            return await self._publish(records[:middle]) + await self._publish(records[middle:])
        return []

    # --- Settling ---

    async def _settle(self) -> None:
        """Take out of the spool what went or never can; raises ``SpoolOutage``."""
        outcomes, self._outcomes = self._outcomes, []
        for one in outcomes:
            one.queue.in_flight -= 1
            self._in_flight -= 1
            self._bytes_in_flight -= one.row.size
            self._judge(one)
        gone = [one for one in outcomes if one.error is None]
        for one in gone:
            if one.row.error is not None or one.refusals:
                await self._set_aside(one)
        landed = [one.row for one in gone if one.row.error is None and not one.refusals]
        if landed:
            await self._spool.remove(landed)
            log.info("drained from the spool", deliveries=len(landed), left=self._spool.deliveries)

    def _judge(self, one: _Outcome) -> None:
        """Note how it went for the row's queue."""
        queue = one.queue
        if one.error is None:
            if one.row.error is None:
                queue.flowing, queue.failures, self._failures = True, 0, 0
            return
        self._error = one.error
        queue.flowing = False
        if self._kafka.trouble() is not None and not any(other.flowing for other in self._queues.values()):
            self._fail(one.error)
        elif not queue.in_flight:
            self._rest_queue(queue)

    async def _set_aside(self, one: _Outcome) -> None:
        row = one.row
        await self._spool.set_aside(row, one.refusals)
        if row.error is not None:
            metrics.spool_damaged.inc()
        suppressed = self._aside_reports.due(row.topic)
        if suppressed is None:
            return
        log.error(
            "a spooled delivery can never go to Kafka as it is; it was set aside and the rest goes on",
            topic=row.topic,
            suppressed=suppressed or None,
            records=len(one.refusals) or None,
            error=row.error or one.refusals[0].error,
            look="stop the gateway; sqlite3 <gateway.spool_path> 'SELECT * FROM set_aside'",
            again="what Kafka refused is tried again at each start of the gateway",
        )

    # --- Pauses ---

    def _fail(self, error: str) -> None:
        """Have everything pause, longer each time in a row."""
        now = self._monotonic()
        self._error = error
        if now >= self._resume_at:
            self._failures += 1
            self._resume_at = now + _seconds(self._pause, self._failures)
            if self._failures & (self._failures - 1) == 0:  # the first, and then more and more seldom
                log.warning("the spool waits", deliveries=self._spool.deliveries, error=error)

    def _rest_queue(self, queue: _Queue) -> None:
        now = self._monotonic()
        if now >= queue.resume_at:
            queue.failures += 1
            queue.resume_at = now + _seconds(self._pause, queue.failures)
            if queue.failures & (queue.failures - 1) == 0:
                waiting = self._spool.waiting.get(queue.topic, 0)
                log.warning(
                    "a topic's deliveries wait", topic=queue.topic, waiting=waiting, error=self._error
                )

    def _rest(self) -> float | None:
        """Seconds until something may be tried again; None while only an outcome changes that."""
        now = self._monotonic()
        times = [max(queue.resume_at, self._resume_at) - now for queue in self._queues.values()]
        future = [seconds for seconds in times if seconds > 0]
        if future:
            return min(future)
        return None if self._in_flight else 0.001


def _seconds(pause: wait_base, failures: int) -> float:
    """The pause after so many failures in a row, from tenacity's own strategy."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = failures
    return pause(state)
