"""The alarm of dead letters: a worker parks whatever cannot be mirrored, and reports a high share.

No number of dead letters stops a worker, or one hook could stop all (docs/reliability.md, Promised).
A mapping that does not fit is caught before the first batch (``mirror/mapping_change.py``).
"""

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0
# Both bounds must be passed: a count alone would alarm for a busy worker's usual few, a share alone for
# an idle worker's first.
USUAL_LETTERS = 10
USUAL_SHARE = 0.2


class Alarm:
    """Counts the events and dead letters of the last minute, second by second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` counts seconds."""
        self._clock = clock
        # Second, events that were read, and those of them that were parked; the oldest come first.
        self._seconds: deque[tuple[int, int, int]] = deque()

    def count(self, events: int, parked: int) -> None:
        """Note events that were read, good and bad, and events that were parked."""
        second = int(self._clock())
        self._forget()
        if self._seconds and self._seconds[-1][0] == second:
            _, before, parked_before = self._seconds.pop()
            events, parked = before + events, parked_before + parked
        self._seconds.append((second, events, parked))

    def share(self) -> float:
        """Which share of the last minute's events was parked, from 0 to 1."""
        events, parked = self._sums()
        return parked / events if events else 0.0

    def trouble(self) -> str | None:
        """A sentence while the share is high."""
        events, parked = self._sums()
        if parked <= USUAL_LETTERS or parked <= USUAL_SHARE * events:
            return None
        return (
            f"{parked} of the last minute's {events} events could not be mirrored and were parked; "
            "connector dead-letters list shows why"
        )

    def _sums(self) -> tuple[int, int]:
        self._forget()
        events = sum(count for _, count, _ in self._seconds)
        parked = sum(count for *_, count in self._seconds)
        # What the database refuses is parked when it is written, which may be a minute after it was read.
        return max(events, parked), parked

    def _forget(self) -> None:
        since = self._clock() - WINDOW_SECONDS
        while self._seconds and self._seconds[0][0] <= since:
            self._seconds.popleft()
