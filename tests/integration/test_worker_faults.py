"""Faults of processes, database and group: nothing lost, nothing doubled, and it goes on by itself.

The quick forms, without a gateway; the long ones are the rows of ``tests/faults``.
"""

import contextlib
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.events import Event
from connector.local.broker import KafkaBroker
from tests import workers
from tests.servers import PostgresServer, kafka_broker, postgres_server
from tests.workers import Load, WorkerProcess, World, balance, balances, next_number, until

# A dead member is given up this soon, so that its successor need not wait.
SESSION_SECONDS = 2


@pytest.fixture(scope="module")
def swift_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A Kafka that allows short sessions."""
    with kafka_broker(tmp_path_factory, settings="group.min.session.timeout.ms=500\n") as broker:
        yield broker


@pytest.fixture
def swift_kafka(swift_broker: KafkaBroker) -> str:
    return swift_broker.bootstrap_servers


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def world(swift_kafka: str, own_postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
    with workers.world(
        tmp_path, swift_kafka, own_postgres.new_database(), session_timeout_seconds=SESSION_SECONDS
    ) as made:
        yield made


@contextlib.contextmanager
def load(world: World, per_second: int) -> Iterator[None]:
    """Send events beside what the test does."""
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            Load(world, per_second).for_seconds(0.5)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join(60)


def unrouted() -> Event:
    """A new event that no family claims."""
    return balance(next_number(), family="unrouted", action="SomethingElse", entity_key=None)


def test_killed_at_random_it_mirrors_every_event_once(world: World) -> None:
    chance = random.Random(1)
    with load(world, 300):
        for _ in range(2):
            worker = world.worker("slow-database=0.05").wait_ready()
            goal = len(world.ledger_ids()) + chance.randrange(1, 400)
            until(lambda goal=goal: len(world.ledger_ids()) >= goal, what="some rows")
            worker.kill()
        world.worker().wait_ready()
    world.wait_caught_up()
    world.assert_sound()


def test_killed_between_commit_and_ack_it_mirrors_every_event_once(world: World) -> None:
    worker = world.worker("exit-after-commit@2").wait_ready()
    for _ in range(2):
        world.send(balances(1), partition=0)  # more could come in several batches
        until(lambda: len(world.ledger_ids()) == len(world.sent), what="rows")
    assert worker.exit_code() == -signal.SIGKILL
    assert world.committed().get((world.topic, 0), 0) < world.held()[world.topic, 0]
    again = world.worker().wait_ready()
    world.send(balances(20))
    world.wait_caught_up()
    assert again.metric("xtnd_worker_events_known_total") == 0
    world.assert_sound()


def test_a_database_outage_pauses_and_goes_on_by_itself(world: World, own_postgres: PostgresServer) -> None:
    worker = world.worker().wait_ready()
    with load(world, 200):
        until(lambda: len(world.ledger_ids()) > 0, what="some rows")
        own_postgres.stop()
        try:
            until(lambda: "database" in (worker.failures() or {}), what="readiness red")
            lag = worker.metric("xtnd_worker_lag_records")
            until(lambda: worker.metric("xtnd_worker_lag_records") >= lag + 300, what="lag is measured")
        finally:
            own_postgres.start()
        until(lambda: worker.failures() == {}, what="readiness green again")
    world.wait_caught_up()
    assert not worker.ended()
    assert world.rows("SELECT * FROM dead_letters") == []
    world.assert_sound()


def test_a_locked_table_holds_up_its_family_alone_and_no_success_of_others_hides_that(
    swift_kafka: str, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    with workers.world(
        tmp_path,
        swift_kafka,
        own_postgres.new_database(),
        session_timeout_seconds=SESSION_SECONDS,
        sections={"database": {"lock_timeout_seconds": 1}},
    ) as world:
        worker = world.worker().wait_ready()
        world.send(balances(10))
        world.wait_caught_up()
        with world.plain_engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE _stock_balances IN ACCESS EXCLUSIVE MODE")
            world.send(balances(100))
            until(lambda: _names(worker, world.topic), what="readiness names the topic")
            for number in range(1, 21):
                world.send([unrouted()])
                until(lambda number=number: len(world.ledger_ids()) == 10 + number, what="others go on")
                assert _names(worker, world.topic)
            until(lambda: worker.metric("xtnd_worker_lag_records", topic=world.topic) == 100, what="lag")
        until(lambda: worker.failures() == {}, what="readiness green again")
        world.wait_caught_up()
        assert not worker.ended()
        assert world.rows("SELECT * FROM dead_letters") == []
        world.assert_sound()


def _names(worker: WorkerProcess, topic: str) -> bool:
    return topic in (worker.failures() or {}).get("database", "")


def test_a_worker_joins_and_leaves_and_nothing_is_lost(world: World) -> None:
    first = world.worker("slow-database=0.05").wait_ready()
    with load(world, 200):
        second = world.worker("slow-database=0.05").wait_ready()
        until(lambda: second.metric("xtnd_worker_events_mirrored_total") > 50, what="both work")
        assert second.stop() == 0
        until(lambda: first.failures() == {}, what="the first has all again")
    world.wait_caught_up()
    world.assert_sound()


def test_a_zombies_late_write_is_refused(world: World) -> None:
    """A worker frozen for longer than its session wakes up with a chunk that another has written."""
    zombie = world.worker("slow-database@1=10").wait_ready()
    world.send(balances(100), partition=0)
    until(lambda: zombie.metric("xtnd_worker_lag_records", partition="0") == 100, what="has the chunk")
    zombie.signal(signal.SIGSTOP)
    heir = world.worker().wait_ready()
    world.wait_caught_up()
    world.send(balances(100), partition=0)
    world.wait_caught_up()
    zombie.signal(signal.SIGCONT)
    until(lambda: zombie.failures() == {}, what="the zombie is a member again")
    assert world.held()[world.topic, 0] == 200  # not moved back to where the zombie's chunk ends
    world.send(balances(100))
    world.wait_caught_up()
    # How many depends on what had been fetched by the freeze and before it knew that it was replaced.
    until(lambda: zombie.refused() > 0, what="its late write is refused")
    both = (zombie, heir)
    assert sum(worker.metric("xtnd_worker_events_known_total") for worker in both) == 0
    until(
        lambda: sum(worker.metric("xtnd_worker_events_mirrored_total") for worker in both) == 300,
        10,
        what="each event written by exactly one of the two",
    )
    assert not heir.ended()
    world.assert_sound()
