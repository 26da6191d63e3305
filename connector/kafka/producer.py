"""The publisher's aiokafka producer: built when a broker answers, replaced when it breaks.

Nothing here gives up or hurries: each request has Kafka's own timeout, so a broker at
a round trip of 300 ms, or one whose first answer takes seconds, is as good as a near one.

An idempotent producer whose batch failed has a gap in its sequence and fails from there on, so any
failed batch replaces the producer. The former one gets a moment for what it has in flight. Its
``stop`` would wait for that as long as no broker answers; it is abandoned instead: its sender task is
cancelled by the only private name of a library that the gateway uses.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from connector.config import Config, KafkaSettings
from connector.errors import KafkaOutage, named
from connector.logs import Reports
from connector.retry import jittered, retry_until_available

log = structlog.get_logger(__name__)

# What one partition may carry in one round trip, so that a far Kafka keeps the rate of a busy one.
BATCH_BYTES = 524_288
# A request that was not answered by then is repeated on a new connection.
MAX_REQUEST_SECONDS = 10.0
# Starting with a server that answers takes some requests in a row; then the search starts again.
START_REQUESTS = 8
# A producer is used for at least so long.
PAUSE_SECONDS = 0.25
# What a replaced producer has in flight may arrive within this time.
GRACE_SECONDS = 1.0
STOP_SECONDS = 1.0
CLIENT_ID = "xtnd-connector-gateway"


class ProducerKeeper:
    """Keeps a producer that works, as long as there is a broker that answers. Lives on one event loop."""

    def __init__(
        self,
        config: Config,
        ready: Callable[[AIOKafkaProducer], None],
        ended: Callable[[AIOKafkaProducer], None],
    ) -> None:
        """``ready`` is called on the loop with each new producer, ``ended`` before one is abandoned."""
        self._config = config
        self._ready = ready
        self._ended = ended
        self._broken = asyncio.Event()
        # A topic whose records are refused has the producer replaced four times a second.
        self._reports = Reports()
        self._quiet = False
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
            suppressed = self._reports.due(reason)
            self._quiet = suppressed is None
            if not self._quiet:
                log.warning("kafka producer is replaced", reason=reason, suppressed=suppressed or None)
            self._broken.set()
        if at_once:
            self.producer, self.trouble = None, reason
            self._abandon(broken, 0)

    async def close(self, timeout_seconds: float) -> None:
        """End the producer; returns after the timeout at most."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self.producer is not None:
            self._abandon(self.producer, 0)
            self.producer = None
        if self._abandoned:
            _, late = await asyncio.wait(self._abandoned, timeout=timeout_seconds)
            for task in late:
                task.cancel()

    async def _run(self) -> None:
        while True:
            producer = await retry_until_available(
                self._build,
                away=(KafkaError, OSError, KafkaOutage),
                note=self._note,
                pause=jittered(0.2, 5),
            )
            former, self.producer, self.trouble = self.producer, producer, None
            self._broken.clear()
            if not self._quiet:
                log.info("kafka producer ready")
            self._ready(producer)
            if former is not None:  # else it was abandoned at once
                self._abandon(former, GRACE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)
            await self._broken.wait()

    def _note(self, error: Exception, failures: int) -> None:
        what = str(error) if isinstance(error, KafkaOutage) else self._reason("Kafka", error)
        if failures == 1:
            log.warning("kafka is away", error=what)
        if self.producer is None:
            self.trouble = what

    async def _build(self) -> AIOKafkaProducer:
        settings = self._settings()
        producer = AIOKafkaProducer(bootstrap_servers=await self._answering_server(), **settings)
        try:
            async with asyncio.timeout(START_REQUESTS * self.request_seconds):
                await producer.start()
                # Partitions of all topics: asking for one by name may have the broker create it.
                if await producer.client.force_metadata_update():
                    return producer
        except BaseException:
            await producer.stop()
            raise
        await producer.stop()
        raise KafkaOutage("Kafka does not answer which topics there are.")

    async def _answering_server(self) -> str:
        """The first bootstrap server that lets us in; all are asked at once, so that none delays the others.

        aiokafka asks them one after the other, each for a request's time or more, and only logs why not.
        """
        asked = {asyncio.create_task(self._ask(server)): server for server in self._config.kafka.servers}
        try:
            for answer in asyncio.as_completed(asked):
                with suppress(Exception):
                    return await answer
        finally:
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
        reasons = {self._reason(f"Kafka at {server}", task.exception()) for task, server in asked.items()}
        raise KafkaOutage(" ".join(sorted(reasons)))

    async def _ask(self, server: str) -> str:
        [(host, port, _)] = collect_hosts([server])
        connection = await create_conn(
            host,
            port,
            client_id=CLIENT_ID,
            request_timeout_ms=int(self.request_seconds * 1000),
            **client_settings(self._config.kafka),
        )
        connection.close()
        return server

    @staticmethod
    def _reason(where: str, error: BaseException | None) -> str:
        if isinstance(error, SaslAuthenticationFailed | UnsupportedSaslMechanismError):
            return (
                f"{where} refuses the login: {error} "
                "Fix: kafka.sasl_mechanism, sasl_username and sasl_password in connector.yaml."
            )
        if isinstance(error, ssl.SSLError):
            return (
                f"{where} cannot be reached by TLS: {error} "
                "Fix: kafka.security_protocol and ssl_ca_file in connector.yaml."
            )
        return f"{where} does not answer: {named(error)}"

    def _settings(self) -> dict[str, Any]:
        kafka = self._config.kafka
        return client_settings(kafka) | {
            "client_id": CLIENT_ID,
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": self._config.topics.compression,
            "max_batch_size": BATCH_BYTES,
            # The publisher gathers; what it hands over leaves at once.
            "linger_ms": 0,
            "request_timeout_ms": int(self.request_seconds * 1000),
        }

    def _abandon(self, producer: AIOKafkaProducer, grace_seconds: float) -> None:
        async def end() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(producer.flush(), grace_seconds)
            self._ended(producer)
            await abandon(producer)

        task = asyncio.create_task(end())
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)


async def abandon(producer: AIOKafkaProducer) -> None:
    """End a producer together with what it still holds.

    While no broker answers this takes up to two requests' time, after which what is in flight ends by
    itself; when cancelled, no time.
    """
    sender: asyncio.Task[None] | None = producer._sender.sender_task  # noqa: SLF001
    if sender is not None:
        sender.cancel()
        with suppress(asyncio.CancelledError):
            # A sender that had died already died of an error that its batches were given.
            await asyncio.wait([sender])
        while not sender.done():
            sender.cancel()
            await asyncio.sleep(0)
    others = asyncio.all_tasks()
    with suppress(KafkaError, OSError):
        # A connection is closed once what it was given is sent, and a frozen broker reads nothing.
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
    # ``stop`` leaves a task behind that waits for batches which nobody will send any more.
    for task in asyncio.all_tasks() - others:
        if getattr(task.get_coro(), "__qualname__", "") == "MessageAccumulator.close":
            task.cancel()


def client_settings(kafka: KafkaSettings) -> dict[str, Any]:
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
