"""HTTP/1.1 as the public port serves it: one connection, its requests in order, deadlines and answers.

httptools can neither pause nor be told to ignore an upgrade, and it calls back before it has seen a bad
framing. So a head is checked whole, on its raw bytes, and where its body ends is counted here. One
request of a connection is served at a time; what was sent ahead waits, bounded, and nothing is read
meanwhile.
"""

import asyncio
import math
from abc import abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from functools import partial

import structlog

from connector.gateway.chunks import TooLarge
from connector.gateway.head import END, NO_HEAD, Head, Malformed
from connector.gateway.limits import (
    AHEAD_BYTES,
    LINGER_BYTES,
    LINGER_SECONDS,
    UNREAD_BYTES,
    Limits,
)
from connector.gateway.problems import CONTINUE, Problem, refusal
from connector.gateway.reader import RequestReader

log = structlog.get_logger(__name__)


class Stage(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    # Answered for good: what still comes is thrown away, or the last answer is on its way out.
    END = auto()


class HttpConnection(asyncio.Protocol):
    """One connection. A subclass finds out what a request is for (``begin``) and serves it (``serve``).

    It answers every request once, by ``answer`` or ``refuse``, at once or later; either method may
    raise ``Problem`` instead.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._stage = Stage.HEAD
        self.deadline = self._loop.time() + limits.request_seconds
        self._reader = RequestReader(
            max_header_bytes=limits.max_header_bytes, max_body_bytes=limits.max_body_bytes
        )
        self._held = self._ignored = 0
        # The peer has finished sending.
        self._ended = False
        # Answers that the peer does not read stand in the way of the next one.
        self._unread = False
        # The next request waits until others had their turn.
        self._resting = False
        self._paused = False
        self._answered = False
        self.head = NO_HEAD
        # The connection ends with the answer.
        self._last = False

    # --- The subclass ----------------------------------------------------------------------------

    @abstractmethod
    def begin(self, head: Head) -> bool:
        """Look at a head; answer a request that needs no body, and say so."""

    @abstractmethod
    def serve(self, body: bytes) -> None:
        """Serve a request whose body has come."""

    @abstractmethod
    def count(self, status: int) -> None:
        """Count an answer."""

    # --- Connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.set_write_buffer_limits(UNREAD_BYTES, 0)
        self._limits.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._leave()

    def pause_writing(self) -> None:
        self._unread = True
        self.deadline = min(self.deadline, self._loop.time() + self._limits.request_seconds)

    def resume_writing(self) -> None:
        self._unread = False
        if self._stage is Stage.HEAD:
            self._wait()
            self._rest()
        elif self._stage is Stage.ANSWER:
            self.deadline = math.inf

    def eof_received(self) -> bool:
        """Keep the way back open while an answer is due to a peer that has finished sending."""
        self._ended = True
        self._settle()
        return self._stage is not Stage.END

    # --- Input -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.END:
            self._ignored += len(data)
            if self._ignored > LINGER_BYTES:
                self.abort()
            return
        self._reader.add(data)
        if not self._resting:
            self._advance()
        self._settle()

    def _advance(self) -> None:
        """Go on with what has come, as far as it goes."""
        try:
            if self._stage is Stage.HEAD and not self._unread:
                self._take_head()
            if self._stage is Stage.BODY:
                self._take_body()
        except Problem as problem:
            self.refuse(problem)
        except Malformed as fault:
            self.refuse(Problem(400, f"The request has {fault}.", close=True))
        except TooLarge:
            cap = self._limits.max_body_bytes
            what = f"The body is larger than {cap} bytes (gateway.max_body_bytes)."
            self.refuse(Problem(413, what, close=True))
        except Exception as bug:  # noqa: BLE001 - one request fails, and nobody else's
            self.fail(bug)

    def _take_head(self) -> None:
        """Decide by a head alone what can be decided."""
        reader = self._reader
        idle = reader.left == 0
        head = reader.take_head()
        if idle and reader.left != 0 and self._answered:
            self.deadline = self._loop.time() + self._limits.request_seconds
        if head is None:
            return
        self.head, self._stage, self._last = head, Stage.BODY, not head.keep_alive
        if self.begin(head):
            return
        # Where a body in chunks ends within what has come is not known, so nothing can follow it.
        self._last = self._last or head.length is None
        reader.expect_body()
        if head.length != 0 and not reader.ahead and head.expects_continue:
            self._transport.write(CONTINUE)

    def _take_body(self) -> None:
        """Serve the request when it is whole."""
        body = self._reader.take_body()
        if body is not None:
            self._stage, self.deadline = Stage.ANSWER, math.inf
            self._limits.waiting.pop(self, None)
            self.serve(body)

    def _settle(self) -> None:
        """Read no further while something waits that cannot be served yet, and hold little of it."""
        reader = self._reader
        if self._stage is Stage.END or not (reader.held or self._held or self._paused or self._ended):
            return
        ahead = reader.ahead
        if self._stage is Stage.ANSWER or self._resting or self._unread:
            if ahead > AHEAD_BYTES:
                self._drop_ahead()
                return
            if ahead and not self._paused:
                self._paused = True
                self._transport.pause_reading()
        elif self._ended:
            self._give_up()
            return
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()
        held = reader.held
        if held != self._held:
            self._held = held
            self._limits.hold(self, held)

    def _give_up(self) -> None:
        """End what a peer that has finished sending has not finished."""
        if self._reader.left == 0:
            self._end()
        else:
            self.refuse(Problem(400, "The request ended before it was complete.", close=True))

    def _drop_ahead(self) -> None:
        """Serve nothing of what was sent ahead."""
        self._last, self._held = True, 0
        self._reader.drop()
        self._limits.hold(self, 0)
        if self._stage is Stage.HEAD:
            self._end()

    # --- Answers ---------------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether nobody reads an answer any more."""
        return self._stage is Stage.END

    def refuse(self, problem: Problem) -> None:
        self._last = self._last or problem.close
        self.answer(problem.status, partial(refusal, problem))

    def fail(self, bug: Exception) -> None:
        """Answer a request that met a bug; no stack trace leaves the house."""
        log.error("request failed", exc_info=bug)
        self.refuse(Problem(500, "A bug of the connector; its log tells more. Send it again.", close=True))

    def answer(self, status: int, whole: Callable[[bytes], bytes]) -> None:
        """Write an answer; go on with the next request, or end the connection.

        ``whole`` gives its bytes for a Connection header. A body that was not read ends the connection.
        """
        self.count(status)
        if self.gone:
            return
        self._last = self._last or self._reader.left != 0
        kept = b"keep-alive" if self.head.minor_version == b"0" else b""
        data = whole(b"close" if self._last else kept)
        if self.head.method == b"HEAD":
            data = data[: data.index(END) + len(END)]
        self._transport.write(data)
        if self._last:
            self._end()
            return
        self._stage, self.head, self._answered = Stage.HEAD, NO_HEAD, True
        self._wait()
        if self._reader.ahead:
            self._rest()
        elif self._paused or self._ended:
            self._settle()

    def _wait(self) -> None:
        """Wait for the next request, behind all others that are waited for."""
        limits = self._limits
        seconds = limits.request_seconds if self._unread else limits.keep_alive_seconds
        self.deadline = self._loop.time() + seconds
        limits.waiting.pop(self, None)
        limits.waiting[self] = None

    def _rest(self) -> None:
        """Serve what was sent ahead after others had their turn."""
        if not self._resting:
            self._resting = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._resting = False
        if self._stage is Stage.HEAD:
            self._advance()
        self._settle()

    # --- Ends ------------------------------------------------------------------------------------

    def _end(self) -> None:
        """End the connection; a peer that may still be sending is listened to, so that it can read.

        Closing a socket with unread input resets the connection, and the peer loses its answer.
        """
        sending = not self._ended and (self._reader.left != 0 or self._reader.ahead)
        self._leave()
        limits = self._limits
        limits.connections.add(self)
        limits.ending[self] = None
        self.deadline = self._loop.time() + (LINGER_SECONDS if sending else limits.request_seconds)
        if not sending or self._transport.is_closing():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()

    def time_out(self) -> None:
        """End what was not done by the deadline: a request, an answer that is not read, idleness."""
        if self._unread or self._stage is Stage.END:
            self.abort()
        elif self._answered and self._reader.left == 0:
            self._end()
        else:
            what = f"The request was not complete within {self._limits.request_seconds:g} s."
            self.refuse(Problem(408, what, close=True))

    def evict(self) -> None:
        """Make space for others: an idle connection just ends, a slow one gets its answer."""
        if self._stage is Stage.ANSWER:
            self._drop_ahead()
        elif self._unread or self._stage is Stage.END:
            self.abort()
        else:
            if self._reader.left != 0:
                problem = Problem(408, "Too many slow connections; this was the slowest.", close=True)
                self.count(problem.status)
                self._transport.write(refusal(problem, b"close"))
            self._leave()
            self._transport.close()
            # It counts no more, so it must not wait for its peer to read.
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def shut_down(self) -> None:
        """Finish what is being answered, and nothing else: the process ends."""
        if self._stage is Stage.ANSWER:
            self._last = True
        elif self._stage is not Stage.END and self._reader.left == 0:
            self._end()
        elif self._stage is not Stage.END:
            self.refuse(Problem(503, "The gateway is being stopped. Send it again.", close=True))

    def abort(self) -> None:
        """End at once."""
        self._leave()
        self._transport.abort()

    def _leave(self) -> None:
        """Take nothing any more, and count no more."""
        self._stage = Stage.END
        self.head, self._held = NO_HEAD, 0
        self._reader.drop()
        self._limits.forget(self)
