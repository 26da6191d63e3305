"""From fetched chunks to a committed transaction: patient with outages, exact with poison.

``Delivery.deliver`` returns when everything it was given is in the mirror or parked, or reported as
a hole to be read again. It never raises for an outage, however long; a ``Defect`` it lets through,
and the agent ends the process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

import structlog

from connector import failpoints, metrics
from connector.errors import Poison
from connector.events import DeadLetter
from connector.mirror.sink import Chunk, Partition, Sink, Written
from connector.stream import decode
from connector.stream.decode import Decoded
from connector.stream.fetched import Fetched
from connector.stream.limit import Limit
from connector.stream.patience import Patience

log = structlog.get_logger(__name__)

T = TypeVar("T")
Decode = Callable[[Fetched, int], Decoded]
Publish = Callable[[DeadLetter], Awaitable[None]]


class Delivery:
    """Carries batches into the mirror; one for all agents of a worker."""

    def __init__(
        self,
        sink: Sink,
        executor: Executor,
        publish: Publish,
        clock: Callable[[], int],
        *,
        patience: Patience,
        limit: Limit,
    ) -> None:
        """``publish`` puts a dead letter on Kafka and returns when it is acknowledged."""
        self._sink = sink
        self._executor = executor
        self._publish = publish
        self._clock = clock
        self._patience = patience
        self._limit = limit

    async def deliver(self, fetched: Sequence[Fetched], read: Decode) -> dict[Partition, int]:
        """Bring chunks into the mirror; returns the offsets of partitions that must be read again."""
        now = self._clock()
        decoded = await self._in_thread(lambda: [read(one, now) for one in joined(fetched)])
        letters = [letter for one in decoded for letter in one.parked]
        self._limit.read(decode.count_events([one.chunk for one in decoded]) + len(letters))
        await self._park(letters)
        holes: dict[Partition, int] = {}
        # A partition stands once in a transaction, so a second run of it waits for the first.
        for batch in rounds([one.chunk for one in decoded]):
            holes |= await self._write(batch)
        return holes

    async def _write(self, chunks: list[Chunk]) -> dict[Partition, int]:
        """Write a batch, splitting it around events that the database refuses."""
        try:
            written = await self._patience.until_done(
                "database", lambda: self._in_thread(lambda: self._transact(chunks))
            )
        except Poison as poison:
            if decode.count_events(chunks) > 1:
                first, second = decode.split(chunks)
                return await self._write(first) | await self._write(second)
            return await self._write(await self._park_refused(chunks, poison))
        self._tell(chunks, written)
        return written.holes

    def _transact(self, chunks: list[Chunk]) -> Written:
        failpoints.reach("database")
        with metrics.batch_seconds.time():
            written = self._sink.write(chunks)
        failpoints.reach("after-commit")
        return written

    async def _park_refused(self, chunks: list[Chunk], poison: Poison) -> list[Chunk]:
        """Park the single event of a batch that the database refuses."""
        for index, chunk in enumerate(chunks):
            if chunk.items:
                item = chunk.items[0]
                letter = decode.dead_letter(item.origin, poison, item.placed.event, self._clock())
                await self._park([letter])
                return [*chunks[:index], decode.without(chunk, item), *chunks[index + 1 :]]
        raise poison  # nothing here but offsets and dead letters, which no value can spoil

    async def _park(self, letters: Sequence[DeadLetter]) -> None:
        self._limit.park(len(letters))
        for letter in letters:
            log.warning(
                "event parked",
                reason=letter.reason,
                error=letter.error,
                event_id=letter.event_id,
                topic=letter.kafka_topic,
                partition=letter.kafka_partition,
                offset=letter.kafka_offset,
            )
            await self._patience.until_done("kafka", partial(self._publish, letter))
            metrics.dead_letters.labels(stage="worker", reason=letter.reason).inc()

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act)

    def _tell(self, chunks: Sequence[Chunk], written: Written) -> None:
        metrics.batch_events.observe(decode.count_events(chunks))
        metrics.last_commit.set(time.time())
        for family, count in written.new.items():
            metrics.events_mirrored.labels(family=family).inc(count)
        for family, count in written.known.items():
            metrics.events_known.labels(family=family).inc(count)
        for (topic, partition), offset in written.holes.items():
            metrics.holes.labels(topic=topic).inc()
            log.warning(
                "reading again from the mirror's offset", topic=topic, partition=partition, offset=offset
            )
        for (topic, partition), count in written.lost.items():
            metrics.records_lost.labels(topic=topic).inc(count)
            log.error(
                "KAFKA NO LONGER HELD RECORDS THAT THE MIRROR WANTED",
                topic=topic,
                partition=partition,
                records=count,
                cure="raise topics.retention_hours; find the gap in XTND by date and re-enter it",
            )


def joined(fetched: Sequence[Fetched]) -> list[Fetched]:
    """Runs of one partition that follow each other, as one."""
    runs: list[Fetched] = []
    place: dict[Partition, int] = {}
    for one in fetched:
        tp = (one.topic, one.partition)
        index = place.get(tp)
        if index is not None and runs[index].next_offset == one.asked == one.first:
            before = runs[index]
            runs[index] = Fetched(one.topic, one.partition, before.asked, before.records + one.records)
        else:
            place[tp] = len(runs)
            runs.append(one)
    return runs


def rounds(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Batches in which every partition stands once, in the order of the chunks."""
    batches: list[list[Chunk]] = []
    turn: dict[Partition, int] = {}
    for chunk in chunks:
        index = turn.get(chunk.tp, 0)
        turn[chunk.tp] = index + 1
        if index == len(batches):
            batches.append([])
        batches[index].append(chunk)
    return batches
