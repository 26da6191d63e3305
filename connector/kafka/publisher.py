"""Records → Kafka, acknowledged by all in-sync replicas, by aiokafka's public batches.

Everything runs on one event loop. Deliveries gather for a moment, each partition's records become one
batch, and while batches are under way the next ones gather.

``submit`` calls back once: with None when Kafka has all records of a delivery, with ``KafkaOutage``
when it did not say so in time (they may still arrive; duplicates have no effect in the mirror), or with
``RecordRefused`` when it never will. A topic that Kafka does not have, and a partition that does not
acknowledge, concern their own deliveries alone.
"""

import asyncio
import functools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from connector import metrics
from connector.clocks import steady_nanoseconds
from connector.config import Config
from connector.errors import ConnectorError, KafkaOutage, RecordRefused
from connector.kafka.lanes import Done, Entry, InFlightBatch, Lane, PendingDelivery, Topic
from connector.kafka.probe import Probe
from connector.kafka.producer import ProducerKeeper
from connector.kafka.record import RECORD_OVERHEAD_BYTES, Record

log = structlog.get_logger(__name__)

# Records that were submitted and neither acknowledged nor given up, timed-out batches included.
MAX_HELD_BYTES = 67_108_864
# How long deliveries gather when nothing is under way: long enough that none has a request to itself.
LINGER_SECONDS = 0.002
# How long they gather at most behind batches that are under way: in times of a batch's way there and back,
# for aiokafka has one request to a broker under way, and what it is given meanwhile misses the next one.
PATIENCE = 1.5
PATIENCE_SECONDS = 0.02
# A batch that a producer holds for so long past a request's time has been forgotten by it.
STALE_SECONDS = 5.0
# An acknowledgement tells for so long that Kafka answers.
ANSWERED_SECONDS = 2.0
# While Kafka does not have a topic, how often it is asked again: for all that it has, which takes 0.15 ms
# of the loop's time for each of them.
MISSING_SECONDS = 2.0
MISSING_SECONDS_PER_TOPIC = 0.01

# Receives when a batch was sent and acknowledged (microseconds of ``clocks.steady_nanoseconds``, which no
# step comes between) and the broker's LogAppendTime (milliseconds since the epoch; -1 where it gave none).
Observe = Callable[[int, int, int], None]


