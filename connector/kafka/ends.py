"""The offsets at which the topics' logs start and end, asked over a connection that stays open."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

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
def reading(config: Config, names: Collection[str]) -> Iterator[Callable[[], Ends]]:
    """Connect, and give what reads the ends of these topics each time that it is called; blocks.

    A broker may take ``kafka.request_timeout_seconds`` for an answer, because the first one of a far
    broker takes seconds. Raises ``KafkaOutage`` at the end of the block.
    """
    with topics.admin_client(config.kafka, timeout_seconds=config.kafka.request_timeout_seconds) as client:
        yield lambda: _read(client, names, config.topics.former)


def _read(client: KafkaAdminClient, names: Collection[str], former: Collection[str]) -> Ends:
    found = Ends()

    def add_offsets(tps: Sequence[TopicPartition]) -> None:
        for which, offsets in (
            ((OffsetSpec.EARLIEST, found.starts), (OffsetSpec.LATEST, found.ends)) if tps else ()
        ):
            asked, timeout_ms = dict.fromkeys(tps, which), int(LEADER_SECONDS * 1000)
            answers = client.list_partition_offsets(asked, timeout_ms=timeout_ms)
            offsets |= {(tp.topic, tp.partition): answer.offset for tp, answer in answers.items()}

    led: dict[str, list[TopicPartition]] = {}
    for topic in client.describe_topics(list(names)):
        name = topic["name"]
        leaders = {one["partition_index"]: one["leader_id"] for one in topic["partitions"]}
        leaderless = sorted(number for number, leader in leaders.items() if leader < 0)
        if not leaders and name in former:
            continue  # it was drained and deleted
        if not leaders:
            found.trouble[name] = f"Kafka does not have the topic {name}; make it with: connector topics"
        elif leaderless:
            what = f"Kafka has no leader for partitions {leaderless} of {name}"
            found.trouble[name] = f"{what}; look at its brokers"
        led[name] = [TopicPartition(name, number) for number in leaders if number not in leaderless]
    try:
        add_offsets([tp for tps in led.values() for tp in tps])
    except OF_A_TOPIC:
        # Each topic by itself, so that one hides no other.
        for name, tps in led.items():
            try:
                add_offsets(tps)
            except OF_A_TOPIC as error:
                found.trouble[name] = f"Kafka does not give the ends of {name}: {type(error).__name__}"
    return found
