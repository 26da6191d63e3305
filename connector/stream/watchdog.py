"""The watchdog: a thread that ends a worker that makes no progress in a partition.

Faust and aiokafka can stop making progress without an error (docs/reliability.md, Inside the worker).
The thread shares neither event loop nor Kafka client with them, and its evidence is outside of the
process: records on Kafka that are not in the database, and an offset there that does not move. So
it also detects a blocked event loop and a database call that never returns.
"""

import threading
import time
from collections.abc import Callable, Mapping

import structlog
from typing_extensions import override

from connector.mirror.offsets import Partition
from connector.stream.standstill import Standstill

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 10.0
CHECKS = 12  # within the time that is allowed

Lagging = Callable[[], Mapping[Partition, int]]
"""The mirror's offsets of the partitions that lag, without those of which an outage explains it."""


class Watchdog(threading.Thread):
    """Checks every few seconds; calls ``die`` when a partition made no progress for ``seconds``."""

    def __init__(
        self,
        seconds: float,
        lagging: Lagging,
        die: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._standstill = Standstill()
        self._pause = min(LONGEST_PAUSE_SECONDS, seconds / CHECKS)
        self._seconds = seconds
        self._lagging = lagging
        self._die = die
        self._clock = clock
        self._over = threading.Event()

    @override
    def run(self) -> None:
        while not self._over.wait(self._pause):
            if stuck := self._stuck():
                log.critical(
                    "nothing was committed although records wait and the database is up; the worker stops",
                    seconds=self._seconds,
                    partitions=[f"{topic}/{number}" for topic, number in sorted(stuck)],
                )
                self._die()
                return

    def stop(self) -> None:
        """Stop checking."""
        self._over.set()

    def _stuck(self) -> list[Partition]:
        try:
            lagging = self._lagging()
        except Exception as error:  # noqa: BLE001 - whatever it is, a watchdog must go on
            log.warning("the watchdog could not check", error=repr(error))
            lagging = {}
        stood = self._standstill.look(self._clock(), lagging)
        return [partition for partition, seconds in stood.items() if seconds >= self._seconds]
