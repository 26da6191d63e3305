"""From fetched chunks to a committed transaction: waits for outages, isolates poison.

``BatchProcessor.read`` and then ``write`` return when everything they were given is in the mirror or parked,
or reported as a gap to be read again. They never raise for an outage, however long; a ``Defect`` is raised,
and the agent ends the process.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import structlog

from connector import events, failpoints, metrics
from connector.errors import ConnectorError, Poison, StatementTimeout
from connector.events import DeadLetter
from connector.mirror.chunks import Chunk, CommitResult
from connector.mirror.losses import Loss
from connector.mirror.offsets import Partition
from connector.mirror.rows import Rows
from connector.mirror.sink import Sink
from connector.retry import Outages
from connector.stream import decode
from connector.stream.alarm import Alarm
from connector.stream.decode import Decoded
from connector.stream.fetched import Fetched
from connector.stream.parking import Parking, after_replay, after_replays

log = structlog.get_logger(__name__)

T = TypeVar("T")

Decode = Callable[[Fetched, int], Decoded]


class TooMuchAtOnce(ConnectorError):
    """The database ends statements before this batch is done; half of it may pass."""


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """Chunks for one transaction, and the rows of their events."""

    chunks: list[Chunk]
    rows: Rows | None


class BatchProcessor:
    """Brings batches into the mirror; one for all agents of a worker."""

    def __init__(
        self,
        sink: Sink,
        executor: Executor,
        parking: Parking,
        clock: Callable[[], int],
        *,
        outages: Outages,
        alarm: Alarm,
    ) -> None:
        """``clock`` gives microseconds since the epoch."""
        self._sink = sink
        self._executor = executor
        self._parking = parking
        self._clock = clock
        self._outages = outages
        self._alarm = alarm

    async def read(self, fetched: Sequence[Fetched], read: Decode) -> list[PreparedBatch]:
        """Decode chunks and park what cannot be decoded; what comes back is to be written, in order.

        All work in Python is done here, so that ``write`` is the database's alone.
        """
        decoded, batches = await self._in_thread(partial(self._prepare, fetched, read, self._clock()))
        letters = after_replays([letter for one in decoded for letter in one.parked], fetched)
        self._alarm.count(decode.count_events([one.chunk for one in decoded]) + len(letters), 0)
        if refused := await self._parking.park(letters):
            batches = [replace(one, chunks=self._with_letters(one.chunks, refused)) for one in batches]
        return batches

    def _prepare(
        self, fetched: Sequence[Fetched], read: Decode, now: int
    ) -> tuple[list[Decoded], list[PreparedBatch]]:
        decoded = [read(one, now) for one in joined(fetched)]
        # A partition stands once in a transaction, so a second run of it waits for the first.
        return decoded, [self._batch(chunks) for chunks in rounds([one.chunk for one in decoded])]

    def _batch(self, chunks: list[Chunk]) -> PreparedBatch:
        try:
            return PreparedBatch(chunks, self._sink.prepare(chunks))
        except events.JSON_ERRORS:  # raised again when it is written, where the bad event is found
            return PreparedBatch(chunks, None)

    def _with_letters(self, chunks: Sequence[Chunk], letters: Sequence[DeadLetter]) -> list[Chunk]:
        """Chunks that bring these letters of their records into the mirror by themselves."""
        return [decode.with_letters(chunk, letters, self._clock()) for chunk in chunks]

    async def write(self, batches: Sequence[PreparedBatch]) -> dict[Partition, int]:
        """Bring batches into the mirror; returns the offsets of partitions that must be read again."""
        gaps: dict[Partition, int] = {}
        for batch in batches:
            gaps |= await self._write(batch)
        return gaps

    async def _write(self, batch: PreparedBatch) -> dict[Partition, int]:
        """Write a batch, splitting it around events that the database refuses or where it takes too long."""
        try:
            written = await self._outages.retry_until_available(
                "database",
                lambda: self._in_thread(lambda: self._transact(batch)),
                topic=batch.chunks[0].topic,
            )
        except TooMuchAtOnce as error:
            log.warning("batch split", events=decode.count_events(batch.chunks), error=str(error))
            return await self._write_halves(batch)
        except Poison as poison:
            if decode.count_events(batch.chunks) > 1:
                return await self._write_halves(batch)
            return await self._write(self._batch(await self._park_refused(batch.chunks, poison)))
        self._report(batch.chunks, written)
        return written.gaps

    async def _write_halves(self, batch: PreparedBatch) -> dict[Partition, int]:
        first, second = map(self._batch, decode.split(batch.chunks))
        return await self._write(first) | await self._write(second)

    def _transact(self, batch: PreparedBatch) -> CommitResult:
        failpoints.reach("database")
        try:
            with metrics.batch_seconds.time():
                written = self._sink.write(batch.chunks, batch.rows)
        except events.JSON_ERRORS as error:
            raise decode.unforeseen(error) from error
        except StatementTimeout as timeout:
            # A single event is retried like any outage: another session's lock may be the cause.
            if decode.count_events(batch.chunks) > 1:
                raise TooMuchAtOnce(str(timeout)) from timeout
            raise
        failpoints.reach("after-commit")
        return written

    async def _park_refused(self, chunks: list[Chunk], poison: Poison) -> list[Chunk]:
        """Park the single event of a batch that the database refuses."""
        for index, chunk in enumerate(chunks):
            if chunk.items:
                item = chunk.items[0]
                letter = decode.dead_letter(item.origin, poison, item.ledger_event.event, self._clock())
                refused = await self._parking.park([after_replay(letter, item.origin)])
                rest = self._with_letters([decode.without(chunk, item)], refused)
                return [*chunks[:index], *rest, *chunks[index + 1 :]]
        raise poison  # only offsets and dead letters, which hold no bad value

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act)

    def _report(self, chunks: Sequence[Chunk], written: CommitResult) -> None:
        metrics.batch_events.observe(decode.count_events(chunks))
        metrics.last_commit.set(time.time())
        now = self._clock()
        for family, received in written.received.items():
            metrics.events_mirrored.labels(family=family).inc(len(received))
            # Clocks of two hosts differ: an event received in the future was received now.
            metrics.latency.observe(family, [max(0.0, (now - at) / 1_000_000) for at in received])
        for family, count in written.known.items():
            metrics.events_known.labels(family=family).inc(count)
        for (topic, partition), offset in written.gaps.items():
            metrics.gaps.labels(topic=topic).inc()
            log.warning(
                "reading again from the mirror's offset", topic=topic, partition=partition, offset=offset
            )
        for chunk in chunks:
            if loss := written.lost.get(chunk.tp):
                self._report_loss(chunk, loss)

    def _report_loss(self, chunk: Chunk, loss: Loss) -> None:
        """Log what is missing, and between which instants a person finds it in XTND."""
        metrics.records_lost.labels(topic=chunk.topic).inc(loss.records or 0)
        log.error(
            "Records expired before they were mirrored",
            topic=chunk.topic,
            partition=chunk.partition,
            first_offset=loss.first,
            last_offset=chunk.first - 1,
            records=loss.records,
            sent_after=None if loss.sent_after is None else events.iso(loss.sent_after),
            sent_before=events.iso(loss.sent_before),
            fix="raise topics.retention_hours; enter again what XTND sent between the two instants, then "
            "run: connector losses --acknowledge",
        )


def joined(fetched: Sequence[Fetched]) -> list[Fetched]:
    """Runs of one partition that follow each other, as one."""
    runs: list[Fetched] = []
    place: dict[Partition, int] = {}
    for one in fetched:
        tp = (one.topic, one.partition)
        index = place.get(tp)
        before = runs[index] if index is not None else None
        if (
            index is not None
            and before is not None
            and before.next_offset == one.asked == one.first
            and before.topic_id == one.topic_id
        ):
            records = before.records + one.records
            runs[index] = replace(before, records=records)
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
