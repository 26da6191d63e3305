"""What topics hold, read again by a consumer of no group: nobody's offsets move."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer import fetcher
from kafka.errors import KafkaError
from kafka.record import MemoryRecords

from connector.config import KafkaSettings
from connector.errors import KafkaOutage, named
from connector.kafka import record_batch
from connector.kafka.topics import client_settings

POLL_MS = 500
RECORDS = 2000  # that are given at once
STILL_SECONDS = 60.0
ONE_SECONDS = 20.0
# What the batch that holds one record may expand to.
ONE_BYTES = 67_108_864
# Locked while kafka-python's fetcher reads one batch only, which other consumers must not do.
_reading = threading.Lock()


def read(kafka: KafkaSettings, stretches: Mapping[tuple[str, int], tuple[int, int]]) -> Iterator[list[Any]]:
    """The records of these partitions, from the first offset to before the second, many at a time.

    Raises ``KafkaOutage`` when nothing comes for ``STILL_SECONDS``, or a batch is damaged.
    """
    left = {TopicPartition(*tp): end for tp, (first, end) in stretches.items() if first < end}
    ends, moved_at = dict(left), time.monotonic()
    where = f"Kafka at {kafka.bootstrap_servers}"
    # Records that expire meanwhile are no reason to skip those that are there.
    settings = client_settings(kafka, client_id="xtnd-connector-history") | {"auto_offset_reset": "earliest"}
    try:
        with closing(KafkaConsumer(**settings)) as consumer:
            consumer.assign(list(left))
            for tp in left:
                consumer.seek(tp, stretches[tp.topic, tp.partition][0])
            while left:
                polled = consumer.poll(POLL_MS, max_records=RECORDS)
                if records := [one for tp, some in polled.items() for one in some if one.offset < ends[tp]]:
                    yield records
                if polled:
                    moved_at = time.monotonic()
                elif time.monotonic() - moved_at > STILL_SECONDS:
                    names = ", ".join(f"{tp.topic}/{tp.partition}" for tp in left)
                    raise KafkaOutage(f"{where} gave nothing of {names} for {STILL_SECONDS:g} s.")
                for tp in [tp for tp, end in left.items() if consumer.position(tp) >= end]:
                    del left[tp]
                    consumer.pause(tp)
    except (KafkaError, OSError) as error:
        raise KafkaOutage(f"{where}: {named(error)}") from error


def record_value(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> bytes | None:
    """The value of one record, or None when it is not there any more.

    Raises ``KafkaOutage``, and ``Poison`` when its batch is damaged or expands beyond ``ONE_BYTES``.
    """
    tp = TopicPartition(topic, partition)
    settings = client_settings(kafka, client_id="xtnd-connector-read")
    try:
        # Checksums are verified before anything is expanded.
        with _expanding_one_batch(), closing(KafkaConsumer(**settings, check_crcs=False)) as consumer:
            if partition not in (consumer.partitions_for_topic(topic) or ()):
                return None
            consumer.assign([tp])
            if not consumer.beginning_offsets([tp])[tp] <= offset < consumer.end_offsets([tp])[tp]:
                return None
            consumer.seek(tp, offset)
            give_up_at = time.monotonic() + ONE_SECONDS
            while time.monotonic() < give_up_at:
                for records in consumer.poll(POLL_MS, max_records=1).values():
                    found: bytes | None = records[0].value
                    return found if records[0].offset == offset else None
    except (KafkaError, OSError) as error:
        raise KafkaOutage(f"Kafka at {kafka.bootstrap_servers}: {named(error)}") from error
    raise KafkaOutage(f"Kafka did not give the record at offset {offset} within {ONE_SECONDS:g} s.")


@contextmanager
def _expanding_one_batch() -> Iterator[None]:
    """Bound what kafka-python expands, which has no bound of its own, while one consumer reads."""

    def first_batch(fetched: bytes | None) -> MemoryRecords:
        """Only the batch that holds the record that was asked for, expanded within the limit."""
        whole = bytes(fetched or b"")
        end = record_batch.batch_end(whole, 0)
        return MemoryRecords(
            whole if end is None else record_batch.RecordBatch(whole[:end]).expanded(ONE_BYTES)
        )

    with _reading:
        former, fetcher.MemoryRecords = fetcher.MemoryRecords, first_batch
        try:
            yield
        finally:
            fetcher.MemoryRecords = former
