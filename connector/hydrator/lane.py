"""One bucket's way: the leased keys that wait for it, its pace, and its pauses while the API is away."""

import asyncio
import heapq
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from itertools import count
from typing import NamedTuple

import structlog

from connector import retry
from connector.hydrator.pace import Pace
from connector.hydrator.ports import Due, Slots
from connector.hydrator.record import Records
from connector.hydrator.resource_proof import ResourceProof
from connector.logs import Reports

log = structlog.get_logger(__name__)

# Keys are leased for so many seconds of work ahead, so that each is sent soon after its lease started.
AHEAD_SECONDS = 4.0
MIN_KEYS, MAX_KEYS = 4, 1000
# Requests under way: as many as an API that takes so long to answer needs for its full pace.
SLOW_ANSWER_SECONDS = 10.0
MIN_REQUESTS, MAX_REQUESTS = 4, 64
# Pauses of a bucket whose API is away, from the first to the longest.
AWAY_SECONDS = (1.0, 60.0)
# Background work has the whole pace once hooks asked for nothing during so long.
QUIET_SECONDS = 60.0
IDLE_SECONDS = 3600.0
# A shorter wait may be none at all, by the clock's own steps.
TICK_SECONDS = 0.001


class Lease(NamedTuple):
    """A leased key: its request's path, and until when (steady clock) its work must be done."""

    due: Due
    records: Records
    path: str
    until: float


Fetch = Callable[["RequestLane", Lease], Coroutine[None, None, None]]


