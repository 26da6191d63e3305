"""The public port: one protocol over httptools. The whole way of a delivery reads in ``Connection._serve``.

Order of checks (reliability.md, part 2): path and method → header size → content length → body →
signature over the raw bytes → content type → JSON → notifications.

httptools can neither pause nor be told to ignore an upgrade, and it calls back before it has seen a bad
framing. So a head is checked whole, on its raw bytes, before the parser sees any of it, and the body
follows in small slices, never beyond its length. One request of a connection is served at a time; what
was sent ahead waits, bounded, and nothing is read meanwhile.
"""

import asyncio
import math
import re
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import lru_cache, partial
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl

import httptools
import structlog

from connector import events, metrics
from connector.config import Config
from connector.errors import ConnectorError, Poison
from connector.gateway import head as heads
from connector.gateway import signature
from connector.gateway.head import END, Head, HeadFault
from connector.gateway.limits import KEEP_ALIVE_SECONDS, Limits
from connector.gateway.problems import CONTINUE, Problem, accepted, answer, refusal
from connector.gateway.records import STAGE, Translator
from connector.gateway.signature import Keys, SignatureRefused, VerifiedBody
from connector.kafka.record import RECORD_OVERHEAD_BYTES, Record
from connector.kafka.routes import Routes

log = structlog.get_logger(__name__)

ALLOW = ((b"allow", b"GET, POST"),)
_ECHO = re.compile(r"[A-Za-z0-9-]{1,128}\Z")
_JSON_TYPE = re.compile(rb"(application|text)/([a-z0-9.!#$&^_+-]+\+)?json[ \t]*(;.*)?", re.IGNORECASE)
# The parser sees no more of a body at a time, so that a cap holds to within one slice.
SLICE_BYTES = 4096
# What may be sent ahead of an answer; beyond it the connection is closed after the answer.
AHEAD_BYTES = 65_536
# Answers that wait for a peer who does not read them; beyond it no further request is served.
UNREAD_BYTES = 16_384
# How long, and how much, a peer that still sends is listened to so that it can read the refusal.
LINGER_SECONDS = 2.0
LINGER_BYTES = 4_194_304
# After so many notifications of one delivery, others get their turn on the loop.
TURN = 200
REFUSAL_LOG_SECONDS = 10.0
NO_HEAD = Head(b"", b"", b"1", 0)
# Finding a metric by its labels takes a lock each time; the few that there are are kept.
_answers = lru_cache(metrics.answers.labels)
_events_accepted = lru_cache(metrics.events_accepted.labels)


class Intake(Protocol):
    """Where verified records go."""

    def submit(self, records: Sequence[Record], done: Callable[[ConnectorError | None], None]) -> None:
        """Call ``done`` once, later, when the records are safe or with why they are not.

        May raise ``ConnectorError`` instead.
        """


class Hook(NamedTuple):
    """What proves a hook's deliveries, and XTND's retry schedule in seconds."""

    keys: Keys
    schedule: Sequence[float]


class Gateway:
    """What the connections of a process share."""

    def __init__(self, config: Config, intake: Intake, clock: Callable[[], int], limits: Limits) -> None:
        """``clock`` gives microseconds since the epoch."""
        self.intake = intake
        self.clock = clock
        self.limits = limits
        self.max_in_flight = config.gateway.max_requests_in_flight
        self.in_flight = 0
        self.translator = Translator(
            Routes(config),
            max_message_bytes=config.topics.max_message_bytes - RECORD_OVERHEAD_BYTES,
            max_depth=config.gateway.max_json_depth,
        )
        self.hooks = {
            f"/webhooks/{name}".encode(): Hook(Keys.of(name, hook), hook.retry_schedule_seconds)
            for name, hook in config.hooks.items()
        }
        self._refusal_logged = -math.inf
        metrics.requests_in_flight.set_function(lambda: self.in_flight)

    def verify(self, values: Sequence[bytes], body: bytes, keys: Keys) -> VerifiedBody:
        """Return the body as verified; raises ``Problem`` 401."""
        try:
            return signature.verify([(signature.HEADER, value) for value in values], body, keys)
        except SignatureRefused as refused:
            if time.monotonic() - self._refusal_logged > REFUSAL_LOG_SECONDS:
                self._refusal_logged = time.monotonic()
                log.warning("signature refused", hook=keys.hook, reason=refused.reason)
            raise Problem(401, refused.error) from None


