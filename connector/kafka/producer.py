"""The publisher's aiokafka producer: built when a broker answers, replaced when it breaks.

Nothing here gives up, and nothing is in a hurry: each request has Kafka's own timeout, so a broker at
a round trip of 300 ms, or one whose first answer takes seconds, is as good as a near one.

An idempotent producer whose batch failed has a gap in its sequence and fails from there on, so any
failed batch replaces the producer. ``stop`` of the old one would wait for the batches that it still
holds, for as long as no broker answers; it is abandoned instead: its sender task is ended by the only
private name of a library that the gateway uses.
"""

import asyncio
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
import tenacity
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from connector.config import Config, Kafka

log = structlog.get_logger(__name__)

BATCH_BYTES = 65_536
# A request that was not answered by then is repeated on a new connection.
MAX_REQUEST_SECONDS = 10.0
# Finding a broker takes some requests in a row; then the search begins again with another server.
START_REQUESTS = 4
PAUSE_SECONDS = 1.0
METADATA_SECONDS = 60


class ProducerKeeper:
    """Keeps a producer that works, as long as there is a broker that answers. Lives on one event loop."""

    def __init__(self, config: Config, ready: Callable[[AIOKafkaProducer], None]) -> None:
        """``ready`` is called on the loop with each new producer."""
        self._config = config
        self._ready = ready
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._abandoned: set[asyncio.Task[None]] = set()
        # In seconds: how long one request to a broker may take.
        self.request_seconds = min(config.kafka.request_timeout_seconds, MAX_REQUEST_SECONDS)
        self.producer: AIOKafkaProducer | None = None
        # Why there is no producer.
        self.trouble: str | None = f"Kafka at {config.kafka.bootstrap_servers} does not answer yet."

    def start(self) -> "asyncio.Task[None]":
        """Look for a broker from now on; the task ends by ``close`` or by a bug."""
        self._task = asyncio.create_task(self._run())
        return self._task

    def replace(self, broken: AIOKafkaProducer, reason: str, *, at_once: bool) -> None:
        """Replace a broken producer, unless that was done already.

        It goes on being ``producer`` until the next one is ready, unless ``at_once``.
        """
        if broken is not self.producer:
            return
        if not self._broken.is_set():
            log.warning("kafka producer is replaced", reason=reason)
            self._broken.set()
        if at_once:
            self.producer, self.trouble = None, reason
            self._abandon(broken)

    async def close(self, timeout_seconds: float) -> None:
        """End the producer; returns after the timeout at most."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self.producer is not None:
            self._abandon(self.producer)
            self.producer = None
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=timeout_seconds)

    async def _run(self) -> None:
        while True:
            retrying = tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type((KafkaError, OSError, TimeoutError)),
                wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
                after=self._note,
            )
            producer: AIOKafkaProducer = await retrying(self._build)
            if self.producer is not None:  # else it was abandoned at once
                self._abandon(self.producer)
            self._broken.clear()
            self.producer, self.trouble = producer, None
            log.info("kafka producer ready")
            self._ready(producer)
            await asyncio.sleep(PAUSE_SECONDS)
            await self._broken.wait()

    def _note(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        servers = self._config.kafka.bootstrap_servers
        if state.attempt_number == 1:
            log.warning("kafka is away", servers=servers, error=str(error))
        if self.producer is None:
            self.trouble = f"Kafka at {servers} does not answer: {type(error).__name__}: {error}"

    async def _build(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._settings())
        try:
            async with asyncio.timeout(START_REQUESTS * self.request_seconds):
                await producer.start()
                # Partitions of all topics: asking for one by name may have the broker create it.
                known = await producer.client.force_metadata_update()
        except BaseException:
            await producer.stop()
            raise
        if not known:
            await producer.stop()
            raise KafkaConnectionError("no broker tells which topics there are")
        return producer

    def _settings(self) -> dict[str, Any]:
        kafka = self._config.kafka
        # aiokafka asks them in this order, and one that is away may cost a request's time.
        servers = random.sample(kafka.servers, len(kafka.servers))
        return client_settings(kafka) | {
            "bootstrap_servers": servers,
            "client_id": "xtnd-connector-gateway",
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": self._config.topics.compression,
            "max_batch_size": BATCH_BYTES,
            # The publisher gathers; what it hands over leaves at once.
            "linger_ms": 0,
            "request_timeout_ms": int(self.request_seconds * 1000),
            "metadata_max_age_ms": METADATA_SECONDS * 1000,
        }

    def _abandon(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(abandon(producer))
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)


async def abandon(producer: AIOKafkaProducer) -> None:
    """End a producer together with what it still holds; takes a request's time at most."""
    sender: asyncio.Task[None] | None = producer._sender.sender_task  # noqa: SLF001
    if sender is not None:
        sender.cancel()
        # A sender that had died already died of an error that its batches were given.
        await asyncio.wait([sender])
    others = asyncio.all_tasks()
    with suppress(KafkaError, OSError):
        await producer.stop()
    # ``stop`` leaves a task behind that waits for batches which nobody will send any more.
    for task in asyncio.all_tasks() - others:
        if getattr(task.get_coro(), "__qualname__", "") == "MessageAccumulator.close":
            task.cancel()


def client_settings(kafka: Kafka) -> dict[str, Any]:
    """What aiokafka needs for reaching the cluster: TLS and SASL."""
    settings: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.sasl_mechanism and kafka.sasl_password:
        settings["sasl_mechanism"] = kafka.sasl_mechanism
        settings["sasl_plain_username"] = kafka.sasl_username
        settings["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
        if kafka.ssl_certificate_file:
            context.load_cert_chain(kafka.ssl_certificate_file, kafka.ssl_key_file)
        settings["ssl_context"] = context
    return settings
