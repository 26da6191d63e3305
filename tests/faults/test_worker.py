"""The worker and its database, broken behind a gateway that goes on taking deliveries."""

import random
import signal
import time
from collections import Counter
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from tests.faults.conftest import BOTH, MakeStack
from tests.faults.harness import DRAIN_SECONDS, Stack, balance_body, hold
from tests.faults.report import TIMEOUT_SECONDS, Line, seconds, times
from tests.servers import PostgresServer
from tests.workers import WorkerProcess, until

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)

STOP_SECONDS = 10.0
COMMIT_SECONDS = 4.0
POISON_EVERY = 1000
# What is locked, and the words of its timeout.
LOCKED = {"sqlite": ("the database", "database is locked"), "postgresql": ("a table", "lock timeout")}


def recovered(stack: Stack, worker: WorkerProcess, since: float) -> None:
    """Wait until the worker is ready and at the end of every log; notes how long it took."""
    until(lambda: worker.failures() == {}, what=f"readiness green: {worker.log}")
    stack.line.recovery = time.monotonic() - since


def stop_database(
    stack: Stack, postgres: PostgresServer, line: Line, duration: float, words: str = ""
) -> None:
    stack.begin()
    worker = stack.workers[-1]
    with stack.load() as load:
        until(lambda: len(stack.ledger_ids()) > 100, what="some rows")
        postgres.stop()
        try:
            until(lambda: "database" in (worker.failures() or {}), what="readiness red")
            hold(COMMIT_SECONDS)  # what the database had is committed to Kafka a little later
            committed = stack.committed()
            hold(duration)
            assert stack.committed() == committed
        finally:
            postgres.start()
        recovered(stack, worker, time.monotonic())
    line.fault = f"PostgreSQL stopped for {duration:.0f} s under load{words}"
    assert load.count(202) == len(load.outcomes)
    stack.judge()
    assert not worker.ended()
    assert stack.rows("SELECT * FROM dead_letters") == []


@pytest.mark.faults
def test_a_database_away_holds_offsets_and_goes_on(
    make_stack: MakeStack, fault_postgres: PostgresServer, line: Line
) -> None:
    stop_database(make_stack(), fault_postgres, line, seconds(120))


def test_a_database_away_for_a_moment_costs_nothing(
    make_stack: MakeStack, fault_postgres: PostgresServer, line: Line
) -> None:
    stop_database(make_stack(), fault_postgres, line, 1)


@pytest.mark.faults
def test_a_database_away_longer_than_the_poll_interval(
    make_stack: MakeStack, fault_postgres: PostgresServer, line: Line
) -> None:
    stack = make_stack(max_poll_interval_seconds=3, max_batch_events=50)
    stop_database(stack, fault_postgres, line, seconds(12, least=9), ", poll interval 3 s")


@pytest.mark.faults
@BOTH
def test_a_locked_table_holds_offsets_and_goes_on(make_stack: MakeStack, mirror: str, line: Line) -> None:
    duration = seconds(60, least=12)
    # A third: the default at full length, and always met more than once.
    stack = make_stack(database={"lock_timeout_seconds": duration / 3})
    stack.begin()
    worker = stack.workers[-1]
    with stack.load() as load:
        until(lambda: len(stack.ledger_ids()) > 100, what="some rows")
        with stack.locked():
            began, held = time.monotonic(), stack.held()
            until(lambda: "database" in (worker.failures() or {}), duration, what="readiness red")
            hold(began + duration - time.monotonic())
            assert "database" in (worker.failures() or {})
            assert stack.held() == held
            assert {tp for tp, at in stack.committed().items() if at > held.get(tp, 0)} == set()
        healed = time.monotonic()
        until(lambda: stack.held() != held, what="offsets move again")
        recovered(stack, worker, healed)
    what, timeout = LOCKED[mirror]
    line.fault = f"{what} locked for {duration:.0f} s under load"
    assert any(timeout in event.get("error", "") for event in worker.events())
    assert load.count(202) == len(load.outcomes)
    stack.judge()
    assert not worker.ended()
    assert stack.rows("SELECT * FROM dead_letters") == []


