"""The way from the spool to Kafka: all that can go goes, the rest is kept, nothing blocks the rest."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import KafkaOutage, RecordRefused
from connector.gateway.intake import Intake
from connector.kafka.lanes import Done
from connector.kafka.record import Record
from connector.spool.drain import STUCK_SECONDS, TRIAL_ROWS, WINDOW_BYTES, Drain
from connector.spool.rows import Spooled
from connector.spool.spool import Spool
from tests.unit.test_spool import old_spool

DEADLINE = 20.0
MIB = 1_048_576


def record(name: str, topic: str = "orders", size: int = 0) -> Record:
    return Record(topic, b"k", name.encode() + b"." * size, [], "orders")


class Broker:
    """A stand-in for the publisher: what happens to a record is decided by a function."""

    def __init__(self, fate: Callable[[Record], Exception | None] = lambda _record: None) -> None:
        self.fate = fate
        self.away: str | None = None
        self.holds = 64 * MIB
        self.landed: Counter[bytes] = Counter()
        self.tries: list[bytes] = []
        self.in_flight = self.most_under_way = self.most_bytes = 0

    def trouble(self) -> str | None:
        return self.away

    def submit(self, records: Sequence[Record], done: Done) -> None:
        task = asyncio.ensure_future(self.publish(records))
        task.add_done_callback(lambda ended: done(ended.exception()))  # type: ignore[arg-type]

    async def publish(self, records: Sequence[Record]) -> None:
        size = sum(one.size for one in records)
        self.in_flight += size
        self.most_bytes = max(self.most_bytes, self.in_flight)
        self.tries.append(records[0].value)
        try:
            await asyncio.sleep(0)
            if self.away:
                raise KafkaOutage(self.away)
            if size > self.holds:
                raise KafkaOutage("too much")
            fates = [self.fate(one) for one in records]
            for one, fate in zip(records, fates, strict=True):
                if fate is None:
                    self.landed[one.value] += 1
            for fate in fates:
                if fate is not None:
                    raise fate
        finally:
            self.in_flight -= size


def fails(*names: str, error: type[Exception] = KafkaOutage) -> Callable[[Record], Exception | None]:
    values = {name.encode() for name in names}
    return lambda one: error("no") if one.value.rstrip(b".") in values else None


def of_topic(*topics: str) -> Callable[[Record], Exception | None]:
    return lambda one: KafkaOutage(f"no topic {one.topic}") if one.topic in topics else None


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - any of several things may make it true
            await asyncio.sleep(0.002)


def draining(
    tmp_path: Path,
    broker: Broker,
    deliveries: Iterable[Sequence[Record]],
    act: Callable[[Spool, Drain], Coroutine[Any, Any, Any]],
    monotonic: Callable[[], float] | None = None,
) -> Any:
    """Run ``act`` beside a drain of a real spool file that holds the deliveries."""

    async def whole() -> Any:
        spool = Spool(tmp_path / "spool.db", max_bytes=256 * MIB)
        spool.open()
        drain = Drain(broker, spool, pause=lambda _: 0, **({"monotonic": monotonic} if monotonic else {}))
        for records in deliveries:
            await spool.put(records)
        running = asyncio.create_task(drain.run())
        try:
            return await act(spool, drain)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await spool.close()

    return asyncio.run(whole())


def set_aside(tmp_path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(tmp_path / "spool.db")
    found = connection.execute("SELECT reason, error FROM set_aside ORDER BY id").fetchall()
    connection.close()
    return found


def test_a_row_that_kafka_never_acknowledges_blocks_nothing_behind_it(tmp_path: Path) -> None:
    broker = Broker(fails(*(f"bad{n}" for n in range(3 * TRIAL_ROWS))))
    deliveries = [[record(f"bad{n}")] for n in range(3 * TRIAL_ROWS)] + [[record(f"{n}")] for n in range(83)]

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: len(broker.landed) == 83)
        await until(lambda: spool.deliveries == 3 * TRIAL_ROWS)
        broker.fate = lambda _record: None
        await until(lambda: spool.deliveries == 0)

    draining(tmp_path, broker, deliveries, act)


def test_a_missing_topic_holds_up_its_own_deliveries_alone(tmp_path: Path) -> None:
    broker = Broker(of_topic("orders"))
    deliveries = [[record(f"o{n}"), record(f"b{n}", "balances")] for n in range(2000)]

    async def act(spool: Spool, _drain: Drain) -> int:
        await until(lambda: spool.waiting == {"orders": 2000})
        tries = sum(one.startswith(b"o") for one in broker.tries)
        broker.fate = lambda _record: None
        await until(lambda: spool.deliveries == 0)
        return tries

    draining(tmp_path, broker, deliveries, act)
    assert set(broker.landed.values()) == {1}
    assert len(broker.landed) == 4000


def test_a_delivery_above_all_limits_passes_in_portions(tmp_path: Path) -> None:
    large = [record(f"{n}", size=100_000) for n in range(400)]
    broker = Broker()

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.deliveries == 0)

    draining(tmp_path, broker, [large, [record("small")]], act)
    assert len(broker.landed) == 401
    assert broker.most_bytes <= WINDOW_BYTES * 1.2


def test_a_row_of_the_first_version_that_the_publisher_never_holds_does_not_block_the_rest(
    tmp_path: Path,
) -> None:
    large = [record(f"{n}", size=100_000) for n in range(400)]
    old_spool(tmp_path / "spool.db", [large, *([record(f"good{n}")] for n in range(83))])
    broker = Broker()
    broker.holds = 8 * MIB

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.deliveries == 0)

    draining(tmp_path, broker, [], act)
    assert len(broker.landed) == 483


def test_a_drain_that_trips_over_a_bug_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    real, faults = Spool.page, [ZeroDivisionError(), ZeroDivisionError()]

    async def page(spool: Spool, topic: str, after: int, *, rows: int, size: int) -> list[Spooled]:
        if faults:
            raise faults.pop()
        return await real(spool, topic, after, rows=rows, size=size)

    monkeypatch.setattr(Spool, "page", page)

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.deliveries == 0)

    draining(tmp_path, broker, [[record("x")]], act)
    assert not faults


def test_a_refused_record_is_set_aside_and_its_neighbours_go(tmp_path: Path) -> None:
    broker = Broker(fails("bad", "worse", error=RecordRefused))
    deliveries = [[record("a"), record("bad"), record("b"), record("worse"), record("c")], [record("d")]]

    async def act(spool: Spool, _drain: Drain) -> None:
        with structlog.testing.capture_logs() as logs:
            await until(lambda: spool.deliveries == 0)
        assert spool.set_aside_rows == 2
        assert [one["log_level"] for one in logs if "set aside" in one["event"]] == ["error"]

    draining(tmp_path, broker, deliveries, act)
    assert set(broker.landed) == {b"a", b"b", b"c", b"d"}
    assert set_aside(tmp_path) == [("refused", "no"), ("refused", "no")]


def test_what_kafka_refused_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    broker = Broker(fails("bad", error=RecordRefused))

    async def until_empty(spool: Spool, _drain: Drain) -> int:
        await until(lambda: spool.deliveries == 0)
        return spool.set_aside_rows

    assert draining(tmp_path, broker, [[record("bad")]], until_empty) == 1
    broker.fate = lambda _record: None
    assert draining(tmp_path, broker, [], until_empty) == 0
    assert broker.landed == {b"bad": 1}


def test_refusals_of_a_topic_are_logged_once_and_then_in_growing_steps(tmp_path: Path) -> None:
    """A topic whose limit was lowered refuses every delivery: each of them was an ERROR line."""
    broker = Broker(lambda one: RecordRefused("no") if one.topic != "products" else None)
    now = [0.0]
    deliveries = [
        [record(f"{topic}{n}", topic)] for n in range(40) for topic in ("orders", "offers", "products")
    ]

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.set_aside_rows == 80 and spool.deliveries == 0)
        now[0] += 11
        await spool.put([record("later", "orders")])
        await until(lambda: spool.set_aside_rows == 81)

    with structlog.testing.capture_logs() as logs:
        draining(tmp_path, broker, deliveries, act, lambda: now[0])
    lines = [(one["topic"], one["suppressed"]) for one in logs if "set aside" in one["event"]]
    assert lines == [("orders", None), ("offers", None), ("orders", 39)]


def test_an_unreadable_row_is_set_aside_and_the_rest_goes(tmp_path: Path) -> None:
    broker = Broker()

    async def store(spool: Spool, _drain: Drain) -> None:
        await until(lambda: broker.tries)

    broker.away = "away"
    draining(tmp_path, broker, [[record(f"{n}")] for n in range(20)], store)
    connection = sqlite3.connect(tmp_path / "spool.db")
    connection.execute("UPDATE spool SET records = x'00' WHERE id IN (1, 7)")
    connection.commit()
    connection.close()
    broker.away = None

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.deliveries == 0)
        assert spool.set_aside_rows == 2

    draining(tmp_path, broker, [], act)
    assert len(broker.landed) == 18
    assert [reason for reason, _ in set_aside(tmp_path)] == ["unreadable", "unreadable"]


def test_a_bug_in_publishing_one_row_does_not_stop_the_drain(tmp_path: Path) -> None:
    broker = Broker(fails("odd", error=ZeroDivisionError))

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.deliveries == 1 and len(broker.landed) == 30)

    draining(tmp_path, broker, [[record("odd")], *([record(f"{n}")] for n in range(30))], act)


def test_one_row_at_a_time_finds_out_whether_kafka_is_back(tmp_path: Path) -> None:
    broker = Broker()
    broker.away = "away"
    deliveries = [[record(f"{topic}{n}", topic)] for n in range(50) for topic in ("a", "b", "c")]

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: len(broker.tries) > 20)
        assert broker.most_bytes < 2 * record("a1", "a").size
        assert {one[:1] for one in broker.tries} == {b"a", b"b", b"c"}
        broker.away = None
        await until(lambda: spool.deliveries == 0)

    draining(tmp_path, broker, deliveries, act)


def test_an_oldest_row_that_does_not_move_is_reported_with_the_reason(tmp_path: Path) -> None:
    now = 0.0
    broker = Broker(of_topic("orders"))

    async def act(spool: Spool, drain: Drain) -> None:
        nonlocal now
        await until(lambda: spool.waiting == {"orders": 1})
        assert drain.stuck() is None
        now = STUCK_SECONDS + 1
        stuck = drain.stuck()
        assert stuck is not None
        assert "topic orders" in stuck
        assert "no topic orders" in stuck
        assert "connector check" in stuck
        broker.fate = lambda _record: None
        await until(lambda: spool.deliveries == 0)
        assert drain.stuck() is None

    draining(tmp_path, broker, [[record("x")], [record("y", "balances")]], act, monotonic=lambda: now)


def test_a_spool_that_moves_is_not_stuck_however_old_it_is(tmp_path: Path) -> None:
    now = 0.0
    broker = Broker()

    async def act(spool: Spool, drain: Drain) -> None:
        nonlocal now
        for number in range(10):
            await spool.put([record(f"x{number}")])
            assert drain.stuck() is None
            await until(lambda: spool.deliveries == 0)
            now += STUCK_SECONDS
            assert drain.stuck() is None

    draining(tmp_path, broker, [], act, monotonic=lambda: now)


def test_what_was_set_aside_is_reported(tmp_path: Path) -> None:
    async def act() -> None:
        broker = Broker(fails("bad", error=RecordRefused))
        spool = Spool(tmp_path / "spool.db", max_bytes=MIB)
        spool.open()
        intake = Intake(broker, spool, spool_timeout_seconds=2)
        drain = Drain(broker, spool, pause=lambda _: 0)
        assert drain.trouble() is None
        kept: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        intake.submit([record("good"), record("bad")], kept.set_result)
        assert await kept is None
        drainer = asyncio.create_task(drain.run())
        await until(lambda: spool.set_aside_rows == 1)
        assert "1 rows of the spool can never go" in (drain.trouble() or "")
        assert broker.landed[b"good"] >= 1
        drainer.cancel()
        await asyncio.gather(drainer, return_exceptions=True)
        await spool.close()

    asyncio.run(act())


Fate = tuple[str, int]
FATES = st.one_of(
    st.just(("goes", 0)), st.tuples(st.just("fails"), st.integers(1, 4)), st.just(("refused", 0))
)


@settings(max_examples=60)
@given(
    deliveries=st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), FATES), min_size=1, max_size=4), min_size=1, max_size=12
    )
)
def test_whatever_fails_all_that_can_go_goes_and_the_rest_is_set_aside(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[list[tuple[str, Fate]]]
) -> None:
    fates: dict[bytes, Fate] = {}
    spooled = []
    for number, delivery in enumerate(deliveries):
        records = []
        for index, (topic, fate) in enumerate(delivery):
            one = record(f"{number}:{index}", topic)
            fates[one.value] = fate
            records.append(one)
        spooled.append(records)

    def fate(one: Record) -> Exception | None:
        kind, left = fates[one.value]
        if kind == "fails" and left:
            fates[one.value] = (kind, left - 1)
            return KafkaOutage("later")
        return RecordRefused("never") if kind == "refused" else None

    broker = Broker(fate)

    async def act(spool: Spool, _drain: Drain) -> None:
        await until(lambda: spool.deliveries == 0)

    folder = tmp_path_factory.mktemp("drain")
    draining(folder, broker, spooled, act)
    never = {value for value, (kind, _) in fates.items() if kind == "refused"}
    assert set(broker.landed) == set(fates) - never
    assert len(set_aside(folder)) == len(never)
