"""The worker's removal of what is old (``mirror.retention``), an hour apart and in small steps."""

import asyncio
from collections.abc import Callable

import structlog

from connector.errors import ConnectorError

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 3600.0
# Between two steps, so that batches of events come between them.
PAUSE_SECONDS = 0.2


async def watch(remove_some: Callable[[], tuple[int, bool]]) -> None:
    """Remove what is old until cancelled; while the database is away it waits for the next period.

    ``remove_some`` blocks, and gives how many rows it removed and whether there may be more.
    """
    while True:
        total, more = 0, True
        try:
            while more:
                removed, more = await asyncio.to_thread(remove_some)
                total += removed
                await asyncio.sleep(PAUSE_SECONDS)
        except ConnectorError as error:
            log.info("old dead letters and sweeps are removed later", error=str(error))
        if total:
            log.info("removed dead letters and sweeps that are older than their retention", rows=total)
        await asyncio.sleep(PERIOD_SECONDS)
