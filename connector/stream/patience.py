"""Waiting for outages to end: for ever, with growing pauses, and saying so."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from connector import metrics
from connector.errors import Outage
from connector.logs import GrowingSteps

log = structlog.get_logger(__name__)

T = TypeVar("T")
Waiting = tuple[str, str]

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0


class Patience:
    """Repeats what an outage interrupts; one for all of a worker.

    Who waits is kept apart by topic, so that no success of one hides the outage of another.
    """

    def __init__(self) -> None:
        # What is wrong right now, by part (database, kafka) and topic; empty while all is well.
        self._trouble: dict[Waiting, str] = {}
        self._steps: dict[Waiting, GrowingSteps] = {}

    def trouble(self, part: str) -> str | None:
        """What is being waited for at a part, for whichever topic."""
        return next((text for (where, _), text in self._trouble.copy().items() if where == part), None)

    def topics(self) -> set[str]:
        """The topics that wait for an outage to end; "" is for all of them. Safe from any thread."""
        return {topic for _, topic in self._trouble.copy()}

    async def until_done(self, part: str, act: Callable[[], Awaitable[T]], *, topic: str = "") -> T:
        """Do it until it succeeds or fails with something else than an outage.

        ``topic`` is the one whose records wait for it; without it all do.
        """
        waiting = (part, topic)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            before_sleep=lambda state: self._note(waiting, state),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    result = await act()
        finally:  # nobody waits here any more, whatever came of it
            self._steps.pop(waiting, None)
            trouble = self._trouble.pop(waiting, None)
        if trouble:
            log.info("the outage is over", part=part, **_named(topic))
        return result

    def _note(self, waiting: Waiting, state: RetryCallState) -> None:
        part, topic = waiting
        error = state.outcome.exception() if state.outcome else None
        self._trouble[waiting] = f"{topic}: {error}" if topic else str(error)
        metrics.outage_pauses.labels(part=part).inc()
        suppressed = self._steps.setdefault(waiting, GrowingSteps()).due()
        if suppressed is not None:
            pause = round(state.next_action.sleep, 2) if state.next_action else 0
            log.warning(
                "waiting for an outage to end",
                part=part,
                **_named(topic),
                error=str(error),
                pause_seconds=pause,
                suppressed=suppressed,
            )


def _named(topic: str) -> dict[str, str]:
    return {"topic": topic} if topic else {}
