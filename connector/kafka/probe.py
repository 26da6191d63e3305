"""Whether Kafka answers, asked on the connections that the producer has anyway.

A connection of the probe's own would measure something else: where the first answer of each takes
seconds, it would never be answered in time, while everything that the producer sends is acknowledged.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest


class Probe:
    """Asks every broker that a producer knows, and asks again once that has come to an end."""

    def __init__(self) -> None:
        self._client: Any = None
        self._asked: asyncio.Task[bool] | None = None

    async def answers(self, producer: AIOKafkaProducer, timeout_seconds: float) -> bool:
        """Whether any broker answers in time. What is late goes on, for the next call."""
        if self._asked is None or self._asked.done() or self._client is not producer.client:
            self.close()
            self._client = producer.client
            self._asked = asyncio.create_task(self._any_answers())
        done, _ = await asyncio.wait([self._asked], timeout=timeout_seconds)
        return any(one.result() for one in done)

    def close(self) -> None:
        """Ask no more."""
        if self._asked is not None:
            self._asked.cancel()

    async def _any_answers(self) -> bool:
        """Whether a broker answers a request for the metadata of no topic: the least that it can be asked."""
        asked = [
            asyncio.ensure_future(self._client.send(broker.nodeId, MetadataRequest([])))
            for broker in self._client.cluster.brokers()
        ]
        try:
            for answer in asyncio.as_completed(asked):
                try:
                    await answer
                except (KafkaError, OSError, TimeoutError):
                    continue
                return True
            return False
        finally:
            for one in asked:
                one.cancel()
