"""Records → Kafka, acknowledged by all in-sync replicas, by aiokafka's public batches.

Everything runs on one event loop: ``partitions`` knows where a record goes, ``accumulator`` sends it, and
``producer`` keeps what it is sent with.

``submit`` calls back once: with None when Kafka has all records of a delivery, with ``KafkaOutage``
when it did not say so in time (they may still arrive; duplicates have no effect in the mirror), or with
``RecordRefused`` when it never will. A topic that Kafka does not have, and a partition that does not
acknowledge, concern their own deliveries alone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence

import structlog
from aiokafka import AIOKafkaProducer

from connector import metrics
from connector.config import Config
from connector.errors import ConnectorError, KafkaOutage, RecordRefused
from connector.kafka.accumulator import LINGER_SECONDS, Accumulator, Observe
from connector.kafka.lanes import Done, Lane, PendingDelivery
from connector.kafka.partitions import Partitions
from connector.kafka.probe import Probe
from connector.kafka.producer import ProducerKeeper
from connector.kafka.record import RECORD_OVERHEAD_BYTES, Record

log = structlog.get_logger(__name__)

# Records that were submitted and neither acknowledged nor given up, timed-out batches included.
MAX_PENDING_BYTES = 67_108_864
# An acknowledgement proves for so long that Kafka answers.
ANSWERED_SECONDS = 2.0
# A batch that is not answered for so long past a request's time is lost in the producer.
STALE_SECONDS = 5.0


class Publisher:
    """Publishes deliveries from the event loop and calls back when Kafka has them."""

    def __init__(self, config: Config, topics: Iterable[str], *, observe: Observe | None = None) -> None:
        """``topics`` are those whose absence is reported before anything is sent to them."""
        self._ack_timeout = config.gateway.ack_timeout_seconds
        self._max_record = config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES
        self._keeper = ProducerKeeper(config, self._start_with, self._end_of)
        self._accumulator = Accumulator(self._keeper, self._ack_timeout, observe)
        self._partitions = Partitions(topics, self._accumulator.move)
        self._probe = Probe()
        # In the order of their deadlines.
        self._pending: deque[PendingDelivery] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.died = self._accumulator.died

    def start(self) -> None:
        """Look for a broker from now on."""
        self._keeper.start().add_done_callback(self._accumulator.watch)

    async def close(self, timeout_seconds: float) -> None:
        """Send what was submitted; returns after the timeout at most."""
        accumulator, end = self._accumulator, time.monotonic() + timeout_seconds
        while (
            (accumulator.in_flight or accumulator.ready) and self._keeper.producer and time.monotonic() < end
        ):
            accumulator.flush()
            await asyncio.sleep(LINGER_SECONDS)
        if self._timer is not None:
            self._timer.cancel()
        accumulator.close()
        self._partitions.close()
        self._probe.close()
        await self._keeper.close(max(end - time.monotonic(), 0.1))

    def _start_with(self, producer: AIOKafkaProducer) -> None:
        self._partitions.follow(producer)
        self._accumulator.start_again()

    def _end_of(self, producer: AIOKafkaProducer) -> None:
        if self._keeper.producer is None:
            self._partitions.follow(None)
        self._accumulator.take_back(producer)

    # --- What is wrong ---------------------------------------------------------------------------

    def trouble(self) -> str | None:
        """What keeps every delivery from Kafka at this moment, or None."""
        if self._keeper.producer is None:
            return self._keeper.trouble
        return (
            f"Kafka did not acknowledge within {self._ack_timeout:g} s." if self._accumulator.late else None
        )

    def troubles(self) -> list[str]:
        """What keeps deliveries from Kafka, as a whole or topic by topic; empty when nothing does."""
        if trouble := self.trouble():
            return [trouble]
        now, topics = time.monotonic(), self._partitions.topics.values()
        found = {topic.missing for topic in topics}
        found |= {lane.blocked(now, self._ack_timeout) for topic in topics for lane in topic.lanes}
        return sorted(trouble for trouble in found if trouble)

    async def answers(self, timeout_seconds: float) -> bool:
        """Whether Kafka answers: it acknowledged something just now, or answers a request."""
        if time.monotonic() - self._accumulator.acknowledged_at < ANSWERED_SECONDS:
            return True
        producer = self._keeper.producer
        return producer is not None and await self._probe.answers(producer, timeout_seconds)

    # --- Deliveries ------------------------------------------------------------------------------

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Publish a delivery's records, at least one; ``done`` is called later, once.

        Raises ``KafkaOutage`` at once where Kafka is known not to take it now, and
        ``RecordRefused`` for a record that is too large.
        """
        now, accumulator = time.monotonic(), self._accumulator
        delivery = PendingDelivery(records, done, now + self._ack_timeout)
        if delivery.size > self._max_record and (size := max(one.size for one in records)) > self._max_record:
            raise RecordRefused(f"A record of {size} bytes is larger than topics.max_message_bytes takes.")
        # A lone delivery is accepted whatever its size: it would block the queue for good.
        if accumulator.pending_bytes and accumulator.pending_bytes + delivery.size > MAX_PENDING_BYTES:
            raise KafkaOutage("Too much already waits for Kafka.")
        if self._keeper.producer is None:
            raise KafkaOutage(self._keeper.trouble)
        lanes = self._open_lanes(records, now)
        accumulator.pending_bytes += delivery.size
        while self._pending and self._pending[0].concluded:
            self._pending.popleft()
        self._pending.append(delivery)
        for lane, record in zip(lanes, records, strict=True):
            accumulator.enqueue(lane, record, delivery)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._ack_timeout, self._expire)

    async def publish(self, records: Sequence[Record]) -> None:
        """Publish a delivery's records, and return when Kafka has them; raises as ``submit`` does."""
        future: asyncio.Future[ConnectorError | None] = asyncio.get_running_loop().create_future()

        def resolve(error: ConnectorError | None) -> None:
            if not future.done():
                future.set_result(error)

        self.submit(records, resolve)
        if error := await future:
            # A new one: with its traceback the shared one would keep the frames of every waiter.
            raise type(error)(*error.args)

    def _open_lanes(self, records: Iterable[Record], now: float) -> list[Lane]:
        """The lane of each record; raises ``KafkaOutage`` where one is known to be blocked."""
        lanes = []
        for record in records:
            topic = self._partitions.topic(record.topic)
            if not topic.lanes:
                raise KafkaOutage(topic.missing)
            lane = topic.lane_of(record.key)
            if trouble := lane.blocked(now, self._ack_timeout):
                raise KafkaOutage(trouble)
            lanes.append(lane)
        return lanes

    def _expire(self) -> None:
        """Fail what is overdue. All have the same timeout, so the oldest stand first."""
        now = time.monotonic()
        self._timer = None
        while self._pending and (self._pending[0].concluded or self._pending[0].deadline <= now):
            self._time_out(self._pending.popleft(), now)
        for topic in self._partitions.topics.values():
            for lane in topic.lanes:
                while lane.waiting and lane.waiting[0][1].concluded:
                    self._accumulator.release(lane.waiting.popleft()[1])
        self._give_up_stuck(now)
        if self._pending or self._accumulator.pending_bytes:
            due = self._pending[0].deadline if self._pending else now + self._ack_timeout
            self._timer = asyncio.get_running_loop().call_later(max(due - now, 0.001), self._expire)

    def _give_up_stuck(self, now: float) -> None:
        """Replace a producer whose batch is not answered.

        While others are acknowledged it is the partition that is stuck (too few replicas in sync): aiokafka
        sends its batch again and again, and others of the same broker wait each time. While none is, it
        is the broker, and aiokafka may still get through to it within a request's time.
        """
        stale = now - self._keeper.request_seconds - STALE_SECONDS
        others_move = now - self._accumulator.acknowledged_at < self._ack_timeout / 2
        for batch in [one for one in self._accumulator.in_flight if one.producer is self._keeper.producer]:
            what = batch.lane.unacknowledged
            if others_move and batch.since + self._ack_timeout <= now:
                batch.lane.rest(what)
                for _, delivery in batch.lane.waiting:
                    delivery.conclude(KafkaOutage(what))
                self._accumulator.replace(batch, what)
            elif batch.since < stale:
                self._keeper.replace(batch.producer, what, at_once=True)

    def _time_out(self, delivery: PendingDelivery, now: float) -> None:
        if delivery.concluded:
            return
        what = f"Kafka did not acknowledge within {self._ack_timeout:g} s."
        metrics.publish_failed("AckTimeout")
        if not self._accumulator.late and now - self._accumulator.acknowledged_at > self._ack_timeout:
            self._accumulator.late = True
            log.warning("kafka does not acknowledge", error=what)
        delivery.conclude(KafkaOutage(what))
