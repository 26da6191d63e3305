"""Records → Kafka, acknowledged by all in-sync replicas (kafka-python).

``KafkaProducer.send`` can block, so it runs on a thread of this module. The event loop hands over
what one turn of the loop gathered, and each delivery waits on one future of its own. The
producer's own thread counts acknowledgements; the loop is woken once for all deliveries that are
done by then, not once per record.

A delivery that Kafka does not acknowledge in time raises ``KafkaOutage``. It may still arrive
(a ghost): that is a duplicate, and duplicates have no effect in the mirror.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

import structlog
import tenacity
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from kafka.partitioner import Partitioner
from kafka.partitioner.default import murmur2

from connector import metrics
from connector.config import Config
from connector.errors import Defect, KafkaOutage
from connector.gateway.records import RECORD_OVERHEAD_BYTES, Record
from connector.topics import client_settings, plans

log = structlog.get_logger()

# Records handed over and not yet acknowledged or given up, ghosts included. kafka-python 3 has no
# buffer_memory of its own, so this is the bound.
MAX_HELD_BYTES = 134_217_728
METADATA_BLOCK_SECONDS = 0.25
BOOTSTRAP_SECONDS = 2.0
REBUILD_PAUSE_SECONDS = 1.0
TROUBLE_SECONDS = 5.0
# How long a batch waits for more records. Longer keeps every sender waiting, and 64 of them cannot
# keep a gateway busy that answers each after 15 ms; none has a request to the broker carry one
# record, which costs a gateway with little to do a third more of a core at 1,000 deliveries/s.
LINGER_MS = 2
BATCH_BYTES = 65_536
# A producer that concludes nothing for this long past its delivery timeout has a dead sender.
STALE_SECONDS = 5.0
# These are about one record, and a new producer would give the same answer.
_ABOUT_THE_RECORD = (MessageSizeTooLargeError, RecordListTooLargeError)


class EntityPartitioner(Partitioner):  # type: ignore[misc]  # kafka-python ships no types
    """Kafka's own choice for a key (murmur2), remembered: the same few entities come again and again."""

    def __init__(self) -> None:
        self._hash = lru_cache(maxsize=16_384)(murmur2)

    def partition(self, topic: str, _key: Any, key: bytes, _value: Any, _bytes: Any, cluster: Any) -> int:
        """The partition of a key; partitions are numbered from 0 without a gap."""
        return int(self._hash(key) & 0x7FFFFFFF) % len(cluster.partitions_for_topic(topic))


class Handover:
    """One delivery's records on their way, and the future that its request waits on."""

    __slots__ = ("concluded", "future", "overdue_at", "producer", "publisher", "records", "size", "todo")

    def __init__(
        self,
        publisher: "Publisher",
        records: Sequence[Record],
        future: asyncio.Future[None],
        overdue_at: float,
    ) -> None:
        self.publisher = publisher
        self.records = records
        self.size = sum(record.size for record in records)
        self.future = future
        self.overdue_at = overdue_at
        self.concluded = False
        self.producer: KafkaProducer | None = None
        # One entry per record. Popping is atomic; a counter would lose steps between two threads.
        self.todo = [None] * len(records)

    def landed(self, _metadata: Any) -> None:
        """One record was acknowledged (on a thread of the producer)."""
        self.todo.pop()
        if not self.todo:
            self.publisher.conclude(self, None)

    def failed(self, error: BaseException) -> None:
        """One record will never be acknowledged (on any thread)."""
        self.publisher.conclude(self, error)


