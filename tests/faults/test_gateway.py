"""The gateway killed, starved, flooded, and with its disk full, torn or slow."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from connector.local.broker import KafkaBroker
from tests.faults.conftest import MakeStack
from tests.faults.harness import CLOSED, DRAIN_SECONDS, Stack, balance_body, hold
from tests.faults.report import TIMEOUT_SECONDS, Line, seconds, times
from tests.gateways import Wire
from tests.integration import test_gateway_fuzz as fuzz
from tests.pauses import awake
from tests.servers import pause, resume
from tests.workers import until

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)

UP_SECONDS = 5.0
ANSWER_SECONDS = 3.0
# A worker gives a broker that is frozen 4 s to answer.
RED_SECONDS = 6.0
PADDING = 40_000
# Heavy enough that holding what cannot be passed on would be seen.
HEAVY = partial(balance_body, padding=20_000)
SLOW_FSYNC_MICROSECONDS = 500_000


def kill_gateway(stack: Stack, line: Line, count: int) -> None:
    chance = random.Random(1)
    slowest = 0.0
    stack.begin()
    with stack.kept(), stack.load() as load:
        for _ in range(count):
            until(partial(load.accepted_since, time.monotonic()), what="it takes deliveries")
            hold(chance.uniform(0.1, 2))
            began, began_awake = time.monotonic(), awake()
            stack.gateways[-1].kill()
            until(partial(load.accepted_since, began), what="a 2xx after the kill")
            slowest = max(slowest, awake() - began_awake)
    line.fault, line.recovery = f"gateway kill -9 under load, {count} times", slowest
    stack.judge(may_refuse=(CLOSED,))
    assert slowest < UP_SECONDS


@pytest.mark.faults
def test_a_gateway_killed_at_random_keeps_every_receipt(make_stack: MakeStack, line: Line) -> None:
    kill_gateway(make_stack(), line, times(20))


def test_a_gateway_killed_once_keeps_every_receipt(make_stack: MakeStack, line: Line) -> None:
    kill_gateway(make_stack(), line, 1)


def broker_away(stack: Stack, broker: KafkaBroker, line: Line, how: str, duration: float) -> None:
    stack.begin()
    worker = stack.workers[-1]
    with stack.load() as load:
        until(partial(load.accepted_since, time.monotonic()), what="it takes deliveries")
        began = time.monotonic()
        if how == "killed":
            broker.kill()
        else:
            pause(broker.pid)
        if duration >= RED_SECONDS:
            until(lambda: "kafka" in (worker.failures() or {}), duration, what="readiness red")
        hold(began + duration - time.monotonic())
        if how == "killed":
            broker.start()
        else:
            resume(broker.pid)
        healed = time.monotonic()
        broker.wait_ready(60)
        until(stack.drained, what="the spool is drained")
        line.recovery = time.monotonic() - healed
        until(lambda: worker.failures() == {}, what="readiness green again")
    line.fault = f"broker {how} for {duration:.0f} s under load"
    stack.judge()
    assert not worker.ended()
    assert line.longest_answer is not None
    assert line.longest_answer < ANSWER_SECONDS


@pytest.mark.faults
@pytest.mark.parametrize("how", ["killed", "SIGSTOPped"])
def test_a_broker_away_is_felt_by_no_sender(
    make_stack: MakeStack, broker: KafkaBroker, line: Line, how: str
) -> None:
    broker_away(make_stack(), broker, line, how, seconds(60))


def test_a_broker_frozen_for_a_moment_is_felt_by_no_sender(
    make_stack: MakeStack, broker: KafkaBroker, line: Line
) -> None:
    broker_away(make_stack(), broker, line, "SIGSTOPped", 3)


@pytest.mark.faults
def test_a_gateway_started_without_a_broker_spools_and_drains(
    make_stack: MakeStack, broker: KafkaBroker, line: Line
) -> None:
    stack = make_stack()
    broker.kill()
    gateway = stack.gateway().wait_up()
    with stack.load() as load:
        until(lambda: load.count(202) >= 300, what="deliveries spooled")
        assert gateway.metric("xtnd_gateway_spool_deliveries") >= 300
        broker.start()
        broker.wait_ready(60)
        healed = time.monotonic()
        until(stack.drained, what="the spool is drained")
        line.recovery = time.monotonic() - healed
    line.fault = "gateway started while the broker is away"
    stack.worker().wait_ready()
    stack.judge()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 16 MiB; None where none may be mounted."""
    folder = tmp_path / "spool"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True, check=False
    )
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.faults
def test_a_full_spool_disk_refuses_and_takes_up_again(
    make_stack: MakeStack, broker: KafkaBroker, line: Line, small_disk: Path | None
) -> None:
    stack = make_stack(gateway={} if small_disk else {"spool_max_bytes": 8_388_608})
    line.fault = f"spool disk full ({'tmpfs of 16 MiB' if small_disk else 'size cap of 8 MiB'}), broker away"
    stack.begin()
    pause(broker.pid)
    with stack.load(50, body=partial(balance_body, padding=PADDING)) as load:
        until(lambda: load.count(503) > 50, what="deliveries refused")
        if small_disk:  # measured every two seconds
            unready = '"ready":false'
            until(lambda: unready in stack.gateways[-1].page("readyz"), what="readiness red")
        resume(broker.pid)
        healed = time.monotonic()
        until(partial(load.accepted_since, healed), what="it takes deliveries again")
        line.recovery = time.monotonic() - healed
        until(stack.drained, what="the spool is drained")
    line.notes.append(f"{load.count(503)} refused with 503")
    stack.judge(may_refuse=(503,))


