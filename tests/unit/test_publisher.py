"""What the publisher gathers, sends and answers; the producer is a puppet of the test."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka.errors import MessageSizeTooLargeError, NotLeaderForPartitionError, OutOfOrderSequenceNumber
from aiokafka.producer.message_accumulator import BatchBuilder

from connector import config
from connector.clocks import steady_nanoseconds
from connector.errors import KafkaOutage, RecordRefused
from connector.kafka import accumulator as sending
from connector.kafka import lanes, partitions, producer
from connector.kafka import publisher as publishing
from connector.kafka.publisher import Publisher
from connector.kafka.record import Record
from connector.logs import Reports
from tests.pauses import awake

TOPIC, OTHER = "xtnd.orders", "xtnd.balances"
ROOT = Path(__file__).parents[2]
ENVIRON = {"XTND_WEBHOOK_SECRET": "0123456789ABCDEF" * 2, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
ACK_SECONDS = 0.3


class Batch:
    """A batch that the producer was given."""

    def __init__(self, builder: BatchBuilder, topic: str, partition: int) -> None:
        self.records = builder.record_count()
        self.place = (topic, partition)
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Puppet:
    """As much of an AIOKafkaProducer as the publisher uses; ``answer`` is the broker's."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = {TOPIC: 12, OTHER: 12} | partitions
        self.listeners: list[Callable[[Any], None]] = []
        self.given: list[Batch] = []
        self.came = asyncio.Event()
        self.asked = 0
        self.client = SimpleNamespace(cluster=self, force_metadata_update=self.update)

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(65_536, 0)

    async def send_batch(self, builder: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        batch = Batch(builder, topic, partition)
        self.given.append(batch)
        self.came.set()
        return batch.future

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self.partitions.get(topic, 0))) or None

    def topics(self) -> set[str]:
        return {topic for topic, count in self.partitions.items() if count}

    def add_listener(self, listener: Callable[[Any], None]) -> None:
        self.listeners.append(listener)

    def update(self) -> "asyncio.Future[bool]":
        self.asked += 1
        for listener in self.listeners:
            listener(self)
        known = asyncio.get_running_loop().create_future()
        known.set_result(True)
        return known

    def drain(self) -> list[Batch]:
        """The batches that were sent since the last call."""
        given, self.given = self.given, []
        return given

    async def sent(self) -> list[Batch]:
        """Wait for the next batches."""
        while not self.given:
            self.came.clear()
            await self.came.wait()
        await asyncio.sleep(0)  # all that leave together
        return self.drain()


def answer(batches: list[Batch], error: Exception | None = None) -> None:
    for batch in batches:
        if error is None:
            batch.future.set_result(SimpleNamespace(timestamp=1_700_000_000_000))
        else:
            batch.future.set_exception(error)


def play(act: Callable[[Publisher, Puppet], Awaitable[None]], **options: Any) -> None:
    """Run ``act`` with a publisher that has a producer and never looks for another."""

    async def both() -> None:
        patient = {"gateway.ack_timeout_seconds": ACK_SECONDS}
        settings = config.load(ROOT / "config", ENVIRON, patient)
        publisher: Any = Publisher(settings, [TOPIC, OTHER], **options)
        puppet = Puppet()
        begin(publisher, puppet)
        await asyncio.wait_for(act(publisher, puppet), 10)
        if publisher._timer is not None:
            publisher._timer.cancel()
        publisher._accumulator.close()
        publisher._partitions.close()

    asyncio.run(both())


def begin(publisher: Any, puppet: Puppet) -> None:
    """Give the publisher a producer, as its keeper does; the former one ends."""
    keeper = publisher._keeper
    former, keeper.producer, keeper.trouble = keeper.producer, puppet, None
    keeper._abandon = lambda producer, _grace: publisher._end_of(producer)
    keeper._broken.clear()
    publisher._start_with(puppet)
    if former is not None:
        publisher._end_of(former)


def record(key: bytes = b"8684", size: int = 100, topic: str = TOPIC) -> Record:
    return Record(topic, key, bytes(size), [("content-type", b"application/json")], "orders")


def taken(publisher: Publisher, *records: Record) -> "asyncio.Task[None]":
    return asyncio.create_task(publisher.publish(records or [record()]))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; ``play`` has the deadline."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


def counts(batches: list[Batch]) -> list[int]:
    return [batch.records for batch in batches]


def test_deliveries_that_come_together_are_one_batch_of_a_partition() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        tasks = [taken(publisher) for _ in range(5)]
        batches = await puppet.sent()
        assert counts(batches) == [5]
        assert not any(task.done() for task in tasks)
        answer(batches)
        await asyncio.gather(*tasks)
        assert publisher.troubles() == []
        assert publisher._accumulator.pending_bytes == 0

    play(act)


