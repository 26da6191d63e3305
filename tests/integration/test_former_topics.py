"""Acknowledged records are not forgotten when prefix or topic names change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from connector import config, events
from connector.commands import checkup
from connector.config import Config
from connector.errors import StartupError
from connector.kafka import inventory, topics
from connector.mirror import offsets, schema
from connector.mirror.mapping import Mapping
from connector.mirror.offsets import Offset
from connector.mirror.sink import Sink
from connector.stream import topic_state
from connector.stream.worker import WorkerProcess
from tests import strategies, workers
from tests.workers import World, balances, until


@pytest.fixture
def world(kafka_bootstrap: str, tmp_path: Path) -> Iterator[World]:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as made:
        yield made


def change(world: World, **settings: Any) -> Config:
    """Other topics in the world's configuration, with everything else as it was."""
    file = world.config_dir / "topics.yaml"
    data = yaml.safe_load(file.read_text())
    data["topics"] |= settings
    file.write_text(yaml.safe_dump(data))
    return config.load(world.config_dir, world.environ)


def made(world: World) -> Engine:
    """The world's database with the mirror's tables, as a worker makes them."""
    schema.ensure(world.engine, world.config, Mapping(world.config))
    return world.engine


def sink(world: World) -> Sink:
    mapping = Mapping(world.config)
    return Sink(world.engine, mapping, schema.fingerprint(mapping), lambda: strategies.NOON)


def topic_id(world: World) -> str | None:
    return inventory.TopicIdentities(world.config.kafka)([world.topic])[world.topic].topic_id


def test_deliveries_before_any_worker_ran_are_refused_and_drained_after_a_changed_prefix(
    world: World,
) -> None:
    """The receipts were given under one prefix, and the first worker starts with another."""
    sent = world.send(balances(2))
    letter = events.DeadLetter(
        dead_letter_id="d",
        stage="gateway",
        reason="not-json",
        error="It is no JSON.",
        parked_at=events.iso(strategies.NOON),
        context={},
        payload=b"{",
    )
    world.producer.send(world.config.topics.dead_letter_topic, b"", b"d", headers=list(letter.headers())).get(
        30
    )
    changed = change(world, prefix=f"{world.prefix}two.")
    refused = world.worker()
    assert refused.exit_code() == 1
    fix = f"topics.former_prefixes: [{world.prefix}]"
    assert fix in refused.said()
    assert f"{world.topic} (2)" in refused.said()
    assert [one.cure for one in checkup.Checkup(changed).results() if one.what == "former topics"] == [
        f"set {fix} in topics.yaml, and the worker reads them too; or delete those topics"
    ]
    assert any(fix in one for one in checkup.Checkup(changed).verify(None)[0])
    change(world, former_prefixes=[world.prefix])
    worker = world.worker().wait_ready()
    until(lambda: len(world.ledger_ids()) == 2, what="the former topic drained")
    assert world.ledger_ids() == sorted(event.event_id for event in sent)
    until(lambda: world.rows("SELECT reason FROM dead_letters") == [("not-json",)], what="its letters")
    assert worker.stop() == 0
    # What came later is not forgotten either, when nobody names that prefix any more.
    world.send(balances(1))
    with pytest.raises(StartupError, match="former_prefixes"):
        topic_state.refuse(
            change(world, former_prefixes=[], prefix=f"{world.prefix}three."), offsets.stored(world.engine)
        )


def test_every_partition_is_noted_before_a_worker_is_given_any(world: World) -> None:
    engine = made(world)
    WorkerProcess(world.config, accept_mapping=False)._note_topics()
    held = offsets.stored(engine)
    assert held.keys() == {(tp.topic, tp.partition) for tp in world.tps}
    assert None not in {offset.topic_id for offset in held.values()}


def test_a_renamed_topic_that_holds_unread_records_is_refused_until_it_is_listed(world: World) -> None:
    engine = made(world)
    world.send(balances(3), partition=0)
    renamed = yaml.safe_load((world.config_dir / "topics.yaml").read_text())["topics"]["families"]
    renamed["balances"]["topic"] = "stock"
    changed = change(world, families=renamed)
    with pytest.raises(StartupError) as caught:
        topic_state.refuse(changed, offsets.stored(engine))
    assert f"topics.former_topics: [{world.topic}]" in caught.value.cure
    # A worker that has read them all leaves nothing to refuse.
    sink(world).record({(world.topic, 0): Offset(3, topic_id(world))})
    assert topic_state.compare(changed, offsets.stored(engine)).unread == {}
    listed = change(world, former_topics=[world.topic])
    assert topic_state.compare(listed, offsets.stored(engine)).draining == {world.topic: 0}


def test_topics_of_others_are_left_alone(world: World) -> None:
    """Those under a longer prefix of another group, and those that hold nothing of ours."""
    engine = made(world)
    group = world.config.worker.model_copy(update={"group": "another"})
    longer = world.config.topics.model_copy(update={"prefix": f"{world.prefix}other."})
    other = world.config.model_copy(update={"worker": group, "topics": longer})
    topics.ensure(other)
    world.producer.send(other.topics.unrouted_topic, events.encode(balances(1)[0])).get(30)
    world.admin.create_topics({f"{world.prefix}reports": {"num_partitions": 1, "replication_factor": 1}})
    world.producer.send(f"{world.prefix}reports", b"{}").get(30)
    assert topic_state.compare(world.config, offsets.stored(engine)).unread == {}
    assert topic_state.compare(other, offsets.stored(engine)).unread == {}


def test_a_topic_that_was_recreated_is_reported_while_no_worker_runs(world: World) -> None:
    engine = made(world)
    sink(world).record({(world.topic, 0): Offset(3, "of-a-former-one"), (world.topic, 1): Offset(0)})
    found = topic_state.compare(world.config, offsets.stored(engine))
    assert (found.recreated, found.expired) == ({world.topic: 1}, {})
    [fault] = [one.fault for one in checkup.Checkup(world.config).topic_faults()]
    assert "was re-created" in str(fault)
    assert any("was re-created" in one for one in checkup.Checkup(world.config).verify(None)[0])
