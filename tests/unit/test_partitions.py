"""kafka-python (the gateway) and aiokafka (Faust) put a key on the same partition."""

from types import SimpleNamespace
from typing import Any

import aiokafka.partitioner
import kafka.partitioner
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.gateway.batches import partition_of

TOPIC = "xtnd.orders"


class Cluster:
    """As much of kafka-python's cluster metadata as its partitioner asks for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._partitions = {TOPIC: dict.fromkeys(range(count))}

    def topics(self) -> set[str]:
        return {TOPIC}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return set(range(self.count))

    def available_partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}  # what is up at this moment must not matter for a record with a key


def gateways_choice(key: bytes, count: int) -> int:
    producer: Any = SimpleNamespace(_metadata=Cluster(count))
    own = partition_of(producer, TOPIC, key)
    assert own == kafka.partitioner.DefaultPartitioner().partition(TOPIC, key, key, b"", b"", Cluster(count))
    return own


def fausts_choice(key: bytes, count: int) -> int:
    return aiokafka.partitioner.DefaultPartitioner()(key, list(range(count)), [0])


@given(key=st.one_of(st.binary(max_size=600), st.text().map(str.encode)), count=st.integers(1, 1000))
@example(key=b"", count=12)
@example(key=b"8684", count=12)
@example(key="Åkersberga|Lager 1".encode(), count=12)
@example(key=b"\xff" * 512, count=12)
def test_both_clients_choose_the_same_partition(key: bytes, count: int) -> None:
    assert gateways_choice(key, count) == fausts_choice(key, count)


@pytest.mark.parametrize(
    ("key", "murmur2"),
    # Values of Apache Kafka's own org.apache.kafka.common.utils.UtilsTest.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_both_use_the_murmur2_of_kafka_itself(key: bytes, murmur2: int) -> None:
    expected = murmur2 & 0x7FFFFFFF
    assert kafka.partitioner.murmur2(key) & 0x7FFFFFFF == expected
    assert aiokafka.partitioner.murmur2(key) & 0x7FFFFFFF == expected
