"""One connection of the public port, whatever it is asked: its answers, its deadlines and its end.

``http`` reads the requests.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from functools import partial

import structlog
from typing_extensions import override

from connector.gateway.head import END, NO_HEAD
from connector.gateway.limits import LINGER_SECONDS, UNREAD_BYTES, Limits
from connector.gateway.problems import Problem, refusal
from connector.gateway.reader import RequestReader

log = structlog.get_logger(__name__)


class RequestStage:
    """How far a request has come. No Enum: a delivery reads nine, and an Enum's take thrice as long."""

    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"
    # Fully answered: what still comes is discarded, or the last answer is being written.
    END = "end"


class LimitedConnection(asyncio.Protocol):
    """One connection within the limits that all share; every request is answered once, at once or later."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._stage = RequestStage.HEAD
        self.deadline = self._loop.time() + limits.request_seconds
        self._reader = RequestReader(
            max_header_bytes=limits.max_header_bytes, max_body_bytes=limits.max_body_bytes
        )
        self._buffered_bytes = 0
        # The peer has finished sending.
        self._ended = False
        # Answers that the peer does not read stand in the way of the next one.
        self._unread = False
        self._answered = False
        self.head = NO_HEAD
        # The connection ends with the answer.
        self._last = False

    @abstractmethod
    def count(self, status: int) -> None:
        """Count an answer."""

    @abstractmethod
    def go_on(self) -> None:
        """Go on with the next request, behind an answer."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.set_write_buffer_limits(UNREAD_BYTES, 0)
        self._limits.admit(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    @override
    def pause_writing(self) -> None:
        self._unread = True
        self.deadline = min(self.deadline, self._loop.time() + self._limits.request_seconds)

    # --- Answers ---------------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether the peer no longer reads an answer."""
        return self._stage is RequestStage.END

    def refuse(self, problem: Problem) -> None:
        self._last = self._last or problem.close
        self.answer(problem.status, partial(refusal, problem))

    def fail(self, bug: Exception) -> None:
        """Answer a request that met a bug; no stack trace leaves the process."""
        log.error("request failed", exc_info=bug)
        self.refuse(Problem(500, "A bug of the connector; see its log. Send it again.", close=True))

    def answer(self, status: int, whole: Callable[[bytes], bytes]) -> None:
        """Write an answer; go on with the next request, or end the connection.

        ``whole`` gives its bytes for a Connection header. A body that was not read ends the connection.
        """
        self.count(status)
        if self._stage is RequestStage.END:
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
        self._stage, self.head, self._answered = RequestStage.HEAD, NO_HEAD, True
        self._wait()
        self.go_on()

    def _wait(self) -> None:
        """Wait for the next request; this connection is now the last to be evicted."""
        limits = self._limits
        seconds = limits.request_seconds if self._unread else limits.keep_alive_seconds
        self.deadline = self._loop.time() + seconds
        limits.waiting.pop(self, None)
        limits.waiting[self] = None

    # --- Ends ------------------------------------------------------------------------------------

    def _drop_ahead(self) -> None:
        """Serve nothing of what was sent ahead."""
        self._last, self._buffered_bytes = True, 0
        self._reader.drop()
        self._limits.set_buffered(self, 0)
        if self._stage is RequestStage.HEAD:
            self._end()

    def _end(self) -> None:
        """End the connection; a peer that may still be sending is read from, so that it reads the answer.

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
        if self._unread or self._stage is RequestStage.END:
            self.abort()
        elif self._answered and self._reader.left == 0:
            self._end()
        else:
            what = f"The request was not complete within {self._limits.request_seconds:g} s."
            self.refuse(Problem(408, what, close=True))

    def evict(self) -> None:
        """Make space for others: an idle connection just ends, a slow one gets its answer."""
        if self._stage is RequestStage.ANSWER:
            self._drop_ahead()
        elif self._unread or self._stage is RequestStage.END:
            self.abort()
        else:
            if self._reader.left != 0:
                problem = Problem(408, "Too many slow connections; this was the slowest.", close=True)
                self.count(problem.status)
                self._transport.write(refusal(problem, b"close"))
            self._leave()
            self._transport.close()
            # It is no longer counted, so it must not wait for its peer to read.
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def shut_down(self) -> None:
        """Finish what is being answered, and nothing else: the process ends."""
        if self._stage is RequestStage.ANSWER:
            self._last = True
        elif self._stage is not RequestStage.END and self._reader.left == 0:
            self._end()
        elif self._stage is not RequestStage.END:
            self.refuse(Problem(503, "The gateway is being stopped. Send it again.", close=True))

    def abort(self) -> None:
        """Close at once."""
        self._leave()
        self._transport.abort()

    def _leave(self) -> None:
        """Read nothing more, and stop counting."""
        self._stage = RequestStage.END
        self.head, self._buffered_bytes = NO_HEAD, 0
        self._reader.drop()
        self._limits.forget(self)
