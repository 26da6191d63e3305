"""What a worker measures of itself, on a real Kafka and a real database, without a worker's stream."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from connector import events, metrics
from connector.config import Config
from connector.kafka import topics
from connector.mirror import schema
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.mapping import Mapping
from connector.mirror.offsets import Offset
from connector.mirror.sink import Sink
from connector.mirror.totals import Totals
from connector.retry import Outages
from connector.stream.health import WorkerHealth
from tests import workers
from tests.workers import START, World, balance, balances, next_number

FAST: dict[str, Any] = {"pause_seconds": 0.1, "standstill_seconds": 1.0}


@pytest.fixture
def world(kafka_bootstrap: str, database_url: str, tmp_path: Path) -> Iterator[World]:
    with workers.world(tmp_path, kafka_bootstrap, database_url) as made:
        schema.ensure(made.engine, made.config, Mapping(made.config))
        yield made


def health_of(config: Config, world: World, *, former: str = "") -> WorkerHealth:
    """The health of a worker that has all partitions, and reads a former topic if one is named."""
    families = {topic: family for family, topic in world.routes.event_topics().items()}
    families[world.routes.dead_letter_topic] = "dead-letters"
    if former:
        families[former] = "former-topics"
    made = WorkerHealth(config, Totals(config.database), Outages(), families, **FAST)
    assigned = frozenset(TP(tp.topic, tp.partition) for tp in world.tps)
    made.app = SimpleNamespace(assigned=assigned, ready=True)  # type: ignore[assignment]
    return made


def sink_of(world: World) -> Sink:
    mapping = Mapping(world.config)
    return Sink(world.engine, mapping, schema.fingerprint(mapping), lambda: START)


def sample(name: str, **labels: str) -> float | None:
    return metrics.WORKER.get_sample_value(name, labels)


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.05)


def test_a_family_that_stands_still_is_named_although_another_moves(world: World) -> None:
    sink, health = sink_of(world), health_of(world.config, world)
    progress = health.checks()["progress"]
    moved = 0

    def is_named() -> bool:
        nonlocal moved
        world.send([balance(next_number(), family="unrouted", entity_key=None)], partition=0)
        moved += 1
        sink.reset_position((world.routes.unrouted_topic, 0), moved)
        return str(progress()).startswith("balances: 5 records wait")

    async def run() -> None:
        async with health.measuring():
            await soon(lambda: progress() is None and sample_lag(world.topic) == 0)
            world.send(balances(5), partition=0)
            await soon(is_named)
            assert sample("xtnd_worker_standstill_seconds", family="unrouted") == 0
            assert (sample("xtnd_worker_standstill_seconds", family="balances") or 0) >= 1
            assert sample_lag(world.topic) == 5
            assert health.lagging().get((world.topic, 0)) == 0
            health.app = None  # one that has dropped out of its group has no partitions
            assert str(progress()).startswith("balances: 5 records wait")
            assert health.lagging().get((world.topic, 0)) == 0
            sink.reset_position((world.topic, 0), 5)
            await soon(lambda: progress() is None and sample_lag(world.topic) == 0)
            assert (world.topic, 0) not in health.lagging()

    asyncio.run(run())


def test_records_on_a_topic_that_is_no_longer_read_are_seen_while_a_worker_runs(world: World) -> None:
    """A gateway that is deployed after the worker still publishes under the former prefix."""
    world.send(balances(3), partition=0)
    sink_of(world).record({(world.topic, 0): Offset(1)})
    renamed = world.config.topics.model_copy(update={"prefix": f"{world.prefix}two."})
    health = health_of(world.config.model_copy(update={"topics": renamed}), world)

    async def run() -> None:
        async with health.measuring():
            await soon(lambda: f"{world.topic} (2)" in str(health.unread_topics()))
            assert f"topics.former_prefixes: [{world.prefix}]" in str(health.unread_topics())

    asyncio.run(run())


def sample_lag(topic: str) -> float | None:
    return sample("xtnd_worker_lag_records", topic=topic, partition="0")


def test_it_keeps_one_kafka_client_and_a_topic_that_is_gone_hides_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    looks = 0

    def counted(**settings: Any) -> Any:
        client = client_class(**settings)
        described = client.describe_topics

        def describe(names: list[str]) -> Any:
            nonlocal looks
            looks += 1
            return described(names)

        client.describe_topics = describe
        made.append(client)
        return client

    client_class = topics.KafkaAdminClient
    monkeypatch.setattr(topics, "KafkaAdminClient", counted)
    # A former topic that was drained and deleted is missed by nobody.
    topics_read = world.config.topics.model_copy(update={"former_topics": ("drained",)})
    health = health_of(world.config.model_copy(update={"topics": topics_read}), world, former="drained")
    kafka, progress = health.checks()["kafka"], health.checks()["progress"]
    gone = world.routes.unrouted_topic

    async def run() -> None:
        async with health.measuring():
            await soon(lambda: kafka() is None)
            world.admin.delete_topics([gone])
            await soon(lambda: gone in str(kafka()) and "connector topics" in str(kafka()))
            world.send(balances(3), partition=0)
            await soon(lambda: progress() is None and sample_lag(world.topic) == 3)
            assert sample_lag(gone) is None

    asyncio.run(run())
    # One that stays open, and that of the minute's look at all topics; one more after an answer that a busy
    # machine gave too late.
    assert len(made) <= 3 < looks


def test_totals_of_the_database_are_gauges_that_any_worker_shows(world: World) -> None:
    sink = sink_of(world)
    letters = [
        letter(f"{number}", number, state) for number, state in enumerate(["parked"] * 2 + ["discarded"])
    ]
    sink.write([Chunk(world.routes.dead_letter_topic, 0, 0, 0, 3, letters=letters)])
    for partition in (0, 1):
        sink.reset_position((world.topic, partition), 10)
    with world.plain_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE _consumer_offsets SET records_lost = 79")
    health = health_of(world.config, world)

    async def run() -> None:
        async with health.measuring():
            await soon(
                lambda: (
                    health.checks()["progress"]() is None
                    and sample("xtnd_mirror_dead_letters", stage="worker", state="parked") == 2
                    and sample("xtnd_mirror_records_lost", topic=world.topic) == 158
                )
            )
            assert sample("xtnd_mirror_dead_letters", stage="gateway", state="parked") == 0
            assert sample("xtnd_mirror_dead_letters", stage="worker", state="discarded") == 1
            assert sample("xtnd_mirror_records_lost", topic=world.routes.unrouted_topic) == 0

    asyncio.run(run())


def letter(letter_id: str, offset: int, state: str) -> Letter:
    at = events.iso(START)
    row = {"dead_letter_id": letter_id, "stage": "worker", "reason": "r", "error": "e", "payload": b""}
    return Letter(offset, {**row, "context": "{}", "parked_at": at, "state": state, "state_at": at})
