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

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0


class Patience:
    """Repeats what an outage interrupts; one for all of a worker."""

    def __init__(self) -> None:
        # What is wrong right now, by part (database, kafka); empty while all is well.
        self.trouble: dict[str, str] = {}
        self._steps: dict[str, GrowingSteps] = {}

    async def until_done(self, part: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do it until it succeeds or fails with something else than an outage."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            before_sleep=lambda state: self._note(part, state),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                result = await act()
        self._steps.pop(part, None)
        if self.trouble.pop(part, None):
            log.info("the outage is over", part=part)
        return result

    def _note(self, part: str, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.trouble[part] = str(error)
        metrics.outage_pauses.labels(part=part).inc()
        suppressed = self._steps.setdefault(part, GrowingSteps()).due()
        if suppressed is not None:
            pause = round(state.next_action.sleep, 2) if state.next_action else 0
            log.warning(
                "waiting for an outage to end",
                part=part,
                error=str(error),
                pause_seconds=pause,
                suppressed=suppressed,
            )