class Publisher:
    """Takes deliveries on the event loop and calls back when Kafka has them."""

    def __init__(self, config: Config, topics: Iterable[str], *, observe: Observe | None = None) -> None:
        """``topics`` are those whose absence is reported before anything is sent to them."""
        self._ack_timeout = config.gateway.ack_timeout_seconds
        self._max_record = config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES
        self._observe = observe
        self._keeper = ProducerKeeper(config, self._start_with, self._take_back)
        self._probe = Probe()
        self._topics = {name: Topic(name) for name in topics}
        # In the order of their deadlines.
        self._pending: deque[PendingDelivery] = deque()
        self._held_bytes = 0
        # Lanes that have something waiting and nothing under way, in the order in which they came.
        self._ready: dict[Lane, None] = {}
        self._batches: set[InFlightBatch] = set()
        # Of these, the ones that left last: the next ones leave together when all of them are back.
        self._last: set[InFlightBatch] = set()
        self._linger: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sends: set[asyncio.Task[None]] = set()
        self._refresh: asyncio.TimerHandle | None = None
        self._acknowledged_at = -math.inf
        self._patience = PATIENCE_SECONDS
        self._late = False
        self.died = asyncio.Event()

    def start(self) -> None:
        """Look for a broker from now on."""
        self._loop = asyncio.get_running_loop()
        self._keeper.start().add_done_callback(self._watch)

    async def close(self, timeout_seconds: float) -> None:
        """Let what was submitted go out; returns after the timeout at most."""
        end = time.monotonic() + timeout_seconds
        while (self._batches or self._ready) and self._keeper.producer and time.monotonic() < end:
            self._flush()
            await asyncio.sleep(LINGER_SECONDS)
        for handle in (self._linger, self._timer, self._refresh):
            if handle is not None:
                handle.cancel()
        self._probe.close()
        await self._keeper.close(max(end - time.monotonic(), 0.1))

    # --- What is wrong ---------------------------------------------------------------------------

    def trouble(self) -> str | None:
        """What keeps every delivery from Kafka at this moment, or None."""
        if self._keeper.producer is None:
            return self._keeper.trouble
        return f"Kafka did not acknowledge within {self._ack_timeout:g} s." if self._late else None

    def troubles(self) -> list[str]:
        """What keeps deliveries from Kafka, as a whole or topic by topic; empty when nothing does."""
        if trouble := self.trouble():
            return [trouble]
        now = time.monotonic()
        found = {trouble for topic in self._topics.values() for trouble in topic.troubles(now)}
        late = [batch for batch in self._batches if batch.since + self._ack_timeout < now]
        return sorted(found | {_unacknowledged(batch.lane.topic.name) for batch in late})

    async def answers(self, timeout_seconds: float) -> bool:
        """Whether Kafka answers: it acknowledged something just now, or says something when asked."""
        if time.monotonic() - self._acknowledged_at < ANSWERED_SECONDS:
            return True
        producer = self._keeper.producer
        return producer is not None and await self._probe.answers(producer, timeout_seconds)

    # --- Deliveries ------------------------------------------------------------------------------

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Publish a delivery's records, at least one; ``done`` is called later, once.

        Raises ``KafkaOutage`` at once where Kafka is known not to take it at this moment, and
        ``RecordRefused`` for a record that is too large.
        """
        now = time.monotonic()
        delivery = PendingDelivery(records, done, now + self._ack_timeout)
        if delivery.size > self._max_record and (size := max(one.size for one in records)) > self._max_record:
            raise RecordRefused(f"A record of {size} bytes is larger than topics.max_message_bytes takes.")
        # A lone delivery passes whatever its size: it would be the head of a queue that never moves.
        if self._held_bytes and self._held_bytes + delivery.size > MAX_HELD_BYTES:
            raise KafkaOutage("Too much already waits for Kafka.")
        if self._keeper.producer is None:
            raise KafkaOutage(self._keeper.trouble)
        lanes = [self._open_lane(record, now) for record in records]
        self._held_bytes += delivery.size
        self._pending.append(delivery)
        for lane, record in zip(lanes, records, strict=True):
            self._place(lane, record, delivery)
        if self._timer is None:
            self._timer = self._loop.call_later(self._ack_timeout, self._expire)

    async def publish(self, records: Sequence[Record]) -> None:
        """Publish a delivery's records, and return when Kafka has them; raises as ``submit`` does."""
        future: asyncio.Future[None] = self._loop.create_future()
        self.submit(records, functools.partial(_resolve, future))
        try:
            await future
        except ConnectorError as error:
            # By its traceback the future's error would hold the frames of all who wait.
            raise type(error)(*error.args) from None

    def _open_lane(self, record: Record, now: float) -> Lane:
        """The lane of a record; raises ``KafkaOutage`` where it is known not to move at this moment."""
        topic = self._topics.get(record.topic) or self._learn(record.topic)
        if not topic.lanes:
            raise KafkaOutage(topic.missing)
        lane = topic.lane_of(record.key)
        if lane.rests_until > now:
            raise KafkaOutage(lane.trouble)
        if lane.batch is not None and lane.batch.since + self._ack_timeout < now:
            raise KafkaOutage(_unacknowledged(topic.name))
        return lane

    def _place(self, lane: Lane, record: Record, delivery: PendingDelivery) -> None:
        """Put a record into the lane of its partition, and see to it that it leaves."""
        lane.waiting.append((record, delivery))
        if lane.batch is None:
            self._ready[lane] = None
            if self._linger is None:
                self._gather(self._patience if self._last else LINGER_SECONDS)

    # --- To Kafka --------------------------------------------------------------------------------

    def _gather(self, seconds: float) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self._linger = self._loop.call_later(seconds, self._flush)

    def _flush(self) -> None:
        """Send a batch on each lane that has something waiting and nothing under way."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        producer = self._keeper.producer
        if producer is None:
            return
        lanes, self._ready = self._ready, {}
        loaded = []
        for lane in lanes:
            if lane.barred is producer:
                self._ready[lane] = None
            elif lane.batch is None and (one := lane.load(producer, self._forget)):
                loaded.append(one)
        if loaded:
            self._last = {batch for batch, _ in loaded}
            self._batches |= self._last
            task = self._loop.create_task(self._send(producer, loaded))
            self._sends.add(task)
            task.add_done_callback(self._watch)

    async def _send(self, producer: AIOKafkaProducer, loaded: list[tuple[InFlightBatch, Any]]) -> None:
        """Hand batches over. Their partitions are known and have nothing under way, so none waits."""
        for batch, builder in loaded:
            if batch not in self._batches:
                continue  # taken back: asking for a topic that vanished might have the broker create it
            lane = batch.lane
            try:
                future = await producer.send_batch(builder, lane.topic.name, partition=lane.partition)
            except Exception as error:  # noqa: BLE001 - whatever it is, this batch has failed
                self._settle(batch, error)
            else:
                future.add_done_callback(functools.partial(self._arrived, batch))

    # --- From Kafka ------------------------------------------------------------------------------

    def _arrived(self, batch: InFlightBatch, future: "asyncio.Future[Any]") -> None:
        try:
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            if error is None and self._observe is not None:
                self._observe(batch.sent_at, steady_nanoseconds() // 1000, future.result().timestamp)
            self._settle(batch, error)
        except Exception:
            log.exception("publisher died")
            self.died.set()

    def _settle(self, batch: InFlightBatch, error: BaseException | None) -> None:
        """Call back for what a batch carried, and let the next one leave."""
        if batch not in self._batches:
            return  # its records were taken back
        self._batches.discard(batch)
        self._last.discard(batch)
        lane = batch.lane
        lane.batch = None
        if error is None:
            self._acknowledge(batch)
        else:
            self._fail(batch, error)
        if lane.waiting:
            self._ready[lane] = None
        if self._ready:
            if not self._last:
                self._gather(LINGER_SECONDS)
            elif self._linger is None:
                self._gather(self._patience)

    def _acknowledge(self, batch: InFlightBatch) -> None:
        now = self._acknowledged_at = time.monotonic()
        way = min(PATIENCE * (now - batch.since), self._ack_timeout / 4)
        self._patience = max(self._patience + (way - self._patience) / 16, PATIENCE_SECONDS)
        if self._late:
            self._late = False
            log.info("kafka acknowledges again")
        if batch.lane.recover():
            log.info("kafka takes records again", topic=batch.lane.topic.name, partition=batch.lane.partition)
        for _, delivery in batch.entries:
            self._forget(delivery)
            delivery.left -= 1
            if not delivery.left:
                delivery.conclude(None)
        while self._pending and self._pending[0].concluded:
            self._pending.popleft()

    def _fail(self, batch: InFlightBatch, error: BaseException) -> None:
        """Call back for a failed batch, or send each of its records alone; replace the producer."""
        lane, name = batch.lane, type(error).__name__
        what = f"Kafka did not take a record for {lane.topic.name}: {name}: {error}"
        too_large = isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError)
        if too_large and len(batch.entries) > 1:
            lane.alone += len(batch.entries)
            self._wait_again(batch)
        else:
            metrics.publish_failed(name)
            if not too_large:
                log.warning("kafka refuses records", topic=lane.topic.name, error=what)
                lane.rest(what)
            for _, delivery in batch.entries:
                self._forget(delivery)
                delivery.conclude(RecordRefused(what) if too_large else KafkaOutage(what))
        # The sequence has a gap on this partition; the others may use the producer until the next is there.
        lane.barred = batch.producer
        self._keeper.replace(batch.producer, what, at_once=False)

    def _start_with(self, producer: AIOKafkaProducer) -> None:
        """Go on with a new producer; what the former one has under way may still arrive."""
        self._late = False
        for topic in self._topics.values():
            topic.barred = None
            for lane in topic.lanes:
                lane.barred = None
        producer.client.cluster.add_listener(self._compare)
        self._compare(producer.client.cluster)

    def _take_back(self, producer: AIOKafkaProducer) -> None:
        """Have what a producer had under way wait again; what it still makes of it has no effect."""
        batches = {batch for batch in self._batches if batch.producer is producer}
        self._batches -= batches
        self._last -= batches
        for batch in batches:
            batch.lane.batch = None
            self._wait_again(batch)
        if self._ready:
            self._gather(LINGER_SECONDS)

    def _wait_again(self, batch: InFlightBatch) -> None:
        batch.lane.alone += batch.alone
        batch.lane.waiting.extendleft(reversed(batch.entries))
        self._ready[batch.lane] = None

    # --- Topics ----------------------------------------------------------------------------------

    def _learn(self, name: str) -> Topic:
        topic = self._topics[name] = Topic(name)
        if self._keeper.producer is not None:
            self._compare(self._keeper.producer.client.cluster)
        return topic

    def _compare(self, cluster: Any) -> None:
        """Learn each topic's partitions, whenever aiokafka learns them."""
        producer = self._keeper.producer
        if producer is None or cluster is not producer.client.cluster:
            return  # of a former producer
        for topic in list(self._topics.values()):
            count = len(cluster.partitions_for_topic(topic.name) or ())
            if count != len(topic.lanes) or not count:
                self._repartition(topic, count)
        if self._ready and not self._last:
            self._gather(0)

    def _repartition(self, topic: Topic, count: int) -> None:
        """Put what waits for a topic on its partitions of now, or aside while it has none."""
        entries: list[Entry] = []
        for batch in [one for one in self._batches if one.lane in topic.lanes[count:]]:
            # While the producer holds it, it asks for that partition again and again, and the others wait.
            self._batches.discard(batch)
            self._last.discard(batch)
            entries += batch.entries
            topic.barred = batch.producer
            self._keeper.replace(batch.producer, f"partitions of {topic.name} vanished", at_once=False)
        if not count and not topic.missing:
            log.error("kafka has no such topic", topic=topic.name, fix="connector topics")
            topic.missing = (
                f"Kafka has no topic {topic.name}; its events wait in the spool. Fix: connector topics"
            )
        elif count and topic.missing:
            log.info("kafka has the topic", topic=topic.name)
            topic.missing = None
        self._place_again(topic, entries + topic.repartition(count))
        if topic.missing and self._refresh is None:
            self._refresh = self._loop.call_later(MISSING_SECONDS, self._ask_again)

    def _place_again(self, topic: Topic, entries: list[Entry]) -> None:
        if topic.lanes:
            for record, delivery in entries:
                self._place(topic.lane_of(record.key), record, delivery)
        else:
            topic.unplaced.extend(entries)

    def _ask_again(self) -> None:
        """Have aiokafka ask for all topics while one is missing; ``_compare`` hears of the answer."""
        self._refresh = None
        if any(topic.missing for topic in self._topics.values()):
            seconds = MISSING_SECONDS
            if self._keeper.producer is not None:
                client = self._keeper.producer.client
                client.force_metadata_update()
                seconds += MISSING_SECONDS_PER_TOPIC * len(client.cluster.topics())
            self._refresh = self._loop.call_later(seconds, self._ask_again)

    # --- Ends ------------------------------------------------------------------------------------

    def _forget(self, delivery: PendingDelivery) -> None:
        """Hold one record of a delivery less; with the last one its bytes are free."""
        delivery.held -= 1
        if not delivery.held:
            self._held_bytes -= delivery.size

    def _expire(self) -> None:
        """Fail what is overdue. All have the same timeout, so the oldest stand first."""
        now = time.monotonic()
        self._timer = None
        while self._pending and (self._pending[0].concluded or self._pending[0].deadline <= now):
            self._time_out(self._pending.popleft(), now)
        for topic in self._topics.values():
            for queue in topic.queues():
                while queue and queue[0][1].concluded:
                    self._forget(queue.popleft()[1])
        self._give_up_stuck(now)
        if self._pending or self._held_bytes:
            due = self._pending[0].deadline if self._pending else now + self._ack_timeout
            self._timer = self._loop.call_later(max(due - now, 0.001), self._expire)

    def _give_up_stuck(self, now: float) -> None:
        """Replace a producer whose batch does not come back.

        While others are acknowledged it is the partition that is stuck (too few replicas in sync): aiokafka
        sends its batch again and again, and others of the same broker wait each time. While none is, it
        is the broker, and aiokafka may still get through to it within a request's time.
        """
        stale = now - self._keeper.request_seconds - STALE_SECONDS
        others_move = now - self._acknowledged_at < self._ack_timeout / 2
        for batch in [one for one in self._batches if one.producer is self._keeper.producer]:
            what = _unacknowledged(batch.lane.topic.name)
            if others_move and batch.since + self._ack_timeout <= now:
                batch.lane.rest(what)
                for _, delivery in batch.lane.waiting:
                    delivery.conclude(KafkaOutage(what))
                self._keeper.replace(batch.producer, what, at_once=False)
            elif batch.since < stale:
                self._keeper.replace(batch.producer, what, at_once=True)

    def _time_out(self, delivery: PendingDelivery, now: float) -> None:
        if delivery.concluded:
            return
        what = f"Kafka did not acknowledge within {self._ack_timeout:g} s."
        metrics.publish_failed("AckTimeout")
        if not self._late and now - self._acknowledged_at > self._ack_timeout:
            self._late = True
            log.warning("kafka does not acknowledge", error=what)
        delivery.conclude(KafkaOutage(what))

    def _watch(self, task: "asyncio.Task[None]") -> None:
        """Have the process end when a task of the publisher trips over a bug; asyncio would only log it."""
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("publisher died", exc_info=error)
            self.died.set()


def _unacknowledged(topic: str) -> str:
    return f"Kafka does not acknowledge what it was sent for {topic}."


def _resolve(future: "asyncio.Future[None]", error: ConnectorError | None) -> None:
    if not future.done():
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
