"""The gateway's Kafka producer: built when a broker answers, and built anew when it breaks.

Building, closing and waiting for a broker block, so they happen on a thread of this module. Whoever
sends asks for ``producer`` each time, and has none while Kafka is away.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import structlog
import tenacity
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from connector.config import Config
from connector.gateway.records import RECORD_OVERHEAD_BYTES
from connector.kafka.topics import client_settings, plans

log = structlog.get_logger()

METADATA_BLOCK_SECONDS = 0.25
BOOTSTRAP_SECONDS = 2.0
REBUILD_PAUSE_SECONDS = 1.0
BATCH_BYTES = 65_536
# A producer that concludes nothing for this long past its delivery timeout has a dead sender.
STALE_SECONDS = 5.0
# These are about one record, and a new producer would give the same answer.
_ABOUT_THE_RECORD = (MessageSizeTooLargeError, RecordListTooLargeError)


class ProducerKeeper:
    """Keeps a producer that works, as long as there is a broker that answers."""

    def __init__(self, config: Config, on_death: Callable[[], None]) -> None:
        """``on_death`` is called on the keeper's thread when a bug has ended it."""
        self._config = config
        self._on_death = on_death
        self._ack_timeout = config.gateway.ack_timeout_seconds
        self._request_timeout = min(config.kafka.request_timeout_seconds, max(2 * self._ack_timeout, 1))
        self._topics = [plan.name for plan in plans(config)]
        self._stopping = threading.Event()
        self._broken: SimpleQueue[KafkaProducer | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="producer-keeper", daemon=True)
        # In seconds; the producer gives up a batch that was not acknowledged by then.
        self.delivery_timeout = self._request_timeout + 1
        self.producer: KafkaProducer | None = None
        # Why there is no producer.
        self.trouble: str | None = "Kafka has not answered since the start."

    # --- On the event loop -----------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; it builds the producer as soon as a broker answers."""
        self._thread.start()

    def replace(self, broken: KafkaProducer, reason: str) -> None:
        """Have a broken producer replaced, unless it was already."""
        if broken is self.producer:
            self.producer, self.trouble = None, reason
            self._broken.put(broken)

    async def close(self, timeout_seconds: float) -> None:
        """Let what the producer holds go out, then end the thread; returns after the timeout at most."""
        self._stopping.set()
        self._broken.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, timeout_seconds)

    # --- On the keeper's thread ------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._find()
            while (broken := self._broken.get()) is not None:
                log.warning("kafka producer is rebuilt", reason=self.trouble)
                self._set_aside(broken)
                self._find()
            if self.producer is not None:
                _close(self.producer, self._ack_timeout)
        except Exception as error:
            log.exception("producer keeper died")
            self.producer, self.trouble = None, f"The producer keeper died: {error}"
            self._on_death()

    def _set_aside(self, broken: KafkaProducer) -> None:
        """Close a producer on a thread of its own, because that waits until its batches have expired."""
        timeout = self.delivery_timeout + STALE_SECONDS
        threading.Thread(target=_close, args=(broken, timeout), daemon=True).start()
        self._stopping.wait(REBUILD_PAUSE_SECONDS)

    def _find(self) -> None:
        """Build a producer; try for as long as it takes."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((KafkaError, OSError, TimeoutError)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
            stop=tenacity.stop_when_event_set(self._stopping),
            sleep=tenacity.sleep_using_event(self._stopping),
            after=self._note,
        )
        with suppress(tenacity.RetryError):
            self.producer = retrying(self._build)
            log.info("kafka producer ready")

    def _note(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        servers = self._config.kafka.bootstrap_servers
        if state.attempt_number == 1:
            log.warning("kafka is away", servers=servers, error=str(error))
        self.trouble = f"Kafka at {servers} does not answer: {type(error).__name__}: {error}"

    def _build(self) -> KafkaProducer:
        """Build a producer that knows the partitions of every topic, so that nobody need wait for them."""
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
            "compression_type": self._config.topics.compression,
            "max_request_size": self._config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES,
            "batch_size": BATCH_BYTES,
            # The publisher gathers; what it hands over shall leave at once.
            "linger_ms": 0,
            "max_block_ms": int(METADATA_BLOCK_SECONDS * 1000),
            "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
            # Batches that nobody waits for any more expire soon instead of piling up.
            "request_timeout_ms": int(self._request_timeout * 1000),
            "delivery_timeout_ms": int(self.delivery_timeout * 1000),
            # The default grows to 30 s, which the first deliveries after an outage would wait.
            "reconnect_backoff_max_ms": 1000,
            "metrics_enabled": False,
        }


def is_fatal(error: BaseException | None) -> bool:
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
