"""A connection of the public port without a socket: bytes in, answers out."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connector.errors import ConnectorError
from connector.gateway.connection import RequestStage
from connector.gateway.http import HttpConnection
from connector.kafka.record import Record

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_DATE = re.compile(rb"date: [^\r]*\r\n")


class FakeTransport:
    """What a connection may ask of a transport, as asyncio promises it."""

    def __init__(self, protocol: HttpConnection) -> None:
        self.protocol = protocol
        self.written = b""
        self.reading = True
        self.closing = self.aborted = self.ended = False
        # The peer reads nothing while this is set.
        self.full = False
        protocol.connection_made(self)  # type: ignore[arg-type]

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self.high, self.low = high, low

    def write(self, data: bytes) -> None:
        assert not self.ended, "written behind the end"
        assert not self.closing, "written behind the close"
        self.written += data
        if self.full:
            self.protocol.pause_writing()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        """Close once everything is written, which is never while the peer reads nothing."""
        if not self.closing and not self.full:
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.closing = True

    def abort(self) -> None:
        if not self.aborted and (self.full or not self.closing):
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.aborted = self.closing = True


@dataclass(frozen=True)
class Outcome:
    """What a peer saw of a connection, and how it stands."""

    answers: tuple[bytes, ...]
    over: bool

    @property
    def statuses(self) -> list[int]:
        return [int(_STATUS.match(answer)[1]) for answer in self.answers]  # type: ignore[index]


def answers(written: bytes) -> tuple[bytes, ...]:
    """Each answer without its date; a 100 is none."""
    parts = re.split(rb"(?=HTTP/1\.1 \d{3} )", _DATE.sub(b"", written))
    assert not parts[0]
    return tuple(part for part in parts[1:] if not part.startswith(b"HTTP/1.1 100 "))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def play(make: Callable[[], HttpConnection], pieces: Sequence[bytes], *, eof: bool = False) -> Outcome:
    """Send pieces as a transport would, nothing while it does not read; what came of it when all is quiet."""
    connection = make()
    transport = FakeTransport(connection)

    async def may_send() -> bool:
        # A pause lasts a few turns of the loop, unless the connection has ended.
        for _ in range(1000):
            if transport.reading or transport.closing:
                return not transport.closing
            await asyncio.sleep(0)
        raise AssertionError("reading was not resumed")

    for index, piece in enumerate(pieces):
        if not await may_send():
            break
        connection.data_received(piece)
        await turns(index % 3)
    await quiet(connection)
    if eof and await may_send():
        if not connection.eof_received():
            transport.close()
        await quiet(connection)
    return Outcome(answers(transport.written), transport.closing or transport.ended)


async def quiet(connection: Any) -> None:
    """Wait until nothing is being answered and nothing waits for its turn."""
    for _ in range(3000):
        await asyncio.sleep(0)
        if connection._stage is not RequestStage.ANSWER and not connection._resting:
            return
    raise AssertionError("no end of answers")


class TurnsLater:
    """An intake whose records are safe some turns of the loop later; keeps count of them."""

    def __init__(self, later: int = 2, error: ConnectorError | None = None) -> None:
        self.later = later
        self.error = error
        self.records = 0

    def submit(self, records: Sequence[Record], done: Callable[[ConnectorError | None], None]) -> None:
        self.records += len(records)
        self._after(self.later, done)

    def _after(self, turns: int, done: Callable[[ConnectorError | None], None]) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._after, turns - 1, done)
        else:
            done(self.error)