def test_a_delivery_is_answered_once_all_of_its_partitions_are() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        task = taken(publisher, record(b"21"), record(b"foobar"), record(b"21"))
        first, second = await puppet.sent()
        answer([first])
        await asyncio.sleep(0.01)
        assert not task.done()
        answer([second])
        await task

    play(act)


def test_what_comes_meanwhile_waits_for_the_batch_before_it() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        early = taken(publisher)
        before = await puppet.sent()
        late = [taken(publisher) for _ in range(3)]
        await asyncio.sleep(sending.LEAST_GATHER_SECONDS * 2)
        assert puppet.drain() == []
        answer(before)
        await early
        after = await puppet.sent()
        assert counts(after) == [3]
        answer(after)
        await asyncio.gather(*late)

    play(act)


def test_a_partition_that_is_stuck_does_not_keep_the_others() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        stuck = taken(publisher, record(b"21"))
        before = await puppet.sent()
        others = [taken(publisher, record(b"21")), taken(publisher, record(b"foobar"))]
        after = await puppet.sent()
        assert [batch.place for batch in after] != [batch.place for batch in before]
        answer(after)
        await others[1]
        assert not others[0].done()
        answer(before)
        answer(await puppet.sent())
        await asyncio.gather(stuck, others[0])

    play(act)


def test_a_batch_holds_no_more_than_its_size_but_a_record_of_any_size() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        sizes = (30_000, 30_000, 30_000, 200_000, 10)
        task = taken(publisher, *[record(size=size) for size in sizes])
        sent = []
        while not task.done():
            sent += counts(batches := await puppet.sent())
            answer(batches)
            await asyncio.sleep(0.02)
        assert sent == [2, 1, 1, 1]

    play(act)


def test_what_is_not_acknowledged_in_time_is_an_outage_and_takes_memory_until_it_ends() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        started, started_awake = time.monotonic(), awake()
        ghost = taken(publisher)
        batches = await puppet.sent()
        unsent = taken(publisher)
        with pytest.raises(KafkaOutage, match="acknowledge within"):
            await ghost
        assert time.monotonic() - started > ACK_SECONDS - 0.1
        assert awake() - started_awake < ACK_SECONDS + 1
        with pytest.raises(KafkaOutage):
            await unsent
        assert publisher.trouble() == f"Kafka did not acknowledge within {ACK_SECONDS:g} s."
        # That partition is known not to answer, so nobody waits for it again.
        with pytest.raises(KafkaOutage, match="does not acknowledge"):
            publisher.submit([record()], lambda _error: None)
        assert publisher._accumulator.pending_bytes > 0
        answer(batches)
        await asyncio.sleep(0.05)
        assert puppet.drain() == []  # nobody waits for the second
        assert publisher._accumulator.pending_bytes == 0
        assert publisher.troubles() == []

    play(act)


def test_a_failed_batch_replaces_the_producer_and_the_others_go_on_until_the_next_is_there() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        failed, other = taken(publisher), taken(publisher, record(topic=OTHER))
        batches = {batch.place[0]: batch for batch in await puppet.sent()}
        answer([batches[TOPIC]], OutOfOrderSequenceNumber())
        with pytest.raises(KafkaOutage, match="OutOfOrderSequenceNumber"):
            await failed
        assert publisher._keeper._broken.is_set()
        answer([batches[OTHER]])
        await other
        with pytest.raises(KafkaOutage, match="OutOfOrderSequenceNumber"):  # the topic rests
            publisher.submit([record()], lambda _error: None)
        again = taken(publisher, record(topic=OTHER))
        answer(await puppet.sent())
        await again

    play(act)


def test_nothing_more_goes_to_a_partition_whose_sequence_has_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "REST_SECONDS", 0.0)

    async def act(publisher: Any, puppet: Puppet) -> None:
        failed = taken(publisher)
        answer(await puppet.sent(), NotLeaderForPartitionError())
        with pytest.raises(KafkaOutage):
            await failed
        waits = taken(publisher)
        await asyncio.sleep(sending.LEAST_GATHER_SECONDS * 2)
        assert puppet.drain() == []
        following = Puppet()
        begin(publisher, following)
        answer(await following.sent())
        await waits
        assert puppet.drain() == []

    play(act)


def test_what_a_former_producer_had_under_way_goes_out_with_the_next() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        task = taken(publisher, record(topic=OTHER))
        before = await puppet.sent()
        following = Puppet()
        begin(publisher, following)
        answer(await following.sent())
        await task
        answer(before)  # what the former one still makes of it has no effect
        await asyncio.sleep(0.01)
        assert publisher._accumulator.pending_bytes == 0

    play(act)


