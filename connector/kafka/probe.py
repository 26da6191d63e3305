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
    """Asks every broker that a producer knows; one that is late is not asked again meanwhile."""

    def __init__(self) -> None:
        self._asked: dict[Any, asyncio.Task[bool]] = {}

    async def answers(self, producer: AIOKafkaProducer, timeout_seconds: float) -> bool:
        """Whether any broker answers in time. What is late goes on, for the next call."""
        client = producer.client
        for broker in client.cluster.brokers():
            asked = self._asked.get(broker.nodeId)
            if asked is None or asked.done():
                self._asked[broker.nodeId] = asyncio.create_task(_ask(client, broker.nodeId))
        waiting = set(self._asked.values())
        end = asyncio.get_running_loop().time() + timeout_seconds
        while waiting:
            left = end - asyncio.get_running_loop().time()
            done, waiting = await asyncio.wait(
                waiting, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED
            )
            if any(one.result() for one in done):
                return True
            if not done:
                break
        self._asked = {node: task for node, task in self._asked.items() if not task.done()}
        return False

    def close(self) -> None:
        """Ask no more."""
        for task in self._asked.values():
            task.cancel()


async def _ask(client: Any, node_id: Any) -> bool:
    """Whether a broker answers a request for the metadata of no topic: the least that it can be asked."""
    try:
        await client.send(node_id, MetadataRequest([]))
    except (KafkaError, OSError, TimeoutError, asyncio.CancelledError):
        return False
    return True
