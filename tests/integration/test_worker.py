"""The worker as a process: events become rows, soon and in batches, and it ends as it is told."""

import contextlib
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import workers
from tests.conftest import DATABASES, new_database
from tests.pauses import awake
from tests.servers import PostgresServer, postgres_server
from tests.workers import WorkerProcess, World, balance, balances, next_number, until

Calm = tuple[World, WorkerProcess]


@pytest.fixture(scope="module", params=DATABASES)
def calm(
    request: pytest.FixtureRequest, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Calm]:
    """A ready worker that nothing happens to."""
    folder = tmp_path_factory.mktemp("calm")
    url = new_database(request.param, request, folder / "mirror.db")
    with workers.world(folder, kafka_bootstrap, url) as world:
        yield world, world.worker().wait_ready()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def test_a_lone_event_is_a_row_within_a_second(calm: Calm) -> None:
    world, _ = calm
    world.send(balances(1), partition=0)
    world.wait_caught_up()  # the first of all also pays for what is loaded late
    took = []
    for _ in range(5):  # on one partition: it is asked for again only by the fetch after
        since = awake()
        (event,) = world.send(balances(1), partition=0)
        until(lambda event=event: event.event_id in world.ledger_ids(), what="a row")
        took.append(awake() - since)
    assert sorted(took)[2] < 1.0, took  # Kafka or the database may have been kept waiting once
    world.assert_sound()


def test_what_piles_up_is_written_in_batches(calm: Calm) -> None:
    world, worker = calm
    before = worker.metric("xtnd_worker_batch_events_count")
    world.send(balances(4000))
    world.wait_caught_up()
    assert worker.metric("xtnd_worker_batch_events_count") - before < 400
    world.assert_sound()


def test_the_log_beside_a_mirror_in_sqlite_is_watched(calm: Calm) -> None:
    world, worker = calm
    if world.engine.dialect.name == "sqlite":
        world.send(balances(100))
        until(lambda: worker.metric("xtnd_worker_sqlite_wal_bytes") > 0, 15, what="its log is measured")


def test_the_time_from_receipt_to_commit_is_counted_once_for_each_event(calm: Calm) -> None:
    world, worker = calm
    name, labels = "xtnd_worker_latency_seconds", {"family": "balances"}
    world.wait_caught_up()
    [(mirrored,)] = world.rows("SELECT COUNT(*) FROM notifications WHERE family = 'balances'")
    until(lambda: worker.metric(f"{name}_count", **labels) == mirrored, what="all so far are counted")
    soon, all_ = (
        worker.metric(f"{name}_bucket", le="10.0", **labels),
        worker.metric(f"{name}_count", **labels),
    )
    received = time.time_ns() // 1000
    ahead = (0, 0, 3_000_000, -11_000_000)
    some = [balance(next_number(), received_at=received + one) for one in ahead]
    world.send([*some, some[0]], partition=0)
    world.wait_caught_up()
    until(lambda: worker.metric(f"{name}_count", **labels) == all_ + 4, what="counted")
    assert worker.metric(f"{name}_bucket", le="10.0", **labels) == soon + 3
    world.sent.pop()


def test_the_same_events_again_change_nothing(calm: Calm) -> None:
    world, worker = calm
    some = world.send(balances(200))
    world.wait_caught_up()
    before = world.rows("SELECT * FROM stock_balances ORDER BY product_number")
    known = worker.metric("xtnd_worker_events_known_total")
    world.send(some)
    world.wait_caught_up()
    assert world.rows("SELECT * FROM stock_balances ORDER BY product_number") == before
    until(lambda: worker.metric("xtnd_worker_events_known_total") - known == 200, what="counted as known")
    world.assert_sound()


def test_kafka_gets_the_mirrors_offsets(calm: Calm) -> None:
    world, _ = calm
    world.send(balances(10))
    world.wait_caught_up()
    until(
        lambda: all(world.committed().get(tp, 0) == at for tp, at in world.held().items()),
        10,
        what="offsets committed to Kafka",
    )


