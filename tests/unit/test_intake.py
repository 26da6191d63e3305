"""The intake: Kafka first, the spool behind it, and the way back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from connector.errors import KafkaOutage, Outage, SpoolOutage
from connector.gateway.intake import Intake
from connector.kafka.lanes import Done
from connector.kafka.record import Record
from connector.spool.drain import Drain
from connector.spool.spool import Spool

DEADLINE = 5.0


def records(number: int) -> list[Record]:
    return [Record("t", b"k", b"%d" % number, [], "orders")]


class Broker:
    """A stand-in for the publisher that is up or away on command."""

    def __init__(self, *, up: bool = True, known: bool = True) -> None:
        self.up = up
        self.known = known
        self.landed: list[bytes] = []
        self.tries = 0
        self.changed = asyncio.Event()

    def trouble(self) -> str | None:
        return "away" if not self.up and self.known else None

    def submit(self, records: Sequence[Record], done: Done) -> None:
        if trouble := self.trouble():
            raise KafkaOutage(trouble)
        task = asyncio.ensure_future(self.publish(records))
        task.add_done_callback(lambda ended: done(ended.exception()))  # type: ignore[arg-type]

    async def publish(self, records: Sequence[Record]) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        self.changed.set()
        if not self.up:
            raise KafkaOutage("away")
        self.landed += [record.value for record in records]


def intake(tmp_path: Path, broker: Broker, max_bytes: int = 1_000_000) -> tuple[Intake, Spool]:
    spool = Spool(tmp_path / "spool.db", max_bytes=max_bytes)
    spool.open()
    return Intake(broker, spool, spool_timeout_seconds=2), spool


def draining(broker: Broker, spool: Spool) -> "asyncio.Task[None]":
    return asyncio.create_task(Drain(broker, spool, pause=lambda _: 0).run())


async def accepted(door: Intake, given: Sequence[Record]) -> None:
    """Return when the intake says that the records are safe; raises what it says instead."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: Exception | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    door.submit(given, done)
    await future


async def eventually(broker: Broker, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while len(broker.landed) < count:
            broker.changed.clear()
            await broker.changed.wait()


def test_kafka_alone_takes_while_it_is_up(tmp_path: Path) -> None:
    async def act() -> None:
        broker = Broker()
        door, spool = intake(tmp_path, broker)
        await accepted(door, records(1))
        assert broker.landed == [b"1"]
        assert spool.deliveries == 0

    asyncio.run(act())


def test_the_spool_takes_what_kafka_refuses_and_drains_it_in_order(tmp_path: Path) -> None:
    async def act() -> None:
        broker = Broker(up=False, known=False)
        door, spool = intake(tmp_path, broker)
        for number in range(450):
            await accepted(door, records(number))
        assert spool.deliveries == 450
        drainer = draining(broker, spool)
        broker.up = True
        await eventually(broker, 450)
        assert [int(value) for value in broker.landed] == list(range(450))
        drainer.cancel()

    asyncio.run(act())


def test_kafka_is_not_tried_while_it_is_known_to_be_away(tmp_path: Path) -> None:
    async def act() -> None:
        broker = Broker(up=False, known=True)
        door, spool = intake(tmp_path, broker)
        await accepted(door, records(1))
        assert broker.tries == 0
        assert spool.deliveries == 1

    asyncio.run(act())


def test_neither_kafka_nor_spool_is_an_outage(tmp_path: Path) -> None:
    async def act() -> None:
        door, _ = intake(tmp_path, Broker(up=False), max_bytes=5)
        with pytest.raises(SpoolOutage):
            await accepted(door, records(1))

    asyncio.run(act())


def test_a_disk_that_does_not_answer_is_an_outage_in_time(tmp_path: Path) -> None:
    async def act() -> None:
        broker = Broker(up=False)
        spool = Spool(tmp_path / "spool.db", max_bytes=1_000_000)
        spool.open()
        stuck: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def never(_records: Sequence[Record]) -> None:
            await stuck

        spool.put = never  # type: ignore[method-assign]
        door = Intake(broker, spool, spool_timeout_seconds=0.01)
        with pytest.raises(Outage, match="disk"):
            await accepted(door, records(1))

    asyncio.run(act())


def test_draining_forgets_only_what_kafka_has(tmp_path: Path) -> None:
    async def act() -> None:
        broker = Broker(up=False)
        door, spool = intake(tmp_path, broker)
        for number in range(10):
            await accepted(door, records(number))
        broker.up = True
        refused = {b"3", b"7"}
        real = broker.publish

        async def picky(wanted: Sequence[Record]) -> None:
            if wanted[0].value in refused:
                refused.discard(wanted[0].value)
                broker.changed.set()
                raise KafkaOutage("not now")
            await real(wanted)

        broker.publish = picky  # type: ignore[method-assign]
        drainer = draining(broker, spool)
        await eventually(broker, 10)
        assert sorted(broker.landed) == [b"%d" % number for number in range(10)]
        drainer.cancel()
        assert spool.deliveries <= 2

    asyncio.run(act())


def test_what_waited_in_the_spool_at_the_start_is_drained(tmp_path: Path) -> None:
    async def before() -> None:
        door, spool = intake(tmp_path, Broker(up=False))
        await accepted(door, records(1))
        await spool.close()

    async def after() -> None:
        broker = Broker()
        _, spool = intake(tmp_path, broker)
        drainer = draining(broker, spool)
        await eventually(broker, 1)
        drainer.cancel()

    asyncio.run(before())
    asyncio.run(after())
