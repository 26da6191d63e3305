"""What uvicorn lacks: deadlines, limits and strict framing for each connection of the public port.

httptools (llhttp) refuses most malformed requests by itself, but it calls the application before it
has seen a bad Transfer-Encoding, takes HTTP/2.0 and HTTP/0.9 request lines, and lets trailers grow
the headers. So a head is checked whole, on its raw bytes, before the parser sees any of it, and the
parser is fed one request at a time.
"""

import asyncio
from enum import Enum, auto
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connector import metrics
from connector.gateway.head import END, body_length, head_fault
from connector.gateway.problems import Problem

# How long, and how much, a peer that still sends is listened to so that it can read the refusal.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 4_194_304


class Stage(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class Room:
    """The limits that all connections of the port share, and who of them is being waited for.

    When there are too many connections, or they hold too many bytes of unfinished bodies, the one
    that has kept us waiting longest goes: a good sender is never the slowest.
    """

    def __init__(
        self, *, max_connections: int, max_header_bytes: int, deadline_seconds: float, max_held_bytes: int
    ) -> None:
        self.max_connections = max_connections
        self.max_header_bytes = max_header_bytes
        self.deadline_seconds = deadline_seconds
        self.max_held_bytes = max_held_bytes
        self.held_bytes = 0
        self.connections = 0
        # An ordered set: the longest waiting first.
        self.waiting: dict[GuardedProtocol, None] = {}

    def make_space(self) -> None:
        """Send away the slowest until the limits hold."""
        while self.connections > self.max_connections or self.held_bytes > self.max_held_bytes:
            if not self.waiting:
                return
            next(iter(self.waiting)).send_away()


class GentleTransport:
    """A transport whose ``close`` lets the peer read the answer first, and which writes an answer whole.

    Closing a socket with unread input resets the connection, and the peer loses what it was told.
    uvicorn writes the head and the body of an answer by themselves, which would be two system calls, two
    packets and two wake-ups of the peer; they are a fifth of what a delivery costs.
    """

    def __init__(self, transport: asyncio.Transport, protocol: "GuardedProtocol") -> None:
        self._transport = transport
        self._protocol = protocol
        self._answer: list[bytes] = []
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.abort = transport.abort

    def is_closing(self) -> bool:
        return self._protocol.deaf or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write at once, or with the rest of the answer that the application has begun."""
        cycle = self._protocol.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self._answer.append(data)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is there of the answer."""
        if self._answer:
            answer, self._answer = self._answer, []
            self._transport.write(b"".join(answer))

    def close(self) -> None:
        self.flush()
        if self._protocol.unread:
            self._protocol.linger(self._transport)
        else:
            self._transport.close()

    def close_now(self) -> None:
        self._transport.close()


class GuardedProtocol(HttpToolsProtocol):
    """One connection of the public port."""

    def __init__(self, room: Room, **settings: Any) -> None:
        super().__init__(**settings)
        self.room = room
        self.stage = Stage.HEAD
        self.refused = False
        # True once nothing that the peer still sends is listened to.
        self.deaf = False
        self._counted = False
        self._inbox = b""
        self._body_left: int | None = 0
        self._held = 0
        self._ignored = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None

    @property
    def unread(self) -> bool:
        """Whether the peer may have sent more than was read."""
        return self.stage is Stage.BODY or self.refused or bool(self._inbox)

    # --- Connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._gentle = GentleTransport(transport, self)
        super().connection_made(self._gentle)  # type: ignore[arg-type]
        self.room.connections += 1
        self._counted = True
        self.room.waiting[self] = None
        self._deadline = self.loop.call_later(self.room.deadline_seconds, self.time_out)
        self.room.make_space()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._linger is not None:
            self._linger.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the way back open when an answer is due to a peer that has finished sending."""
        if self.stage is Stage.ANSWER and self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return True
        if self.stage is Stage.BODY and not self.deaf:
            self.refuse(Problem(400, "The body ended before it was complete.", close=True))
        return False

    def shutdown(self) -> None:
        """Let what is being answered finish, and nothing else: the server ends."""
        if self.stage is Stage.BODY:
            self.refuse(Problem(503, "The gateway is being stopped. Send it again.", close=True))
        else:
            super().shutdown()

    # --- Input -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            self._ignore(data)
            return
        self._unset_keepalive_if_required()
        if self._inbox:
            data, self._inbox = self._inbox + data, b""
        while data and not self.deaf:
            if self.stage is Stage.ANSWER:
                self._inbox = data
                self.flow.pause_reading()
                return
            data = self._take_head(data) if self.stage is Stage.HEAD else self._take_body(data)
        if self.stage is not Stage.ANSWER and (self._inbox or self.stage is Stage.BODY):
            self._keep_time()

    def _take_head(self, data: bytes) -> bytes:
        """Check a head and feed it, with as much of its body as is there; return what is left."""
        while data.startswith(b"\r\n"):  # RFC 9112, 2.2: empty lines before a request are skipped
            data = data[2:]
        end = data.find(END, 0, self.room.max_header_bytes + len(END))
        head = data[: end + len(END)] if end >= 0 else data
        if len(head) > self.room.max_header_bytes:
            what = f"The head of the request is larger than {self.room.max_header_bytes} bytes."
            self.refuse(Problem(431, what, close=True))
        elif fault := head_fault(head):
            self.refuse(Problem(400, f"The request has {fault}.", close=True))
        elif end < 0:
            self._inbox = data
        else:
            self.stage = Stage.BODY
            self._body_left = body_length(head)
            size = len(data) if self._body_left is None else len(head) + self._body_left
            if self._body_left is not None:
                self._body_left = max(size - len(data), 0)
            self._feed(data if len(data) <= size else data[:size])
            return data[size:]
        return b""

    def _take_body(self, data: bytes) -> bytes:
        """Feed what belongs to the body; return what is left."""
        if self._body_left is None:
            self._hold(len(data))
            self._feed(data)
            return b""
        piece = data if len(data) <= self._body_left else data[: self._body_left]
        self._body_left -= len(piece)
        self._hold(len(piece))
        self._feed(piece)
        return data[len(piece) :]

    def _feed(self, data: bytes) -> None:
        chunked = self._body_left is None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # an upgrade is not taken up, and the parser is done
        except httptools.HttpParserInvalidMethodError:
            what = "A hook takes POST, and GET for the echo check."
            self.refuse(Problem(405, what, headers=((b"allow", b"GET, POST"),), close=True))
        except httptools.HttpParserError:
            # After a chunked body more may follow, which is not read: the connection ends there.
            if self.stage is not Stage.ANSWER:
                self.refuse(Problem(400, "The request is not well-formed HTTP/1.1.", close=True))
        if chunked and self.cycle is not None:
            self.cycle.keep_alive = False

    # --- The parser's callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.stage is Stage.ANSWER:
            raise ValueError("data after a chunked body")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.cycle is None or self.cycle.scope is not self.scope:  # else it is a trailer
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        self.stage = Stage.ANSWER
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._gentle.flush()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.stage is Stage.BODY:  # answered before the body was read
            self.transport.close()
            return
        self.stage = Stage.HEAD
        self.room.waiting[self] = None
        if self._inbox:
            self.loop.call_soon(self.data_received, b"")

    # --- Limits ----------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.room.deadline_seconds, self.time_out)

    def _stop_waiting(self) -> None:
        self.room.waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._held:
            self.room.held_bytes -= self._held
            self._held = 0

    def _hold(self, size: int) -> None:
        self._held += size
        self.room.held_bytes += size
        self.room.make_space()

    def time_out(self) -> None:
        """Refuse a request that was not complete in time."""
        what = f"The request was not complete within {self.room.deadline_seconds:g} s."
        self.refuse(Problem(408, what, close=True))

    def send_away(self) -> None:
        """Make space for others: an idle connection just ends, a slow one is told so."""
        if self.stage is Stage.BODY or self._inbox:
            self._tell(Problem(408, "Too many slow connections; this was the slowest.", close=True))
        self._leave()
        self._gentle.close_now()

    def refuse(self, problem: Problem) -> None:
        """Answer in the application's place, and end the connection."""
        self._tell(problem)
        self.refused = True
        self._leave()
        self._gentle.close()

    def _tell(self, problem: Problem) -> None:
        """Write the answer, unless the application has begun its own."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                return
        self._gentle.write(problem.raw())
        metrics.answers.labels("-", str(problem.status)).inc()

    def _leave(self) -> None:
        """Stop listening, and count no more."""
        self.deaf = True
        self._stop_waiting()
        if self._counted:
            self._counted = False
            self.room.connections -= 1

    def linger(self, transport: asyncio.Transport) -> None:
        """Say that we are done, and read on for a moment without listening."""
        self._leave()
        if self._linger is None and not transport.is_closing():
            if transport.can_write_eof():
                transport.write_eof()
            self.flow.resume_reading()
            self._linger = self.loop.call_later(_LINGER_SECONDS, transport.abort)

    def _ignore(self, data: bytes) -> None:
        self._ignored += len(data)
        if self._ignored > _LINGER_BYTES and self._linger is not None:
            self._linger.cancel()
            self._gentle.abort()
