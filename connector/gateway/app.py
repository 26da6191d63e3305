"""The public port: one ASGI app, whose whole way of a request reads in ``Gateway._answer``.

Order of checks (reliability.md, part 2): path and method → header size (``guard``) → content
length → body → signature over the raw bytes → content type → JSON → notifications.
"""

import asyncio
import functools
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

import structlog

from connector import events, metrics
from connector.config import Config
from connector.errors import Outage, Poison
from connector.gateway import signature
from connector.gateway.problems import Problem
from connector.gateway.records import RECORD_OVERHEAD_BYTES, STAGE, Record, Translator
from connector.gateway.signature import Keys, SignatureRefused, VerifiedBody
from connector.kafka.routes import Routes

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HeaderLines = Sequence[tuple[bytes, bytes]]

ALLOW = ((b"allow", b"GET, POST"),)
_ECHO = re.compile(r"[A-Za-z0-9-]{1,128}\Z")
_JSON_TYPE = re.compile(rb"(application|text)/([a-z0-9.!#$&^_+-]+\+)?json[ \t]*(;.*)?", re.IGNORECASE)
# After so many notifications of one delivery, others get their turn on the loop.
_TURN = 200
_REFUSAL_LOG_SECONDS = 10.0
# Finding a metric by its labels takes a lock each time; the few that there are are kept.
_answers = functools.cache(metrics.answers.labels)
_events_accepted = functools.cache(metrics.events_accepted.labels)


class Intake(Protocol):
    """Where verified records go. The spool will stand here, around the publisher."""

    async def take(self, records: Sequence[Record]) -> None:
        """Return when the records are safe; raises ``Outage`` when they are not."""


class Door(NamedTuple):
    """One hook: what proves its deliveries, and XTND's retry schedule in seconds."""

    keys: Keys
    schedule: Sequence[float]


class Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Disconnected(Exception):
    """The sender went away before its request was complete."""


