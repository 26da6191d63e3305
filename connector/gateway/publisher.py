"""Records → Kafka, acknowledged by all in-sync replicas (kafka-python).

Everything here runs on the event loop and nothing of it blocks; only an acknowledgement comes from the
producer's thread. The loop gathers records for a moment and sends them off together, over a lane for each
partition (``lanes``). It is woken once for all batches that are done by then, not once per record.

A delivery that Kafka does not acknowledge in time raises ``KafkaOutage``. It may still arrive
(a ghost): that is a duplicate, and duplicates have no effect in the mirror.
"""

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from connector import metrics
from connector.config import Config
from connector.errors import Defect, KafkaOutage
from connector.gateway.lanes import Handover, Lanes, Load
from connector.gateway.producer import STALE_SECONDS, ProducerKeeper, is_fatal
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


def _vital(act: "Callable[[Publisher], None]") -> "Callable[[Publisher], None]":
    """Have the process end when a callback of the loop trips over a bug; asyncio would only log it."""

    @functools.wraps(act)
    def guarded(publisher: "Publisher") -> None:
        try:
            act(publisher)
        except Exception:
            log.exception("publisher died")
            publisher.died.set()

    return guarded


class Publisher:
    """Takes records from the event loop and answers when Kafka has them."""

    def __init__(self, config: Config) -> None:
        self._ack_timeout = config.gateway.ack_timeout_seconds
        max_record = config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES
        self._keeper = ProducerKeeper(config, self._keeper_died)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: deque[Handover] = deque()
        self._lanes = Lanes(max_record, arrived=self._note, release=self._release)
        self._waiting: deque[Handover] = deque()
        self._held: deque[Handover] = deque()
        self._held_bytes = 0
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
            self._gather(PATIENCE_SECONDS if self._lanes.underway else LINGER_SECONDS)
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
            self._ship(at_once=True)
        await self._keeper.close(timeout_seconds)

    # --- To Kafka --------------------------------------------------------------------------------

    def _gather(self, seconds: float) -> None:
        """Let records come together for so long from now, and on while many come."""
        self._stop_gathering()
        if self._loop is not None:
            self._seen = len(self._gathered)
            self._longest = time.monotonic() + LONGEST_SECONDS
            self._linger = self._loop.call_later(seconds, self._look)

    @_vital
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

    def _ship(self, *, at_once: bool = False) -> None:
        """Put what was gathered into its lanes, and send a batch on each lane that is free, or on all."""
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
        self._lanes.depart(producer, at_once=at_once)
        if self._gathered:
            self._gather(0)

    def _more(self) -> bool:
        """Whether anything waits that was not shipped."""
        return bool(self._gathered) or self._lanes.any_waiting()

    def _forget_the_unawaited(self) -> None:
        """Let go of what waits although its time is up; the oldest stand first."""
        while self._gathered and self._gathered[0].future.done():
            self._release(self._gathered.popleft())
        self._lanes.clear()

    def _line_up(self, handover: Handover, producer: KafkaProducer) -> None:
        try:
            self._lanes.line_up(handover, producer)
        except KafkaError as error:
            self._conclude(handover, error)

    # --- From Kafka ------------------------------------------------------------------------------

    def _note(self, load: Load) -> None:
        """Take back a batch that is done, on any thread, and wake the loop unless it is awake."""
        self._arrived.append(load)
        if not self._woken and self._loop is not None:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop has ended; nobody waits for an answer any more
                return

    @_vital
    def _settle(self) -> None:
        """Answer every delivery that is done by now, and go on with what waited behind it."""
        self._woken = False
        while self._arrived:
            load = self._arrived.popleft()
            self._lanes.free(load)
            if is_fatal(load.error):
                self._keeper.replace(load.producer, f"{type(load.error).__name__}: {load.error}")
            for handover in load.handovers:
                handover.left -= 1
                if not handover.concluded and (load.error or not handover.left):
                    self._conclude(handover, load.error)
        while self._held and self._held[0].concluded:
            self._held.popleft()
        if self._more():
            self._go_on()

    def _go_on(self) -> None:
        """See to it that what waits is shipped, also where only some lanes are free again."""
        if not self._lanes.underway:
            # Where few came since the last shipment, the next one shall not be smaller still.
            self._gather(MOMENT_SECONDS if len(self._gathered) >= CROWD else LINGER_SECONDS)
        elif self._linger is None:
            self._gather(PATIENCE_SECONDS)

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

    @_vital
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