def test_records_that_are_too_large_together_go_alone_and_a_lone_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "REST_SECONDS", 0.0)

    async def act(publisher: Any, puppet: Puppet) -> None:
        tasks = [taken(publisher) for _ in range(3)]
        answer(await puppet.sent(), MessageSizeTooLargeError())
        await until(publisher._keeper._broken.is_set)
        for error in (None, MessageSizeTooLargeError(), None):
            begin(publisher, following := Puppet())
            batches = await following.sent()
            assert counts(batches) == [1]
            answer(batches, error)
            await asyncio.sleep(0.01)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), RecordRefused, type(None)]

    play(act)


def test_a_record_larger_than_its_topic_takes_is_refused_at_once() -> None:
    async def act(publisher: Publisher, _puppet: Puppet) -> None:
        with pytest.raises(RecordRefused, match=r"topics\.max_message_bytes"):
            publisher.submit([record(size=5_000_000)], lambda _error: None)

    play(act)


def test_a_missing_topic_is_named_and_keeps_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MISSING_SECONDS", 0.01)

    async def act(publisher: Publisher, puppet: Puppet) -> None:
        stranded = taken(publisher)
        other = taken(publisher, record(topic=OTHER))
        batches = {batch.place[0]: batch for batch in await puppet.sent()}
        waits = taken(publisher)
        await asyncio.sleep(0)
        del puppet.partitions[TOPIC]
        await puppet.update()
        for late in (stranded, waits):
            with pytest.raises(KafkaOutage, match="connector topics"):  # the spool keeps them
                await late
        begin(publisher, following := Puppet(**{TOPIC: 0}))
        [batch] = await following.sent()
        assert batch.place[0] == OTHER
        answer([batch])
        await other
        assert publisher.troubles() == [
            f"Kafka has no topic {TOPIC}; its events wait in the spool. Fix: connector topics"
        ]
        with pytest.raises(KafkaOutage, match="connector topics"):
            publisher.submit([record()], lambda _error: None)
        following.partitions[TOPIC] = 3
        await until(lambda: publisher.troubles() == [])  # found by itself
        again = taken(publisher)
        answer(await following.sent())
        await again
        answer([batches[TOPIC]])

    play(act)


def test_a_stuck_partition_is_given_up_while_others_are_acknowledged() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        stuck = taken(publisher)
        [left] = await puppet.sent()
        waits = taken(publisher)
        while not stuck.done():  # others go on meanwhile
            other = taken(publisher, record(topic=OTHER))
            answer(await puppet.sent())
            await other
        assert isinstance(stuck.exception(), KafkaOutage)
        with pytest.raises(KafkaOutage):
            await waits
        assert publisher._keeper._broken.is_set()
        assert publisher._keeper.producer is puppet  # until the next is there
        assert publisher.troubles() == [f"Kafka does not acknowledge what it was sent for {TOPIC}."]
        begin(publisher, following := Puppet())
        with pytest.raises(KafkaOutage, match="does not acknowledge"):  # it rests
            publisher.submit([record()], lambda _error: None)
        other = taken(publisher, record(topic=OTHER))
        answer(await following.sent())
        await other
        answer([left])
        await until(lambda: publisher._accumulator.pending_bytes == 0)

    play(act)


def test_a_silent_broker_is_no_fault_of_its_partitions() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        tasks = [taken(publisher), taken(publisher, record(topic=OTHER))]
        batches = await puppet.sent()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, KafkaOutage) for result in results)
        late = time.monotonic() + 2 * ACK_SECONDS
        await until(lambda: time.monotonic() > late)
        assert not publisher._keeper._broken.is_set()  # aiokafka may still get through
        answer(batches)
        again = taken(publisher)
        answer(await puppet.sent())
        await again

    play(act)


def test_a_topic_that_vanished_since_it_was_loaded_is_never_asked_for() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        task = taken(publisher)
        await asyncio.sleep(0)
        publisher._accumulator.flush()  # its batch is handed over in the loop's next step
        del puppet.partitions[TOPIC]
        puppet.update()
        with pytest.raises(KafkaOutage):
            await task
        assert puppet.drain() == []

    play(act)


def test_a_topic_that_shrank_has_the_batches_of_its_lost_partitions_sent_again() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        tasks = [taken(publisher, record(b"%d" % number)) for number in range(40)]
        before = await puppet.sent()
        puppet.partitions[TOPIC] = 3
        puppet.update()
        assert publisher._keeper._broken.is_set()  # it would ask for the lost ones again and again
        begin(publisher, following := Puppet(**{TOPIC: 3}))
        while not all(task.done() for task in tasks):
            batches = await following.sent()
            assert {batch.place[1] for batch in batches} <= {0, 1, 2}
            answer(batches)
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        answer(before)
        await asyncio.sleep(0.01)
        assert publisher._accumulator.pending_bytes == 0

    play(act)


