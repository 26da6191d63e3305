"""The admin port of any process: ``/healthz``, ``/readyz`` and ``/metrics``.

Also what it takes to run an ASGI app inside a running event loop, which the gateway's public port
uses too: the process, not uvicorn, owns sockets and signals.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connector import metrics
from connector.errors import StartupError

Check = Callable[[], Awaitable[str | None]]
"""Says what is wrong with one part, or None when nothing is."""

CHECK_TIMEOUT_SECONDS = 5.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


NOTHING: Mapping[str, Check] = MappingProxyType({})


def admin_app(checks: Mapping[str, Check], notes: Mapping[str, Check] = NOTHING) -> Starlette:
    """Build the admin port's app.

    ``checks``, by the name of the part that they test, decide readiness; what ``notes`` find wrong
    is told without making the process unready.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        wrong = await failures(checks)
        noted = await failures(notes)
        status = 503 if wrong else 200
        answer: dict[str, Any] = {"ready": not wrong, "failures": wrong}
        return JSONResponse(answer | ({"warnings": noted} if noted else {}), status_code=status)

    async def metrics_page(_request: Request) -> Response:
        return Response(metrics.render(), media_type=METRICS_TYPE)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics_page)]
    return Starlette(routes=routes)


async def failures(checks: Mapping[str, Check]) -> dict[str, str]:
    """Say what is wrong, by part; also set the ``xtnd_up`` metric of each part."""
    results = await asyncio.gather(*(_result(check) for check in checks.values()))
    wrong = {name: result for name, result in zip(checks, results, strict=True) if result is not None}
    for name in checks:
        metrics.up.labels(name).set(0 if name in wrong else 1)
    return wrong


async def _result(check: Check) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_TIMEOUT_SECONDS)
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a check trips over is what is wrong
        return f"{type(error).__name__}: {error}"


def bind(host: str, port: int, *, setting: str, option: str) -> socket.socket:
    """Return a bound socket; raises ``StartupError`` that names the setting and the option."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        door = socket.socket(family, kind, protocol)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(address)
        except OSError:
            door.close()
            raise
    except OSError as error:
        cure = f"Free the port, or set another with {option} or {setting} in connector.yaml."
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror or error}", cure) from None
    door.setblocking(False)
    return door


class EmbeddedServer(uvicorn.Server):
    """uvicorn inside a running loop; signals are the process's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Take no new connections, and end when the answers under way are out."""
        self.should_exit = True


def embedded(app: Any, *, drain_seconds: float, **settings: Any) -> EmbeddedServer:
    """Make a server for ``app``: httptools, no access log, no server header, no proxy headers trusted."""
    options: dict[str, Any] = {
        "http": "httptools",
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": max(1, round(drain_seconds)),
    }
    return EmbeddedServer(uvicorn.Config(app, **(options | settings)))


@asynccontextmanager
async def running(server: EmbeddedServer, door: socket.socket) -> AsyncIterator[None]:
    """Serve on a bound socket until the block ends, and then drain."""
    task = asyncio.create_task(server.serve(sockets=[door]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.005)
        yield
    finally:
        server.stop()
        await task


@asynccontextmanager
async def serve(
    checks: Mapping[str, Check],
    host: str,
    port: int,
    *,
    setting: str,
    option: str = "--admin-port",
    notes: Mapping[str, Check] = NOTHING,
) -> AsyncIterator[int]:
    """Run the admin port until the block ends; gives the port. Raises ``StartupError``."""
    door = bind(host, port, setting=setting, option=option)
    bound: int = door.getsockname()[1]
    async with running(embedded(admin_app(checks, notes), drain_seconds=1), door):
        yield bound