def kill_worker(stack: Stack, line: Line, count: int, failpoints: str, words: str) -> None:
    chance = random.Random(2)
    slowest = 0.0
    stack.begin(failpoints)
    with stack.load():
        for _ in range(count):
            worker = stack.workers[-1]
            if failpoints.startswith("exit"):
                assert worker.exit_code() == -signal.SIGKILL
            else:
                mirrored, more = len(stack.ledger_ids()), chance.randrange(1, 200)
                until(lambda goal=mirrored + more: len(stack.ledger_ids()) >= goal, what="rows")
                worker.kill()
            died = time.monotonic()
            mirrored = len(stack.ledger_ids())
            stack.worker(failpoints)
            until(lambda was=mirrored: len(stack.ledger_ids()) > was, what="rows again")
            slowest = max(slowest, time.monotonic() - died)
    stack.workers[-1].kill()
    stack.worker().wait_ready()
    line.fault, line.recovery = f"worker kill -9 {words}, {count} times", slowest
    stack.judge()


@pytest.mark.faults
@BOTH
def test_a_worker_killed_at_random_mirrors_every_receipt_once(make_stack: MakeStack, line: Line) -> None:
    kill_worker(make_stack(), line, times(20), "slow-database=0.05", "at random under load")


@pytest.mark.faults
@BOTH
def test_a_worker_killed_between_commit_and_ack_mirrors_every_receipt_once(
    make_stack: MakeStack, line: Line
) -> None:
    kill_worker(make_stack(), line, times(20), "exit-after-commit@3", "between COMMIT and ack")


@pytest.mark.faults
def test_sigterm_with_the_database_away_ends_soon_and_acks_nothing(
    make_stack: MakeStack, fault_postgres: PostgresServer, line: Line
) -> None:
    stack = make_stack()
    stack.begin()
    worker = stack.workers[-1]
    with stack.load():
        until(lambda: len(stack.ledger_ids()) > 100, what="some rows")
        fault_postgres.pause()
        try:
            hold(2)
            began = time.monotonic()
            worker.stop(STOP_SECONDS)
            took = time.monotonic() - began
        finally:
            fault_postgres.resume()
        ahead = {tp: at for tp, at in stack.committed().items() if at > stack.held().get(tp, 0)}
        assert ahead == {}
        healed = time.monotonic()
        recovered(stack, stack.worker(), healed)
    line.fault = f"worker SIGTERM with the database frozen: gone in {took:.1f} s"
    stack.judge()


@pytest.mark.faults
@BOTH
def test_an_exception_in_an_agent_ends_the_worker_and_moves_nothing(
    make_stack: MakeStack, line: Line
) -> None:
    stack = make_stack()
    stack.begin("raise-agent@5")
    with stack.load():
        code = stack.workers[-1].exit_code()
        held = stack.held()
        assert {tp: at for tp, at in stack.committed().items() if at > held.get(tp, 0)} == {}
        recovered(stack, stack.worker(), time.monotonic())
    line.fault = f"an exception in an agent under load: exit code {code}"
    assert code > 0
    stack.judge()


