"""The watchdog: a thread that ends a worker which is alive but does nothing.

Faust and aiokafka know ways to stand still for ever without an error (reliability.md, part 3). The
thread shares neither event loop nor Kafka client with them, and its evidence is outside of the
process: records on Kafka that are not in the database, and an offset there that does not move. So
it also sees a blocked event loop and a database call that never returns.
"""

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from connector.errors import Outage
from connector.mirror.sink import Partition

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 10.0
LOOKS = 12  # within the time that is allowed
PATIENCE_WITH_ONE = 10

Lagging = Callable[[], Mapping[Partition, int] | None]
"""The mirror's offsets of the partitions that lag; None while an outage explains it."""


class Standstill:
    """Decides whether nothing was committed for too long.

    A single partition that stands while others go on may wait its turn behind a backlog, so it is
    given ``PATIENCE_WITH_ONE`` times as long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._quiet_since = 0.0
        # Offset of each partition that lags, and since when it stands there.
        self._standing: dict[Partition, tuple[int, float]] = {}

    def look(self, now: float, lagging: Mapping[Partition, int] | None) -> bool:
        """Take in what lags at a time; True once it has stood still for too long."""
        lagging = lagging or {}
        before = self._standing
        moved = any(lagging.get(partition) != offset for partition, (offset, _) in before.items())
        if moved or not before:
            self._quiet_since = now
        self._standing = {
            partition: before[partition] if before.get(partition, (None,))[0] == offset else (offset, now)
            for partition, offset in lagging.items()
        }
        if not self._standing:
            return False
        longest = now - min(since for _, since in self._standing.values())
        return now - self._quiet_since >= self._seconds or longest >= PATIENCE_WITH_ONE * self._seconds


class Watchdog(threading.Thread):
    """Looks every few seconds and calls ``die`` at a standstill."""

    def __init__(
        self,
        seconds: float,
        lagging: Lagging,
        die: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._standstill = Standstill(seconds)
        self._pause = min(LONGEST_PAUSE_SECONDS, seconds / LOOKS)
        self._seconds = seconds
        self._lagging = lagging
        self._die = die
        self._clock = clock
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._pause):
            lagging = self._look()
            if self._standstill.look(self._clock(), lagging):
                log.critical(
                    "NOTHING WAS COMMITTED although records wait and the database is up; the worker stops",
                    seconds=self._seconds,
                    partitions=[f"{topic}/{number}" for topic, number in lagging or ()],
                )
                self._die()
                return

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _look(self) -> Mapping[Partition, int] | None:
        try:
            return self._lagging()
        except Outage:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, a watchdog must go on looking
            log.warning("the watchdog could not look", error=repr(error))
            return None
