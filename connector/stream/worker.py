"""The worker process: builds the parts, runs them, and ends with an exit code that says why."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import structlog
import uvloop
from faust import streams

from connector import admin, clocks, failpoints, metrics, open_files, private_files
from connector.config import Config
from connector.disk import Disk
from connector.errors import Defect
from connector.health import Check, Health
from connector.interpreter import WORKER_GENERATION_0, tune
from connector.kafka import inventory, topics
from connector.kafka.inventory import TopicIdentities
from connector.kafka.routes import Routes
from connector.mirror import database, locks, offsets, schema
from connector.mirror.mapping import Mapping
from connector.mirror.offsets import Offset
from connector.mirror.retention import Retention
from connector.mirror.sink import Sink
from connector.mirror.totals import Totals
from connector.retry import Outages
from connector.stream import decode, removal, topic_state
from connector.stream.agents import EXIT_DEFECT, EXIT_STANDSTILL, Agents
from connector.stream.alarm import Alarm
from connector.stream.app import MirrorApp, build_app
from connector.stream.database_clock import DatabaseClock
from connector.stream.health import WorkerHealth
from connector.stream.letter_topic import LetterTopic
from connector.stream.parking import Parking
from connector.stream.positions import Positions, note
from connector.stream.processor import BatchProcessor
from connector.stream.watchdog import Watchdog

log = structlog.get_logger(__name__)

T = TypeVar("T")

# The families of the topics of dead letters and of records, and of former topics, as agents and health name
# them; no family of topics.yaml can be called so.
DEAD_LETTERS, RECORDS, FORMER = "dead-letters", "fetched-records", "former-topics"
STOP_SECONDS = 6.0
# Kafka's brokers, the database's pool, probes and scrapes; Python's own.
OPEN_FILES = 1024


def run_worker(config: Config, *, accept_mapping: bool = False) -> int:
    """Run until SIGTERM or SIGINT (0), or until the process must end itself (not 0)."""
    if getattr(streams, "_CStreamIterator", None) is None:
        raise Defect("Faust's compiled stream iterator is missing: without it stale events are acked.")
    open_files.allow(OPEN_FILES)
    private_files.keep_new_files_private()
    if file := database.file_of(config.database):
        private_files.own_database(file, setting="database.url")
    failpoints.load(os.environ)
    tune(generation_0=WORKER_GENERATION_0)
    worker = WorkerProcess(config, accept_mapping=accept_mapping)
    with worker.watching_locks(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(worker.run())
        # A database call may hang in its thread as long as the database does, and is not awaited:
        # the offsets fence whatever it still does.
        leave(code)
    return code


def leave(code: int) -> None:
    """End the process at once: an orderly stop would commit offsets."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


