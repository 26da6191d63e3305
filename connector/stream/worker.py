"""The worker process: builds the Faust app, runs it, and ends it with a code that tells why."""

import asyncio
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import faust
import structlog
import uvloop
from faust import streams
from faust.types import TP
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from connector import admin, metrics, topics
from connector.config import Config
from connector.errors import Defect, KafkaOutage, Outage
from connector.events import DeadLetter
from connector.mirror import database, schema
from connector.mirror.mapping import Mapping as TableMapping
from connector.mirror.sink import Partition, Sink
from connector.stream import decode
from connector.stream.agents import EXIT_DEFECT, Agents
from connector.stream.delivery import Delivery
from connector.stream.transport import ChunkConsumer, ChunkTransport, Position

log = structlog.get_logger(__name__)

STOP_SECONDS = 8.0
LOCATE_SECONDS = 15.0
PUBLISH_SECONDS = 15.0
LAG_SECONDS = 2.0


class MirrorApp(faust.App):
    """A Faust app that consumes through the chunk transport."""

    def _new_transport(self) -> ChunkTransport:
        return ChunkTransport(self.conf.broker_consumer, self)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def run_worker(config: Config) -> int:
    """Run until SIGTERM or SIGINT (0), or until the process must end itself (not 0)."""
    if getattr(streams, "_CStreamIterator", None) is None:
        raise Defect("Faust's compiled stream iterator is missing: without it stale events are acked.")
    engine = database.connect(config.database, connections=config.worker.database_connections)
    mapping = TableMapping(config)
    wait_for_outages(lambda: schema.ensure(engine, config, mapping))
    wait_for_outages(lambda: topics.ensure(config))
    sink = Sink(engine, mapping, schema.fingerprint(mapping), now)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(Worker(config, mapping, sink).run())
        sys.stderr.flush()
        # A database call may hang in its thread for as long as the database does; it is not
        # waited for: whatever it still does is fenced by the offsets.
        os._exit(code)


def wait_for_outages(act: Any) -> Any:
    """Do it as soon as what it needs is there."""

    def note(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("waiting before the start", error=str(error))

    retrying = Retrying(
        retry=retry_if_exception_type(Outage),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        before_sleep=note,
        reraise=True,
    )
    return retrying(act)


def build_app(config: Config) -> MirrorApp:
    """The Faust app with every setting that the promises rest on (reliability.md, part 3)."""
    credentials, tls = _credentials(config)
    worker = config.worker
    app = MirrorApp(
        worker.group,
        broker=[f"kafka://{server}" for server in config.kafka.servers],
        broker_credentials=credentials,
        ssl_context=tls,
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="xtnd-faust-"),
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=262_144,
        broker_max_poll_records=worker.max_batch_events,
        broker_max_poll_interval=worker.max_poll_interval_seconds,
        broker_session_timeout=worker.session_timeout_seconds,
        broker_heartbeat_interval=worker.session_timeout_seconds / 4,
        broker_request_timeout=max(60.0, worker.session_timeout_seconds + 5),
        broker_commit_interval=1.0,
        broker_commit_every=None,
        stream_wait_empty=False,
        # Counts chunks; the consumer's own budget of records is what limits.
        stream_buffer_maxsize=4096,
        topic_allow_declare=False,
        topic_disable_leader=True,
        producer_acks=-1,
        producer_compression_type=config.topics.compression,
        producer_max_request_size=config.topics.max_message_bytes + 65_536,
    )
    app.finalize()
    return app


def _credentials(config: Config) -> tuple[Any, ssl.SSLContext | None]:
    kafka = config.kafka
    tls = None
    if kafka.security_protocol.endswith("SSL"):
        tls = ssl.create_default_context(cafile=kafka.ssl_ca_file)
        if kafka.ssl_certificate_file:
            tls.load_cert_chain(kafka.ssl_certificate_file, kafka.ssl_key_file)
    if kafka.security_protocol.startswith("SASL") and kafka.sasl_password:
        password = kafka.sasl_password.get_secret_value()
        credentials = faust.SASLCredentials(
            username=kafka.sasl_username, password=password, ssl_context=tls, mechanism=kafka.sasl_mechanism
        )
        return credentials, tls
    return (faust.SSLCredentials(context=tls) if tls else None), tls


