"""A thread that measures one thing periodically, beside the event loop and beside other measurements.

Readers take the last measurement and its age, so that a call that hangs blocks neither the loop nor another
measurement, and shows as a measurement that is too old.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from typing_extensions import override

T = TypeVar("T")

PAUSE_SECONDS = 2.0
# After the first failure; it doubles. At the start there are no tables yet, and soon there are.
FIRST_PAUSE_SECONDS = 0.1
# A round and a slow answer; an older measurement is not current, and an outage shows soon.
FRESH_SECONDS = 4.0


class Sampler(threading.Thread, Generic[T]):
    """Calls what ``source`` gives every few seconds; after a failure it opens the source again."""

    def __init__(
        self,
        name: str,
        source: Callable[[], AbstractContextManager[Callable[[], T]]],
        *,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._source = source
        self._pause = pause_seconds
        self._clock = clock
        self._over = threading.Event()
        self._since = clock()
        self._newest: T | None = None
        self._error: str | None = None

    @property
    def newest(self) -> T | None:
        """What was measured last, however long ago; None before the first time."""
        return self._newest

    def trouble(self) -> str | None:
        """Why the newest measurement is not current; None when it is."""
        if self._error is not None:
            return self._error
        age = self._clock() - self._since
        if age > FRESH_SECONDS:
            return f"no answer for {age:.0f} s"
        return None if self._newest is not None else "not measured yet"

    @override
    def run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._over.is_set():
            try:
                self._measure()
            except Exception as error:  # noqa: BLE001 - whatever fails is what is wrong
                self._error = str(error) or type(error).__name__
            self._over.wait(min(pause, self._pause))
            pause = min(2 * pause, PAUSE_SECONDS)  # also for what is measured seldom

    def stop(self) -> None:
        """Measure no more; a call under way is not waited for."""
        self._over.set()

    def _measure(self) -> None:
        with self._source() as measure:
            while not self._over.is_set():
                self._newest = measure()
                self._since, self._error = self._clock(), None
                self._over.wait(self._pause)
