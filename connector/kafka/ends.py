"""The offsets at which the topics' logs start and end, asked over a connection that stays open."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import (
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    UnknownTopicOrPartitionError,
)

from connector.config import Config
from connector.kafka import topics

# What concerns one topic; anything else concerns the connection.
OF_A_TOPIC = (LeaderNotAvailableError, NotLeaderForPartitionError, UnknownTopicOrPartitionError)
# Leaders change within this, or their partitions count as without one.
LEADER_SECONDS = 2.0
# Topics are described so often, and at once when something is wrong with one.
DESCRIBED_SECONDS = 10.0

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Ends:
    """The first offset of each partition's log, and one past its last.

    ``trouble`` says by topic why some of its partitions are not here.
    """

    starts: dict[Partition, int] = field(default_factory=dict)
    ends: dict[Partition, int] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)


@contextmanager
def reading(
    config: Config, names: Collection[str], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[], Ends]]:
    """Connect, and give what reads the ends of these topics each time that it is called; blocks.

    A broker may take ``kafka.request_timeout_seconds`` for an answer, because the first one of a far
    broker takes seconds. Raises ``KafkaOutage`` at the end of the block. ``names`` may grow.
    """
    with topics.admin_client(config.kafka, timeout_seconds=config.kafka.request_timeout_seconds) as client:
        yield _Logs(client, names, config.topics.former, clock).read


@dataclass(slots=True)
class _Logs:
    """The logs of some topics: all about them now and then, and their ends each time.

    Describing topics takes the client more processor time than all else here, and its answer hardly changes.
    """

    client: KafkaAdminClient
    names: Collection[str]
    former: Collection[str]
    clock: Callable[[], float]
    described: Ends | None = None
    described_names: Collection[str] = ()
    described_at: float = 0.0

    def read(self) -> Ends:
        """The ends now; starts, partitions and troubles at most ``DESCRIBED_SECONDS`` old."""
        last = self.described
        if last is not None and not last.trouble and list(self.names) == self.described_names:
            with suppress(*OF_A_TOPIC):
                if self.clock() - self.described_at < DESCRIBED_SECONDS:
                    return replace(last, ends=self._offsets(last.ends, OffsetSpec.LATEST))
        self.described_names, self.described_at = list(self.names), self.clock()
        self.described = self._describe(self.described_names)
        return self.described

    def _describe(self, names: list[str]) -> Ends:
        found = Ends()
        led: dict[str, list[Partition]] = {}
        for topic in self.client.describe_topics(names):
            name = topic["name"]
            leaders = {one["partition_index"]: one["leader_id"] for one in topic["partitions"]}
            leaderless = sorted(number for number, leader in leaders.items() if leader < 0)
            if not leaders and name in self.former:
                continue  # it was drained and deleted
            if not leaders:
                found.trouble[name] = f"Kafka does not have the topic {name}; make it with: connector topics"
            elif leaderless:
                what = f"Kafka has no leader for partitions {leaderless} of {name}"
                found.trouble[name] = f"{what}; look at its brokers"
            led[name] = [(name, number) for number in leaders if number not in leaderless]
        try:
            self._add(found, [tp for tps in led.values() for tp in tps])
        except OF_A_TOPIC:
            # Each topic by itself, so that one hides no other.
            for name, tps in led.items():
                try:
                    self._add(found, tps)
                except OF_A_TOPIC as error:
                    found.trouble[name] = f"Kafka does not give the ends of {name}: {type(error).__name__}"
        return found

    def _add(self, found: Ends, tps: Collection[Partition]) -> None:
        found.starts.update(self._offsets(tps, OffsetSpec.EARLIEST))
        found.ends.update(self._offsets(tps, OffsetSpec.LATEST))

    def _offsets(self, tps: Collection[Partition], which: OffsetSpec) -> dict[Partition, int]:
        if not tps:
            return {}
        asked = {TopicPartition(*tp): which for tp in tps}
        answers = self.client.list_partition_offsets(asked, timeout_ms=int(LEADER_SECONDS * 1000))
        return {(tp.topic, tp.partition): answer.offset for tp, answer in answers.items()}
