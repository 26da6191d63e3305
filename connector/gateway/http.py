"""HTTP/1.1 as the public port serves it: one connection, its framing, limits, deadlines and answers.

httptools can neither pause nor be told to ignore an upgrade, and it calls back before it has seen a bad
framing. So a head is checked whole, on its raw bytes, before the parser sees any of it, and the body
follows in small slices, never beyond its length. One request of a connection is served at a time; what
was sent ahead waits, bounded, and nothing is read meanwhile.
"""

import asyncio
import math
from abc import abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from functools import partial

import httptools
import structlog

from connector.gateway import head as heads
from connector.gateway.head import END, Head, HeadFault
from connector.gateway.limits import KEEP_ALIVE_SECONDS, Limits
from connector.gateway.problems import CONTINUE, Problem, refusal

log = structlog.get_logger(__name__)

# The parser sees no more of a body at a time, so that a cap holds to within one slice.
SLICE_BYTES = 4096
# What may be sent ahead of an answer; beyond it the connection is closed after the answer.
AHEAD_BYTES = 65_536
# Answers that wait for a peer who does not read them; beyond it no further request is served.
UNREAD_BYTES = 16_384
# How long, and how much, a peer that still sends is listened to so that it can read the refusal.
LINGER_SECONDS = 2.0
LINGER_BYTES = 4_194_304
NO_HEAD = Head(b"", b"", b"1", 0)


class Stage(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    # Answered for good; what still comes is thrown away.
    LINGER = auto()
    CLOSING = auto()


class HttpConnection(asyncio.Protocol):
    """One connection. A subclass finds out what a request is for (``begin``) and serves it (``serve``).

    It answers every request once, by ``answer`` or ``refuse``, at once or later; either method may
    raise ``Problem`` instead.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
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
        self._head = NO_HEAD
        # Header fields by lower-case name; blanks around a value are no part of it (RFC 9110, 5.5).
        self.fields: dict[bytes, list[bytes]] = {}
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
            self.refuse(Problem(400, "The body ended before it was complete.", close=True))
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
            self.refuse(problem)
        except Exception as bug:  # noqa: BLE001 - one request fails, and nobody else's
            self.fail(bug)

    def fail(self, bug: Exception) -> None:
        """Answer a request that met a bug; no stack trace leaves the house."""
        log.error("request failed", exc_info=bug)
        self.refuse(Problem(500, "A bug of the connector; its log tells more. Send it again.", close=True))

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
        """Have the parser read the header fields, once the subclass wants the request."""
        cap, length = self._limits.max_body_bytes, self._head.length
        self.route(self._head)
        self._in_fields = True
        self._feed(heads.without_upgrade(raw))
        if self.begin():
            return
        if length is None:
            self._last = True
        elif length > cap:
            raise _too_large(cap)
        else:
            self._left = length
        if not self._complete and self._at == len(self._inbox) and self._expects_continue():
            self._transport.write(CONTINUE)

    def _expects_continue(self) -> bool:
        values = self.fields.get(b"expect", ())
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
        self._stage, self.deadline = Stage.ANSWER, math.inf
        self._limits.waiting.pop(self, None)
        self.serve(body)

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
            self.fields.setdefault(name.lower(), []).append(value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        self._in_fields = False
        self._last = not self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        self._complete = True

    # --- The subclass ----------------------------------------------------------------------------

    @abstractmethod
    def route(self, head: Head) -> None:
        """Refuse a request by its head alone; raises ``Problem``."""

    @abstractmethod
    def begin(self) -> bool:
        """Look at the header fields; answer a request that needs no body, and say so."""

    @abstractmethod
    def serve(self, body: bytes) -> None:
        """Serve a request whose body has come."""

    @abstractmethod
    def count(self, status: int) -> None:
        """Count an answer."""

    # --- Answers ---------------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether nobody reads an answer any more."""
        return self._stage is Stage.CLOSING

    def refuse(self, problem: Problem) -> None:
        self._last = self._last or problem.close
        self.answer(problem.status, partial(refusal, problem))

    def answer(self, status: int, whole: Callable[[bytes], bytes]) -> None:
        """Write an answer; go on with the next request, or end the connection.

        ``whole`` gives its bytes for a Connection header. A body that was not read ends the connection.
        """
        self.count(status)
        if self.gone:
            return
        if self._stage is Stage.BODY and not self._complete:
            self._last = True
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
            self.refuse(Problem(408, what, close=True))

    def evict(self) -> None:
        """Make space for others: an idle connection just ends, a slow one is told so."""
        if self._unread or self._stage in (Stage.LINGER, Stage.CLOSING):
            self.abort()
            return
        if self._begun:
            problem = Problem(408, "Too many slow connections; this was the slowest.", close=True)
            self.count(problem.status)
            self._transport.write(refusal(problem, b"close"))
        self._stage = Stage.CLOSING
        self._leave()
        self._transport.close()

    def shut_down(self) -> None:
        """Finish what is being answered, and nothing else: the process ends."""
        if self._stage is Stage.ANSWER:
            self._last = True
        elif self._begun and self._stage in (Stage.HEAD, Stage.BODY):
            self.refuse(Problem(503, "The gateway is being stopped. Send it again.", close=True))
        elif self._stage is Stage.HEAD:
            self._close()

    def abort(self) -> None:
        """End at once."""
        self._stage = Stage.CLOSING
        self._leave()
        self._transport.abort()


def _too_large(cap: int) -> Problem:
    return Problem(413, f"The body is larger than {cap} bytes (gateway.max_body_bytes).", close=True)
