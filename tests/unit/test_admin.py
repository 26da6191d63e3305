"""The admin port on raw sockets: who may ask, for how long, and how many at once."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from connector import admin, metrics
from connector.bounded import BoundedConnections
from connector.health import Health
from connector.local.stopping import wait_until
from tests.pauses import awake

SECONDS = 60.0


@contextlib.contextmanager
def admin_port(health: Health | None = None, **bounds: Any) -> Iterator[int]:
    """A running admin port, with bounds that a test can wait for; gives the port."""
    started, stop, ports = threading.Event(), threading.Event(), []
    measured = health or Health({"disk": lambda: None})

    async def serve() -> None:
        app = admin.admin_app(
            measured, metrics.GATEWAY, hosts=("Probe.Internal",), setting="gateway.admin_hosts"
        )
        listener = admin.bind("127.0.0.1", 0, setting="gateway.admin_port", option="--admin-port")
        server = admin.EmbeddedServer(app, drain_seconds=1, http=BoundedConnections(**bounds))
        async with measured.measuring(), server.running(listener):
            ports.append(listener.getsockname()[1])
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(SECONDS)
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def exchange(port: int, data: bytes, *, half_close: bool = False) -> bytes:
    """Everything that comes back until the connection is closed."""
    with connect(port) as wire:
        wire.sendall(data)
        if half_close:
            wire.shutdown(socket.SHUT_WR)
        return read_all(wire)


def read_all(wire: socket.socket) -> bytes:
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := wire.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def get(path: str = "/healthz", *hosts: str, version: str = "1.1") -> bytes:
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    return f"GET {path} HTTP/{version}\r\n{lines}\r\n".encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with admin_port() as made:
        yield made


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8081", "10.1.2.3:80", "[::1]:8081", "[2001:db8::1]", "localhost", "LocalHost.:1",
     "probe.internal", "PROBE.internal:8081", "probe.internal."],
)  # fmt: skip
def test_addresses_localhost_and_listed_names_may_ask(port: int, host: str) -> None:
    assert status(exchange(port, get("/healthz", host))) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "0x7f.1", "",
     "127.0.0.1@evil.example", "[::1", "::1", "localhost:8081:1", "localhost:x", "localhost evil", "[evil]",
     "127.1", "xn--localhost", "l\xf6calhost"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/none"])
def test_any_other_name_is_refused_with_the_setting_that_admits_it(port: int, host: str, path: str) -> None:
    answer = exchange(port, get(path, host))
    assert status(answer) == 421
    assert b"gateway.admin_hosts" in answer
    assert b"evil" not in answer


def test_a_missing_or_doubled_host_is_refused_but_for_http_1_0(port: int) -> None:
    assert status(exchange(port, get("/healthz"))) == 400
    assert status(exchange(port, get("/healthz", "localhost", "evil.example"))) == 400
    assert status(exchange(port, get("/healthz", version="1.0"))) == 200
    assert status(exchange(port, get("/healthz", "evil.example", version="1.0"))) == 421


@pytest.mark.parametrize("path", ["/readyz/", "/healthz/", "/metrics/", "//readyz", "/readyz/x"])
def test_no_path_is_redirected(port: int, path: str) -> None:
    answer = exchange(port, get(path, "127.0.0.1"))
    assert status(answer) == 404
    assert b"location" not in answer.lower()


def test_a_connection_carries_one_request(port: int) -> None:
    answer = exchange(port, get("/healthz", "localhost") * 3)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


def test_a_sender_that_half_closes_has_its_answer(port: int) -> None:
    assert status(exchange(port, get("/readyz", "localhost"), half_close=True)) == 200
    assert exchange(port, b"", half_close=True) == b""


@pytest.mark.parametrize("sent", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_connection_that_says_nothing_or_half_a_head_is_cut(sent: bytes) -> None:
    with admin_port(seconds=0.5) as port:
        began, began_awake = time.monotonic(), awake()
        assert exchange(port, sent) == b""
        assert time.monotonic() - began > 0.4
        assert awake() - began_awake < 5


def test_a_head_that_trickles_in_is_cut_at_the_same_deadline() -> None:
    with admin_port(seconds=0.5) as port, connect(port) as wire:
        began = awake()
        wire.settimeout(0.05)
        with contextlib.suppress(ConnectionError):
            while awake() - began < 5:
                wire.sendall(b"G")
                with contextlib.suppress(TimeoutError):
                    if wire.recv(1) == b"":
                        break
        assert awake() - began < 5


def test_a_head_without_end_is_cut_at_a_size(port: int) -> None:
    with connect(port) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            wire.sendall((b"X-More: " + b"x" * 8000 + b"\r\n") * 5000)


def test_many_idle_connections_keep_no_probe_out() -> None:
    with admin_port(most=8, seconds=60) as port, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(port)) for _ in range(40)]
        assert status(exchange(port, get("/healthz", "localhost"))) == 200
        # The oldest went; the newest are still there.
        assert read_all(idle[0]) == b""
        idle[-1].sendall(get("/healthz", "localhost"))
        assert status(read_all(idle[-1])) == 200


def test_readiness_answers_at_once_while_a_check_hangs() -> None:
    release = threading.Event()

    async def hangs() -> None:
        await asyncio.to_thread(release.wait)

    health = Health({"hangs": hangs}, interval_seconds=0.01, timeout_seconds=1)
    try:
        with admin_port(health) as port:
            began = awake()
            answer = exchange(port, get("/readyz", "localhost"))
            assert awake() - began < 1
            assert status(answer) == 503

            def late() -> bool:
                body = exchange(port, get("/readyz", "localhost")).partition(b"\r\n\r\n")[2]
                return json.loads(body)["failures"] == {"hangs": "no answer within 1 s"}

            assert wait_until(late, timeout_seconds=60)
            release.set()
    finally:
        release.set()
