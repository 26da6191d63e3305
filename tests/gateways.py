"""A running gateway for tests, what can be said to it over a socket, and what came of it on Kafka."""

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import uvloop
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from connector import admin, clocks
from connector.config import Config
from connector.gateway.clock import Clock
from connector.gateway.server import make_publisher, serving
from connector.gateway.signature import sign
from connector.kafka.lanes import DeliverySink
from connector.kafka.routes import Routes

DEADLINE_SECONDS = 60.0
PATH = "/webhooks/xtnd"
JSON_TYPE = "application/json; charset=utf-8"


def until(condition: Callable[[], Any], what: str, *, seconds: float = DEADLINE_SECONDS) -> Any:
    """Wait for a condition and return its value; fails the test at the deadline."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)
    return value


# --- A gateway -----------------------------------------------------------------------------------


@contextmanager
def running(
    config: Config,
    intake: DeliverySink | None = None,
    clock: Clock | None = None,
    *,
    loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> Iterator[int]:
    """The public port as ``connector gateway`` serves it, on a free port; gives the port."""
    listener = admin.bind("127.0.0.1", 0, setting="gateway.port", option="--port")
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        publisher = make_publisher(config, clock.observe if clock else None)
        publisher.start()
        listener.listen()
        own = {"clock": clock.now, "clock_distance": clock.distance} if clock else {"clock": clocks.now}
        async with serving(config, intake or publisher, listener, **own):
            started.set()
            await asyncio.to_thread(stop.wait)
        await publisher.close(3)

    def run() -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(DEADLINE_SECONDS)
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive(), "the gateway did not stop"


# --- Deliveries ----------------------------------------------------------------------------------


def notification(number: str = "1001", action: str = "OrderCreated") -> dict[str, Any]:
    return {"Action": action, "Details": {"OrderNumber": number, "OrderType": "NormalOrder"}}


def delivery(*notifications: Any, delivery_id: str | None = None, attempt: int = 1, **more: Any) -> bytes:
    """A delivery as XTND writes it: two blanks, CRLF."""
    whole = {
        "Id": delivery_id or uuid.uuid4().hex,
        "Attempt": attempt,
        "Properties": {},
        "Notifications": list(notifications),
    } | more
    return json.dumps(whole, indent=2, ensure_ascii=False).replace("\n", "\r\n").encode()


# --- HTTP by hand --------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection, byte by byte."""

    def __init__(self, port: int, *, seconds: float = DEADLINE_SECONDS) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> "Wire":
        """Send what the peer still takes; it may have refused and closed already."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def line_end(self, mark: bytes) -> bytes:
        while mark not in self._left:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(self._left)
            self._left += piece
        part, _, self._left = self._left.partition(mark)
        return part

    def answer(self) -> Answer:
        """Read one answer."""
        status, *lines = self.line_end(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._left) < length:
            piece = self.socket.recv(65536)
            assert piece, "the answer's body was cut off"
            self._left += piece
        body, self._left = self._left[:length], self._left[length:]
        return Answer(int(status.split()[1]), headers, body, headers.get("connection") == "close")

    def rest(self) -> bytes:
        """Everything until the gateway ends the connection."""
        with suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                self._left += piece
        return self._left

    def end(self) -> "Wire":
        """Finish sending, and go on reading."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def closed(self) -> bool:
        """Whether the gateway ends the connection; waits for it."""
        try:
            return self.socket.recv(1) == b"" and not self._left
        except ConnectionResetError:
            return True


def head(method: str, path: str, headers: Mapping[str, str] | list[tuple[str, str]]) -> bytes:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{method} {path} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n".encode("latin-1")


def signed(body: bytes, secret: str, **changes: str | None) -> dict[str, str]:
    """Headers of a good delivery; changed by name (``_`` for ``-``), taken out with None."""
    headers = {
        "Content-Type": JSON_TYPE,
        "ms-signature": sign(body, secret),
        "Content-Length": str(len(body)),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}  # type: ignore[misc]
    return {name: value for name, value in headers.items() if value is not None}


def request(port: int, data: bytes) -> Answer:
    """Send the bytes of one request and read its answer."""
    with Wire(port) as wire:
        return wire.send(data).answer()


def post(port: int, body: bytes, secret: str, *, path: str = PATH, **changes: str | None) -> Answer:
    return request(port, head("POST", path, signed(body, secret, **changes)) + body)


# --- Kafka ---------------------------------------------------------------------------------------


class Logged(NamedTuple):
    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class KafkaLog:
    """What stands on the topics of a configuration since ``mark``."""

    def __init__(self, config: Config) -> None:
        self.routes = Routes(config)
        self._consumer = KafkaConsumer(bootstrap_servers=config.kafka.servers, group_id=None)
        topics = self.routes.topics_read()
        self._partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(self._consumer.partitions_for_topic(topic))
        ]
        self._consumer.assign(self._partitions)
        self._from: dict[Any, int] = {}
        self.mark()

    def mark(self) -> None:
        """Count from here."""
        self._from = self._ends()

    def _ends(self) -> dict[Any, int]:
        """The logs' ends, though a broker that comes back may let the first question wait too long."""
        with suppress(KafkaTimeoutError):
            return dict(self._consumer.end_offsets(self._partitions))
        return dict(self._consumer.end_offsets(self._partitions))

    def since(self) -> list[Logged]:
        """Every record since the mark that stands on Kafka at this moment."""
        ends = self._ends()
        wanted = sum(ends[partition] - self._from[partition] for partition in self._partitions)
        for partition in self._partitions:
            self._consumer.seek(partition, self._from[partition])
        found: list[Logged] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(found) < wanted:
            assert time.monotonic() < deadline, "Kafka did not give its records"
            for records in self._consumer.poll(200).values():
                found += [Logged(r.topic, r.partition, r.key, r.value, list(r.headers)) for r in records]
        return found

    def close(self) -> None:
        self._consumer.close()