def test_it_leaves_nothing_but_news_in_its_log(calm: Calm) -> None:
    _, worker = calm
    levels = {event["level"] for event in worker.events()}
    assert levels == {"info"}, worker.said()


def test_its_metrics_are_its_own_and_its_counters_of_loss_stand_at_0_from_the_start(calm: Calm) -> None:
    world, worker = calm
    page = worker.page("metrics").decode()
    assert "xtnd_gateway" not in page
    for part in ("database", "kafka", "partitions"):
        assert f'xtnd_up{{part="{part}"}} 1.0' in page
    for topic in (world.topic, world.routes.unrouted_topic, world.routes.dead_letter_topic):
        assert f'xtnd_worker_records_lost_total{{topic="{topic}"}} 0.0' in page
    assert 'xtnd_dead_letters_total{reason="database-refused",stage="worker"} 0.0' in page


def test_a_mirror_in_sqlite_is_of_one_user_only_also_where_it_was_open_before(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    with workers.world(tmp_path / "world", kafka_bootstrap, f"sqlite:///{folder}/mirror.db") as world:
        with contextlib.closing(sqlite3.connect(folder / "mirror.db")) as connection:
            connection.execute("PRAGMA user_version = 1")  # an empty file would be a damaged one
        (folder / "mirror.db").chmod(0o644)
        world.worker().wait_ready()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {"mirror.db", "mirror.db-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_sigterm_in_the_middle_loses_nothing(kafka_bootstrap: str, tmp_path: Path) -> None:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as world:
        worker = world.worker("slow-database=0.2").wait_ready()
        world.send(balances(3000))
        until(lambda: len(world.ledger_ids()) > 0, what="some rows")
        assert worker.stop() == 0
        assert len(world.ledger_ids()) < 3000
        world.worker().wait_ready()
        world.wait_caught_up()
        world.assert_sound()


def test_sigterm_with_the_database_away_exits_in_time_and_acks_nothing(
    kafka_bootstrap: str, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, own_postgres.new_database()) as world:
        worker = world.worker().wait_ready()
        world.send(balances(100))
        world.wait_caught_up()
        held = world.held()
        own_postgres.stop()
        try:
            world.send(balances(100))
            until(lambda: "database" in (worker.failures() or {}), what="readiness red")
            assert worker.stop(10) == 0
            committed = world.committed()
        finally:
            own_postgres.start()
        assert committed == {tp: at for tp, at in held.items() if tp in committed}
        assert world.held() == held
        world.worker().wait_ready()
        world.wait_caught_up()
        world.assert_sound()


def test_it_waits_for_a_database_that_is_away_at_the_start(
    kafka_bootstrap: str, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, own_postgres.new_database()) as world:
        own_postgres.stop()
        try:
            patient, impatient = world.worker(), world.worker()
            until(lambda: "database" in (patient.failures() or {}), what="readiness red")
            until(lambda: "database" in (impatient.failures() or {}), what="readiness red")
            assert impatient.stop(10) == 0
        finally:
            own_postgres.start()
        world.send(balances(10))
        patient.wait_ready()
        world.wait_caught_up()
        world.assert_sound()


def test_an_exception_in_an_agent_ends_the_process_and_moves_no_offset(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as world:
        worker = world.worker("raise-agent@1").wait_ready()
        world.send(balances(50))
        assert worker.exit_code() == 70
        assert set(world.held().values()) == {0}
        assert world.committed() == {}
        assert world.ledger_ids() == []
        assert worker.said_event("an agent failed")
        world.worker().wait_ready()
        world.wait_caught_up()
        world.assert_sound()


def test_the_watchdog_ends_a_worker_that_stands_still(kafka_bootstrap: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mirror.db"
    with workers.world(tmp_path, kafka_bootstrap, url, watchdog_seconds=12) as world:
        worker = world.worker("slow-database@1=3600").wait_ready()
        world.send(balances(5))
        assert worker.exit_code() == 73
        assert worker.said_event("nothing was committed")
        world.worker().wait_ready()
        world.wait_caught_up()
        world.assert_sound()
