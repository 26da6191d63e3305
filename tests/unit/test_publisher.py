"""What the publisher gathers, ships and answers; the producer's sender is a puppet of the test."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import NotLeaderForPartitionError, OutOfOrderSequenceNumberError
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.record_accumulator import RecordAccumulator

from connector import config
from connector.errors import KafkaOutage
from connector.gateway import batches
from connector.gateway import publisher as publishing
from connector.gateway.publisher import Publisher
from connector.gateway.records import Record

TOPIC = "xtnd.orders"
ROOT = Path(__file__).parents[2]
ENVIRON = {"XTND_WEBHOOK_SECRET": "0123456789ABCDEF" * 2, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
ACK_SECONDS = 0.3


class Puppet:
    """As much of a KafkaProducer as the publisher uses; ``answer`` is the broker's."""

    def __init__(self) -> None:
        self.config = {"compression_attrs": 0, "batch_size": 65_536}
        self._accumulator = RecordAccumulator(**self.config)
        self._metadata = SimpleNamespace(_partitions={TOPIC: dict.fromkeys(range(12))})
        self._woken = asyncio.Event()
        self._sender = SimpleNamespace(wakeup=self._woken.set)

    def drain(self) -> list[ProducerBatch]:
        """The batches that were shipped since the last call."""
        queues = self._accumulator._batches.values()
        return [queue.popleft() for queue in queues for _ in range(len(queue))]

    async def shipped(self) -> list[ProducerBatch]:
        """Wait for the next shipment."""
        while not (found := self.drain()):
            self._woken.clear()
            await self._woken.wait()
        return found


def answer(batches: list[ProducerBatch], error: Exception | None = None) -> None:
    for batch in batches:
        if error is None:
            batch.complete(0, -1)
        else:
            batch.complete_exceptionally(error, lambda _index: error)


def play(act: Callable[[Publisher, Puppet], Awaitable[None]]) -> None:
    """Run ``act`` with a publisher that has a producer and never looks for another."""

    async def both() -> None:
        patient = {"gateway.ack_timeout_seconds": ACK_SECONDS}
        publisher: Any = Publisher(config.load(ROOT / "config", ENVIRON, patient))
        publisher._loop = asyncio.get_running_loop()
        puppet = Puppet()
        publisher._keeper.producer = puppet
        await asyncio.wait_for(act(publisher, puppet), 10)

    asyncio.run(both())


def record(key: bytes = b"8684", size: int = 100) -> Record:
    return Record(TOPIC, key, bytes(size), [("content-type", b"application/json")], "orders")


def taken(publisher: Publisher, *records: Record) -> "asyncio.Task[None]":
    return asyncio.create_task(publisher.take(records or [record()]))


def counts(batches: list[ProducerBatch]) -> list[int]:
    return [batch.record_count for batch in batches]


def test_deliveries_that_come_together_are_one_batch_of_a_partition() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        tasks = [taken(publisher) for _ in range(5)]
        batches = await puppet.shipped()
        assert counts(batches) == [5]
        assert not any(task.done() for task in tasks)
        answer(batches)
        await asyncio.gather(*tasks)
        assert publisher.trouble() is None
        assert publisher._held_bytes == 0
        assert not publisher._held

    play(act)


def test_a_delivery_is_answered_once_all_of_its_partitions_are() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        task = taken(publisher, record(b"21"), record(b"foobar"), record(b"21"))
        first, second = await puppet.shipped()
        answer([first])
        await asyncio.sleep(0.01)
        assert not task.done()
        answer([second])
        await task

    play(act)


def test_what_comes_meanwhile_waits_for_the_shipment_before_it() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        early = taken(publisher)
        before = await puppet.shipped()
        late = [taken(publisher) for _ in range(3)]
        await asyncio.sleep(publishing.PATIENCE_SECONDS * 2)
        assert puppet.drain() == []
        answer(before)
        await early
        after = await puppet.shipped()
        assert counts(after) == [3]
        answer(after)
        await asyncio.gather(*late)

    play(act)


def test_what_waits_behind_a_busy_partition_leaves_when_that_is_free_though_another_is_stuck() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        stuck, early = taken(publisher, record(b"21")), taken(publisher, record(b"foobar"))
        first = {batch.topic_partition.partition: batch for batch in await puppet.shipped()}
        assert len(first) == 2
        late = taken(publisher, record(b"foobar"))
        await asyncio.sleep(publishing.PATIENCE_SECONDS * 2)  # its own look finds the partition busy
        assert puppet.drain() == []
        busy = batches.partition_of(puppet, TOPIC, b"foobar")  # type: ignore[arg-type]
        answer([first.pop(busy)])
        await early
        answer(await puppet.shipped())
        await late
        assert not stuck.done()
        answer(list(first.values()))
        await stuck

    play(act)