class RequestLane:
    """Sends the requests of one bucket; ``fetch`` does all of one request, and never raises an outage."""

    def __init__(
        self,
        pace: Pace,
        timeout_seconds: float,
        *,
        steady: Callable[[], float],
        chance: random.Random,
    ) -> None:
        self.pace = pace
        self.proof = ResourceProof(pace, steady=steady)
        self._longest_settle = self._settles = 0.0
        self._timeout = timeout_seconds
        self._steady = steady
        self._chance = chance
        self._pause = retry.growing(*AWAY_SECONDS)
        self._reports = Reports(steady)
        # (when it may be sent, number, lease); the number keeps the order of leases.
        self._live: list[tuple[float, int, Lease]] = []
        self._background: list[tuple[float, int, Lease]] = []
        # (family, key) → when its newest request was sent (steady clock), the oldest first.
        self._sent: dict[tuple[str, str], float] = {}
        self._numbers = count()
        self._changed = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], Due] = {}
        # Keys whose request was cut off because the process ends.
        self._cut_off: list[Due] = []
        self._live_at = self._failed_at = float("-inf")
        self._failures = 0
        # One request goes alone, until its answer has shown that the API answers and what its limit is.
        self._tried = False
        # Why the API is away, and why it is not asked any more.
        self.trouble: str | None = None
        self.stopped: str | None = None

    @property
    def works(self) -> bool:
        """Whether the API's newest answer was a good one."""
        return self._tried and self._failures == 0

    @property
    def slots(self) -> Slots:
        """How many keys it takes now."""
        if self.stopped or self.pace.paused_seconds > AHEAD_SECONDS / 4:
            return Slots(0, 0)
        per_second = self.pace.per_second if self.works else 0.0
        keys = min(max(int(per_second * (self._longest_settle + AHEAD_SECONDS)), MIN_KEYS), MAX_KEYS)
        free = keys - len(self._live) - len(self._tasks)
        return Slots(max(free, 0), max(min(free, keys // 2 - len(self._background)), 0))

    def add(self, lease: Lease) -> None:
        """Send its request when it has settled, and its turn has come.

        It settles after its newest request too: the store knows that one by a clock that may lag.
        """
        due = lease.due
        settled = 0.0
        if not (due.background or due.look):
            asked = self._steady() - self._sent.get((due.family, due.key), float("-inf"))
            settled = max(lease.records.entity.settle_seconds - min(due.waited_seconds, asked), 0.0)
        self._longest_settle = max(self._longest_settle, settled)
        queue = self._background if due.background else self._live
        heapq.heappush(queue, (self._steady() + settled, next(self._numbers), lease))
        self._changed.set()

    def unfinished(self) -> Iterator[Due]:
        """The keys whose request was not sent, or was cut off; for the end of the process."""
        for _, _, lease in (*self._live, *self._background):
            yield lease.due
        yield from self._cut_off

    async def run(self, fetch: Fetch, drop: Callable[[Due], Awaitable[None]]) -> None:
        """Send requests until cancelled; ``drop`` gets keys whose lease is too short for one.

        It also gets those whose former request is under way: their lease ended while the process stood still.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                queue, wait = self._next()
                if wait > 0:
                    await self._rest(wait)
                    continue
                _, _, lease = heapq.heappop(queue)
                if lease.until < self._steady() + self._timeout or self._is_under_way(lease.due):
                    await drop(lease.due)
                    continue
                if not lease.due.background:
                    self._live_at = self._steady()
                self._note_sent(lease)
                self.pace.sent(background=queue is self._background and self._live_is_near())
                task = group.create_task(fetch(self, lease))
                self._tasks[task] = lease.due
                task.add_done_callback(self._ended)

    def work(self, sent_at: float = math.inf) -> None:
        """Note that a request of that time (steady clock) has an answer as the API gives when all is well.

        The answer to one that was sent before the newest failure says nothing of how the API is now; where
        requests go one after another there is none such.
        """
        if sent_at < self._failed_at:
            return
        if self._failures:
            log.info("the API answers again", bucket=self.pace.bucket, failures=self._failures)
        self._failures, self.trouble, self._tried = 0, None, True
        self._changed.set()

    def away(self, text: str, at_least: float = 0.0) -> None:
        """Pause, longer each time in a row, and for the seconds that the API asks for."""
        if self.pace.paused_seconds:  # sent before the pause that another failure started
            self.pace.pause(at_least)
            return
        self._failures += 1
        self._failed_at = self._steady()
        self.trouble = text
        seconds = self._pause(self._failures) * self._chance.uniform(0.5, 1)
        self.pace.pause(max(seconds, at_least))
        suppressed = self._reports.due("away")
        if suppressed is not None:
            log.warning(
                "waiting for the API",
                bucket=self.pace.bucket,
                error=text,
                failures=self._failures,
                seconds=round(self.pace.paused_seconds, 1),
                suppressed=suppressed or None,
            )

    def stop(self, text: str) -> None:
        """Send nothing more."""
        if not self.stopped:
            log.error("the API is not asked any more", bucket=self.pace.bucket, error=text)
        self.stopped = text
        self._changed.set()

    def _is_under_way(self, due: Due) -> bool:
        return any((one.family, one.key) == (due.family, due.key) for one in self._tasks.values())

    def _note_sent(self, lease: Lease) -> None:
        """Note when a key was asked for, and forget those whose next request waits for them no more."""
        now, name = self._steady(), (lease.due.family, lease.due.key)
        self._sent.pop(name, None)
        self._sent[name] = now
        self._settles = max(self._settles, lease.records.entity.settle_seconds)
        while (oldest := next(iter(self._sent))) and self._sent[oldest] < now - self._settles:
            del self._sent[oldest]

    def _next(self) -> tuple[list[tuple[float, int, Lease]], float]:
        """The queue whose turn is next, and the seconds until then."""
        most = min(max(int(self.pace.per_second * SLOW_ANSWER_SECONDS), MIN_REQUESTS), MAX_REQUESTS)
        if self.stopped or len(self._tasks) >= (most if self.works else 1):
            return self._live, IDLE_SECONDS
        now = self._steady()
        live = max(self._live[0][0] - now, self.pace.wait()) if self._live else IDLE_SECONDS
        if not self._background or live <= 0:
            return self._live, live
        background = max(self._background[0][0] - now, self.pace.wait(background=self._live_is_near()))
        return (self._background, background) if background < live else (self._live, live)

    def _live_is_near(self) -> bool:
        return bool(self._live) or self._steady() - self._live_at < QUIET_SECONDS

    async def _rest(self, seconds: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(max(seconds, TICK_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _ended(self, task: asyncio.Task[None]) -> None:
        due = self._tasks.pop(task)
        if task.cancelled():
            self._cut_off.append(due)
        self._changed.set()
