"""The partitions of the publisher's topics, as aiokafka learns them; it is asked again for a missing one."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from connector.kafka.lanes import Entry, Lane, Topic

log = structlog.get_logger(__name__)

# While Kafka does not have a topic, how often it is asked again: for all that it has, which takes 0.15 ms
# of the loop's time for each of them.
MISSING_SECONDS = 2.0
MISSING_SECONDS_PER_TOPIC = 0.01

# Receives a topic whose partitions changed, the lanes that it has no more, and what waited on all of them.
Moved = Callable[[Topic, list[Lane], list[Entry]], None]


class Partitions:
    """Each topic's lanes, one for each partition that Kafka has at this moment."""

    def __init__(self, names: Iterable[str], moved: Moved) -> None:
        self.topics = {name: Topic(name) for name in names}
        self._moved = moved
        self._client: Any = None
        self._asking: asyncio.TimerHandle | None = None

    def topic(self, name: str) -> Topic:
        """The topic of that name, which Kafka may not have."""
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(name)
            if self._client is not None:
                self._compare(self._client.cluster)
        return topic

    def follow(self, producer: AIOKafkaProducer | None) -> None:
        """Learn from this producer from now on, and from no other."""
        self._client = producer and producer.client
        if self._client is not None:
            self._client.cluster.add_listener(self._compare)
            self._compare(self._client.cluster)

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()

    def _compare(self, cluster: Any) -> None:
        """Look at each topic's partitions, whenever aiokafka has learned them."""
        if self._client is None or cluster is not self._client.cluster:
            return  # of a former producer
        for topic in list(self.topics.values()):
            count = len(cluster.partitions_for_topic(topic.name) or ())
            if count != len(topic.lanes) or not count:
                self._repartition(topic, count)

    def _repartition(self, topic: Topic, count: int) -> None:
        if not count and not topic.missing:
            log.error("kafka has no such topic", topic=topic.name, fix="connector topics")
            topic.missing = (
                f"Kafka has no topic {topic.name}; its events wait in the spool. Fix: connector topics"
            )
        elif count and topic.missing:
            log.info("kafka has the topic", topic=topic.name)
            topic.missing = None
        gone = topic.lanes[count:]
        self._moved(topic, gone, topic.repartition(count))
        if topic.missing and self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(MISSING_SECONDS, self._ask_again)

    def _ask_again(self) -> None:
        """Have aiokafka ask for all topics while one is missing; ``_compare`` hears of the answer."""
        self._asking = None
        if any(topic.missing for topic in self.topics.values()):
            seconds = MISSING_SECONDS
            if self._client is not None:
                self._client.force_metadata_update()
                seconds += MISSING_SECONDS_PER_TOPIC * len(self._client.cluster.topics())
            self._asking = asyncio.get_running_loop().call_later(seconds, self._ask_again)