def now_microseconds() -> int:
    """Return the instant, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


class Gateway:
    """The ASGI app of the public port."""

    def __init__(
        self, config: Config, intake: Intake, *, clock: Callable[[], int] = now_microseconds
    ) -> None:
        self._intake = intake
        self._clock = clock
        self._max_body = config.gateway.max_body_bytes
        self._max_in_flight = config.gateway.max_requests_in_flight
        self._in_flight = 0
        self._translator = Translator(
            Routes(config),
            max_message_bytes=config.topics.max_message_bytes - RECORD_OVERHEAD_BYTES,
            max_depth=config.gateway.max_json_depth,
        )
        self._doors = {
            f"/webhooks/{name}".encode(): Door(Keys.of(name, hook), hook.retry_schedule_seconds)
            for name, hook in config.hooks.items()
        }
        self._refusal_told = 0.0
        metrics.requests_in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; never raises, so that no stack trace and no 500 leaves the house."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Problem as problem:
            answer = _refusal(problem)
        except Disconnected:
            return
        except Exception:
            log.exception("request failed")
            answer = _refusal(Problem(500, "A bug of the connector; its log tells more. Send it again."))
        self._count(scope["raw_path"], answer.status)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        """Go the way of a request: find → read → verify → parse → publish → answer."""
        door = self._doors.get(scope["raw_path"])
        if door is None:
            raise Problem(404, "There is no hook at this path; hooks are at /webhooks/<name>.", close=True)
        if scope["method"] == "GET":
            return _echo(scope["query_string"])
        if scope["method"] != "POST":
            raise Problem(405, "A hook takes POST, and GET for the echo check.", headers=ALLOW, close=True)
        headers: HeaderLines = scope["headers"]
        body = await self._read(headers, receive)
        received_at = self._clock()
        verified = self._verify(headers, body, door.keys)
        _check_content(headers)
        if self._in_flight >= self._max_in_flight:
            raise Problem(429, "Too many deliveries wait for Kafka already. Send it again later.")
        delivery = await self._parse(verified, received_at)
        occurred_at = events.occurred_at(received_at, delivery.attempt, door.schedule)
        records = []
        for index in range(len(delivery.notifications)):
            records.append(self._translator.record(verified, delivery, index, received_at, occurred_at))
            if index % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        await self._publish(records)
        metrics.answer_seconds.observe((self._clock() - received_at) / 1_000_000)
        return _accepted(records)

    async def _read(self, headers: HeaderLines, receive: Receive) -> bytes:
        """Read the whole body, holding no more of it than the cap; the deadline is the guard's."""
        for name, value in headers:
            if name == b"content-length" and int(value) > self._max_body:
                raise self._too_large()
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Disconnected
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > self._max_body:
                raise self._too_large()
            pieces.append(piece)
            if not message.get("more_body", False):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _too_large(self) -> Problem:
        return Problem(
            413, f"The body is larger than {self._max_body} bytes (gateway.max_body_bytes).", close=True
        )

    def _verify(self, headers: HeaderLines, body: bytes, keys: Keys) -> VerifiedBody:
        try:
            return signature.verify(headers, body, keys)
        except SignatureRefused as refused:
            if time.monotonic() - self._refusal_told > _REFUSAL_LOG_SECONDS:
                self._refusal_told = time.monotonic()
                log.warning("signature refused", hook=keys.hook, reason=refused.reason)
            raise Problem(401, refused.error) from None

    async def _parse(self, verified: VerifiedBody, received_at: int) -> events.Delivery:
        """Read the envelope; a body that is no delivery is parked before it is refused."""
        try:
            return self._translator.delivery(verified)
        except Poison as poison:
            await self._publish([self._translator.parked_body(verified, received_at, poison)])
            raise Problem(400, poison.error) from None

    async def _publish(self, records: Sequence[Record]) -> None:
        self._in_flight += 1
        try:
            await self._intake.take(records)
        except Outage:
            what = "Neither Kafka nor the spool took the delivery; it was not accepted. Send it again."
            raise Problem(503, what) from None
        finally:
            self._in_flight -= 1
        for record in records:
            if record.parked:
                metrics.dead_letters.labels(STAGE, record.label).inc()
            else:
                _events_accepted(record.label).inc()

    def _count(self, path: bytes, status: int) -> None:
        door = self._doors.get(path)
        _answers(door.keys.hook if door else "-", str(status)).inc()


def _accepted(records: Sequence[Record]) -> Answer:
    parked = sum([record.parked for record in records])
    return _answer_of(len(records) - parked, parked)


@functools.lru_cache(maxsize=128)
def _answer_of(accepted: int, parked: int) -> Answer:
    body = b'{"accepted": %d, "parked": %d}' % (accepted, parked)
    lines = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Answer(202, lines, body)


def _echo(query: bytes) -> Answer:
    """XTND's registration check: the echo value comes back as it is, and as nothing but text."""
    try:
        values = [
            value
            for name, value in parse_qsl(query.decode("ascii"), keep_blank_values=True)
            if name == "echo"
        ]
    except ValueError:
        values = []
    if len(values) != 1 or not _ECHO.match(values[0]):
        raise Problem(400, "GET is for the echo check: ?echo=<1 to 128 letters, digits or '-'>.")
    body = values[0].encode("ascii")
    lines = [
        (b"content-type", b"text/plain"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-length", b"%d" % len(body)),
    ]
    return Answer(200, lines, body)


@functools.lru_cache(maxsize=64)
def _is_json(content_type: bytes) -> bool:
    return _JSON_TYPE.fullmatch(content_type.strip()) is not None


def _check_content(headers: HeaderLines) -> None:
    """Refuse what is not plain JSON; raises ``Problem`` 415."""
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) != 1 or not _is_json(types[0]):
        raise Problem(415, "The content type must be application/json.")
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise Problem(415, "The body must not be encoded (Content-Encoding other than identity).")


def _refusal(problem: Problem) -> Answer:
    body = problem.body()
    return Answer(problem.status, problem.headers(body), body)