class WorkerProcess:
    """One worker: app, agents, admin port and shutdown."""

    def __init__(self, config: Config, *, accept_mapping: bool) -> None:
        self._config = config
        self._accept_mapping = accept_mapping
        self._mapping = Mapping(config)
        self._engine = database.connect(config.database, connections=config.worker.database_connections)
        fingerprint, synced = schema.fingerprint(self._mapping), config.database.synchronous_commit
        self._sink = Sink(self._engine, self._mapping, fingerprint, clocks.now, synced=synced)
        self._routes = Routes(config)
        self._executor = ThreadPoolExecutor(config.worker.database_connections, thread_name_prefix="mirror")
        self._outages = Outages()
        # Every topic that this worker reads, with its family; the former ones are added when they are known.
        self._families = {topic: family for family, topic in self._routes.event_topics().items()}
        self._families[self._routes.dead_letter_topic] = DEAD_LETTERS
        self._families[self._routes.snapshot_topic] = RECORDS
        self._health = WorkerHealth(config, Totals(config.database), self._outages, self._families)
        self._database_clock = DatabaseClock(partial(database.clock_distance, self._engine))
        self._alarm = Alarm()
        self._stop = asyncio.Event()

    def watching_locks(self) -> AbstractContextManager[None]:
        """Log and report the locks that transactions wait for while the block runs."""
        return locks.watching(self._engine)

    async def run(self) -> int:
        """Run until a signal to stop; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        settings = self._config.worker
        metrics.start_worker(topics=self._routes.topics_read(), families=self._routes.event_topics())
        metrics.dead_letter_share.set_function(self._alarm.share)
        metrics.show_build(**Totals.versions())
        admin_server = admin.serve(
            Health({**self._health.checks(), "locks": partial(locks.trouble, self._engine)}, self._notes()),
            settings.admin_host,
            settings.admin_port,
            registry=metrics.WORKER,
            setting="worker.admin_port",
            hosts=settings.admin_hosts,
        )
        async with admin_server, self._health.measuring():
            if not await self._unless_stopped(self._prepare()):
                return 0
            app = self._health.app = self._build()
            watchdog = Watchdog(
                settings.watchdog_seconds, self._health.lagging, partial(leave, EXIT_STANDSTILL)
            )
            watchdog.start()
            retention = Retention(self._engine, self._config.mirror)
            beside = [
                asyncio.create_task(self._database_clock.watch()),
                asyncio.create_task(removal.watch(retention.remove_some)),
            ]
            try:
                return await self._run_app(app)
            finally:
                for task in beside:
                    task.cancel()
                watchdog.stop()

    def _notes(self) -> dict[str, Check]:
        """What makes the worker degraded."""
        notes: dict[str, Check] = {
            "clock": self._database_clock.check,
            "dead_letters": self._alarm.trouble,
            "losses": self._health.losses,
            "topics": self._health.unread_topics,
        }
        if file := database.file_of(self._config.database):
            notes["disk"] = Disk("mirror", file.parent, setting="database.url").check
            if log_watch := database.dialect_of(self._config.database).log_watch:
                look = log_watch(file, metrics.sqlite_log_bytes.set)
                notes["sqlite-wal"] = lambda: asyncio.to_thread(look)
        return notes

    async def _prepare(self) -> None:
        """Make schema and topics, and check that no topic is left unread; waits for database and Kafka."""
        accept = self._accept_mapping
        ensure_schema = partial(
            schema.ensure, self._engine, self._config, self._mapping, accept_mapping=accept
        )
        await self._outages.retry_until_available("database", partial(self._in_thread, ensure_schema))
        ensure_topics = partial(topics.ensure, self._config)
        await self._outages.retry_until_available("kafka", partial(self._in_thread, ensure_topics))
        former = await self._outages.retry_until_available(
            "kafka", partial(self._in_thread, self._note_topics)
        )
        self._families |= dict.fromkeys(former, FORMER)

    def _note_topics(self) -> list[str]:
        """Check that no topic is left unread, and store each one's start; gives the former topics."""
        topic_state.refuse(self._config, offsets.stored(self._engine))
        with topics.admin_client(self._config.kafka) as client:
            found = inventory.logs(client, self._routes.topics_read())
        starts = {
            (name, number): Offset(start, one.topic_id)
            for name, one in found.items()
            for number, (start, _) in one.ends.items()
        }
        note(self._sink, starts)
        return [name for name in self._routes.former_topics if name in found]

    def _build(self) -> MirrorApp:
        """The app with an agent per family, one for unrouted actions and one for dead letters."""
        identities = TopicIdentities(self._config.kafka)
        app = build_app(self._config, Positions(self._sink, self._in_thread, self._outages, identities))
        processor = BatchProcessor(
            self._sink,
            self._executor,
            Parking(LetterTopic(app, self._config).publish, self._outages, self._alarm),
            clocks.now,
            outages=self._outages,
            alarm=self._alarm,
        )
        most = self._config.worker.max_batch_events
        agents = Agents(app, processor, max_events=most, reread=app.reread, die=leave)
        read_events = partial(decode.decode_events, self._mapping)
        of_events = {**self._routes.event_topics(), RECORDS: self._routes.snapshot_topic}
        for family, topic in of_events.items():
            agents.add(family, topic, read_events)
        agents.add(DEAD_LETTERS, self._routes.dead_letter_topic, decode.decode_dead_letters)
        for topic in [topic for topic, family in self._families.items() if family == FORMER]:
            log.info("reading a former topic too", topic=topic)
            agents.add(f"former-{topic}", topic, partial(decode.decode_any, self._mapping))
        return app

    async def _run_app(self, app: MirrorApp) -> int:
        """Start the app, wait for a stop or a crash, stop it within ``STOP_SECONDS``."""
        code = 0
        try:
            await self._unless_stopped(app.start())
            log.info("worker started", group=self._config.worker.group)
            await self._unless_stopped(app._crashed.wait())  # noqa: SLF001 - mode offers no other way
        except Exception as error:  # noqa: BLE001 - whatever it is, the process ends with it
            log.critical("the stream app did not start; the worker stops", error=repr(error))
            code = EXIT_DEFECT
        if app.crashed:
            log.critical("the stream app crashed; the worker stops", error=repr(app.crash_reason))
            code = EXIT_DEFECT
        log.info("worker stopping")
        stopping = asyncio.ensure_future(app.stop())
        done, _ = await asyncio.wait([stopping], timeout=STOP_SECONDS)
        if not done:
            # Nothing is lost: what is not committed is read again.
            log.warning("the app did not stop in time; leaving", seconds=STOP_SECONDS)
        elif stopping.exception():
            log.warning("the app failed to stop; leaving", error=repr(stopping.exception()))
        log.info("worker stopped", exit_code=code)
        return code

    async def _unless_stopped(self, act: Coroutine[Any, Any, Any]) -> bool:
        """Wait for it, or for the signal to stop; whether it was done. Raises what it raises."""
        doing = asyncio.ensure_future(act)
        stop = asyncio.ensure_future(self._stop.wait())
        done, _ = await asyncio.wait([doing, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if doing not in done:
            doing.cancel()
            return False
        doing.result()
        return True

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act)
