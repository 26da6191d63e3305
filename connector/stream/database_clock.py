"""The worker's look at the database's clock."""

import asyncio
from collections.abc import Callable

import structlog

from connector.clocks import ClockDistance
from connector.errors import ConnectorError

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 10.0


class DatabaseClock:
    """Measures how far this host's clock is from the database's; metric, log and note."""

    def __init__(self, measure: Callable[[], float | None]) -> None:
        """``measure`` gives seconds ahead, or None where the database has this host's clock; blocks."""
        self._measure = measure
        self._distance = ClockDistance("database")

    async def watch(self) -> None:
        """Measure now and then until cancelled; SQLite has no clock of its own."""
        while True:
            try:
                seconds = await asyncio.to_thread(self._measure)
            except ConnectorError as error:
                log.debug("the database's clock was not measured", error=str(error))
            else:
                if seconds is None:
                    return
                self._distance.set(seconds)
            await asyncio.sleep(PERIOD_SECONDS)

    async def check(self) -> str | None:
        """Say how far the clocks are apart when that is too far."""
        return self._distance.trouble()