def test_a_partition_whose_broker_is_slow_does_not_keep_the_others() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        slow = taken(publisher, record(b"21"))
        before = await puppet.shipped()
        others = [taken(publisher, record(b"21")), taken(publisher, record(b"foobar"))]
        after = await puppet.shipped()
        assert [batch.topic_partition for batch in after] != [batch.topic_partition for batch in before]
        answer(after)
        await others[1]
        assert not others[0].done()
        answer(before)
        answer(await puppet.shipped())
        await asyncio.gather(slow, others[0])

    play(act)


def test_a_batch_holds_no_more_than_its_size_but_a_record_of_any_size() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        sizes = (30_000, 30_000, 30_000, 200_000, 10)
        task = taken(publisher, *[record(size=size) for size in sizes])
        shipments = []
        while not task.done():
            shipments += counts(batches := await puppet.shipped())
            answer(batches)
            await asyncio.sleep(0.02)
        assert shipments == [2, 1, 1, 1]

    play(act)


def test_what_is_not_acknowledged_in_time_is_an_outage_and_its_ghost_is_held_until_it_ends() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        began = time.monotonic()
        ghost = taken(publisher)
        batches = await puppet.shipped()
        unsent = taken(publisher)
        with pytest.raises(KafkaOutage, match="acknowledge within"):
            await ghost
        assert time.monotonic() - began == pytest.approx(ACK_SECONDS, abs=0.1)
        assert "acknowledge within" in (publisher.trouble() or "")
        with pytest.raises(KafkaOutage):
            await unsent
        assert publisher._held_bytes > 0
        answer(batches)
        await asyncio.sleep(0.05)
        assert puppet.drain() == []  # nobody waits for the second
        assert publisher._held_bytes == 0
        assert publisher.trouble() is None

    play(act)


@pytest.mark.parametrize(
    ("error", "rebuilt"), [(NotLeaderForPartitionError(), False), (OutOfOrderSequenceNumberError(), True)]
)
def test_only_an_error_that_cannot_be_retried_replaces_the_producer(error: Exception, rebuilt: bool) -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        task = taken(publisher)
        answer(await puppet.shipped(), error)
        with pytest.raises(KafkaOutage, match=type(error).__name__):
            await task
        assert (publisher._keeper.producer is None) == rebuilt
        assert type(error).__name__ in (publisher.trouble() or "")

    play(act)


def test_what_a_broken_producer_left_behind_goes_out_with_the_next() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        lost = taken(publisher)
        batches = await puppet.shipped()
        waits = taken(publisher)
        await asyncio.sleep(publishing.PATIENCE_SECONDS * 2)  # it stands in the lane now
        answer(batches, OutOfOrderSequenceNumberError())
        with pytest.raises(KafkaOutage):
            await lost
        following: Any = Puppet()
        publisher._keeper.producer = following
        answer(await following.shipped())
        await waits
        assert puppet.drain() == []

    play(act)


def test_a_dead_sender_is_noticed_and_holds_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "STALE_SECONDS", 0.0)

    async def act(publisher: Publisher, puppet: Puppet) -> None:
        publisher._keeper.delivery_timeout = 0.1
        for _ in range(2):
            with pytest.raises(KafkaOutage):
                await taken(publisher)
            await asyncio.sleep(0.2)
        assert publisher._keeper.producer is None
        with pytest.raises(KafkaOutage):
            await taken(publisher)
        await asyncio.sleep(0.1)
        assert publisher._linger is None  # nothing is looked after any more

    play(act)


def test_more_than_the_bound_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_HELD_BYTES", 5000)

    async def act(publisher: Publisher, puppet: Puppet) -> None:
        tasks = [taken(publisher) for _ in range(5)]
        answer(await puppet.shipped())
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results if result] == ["Too much already waits for Kafka."]

    play(act)


def test_closing_ships_everything_that_waits() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        task = taken(publisher, *[record(size=40_000) for _ in range(4)])
        await asyncio.sleep(0)
        await publisher.close(1)
        batches = puppet.drain()
        assert counts(batches) == [1, 1, 1, 1]
        answer(batches)
        await task

    play(act)


def test_a_bug_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def ship(*_given: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(batches, "ship", ship)

    async def act(publisher: Publisher, _puppet: Puppet) -> None:
        task = taken(publisher)
        await publisher.died.wait()
        with pytest.raises(KafkaOutage):
            await task

    play(act)
