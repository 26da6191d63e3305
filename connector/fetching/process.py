"""One hydrator process: fetches the records that hooks ask for, and has an admin port as every process.

What is away (the API, Kafka, the database) is waited for, and makes it degraded, not unready: hooks are
received and mirrored without it. A login that is refused makes it unready.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import structlog
import uvloop

from connector import admin, clocks, metrics, private_files
from connector.config import Config
from connector.config.source_models import SourceSettings, resource
from connector.errors import ConnectorError, StartupError
from connector.fetching.ports import KafkaTopics, MirrorStore
from connector.fetching.sweep import FamilySweep
from connector.health import Check, Health
from connector.hydrator import metrics as fetches
from connector.hydrator.hydrator import Hydrator
from connector.hydrator.pages import RecordList
from connector.hydrator.transport import open_transport
from connector.kafka import topics
from connector.kafka.publisher import Publisher
from connector.kafka.routes import Routes
from connector.mirror import database, steps
from connector.mirror.backfills import Backfills
from connector.mirror.hydration import DueKeys
from connector.mirror.sweeps import Sweeps

log = structlog.get_logger(__name__)

CONNECTIONS = 4
LOOK_SECONDS = 1.0
BACKLOG_SECONDS = 10.0
CLOSE_PRODUCER_SECONDS = 3.0


def run_hydrator(config: Config) -> int:
    """Run until SIGTERM or SIGINT (0), or until the process must end itself (1). Raises ``StartupError``."""
    if config.sources is None:
        raise StartupError(
            "There is no source of records: sources.yaml has no base_url.",
            "set XTND_API_URL to the API's address, such as https://<host>/RESTAPI/v1_0/<client>; without "
            "it hooks are mirrored all the same, and no hydrator is needed",
        )
    private_files.keep_new_files_private()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(HydratorProcess(config, config.sources).run())
    # A database call may hang in its thread as long as the database does, and is not awaited.
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


class HydratorProcess:
    """Hydrator, admin port and shutdown."""

    def __init__(self, config: Config, sources: SourceSettings) -> None:
        self._config = config
        self._sources = sources
        self._routes = Routes(config)
        self._executor = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="hydrator")
        self._publisher = Publisher(config, [plan.name for plan in topics.plans(config)])
        self._hydrator: Hydrator | None = None
        # Why the mirror cannot be used yet.
        self._mirror: str | None = "the mirror was not looked at yet"
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Run until a signal to stop; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        buckets = {resource(entity.get) for entity in self._sources.entities.values()}
        fetches.start(families=self._sources.entities, buckets=buckets)
        metrics.show_build()
        settings = self._config.hydrator
        admin_server = admin.serve(
            Health({"login": self._login, "mirror": lambda: self._mirror}, self._notes()),
            settings.admin_host,
            settings.admin_port,
            registry=metrics.HYDRATOR,
            setting="hydrator.admin_port",
            hosts=settings.admin_hosts,
        )
        self._publisher.start()
        async with admin_server:
            working = asyncio.create_task(self._work())
            stop, died = (asyncio.create_task(one.wait()) for one in (self._stop, self._publisher.died))
            done, _ = await asyncio.wait([working, stop, died], return_when=asyncio.FIRST_COMPLETED)
            log.info("hydrator stopping")
            if working in done:
                log.critical("the hydrator ended by itself", exc_info=working.exception())
            for task in (working, stop, died):
                task.cancel()
            await asyncio.wait([working])
            await self._publisher.close(CLOSE_PRODUCER_SECONDS)
        log.info("hydrator stopped")
        return 0 if stop in done else 1

    async def _work(self) -> None:
        keys = await self._due_keys()
        async with open_transport(self._sources) as transport, asyncio.TaskGroup() as group:
            kafka = KafkaTopics(self._publisher, self._routes)
            self._hydrator = Hydrator(
                self._sources,
                transport=transport,
                store=MirrorStore(keys, self._executor),
                publisher=kafka,
            )
            log.info("hydrator started", families=sorted(self._sources.entities))
            group.create_task(self._measure(keys))
            group.create_task(self._hydrator.run())
            sweeps, backfills = Sweeps(keys.engine, shop=keys.shop), Backfills(keys.engine, shop=keys.shop)
            for family, entity in self._sources.entities.items():
                if entity.list is not None:
                    list_ = RecordList(self._sources, family, transport=transport)
                    sweep = FamilySweep(
                        self._sources, list_, sweeps=sweeps, backfills=backfills, publisher=kafka
                    )
                    group.create_task(sweep.keep_on())
            group.create_task(self._measure_sweeps(sweeps))

    async def _due_keys(self) -> DueKeys:
        """Those of the mirror, when a worker has made its tables."""
        while True:
            try:
                keys = await asyncio.to_thread(self._open)
            except ConnectorError as error:
                if str(error) != self._mirror:
                    log.warning("waiting for the mirror", error=str(error))
                self._mirror = str(error)
                await asyncio.sleep(LOOK_SECONDS)
            else:
                self._mirror = None
                return keys

    def _open(self) -> DueKeys:
        engine = database.connect(self._config.database, connections=CONNECTIONS, access="write")
        steps.require(engine)
        shop = self._sources.shop if self._config.shops is not None else None
        return DueKeys(engine, shop=shop or "", hydrator=f"{socket.gethostname()}/{os.getpid()}")

    async def _measure(self, keys: DueKeys) -> None:
        """Show now and then what is due, and for how long."""
        families = self._sources.entities
        while True:
            with suppress(ConnectorError):
                found = await asyncio.get_running_loop().run_in_executor(self._executor, keys.backlog)
                now = clocks.now()
                for family in families:
                    backlog = found.get(family)
                    fetches.due.labels(family).set(backlog.keys if backlog else 0)
                    age = max(now - backlog.oldest, 0) / 1_000_000 if backlog else 0
                    fetches.due_seconds.labels(family).set(age)
            await asyncio.sleep(BACKLOG_SECONDS)

    async def _measure_sweeps(self, sweeps: Sweeps) -> None:
        """Show now and then what sweeps found."""
        while True:
            with suppress(ConnectorError):
                in_thread = partial(asyncio.get_running_loop().run_in_executor, self._executor)
                lost = await in_thread(sweeps.lost_hooks)
                for family in self._sources.entities:
                    # Shown once it is known: a total that starts at 0 looks like one that grows.
                    fetches.lost_hooks.labels(family).set(lost.get(family, 0))
                    last = await in_thread(partial(sweeps.last, family, whole=False))
                    if last is not None:
                        fetches.last_sweep.labels(family).set(last / 1_000_000)
            await asyncio.sleep(BACKLOG_SECONDS)

    # --- Health ---

    def _login(self) -> str | None:
        return self._hydrator.refused() if self._hydrator else None

    def _notes(self) -> dict[str, Check]:
        """What makes the hydrator degraded."""

        def of_hydrator(look: Callable[[Hydrator], str | None]) -> str | None:
            return look(self._hydrator) if self._hydrator else None

        return {
            "api": partial(of_hydrator, lambda hydrator: hydrator.away()),
            "database": partial(of_hydrator, lambda hydrator: hydrator.outages.trouble("database")),
            "kafka": lambda: " ".join(self._publisher.troubles()) or None,
        }
