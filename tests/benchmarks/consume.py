"""Consume a backlog and do nothing with it, with Faust or without: what Faust itself costs.

``python -m tests.benchmarks.consume CONFIG_DIR faust|bare EVENTS`` prints processor microseconds an
event, counted from the first chunk to the last. Bare is the same aiokafka consumer with the same
fetch settings.
"""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiokafka
import uvloop
from faust.types import TP

from connector import config
from connector.config import Config
from connector.kafka.routes import Routes
from connector.stream.agents import batches
from connector.stream.app import build_app
from connector.stream.fetched import FetchState, LogReader, Position
from connector.stream.transport import FETCH_WAIT_MS


class Count:
    """Processor time between the first events and the last."""

    def __init__(self, events: int) -> None:
        self.done = asyncio.Event()
        self._left = events
        self._counted = 0
        self._began: float | None = None

    def add(self, events: int) -> None:
        self._left -= events
        if self._began is None:
            self._began = time.process_time()
            return
        self._counted += events
        if self._left <= 0:
            self.done.set()

    @property
    def micros(self) -> float:
        assert self._began is not None
        return (time.process_time() - self._began) / self._counted * 1e6


class FromTheBegin:
    """Places every partition at its begin."""

    async def locate(self, log: LogReader, partitions: set[TP], restarted: set[TP]) -> dict[TP, Position]:
        begins = await log.earliest_offsets(*partitions)
        return {tp: Position(begins[tp], begins[tp]) for tp in partitions}

    async def moved(self, log: LogReader, places: Mapping[TP, FetchState]) -> set[TP]:
        return set()


async def with_faust(settings: Config, topic: str, count: Count) -> None:
    app = build_app(settings, FromTheBegin())

    async def swallow(stream: object) -> None:
        async for batch in batches(stream, settings.worker.max_batch_events):
            for event in batch:
                count.add(len(event.value.records))
                event.ack()

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"), concurrency=1)(swallow)
    await app.start()
    await count.done.wait()


async def bare(settings: Config, topic: str, count: Count) -> None:
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=262_144,
    )
    await consumer.start()
    while not count.done.is_set():
        found = await consumer.getmany(timeout_ms=50, max_records=settings.worker.max_batch_events)
        for records in found.values():
            count.add(len(records))


async def main(folder: str, way: str, events: str) -> None:
    settings = config.load(Path(folder), dict(os.environ), {})
    count = Count(int(events))
    topic = Routes(settings).topic_of_family["balances"]
    await (with_faust if way == "faust" else bare)(settings, topic, count)
    print(count.micros, flush=True)
    os._exit(0)  # neither has anything to tidy up


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