@pytest.mark.faults
def test_a_torn_spool_gives_what_is_whole_and_reports_the_rest(
    make_stack: MakeStack, broker: KafkaBroker, line: Line
) -> None:
    stack = make_stack()
    stack.begin()
    pause(broker.pid)
    with stack.load(body=partial(balance_body, padding=1000)) as load:
        until(lambda: load.count(202) >= 500, what="deliveries spooled")
    # Once all are answered: one whose answer the kill cut off could be among the torn, and is not lost then.
    stack.gateways[-1].kill()
    with closing(sqlite3.connect(stack.spool)) as spool:
        spooled = spool.execute("SELECT COUNT(*) FROM spool").fetchone()[0]
        spool.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    os.truncate(stack.spool, stack.spool.stat().st_size - 50_000)
    resume(broker.pid)
    began = time.monotonic()
    gateway = stack.gateway().wait_up()
    unreadable = int(gateway.metric("xtnd_gateway_spool_damaged_total"))
    line.fault = f"spool file of {spooled} deliveries torn 50 kB before its end"
    line.notes.append(f"{unreadable} unreadable, reported, kept aside")
    assert 0 < unreadable < spooled / 2
    until(stack.drained, what="the spool is drained")
    line.recovery = time.monotonic() - began
    stack.judge(told=unreadable)


@pytest.mark.faults
def test_a_write_torn_by_a_crash_costs_no_receipt(
    make_stack: MakeStack, broker: KafkaBroker, line: Line
) -> None:
    """What a crash leaves behind the last fsync: half of a frame."""
    stack = make_stack()
    stack.begin()
    pause(broker.pid)
    with stack.load() as load:
        until(lambda: load.count(202) >= 300, what="deliveries spooled")
        stack.gateways[-1].kill()
    with Path(f"{stack.spool}-wal").open("ab") as log:
        log.write(random.Random(1).randbytes(3000))
    resume(broker.pid)
    began = time.monotonic()
    stack.gateway().wait_up()
    until(stack.drained, what="the spool is drained")
    line.fault, line.recovery = "half a write at the end of the spool's log", time.monotonic() - began
    stack.judge(may_refuse=(CLOSED,))


@pytest.mark.faults
def test_a_slow_broker_is_answered_with_limits_not_growth(
    make_stack: MakeStack, broker: KafkaBroker, line: Line
) -> None:
    stack = make_stack(gateway={"max_requests_in_flight": 50})
    stack.begin()
    duration = seconds(60, least=12)
    line.fault = f"broker slow for {duration:.0f} s: frozen 1.5 s of 1.8 s"
    end = time.monotonic() + duration
    with stack.load(200, body=HEAVY) as load, stack.flat_memory():
        while time.monotonic() < end:
            pause(broker.pid)
            hold(1.5)
            resume(broker.pid)
            hold(0.3)
    line.notes.append(f"{load.count(429)} answered 429")
    healed = time.monotonic()
    until(stack.drained, what="the spool is drained")
    line.recovery = time.monotonic() - healed
    stack.judge(may_refuse=(429, 503))


