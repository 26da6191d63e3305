"""Lanes to Kafka: for each partition what waits for it, and the one batch of it that is under way.

What comes while a batch is under way makes up the next one: the slower Kafka is, the larger they are.
"""

import functools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from connector.clocks import steady_nanoseconds
from connector.errors import ConnectorError
from connector.kafka.record import Record

# After a batch of a topic failed, deliveries for it are not tried for so long; twice as long each time.
REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 300.0

Done = Callable[[ConnectorError | None], None]


class PendingDelivery:
    """One delivery's records on their way, and whom to call when Kafka has them.

    ``left`` are its records that are not acknowledged, ``held`` those that still take memory here:
    records of a delivery that timed out may be under way for longer.
    """

    __slots__ = ("concluded", "deadline", "done", "held", "left", "size")

    def __init__(self, records: Sequence[Record], done: Done, deadline: float) -> None:
        self.size = sum([record.size for record in records])
        self.left = self.held = len(records)
        self.done = done
        self.deadline = deadline
        self.concluded = False

    def conclude(self, error: ConnectorError | None) -> None:
        """Call back, once."""
        if not self.concluded:
            self.concluded = True
            self.done(error)


Entry = tuple[Record, PendingDelivery]


class Lane:
    """The way to one partition."""

    __slots__ = ("alone", "barred", "batch", "partition", "topic", "waiting")

    def __init__(self, topic: "Topic", partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[Entry] = deque()
        self.batch: InFlightBatch | None = None
        # How many of the next records go in a batch each, because together they were too large.
        self.alone = 0
        # The producer whose sequence has a gap here.
        self.barred: AIOKafkaProducer | None = None

    def load(
        self, producer: AIOKafkaProducer, forget: Callable[[PendingDelivery], None]
    ) -> "tuple[InFlightBatch, Any] | None":
        """Put as much as a batch holds, one record at least, under way; gives it and aiokafka's batch.

        Records that nobody waits for go to ``forget`` instead.
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

    @property
    def retired(self) -> bool:
        """Whether the topic has other lanes by now."""
        lanes = self.topic.lanes
        return self.partition >= len(lanes) or lanes[self.partition] is not self


class InFlightBatch:
    """Records that a producer was given, and when (``sent_at`` in microseconds, ``since`` monotonic)."""

    __slots__ = ("alone", "entries", "lane", "producer", "sent_at", "since")

    def __init__(
        self, lane: Lane, entries: list[Entry], producer: AIOKafkaProducer, *, alone: bool = False
    ) -> None:
        self.lane = lane
        # Its record goes by itself, also when it has to go again.
        self.alone = alone
        self.entries = entries
        self.producer = producer
        self.sent_at = steady_nanoseconds() // 1000
        self.since = time.monotonic()


class Topic:
    """One topic: a lane for each partition, once Kafka has told how many there are."""

    __slots__ = ("failures", "lanes", "name", "rests_until", "trouble", "unplaced")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lanes: list[Lane] = []
        # What waited when the topic vanished.
        self.unplaced: deque[Entry] = deque()
        # Why its deliveries do not reach Kafka, for people.
        self.trouble: str | None = None
        self.failures = 0
        self.rests_until = 0.0

    def lane_of(self, key: bytes) -> Lane:
        """The lane of the partition that every Kafka client chooses for a key."""
        return self.lanes[(_hash(key) & 0x7FFFFFFF) % len(self.lanes)]

    def rest(self, trouble: str) -> None:
        """Leave the topic alone for a while, because a batch of it failed."""
        self.trouble = trouble
        self.rests_until = time.monotonic() + min(REST_SECONDS * 2**self.failures, LONGEST_REST_SECONDS)
        self.failures = min(self.failures + 1, 10)

    def recover(self) -> bool:
        """Note that Kafka takes its records; whether it did not before."""
        self.failures, self.rests_until = 0, 0.0
        recovered, self.trouble = self.trouble is not None, None
        return recovered

    def repartition(self, count: int) -> list[Entry]:
        """Make ``count`` new lanes; gives what waited in the former ones, and what had no lane."""
        former, self.lanes = self.lanes, [Lane(self, number) for number in range(count)]
        entries, self.unplaced = [*self.unplaced], deque()
        for lane in former:
            entries += lane.waiting
            lane.waiting.clear()
        return entries

    def queues(self) -> Iterator[deque[Entry]]:
        """Everything that waits."""
        yield self.unplaced
        for lane in self.lanes:
            yield lane.waiting


@functools.lru_cache(maxsize=32_768)  # the same entities come again and again, and this murmur2 is Python
def _hash(key: bytes) -> int:
    return int(murmur2(key))