def test_a_former_producers_batches_may_still_arrive() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        failed, other = taken(publisher), taken(publisher, record(topic=OTHER))
        batches = {batch.place[0]: batch for batch in await puppet.sent()}
        answer([batches[TOPIC]], OutOfOrderSequenceNumber())
        with pytest.raises(KafkaOutage):
            await failed
        publisher._keeper.producer = following = Puppet()
        publisher._start_with(following)
        answer([batches[OTHER]])
        await other
        assert following.drain() == []  # nothing was sent twice

    play(act)


def test_a_topic_that_grew_takes_what_waited_on_its_partitions_of_today() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        early = taken(publisher)
        before = await puppet.sent()
        late = taken(publisher)
        await asyncio.sleep(0)
        puppet.partitions[TOPIC] = 24
        await puppet.update()
        answer(before)
        await early
        [batch] = await puppet.sent()
        assert batch.place == (TOPIC, (lanes._hash(b"8684") & 0x7FFFFFFF) % 24)
        answer([batch])
        await late

    play(act)


def test_a_batch_that_a_producer_has_lost_is_detected_and_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "STALE_SECONDS", 0.0)

    async def act(publisher: Any, puppet: Puppet) -> None:
        publisher._keeper.request_seconds = 0.1
        with pytest.raises(KafkaOutage):
            await taken(publisher)
        await until(lambda: publisher._keeper.producer is None)
        with pytest.raises(KafkaOutage):
            await taken(publisher)
        await until(lambda: publisher._timer is None)
        assert publisher._accumulator.pending_bytes == 0

    play(act)


def test_more_than_the_bound_is_refused_but_a_lone_delivery_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "MAX_PENDING_BYTES", 5000)

    async def act(publisher: Publisher, puppet: Puppet) -> None:
        lone = taken(publisher, record(size=9000))
        answer(await puppet.sent())
        await lone
        tasks = [taken(publisher) for _ in range(5)]
        answer(await puppet.sent())
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results if result] == ["Too much already waits for Kafka."]

    play(act)


def test_answered_deliveries_are_not_kept_until_their_deadline() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        for _ in range(20):
            task = taken(publisher)
            answer(await puppet.sent())
            await task
        assert len(publisher._pending) == 1

    play(act)


def test_each_acknowledgement_tells_the_brokers_time() -> None:
    observed: list[tuple[int, int, int]] = []

    async def act(publisher: Publisher, puppet: Puppet) -> None:
        task = taken(publisher)
        answer(await puppet.sent())
        await task
        [(sent, acknowledged, broker)] = observed
        assert sent <= acknowledged <= steady_nanoseconds() // 1000
        assert broker == 1_700_000_000_000

    play(act, observe=lambda *given: observed.append(given))


def test_closing_sends_everything_that_waits() -> None:
    async def act(publisher: Any, puppet: Puppet) -> None:
        task = taken(publisher, *[record(size=40_000) for _ in range(4)])
        await asyncio.sleep(0)
        closing = asyncio.create_task(publisher.close(5))
        sent = []
        while not task.done():
            sent += counts(batches := await puppet.sent())
            answer(batches)
            await asyncio.sleep(0.01)
        await closing
        assert sent == [1, 1, 1, 1]

    play(act)


def test_producers_that_break_for_one_reason_are_logged_once_and_then_in_growing_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic whose records are refused has the producer replaced four times a second."""
    monkeypatch.setattr(producer, "PAUSE_SECONDS", 0.0)
    now = [0.0]

    async def act() -> None:
        settings = config.load(ROOT / "config", ENVIRON, {})
        made: asyncio.Queue[Any] = asyncio.Queue()
        keeper: Any = producer.ProducerKeeper(settings, made.put_nowait, lambda _former: None)
        keeper._reports = Reports(lambda: now[0])

        async def build() -> Any:
            return Puppet()

        keeper._build = build
        keeper._abandon = lambda _former, _grace: None
        keeper.start()
        reasons = ["orders refuses"] * 40 + ["offers refuses"] + ["orders refuses"] * 2
        for number, reason in enumerate(reasons):
            now[0] += 11 * (number == len(reasons) - 1)
            keeper.replace(await made.get(), reason, at_once=False)
        await made.get()
        await keeper.close(1)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(asyncio.wait_for(act(), 10))
    replaced = [(one["reason"], one["suppressed"]) for one in logs if "replaced" in one["event"]]
    assert replaced == [("orders refuses", None), ("offers refuses", None), ("orders refuses", 40)]
    # The first, and one behind each line that says why the former was replaced.
    assert sum(one["event"] == "kafka producer ready" for one in logs) == 4


def test_a_bug_ends_the_process() -> None:
    async def act(publisher: Publisher, puppet: Puppet) -> None:
        def bug(_error: Exception | None) -> None:
            raise RuntimeError("a bug")

        publisher.submit([record()], bug)
        answer(await puppet.sent())
        await publisher.died.wait()

    play(act)
