"""From fetched chunks to a committed transaction: patient with outages, exact with poison.

``Delivery.read`` and then ``Delivery.write`` return when everything they were given is in the mirror
or parked, or reported as a hole to be read again. They never raise for an outage, however long; a
``Defect`` they let through, and the agent ends the process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog
from aiokafka.errors import MessageSizeTooLargeError

from connector import events, failpoints, metrics
from connector.errors import ConnectorError, Defect, KafkaOutage, Poison, StatementTimeout
from connector.events import DeadLetter
from connector.mirror.letters import REPLAYED_AT, WHOLE_BYTES
from connector.mirror.offsets import Loss
from connector.mirror.rows import Rows
from connector.mirror.sink import Chunk, Partition, Sink, Written
from connector.stream import decode
from connector.stream.decode import Decoded
from connector.stream.fetched import Fetched
from connector.stream.limit import Limit
from connector.stream.patience import Patience

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Letters of error and key that a cut letter keeps; Kafka bounds neither by itself.
CUT_TEXT = 2000
Decode = Callable[[Fetched, int], Decoded]
Publish = Callable[[DeadLetter], Awaitable[None]]


class TooMuchAtOnce(ConnectorError):
    """The database ends statements before this batch is done; half of it may pass."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks for one transaction, and what their events come to."""

    chunks: list[Chunk]
    rows: Rows | None


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

    async def read(self, fetched: Sequence[Fetched], read: Decode) -> list[Batch]:
        """Decode chunks and park what cannot be decoded; what comes back is to be written, in order.

        All of Python's share of the work is here, so that ``write`` is the database's alone.
        """
        decoded, batches = await self._in_thread(partial(self._prepare, fetched, read, self._clock()))
        letters = _after_replays([letter for one in decoded for letter in one.parked], fetched)
        self._limit.read(decode.count_events([one.chunk for one in decoded]) + len(letters))
        await self._park(letters)
        return batches

    def _prepare(
        self, fetched: Sequence[Fetched], read: Decode, now: int
    ) -> tuple[list[Decoded], list[Batch]]:
        decoded = [read(one, now) for one in joined(fetched)]
        # A partition stands once in a transaction, so a second run of it waits for the first.
        return decoded, [self._batch(chunks) for chunks in rounds([one.chunk for one in decoded])]

    def _batch(self, chunks: list[Chunk]) -> Batch:
        return Batch(chunks, self._sink.prepare(chunks))

    async def write(self, batches: Sequence[Batch]) -> dict[Partition, int]:
        """Bring batches into the mirror; returns the offsets of partitions that must be read again."""
        holes: dict[Partition, int] = {}
        for batch in batches:
            holes |= await self._write(batch)
        return holes

    async def _write(self, batch: Batch) -> dict[Partition, int]:
        """Write a batch, splitting it around events that the database refuses or where it takes too long."""
        try:
            written = await self._patience.until_done(
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
        self._tell(batch.chunks, written)
        return written.holes

    async def _write_halves(self, batch: Batch) -> dict[Partition, int]:
        first, second = map(self._batch, decode.split(batch.chunks))
        return await self._write(first) | await self._write(second)

    def _transact(self, batch: Batch) -> Written:
        failpoints.reach("database")
        try:
            with metrics.batch_seconds.time():
                written = self._sink.write(batch.chunks, batch.rows)
        except StatementTimeout as timeout:
            # A single event is waited for like any outage: somebody's lock may be all that is wrong.
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
                letter = decode.dead_letter(item.origin, poison, item.placed.event, self._clock())
                await self._park([_after_replay(letter, item.origin)])
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
            publish = partial(self._publish_what_fits, letter)
            await self._patience.until_done("kafka", publish, topic=letter.kafka_topic or "")
            metrics.dead_letters.labels(stage="worker", reason=letter.reason).inc()

    async def _publish_what_fits(self, letter: DeadLetter) -> None:
        """Publish a letter; of one that is larger than its topic takes, as much as goes in.

        The gateway writes no such record (its size check leaves room for a letter), but other hands
        and a limit that was lowered can. It must neither stop the worker nor be lost.
        """
        size = len(letter.payload)
        fitting = letter
        while True:
            try:
                await self._publish(fitting)
            except (Defect, KafkaOutage) as error:
                if not size or not _is_too_large(error):
                    raise
                size //= 2
                fitting = _cut(letter, size)
            else:
                break
        if fitting is not letter:
            log.warning("dead letter cut", event_id=letter.event_id, error=fitting.error)

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act)

    def _tell(self, chunks: Sequence[Chunk], written: Written) -> None:
        metrics.batch_events.observe(decode.count_events(chunks))
        metrics.last_commit.set(time.time())
        now = self._clock()
        for family, received in written.received.items():
            metrics.events_mirrored.labels(family=family).inc(len(received))
            # Clocks of two hosts: what was received in a moment to come was received now.
            metrics.latency.observe(family, [max(0.0, (now - at) / 1_000_000) for at in received])
        for family, count in written.known.items():
            metrics.events_known.labels(family=family).inc(count)
        for (topic, partition), offset in written.holes.items():
            metrics.holes.labels(topic=topic).inc()
            log.warning(
                "reading again from the mirror's offset", topic=topic, partition=partition, offset=offset
            )
        for chunk in chunks:
            if loss := written.lost.get(chunk.tp):
                self._tell_loss(chunk, loss)

    def _tell_loss(self, chunk: Chunk, loss: Loss) -> None:
        """Say what is missing, and between which instants a person finds it in XTND."""
        metrics.records_lost.labels(topic=chunk.topic).inc(loss.records)
        resumed = chunk.items[0].placed.event.received_at if chunk.items else self._clock()
        log.error(
            "Records expired before they were mirrored",
            topic=chunk.topic,
            partition=chunk.partition,
            first_offset=loss.first,
            last_offset=loss.next - 1,
            records=loss.records,
            mirrored_until=loss.mirrored_until,
            resumed_at=events.iso(resumed),
            fix="raise topics.retention_hours; enter again what XTND sent between the two instants",
        )


