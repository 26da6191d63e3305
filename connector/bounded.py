"""Bounds around uvicorn that it does not have itself: time, bytes and number of connections.

A wrapper around uvicorn's protocol that speaks asyncio's public interface on both sides and knows
nothing of HTTP. It is for a port whose every connection carries one short request.
"""

import asyncio
from typing import Any, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class BoundedConnections:
    """Makes the protocols of one port: uvicorn's ``http`` setting.

    A connection that is still there after ``seconds`` is cut, whatever it does: says nothing, sends
    half a head, or does not read its answer. So is one that sends more than ``most_bytes``. Beyond
    ``most`` connections the oldest is cut, so that a peer with many keeps nobody else out.
    """

    def __init__(self, *, most: int = 64, seconds: float = 10.0, most_bytes: int = 65_536) -> None:
        self.most = most
        self.seconds = seconds
        self.most_bytes = most_bytes
        # In the order in which they came.
        self.open: dict[BoundedConnection, asyncio.Transport] = {}

    def __call__(self, **settings: Any) -> "BoundedConnection":
        return BoundedConnection(self, HttpToolsProtocol(**settings))


class BoundedConnection(asyncio.Protocol):
    """One connection: counts, and passes everything on to ``inner``."""

    def __init__(self, bounds: BoundedConnections, inner: asyncio.Protocol) -> None:
        self._bounds = bounds
        self._inner = inner
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast("asyncio.Transport", transport)
        if len(self._bounds.open) >= self._bounds.most:
            next(iter(self._bounds.open.values())).abort()
        self._bounds.open[self] = connection
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._bounds.seconds, connection.abort)
        self._inner.connection_made(transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._bounds.most_bytes:
            self._bounds.open[self].abort()
        else:
            self._inner.data_received(data)

    @override
    def eof_received(self) -> bool:
        """Keep the connection open for the answer when a request may have been sent."""
        self._inner.eof_received()
        return self._received > 0

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._bounds.open.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
        self._inner.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._inner.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._inner.resume_writing()
