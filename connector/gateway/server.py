"""One gateway process: public port, admin port and publisher on one event loop."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import uvloop

from connector import admin, clocks, metrics, open_files, private_files
from connector.config import Config
from connector.disk import Disk
from connector.errors import StartupError
from connector.gateway.clock import Clock
from connector.gateway.intake import Intake
from connector.gateway.limits import RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES, Limits
from connector.gateway.protocol import Connection, GatewayState
from connector.health import Check, Health
from connector.interpreter import GATEWAY_GENERATION_0, tune
from connector.kafka import topics
from connector.kafka.accumulator import Observe
from connector.kafka.lanes import DeliverySink
from connector.kafka.publisher import Publisher
from connector.kafka.routes import Routes
from connector.spool import layout
from connector.spool.drain import Drain
from connector.spool.spool import Spool

log = structlog.get_logger()

# The gateway exits within 10 s of SIGTERM; these two and a margin stay below that.
MAX_DRAIN_SECONDS = 5.0
CLOSE_PRODUCER_SECONDS = 3.0
# Below the time that a measurement of health may take.
KAFKA_ANSWER_SECONDS = 4.0
# Open files beside connections: the log, Kafka's sockets, the admin port, Python's own.
OTHER_FILES = 256
# Connections that may wait to be accepted.
BACKLOG = 4096
# Every accepted body must fit into a Kafka record, as a dead letter or as events: one of these repeats the
# delivery's properties as JSON text within JSON, at most twice the body.
GROWTH = 2


def run_gateway(config: Config) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. Raises ``StartupError``."""
    body, message = config.gateway.max_body_bytes, config.topics.max_message_bytes
    if (least := GROWTH * body + 65_536) > message:
        what = f"gateway.max_body_bytes ({body}) is too large for topics.max_message_bytes ({message})"
        raise StartupError(what, f"Set topics.max_message_bytes to {least} or more.")
    private_files.keep_new_files_private()
    metrics.start_gateway(hooks=config.hooks, families=Routes(config).event_topics())
    metrics.show_build(sqlite=layout.SQLITE_VERSION)
    metrics.spool_limit.set(config.gateway.spool_max_bytes)
    tune(generation_0=GATEWAY_GENERATION_0)

    async def run() -> int:
        return await Gateway(config).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


class Gateway:
    """The parts of one gateway process; made and run on its event loop."""

    def __init__(self, config: Config) -> None:
        """Raises ``StartupError`` where a part cannot be made."""
        self._config = config
        settings = config.gateway
        self._stop = asyncio.Event()
        # Before anything is ready, so that no signal kills the process.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        self._listener = admin.bind(
            settings.host,
            settings.port,
            setting="gateway.port",
            option="--port",
            reuse_port=settings.reuse_port,
        )
        self._spool = Spool(Path(settings.spool_path), max_bytes=settings.spool_max_bytes)
        self._spool.open()
        self._clock = Clock(Path(settings.spool_path).parent)
        self._publisher = make_publisher(config, observe=self._clock.observe)
        timeout = settings.ack_timeout_seconds
        self._intake = Intake(self._publisher, self._spool, spool_timeout_seconds=timeout)
        self._drain = Drain(self._publisher, self._spool, route=Routes(config).rerouted)

    async def run(self) -> int:
        """Serve until a signal comes; returns the exit code."""
        config, settings, clock = self._config, self._config.gateway, self._clock
        self._publisher.start()
        drainer = asyncio.create_task(self._drain.run())
        health = self._health()
        # The port is open before the gateway reports ready; early connections wait in the backlog.
        self._listener.listen(BACKLOG)
        try:
            async with (
                admin.serve(
                    health,
                    settings.admin_host,
                    settings.admin_port,
                    registry=metrics.GATEWAY,
                    setting="gateway.admin_port",
                    hosts=settings.admin_hosts,
                ) as port,
                serving(config, self._intake, self._listener, clock=clock.now, clock_distance=clock.distance),
            ):
                self._announce(port)
                code = await until_stopped(self._stop, self._publisher, drainer)
        finally:
            self._listener.close()
            drainer.cancel()
            await self._publisher.close(CLOSE_PRODUCER_SECONDS)
            await self._spool.close()
            clock.close()
        log.info("gateway stopped")
        return code

    def _health(self) -> Health:
        """What makes the gateway unready, and what is only reported: it takes deliveries without Kafka."""

        async def kafka() -> str | None:
            if troubles := self._publisher.troubles():
                return " ".join(troubles)
            # A publisher that gets no deliveries would not learn that Kafka is away.
            answers = await self._publisher.answers(KAFKA_ANSWER_SECONDS)
            return None if answers else f"Kafka at {self._config.kafka.bootstrap_servers} does not answer"

        disk = Disk("spool", Path(self._config.gateway.spool_path).parent, setting="gateway.spool_path")
        notes: dict[str, Check] = {
            "kafka": kafka,
            "spool": self._drain.trouble,
            "clock": self._clock.trouble,
            "disk": disk.check,
        }
        return Health({"intake": self._intake.trouble}, notes)

    def _announce(self, admin_port: int) -> None:
        hooks = self._config.hooks
        for name, hook in hooks.items():
            if hook.verify == "off":
                log.warning("signatures are not verified: anyone can post to this hook", hook=name)
        host, port = self._listener.getsockname()[:2]
        log.info("gateway listening", host=host, port=port, admin_port=admin_port, hooks=sorted(hooks))


def make_publisher(config: Config, observe: Observe | None = None) -> Publisher:
    """Make the publisher of a gateway, not started."""
    return Publisher(config, [plan.name for plan in topics.plans(config)], observe=observe)


@asynccontextmanager
async def serving(
    config: Config,
    intake: DeliverySink,
    listener: socket.socket,
    *,
    clock: Callable[[], int] = clocks.now,
    clock_distance: Callable[[], float | None] = lambda: None,
    state: type[GatewayState] = GatewayState,
) -> AsyncIterator[None]:
    """Serve the public port on a bound socket until the block ends, and then drain.

    Raises ``StartupError`` where too few files may be open.
    """
    settings = config.gateway
    connections = settings.max_connections
    if (allowed := open_files.allow(connections + OTHER_FILES)) < connections + OTHER_FILES:
        log.warning("fewer connections than configured: open files are limited", open_files=allowed)
        connections = max(allowed - OTHER_FILES, 16)
    limits = Limits(settings, max_connections=connections)
    shared = state(config, intake, clock, limits, clock_distance)
    # Connections inherit both.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(shared), sock=listener, backlog=BACKLOG
    )
    watch = asyncio.create_task(limits.watch())
    try:
        yield
    finally:
        server.close()
        await limits.drain(min(settings.ack_timeout_seconds + 1, MAX_DRAIN_SECONDS))
        watch.cancel()


async def until_stopped(stop: asyncio.Event, publisher: Publisher, drainer: "asyncio.Task[None]") -> int:
    """Wait for a signal (exit code 0), or for the end of the publisher or of the drain (1)."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(publisher.died.wait())]
    done, _ = await asyncio.wait([*waits, drainer], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if drainer in done and not drainer.cancelled():
        log.error("the drain ended", exc_info=drainer.exception())
    log.info("gateway stopping")
    return 0 if waits[0] in done else 1
