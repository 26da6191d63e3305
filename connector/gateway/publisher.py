"""Records → Kafka, acknowledged by all in-sync replicas (kafka-python).

Everything here runs on the event loop and nothing of it blocks; only an acknowledgement comes from the
producer's thread. The loop gathers records for ``LINGER_SECONDS`` and puts them into lanes, one for each
partition. One batch of a lane travels at a time, and what comes meanwhile makes up the next: the slower
Kafka is, the larger the batches are. The loop is woken once for all batches that are done by then.

A delivery that Kafka does not acknowledge in time raises ``KafkaOutage``. It may still arrive
(a ghost): that is a duplicate, and duplicates have no effect in the mirror.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from connector import metrics
from connector.config import Config
from connector.errors import Defect, KafkaOutage
from connector.gateway import batches
from connector.gateway.producer import BATCH_BYTES, STALE_SECONDS, ProducerKeeper, is_fatal
from connector.gateway.records import RECORD_OVERHEAD_BYTES, Record

log = structlog.get_logger()

# Records handed over and not yet acknowledged or given up, ghosts included. kafka-python 3 has no
# buffer_memory of its own, so this is the bound.
MAX_HELD_BYTES = 134_217_728
TROUBLE_SECONDS = 5.0
# How long records are gathered. Longer keeps every sender waiting, and 64 of them cannot keep a gateway
# busy that answers each after 15 ms; none has a request to the broker carry one record, which costs a
# gateway with little to do a third more of a core at 1,000 deliveries/s.
LINGER_SECONDS = 0.002
# Gathering goes on while many deliveries come within a moment, because one request for all of them is much
# cheaper than two; but not for longer than this in all. Behind a crowd a moment is enough to begin with.
MANY = 4
MOMENT_SECONDS = 0.001
CROWD = 16
LONGEST_SECONDS = 0.006
# How long records are gathered while others are on their way, or while there is no producer.
PATIENCE_SECONDS = 0.02
# After so many records others get their turn on the loop.
MOST_RECORDS = 2000


class Handover:
    """One delivery's records on their way, and the future that its request waits on."""

    __slots__ = ("concluded", "future", "left", "overdue_at", "producer", "records", "size")

    def __init__(self, records: Sequence[Record], future: asyncio.Future[None], overdue_at: float) -> None:
        self.records = records
        self.size = sum([record.size for record in records])
        # How many records were not acknowledged yet.
        self.left = len(records)
        self.future = future
        self.overdue_at = overdue_at
        self.concluded = False
        self.producer: KafkaProducer | None = None


class Lane:
    """The way to one partition: what waits, as Kafka's format has it, and who carries a batch of it."""

    __slots__ = ("carrier", "partition", "topic", "waiting")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[tuple[bytes, Handover]] = deque()
        self.carrier: KafkaProducer | None = None


class Load:
    """What became of one batch, and whose records it held."""

    __slots__ = ("error", "handovers", "lane", "producer", "publisher")

    def __init__(
        self, publisher: "Publisher", lane: Lane, producer: KafkaProducer, handovers: list[Handover]
    ) -> None:
        self.publisher = publisher
        self.lane = lane
        self.producer = producer
        self.handovers = handovers
        self.error: BaseException | None = None

    def done(self, error: BaseException | None) -> None:
        """Note that the batch is acknowledged or lost (on any thread)."""
        self.error = error
        self.publisher.arrived(self)


