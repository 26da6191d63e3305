"""The limits that all connections of the public port share, and who of them is waited for.

When there are too many connections, or they hold too many bytes of unfinished requests, the one that
has kept the gateway waiting longest goes: a good sender is never the slowest.
"""

import asyncio
from typing import Protocol

from connector.config import Gateway as Settings

KEEP_ALIVE_SECONDS = 75.0
# Unfinished requests of all connections together.
MAX_HELD_BYTES = 134_217_728
# Deadlines are looked at so many times within the shortest of them, and at least twice a second.
LOOKS = 10
LONGEST_TICK_SECONDS = 0.5


class Limited(Protocol):
    """A connection, as far as the limits know it. ``deadline`` is in seconds of the loop's clock."""

    deadline: float

    def time_out(self) -> None:
        """End what was not done by the deadline."""

    def evict(self) -> None:
        """Make space for others."""

    def shut_down(self) -> None:
        """Finish what is being answered, and nothing else."""

    def abort(self) -> None:
        """End at once."""


class Limits:
    """What the connections of one process may take together."""

    def __init__(self, settings: Settings, *, max_connections: int) -> None:
        self.max_connections = max_connections
        self.max_header_bytes = settings.max_header_bytes
        self.max_body_bytes = settings.max_body_bytes
        self.request_seconds = settings.request_deadline_seconds
        self.max_held_bytes = max(MAX_HELD_BYTES, 4 * settings.max_body_bytes)
        self.held_bytes = 0
        self.connections: set[Limited] = set()
        # Ordered sets, the longest waiting first: who is waited for, and who was answered for good.
        self.waiting: dict[Limited, None] = {}
        self.lingering: dict[Limited, None] = {}

    def make_space(self) -> None:
        """Evict the slowest until the limits hold; who was answered already goes first."""
        while len(self.connections) > self.max_connections or self.held_bytes > self.max_held_bytes:
            longest = next(iter(self.lingering), None) or next(iter(self.waiting), None)
            if longest is None:
                return
            longest.evict()

    async def watch(self) -> None:
        """Keep the deadlines of all connections: one look at them costs less than a timer for each."""
        loop = asyncio.get_running_loop()
        tick = min(LONGEST_TICK_SECONDS, self.request_seconds / LOOKS)
        while True:
            await asyncio.sleep(tick)
            now = loop.time()
            for connection in [one for one in self.connections if one.deadline <= now]:
                connection.time_out()

    async def drain(self, seconds: float) -> None:
        """End all connections, at once but for those that are being answered; these in time."""
        for connection in list(self.connections):
            connection.shut_down()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self.connections and loop.time() < end:  # noqa: ASYNC110 - a stop may take 10 ms longer
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
