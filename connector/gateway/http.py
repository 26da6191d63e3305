"""HTTP/1.1 as the public port serves it: one connection, its requests in order, deadlines and answers.

httptools can neither pause nor ignore an upgrade, and it calls back before it has seen a bad framing. So a
head is checked whole, on its raw bytes, and where its body ends is counted here. One request of a connection
is served at a time; what was sent ahead waits, bounded, and nothing is read meanwhile.
"""

import math
from abc import abstractmethod

from typing_extensions import override

from connector.gateway.chunks import TooLarge
from connector.gateway.connection import LimitedConnection, RequestStage
from connector.gateway.head import Head, Malformed
from connector.gateway.limits import AHEAD_BYTES, LINGER_BYTES, Limits
from connector.gateway.problems import CONTINUE, Problem


class HttpConnection(LimitedConnection):
    """One connection. A subclass decides what a request is for (``handle_head``) and serves it (``serve``).

    It answers every request once, by ``answer`` or ``refuse``, at once or later; either method may
    raise ``Problem`` instead.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        # Bytes that came after the last answer.
        self._ignored = 0
        # The next request waits until others had their turn.
        self._resting = False
        self._paused = False

    @abstractmethod
    def handle_head(self, head: Head) -> bool:
        """Look at a head; answer a request that needs no body, and say so."""

    @abstractmethod
    def serve(self, body: bytes) -> None:
        """Serve a request whose body has come."""

    @override
    def resume_writing(self) -> None:
        self._unread = False
        if self._stage is RequestStage.HEAD:
            self._wait()
            self._rest()
        elif self._stage is RequestStage.ANSWER:
            self.deadline = math.inf

    @override
    def eof_received(self) -> bool:
        """Keep the way back open while an answer is due to a peer that has finished sending."""
        self._ended = True
        self._settle()
        return self._stage is not RequestStage.END

    @override
    def data_received(self, data: bytes) -> None:
        if self._stage is RequestStage.END:
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
            if self._stage is RequestStage.HEAD and not self._unread:
                self._take_head()
            if self._stage is RequestStage.BODY and (body := self._reader.take_body()) is not None:
                self._stage, self.deadline = RequestStage.ANSWER, math.inf
                self._limits.waiting.pop(self, None)
                self.serve(body)
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
        self.head, self._stage, self._last = head, RequestStage.BODY, not head.keep_alive
        if self.handle_head(head):
            return
        # Where a body in chunks ends within what has come is not known, so nothing can follow it.
        self._last = self._last or head.length is None
        reader.expect_body()
        if head.length != 0 and not reader.ahead and head.expects_continue:
            self._transport.write(CONTINUE)

    def _settle(self) -> None:
        """Read no further while something waits that cannot be served yet, and buffer little of it."""
        reader = self._reader
        if self._stage is RequestStage.END or not (
            reader.buffered_bytes or self._buffered_bytes or self._paused or self._ended
        ):
            return
        ahead = reader.ahead
        if self._stage is RequestStage.ANSWER or self._resting or self._unread:
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
        buffered = reader.buffered_bytes
        if buffered != self._buffered_bytes:
            self._buffered_bytes = buffered
            self._limits.set_buffered(self, buffered)

    def _give_up(self) -> None:
        """End what a peer that has finished sending has not finished."""
        if self._reader.left == 0:
            self._end()
        else:
            self.refuse(Problem(400, "The request ended before it was complete.", close=True))

    # --- The next request ------------------------------------------------------------------------

    @override
    def go_on(self) -> None:
        """Serve what was sent ahead, after others had their turn."""
        if self._reader.ahead:
            self._rest()
        elif self._paused or self._ended:
            self._settle()

    def _rest(self) -> None:
        """Serve what was sent ahead after others had their turn."""
        if not self._resting:
            self._resting = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._resting = False
        if self._stage is RequestStage.HEAD:
            self._advance()
        self._settle()
