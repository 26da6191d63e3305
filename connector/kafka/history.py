"""What topics hold, read again by a consumer of no group: nobody's offsets move."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from connector.config import Kafka
from connector.errors import KafkaOutage
from connector.kafka.topics import client_settings

POLL_MS = 500
RECORDS = 2000  # that are given at once
STILL_SECONDS = 60.0


def read(kafka: Kafka, stretches: Mapping[tuple[str, int], tuple[int, int]]) -> Iterator[list[Any]]:
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
        raise KafkaOutage(f"{where}: {type(error).__name__}: {error}") from error
