"""Where verified deliveries become safe: on Kafka, else in the spool.

``take`` returns when a 2xx may be answered. It tries Kafka unless Kafka is known to be away, then
the spool; within ``gateway.ack_timeout_seconds`` for each it succeeds or raises. ``drain`` carries
the spool to Kafka, oldest first, and is also what notices that Kafka is back. Order does not
matter to the mirror, so new deliveries need not queue behind the spool.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import structlog
from tenacity import wait_random_exponential
from tenacity.wait import wait_base

from connector import metrics
from connector.errors import ConnectorError, Outage, SpoolOutage
from connector.gateway.spool import Spool, Spooled
from connector.kafka.lanes import Done
from connector.kafka.record import Record

log = structlog.get_logger(__name__)

# A spooled row that cannot be read is looked at again after this long; the start salvages it.
UNREADABLE_PAUSE_SECONDS = 60.0


class Kafka(Protocol):
    """What the intake needs of the publisher."""

    def trouble(self) -> str | None:
        """What keeps every delivery from Kafka, or None."""

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Call ``done`` once, later, with None when Kafka has the records; may raise instead."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when Kafka has the records; raises ``KafkaOutage`` or ``RecordRefused``."""


class Intake:
    """Kafka with the spool behind it."""

    def __init__(
        self, kafka: Kafka, spool: Spool, *, spool_timeout_seconds: float, pause: wait_base | None = None
    ) -> None:
        self._kafka = kafka
        self._spool = spool
        self._spool_timeout = spool_timeout_seconds
        self._pause = pause or wait_random_exponential(multiplier=0.1, max=5)
        self._puts: set[asyncio.Task[None]] = set()

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Call ``done`` once, later: with None when the records are on Kafka or fsynced, else with why not.

        What Kafka can never take goes to the spool as well, which sets it aside: it was sent with a good
        signature, and nobody would send it again for long enough.
        """
        try:
            self._kafka.submit(records, partial(self._published, records, done))
        except ConnectorError:
            self._keep(records, done)

    def _published(self, records: Sequence[Record], done: Done, error: ConnectorError | None) -> None:
        if error is None:
            done(None)
        else:
            self._keep(records, done)

    def _keep(self, records: Sequence[Record], done: Done) -> None:
        task = asyncio.create_task(self._spooled(records, done))
        self._puts.add(task)
        task.add_done_callback(self._puts.discard)

    async def _spooled(self, records: Sequence[Record], done: Done) -> None:
        try:
            # The write goes on if it is late: then the delivery stands twice, which has no effect.
            await asyncio.wait_for(asyncio.shield(self._put(records)), self._spool_timeout)
        except TimeoutError:
            done(SpoolOutage("The spool's disk did not answer in time."))
        except ConnectorError as error:
            done(error)
        else:
            done(None)

    def _put(self, records: Sequence[Record]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(self._spool.put(records))
        task.add_done_callback(_look_at)
        return task

    def trouble(self) -> str | None:
        """Why no delivery can be taken at this moment, or None while Kafka or the spool can."""
        kafka = self._kafka.trouble()
        spool = self._spool.trouble()
        return f"Kafka: {kafka}; spool: {spool}" if kafka and spool else None

    async def drain(self) -> None:
        """Carry the spool to Kafka for as long as the process lives."""
        failures = 0
        self._spool.filled.set()
        while True:
            await self._spool.filled.wait()
            try:
                if await self._drain_step():
                    failures = 0
                    continue
                self._spool.filled.clear()
                if self._spool.deliveries:  # came between the look and the clear
                    self._spool.filled.set()
            except Outage as error:
                failures += 1
                log.info("the spool waits", deliveries=self._spool.deliveries, error=str(error))
                await asyncio.sleep(_seconds(self._pause, failures))
            except ValueError as error:
                log.error("a spooled delivery cannot be read; restart to salvage the rest", error=str(error))
                metrics.spool_damaged.inc()
                await asyncio.sleep(UNREADABLE_PAUSE_SECONDS)

    async def _drain_step(self) -> bool:
        """Publish the oldest deliveries and forget those that Kafka has; False when there were none."""
        spooled = await self._spool.oldest()
        if not spooled:
            return False
        # The first goes alone: while Kafka is away it is the one that finds out.
        await self._kafka.publish(spooled[0].records)
        landed = [spooled[0]]
        results = await asyncio.gather(
            *(self._kafka.publish(one.records) for one in spooled[1:]), return_exceptions=True
        )
        landed += [one for one, result in zip(spooled[1:], results, strict=True) if result is None]
        await self._spool.remove(landed)
        log.info("drained from the spool", deliveries=len(landed), left=self._spool.deliveries)
        self._raise_first(spooled, results)
        return True

    @staticmethod
    def _raise_first(_spooled: list[Spooled], results: Sequence[BaseException | None]) -> None:
        for result in results:
            if result is not None:
                raise result


def _look_at(task: "asyncio.Task[None]") -> None:
    """Take note of a late failure, so that nobody warns that it was never looked at."""
    if not task.cancelled():
        task.exception()


def _seconds(pause: wait_base, failures: int) -> float:
    """The pause after so many failures in a row, from tenacity's own strategy."""
    from tenacity import RetryCallState, Retrying  # noqa: PLC0415

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = failures
    return pause(state)
