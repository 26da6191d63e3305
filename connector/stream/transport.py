"""Faust's Kafka transport with one message per fetched chunk instead of one per record.

Faust spends about 130 µs on every message, nearly all of it on tasks and queue hops. Here a message
is a chunk: the consecutive records of one partition out of one fetch, which is also the natural
database transaction. Everything else (agents, streams, rebalances) is Faust's.

What Faust keeps about offsets is bookkeeping only. Positions come from the database at every
assignment, and a chunk is acked after the transaction that holds it, so the highest ack of a
partition may always be committed to Kafka (reliability.md, part 3).
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiokafka
import structlog
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

log = structlog.get_logger(__name__)

# How long a fetch may wait for data at the broker, and how long one turn waits for a fetch. A
# partition that was just drained is asked for only with the next fetch, so this bounds the delay of
# a lone event; Faust's own 1.5 s would be felt.
FETCH_WAIT_MS = 50
TURN_SECONDS = 0.05
# Bytes of one partition in one fetch; keeps a worker small whatever the backlog.
PARTITION_FETCH_BYTES = 262_144

Locate = Callable[["ChunkConsumer", set[TP]], Awaitable[Mapping[TP, "Position"]]]


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in a partition: what the mirror wants, and what Kafka can be asked for."""

    wanted: int
    seek: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The value of a chunk message: consecutive records of one partition, still raw.

    ``asked`` is the offset that the mirror wanted when these records came; above it stands a hole,
    unless ``asked`` is what the mirror holds: then Kafka no longer has what lay between.
    """

    topic: str
    partition: int
    asked: int
    records: tuple[Any, ...]

    @property
    def first(self) -> int:
        return int(self.records[0].offset)

    @property
    def next_offset(self) -> int:
        return int(self.records[-1].offset) + 1


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The thread of Faust's consumer, with a short wait at the broker."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust writes 1500 here and offers no setting; versions are pinned, and a test looks.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer


class ChunkConsumer(driver.Consumer):
    """Faust's consumer, fetching chunks.

    ``locate`` says where to go on after an assignment, ``budget`` how many records of one topic may
    wait for their transaction; both are set by the app (``worker.py``).
    """

    locate: Locate
    budget: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._asked: dict[TP, int] = {}
        self._waiting: defaultdict[str, int] = defaultdict(int)
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    # --- Chunks out of fetches ---

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Yield one message per partition that has records."""
        records, active = await self._wait_next_records(min(timeout, TURN_SECONDS))
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            # A rebalance is under way: what was fetched is read again from the mirror's offset.
            await self._seek_if_possible()
            return
        for tp, fetched in records.items():
            message = self._chunk(tp, fetched)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                self._waiting[tp.topic] += len(fetched)
                yield tp, message

    def _chunk(self, tp: TP, records: list[Any]) -> ConsumerMessage:
        last = records[-1]
        asked = self._asked.get(tp, records[0].offset)
        # Noted even when the message goes nowhere, so that a lost chunk shows as a hole.
        self._asked[tp] = last.offset + 1
        value = Fetched(tp.topic, tp.partition, asked, tuple(records))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            value,  # type: ignore[arg-type]  # raw serializers hand it on untouched
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _get_active_partitions(self) -> set[TP]:
        """Partitions to fetch from: not those of a topic whose records already fill the budget."""
        active: set[TP] = super()._get_active_partitions()
        full = {topic for topic, waiting in self._waiting.items() if waiting >= self.budget}
        if not full:
            return active
        # Without any topic Faust would sleep for a second, so the fullest wait in a short turn.
        return {tp for tp in active if tp.topic not in full} or active

    def ack(self, message: Message) -> bool:
        """Note that a chunk is in the mirror; frees its share of the budget."""
        done: bool = super().ack(message)
        records = getattr(message.value, "records", ())
        self._waiting[message.topic] = max(0, self._waiting[message.topic] - len(records))
        return done

    # --- Offsets ---

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """A chunk's offsets lie apart by nature; there is nothing to fill."""

    def _new_offset(self, tp: TP) -> int | None:
        """What may be committed: one past the highest chunk that is in the mirror."""
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return int(highest) + 1

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go on where the mirror ends; called by Faust at every assignment."""
        assigned = self.assignment()
        self._waiting.clear()
        positions = await type(self).locate(self, assigned)
        missing = assigned - set(positions)
        if missing:
            # The database is away: start at Kafka's own offsets, which never run ahead of the
            # mirror's; the transaction drops what it holds already and reports a hole.
            return dict(await super().seek_to_committed())
        await self.go_to(positions)
        return {tp: position.seek for tp, position in positions.items()}

    async def go_to(self, positions: Mapping[TP, Position]) -> None:
        """Seek partitions and wait until the fetcher stands there."""
        known = {tp: position for tp, position in positions.items() if tp in self.assignment()}
        await self.seek_wait({tp: position.seek for tp, position in known.items()})
        for tp, position in known.items():
            self._asked[tp] = position.wanted

    async def _seek_if_possible(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # noqa: BLE001 - whatever it is, the assignment seeks again
            log.info("seek during a rebalance did not succeed", error=str(error))

    def forget(self, revoked: Iterable[TP]) -> None:
        """Drop what is known of partitions that went to another worker."""
        for tp in revoked:
            self._asked.pop(tp, None)


class ChunkTransport(driver.Transport):
    """The transport that the worker's app uses for consuming."""

    Consumer = ChunkConsumer