class Publisher:
    """Takes records from the event loop and answers when Kafka has them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ack_timeout = config.gateway.ack_timeout_seconds
        self._request_timeout = min(config.kafka.request_timeout_seconds, max(2 * self._ack_timeout, 1))
        self._delivery_timeout = self._request_timeout + LINGER_MS / 1000 + 1
        self._topics = [plan.name for plan in plans(config)]
        self._queue: SimpleQueue[list[Handover] | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._broken = threading.Event()
        self._producer: KafkaProducer | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        # Only the loop touches these.
        self._gathered: list[Handover] = []
        self._waiting: deque[Handover] = deque()
        self._held: deque[Handover] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._held_bytes = 0
        # Appended by any thread, emptied by the loop.
        self._concluded: deque[tuple[Handover, BaseException | None]] = deque()
        self._woken = False
        self._trouble: str | None = "Kafka has not answered since the start."
        self._trouble_at = 0.0
        self.died = asyncio.Event()

    # --- On the event loop -----------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; it builds the producer as soon as a broker answers."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def trouble(self) -> str | None:
        """Say what keeps deliveries from Kafka at this moment, or None.

        A failure counts for ``TROUBLE_SECONDS`` unless an acknowledgement came after it: a gateway
        that gets no deliveries because it is not ready must become ready by itself.
        """
        if self._producer is None or time.monotonic() - self._trouble_at < TROUBLE_SECONDS:
            return self._trouble
        return None

    async def take(self, records: Sequence[Record]) -> None:
        """Return when Kafka has acknowledged every record; raises ``KafkaOutage``."""
        loop = self._loop
        if loop is None:
            raise Defect("The publisher was not started.")
        if not records:
            return
        overdue_at = time.monotonic() + self._ack_timeout
        handover = Handover(self, records, loop.create_future(), overdue_at)
        if self._held_bytes + handover.size > MAX_HELD_BYTES:
            raise KafkaOutage("Too much already waits for Kafka.")
        self._held_bytes += handover.size
        self._gathered.append(handover)
        if len(self._gathered) == 1:
            loop.call_soon(self._hand_over)
        self._held.append(handover)
        self._waiting.append(handover)
        if self._timer is None:
            self._timer = loop.call_later(self._ack_timeout, self._give_up)
        try:
            await handover.future
        except KafkaOutage as outage:
            # The future lives on with the producer: by the traceback its error would hold the frames
            # of all who wait here, and with them the records, for as long as Kafka is away.
            del records, handover
            raise KafkaOutage(str(outage)) from None

    def _hand_over(self) -> None:
        """Give the thread all that this turn of the loop gathered, at once."""
        gathered, self._gathered = self._gathered, []
        self._queue.put(gathered)

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
        stale = now - self._delivery_timeout - STALE_SECONDS
        while self._held and (self._held[0].concluded or self._held[0].overdue_at < stale):
            handover = self._held.popleft()
            if not handover.concluded:
                self._release(handover)
                if handover.producer is not None and handover.producer is self._producer:
                    self._broken.set()

    def _release(self, handover: Handover) -> None:
        handover.concluded = True
        handover.records = ()
        self._held_bytes -= handover.size

    def _settle(self) -> None:
        """Answer every delivery that is done by now."""
        self._woken = False
        while self._concluded:
            handover, error = self._concluded.popleft()
            if not handover.concluded:
                self._release(handover)
                self._answer(handover, error)
        while self._held and self._held[0].concluded:
            self._held.popleft()

    def _answer(self, handover: Handover, error: BaseException | None) -> None:
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
        metrics.publish_failures.labels(error).inc()
        handover.future.set_exception(outage)

    async def close(self, timeout_seconds: float) -> None:
        """Let what was handed over go out, then end the thread; returns after the timeout at most."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, timeout_seconds)

    # --- On any thread ---------------------------------------------------------------------------

    def conclude(self, handover: Handover, error: BaseException | None) -> None:
        """Note that a delivery is acknowledged or lost, and wake the loop unless it is awake."""
        self._concluded.append((handover, error))
        # A retired producer's last errors say nothing about the one in its place.
        if _is_fatal(error) and handover.producer is self._producer:
            self._broken.set()
        if not self._woken and self._loop is not None:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop has ended; nobody waits for an answer any more
                return

    # --- On the publisher's thread ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._rebuild()
            while (gathered := self._queue.get()) is not None:
                if self._broken.is_set():
                    self._rebuild()
                for handover in gathered:
                    self._send(handover)
            if self._producer is not None:
                _close(self._producer, self._ack_timeout)
        except Exception as error:
            log.exception("publisher died")
            self._trouble, self._producer = f"The publisher died: {error}", None
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.died.set)

    def _send(self, handover: Handover) -> None:
        """Give one delivery's records to the producer; one that nobody waits for is dropped."""
        producer = self._producer
        if producer is None or handover.future.done():
            self.conclude(handover, KafkaOutage("Kafka was away."))
            return
        handover.producer = producer
        try:
            for record in handover.records:
                sent = producer.send(record.topic, record.value, record.key, record.headers)
                sent.add_callback(handover.landed)
                sent.add_errback(handover.failed)
        except (KafkaError, ValueError) as error:
            self.conclude(handover, error)

    def _rebuild(self) -> None:
        """Put a new producer in place of a broken one; try for as long as it takes."""
        if self._producer is not None:
            broken, self._producer = self._producer, None
            log.warning("kafka producer is rebuilt", reason=self._trouble)
            # Aside, because closing waits until the batches in flight have expired.
            timeout = self._delivery_timeout + STALE_SECONDS
            threading.Thread(target=_close, args=(broken, timeout), daemon=True).start()
            self._stopping.wait(REBUILD_PAUSE_SECONDS)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((KafkaError, OSError, TimeoutError)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
            stop=tenacity.stop_when_event_set(self._stopping),
            sleep=tenacity.sleep_using_event(self._stopping),
            after=self._note,
        )
        with suppress(tenacity.RetryError):
            self._producer = retrying(self._build)
            self._broken.clear()
            self._trouble = None
            log.info("kafka producer ready")

    def _note(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        servers = self._config.kafka.bootstrap_servers
        if state.attempt_number == 1:
            log.warning("kafka is away", servers=servers, error=str(error))
        self._trouble = f"Kafka at {servers} does not answer: {type(error).__name__}: {error}"

    def _build(self) -> KafkaProducer:
        """Build a producer that knows the partitions of every topic, so that ``send`` need not ask."""
        producer = KafkaProducer(**self._settings())
        try:
            for topic in self._topics:
                producer.partitions_for(topic)
        except KafkaError:
            _close(producer, BOOTSTRAP_SECONDS)
            raise
        return producer

    def _settings(self) -> dict[str, Any]:
        return client_settings(self._config.kafka, client_id="xtnd-connector-gateway") | {
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "partitioner": EntityPartitioner(),
            "compression_type": self._config.topics.compression,
            "max_request_size": self._config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES,
            "batch_size": BATCH_BYTES,
            "linger_ms": LINGER_MS,
            "max_block_ms": int(METADATA_BLOCK_SECONDS * 1000),
            "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
            # Batches that nobody waits for any more expire soon instead of piling up.
            "request_timeout_ms": int(self._request_timeout * 1000),
            "delivery_timeout_ms": int(self._delivery_timeout * 1000),
            # The default grows to 30 s, which the first deliveries after an outage would wait.
            "reconnect_backoff_max_ms": 1000,
            "metrics_enabled": False,
        }


def _is_fatal(error: BaseException | None) -> bool:
    """Whether only a new producer can go on after this error."""
    return isinstance(error, KafkaError) and not error.retriable and not isinstance(error, _ABOUT_THE_RECORD)


def _close(producer: KafkaProducer, timeout_seconds: float) -> None:
    """Close a producer; what it cannot get rid of in time is given up with it."""
    try:
        producer.close(timeout=timeout_seconds)
    except (KafkaError, OSError) as error:
        # kafka-python's close gives up when its flush does, and leaves the sender running for ever.
        producer._sender.force_close()  # noqa: SLF001
        log.warning("kafka producer closed by force", error=str(error))
