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

Checks = dict[str, Check]

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
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config))


async def _run(config: Config) -> int:
    settings = config.gateway
    stop = _stop_signal()
    listener = admin.bind(
        settings.host,
        settings.port,
        setting="gateway.port",
        option="--port",
        reuse_port=settings.reuse_port,
    )
    spool = Spool(Path(settings.spool_path), max_bytes=settings.spool_max_bytes)
    spool.open()
    clock = Clock(Path(settings.spool_path).parent)
    publisher = make_publisher(config, observe=clock.observe)
    publisher.start()
    intake = Intake(publisher, spool, spool_timeout_seconds=settings.ack_timeout_seconds)
    drain = Drain(publisher, spool, route=Routes(config).rerouted)
    drainer = asyncio.create_task(drain.run())
    health = Health(*_health(config, publisher, intake, drain, clock))
    admin_port = (settings.admin_host, settings.admin_port)
    # The port is open before the gateway reports ready; early connections wait in the backlog.
    listener.listen(BACKLOG)
    try:
        async with (
            admin.serve(
                health,
                *admin_port,
                registry=metrics.GATEWAY,
                setting="gateway.admin_port",
                hosts=settings.admin_hosts,
            ) as port,
            serving(config, intake, listener, clock=clock.now, clock_distance=clock.distance),
        ):
            _announce(config, listener, port)
            code = await _until_stopped(stop, publisher, drainer)
    finally:
        listener.close()
        drainer.cancel()
        await publisher.close(CLOSE_PRODUCER_SECONDS)
        await spool.close()
        clock.close()
    log.info("gateway stopped")
    return code


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


def _health(
    config: Config, publisher: Publisher, intake: Intake, drain: Drain, clock: Clock
) -> tuple[Checks, Checks]:
    """What makes the gateway unready, and what is only reported: it takes deliveries without Kafka."""

    async def taking() -> str | None:
        return intake.trouble()

    async def kafka() -> str | None:
        if troubles := publisher.troubles():
            return " ".join(troubles)
        # A publisher that gets no deliveries would not learn that Kafka is away.
        answers = await publisher.answers(KAFKA_ANSWER_SECONDS)
        return None if answers else f"Kafka at {config.kafka.bootstrap_servers} does not answer"

    async def spool() -> str | None:
        return drain.trouble()

    async def clocks() -> str | None:
        return clock.trouble()

    disk = Disk("spool", Path(config.gateway.spool_path).parent, setting="gateway.spool_path")
    return {"intake": taking}, {"kafka": kafka, "spool": spool, "clock": clocks, "disk": disk.check}


def _announce(config: Config, listener: socket.socket, admin_port: int) -> None:
    for name, hook in config.hooks.items():
        if hook.verify == "off":
            log.warning("signatures are not verified: anyone can post to this hook", hook=name)
    host, port = listener.getsockname()[:2]
    log.info("gateway listening", host=host, port=port, admin_port=admin_port, hooks=sorted(config.hooks))


def _stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; installed before anything is ready, so that no signal kills the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _until_stopped(stop: asyncio.Event, publisher: Publisher, drainer: "asyncio.Task[None]") -> int:
    """Wait for a signal (exit code 0), or for the end of the publisher or of the drain (1)."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(publisher.died.wait())]
    done, _ = await asyncio.wait([*waits, drainer], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if drainer in done and not drainer.cancelled():
        log.error("the drain ended", exc_info=drainer.exception())
    log.info("gateway stopping")
    return 0 if waits[0] in done else 1