class Publisher:
    """Takes records from the event loop and answers when Kafka has them."""

    def __init__(self, config: Config) -> None:
        self._ack_timeout = config.gateway.ack_timeout_seconds
        self._max_record = config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES
        self._keeper = ProducerKeeper(config, self._keeper_died)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: deque[Handover] = deque()
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._waiting: deque[Handover] = deque()
        self._held: deque[Handover] = deque()
        self._held_bytes = 0
        # The batches that left last, as far as they have not arrived.
        self._underway: set[Load] = set()
        self._linger: asyncio.TimerHandle | None = None
        self._longest = 0.0
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None
        # Appended by any thread, emptied by the loop.
        self._arrived: deque[Load] = deque()
        self._woken = False
        self._trouble: str | None = None
        self._trouble_at = 0.0
        self._trouble_of: KafkaProducer | None = None
        self.died = asyncio.Event()

    def start(self) -> None:
        """Begin to look for a broker."""
        self._loop = asyncio.get_running_loop()
        self._keeper.start()

    def trouble(self) -> str | None:
        """Say what keeps deliveries from Kafka at this moment, or None.

        A failure counts for ``TROUBLE_SECONDS`` unless an acknowledgement or a new producer came after
        it: a gateway that gets no deliveries because it is not ready must become ready by itself.
        """
        if self._keeper.producer is None:
            return self._keeper.trouble
        recent = time.monotonic() - self._trouble_at < TROUBLE_SECONDS
        return self._trouble if recent and self._trouble_of is self._keeper.producer else None

    async def take(self, records: Sequence[Record]) -> None:
        """Return when Kafka has acknowledged every record; raises ``KafkaOutage``."""
        loop = self._loop
        if loop is None:
            raise Defect("The publisher was not started.")
        if not records:
            return
        handover = Handover(records, loop.create_future(), time.monotonic() + self._ack_timeout)
        if self._held_bytes + handover.size > MAX_HELD_BYTES:
            raise KafkaOutage("Too much already waits for Kafka.")
        self._held_bytes += handover.size
        self._gathered.append(handover)
        self._held.append(handover)
        self._waiting.append(handover)
        if self._linger is None:
            self._gather(PATIENCE_SECONDS if self._underway else LINGER_SECONDS)
        if self._timer is None:
            self._timer = loop.call_later(self._ack_timeout, self._give_up)
        try:
            await handover.future
        except KafkaOutage as outage:
            # The future lives on with the producer: by the traceback its error would hold the frames
            # of all who wait here, and with them the records, for as long as Kafka is away.
            del records, handover
            raise KafkaOutage(str(outage)) from None

    async def close(self, timeout_seconds: float) -> None:
        """Let what was taken go out; returns after the timeout at most."""
        while self._keeper.producer is not None and self._more():
            for lane in self._lanes.values():
                lane.carrier = None  # the last batches need not wait for those before them
            self._ship()
        await self._keeper.close(timeout_seconds)

    # --- To Kafka --------------------------------------------------------------------------------

    def _gather(self, seconds: float) -> None:
        """Let records come together for so long from now, and on while many come."""
        self._stop_gathering()
        if self._loop is not None:
            self._seen = len(self._gathered)
            self._longest = time.monotonic() + LONGEST_SECONDS
            self._linger = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Ship, unless deliveries come so fast that the next moment brings more."""
        came, self._seen = len(self._gathered) - self._seen, len(self._gathered)
        if came >= MANY and self._loop is not None and time.monotonic() < self._longest:
            self._linger = self._loop.call_later(MOMENT_SECONDS, self._look)
        else:
            self._ship()

    def _stop_gathering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _ship(self) -> None:
        """Put what was gathered into its lanes, and send a batch on each lane that is free."""
        self._stop_gathering()
        producer = self._keeper.producer
        if producer is None:
            self._forget_the_unawaited()
            if self._more():
                self._gather(PATIENCE_SECONDS)
            return
        records = 0
        while self._gathered and records < MOST_RECORDS:
            handover = self._gathered.popleft()
            records += len(handover.records)
            self._line_up(handover, producer)
        self._depart(producer)
        if self._gathered:
            self._gather(0)

    def _more(self) -> bool:
        """Whether anything waits that was not shipped."""
        return bool(self._gathered) or any(lane.waiting for lane in self._lanes.values())

    def _forget_the_unawaited(self) -> None:
        """Let go of what waits although its time is up; the oldest stand first."""
        while self._gathered and self._gathered[0].future.done():
            self._release(self._gathered.popleft())
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0][1].future.done():
                self._release(lane.waiting.popleft()[1])

    def _line_up(self, handover: Handover, producer: KafkaProducer) -> None:
        """Write a delivery's records into the lanes of their partitions, if somebody waits for it."""
        if handover.future.done():
            self._release(handover)
            return
        try:
            for record in handover.records:
                partition = batches.partition_of(producer, record.topic, record.key)
                lane = self._lane(record.topic, partition)
                lane.waiting.append((batches.written(record, self._max_record), handover))
        except KafkaError as error:
            self._conclude(handover, error)

    def _lane(self, topic: str, partition: int) -> Lane:
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = Lane(topic, partition)
        return lane

    def _depart(self, producer: KafkaProducer) -> None:
        """Send a batch on each lane that has something waiting and nothing on its way."""
        departed: set[Load] = set()
        for lane in self._lanes.values():
            if lane.waiting and lane.carrier is not producer:
                records, handovers = self._batch(lane, producer)
                if records:
                    load = Load(self, lane, producer, handovers)
                    self._send(load, records)
                    departed.add(load)
        if departed:
            self._underway = departed
            batches.wake(producer)

    def _batch(self, lane: Lane, producer: KafkaProducer) -> tuple[list[bytes], list[Handover]]:
        """Take from a lane as much as a batch holds, one record at least, if somebody waits for it."""
        records: list[bytes] = []
        handovers: list[Handover] = []
        size, waiting = 0, lane.waiting
        while waiting and (not size or size + len(waiting[0][0]) <= BATCH_BYTES):
            record, handover = waiting.popleft()
            if handover.future.done():
                self._release(handover)
                continue
            size += len(record)
            handover.producer = producer
            records.append(record)
            handovers.append(handover)
        return records, handovers

    def _send(self, load: Load, records: list[bytes]) -> None:
        lane = load.lane
        lane.carrier = load.producer
        try:
            batches.ship(load.producer, lane.topic, lane.partition, records, load.done)
        except KafkaError as error:
            load.done(error)

    # --- From Kafka ------------------------------------------------------------------------------

    def arrived(self, load: Load) -> None:
        """Take back a batch that is done, on any thread, and wake the loop unless it is awake."""
        self._arrived.append(load)
        if not self._woken and self._loop is not None:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop has ended; nobody waits for an answer any more
                return

    def _settle(self) -> None:
        """Answer every delivery that is done by now, and go on with what waited behind it."""
        self._woken = False
        while self._arrived:
            load = self._arrived.popleft()
            self._underway.discard(load)
            if load.lane.carrier is load.producer:
                load.lane.carrier = None
                batches.forget(load.producer, load.lane.topic, load.lane.partition)
            if is_fatal(load.error):
                self._keeper.replace(load.producer, f"{type(load.error).__name__}: {load.error}")
            for handover in load.handovers:
                handover.left -= 1
                if not handover.concluded and (load.error or not handover.left):
                    self._conclude(handover, load.error)
        while self._held and self._held[0].concluded:
            self._held.popleft()
        if not self._underway and self._more():
            # Where few came since the last shipment, the next one shall not be smaller still.
            self._gather(MOMENT_SECONDS if len(self._gathered) >= CROWD else LINGER_SECONDS)

    def _conclude(self, handover: Handover, error: BaseException | None) -> None:
        """Answer a delivery, and hold it no longer."""
        self._release(handover)
        if error is None:
            if self._trouble is not None:
                log.info("kafka acknowledges again")
                self._trouble = None
            if not handover.future.done():
                handover.future.set_result(None)
        elif not handover.future.done():
            what = f"Kafka did not take the delivery: {type(error).__name__}: {error}"
            self._refuse(handover, KafkaOutage(what), type(error).__name__)

    def _refuse(self, handover: Handover, outage: KafkaOutage, error: str) -> None:
        if self._trouble is None:
            log.warning("kafka does not acknowledge", error=str(outage))
        self._trouble, self._trouble_at = str(outage), time.monotonic()
        self._trouble_of = self._keeper.producer
        metrics.publish_failures.labels(error).inc()
        handover.future.set_exception(outage)

    def _release(self, handover: Handover) -> None:
        if not handover.concluded:
            handover.concluded = True
            handover.records = ()
            self._held_bytes -= handover.size

    # --- When Kafka is late ----------------------------------------------------------------------

    def _give_up(self) -> None:
        """Fail what is overdue. All have the same timeout, so the oldest stand first."""
        now = time.monotonic()
        self._timer = None
        while self._waiting and (self._waiting[0].future.done() or self._waiting[0].overdue_at <= now):
            handover = self._waiting.popleft()
            if not handover.future.done():
                what = f"Kafka did not acknowledge within {self._ack_timeout:g} s."
                self._refuse(handover, KafkaOutage(what), "AckTimeout")
        self._let_go_of_stale(now)
        if self._waiting and self._loop:
            self._timer = self._loop.call_later(self._waiting[0].overdue_at - now, self._give_up)

    def _let_go_of_stale(self, now: float) -> None:
        """Forget ghosts that the producer should have concluded long ago: its sender is dead."""
        stale = now - self._keeper.delivery_timeout - STALE_SECONDS
        while self._held and (self._held[0].concluded or self._held[0].overdue_at < stale):
            handover = self._held.popleft()
            if not handover.concluded:
                self._release(handover)
                if handover.producer is not None:
                    self._keeper.replace(handover.producer, "The producer's sender is dead.")

    def _keeper_died(self) -> None:
        """Have the process end (on the keeper's thread)."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.died.set)
