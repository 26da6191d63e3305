"""What Kafka holds: the ids of topics, and the ends of their logs.

A topic's name is not its identity: one that was deleted and created again has another id.
"""

import base64
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from connector.config import KafkaSettings
from connector.errors import KafkaOutage, named
from connector.kafka.topics import admin_client


@dataclass(frozen=True, slots=True)
class TopicLog:
    """A topic as it stands on Kafka: its id, if the broker has one, and by partition (start, end)."""

    topic_id: str | None
    ends: Mapping[int, tuple[int, int]]


class TopicIdentity(NamedTuple):
    """Which topic stands under a name: its id, if the broker has one; partitions that have a leader."""

    topic_id: str | None
    partitions: frozenset[int]


class TopicIdentities:
    """Reads which topics are there with one client, made again after an outage; blocking."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._lock = threading.Lock()
        self._open: ExitStack | None = None
        self._client: KafkaAdminClient | None = None

    def __call__(self, names: Collection[str]) -> dict[str, TopicIdentity]:
        """Those topics that exist; raises ``KafkaOutage``."""
        with self._lock:
            try:
                described = self._connected().describe_topics(sorted(names)) if names else []
            except Exception as error:
                self._close()
                if isinstance(error, KafkaOutage):
                    raise
                what = f"Kafka at {self._kafka.bootstrap_servers}: {named(error)}"
                raise KafkaOutage(what) from error
        return {
            topic["name"]: TopicIdentity(
                _text(topic.get("topic_id")),
                frozenset(one["partition_index"] for one in topic["partitions"] if one["leader_id"] >= 0),
            )
            for topic in described
            if not topic["error_code"]
        }

    def _connected(self) -> KafkaAdminClient:
        if self._client is None:
            self._open = ExitStack()
            self._client = self._open.enter_context(admin_client(self._kafka))
        return self._client

    def _close(self) -> None:
        opened, self._open, self._client = self._open, None, None
        if opened is not None:
            opened.close()


def logs(client: KafkaAdminClient, names: Iterable[str]) -> dict[str, TopicLog]:
    """Those topics that exist, with the ends of their logs; raises what kafka-python raises."""
    described = [topic for topic in client.describe_topics(sorted(set(names))) if not topic["error_code"]]
    tps = [
        TopicPartition(topic["name"], partition["partition_index"])
        for topic in described
        for partition in topic["partitions"]
    ]
    starts, ends = (
        client.list_partition_offsets(dict.fromkeys(tps, which)) if tps else {}
        for which in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
    )
    return {
        topic["name"]: TopicLog(
            _text(topic.get("topic_id")),
            {tp.partition: (starts[tp].offset, ends[tp].offset) for tp in tps if tp.topic == topic["name"]},
        )
        for topic in described
    }


def _text(topic_id: Any) -> str | None:
    """An id as Kafka's own tools write it; None for that of a broker that has none."""
    found = UUID(str(topic_id)) if topic_id else UUID(int=0)
    return base64.urlsafe_b64encode(found.bytes).decode().rstrip("=") if found.int else None
