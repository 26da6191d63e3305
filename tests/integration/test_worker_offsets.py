"""The database is the truth about how far the mirror has come, whatever Kafka says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from connector.kafka import topics
from tests import workers
from tests.workers import World, balances, until


@pytest.fixture
def world(kafka_bootstrap: str, tmp_path: Path) -> Iterator[World]:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as made:
        yield made


def mirror_some(world: World, count: int = 100) -> None:
    """Have a first worker mirror some events of partition 0, and end."""
    worker = world.worker().wait_ready()
    world.send(balances(count), partition=0)
    world.wait_caught_up()
    assert worker.stop() == 0


def force_offset(world: World, offset: int) -> None:
    world.admin.alter_group_offsets(
        world.config.worker.group, {TopicPartition(world.topic, 0): OffsetAndMetadata(offset, "", -1)}
    )
    assert world.committed()[world.topic, 0] == offset


def recreate(world: World) -> None:
    world.admin.delete_topics([world.topic])
    until(lambda: world.topic not in world.admin.list_topics(), 20, what="topic deleted")
    topics.ensure(world.config)


def test_a_group_offset_forced_forward_skips_nothing(world: World) -> None:
    mirror_some(world)
    world.send(balances(100), partition=0)
    force_offset(world, 180)
    world.worker().wait_ready()
    world.wait_caught_up()
    until(lambda: world.committed()[world.topic, 0] == 200, 10, what="Kafka's offset mended")
    world.assert_sound()


def test_a_group_offset_forced_back_doubles_nothing(world: World) -> None:
    mirror_some(world)
    force_offset(world, 0)
    worker = world.worker().wait_ready()
    world.send(balances(10), partition=0)
    world.wait_caught_up()
    assert worker.metric("xtnd_worker_batch_events_sum") == 10  # nothing was even read again
    world.assert_sound()


def test_an_offset_that_the_database_moved_back_is_read_again(world: World) -> None:
    """A restored backup of the database: the worker runs on, and its next chunk shows the hole."""
    worker = world.worker().wait_ready()
    world.send(balances(100), partition=0)
    world.wait_caught_up()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE consumer_offsets SET next_offset = 40 WHERE next_offset = 100")
        connection.exec_driver_sql("DELETE FROM notifications WHERE kafka_offset >= 40")
    world.send(balances(10), partition=0)
    world.wait_caught_up()
    assert worker.metric("xtnd_worker_holes_total") == 1
    assert sorted(world.ledger_ids()) == sorted(event.event_id for event in world.sent)
    assert world.rows("SELECT SUM(records_lost) FROM consumer_offsets") == [(0,)]


def test_a_log_recreated_while_the_worker_was_away_is_read_from_its_begin(world: World) -> None:
    mirror_some(world)
    recreate(world)
    world.send(balances(30), partition=0)
    worker = world.worker().wait_ready()
    world.wait_caught_up()
    assert worker.said_event("THE LOG IS NOT THE ONE THAT WAS MIRRORED")
    world.assert_sound()


def test_records_that_retention_took_are_counted_and_told(world: World) -> None:
    mirror_some(world)
    gone = world.send(balances(50), partition=0)
    world.admin.delete_records({TopicPartition(world.topic, 0): 150})
    world.send(balances(20), partition=0)
    worker = world.worker().wait_ready()
    world.wait_caught_up()
    until(lambda: worker.metric("xtnd_worker_records_lost_total") == 50, 5, what="lost records counted")
    assert worker.said_event("KAFKA NO LONGER HELD RECORDS")
    assert world.rows("SELECT SUM(records_lost) FROM consumer_offsets") == [(50,)]
    world.assert_sound(missing=gone)


def test_a_new_mirror_reads_from_the_begin_whatever_kafka_has_committed(world: World) -> None:
    mirror_some(world)
    world.engine.dispose()
    for file in world.folder.glob("mirror.db*"):
        file.unlink()
    world.worker().wait_ready()
    world.wait_caught_up()
    world.assert_sound()
