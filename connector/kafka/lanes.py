"""Lanes to Kafka: for each partition the records that wait, and its one batch in flight.

What comes while a batch is in flight makes up the next one: the slower Kafka is, the larger they are.
"""

import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from connector.clocks import steady_nanoseconds
from connector.errors import ConnectorError
from connector.kafka.record import Record

# After a batch failed, deliveries for its partition are not tried for so long; twice as long each time.
REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 60.0

Done = Callable[[ConnectorError | None], None]


class DeliverySink(Protocol):
    """Where a delivery's records go."""

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Call ``done`` once, later: with None when the records are safe, else with the error.

        May raise ``ConnectorError`` instead.
        """


class RecordPublisher(DeliverySink, Protocol):
    """Publishes to Kafka: what intake and drain need of ``Publisher``."""

    def trouble(self) -> str | None:
        """What keeps every delivery from Kafka, or None."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when Kafka has the records; raises ``KafkaOutage`` or ``RecordRefused``."""


class PendingDelivery:
    """One delivery's records on their way, and the callback for when Kafka has them.

    ``unreleased`` counts its records that still take memory here: those of a delivery that timed out may be
    in flight for longer.
    """

    __slots__ = ("concluded", "deadline", "done", "size", "unreleased")

    def __init__(self, records: Sequence[Record], done: Done, deadline: float) -> None:
        self.size = records[0].size if len(records) == 1 else sum([record.size for record in records])
        self.unreleased = len(records)
        self.done = done
        self.deadline = deadline
        self.concluded = False

    def conclude(self, error: ConnectorError | None) -> None:
        """Call back, once."""
        if not self.concluded:
            self.concluded = True
            # The callback keeps the records in memory, which a delivery that is done must not.
            done, self.done = self.done, lambda _error: None
            done(error)


Entry = tuple[Record, PendingDelivery]


class Lane:
    """The queue of one partition."""

    __slots__ = ("alone", "batch", "failures", "partition", "rests_until", "topic", "trouble", "waiting")

    def __init__(self, topic: "Topic", partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[Entry] = deque()
        self.batch: InFlightBatch | None = None
        # How many of the next records go in a batch each, because together they were too large.
        self.alone = 0
        # Why its records do not reach Kafka, for people.
        self.trouble: str | None = None
        self.failures = 0
        self.rests_until = 0.0

    @property
    def topic_partition(self) -> tuple[str, int]:
        """Topic and partition, as Kafka names them."""
        return (self.topic.name, self.partition)

    def load(
        self, producer: AIOKafkaProducer, forget: Callable[[PendingDelivery], None]
    ) -> "tuple[InFlightBatch, Any] | None":
        """Make the next batch, of at least one record; gives it and aiokafka's own.

        Records of deliveries that timed out go to ``forget`` instead.
        """
        builder = producer.create_batch()
        alone = self.alone > 0
        entries: list[Entry] = []
        waiting, now = self.waiting, time.time_ns() // 1_000_000
        while waiting:
            record, delivery = waiting[0]
            if delivery.concluded:
                waiting.popleft()
                forget(delivery)
                continue
            added = builder.append(timestamp=now, key=record.key, value=record.value, headers=record.headers)
            if added is None:
                break
            entries.append(waiting.popleft())
            if alone:
                self.alone -= 1
                break
        if not entries:
            return None
        builder.close()
        self.batch = InFlightBatch(self, entries, producer, alone=alone)
        return self.batch, builder

    def rest(self, trouble: str) -> None:
        """Send nothing to the partition for a while, because a batch of it failed."""
        self.trouble = trouble
        self.rests_until = time.monotonic() + min(REST_SECONDS * 2**self.failures, LONGEST_REST_SECONDS)
        self.failures = min(self.failures + 1, 10)

    def blocked(self, now: float, ack_timeout: float) -> str | None:
        """Why the partition takes nothing at ``now`` (monotonic), as far as is known; None when it does."""
        if self.rests_until > now:
            return self.trouble
        if self.batch is not None and self.batch.since + ack_timeout < now:
            return self.unacknowledged
        return None

    @property
    def unacknowledged(self) -> str:
        """The error of a batch that is not answered, for people."""
        return f"Kafka does not acknowledge what it was sent for {self.topic.name}."

    def recover(self) -> bool:
        """Note that Kafka takes its records; whether it did not before."""
        self.failures, self.rests_until = 0, 0.0
        recovered, self.trouble = self.trouble is not None, None
        return recovered


class InFlightBatch:
    """Records that a producer has, and since when (``sent_at`` in microseconds, ``since`` monotonic)."""

    __slots__ = ("alone", "entries", "lane", "producer", "sent_at", "since")

    def __init__(
        self, lane: Lane, entries: list[Entry], producer: AIOKafkaProducer, *, alone: bool = False
    ) -> None:
        self.lane = lane
        # Its record is sent in a batch of its own, also when it is sent again.
        self.alone = alone
        self.entries = entries
        self.producer = producer
        self.sent_at = steady_nanoseconds() // 1000
        self.since = time.monotonic()


class Topic:
    """One topic: a lane for each partition, once Kafka has reported how many there are."""

    __slots__ = ("lanes", "missing", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lanes: list[Lane] = []
        # That Kafka does not have it, for people.
        self.missing: str | None = None

    def lane_of(self, key: bytes) -> Lane:
        """The lane of the partition that every Kafka client chooses for a key."""
        return self.lanes[(_hash(key) & 0x7FFFFFFF) % len(self.lanes)]

    def repartition(self, count: int) -> list[Entry]:
        """Have ``count`` lanes; gives what waited, for each key's partition is another now.

        Lanes that stay keep their batch: no partition ever has two in flight with one producer.
        """
        entries: list[Entry] = []
        for lane in self.lanes:
            entries += lane.waiting
            lane.waiting.clear()
        self.lanes = self.lanes[:count] + [Lane(self, number) for number in range(len(self.lanes), count)]
        return entries


@functools.lru_cache(maxsize=32_768)  # the same entities come again and again, and this murmur2 is Python
def _hash(key: bytes) -> int:
    return int(murmur2(key))
