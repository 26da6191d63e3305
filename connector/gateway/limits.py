"""The limits of the public port, those of one connection and those that all share.

When there are too many connections, or they buffer too many bytes of unfinished requests, the one
that has kept the gateway waiting longest is evicted: a good sender is never the slowest.
"""

import asyncio
from typing import Protocol

import structlog

from connector.config import GatewaySettings

log = structlog.get_logger(__name__)

# Lines of a head: each costs as much as a hundred bytes of it.
MAX_HEAD_LINES = 256
# Empty lines before a request: some clients send one, and a connection of nothing else serves nobody.
MAX_EMPTY_LINES = 8
# What may be sent ahead of an answer; beyond it the connection is closed after the answer.
AHEAD_BYTES = 65_536
# Answers that wait in the process for a peer who does not read them; beyond it no further request of
# its connection is served.
UNREAD_BYTES = 4096
# The kernel's buffers of a connection, which would grow to megabytes each by themselves. A body of 1 MiB
# still comes in 5 s at a round trip of 300 ms.
SEND_BUFFER_BYTES = 16_384
RECEIVE_BUFFER_BYTES = 65_536
# How long, and how much, a peer that still sends is read from, so that it reads the refusal.
LINGER_SECONDS = 2.0
LINGER_BYTES = 4_194_304
# Unfinished requests of all connections together.
MAX_BUFFERED_BYTES = 134_217_728
# Deadlines are looked at so many times within the shortest of them, and at least twice a second.
LOOKS = 10
LONGEST_TICK_SECONDS = 0.5


class Limited(Protocol):
    """A connection, as far as the limits know it. ``deadline`` is in seconds of the loop's clock."""

    deadline: float

    def time_out(self) -> None:
        """End what was not done by the deadline."""

    def evict(self) -> None:
        """Free its slot for others: drop what is buffered, and count only while an answer is due."""

    def shut_down(self) -> None:
        """Finish what is being answered, and nothing else."""

    def abort(self) -> None:
        """Close at once."""


class Limits:
    """What the connections of one process may take together."""

    def __init__(self, settings: GatewaySettings, *, max_connections: int) -> None:
        self.max_connections = max_connections
        self.max_header_bytes = settings.max_header_bytes
        self.max_body_bytes = settings.max_body_bytes
        self.request_seconds = settings.request_deadline_seconds
        self.keep_alive_seconds = settings.keep_alive_seconds
        self.max_buffered_bytes = max(MAX_BUFFERED_BYTES, 4 * settings.max_body_bytes)
        self.buffered_bytes = 0
        self.connections: set[Limited] = set()
        # Ordered, the longest first: connections that wait for a request, those that are fully answered, and
        # the bytes of unfinished requests by connection.
        self.waiting: dict[Limited, None] = {}
        self.ending: dict[Limited, None] = {}
        self.buffered: dict[Limited, int] = {}

    def set_buffered(self, connection: Limited, size: int) -> None:
        """Count the bytes that a connection buffers, and evict the oldest while there are too many."""
        before = self.buffered.get(connection, 0)
        if size:
            self.buffered[connection] = size
        else:
            self.buffered.pop(connection, None)
        self.buffered_bytes += size - before
        while size > before and self.buffered_bytes > self.max_buffered_bytes:
            next(iter(self.buffered)).evict()

    def admit(self, connection: Limited) -> None:
        """Count a new connection, and evict the slowest while there are too many.

        A connection that is fully answered goes first.
        """
        self.connections.add(connection)
        self.waiting[connection] = None
        while len(self.connections) > self.max_connections:
            longest = next(iter(self.ending), None) or next(iter(self.waiting), None)
            if longest is None:
                return
            longest.evict()

    def forget(self, connection: Limited) -> None:
        """Stop counting a connection."""
        self.set_buffered(connection, 0)
        self.connections.discard(connection)
        self.waiting.pop(connection, None)
        self.ending.pop(connection, None)

    async def watch(self) -> None:
        """Keep the deadlines of all connections: one look at them costs less than a timer for each."""
        loop = asyncio.get_running_loop()
        tick = min(LONGEST_TICK_SECONDS, self.request_seconds / LOOKS)
        while True:
            await asyncio.sleep(tick)
            now = loop.time()
            for connection in [one for one in self.connections if one.deadline <= now]:
                try:
                    connection.time_out()
                except Exception as bug:  # the deadlines of all others are kept
                    log.error("a connection was not ended in time", exc_info=bug)

    async def drain(self, seconds: float) -> None:
        """End all connections, at once but for those that are being answered; these in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        asked: set[Limited] = set()
        while self.connections and loop.time() < end:
            for connection in self.connections - asked:
                asked.add(connection)
                connection.shut_down()
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
