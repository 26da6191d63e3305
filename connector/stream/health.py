"""What a worker says of itself: readiness, lag, and the watchdog's evidence."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from faust.types import TP

from connector import metrics
from connector.config import Config
from connector.errors import Outage
from connector.health import Check
from connector.kafka import topics
from connector.mirror.sink import Partition, Sink
from connector.stream.app import MirrorApp
from connector.stream.patience import Patience

log = structlog.get_logger(__name__)

LAG_SECONDS = 2.0
ANSWER_SECONDS = 4.0
# Kafka's names for the two ends of a log, in a request for offsets.
LATEST, EARLIEST = -1, -2


class WorkerHealth:
    """Looks at a worker's parts; ``app`` is there once the worker has one."""

    def __init__(self, config: Config, sink: Sink, patience: Patience) -> None:
        self._config = config
        self._sink = sink
        self._patience = patience
        self.app: MirrorApp | None = None

    # --- Readiness ---

    def checks(self) -> dict[str, Check]:
        return {
            "database": self._check_database,
            "kafka": self._check_kafka,
            "partitions": self._check_partitions,
        }

    async def _check_database(self) -> str | None:
        if trouble := self._patience.trouble.get("database"):
            return trouble
        try:
            # Without a timeout of its own: the call would go on in its thread, and the next beside it.
            await self._held([("", 0)])
        except Outage as error:
            return str(error)
        return None

    async def _check_kafka(self) -> str | None:
        if trouble := self._patience.trouble.get("kafka"):
            return trouble
        loop = asyncio.get_running_loop()
        look = partial(topics.broker_answers, self._config.kafka, timeout_seconds=ANSWER_SECONDS)
        answers = await loop.run_in_executor(None, look)
        return None if answers else f"no broker answers at {self._config.kafka.bootstrap_servers}"

    async def _check_partitions(self) -> str | None:
        if self.app is None or not self.app.ready:
            return "the consumer group has not given this worker its partitions yet"
        return None

    # --- Lag ---

    async def watch_lag(self) -> None:
        """Keep the lag metric: records between the mirror's offset and the log's end."""
        while True:
            await asyncio.sleep(LAG_SECONDS)
            try:
                await self._measure_lag()
            except Exception as error:  # noqa: BLE001 - a metric must not end the worker
                log.debug("lag not measured", error=str(error))

    async def _measure_lag(self) -> None:
        consumer: Any = self.app.consumer if self.app else None
        assigned: set[TP] = consumer.assignment()
        held = await self._held([(tp.topic, tp.partition) for tp in assigned])
        metrics.partitions.set(len(assigned))
        metrics.lag.clear()
        for tp in assigned:
            end = consumer.highwater(tp)
            if end is not None:
                behind = max(0, end - held.get((tp.topic, tp.partition), 0))
                metrics.lag.labels(topic=tp.topic, partition=str(tp.partition)).set(behind)

    async def _held(self, partitions: list[Partition]) -> dict[Partition, int]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._sink.positions, partitions)

    # --- For the watchdog's thread ---

    def lagging(self) -> Mapping[Partition, int] | None:
        """The mirror's offsets of partitions that lag: this worker's, or all while it has none.

        None while an outage is being waited for. Asks with a Kafka client of its own. Raises
        ``Outage``. May be called from any thread.
        """
        if "database" in self._patience.trouble:
            return None
        own = self.app.assigned if self.app else frozenset()
        with topics.admin_client(self._config.kafka) as client:
            partitions = own or self._all_partitions(client)
            ends = _offsets(client, partitions, LATEST)
            held = self._sink.positions(ends)
            unknown = frozenset(TP(*partition) for partition in ends if partition not in held)
            held |= _offsets(client, unknown, EARLIEST)
        return {partition: held[partition] for partition, end in ends.items() if held[partition] < end}

    def _all_partitions(self, client: Any) -> frozenset[TP]:
        names = [plan.name for plan in topics.plans(self._config)]
        described = client.describe_topics(names)
        return frozenset(
            TP(topic["name"], number) for topic in described for number in range(len(topic["partitions"]))
        )


def _offsets(client: Any, partitions: frozenset[TP], which: int) -> dict[Partition, int]:
    found = client.list_partition_offsets(dict.fromkeys(partitions, which)) if partitions else {}
    return {(tp.topic, tp.partition): answer.offset for tp, answer in found.items()}