def _after_replays(letters: Sequence[DeadLetter], fetched: Sequence[Fetched]) -> list[DeadLetter]:
    """Letters dated after the replays, if any, that sent their records."""
    if not letters:
        return []
    sent = {(one.topic, one.partition, record.offset): record for one in fetched for record in one.records}
    return [
        _after_replay(one, sent[one.kafka_topic, one.kafka_partition, one.kafka_offset])  # type: ignore[index]
        for one in letters
    ]


def _after_replay(letter: DeadLetter, record: Any) -> DeadLetter:
    """The letter, dated after the replay that sent its record even where this machine's clock lags."""
    sent_at = dict(record.headers).get(REPLAYED_AT)
    if sent_at is None:
        return letter
    try:
        after = min(events.from_iso(sent_at.decode()) + 1, events.LATEST)
    except ValueError:  # not of a replay of ours
        return letter
    return msgspec.structs.replace(letter, parked_at=max(letter.parked_at, events.iso(after)))


def _is_too_large(error: BaseException | None) -> bool:
    """Whether producer or broker refused a record for its size, and for nothing that passes."""
    while error is not None and not isinstance(error, MessageSizeTooLargeError):
        error = error.__cause__
    return error is not None


def _cut(letter: DeadLetter, size: int) -> DeadLetter:
    """The letter with the first bytes of its payload, saying so and where all of them are."""
    where = f"{letter.kafka_topic}/{letter.kafka_partition}/{letter.kafka_offset}"
    what = (
        f"The letter is larger than its topic takes and holds the first {size} of {len(letter.payload)} bytes"
    )
    cure = (
        f"Kafka holds all of them at {where} while topics.retention_hours lasts; a replay reads them there."
    )
    key = letter.context.get("key")
    return msgspec.structs.replace(
        letter,
        error=f"{letter.error[:CUT_TEXT]} {what}. {cure}",
        context={"key": key[:CUT_TEXT] if key else key, WHOLE_BYTES: len(letter.payload)},
        payload=letter.payload[:size],
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