@pytest.mark.faults
def test_a_worker_that_joins_and_leaves_loses_nothing(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack()
    stack.begin()
    count = times(12)
    with stack.load():
        for _ in range(count):
            second = stack.worker().wait_ready()
            hold(5)
            assert second.stop() == 0
        recovered(stack, stack.workers[0], time.monotonic())
    line.fault = f"a second worker joins and leaves, {count} times"
    stack.judge()
    assert not stack.workers[0].ended()


@pytest.mark.faults
def test_a_zombies_late_write_is_refused_and_doubles_nothing(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack()
    # It sleeps before each transaction with the chunk in its hands: stopped after one, it holds the next.
    stack.begin("slow-database=1")
    zombie, duration = stack.workers[0], seconds(30, least=6)
    with stack.load():
        heir = stack.worker().wait_ready()
        until(lambda: zombie.failures() == {}, what="the share of the first")
        mirrored = partial(zombie.metric, "xtnd_worker_events_mirrored_total")
        before, refused = mirrored(), zombie.refused()
        until(lambda: mirrored() > before, what="rows by the first")
        zombie.signal(signal.SIGSTOP)
        hold(duration)
        zombie.signal(signal.SIGCONT)
        recovered(stack, zombie, time.monotonic())
        until(lambda: zombie.refused() > refused, what="the zombie's late write is refused")
    stack.settle()
    line.fault = f"one of two workers SIGSTOPped for {duration:.0f} s"
    line.notes.append(f"{zombie.refused():.0f} events of its late write refused")
    new = mirrored() + heir.metric("xtnd_worker_events_mirrored_total")
    known = sum(worker.metric("xtnd_worker_events_known_total") for worker in (zombie, heir))
    # One of them alone wrote each record: what the ledger knew already stands on Kafka twice.
    assert (new, new + known) == (len(stack.ledger_ids()), sum(stack.ends().values()))
    stack.judge()
    assert not zombie.ended()
    assert not heir.ended()


def poison(number: int, delivery_id: str) -> bytes:
    """Every thousandth delivery is one that cannot be mirrored, of one kind after the other."""
    if number % POISON_EVERY:
        return balance_body(number, delivery_id)
    kinds: list[dict[str, Any]] = [
        {"Balance": "many"},
        {"ProductNumber": "P\0"},
        {"ProductNumber": None},
        {"ProductNumber": "x" * 20_000},
    ]
    return balance_body(number, delivery_id, **kinds[number // POISON_EVERY % len(kinds)])


@pytest.mark.faults
@BOTH
def test_poison_is_parked_and_its_neighbours_are_not(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack()
    stack.begin()
    count = times(20_000, least=4000)
    with stack.load(500, body=poison) as load:
        until(lambda: load.count(202) >= count, 180, what="deliveries")
        direct = [stack.send_raw(value) for value in (None, b"\xff no JSON", b'{"foreign": true}')]
    offenders = [one for one in load.outcomes if len(one.body) != len(balance_body(1, one.delivery_id))]
    assert len(load.outcomes) >= count
    stack.settle()
    parked = stack.rows("SELECT kafka_topic, kafka_partition, kafka_offset, reason FROM dead_letters")
    bad = sum(b'"Balance": "many"' in one.body or b"\\u0000" in one.body for one in offenders)
    bad += sum(b"null" in one.body or b"xxxx" in one.body for one in offenders)
    line.fault = "poison 1 in 1,000, and three bad records put on Kafka"
    line.notes.append(", ".join(f"{n} {why}" for why, n in sorted(Counter(row[3] for row in parked).items())))
    assert len(parked) == bad + len(direct)
    assert all(row[3] for row in parked)
    assert {row[2] for row in parked} >= set(direct)
    stack.judge(told=bad)


@pytest.mark.faults
def test_a_slow_database_is_waited_for_without_growth(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack(max_batch_events=20)
    stack.begin("slow-database=1")
    duration = seconds(60, least=12)
    line.fault = f"database slow for {duration:.0f} s: 1 s a transaction"
    # Heavy enough that fetching what cannot be written yet would be seen.
    with stack.load(200, body=partial(balance_body, padding=20_000)), stack.flat_memory():
        hold(duration)
    stack.workers[-1].kill()
    began = time.monotonic()
    stack.worker().wait_ready()
    stack.wait_caught_up(DRAIN_SECONDS)
    line.recovery = time.monotonic() - began
    stack.judge()


@pytest.mark.faults
@BOTH
def test_a_group_offset_forced_forward_is_read_again(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack()
    stack.begin()
    with stack.load() as load:
        until(lambda: len(stack.ledger_ids()) > 100, what="some rows")
        assert stack.workers[-1].stop() == 0
        mirrored = load.count(202)
        until(lambda: load.count(202) > mirrored + 300, what="records that nobody has read")
        ends = {tp: OffsetAndMetadata(end, "", -1) for tp, end in stack.ends().items() if end}
        forced: dict[TopicPartition, OffsetAndMetadata] = dict(ends)
        stack.admin.alter_group_offsets(stack.config.worker.group, forced)
        recovered(stack, stack.worker(), time.monotonic())
    line.fault = "Kafka's group offset forced to the end of every log"
    stack.judge()


@pytest.mark.faults
def test_the_same_stream_gives_equal_tables_in_sqlite_and_postgresql(
    make_stack: MakeStack, line: Line
) -> None:
    stack = make_stack()
    stack.begin()
    file = stack.folder / "second" / "connector.yaml"
    file.parent.mkdir()
    for other in stack.config_dir.iterdir():
        (file.parent / other.name).write_bytes(other.read_bytes())
    data = yaml.safe_load(file.read_text())
    data["worker"]["group"] += "second"
    file.write_text(yaml.safe_dump(data))
    url = f"sqlite:///{stack.folder / 'second.db'}"
    second: Any = SimpleNamespace(
        folder=stack.folder, config_dir=file.parent, environ=stack.environ | {"DATABASE_URL": url}
    )
    stack.workers.append(WorkerProcess(second, "", "second").wait_ready())
    with stack.load(300) as load:
        until(lambda: load.count(202) > times(10_000), 120, what="deliveries")
    stack.settle()
    wanted = stack.dump()
    began = time.monotonic()
    until(partial(equal, stack, url, wanted), what="equal tables")
    line.recovery = time.monotonic() - began
    line.fault = "the same stream into SQLite and PostgreSQL: equal tables"
    stack.judge()


def equal(stack: Stack, url: str, wanted: dict[str, Any]) -> bool:
    return stack.dump(url) == wanted
