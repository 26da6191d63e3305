"""Drains the spool to Kafka: oldest first within a topic, and no row blocks those behind it.

Each topic is drained by a task of its own, page by page. A page of which nothing is accepted is followed by a
pause, longer each time; then the topic goes on *behind* the rows that failed, and returns to them at
its end. So one topic that is missing, one partition without a leader or one row that Kafka never
acknowledges delays only itself. A record that Kafka refuses for good, and a row that cannot be read, are
set aside.

A row goes to the topics of today's configuration, whatever they were when it was stored.

While Kafka as a whole is away, one row at a time tries whether it is back.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime

import structlog

from connector import metrics
from connector.errors import KafkaOutage, Outage, RecordRefused
from connector.kafka.lanes import RecordPublisher
from connector.kafka.record import Record
from connector.logs import Reports
from connector.retry import Pause, jittered
from connector.spool.rows import Refusal, Spooled, portions
from connector.spool.spool import Spool

log = structlog.get_logger(__name__)

# Rows of a page where the last one went, and where it did not or there was none.
ROWS = 1000
TRIAL_ROWS = 8
# What the pages of all topics may hold in memory; a single row may be larger.
WINDOW_BYTES = 4_194_304
STUCK_SECONDS = 60.0


Reroute = Callable[[Record], Record]
"""Gives a record the topic that it has in the configuration of today."""


class Drain:
    """Drains the spool to Kafka while ``run`` runs."""

    def __init__(
        self,
        kafka: RecordPublisher,
        spool: Spool,
        *,
        pause: Pause | None = None,
        route: Reroute | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``monotonic`` gives seconds."""
        self._kafka = kafka
        self._route = route
        self._rerouted: set[tuple[str, str]] = set()
        self._aside_reports = Reports(monotonic)
        self._spool = spool
        self._pause = pause or jittered(0.1, 5)
        self._monotonic = monotonic
        self._topics: dict[str, asyncio.Task[None]] = {}
        # Locked by the topic whose turn it is to try whether Kafka is back.
        self._turn = asyncio.Lock()
        self._failures = 0  # of these turns, since the last row that was published
        self._error: str | None = None
        self._stands: tuple[int, float] | None = None  # the oldest row's id, and since when

    async def run(self) -> None:
        """Drain until cancelled; waits while the spool is empty."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._topics = {topic: task for topic, task in self._topics.items() if not task.done()}
                for topic in self._spool.waiting:
                    if topic not in self._topics:
                        self._topics[topic] = group.create_task(self._drain(topic))
                self._spool.filled.clear()
                await self._spool.filled.wait()

    def trouble(self) -> str | None:
        """What of the spool needs a person, or None: it does not move, or something was set aside.

        To be called every few seconds.
        """
        found = [self.stuck()]
        if rows := self._spool.set_aside_rows:
            found.append(
                f"{rows} rows of the spool can never go to Kafka as they are and were set aside; the log "
                "says why. Those that Kafka refused are tried again at the gateway's next start."
            )
        return " ".join(filter(None, found)) or None

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

    # --- A topic ---

    async def _drain(self, topic: str) -> None:
        """Publish a topic's rows until none waits."""
        after = failures = landed = 0
        while topic in self._spool.waiting:
            away = self._kafka.trouble() is not None
            async with self._turn if away else nullcontext():
                rows = 1 if away else ROWS if landed else TRIAL_ROWS
                page, landed = await self._page(topic, after, rows)
                # The end: what failed on the way is tried again after a pause.
                after = page[-1].id if page else 0
                if landed:
                    failures = self._failures = 0
                elif away:
                    self._failures += 1
                    await self._rest(self._failures, waiting=self._spool.deliveries)
                else:
                    failures += 1
                    await self._rest(failures, topic=topic, waiting=self._spool.waiting.get(topic, 0))

    async def _page(self, topic: str, after: int, rows: int) -> tuple[list[Spooled], int]:
        """Publish the next rows behind an id; gives them, and how many left the queue."""
        page: list[Spooled] = []
        try:
            size = WINDOW_BYTES // len(self._topics)
            page = await self._spool.page(topic, after, rows=rows, size=size)
            outcomes = await asyncio.gather(*[self._publish_row(row) for row in page])
            return page, await self._settle(page, outcomes)
        except Outage as error:
            self._error = str(error)
        except Exception as bug:
            log.exception("the drain failed with a bug; it tries again")
            self._error = repr(bug)
        return page, 0

    async def _settle(self, page: list[Spooled], outcomes: list[list[Refusal] | None]) -> int:
        """Remove what was published or never can be; how many rows. Raises ``SpoolOutage``."""
        landed, aside = [], 0
        for row, refusals in zip(page, outcomes, strict=True):
            if refusals is None:
                continue
            if refusals or row.error is not None:
                await self._set_aside(row, refusals)
                aside += 1
            else:
                landed.append(row)
        if landed:
            await self._spool.remove(landed)
            log.info("drained from the spool", deliveries=len(landed), left=self._spool.deliveries)
        return len(landed) + aside

    async def _rest(self, failures: int, **what: str | int) -> None:
        """Pause, longer each time in a row."""
        if failures & (failures - 1) == 0:  # the first, and then more and more seldom
            log.warning("deliveries wait in the spool", error=self._error, **what)
        await asyncio.sleep(self._pause(failures))

    # --- A row ---

    async def _publish_row(self, row: Spooled) -> list[Refusal] | None:
        """Publish a row; gives the records that Kafka can never take, None where it stays in the spool."""
        refusals: list[Refusal] = []
        try:
            for portion in portions([self._routed(record) for record in row.records]):
                refusals += await self._publish(portion)
        except KafkaOutage as outage:
            self._error = str(outage)
            return None
        except Exception as bug:
            log.exception("a spooled delivery could not be published; it stays in the spool", id=row.id)
            self._error = repr(bug)
            return None
        return refusals

    def _routed(self, record: Record) -> Record:
        # Without a route a record keeps the topic that it was stored for.
        routed = record if self._route is None else self._route(record)
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

    async def _set_aside(self, row: Spooled, refusals: Sequence[Refusal]) -> None:
        await self._spool.set_aside(row, refusals)
        if row.error is not None:
            metrics.spool_damaged.inc()
        suppressed = self._aside_reports.due(row.topic)
        if suppressed is None:
            return
        log.error(
            "a spooled delivery can never go to Kafka as it is; it was set aside and the rest goes on",
            topic=row.topic,
            suppressed=suppressed or None,
            records=len(refusals) or None,
            error=row.error or refusals[0].error,
            look="stop the gateway; sqlite3 <gateway.spool_path> 'SELECT * FROM set_aside'",
            again="what Kafka refused is tried again at each start of the gateway",
        )
