"""Lanes to Kafka: for each partition what waits for it, and one batch of it at a time on its way.

What comes while a batch travels makes up the next one: the slower Kafka is, the larger the batches are.
Everything here runs on the event loop and nothing of it blocks; only ``Load.done`` is called elsewhere.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from kafka import KafkaProducer
from kafka.errors import KafkaError

from connector.gateway import batches
from connector.gateway.producer import BATCH_BYTES
from connector.gateway.records import Record


class Handover:
    """One delivery's records on their way, and the future that its request waits on."""

    __slots__ = ("concluded", "future", "left", "overdue_at", "producer", "records", "size")

    def __init__(self, records: Sequence[Record], future: asyncio.Future[None], overdue_at: float) -> None:
        self.records = records
        self.size = sum([record.size for record in records])
        # How many records were not acknowledged yet.
        self.left = len(records)
        self.future = future
        self.overdue_at = overdue_at
        self.concluded = False
        self.producer: KafkaProducer | None = None


class Lane:
    """The way to one partition: what waits, as Kafka's format has it, and who carries a batch of it."""

    __slots__ = ("carrier", "partition", "topic", "waiting")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[tuple[bytes, Handover]] = deque()
        self.carrier: KafkaProducer | None = None


class Load:
    """What became of one batch, and whose records it held."""

    __slots__ = ("_arrived", "error", "handovers", "lane", "producer")

    def __init__(
        self,
        lane: Lane,
        producer: KafkaProducer,
        handovers: list[Handover],
        arrived: "Callable[[Load], None]",
    ) -> None:
        self.lane = lane
        self.producer = producer
        self.handovers = handovers
        self.error: BaseException | None = None
        self._arrived = arrived

    def done(self, error: BaseException | None) -> None:
        """Note that the batch is acknowledged or lost (on any thread)."""
        self.error = error
        self._arrived(self)


class Lanes:
    """All lanes of a gateway."""

    def __init__(
        self, max_record_bytes: int, *, arrived: Callable[[Load], None], release: Callable[[Handover], None]
    ) -> None:
        """``arrived`` is called with each batch that is done, on any thread.

        ``release`` is called with a delivery that nobody waits for any more, instead of shipping it.
        """
        self._max_record_bytes = max_record_bytes
        self._arrived = arrived
        self._release = release
        self._lanes: dict[tuple[str, int], Lane] = {}
        # The batches that left last, as far as they have not arrived.
        self.underway: set[Load] = set()

    def any_waiting(self) -> bool:
        """Whether a lane has something that was not shipped."""
        return any(lane.waiting for lane in self._lanes.values())

    def line_up(self, handover: Handover, producer: KafkaProducer) -> None:
        """Write a delivery's records into the lanes of their partitions, if somebody waits for it.

        Raises ``KafkaError`` when a record cannot be sent; then none of it will be, once the delivery
        is answered.
        """
        if handover.future.done():
            self._release(handover)
            return
        for record in handover.records:
            partition = batches.partition_of(producer, record.topic, record.key)
            lane = self._lane(record.topic, partition)
            lane.waiting.append((batches.written(record, self._max_record_bytes), handover))

    def _lane(self, topic: str, partition: int) -> Lane:
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = Lane(topic, partition)
        return lane

    def depart(self, producer: KafkaProducer, *, at_once: bool = False) -> None:
        """Send a batch on each lane that has something waiting and, unless ``at_once``, none on its way."""
        departed: set[Load] = set()
        for lane in self._lanes.values():
            if lane.waiting and (at_once or lane.carrier is not producer):
                records, handovers = self._batch(lane, producer)
                if records:
                    load = Load(lane, producer, handovers, self._arrived)
                    self._send(load, records)
                    departed.add(load)
        if departed:
            self.underway = departed
            batches.wake(producer)

    def _batch(self, lane: Lane, producer: KafkaProducer) -> tuple[list[bytes], list[Handover]]:
        """Take from a lane as much as a batch holds, one record at least, if somebody waits for it."""
        records: list[bytes] = []
        handovers: list[Handover] = []
        size, waiting = 0, lane.waiting
        while waiting and (not size or size + len(waiting[0][0]) <= BATCH_BYTES):
            record, handover = waiting.popleft()
            if handover.future.done():
                self._release(handover)
                continue
            size += len(record)
            handover.producer = producer
            records.append(record)
            handovers.append(handover)
        return records, handovers

    def _send(self, load: Load, records: list[bytes]) -> None:
        lane = load.lane
        lane.carrier = load.producer
        try:
            batches.ship(load.producer, lane.topic, lane.partition, records, load.done)
        except KafkaError as error:
            load.done(error)

    def free(self, load: Load) -> None:
        """Let the next batch depart after one that is done."""
        self.underway.discard(load)
        lane = load.lane
        if lane.carrier is load.producer:
            lane.carrier = None
            batches.forget(load.producer, lane.topic, lane.partition)

    def clear(self) -> None:
        """Let go of what waits although its time is up; the oldest stand first."""
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0][1].future.done():
                self._release(lane.waiting.popleft()[1])
