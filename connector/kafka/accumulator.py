"""Gathers records into batches, sends them, and handles the result of each batch.

Records gather for a moment, each partition's become one batch, and while batches are in flight the next
ones gather.
"""

import asyncio
import functools
import math
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from connector import metrics
from connector.clocks import steady_nanoseconds
from connector.errors import KafkaOutage, RecordRefused
from connector.kafka.lanes import Entry, InFlightBatch, Lane, PendingDelivery, Topic
from connector.kafka.producer import ProducerKeeper
from connector.kafka.record import Record

log = structlog.get_logger(__name__)

# How long deliveries gather when nothing is in flight: long enough that several share a request.
LINGER_SECONDS = 0.002
# How long they gather at most behind batches in flight, in round trips of a batch: aiokafka has one request
# to a broker in flight, and what it is given meanwhile misses the next one.
GATHER_ROUND_TRIPS = 1.5
LEAST_GATHER_SECONDS = 0.02

# Receives when a batch was sent and acknowledged (microseconds of ``clocks.steady_nanoseconds``, which no
# step comes between) and the broker's LogAppendTime (milliseconds since the epoch; -1 where it gave none).
Observe = Callable[[int, int, int], None]


class Accumulator:
    """What waits for Kafka and what is in flight; used from one event loop."""

    def __init__(self, keeper: ProducerKeeper, ack_timeout: float, observe: Observe | None) -> None:
        """``ack_timeout`` is in seconds."""
        self._keeper = keeper
        self._ack_timeout = ack_timeout
        self._observe = observe
        # Bytes of the records that were submitted and neither acknowledged nor given up.
        self.pending_bytes = 0
        # Lanes with records that wait and no batch in flight, in the order in which they came.
        self.ready: dict[Lane, None] = {}
        self.in_flight: set[InFlightBatch] = set()
        # Of these, the newest: the next ones are sent together when all of them are answered.
        self._last: set[InFlightBatch] = set()
        # Partitions on which the present producer's sequence has a gap: it must send no more to them.
        self._gaps: set[tuple[str, int]] = set()
        self._linger: asyncio.TimerHandle | None = None
        self._sends: set[asyncio.Task[None]] = set()
        self._gather_seconds = LEAST_GATHER_SECONDS
        # When Kafka last acknowledged something (monotonic), and whether that is too long ago.
        self.acknowledged_at = -math.inf
        self.late = False
        self.died = asyncio.Event()

    def enqueue(self, lane: Lane, record: Record, delivery: PendingDelivery) -> None:
        """Put a record into the lane of its partition, and schedule a flush."""
        lane.waiting.append((record, delivery))
        if lane.batch is None:
            self.ready[lane] = None
            if self._linger is None:
                self._gather(self._gather_seconds if self._last else LINGER_SECONDS)

    def release(self, delivery: PendingDelivery) -> None:
        """Release one record of a delivery; with the last one its bytes are free, and it is done."""
        delivery.unreleased -= 1
        if not delivery.unreleased:
            self.pending_bytes -= delivery.size
            delivery.conclude(None)

    def close(self) -> None:
        """Send nothing more."""
        if self._linger is not None:
            self._linger.cancel()

    # --- To Kafka --------------------------------------------------------------------------------

    def _gather(self, seconds: float) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self._linger = asyncio.get_running_loop().call_later(seconds, self.flush)

    def flush(self) -> None:
        """Send a batch on each lane that has records waiting and no batch in flight."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        producer = self._keeper.producer
        if producer is None:
            return
        lanes, self.ready = self.ready, {}
        loaded = []
        for lane in lanes:
            if self._gaps and lane.topic_partition in self._gaps:
                self.ready[lane] = None
            elif lane.batch is None and (one := lane.load(producer, self.release)):
                loaded.append(one)
        if loaded:
            self._last = {batch for batch, _ in loaded}
            self.in_flight |= self._last
            task = asyncio.create_task(self._send(producer, loaded))
            self._sends.add(task)
            task.add_done_callback(self.watch)

    async def _send(self, producer: AIOKafkaProducer, loaded: list[tuple[InFlightBatch, Any]]) -> None:
        """Give batches to aiokafka. Their partitions are known and have none in flight, so none waits."""
        for batch, builder in loaded:
            if batch not in self.in_flight:
                continue  # taken back: asking for a topic that vanished might have the broker create it
            topic, partition = batch.lane.topic_partition
            try:
                future = await producer.send_batch(builder, topic, partition=partition)
            except Exception as error:  # noqa: BLE001 - whatever it is, this batch has failed
                self._settle(batch, error)
            else:
                future.add_done_callback(functools.partial(self._arrived, batch))

    def watch(self, task: "asyncio.Task[None]") -> None:
        """End the process when a task fails with a bug; asyncio would only log it."""
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("publisher died", exc_info=error)
            self.died.set()

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
        """Call back for a batch's deliveries, and let the next batch go."""
        if batch not in self.in_flight:
            return  # its records were taken back
        self._unload(batch)
        if error is None:
            self._acknowledge(batch)
        else:
            self._fail(batch, error)
        if batch.lane.waiting:
            self.ready[batch.lane] = None
        if self.ready:
            if not self._last:
                self._gather(LINGER_SECONDS)
            elif self._linger is None:
                self._gather(self._gather_seconds)

    def _acknowledge(self, batch: InFlightBatch) -> None:
        now = self.acknowledged_at = time.monotonic()
        longest = min(GATHER_ROUND_TRIPS * (now - batch.since), self._ack_timeout / 4)
        self._gather_seconds = max(
            self._gather_seconds + (longest - self._gather_seconds) / 16, LEAST_GATHER_SECONDS
        )
        if self.late:
            self.late = False
            log.info("kafka acknowledges again")
        if batch.lane.recover():
            log.info("kafka takes records again", topic=batch.lane.topic.name, partition=batch.lane.partition)
        for _, delivery in batch.entries:
            self.release(delivery)

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
                delivery.conclude(RecordRefused(what) if too_large else KafkaOutage(what))
                self.release(delivery)
        self.replace(batch, what)

    def replace(self, batch: InFlightBatch, reason: str) -> None:
        """Replace the producer of a failed batch; other partitions use it until the next is ready."""
        if batch.producer is self._keeper.producer:
            self._gaps.add(batch.lane.topic_partition)
        self._keeper.replace(batch.producer, reason, at_once=False)

    # --- Changes of the producer and the partitions ----------------------------------------------

    def start_again(self) -> None:
        """Go on with a new producer; what the former one has in flight may still arrive."""
        self.late = False
        self._gaps.clear()
        if self.ready and not self._last:
            self._gather(0)

    def take_back(self, producer: AIOKafkaProducer) -> None:
        """Queue again what a producer had in flight; its later results have no effect."""
        for batch in [one for one in self.in_flight if one.producer is producer]:
            self._unload(batch)
            self._wait_again(batch)
        if self.ready:
            self._gather(LINGER_SECONDS)

    def move(self, topic: Topic, gone: list[Lane], waiting: list[Entry]) -> None:
        """Put what waits for a topic on its present partitions; it fails where there are none."""
        for batch in [one for one in self.in_flight if one.lane in gone]:
            # The producer would ask for that partition repeatedly while the others wait.
            self._unload(batch)
            waiting = [*batch.entries, *waiting]
            self.replace(batch, f"partitions of {topic.name} vanished")
        for record, delivery in waiting:
            if topic.lanes:
                self.enqueue(topic.lane_of(record.key), record, delivery)
            else:
                delivery.conclude(KafkaOutage(topic.missing))
                self.release(delivery)

    def _unload(self, batch: InFlightBatch) -> None:
        self.in_flight.discard(batch)
        self._last.discard(batch)
        batch.lane.batch = None

    def _wait_again(self, batch: InFlightBatch) -> None:
        batch.lane.alone += batch.alone
        batch.lane.waiting.extendleft(reversed(batch.entries))
        self.ready[batch.lane] = None
