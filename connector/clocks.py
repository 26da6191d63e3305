"""The clocks: wall time, steady time, and how far this host's wall clock is from another host's.

Durations within a process are measured with ``time.monotonic``. A distance is measured, shown as a metric,
logged and reported; nothing here changes a time.
"""

import time
from collections.abc import Callable
from functools import partial

import structlog

from connector import metrics

log = structlog.get_logger(__name__)

# Beyond this a distance is reported: events of different hosts may change their order.
LIMIT_SECONDS = 2.0
# A distance is over once it stayed within the limit for so long: brokers may differ.
RECOVERY_SECONDS = 10.0
CURE = "Set the clocks right: have both hosts follow NTP (timedatectl, chronyc tracking)."

# Steady time: nanoseconds of a clock that no one sets and that runs, where there is one, while the machine
# sleeps.
steady_nanoseconds: Callable[[], int] = (
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic_ns
)


def now() -> int:
    """Wall time: microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def outside(value: float, low: float, high: float) -> float:
    """How far a value lies outside of an interval: negative below, 0 within, positive above."""
    return min(0.0, value - low) or max(0.0, value - high)


class ClockDistance:
    """The distance to one other clock, positive while this host's is ahead."""

    def __init__(self, to: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """``to`` names the other clock: ``broker`` or ``database``; ``monotonic`` gives seconds."""
        self._to = to
        self._monotonic = monotonic
        self._metric = metrics.clock_distance.labels(to)
        self._metric.set(float("nan"))
        self._worst = 0.0  # the newest distance beyond the limit
        self._beyond_at: float | None = None  # when it was measured
        self.seconds: float | None = None

    def set(self, seconds: float) -> None:
        """Note a measurement in seconds; 0 where the difference is too small to measure."""
        self.seconds = seconds
        self._metric.set(seconds)
        now = self._monotonic()
        if abs(seconds) > LIMIT_SECONDS:
            if self._beyond_at is None:
                log.warning("clocks differ", to=self._to, ahead_seconds=round(seconds, 3), cure=CURE)
            self._worst, self._beyond_at = seconds, now
        elif self._beyond_at is not None and now - self._beyond_at > RECOVERY_SECONDS:
            self._beyond_at = None
            log.info("clocks agree again", to=self._to, ahead_seconds=round(seconds, 3))

    def trouble(self) -> str | None:
        """Say how far the clocks are apart when that is beyond ``LIMIT_SECONDS``, else None."""
        if self._beyond_at is None:
            return None
        where = "ahead of" if self._worst > 0 else "behind"
        return f"This host's clock is {abs(self._worst):.1f} s {where} the {self._to}'s. {CURE}"