@pytest.mark.faults
@pytest.mark.skipif(shutil.which("strace") is None, reason="slows the disk with strace")
def test_a_slow_disk_is_answered_with_limits_not_growth(
    make_stack: MakeStack, broker: KafkaBroker, line: Line
) -> None:
    stack = make_stack(gateway={"max_requests_in_flight": 50})
    calls = "fsync,fdatasync"
    slow = f"inject={calls}:delay_enter={SLOW_FSYNC_MICROSECONDS}"
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", slow]
    stack.worker().wait_ready()
    stack.gateway(*words).wait_up().wait_kafka()
    duration = seconds(60, least=20)
    line.fault = f"disk slow for {duration:.0f} s: each fsync takes 0.5 s more, broker away"
    pause(broker.pid)
    with stack.load(200, body=HEAVY) as load, stack.flat_memory():
        hold(duration)
    resume(broker.pid)
    healed = time.monotonic()
    line.notes.append(f"{load.count(429)} answered 429, {load.count(503)} 503")
    assert load.count(429) > 0
    until(stack.drained, DRAIN_SECONDS, what="the spool is drained")
    line.recovery = time.monotonic() - healed
    stack.judge(may_refuse=(429, 503))


@pytest.mark.faults
def test_a_rotation_of_secrets_refuses_neither(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack()
    former, new = stack.environ["XTND_WEBHOOK_SECRET"], uuid.uuid4().hex
    stack.begin()
    with stack.load() as first:
        until(lambda: first.count(202) > 200, what="deliveries with the former secret")
        stack.gateways[-1].stop()
        listed = {"XTND_WEBHOOK_SECRET": new, "XTND_WEBHOOK_FORMER_SECRET": former}
        stack.gateway(**listed).wait_up()
        restarted = time.monotonic()
        until(partial(first.accepted_since, restarted), what="the former secret is good")
        with stack.load(secrets=(former, new)) as both:
            until(lambda: both.count(202) > 400, what="deliveries with both secrets")
            hold(seconds(10))
    line.fault = "secret rotation under load: former, both listed"
    line.notes.append(f"{first.count(401) + both.count(401)} answered 401")
    assert (first.count(401), both.count(401)) == (0, 0)
    assert Counter(one.status for one in both.outcomes).keys() == {202}
    stack.judge(may_refuse=(CLOSED, 503))


@pytest.mark.faults
def test_fuzzed_requests_neither_fail_nor_grow_it(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack(gateway={"request_deadline_seconds": 0.3})
    stack.environ["XTND_WEBHOOK_FORMER_SECRET"] = fuzz.SECRET
    stack.begin()
    count = times(10_000, least=3000)

    def attack(seed: int) -> Counter[int]:
        chance = random.Random(seed)
        statuses: Counter[int] = Counter()
        for _ in range(count // 16):
            with Wire(stack.port) as wire:
                statuses[wire.send(fuzz.attempt(chance)).answer().status] += 1
        return statuses

    line.fault = f"{count} fuzzed requests beside good ones"
    with stack.load(20), stack.flat_memory(), ThreadPoolExecutor(16) as pool:
        seen = sum(pool.map(attack, range(16)), Counter())
    line.notes.append(", ".join(f"{status}: {number}" for status, number in sorted(seen.items())))
    assert seen.keys() <= fuzz.EXPECTED
    assert stack.gateways[-1].process.poll() is None
    stack.judge()


@pytest.mark.faults
def test_a_gateway_that_is_frozen_goes_on(make_stack: MakeStack, line: Line) -> None:
    stack = make_stack()
    stack.begin()
    with stack.load() as load:
        until(lambda: load.count(202) > 50, what="it takes deliveries")
        stack.gateways[-1].process.send_signal(signal.SIGSTOP)
        hold(2)
        stack.gateways[-1].process.send_signal(signal.SIGCONT)
        healed = time.monotonic()
        until(partial(load.accepted_since, healed), what="it takes deliveries again")
        line.recovery = time.monotonic() - healed
    line.fault = "gateway SIGSTOPped for 2 s"
    stack.judge(may_refuse=(CLOSED, 408, 503))
