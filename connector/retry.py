"""Retries while something is away, for gateway and worker: without end, with growing pauses."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type

from connector import metrics
from connector.errors import Outage
from connector.logs import GrowingSteps

log = structlog.get_logger(__name__)

T = TypeVar("T")
Pause = Callable[[int], float]
"""Seconds to wait after so many failures in a row, from 1."""
Errors = type[Exception] | tuple[type[Exception], ...]


def growing(first_seconds: float, longest_seconds: float) -> Pause:
    """Twice as long each time, up to a longest pause."""
    return lambda failures: min(first_seconds * 2 ** min(failures - 1, 64), longest_seconds)


def jittered(first_seconds: float, longest_seconds: float) -> Pause:
    """Anything up to a growing pause, so that those who failed together do not try again together."""
    pause = growing(first_seconds, longest_seconds)
    return lambda failures: random.uniform(0, pause(failures))  # noqa: S311 - no secret depends on it


async def retry_until_available(
    act: Callable[[], Awaitable[T]], *, away: Errors, note: Callable[[Exception, int], None], pause: Pause
) -> T:
    """Repeat ``act`` while it raises one of ``away``; any other error is raised.

    ``note`` gets each such error, and how many there were in a row.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(away), wait=lambda state: pause(state.attempt_number)
    )
    async for attempt in retrying:
        with attempt:
            try:
                return await act()
            except away as error:
                note(error, attempt.retry_state.attempt_number)
                raise
    raise AssertionError("tenacity does not give up without a stop")


class Outages:
    """The outages that a process waits for, by part (database, kafka) and topic.

    One of a topic is kept apart, so that no success of another topic hides it.
    """

    def __init__(self, pause: Pause | None = None) -> None:
        self._pause = pause or jittered(0.1, 10)
        # What is wrong right now; empty while all is well.
        self._trouble: dict[tuple[str, str], str] = {}

    def trouble(self, part: str) -> str | None:
        """The error of a part that is away, for whichever topic."""
        return next((text for (where, _), text in self._trouble.copy().items() if where == part), None)

    def topics(self) -> set[str]:
        """The topics that wait for an outage to end; "" is for all of them. Safe from any thread."""
        return {topic for _, topic in self._trouble.copy()}

    async def retry_until_available(
        self, part: str, act: Callable[[], Awaitable[T]], *, topic: str = ""
    ) -> T:
        """Repeat ``act`` until it succeeds or fails with anything but an ``Outage``.

        ``topic`` is the one whose records wait for it; without it all do.
        """
        steps: list[GrowingSteps] = []
        named = {"topic": topic} if topic else {}

        def note(error: Exception, failures: int) -> None:
            self._trouble[part, topic] = f"{topic}: {error}" if topic else str(error)
            metrics.outage_pauses.labels(part=part).inc()
            if not steps:
                steps.append(GrowingSteps())
            suppressed = steps[0].due()
            if suppressed is not None:
                log.warning(
                    "waiting for an outage to end",
                    part=part,
                    **named,
                    error=str(error),
                    failures=failures,
                    suppressed=suppressed,
                )

        try:
            result = await retry_until_available(act, away=Outage, note=note, pause=self._pause)
        finally:  # the wait is over, whatever ended it
            trouble = self._trouble.pop((part, topic), None)
        if trouble:
            log.info("the outage is over", part=part, **named)
        return result
