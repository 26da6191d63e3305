"""The gateway, aiokafka (Faust) and kafka-python (tools) put a key on the same partition."""

import aiokafka.partitioner
import kafka.partitioner
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.kafka.lanes import Topic

TOPIC = "xtnd.orders"


class Cluster:
    """As much of kafka-python's cluster metadata as its partitioner asks for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def topics(self) -> set[str]:
        return {TOPIC}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return set(range(self.count))

    def available_partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}  # what is up at this moment must not matter for a record with a key


def choices(key: bytes, count: int) -> set[int]:
    gateway = Topic(TOPIC)
    gateway.repartition(count)
    return {
        gateway.lane_of(key).partition,
        aiokafka.partitioner.DefaultPartitioner()(key, list(range(count)), [0]),
        kafka.partitioner.DefaultPartitioner().partition(TOPIC, key, key, b"", b"", Cluster(count)),
    }


@given(key=st.one_of(st.binary(max_size=600), st.text().map(str.encode)), count=st.integers(1, 1000))
@example(key=b"", count=12)
@example(key=b"8684", count=12)
@example(key="Åkersberga|Lager 1".encode(), count=12)
@example(key=b"\xff" * 512, count=12)
def test_all_clients_choose_the_same_partition(key: bytes, count: int) -> None:
    assert len(choices(key, count)) == 1


@pytest.mark.parametrize(
    ("key", "murmur2"),
    # Values of Apache Kafka's own org.apache.kafka.common.utils.UtilsTest.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_both_use_the_murmur2_of_kafka_itself(key: bytes, murmur2: int) -> None:
    expected = murmur2 & 0x7FFFFFFF
    assert kafka.partitioner.murmur2(key) & 0x7FFFFFFF == expected
    assert aiokafka.partitioner.murmur2(key) & 0x7FFFFFFF == expected
