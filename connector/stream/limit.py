"""The limit of dead letters: stop before a bad deploy parks everything."""

import time
from collections import deque
from collections.abc import Callable

from connector.config.models import DeadLetterLimit
from connector.errors import Defect

WINDOW_SECONDS = 60.0


class Limit:
    """Counts events and dead letters of the last minute.

    Both bounds must be passed: a count alone would stop a busy worker for the usual few, a share
    alone an idle one for the first.
    """

    def __init__(self, settings: DeadLetterLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._window: deque[tuple[float, int, int]] = deque()

    def read(self, events: int) -> None:
        """Note events that were read, good and bad."""
        if events:
            self._window.append((self._clock(), events, 0))

    def park(self, letters: int) -> None:
        """Note dead letters about to be parked; raises ``Defect`` when that would be too many."""
        if not letters:
            return
        since = self._clock() - WINDOW_SECONDS
        while self._window and self._window[0][0] <= since:
            self._window.popleft()
        events = sum(count for _, count, _ in self._window)
        parked = sum(count for *_, count in self._window) + letters
        if parked > self._settings.per_minute and parked > self._settings.share * events:
            raise Defect(
                f"{parked} of the last minute's {events} events would be dead letters: more than "
                f"worker.dead_letter_limit allows ({self._settings.per_minute} a minute and a share of "
                f"{self._settings.share:g}). Nothing more is parked and no offset moves: mend the "
                "configuration, or raise the limit if these events really are bad."
            )
        self._window.append((self._clock(), 0, letters))
