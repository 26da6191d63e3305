"""What the gateway writes past kafka-python's ``send`` is what ``send`` would have written.

These tests fail when kafka-python changes what ``connector.gateway.batches`` uses of its insides.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kafka import KafkaProducer, TopicPartition
from kafka.cluster import ClusterMetadata
from kafka.errors import (
    IllegalStateError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    UnknownTopicOrPartitionError,
)
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.producer.sender import Sender
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from connector.gateway import batches
from connector.gateway.records import Record

TOPIC = "xtnd.orders"
PLACE = TopicPartition(TOPIC, 3)
MAX_BYTES = 100_000
LZ4 = 3
Ends = list[BaseException | None]

records = st.builds(
    Record,
    topic=st.just(TOPIC),
    key=st.binary(max_size=600),
    value=st.binary(max_size=20_000),
    headers=st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=3),
    label=st.just("orders"),
)


def record(size: int = 10) -> Record:
    return Record(TOPIC, b"8684", bytes(size), [("content-type", b"application/json")], "orders")


class Producer:
    """As much of a KafkaProducer as a batch passes through before it is sent."""

    def __init__(self, compression: int = 0) -> None:
        self.config = {"compression_attrs": compression, "batch_size": 65_536}
        self._accumulator = RecordAccumulator(**self.config)

    def shipped(self, *sizes: int) -> tuple[ProducerBatch, Ends]:
        """One batch of records of these sizes, and the list that its end will stand in."""
        ends: Ends = []
        written = [batches.written(record(size), MAX_BYTES) for size in sizes]
        batches.ship(self, *PLACE, written, ends.append)
        return self.waiting()[-1], ends

    def waiting(self) -> list[ProducerBatch]:
        return list(self._accumulator._batches[PLACE])

    def split(self, batch: ProducerBatch) -> list[ProducerBatch]:
        """Do with a batch that the broker finds too large what the producer's sender does."""
        self._accumulator._batches[PLACE].remove(batch)
        batch.records.close()
        count = self._accumulator.split_and_reenqueue(batch)
        return self.waiting()[:count]


def as_bytes(builder: MemoryRecordsBuilder) -> bytes:
    builder.set_producer_state(7, 1, 5, False)
    builder.close()
    return bytes(builder.buffer())


@given(given=st.lists(records, min_size=1, max_size=5), compression=st.sampled_from([0, LZ4]))
@example(given=[record(size) for size in (0, 63, 64, 8191, 8192)] * 30, compression=0)
def test_a_batch_is_written_as_send_writes_it(given: list[Record], compression: int) -> None:
    own = batches._batch(Producer(compression), [batches.written(one, MAX_BYTES) for one in given])
    theirs = MemoryRecordsBuilder(2, compression, 10 * MAX_BYTES)
    for one in given:
        theirs.append(own._builder._first_timestamp, one.key, one.value, one.headers)
    assert own.next_offset() == theirs.next_offset() == len(given)
    assert own.size_in_bytes() == theirs.size_in_bytes()
    assert as_bytes(own) == as_bytes(theirs)


def test_a_record_that_is_too_large_is_refused_at_the_size_at_which_send_refuses_it() -> None:
    producer: Any = KafkaProducer.__new__(KafkaProducer)
    producer._closed, producer.config = True, {"api_version": (2, 1), "max_request_size": 0}
    one = record(1000)
    size = producer._estimate_size_in_bytes(one.key, one.value, one.headers)
    assert batches.written(one, size)
    with pytest.raises(MessageSizeTooLargeError):
        batches.written(one, size - 1)


def test_the_end_of_a_batch_is_told_once() -> None:
    batch, ends = Producer().shipped(10, 20)
    assert ends == []
    batch.complete(17, -1)
    assert ends == [None]


def test_the_error_of_a_batch_is_told() -> None:
    batch, ends = Producer().shipped(10, 20)
    error = NotLeaderForPartitionError()
    batch.complete_exceptionally(error, lambda _index: error)
    assert ends == [error]


def test_a_batch_that_is_aborted_tells_why() -> None:
    producer = Producer()
    _, ends = producer.shipped(10)
    producer._accumulator.abort_incomplete_batches()
    assert isinstance(ends[0], IllegalStateError)


def test_a_batch_that_was_split_ends_with_its_last_part() -> None:
    producer = Producer()
    batch, ends = producer.shipped(10, 20, 30)
    first, second = producer.split(batch)
    assert [one.record_count for one in (first, second)] == [2, 1]
    first, third = producer.split(first)
    first.complete(1, -1)
    second.complete(2, -1)
    assert ends == []
    error = MessageSizeTooLargeError()
    third.complete_exceptionally(error, lambda _index: error)
    assert ends == [error]


def test_a_closed_producer_takes_no_batch() -> None:
    producer = Producer()
    producer._accumulator.close()
    with pytest.raises(IllegalStateError):
        producer.shipped(10)
    assert not producer._accumulator.has_incomplete


def test_what_was_shipped_holds_the_records_in_their_order() -> None:
    batch, _ = Producer(LZ4).shipped(3, 1, 2)
    batch.records.close()
    (whole,) = MemoryRecords(batch.records.buffer())
    assert [len(one.value) for one in whole] == [3, 1, 2]


def test_a_producer_has_what_is_used_of_it_beside_the_accumulator() -> None:
    cluster = ClusterMetadata(bootstrap_servers=[])
    producer: Any = SimpleNamespace(_metadata=cluster)
    with pytest.raises(UnknownTopicOrPartitionError):
        batches.partition_of(producer, TOPIC, b"8684")
    assert cluster.need_update
    cluster._partitions[TOPIC] = dict.fromkeys(range(12))
    assert cluster.partitions_for_topic(TOPIC) == set(range(12))
    assert batches.partition_of(producer, TOPIC, b"8684") in range(12)
    assert callable(Sender.wakeup)
    assert {"_accumulator", "_metadata", "_sender"} <= set(KafkaProducer.__init__.__code__.co_names)


def test_only_a_partition_that_nothing_waits_for_is_forgotten() -> None:
    producer = Producer()
    batch, _ = producer.shipped(10)
    batches.forget(producer, *PLACE)
    assert producer.waiting() == [batch]
    producer._accumulator._batches[PLACE].clear()
    batches.forget(producer, *PLACE)
    assert PLACE not in producer._accumulator._batches
    again, ends = producer.shipped(10)
    again.complete(1, -1)
    assert ends == [None]