class Worker:
    """One worker: app, agents, admin port, and the way of stopping."""

    def __init__(self, config: Config, mapping: TableMapping, sink: Sink) -> None:
        self._config = config
        self._sink = sink
        self._routes = topics.Routes(config)
        self._executor = ThreadPoolExecutor(config.worker.database_connections, thread_name_prefix="mirror")
        self._app = build_app(config)
        self._stop = asyncio.Event()
        self._code = 0
        self._located = False
        self._delivery = Delivery(sink, self._executor, self._publish, now)
        ChunkConsumer.locate = self._locate
        ChunkConsumer.budget = 3 * config.worker.max_batch_events
        agents = Agents(
            self._app,
            self._delivery,
            max_events=config.worker.max_batch_events,
            reread=self._reread,
            die=self._die,
        )
        read_events = partial(_read_events, mapping)
        for family, topic in self._routes.event_topics().items():
            agents.add(family, topic, read_events)
        agents.add("dead-letters", self._routes.dead_letter_topic, decode.decode_dead_letters)

    async def run(self) -> int:
        """Run until told to stop; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        settings = self._config.worker
        door = admin.serve(
            self._checks(), settings.admin_host, settings.admin_port, setting="worker.admin_port"
        )
        async with door:
            lag = asyncio.create_task(self._watch_lag())
            try:
                await self._run_app()
            finally:
                lag.cancel()
        return self._code

    async def _run_app(self) -> None:
        """Start the app, wait for a stop or a crash, stop it within ``STOP_SECONDS``."""
        await self._app.start()
        log.info("worker started", group=self._config.worker.group)
        stop = asyncio.create_task(self._stop.wait())
        crash = asyncio.create_task(self._app._crashed.wait())  # noqa: SLF001 - mode offers no other way
        await asyncio.wait([stop, crash], return_when=asyncio.FIRST_COMPLETED)
        if self._app.crashed:
            reason = getattr(self._app, "crash_reason", None) or getattr(self._app, "_crash_reason", None)
            log.critical("the stream app crashed; the worker stops", error=repr(reason))
            self._code = self._code or EXIT_DEFECT
        log.info("worker stopping")
        try:
            await asyncio.wait_for(self._app.stop(), STOP_SECONDS)
        except TimeoutError:
            # Nothing is lost by leaving now: what is not committed will be read again.
            log.warning("the app did not stop in time; leaving", seconds=STOP_SECONDS)
        log.info("worker stopped", exit_code=self._code)

    def _die(self, code: int) -> None:
        """End the process at once: a stop in good order would commit offsets on its way out."""
        sys.stderr.flush()
        os._exit(code)

    # --- Positions ---

    async def _locate(self, consumer: ChunkConsumer, assigned: set[TP]) -> Mapping[TP, Position]:
        """Where to go on: the database's offsets, held against what the log has.

        Empty when the database does not answer in time: then Kafka's own offsets must do.
        """
        metrics.partitions.set(len(assigned))
        self._located = True
        if not assigned:
            return {}
        loop = asyncio.get_running_loop()
        partitions: list[Partition] = [(tp.topic, tp.partition) for tp in assigned]
        try:
            held = await asyncio.wait_for(
                loop.run_in_executor(self._executor, self._sink.positions, partitions), LOCATE_SECONDS
            )
        except (Outage, TimeoutError) as error:
            log.warning("no offsets from the database; starting at Kafka's", error=str(error))
            return {}
        begins = await consumer.earliest_offsets(*assigned)
        ends = await consumer.highwaters(*assigned)
        found: dict[TP, Position] = {}
        for tp in assigned:
            wanted = held.get((tp.topic, tp.partition), begins[tp])
            if wanted > ends[tp]:
                wanted = await self._reset(tp, wanted, begins[tp], ends[tp])
            found[tp] = Position(wanted=wanted, seek=max(wanted, begins[tp]))
        return found

    async def _reset(self, tp: TP, wanted: int, begin: int, end: int) -> int:
        """Start over in a log that is shorter than what was mirrored of it: it is another log.

        Reading it from its start doubles nothing, because the ledger knows every event.
        """
        log.error(
            "THE LOG IS SHORTER THAN WHAT WAS MIRRORED OF IT; reading it from its start",
            topic=tp.topic,
            partition=tp.partition,
            mirrored=wanted,
            log_end=end,
        )
        loop = asyncio.get_running_loop()
        partition = (tp.topic, tp.partition)
        await loop.run_in_executor(self._executor, self._sink.reset_position, partition, begin)
        return begin

    async def _reread(self, holes: dict[Partition, int]) -> None:
        """Seek partitions back to what the mirror holds."""
        consumer = cast("ChunkConsumer", self._app.consumer)
        wanted = {TP(topic, partition) for topic, partition in holes} & consumer.assignment()
        if wanted:
            await consumer.go_to(await self._locate(consumer, wanted))

    # --- Dead letters ---

    async def _publish(self, letter: DeadLetter) -> None:
        """Put a dead letter on Kafka and wait for the acknowledgement of all replicas."""
        producer = await self._app.maybe_start_producer()
        try:
            await asyncio.wait_for(
                producer.send_and_wait(
                    self._routes.dead_letter_topic,
                    letter.dead_letter_id.encode(),
                    letter.payload,
                    None,
                    None,
                    dict(letter.headers()),
                ),
                PUBLISH_SECONDS,
            )
        except Exception as error:
            raise KafkaOutage(f"a dead letter was not acknowledged: {error!r}") from error

    # --- Health ---

    def _checks(self) -> dict[str, admin.Check]:
        return {
            "database": self._check_database,
            "kafka": self._check_kafka,
            "partitions": self._check_partitions,
        }

    async def _check_database(self) -> str | None:
        if trouble := self._delivery.trouble.get("database"):
            return trouble
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.run_in_executor(None, self._sink.positions, [("", 0)]), 5)
        except TimeoutError:
            return "the database did not answer within 5 s"
        except Outage as error:
            return str(error)
        return None

    async def _check_kafka(self) -> str | None:
        if trouble := self._delivery.trouble.get("kafka"):
            return trouble
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(
            None, partial(topics.broker_answers, self._config.kafka, timeout_seconds=4)
        )
        return None if answers else f"no broker answers at {self._config.kafka.bootstrap_servers}"

    async def _check_partitions(self) -> str | None:
        if not self._located or self._app.rebalancing:
            return "the consumer group has not assigned partitions yet"
        return None

    async def _watch_lag(self) -> None:
        """Keep the lag metric: records between the mirror's offset and the log's end."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LAG_SECONDS)
            try:
                consumer = self._app.consumer
                assigned = consumer.assignment()
                partitions = [(tp.topic, tp.partition) for tp in assigned]
                held = await loop.run_in_executor(None, self._sink.positions, partitions)
                for tp in assigned:
                    end = consumer.highwater(tp)
                    begin = held.get((tp.topic, tp.partition), 0)
                    if end is not None:
                        metrics.lag.labels(topic=tp.topic, partition=str(tp.partition)).set(
                            max(0, end - begin)
                        )
            except Exception as error:  # noqa: BLE001 - a metric must not end the worker
                log.debug("lag not measured", error=str(error))


def _read_events(mapping: TableMapping, fetched: Any, at: int) -> decode.Decoded:
    return decode.decode_events(fetched, mapping, at)
