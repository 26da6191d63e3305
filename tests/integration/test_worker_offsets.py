"""The database is the truth about how far the mirror has come, whatever Kafka says."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from connector import events
from connector.commands import checkup
from connector.events import Event
from connector.kafka import topics
from connector.stream.transport import FETCH_WAIT_MS
from tests import processes, workers
from tests.workers import WorkerProcess, World, balance, balances, next_number, until


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
    until(lambda: world.topic not in world.admin.list_topics(), what="topic deleted")
    topics.ensure(world.config)


def offers(count: int) -> list[Event]:
    """Events of another topic than balances."""
    changes: dict[str, Any] = {"family": "offers", "action": "OfferCreated", "entity_key": "1"}
    changes["details"] = b'{"OfferNumber": "1"}'
    return [balance(next_number(), **changes) for _ in range(count)]


def expire(world: World, some: list[Event]) -> list[Event]:
    """Send events of one family to partition 0 and have Kafka delete all of them."""
    sent = world.send(some, partition=0)
    tp = TopicPartition(world.routes.topic_of_family[some[0].family], 0)
    world.admin.delete_records({tp: world.ends()[tp]})
    return sent


def freeze(worker: WorkerProcess) -> None:
    """Stop a worker, and let the broker answer the fetch that was under way: it waits for records."""
    worker.signal(signal.SIGSTOP)
    answered = time.monotonic() + 4 * FETCH_WAIT_MS / 1000
    until(lambda: time.monotonic() > answered, what="no fetch under way")


def losses(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [event for event in worker.events() if "expired" in event["event"]]


def run_losses(world: World, *options: str) -> str:
    command = ["losses", "--config", str(world.config_dir), *options]
    done = processes.run(command, env={**os.environ, **world.environ})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_group_offset_forced_forward_skips_nothing(world: World) -> None:
    mirror_some(world)
    world.send(balances(100), partition=0)
    force_offset(world, 180)
    world.worker().wait_ready()
    world.wait_caught_up()
    until(lambda: world.committed()[world.topic, 0] == 200, what="Kafka's offset mended")
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
        connection.exec_driver_sql("UPDATE _consumer_offsets SET next_offset = 40 WHERE next_offset = 100")
        connection.exec_driver_sql("DELETE FROM _notifications WHERE kafka_offset >= 40")
    world.send(balances(10), partition=0)
    world.wait_caught_up()
    assert worker.metric("xtnd_worker_gaps_total") == 1
    assert sorted(world.ledger_ids()) == sorted(event.event_id for event in world.sent)
    assert world.rows("SELECT SUM(records_lost) FROM consumer_offsets") == [(0,)]


def test_a_topic_recreated_while_the_worker_was_away_is_read_from_its_start_though_it_has_grown(
    world: World,
) -> None:
    """The first of its records have expired already, and are reported like any other loss."""
    mirror_some(world)
    recreate(world)
    gone = world.send(balances(20), partition=0)
    world.send(balances(110), partition=0)
    world.admin.delete_records({TopicPartition(world.topic, 0): 20})
    worker = world.worker().wait_ready()
    world.wait_caught_up()
    world.assert_sound(missing=gone)
    assert worker.said_event("topic was re-created")
    assert worker.metric("xtnd_worker_topics_recreated_total", topic=world.topic) == workers.PARTITIONS
    assert worker.metric("xtnd_worker_records_lost_total", topic=world.topic) == 20
    until(lambda: worker.metric("xtnd_mirror_losses", topic=world.topic) == 3, 10, what="losses in sight")
    assert set(worker.warnings()) == {"losses"}
    expired, recreated = (str(one.fault) for one in checkup.Checkup(world.config).topic_faults())
    assert expired.startswith(
        "20 records expired before they were mirrored (partition 0 from offset 0 to 19)"
    )
    last = events.iso(max(event.received_at for event in world.sent[:100]))
    assert "re-created" in recreated
    assert "partition 0 from offset 100 on, partition 1 from offset 0 on); XTND sent it before" in recreated
    assert world.rows("SELECT sent_after FROM _mirror_losses WHERE first_offset = 100") == [(last,)]
    done = run_losses(world, "--acknowledge")
    assert len(done.splitlines()) == 4
    assert run_losses(world).splitlines() == done.splitlines()[:1]
    assert checkup.Checkup(world.config).topic_faults() == []
    until(lambda: worker.warnings() == {}, 10, what="acknowledged")
    assert worker.metric("xtnd_mirror_losses") == 0


def test_what_happens_to_the_logs_under_a_frozen_worker_is_seen(world: World) -> None:
    """One topic is re-created and grows past the old offset, another loses all that was not read."""
    worker = world.worker().wait_ready()
    world.send(balances(100), partition=0)
    world.send(offers(20), partition=0)
    world.wait_caught_up()
    freeze(worker)
    recreate(world)
    world.send(balances(130), partition=0)
    gone = expire(world, offers(40))
    worker.signal(signal.SIGCONT)
    until(lambda: len(world.ledger_ids()) == 250, what="both logs of the one topic mirrored")
    world.wait_caught_up()
    until(lambda: [loss["records"] for loss in losses(worker)] == [40], what="loss reported")
    world.assert_sound(missing=gone)


def test_records_that_retention_took_are_counted_and_reported(world: World) -> None:
    mirror_some(world)
    gone = world.send(balances(50), partition=0)
    world.admin.delete_records({TopicPartition(world.topic, 0): 150})
    world.send(balances(20), partition=0)
    worker = world.worker().wait_ready()
    world.wait_caught_up()
    until(lambda: worker.metric("xtnd_worker_records_lost_total") == 50, what="lost records counted")
    assert worker.said_event("Records expired before they were mirrored")
    assert world.rows("SELECT SUM(records_lost) FROM consumer_offsets") == [(50,)]
    world.assert_sound(missing=gone)


def test_unread_records_that_all_expired_are_reported_once_and_leave_no_lag(world: World) -> None:
    mirror_some(world)
    gone = expire(world, balances(58))
    worker = world.worker().wait_ready()
    world.wait_caught_up()
    until(lambda: worker.metric("xtnd_worker_records_lost_total") == 58, what="lost records counted")
    [loss] = losses(worker)
    assert (loss["topic"], loss["partition"], loss["records"]) == (world.topic, 0, 58)
    assert (loss["first_offset"], loss["last_offset"]) == (100, 157)
    assert loss["sent_after"] == events.iso(max(event.received_at for event in world.sent[:100]))
    assert world.rows("SELECT SUM(records_lost) FROM consumer_offsets") == [(58,)]
    [fault] = [str(one.fault) for one in checkup.Checkup(world.config).topic_faults()]
    assert fault == (
        "58 records expired before they were mirrored (partition 0 from offset 100 to 157); "
        f"XTND sent it between {loss['sent_after']} and {loss['sent_before']}"
    )
    until(lambda: worker.metric("xtnd_worker_lag_records") == 0, what="no lag")
    world.send(balances(10), partition=0)
    world.wait_caught_up()
    world.assert_sound(missing=gone)


def test_a_new_mirror_reads_from_the_start_whatever_kafka_has_committed(world: World) -> None:
    mirror_some(world)
    world.engine.dispose()
    for file in world.folder.glob("mirror.db*"):
        file.unlink()
    world.worker().wait_ready()
    world.wait_caught_up()
    world.assert_sound()
