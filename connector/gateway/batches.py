"""Records → batches of kafka-python's producer, one partition's worth at a time.

``KafkaProducer.send`` takes each record by itself, with locks, checks, a future, two callbacks and a
wake-up of the sender, and may block. Here the records of one partition are written out together and put
where ``send`` puts them, into the producer's accumulator, with one callback; that is a fifth of the cost
and never blocks. From there they go kafka-python's usual way: sequence numbers, retries, expiry.

This is not kafka-python's public interface, and this module is the only place that uses it. Its version
is pinned, and ``tests/unit/test_producer_batches.py`` compares what is written here with what ``send``
writes.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.errors import IllegalStateError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from kafka.partitioner.default import murmur2
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.record.util import encode_varint

from connector.gateway.records import Record

# A batch of one record, beside the record's key, value and headers (kafka-python's own estimate).
OVERHEAD_BYTES = (
    DefaultRecordBatchBuilder.header_size_in_bytes() + DefaultRecordBatchBuilder.MAX_RECORD_OVERHEAD
)
# Kafka's message format since 0.11, the one that idempotent producers write.
FORMAT = 2
# No attributes, and written at the instant of the whole batch.
_RECORD_START = b"\0\0"


class Outcome:
    """How a batch ended, told once, also when the producer had to split it."""

    __slots__ = ("_done", "_error", "_left")

    def __init__(self, records: int, done: Callable[[BaseException | None], None]) -> None:
        self._left = records
        self._done = done
        self._error: BaseException | None = None

    def whole(self, result: Any) -> None:
        """Take note of the end of all records at once (on a thread of the producer)."""
        self._end(self._left, result)

    def rebind(self, part: Any, _index: int) -> None:
        """Follow one record into a smaller batch; the producer calls this for each."""
        part.add_callback(lambda result: self._end(1, result))

    def _end(self, records: int, result: Any) -> None:
        _offset, _time, error_of = result
        if error_of is not None and self._error is None:
            self._error = error_of(0)
        self._left -= records
        if not self._left:
            self._done(self._error)


def partition_of(producer: KafkaProducer, topic: str, key: bytes) -> int:
    """The partition that every Kafka client chooses for a key.

    Raises ``UnknownTopicOrPartitionError`` when the broker has no such topic, and has it looked for again.
    """
    cluster = producer._metadata  # noqa: SLF001
    partitions = cluster._partitions.get(topic)  # noqa: SLF001  # the public method copies them each time
    if partitions is None:
        cluster.request_update()
        raise UnknownTopicOrPartitionError(f"Kafka has no topic {topic} at this moment.")
    return (_hash(key) & 0x7FFFFFFF) % len(partitions)


@lru_cache(maxsize=16_384)  # the same few entities come again and again
def _hash(key: bytes) -> int:
    return int(murmur2(key))


def written(record: Record, max_bytes: int) -> bytes:
    """A record in Kafka's format from its key on; what stands before depends on the batch.

    Raises ``MessageSizeTooLargeError`` when it cannot be sent within ``max_bytes``.
    """
    key, value, headers = record.key, record.value, record.headers
    parts = [_varint(len(key)), key, _varint(len(value)), value, _varint(len(headers))]
    for name, content in headers:
        parts += (_text(name), _varint(len(content)), content)
    whole = b"".join(parts)
    if OVERHEAD_BYTES + len(whole) > max_bytes:
        raise MessageSizeTooLargeError(
            f"The record takes {OVERHEAD_BYTES + len(whole)} of {max_bytes} bytes."
        )
    return whole


@lru_cache(maxsize=4096)
def _varint(number: int) -> bytes:
    packed = bytearray()
    encode_varint(number, packed.append)
    return bytes(packed)


@lru_cache(maxsize=64)
def _text(name: str) -> bytes:
    encoded = name.encode()
    return _varint(len(encoded)) + encoded


def ship(
    producer: KafkaProducer,
    topic: str,
    partition: int,
    records: Sequence[bytes],
    done: Callable[[BaseException | None], None],
) -> None:
    """Put written records into the accumulator as one batch; ``wake`` the producer after the last.

    ``done`` is called once, on a thread of the producer, with None for acknowledged. Raises
    ``IllegalStateError`` (a ``KafkaError``) when the producer is closed.
    """
    batch = ProducerBatch(TopicPartition(topic, partition), _batch(producer, records))
    outcome = Outcome(len(records), done)
    batch.produce_future.add_callback(outcome.whole)
    batch._record_futures = [outcome] * len(records)  # noqa: SLF001
    _append(producer._accumulator, batch)  # noqa: SLF001


def forget(producer: KafkaProducer, topic: str, partition: int) -> None:
    """Have the sender look no more at a partition that nothing waits for, until something is shipped.

    It looks at every partition that ever had a batch, four times for each request.
    """
    accumulator, place = producer._accumulator, TopicPartition(topic, partition)  # noqa: SLF001
    with accumulator._tp_lock(place):  # noqa: SLF001
        if not accumulator._batches[place]:  # noqa: SLF001
            accumulator._batches.pop(place, None)  # noqa: SLF001


def wake(producer: KafkaProducer) -> None:
    """Have the producer's sender look at what was shipped."""
    producer._sender.wakeup()  # noqa: SLF001


def _batch(producer: KafkaProducer, records: Sequence[bytes]) -> MemoryRecordsBuilder:
    """What ``MemoryRecordsBuilder.append`` would have made of the records, each after the other."""
    config = producer.config
    batch = MemoryRecordsBuilder(FORMAT, config["compression_attrs"], config["batch_size"])
    builder = batch._builder  # noqa: SLF001
    parts: list[bytes] = []
    for index, record in enumerate(records):
        place = _varint(index)
        parts += (_varint(len(_RECORD_START) + len(place) + len(record)), _RECORD_START, place, record)
    builder._buffer += b"".join(parts)  # noqa: SLF001
    builder._first_timestamp = builder._max_timestamp = time.time_ns() // 1_000_000  # noqa: SLF001
    builder._num_records = batch._next_offset = len(records)  # noqa: SLF001
    builder._last_offset = len(records) - 1  # noqa: SLF001
    return batch


def _append(accumulator: Any, batch: ProducerBatch) -> None:
    """What ``RecordAccumulator.append`` does with a new batch; its locks are held for moments only."""
    place = batch.topic_partition
    accumulator._appends_in_progress.increment()  # noqa: SLF001
    try:
        with accumulator._tp_lock(place):  # noqa: SLF001
            if accumulator._closed:  # noqa: SLF001
                raise IllegalStateError("The producer is closed.")
            accumulator._batches[place].append(batch)  # noqa: SLF001
            accumulator._incomplete.add(batch)  # noqa: SLF001
    finally:
        accumulator._appends_in_progress.decrement()  # noqa: SLF001