class Stage(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    # Answered for good; what still comes is thrown away.
    LINGER = auto()
    CLOSING = auto()


class Connection(asyncio.Protocol):
    """One connection of the public port."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._limits = gateway.limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._stage = Stage.HEAD
        self.deadline = self._loop.time() + self._limits.request_seconds
        # What has come and was not taken yet, from ``_at`` on.
        self._inbox = b""
        self._at = 0
        self._held = 0
        self._ignored = 0
        # The peer has finished sending.
        self._ended = False
        # Answers that the peer does not read stand in the way of the next one.
        self._unread = False
        # The next request waits until others had their turn.
        self._resting = False
        self._answered = False
        self._reset()

    def _reset(self) -> None:
        """Forget the request."""
        self._hook: Hook | None = None
        self._head = NO_HEAD
        self._fields: dict[bytes, list[bytes]] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._left = 0
        self._begun = self._in_fields = self._complete = self._last = self._cut = False

    # --- Connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.set_write_buffer_limits(UNREAD_BYTES, 0)
        self._limits.connections.add(self)
        self._limits.waiting[self] = None
        self._limits.make_space()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._stage = Stage.CLOSING
        self._leave()

    def pause_writing(self) -> None:
        self._unread = True
        self.deadline = min(self.deadline, self._loop.time() + self._limits.request_seconds)

    def resume_writing(self) -> None:
        self._unread = False
        if self._stage is Stage.HEAD:
            self._wait()
            self._advance()
        elif self._stage is Stage.ANSWER:
            self.deadline = math.inf

    def eof_received(self) -> bool:
        """Keep the way back open while an answer is due to a peer that has finished sending."""
        self._ended = True
        if self._stage is Stage.BODY:
            self._refuse(Problem(400, "The body ended before it was complete.", close=True))
        return self._stage is Stage.ANSWER or self._resting or self._unread

    # --- Input -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._stage in (Stage.LINGER, Stage.CLOSING):
            self._ignored += len(data)
            if self._ignored > LINGER_BYTES:
                self.abort()
            return
        searched = len(self._inbox) - self._at
        self._inbox = self._inbox[self._at :] + data if searched else data
        self._at = 0
        if not self._resting:
            self._advance(searched)
        self._bound()

    def _advance(self, searched: int = 0) -> None:
        """Go on with what has come, as far as it goes; ``searched`` bytes were looked at before."""
        self._resting = False
        try:
            if self._stage is Stage.HEAD and not self._unread:
                self._take_head(searched)
            if self._stage is Stage.BODY:
                self._take_body()
        except Problem as problem:
            self._refuse(problem)
        except Exception:
            log.exception("request failed")
            self._refuse(_bug())

    def _bound(self) -> None:
        """Read no further while something waits that cannot be served yet, and hold little of it."""
        ahead = len(self._inbox) - self._at
        if self._stage is Stage.ANSWER or self._resting or self._unread:
            if ahead > AHEAD_BYTES or self._limits.held_bytes + ahead > self._limits.max_held_bytes:
                self._cut = self._last = True
                self._inbox, self._at, ahead = b"", 0, 0
                if self._stage is Stage.HEAD:
                    self._close()
            if ahead:
                self._transport.pause_reading()
        if self._stage is not Stage.BODY:
            self._hold(ahead)

    def _take_head(self, searched: int) -> None:
        """Check a head as soon as it is whole, and decide by it alone what can be decided."""
        inbox, at, cap = self._inbox, self._at, self._limits.max_header_bytes
        while inbox.startswith(b"\r\n", at):  # RFC 9112, 2.2: empty lines before a request are skipped
            at += 2
        self._at = at
        if at == len(inbox):
            if self._ended:
                self._close()
            return
        if not self._begun:
            self._begun = True
            if self._answered:
                self.deadline = self._loop.time() + self._limits.request_seconds
        end = inbox.find(END, max(at, searched - len(END)), at + cap + len(END))
        if (len(inbox) if end < 0 else end + len(END)) - at > cap:
            raise Problem(431, f"The head of the request is larger than {cap} bytes.", close=True)
        try:
            if end < 0:
                heads.check_part(inbox[max(at, searched) :], inbox[at:searched][-1:])
                return
            raw = inbox[at : end + len(END)]
            self._head = heads.read(raw)
        except HeadFault as fault:
            raise Problem(400, f"The request has {fault}.", close=True) from None
        self._at = end + len(END)
        self._stage = Stage.BODY
        self._begin_body(raw)

    def _begin_body(self, raw: bytes) -> None:
        """Find the hook, and have the parser read the header fields."""
        method, length = self._head.method, self._head.length
        path, query = _path_and_query(self._head.target)
        self._hook = self._gateway.hooks.get(path)
        if self._hook is None:
            raise Problem(404, "There is no hook at this path; hooks are at /webhooks/<name>.", close=True)
        if method not in (b"GET", b"POST"):
            raise Problem(405, "A hook takes POST, and GET for the echo check.", headers=ALLOW, close=True)
        self._in_fields = True
        self._feed(heads.without_upgrade(raw))
        if method == b"GET":
            self._last = self._last or length != 0
            self._answer(200, partial(_echoed, _echo(query)))
            return
        cap = self._limits.max_body_bytes
        if length is None:
            self._last = True
        elif length > cap:
            raise _too_large(cap)
        else:
            self._left = length
        if not self._complete and self._at == len(self._inbox) and self._expects_continue():
            self._transport.write(CONTINUE)

    def _expects_continue(self) -> bool:
        values = self._fields.get(b"expect", ())
        return self._head.minor_version == b"1" and any(one.lower() == b"100-continue" for one in values)

    def _take_body(self) -> None:
        """Feed what has come of the body in slices, and serve the request when it is whole."""
        cap, chunked = self._limits.max_body_bytes, self._head.length is None
        while not self._complete and self._at < len(self._inbox):
            size = SLICE_BYTES if chunked else min(SLICE_BYTES, self._left)
            piece = self._inbox[self._at : self._at + size]
            self._at += len(piece)
            self._left -= len(piece)
            self._feed(piece)
            if self._size > cap:
                raise _too_large(cap)
        if not self._complete:
            self._inbox, self._at = b"", 0
            self._hold(self._size)
            return
        if chunked:  # what follows may have been fed to the parser in part, so nothing follows
            self._inbox, self._at, self._cut = b"", 0, True
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        self._serve(body)

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            # Behind the end of a chunked body something else may stand, which is not read.
            if not self._complete:
                raise Problem(400, "The request is not well-formed HTTP/1.1.", close=True) from None

    # --- The parser's callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("data behind a chunked body")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_fields:  # else it is a trailer
            self._fields.setdefault(name.lower(), []).append(value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        self._in_fields = False
        self._last = not self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        self._complete = True

    # --- The way of a delivery -------------------------------------------------------------------

    def _serve(self, body: bytes) -> None:
        """Go the way of a delivery: verify → parse → publish; the answer follows when it is safe."""
        gateway, hook = self._gateway, self._hook
        assert hook is not None  # noqa: S101 - the head was refused without one
        received_at = gateway.clock()
        self._stage, self.deadline = Stage.ANSWER, math.inf
        self._limits.waiting.pop(self, None)
        verified = gateway.verify(self._fields.get(signature.HEADER, ()), body, hook.keys)
        _check_content(self._fields)
        if gateway.in_flight >= gateway.max_in_flight:
            raise Problem(429, "Too many deliveries wait for Kafka already. Send it again later.")
        try:
            delivery = gateway.translator.delivery(verified)
        except Poison as poison:
            letter = gateway.translator.parked_body(verified, received_at, poison)
            self._submit([letter], received_at, Problem(400, poison.error))
            return
        occurred_at = events.occurred_at(received_at, delivery.attempt, hook.schedule)
        translate = partial(
            gateway.translator.record, verified, delivery, received_at=received_at, occurred_at=occurred_at
        )
        count = len(delivery.notifications)
        if count <= TURN:
            self._submit([translate(index) for index in range(count)], received_at)
        else:
            self._go_on(translate, count, [], received_at)

    def _go_on(
        self, translate: Callable[[int], Record], count: int, records: list[Record], received_at: int
    ) -> None:
        """Make the records of a large delivery, with turns for the others."""
        if self._stage is Stage.CLOSING:
            return
        begin = len(records)
        try:
            records += [translate(index) for index in range(begin, min(begin + TURN, count))]
            if len(records) < count:
                self._loop.call_soon(self._go_on, translate, count, records, received_at)
            else:
                self._submit(records, received_at)
        except Exception:
            log.exception("request failed")
            self._refuse(_bug())

    def _submit(self, records: Sequence[Record], received_at: int, problem: Problem | None = None) -> None:
        """Publish; then answer with ``problem``, or that the delivery was accepted."""
        done = partial(self._published, records, received_at, problem)
        self._gateway.in_flight += 1
        try:
            if records:
                self._gateway.intake.submit(records, done)
            else:
                done(None)
        except ConnectorError as error:
            done(error)

    def _published(
        self, records: Sequence[Record], received_at: int, problem: Problem | None, error: Exception | None
    ) -> None:
        """Answer a delivery whose records are safe, or are not."""
        self._gateway.in_flight -= 1
        if error is not None:
            what = "Neither Kafka nor the spool took the delivery; it was not accepted. Send it again."
            self._refuse(Problem(503, what))
            return
        parked = 0
        for record in records:
            if record.parked:
                parked += 1
                metrics.dead_letters.labels(STAGE, record.label).inc()
            else:
                _events_accepted(record.label).inc()
        if problem is not None:
            self._refuse(problem)
            return
        metrics.answer_seconds.observe((self._gateway.clock() - received_at) / 1_000_000)
        self._answer(202, partial(accepted, len(records) - parked, parked))

    # --- Answers ---------------------------------------------------------------------------------

    def _refuse(self, problem: Problem) -> None:
        self._last = self._last or problem.close
        self._answer(problem.status, partial(refusal, problem))

    def _answer(self, status: int, whole: Callable[[bytes], bytes]) -> None:
        """Write an answer; go on with the next request, or end the connection."""
        _answers(self._hook.keys.hook if self._hook else "-", str(status)).inc()
        if self._stage is Stage.CLOSING:
            return
        kept = b"keep-alive" if self._head.minor_version == b"0" else b""
        data = whole(b"close" if self._last else kept)
        if self._head.method == b"HEAD":
            data = data[: data.index(END) + len(END)]
        self._transport.write(data)
        if self._last:
            self._close()
            return
        self._answered = True
        self._reset()
        self._stage = Stage.HEAD
        self._wait()
        if self._at < len(self._inbox):
            self._resting = True
            self._loop.call_soon(self._turn)
        else:
            self._inbox, self._at = b"", 0
            self._hold(0)
            self._transport.resume_reading()
            if self._ended:
                self._close()

    def _turn(self) -> None:
        """Serve what was sent ahead, after others had their turn."""
        if self._stage is Stage.HEAD:
            self._transport.resume_reading()
            self._advance()
            self._bound()

    def _wait(self) -> None:
        self.deadline = self._loop.time() + KEEP_ALIVE_SECONDS
        self._limits.waiting[self] = None

    # --- Ends ------------------------------------------------------------------------------------

    def _close(self) -> None:
        """End the connection; a peer that may still be sending is listened to, so that it can read.

        Closing a socket with unread input resets the connection, and the peer loses what it was told.
        """
        whole = (
            self._stage is Stage.ANSWER or self._complete or (self._stage is Stage.HEAD and not self._begun)
        )
        unread = not self._ended and (self._cut or not whole or self._at < len(self._inbox))
        self._inbox, self._at, self._pieces = b"", 0, []
        self._hold(0)
        self._limits.waiting.pop(self, None)
        self.deadline = self._loop.time() + (LINGER_SECONDS if unread else self._limits.request_seconds)
        if unread:
            self._stage = Stage.LINGER
            self._limits.lingering[self] = None
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._stage = Stage.CLOSING
            self._transport.close()

    def _hold(self, size: int) -> None:
        """Count the bytes of an unfinished request."""
        grown, self._held = size - self._held, size
        self._limits.held_bytes += grown
        if grown > 0:
            self._limits.make_space()

    def _leave(self) -> None:
        """Count no more."""
        self._hold(0)
        self._inbox, self._at, self._pieces = b"", 0, []
        self._limits.connections.discard(self)
        self._limits.waiting.pop(self, None)
        self._limits.lingering.pop(self, None)

    def time_out(self) -> None:
        """End what was not done by the deadline: a request, an answer that is not read, idleness."""
        if self._unread or self._stage in (Stage.LINGER, Stage.CLOSING):
            self.abort()
        elif self._answered and not self._begun:
            self._close()
        else:
            what = f"The request was not complete within {self._limits.request_seconds:g} s."
            self._refuse(Problem(408, what, close=True))

    def evict(self) -> None:
        """Make space for others: an idle connection just ends, a slow one is told so."""
        if self._unread or self._stage in (Stage.LINGER, Stage.CLOSING):
            self.abort()
            return
        if self._begun:
            problem = Problem(408, "Too many slow connections; this was the slowest.", close=True)
            _answers("-", "408").inc()
            self._transport.write(refusal(problem, b"close"))
        self._stage = Stage.CLOSING
        self._leave()
        self._transport.close()

    def shut_down(self) -> None:
        """Finish what is being answered, and nothing else: the process ends."""
        if self._stage is Stage.ANSWER:
            self._last = True
        elif self._begun and self._stage in (Stage.HEAD, Stage.BODY):
            self._refuse(Problem(503, "The gateway is being stopped. Send it again.", close=True))
        elif self._stage is Stage.HEAD:
            self._close()

    def abort(self) -> None:
        """End at once."""
        self._stage = Stage.CLOSING
        self._leave()
        self._transport.abort()


def _path_and_query(target: bytes) -> tuple[bytes, bytes]:
    """Split a request target, whose usual form begins with a slash; the other one is a whole URL."""
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return b"", b""
    return url.path or b"/", url.query or b""


def _echo(query: bytes) -> bytes:
    """The value of XTND's registration check, which comes back as it is; raises ``Problem`` 400."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True)
    except ValueError:
        pairs = []
    values = [value for name, value in pairs if name == "echo"]
    if len(values) != 1 or not _ECHO.match(values[0]):
        raise Problem(400, "GET is for the echo check: ?echo=<1 to 128 letters, digits or '-'>.")
    return values[0].encode("ascii")


def _echoed(value: bytes, connection: bytes) -> bytes:
    """The answer to the registration check: nothing but text."""
    lines = ((b"content-type", b"text/plain"), (b"x-content-type-options", b"nosniff"))
    return answer(200, lines, value, connection)


@lru_cache(maxsize=64)
def _is_json(content_type: bytes) -> bool:
    return _JSON_TYPE.fullmatch(content_type) is not None


def _check_content(fields: dict[bytes, list[bytes]]) -> None:
    """Refuse what is not plain JSON; raises ``Problem`` 415."""
    types = fields.get(b"content-type", ())
    if len(types) != 1 or not _is_json(types[0]):
        raise Problem(415, "The content type must be application/json.")
    for value in fields.get(b"content-encoding", ()):
        if value.lower() not in (b"", b"identity"):
            raise Problem(415, "The body must not be encoded (Content-Encoding other than identity).")


def _too_large(cap: int) -> Problem:
    return Problem(413, f"The body is larger than {cap} bytes (gateway.max_body_bytes).", close=True)


def _bug() -> Problem:
    what = "A bug of the connector; its log tells more. Send it again."
    return Problem(500, what, close=True)
