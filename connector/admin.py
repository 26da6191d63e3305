"""The admin port of any process: ``/healthz``, ``/readyz`` and ``/metrics``.

It is for the operator's probes and scrapers. A browser that a foreign name led here (DNS
rebinding) is refused, and a connection carries one request within bounds (``bounded``).

Also what it takes to run an ASGI app inside a running event loop: the process, not uvicorn, owns
sockets and signals.
"""

import asyncio
import errno
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from typing_extensions import override

from connector import metrics
from connector.bounded import BoundedConnections
from connector.errors import StartupError
from connector.health import Health

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# RFC 9110, 7.2: a name, an IPv4 address or a bracketed IPv6 address, and maybe a port.
HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def admin_app(
    health: Health, registry: CollectorRegistry, *, hosts: Iterable[str] = (), setting: str = "admin_hosts"
) -> Starlette:
    """Build the admin port's app. ``hosts`` are names that it answers to; ``setting`` lists them."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        report = health.report()
        return JSONResponse(report.as_json(), status_code=503 if report.failures else 200)

    async def metrics_page(_request: Request) -> Response:
        return Response(metrics.render(registry), media_type=METRICS_TYPE)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics_page)]
    app = Starlette(routes=routes, middleware=[Middleware(HostCheck, hosts=hosts, setting=setting)])
    # A redirect would be made of the Host header; /readyz/ is simply another path.
    app.router.redirect_slashes = False
    return app


class HostCheck:
    """Passes requests for an IP address, ``localhost`` or a listed name, and one a connection.

    A page in somebody's browser can have its own name point at this machine and then read what is
    here, but it cannot send another Host than that name.
    """

    def __init__(self, app: Any, *, hosts: Iterable[str], setting: str) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower().rstrip(".") for name in hosts)}
        self._setting = setting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_last)

    def _refusal(self, scope: Scope) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not hosts and scope["http_version"] == "1.0":
            return None  # no browser, and some probes
        if len(hosts) != 1:
            return PlainTextResponse("The request must have one Host header.\n", status_code=400)
        if self._is_known(hosts[0]):
            return None
        what = "The admin port does not answer to this name. Ask by IP address or as localhost,"
        return PlainTextResponse(f"{what} or list the name in {self._setting}.\n", status_code=421)

    def _is_known(self, host: str) -> bool:
        found = HOST.fullmatch(host.strip())
        if found is None:
            return False
        if found["name"] and found["name"].lower().rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(found["six"] or found["name"])
        except ValueError:
            return False
        return True


def bind(host: str, port: int, *, setting: str, option: str, reuse_port: bool = False) -> socket.socket:
    """Return a bound socket; raises ``StartupError`` that names the setting and the option.

    With ``reuse_port`` other processes that do the same may listen on the port too.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        what = f"Cannot listen on {host}:{port}: {error.strerror or error}."
        raise StartupError(what, _bind_fix(error, setting, option)) from None
    listener.setblocking(False)
    return listener


def _bind_fix(error: OSError, setting: str, option: str) -> str:
    if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        host = setting.replace("port", "host")
        return f"set {host} in connector.yaml to an address of this machine (0.0.0.0 is all of them)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"set a port from 1024 on with {option} or {setting} in connector.yaml, or allow lower ones: "
            "AmbientCapabilities=CAP_NET_BIND_SERVICE in systemd, sysctl net.ipv4.ip_unprivileged_port_start"
        )
    return f"free the port (ss -ltnp shows who has it), or set another with {option} or {setting}"


class EmbeddedServer(uvicorn.Server):
    """uvicorn inside a running loop, with httptools; signals are the process's business."""

    def __init__(self, app: Any, *, drain_seconds: float, **settings: Any) -> None:
        """No access log, no server header, no proxy headers trusted; ``settings`` are uvicorn's."""
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
        super().__init__(uvicorn.Config(app, **(options | settings)))

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @asynccontextmanager
    async def running(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on a bound socket until the block ends, and then drain."""
        task = asyncio.create_task(self.serve(sockets=[listener]))
        try:
            while not self.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(0.005)
            yield
        finally:
            # It accepts no new connections, and ends when the pending answers are sent.
            self.should_exit = True
            await task


@asynccontextmanager
async def serve(
    health: Health,
    host: str,
    port: int,
    *,
    registry: CollectorRegistry,
    setting: str,
    hosts: Iterable[str] = (),
    option: str = "--admin-port",
) -> AsyncIterator[int]:
    """Measure health and run the admin port until the block ends; gives the port.

    ``registry`` is the one of this kind of process (``metrics.GATEWAY``, ``metrics.WORKER``),
    ``hosts`` the configured ``admin_hosts``. Raises ``StartupError``.
    """
    listener = bind(host, port, setting=setting, option=option)
    bound: int = listener.getsockname()[1]
    list_setting = f"{setting.rpartition('.')[0]}.admin_hosts"
    app = admin_app(health, registry, hosts=(host, *hosts), setting=list_setting)
    server = EmbeddedServer(app, drain_seconds=1, http=BoundedConnections())
    async with health.measuring(), server.running(listener):
        yield bound
