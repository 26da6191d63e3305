"""Posts deliveries as XTND does (docs/contract.md, Retries).

Eight travel in parallel. Anything but 2xx, an exception, or no answer in time is tried again after
one minute and then after four, each attempt rendered and signed again; then the delivery is given up.
410 ends the attempts at once. A redirect counts as a failure here, though XTND would follow it.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from itertools import count

import aiohttp
import msgspec
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
)
from yarl import URL

from connector import clocks, events
from connector.simulator import journal, wire
from connector.simulator.options import SimulateOptions
from connector.simulator.tally import Tally
from connector.simulator.traffic import LAST_ATTEMPT, Sending

# Attempt → seconds of pause before it.
PAUSE_SECONDS = {2: 60.0, 3: 240.0}
GONE = 410
# Deliveries that may wait for their next attempt at one time; then no new ones are sent.
MAX_OPEN = 100_000
# How long posts under way may still take once the run is stopped.
GRACE_SECONDS = 3.0


class NotTaken(Exception):
    """The receiver did not answer this attempt with 2xx."""


class Gone(NotTaken):
    """The receiver answered 410: XTND does not try again."""


class Stopped(Exception):
    """The run was stopped while the delivery waited for its next attempt."""


class Sender:
    """One run's posts. ``shout`` gets a sentence when the receiver answers something grave."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: SimulateOptions,
        log: journal.Journal,
        tally: Tally,
        shout: Callable[[str], None],
    ) -> None:
        self._session = session
        # As registered: the query string stays to the letter.
        self._url = URL(options.url, encoded=True)
        self._source = source_of(self._url)
        self._options = options
        self._journal = log
        self._tally = tally
        self._shout = shout
        self._slots = asyncio.Semaphore(options.parallel)
        self._open = asyncio.Semaphore(MAX_OPEN)
        self._stop = asyncio.Event()
        self._deadlines: set[asyncio.Timeout] = set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    async def until_stopped(self) -> None:
        await self._stop.wait()

    def stop(self) -> None:
        """Send nothing new, let posts under way end within ``GRACE_SECONDS``, wait for no retry."""
        self._stop.set()
        latest = asyncio.get_running_loop().time() + GRACE_SECONDS
        for deadline in self._deadlines:
            with suppress(RuntimeError):  # it has just expired
                deadline.reschedule(min(latest, deadline.when() or latest))

    async def play(self, sendings: Iterable[Sending]) -> None:
        """Send all of them and wait for the last outcome."""
        started = time.monotonic()
        try:
            async with asyncio.TaskGroup() as courses:
                async for sending in self._paced(sendings):
                    courses.create_task(self._course(sending))
        except BaseExceptionGroup as group:
            # One course that fails (a full disk under the journal) stops all; its error is the news.
            raise group.exceptions[0] from None
        finally:
            self._tally.seconds = time.monotonic() - started

    async def _paced(self, sendings: Iterable[Sending]) -> AsyncIterator[Sending]:
        """Yield sendings at the wished rate, each when a slot for its first attempt is taken.

        Each is drawn only then: what happens in the shop happens when its hook leaves.
        """
        started, left = time.monotonic(), iter(sendings)
        for number in count():
            if self._options.rate:
                paced = max(0, number - self._options.burst)
                await self._sleep(started + paced / self._options.rate - time.monotonic())
            await self._open.acquire()
            await self._slots.acquire()
            sending = None if self.stopped else next(left, None)
            if sending is None:
                self._slots.release()
                return
            yield sending

    async def _course(self, sending: Sending) -> None:
        """All attempts of one sending; a duplicate has one only."""
        if sending.kind == "withheld":
            self._withhold(sending)
            return
        extra = sending.kind == "duplicate"
        self._tally.sent += not extra
        outcome = "acknowledged"
        try:
            await self._attempts(sending, last=sending.attempt if extra else LAST_ATTEMPT)
        except NotTaken:
            outcome = "given_up"
        except Stopped:
            outcome = "unfinished"
        finally:
            self._open.release()
        if not extra:
            setattr(self._tally, outcome, getattr(self._tally, outcome) + 1)

    def _withhold(self, sending: Sending) -> None:
        self._slots.release()
        self._open.release()
        self._tally.withheld += 1
        self._journal.write(self._entry(sending, 0))

    async def _attempts(self, sending: Sending, last: int) -> None:
        """Make attempts up to ``last`` until one is taken; raise the last one's outcome otherwise."""
        try:
            # Nearly all deliveries end here, and tenacity would cost them a fifth of the rate.
            await self._attempt(sending, sending.attempt)
        except Gone:
            raise
        except NotTaken:
            if sending.attempt >= last:
                raise
            await self._again(sending, range(sending.attempt + 1, last + 1))

    async def _again(self, sending: Sending, attempts: range) -> None:
        """Make the attempts after the first, each after XTND's pause."""
        left = iter(attempts)

        async def attempt() -> None:
            await self._attempt(sending, next(left))

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(NotTaken) & retry_if_not_exception_type(Gone),
            stop=stop_after_attempt(len(attempts)),
            wait=lambda state: self._seconds_before(attempts.start + state.attempt_number),
            sleep=self._pause,
            reraise=True,
        )
        await self._pause(self._seconds_before(attempts[0]))
        await retrying(attempt)

    def _seconds_before(self, attempt: int) -> float:
        # tenacity asks after the last attempt too, before it sees that it was the last.
        return PAUSE_SECONDS.get(attempt, 0.0) * self._options.time_scale

    async def _pause(self, seconds: float) -> None:
        """Wait for the next attempt without a slot, then take one."""
        await self._sleep(seconds)
        await self._slots.acquire()
        if self.stopped:
            self._slots.release()
            raise Stopped

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but wake when the run is stopped."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stop.wait()

    async def _attempt(self, sending: Sending, attempt: int) -> None:
        """One post with the slot that was acquired; releases the slot and raises unless it is taken."""
        try:
            entry = await self._post(sending, attempt)
        finally:
            self._slots.release()
        self._journal.write(entry)
        if grave := self._tally.attempt(entry):
            self._shout(grave)
        if not entry.acknowledged:
            raise Gone if entry.status == GONE else NotTaken

    async def _post(self, sending: Sending, attempt: int) -> journal.JournalEntry:
        """Render, sign, post; whatever comes back is an entry."""
        opened = self._entry(sending, attempt)
        body = wire.render(sending.delivery, attempt)
        started = time.perf_counter()
        seconds = min(self._options.timeout_seconds, GRACE_SECONDS if self.stopped else math.inf)
        deadline = asyncio.timeout(seconds)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                status, answer = await self._exchange(body)
        except TimeoutError:
            return opened.failed("no answer in time", time.perf_counter() - started)
        except (aiohttp.ClientError, OSError) as fault:
            return opened.failed(f"{type(fault).__name__}: {fault}", time.perf_counter() - started)
        finally:
            self._deadlines.discard(deadline)
        return opened.answered(status, answer, time.perf_counter() - started)

    def _entry(self, sending: Sending, attempt: int) -> journal.JournalEntry:
        """The attempt as it starts, without an outcome."""
        retry = attempt > sending.attempt
        return journal.JournalEntry(
            sent_at=events.iso(clocks.now()),
            id=sending.delivery.delivery_id,
            attempt=attempt,
            kind="retry" if retry else sending.kind,
            source=self._source,
            latency_ms=0.0,
            notifications=msgspec.UNSET if retry else journal.sent_notifications(sending.delivery),
        )

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        request = self._session.post(
            self._url,
            data=body,
            headers=wire.headers(body, self._options.secret),
            allow_redirects=False,
            expect100=self._options.expect_continue,
        )
        async with request as response:
            return response.status, await response.read()


def source_of(url: URL) -> str:
    """The source of what is posted to a callback URL; empty where the path is no hook's."""
    _, found, hook = url.path.rpartition(events.source_of(""))
    return events.source_of(hook) if found and hook and "/" not in hook else ""
