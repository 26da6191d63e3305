"""The hydrator: leases due keys, has each bucket's lane fetch them, and says how it is."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from connector import clocks, retry
from connector.config.source_models import SourceSettings
from connector.errors import Outage, Poison
from connector.hydrator.fetcher import Fetcher
from connector.hydrator.lane import AHEAD_SECONDS, Lease, RequestLane
from connector.hydrator.pace import MINUTE, Pace
from connector.hydrator.ports import Due, Slots, SnapshotPublisher, Store, Transport
from connector.hydrator.record import Records
from connector.hydrator.verdict import Judge
from connector.retry import Outages

# How often the store is asked for due keys.
POLL_SECONDS = 0.25
SIGN_SECONDS = 5.0
# Pauses while the store or Kafka is away, from the first to the longest.
OUTAGE_SECONDS = (0.2, 10.0)
GOODBYE_SECONDS = 3.0


class Hydrator:
    """Fetches what is due while ``run`` runs.

    ``steady`` gives seconds that never go back, ``now`` wall time in microseconds, ``chance`` the jitter of
    pauses. Whatever the clocks say, a snapshot's time is after the want that it answers.
    """

    def __init__(
        self,
        sources: SourceSettings,
        *,
        transport: Transport,
        store: Store,
        publisher: SnapshotPublisher,
        steady: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = clocks.now,
        chance: random.Random | None = None,
    ) -> None:
        self._store = store
        self._steady = steady
        chance = chance or random.Random()  # noqa: S311 - no secret depends on it
        growing = retry.growing(*OUTAGE_SECONDS)
        self.outages = Outages(lambda failures: growing(failures) * chance.uniform(0.5, 1))
        self._families = {
            family: Records(family, entity, sources.exclude) for family, entity in sources.entities.items()
        }
        self._lanes: dict[str, RequestLane] = {}
        for records in self._families.values():
            if records.bucket not in self._lanes:
                hidden = Judge(sources).hidden
                pace = Pace(sources.rate, records.bucket, steady=steady, now=now, hidden=hidden)
                timeout = sources.timeout_seconds
                self._lanes[records.bucket] = RequestLane(pace, timeout, steady=steady, chance=chance)
        # A lease lasts for its wait, its request and an outage of Kafka of a minute.
        longest = max(entity.settle_seconds for entity in sources.entities.values())
        self._lease_seconds = longest + 2 * AHEAD_SECONDS + sources.timeout_seconds + MINUTE
        self._refused: str | None = None
        self._fetcher = Fetcher(
            sources,
            transport=transport,
            store=store,
            publisher=publisher,
            outages=self.outages,
            steady=steady,
            now=now,
            chance=chance,
            stop=self._stop,
        )

    def refused(self) -> str | None:
        """That the login is refused, so that nothing (or nothing of some records) is asked any more."""
        return self._refused or next((lane.stopped for lane in self._lanes.values() if lane.stopped), None)

    def away(self) -> str | None:
        """Why the API is waited for, or None; hooks are mirrored all the same."""
        troubles = [
            trouble for lane in self._lanes.values() for trouble in (lane.trouble, lane.proof.trouble)
        ]
        return next(filter(None, troubles), None)

    async def run(self) -> None:
        """Fetch until cancelled; then keys whose work was not done are due again at once."""
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes.values():
                    group.create_task(lane.run(self._fetcher.fetch, self._fetcher.release))
                group.create_task(self._lease())
        finally:
            dues = [due for lane in self._lanes.values() for due in lane.unfinished()]
            if dues:
                with suppress(Outage, TimeoutError):
                    async with asyncio.timeout(GOODBYE_SECONDS):
                        await self._store.release(dues)

    def _stop(self, text: str) -> None:
        self._refused = text
        for lane in self._lanes.values():
            lane.stop(text)

    async def _lease(self) -> None:
        asked_at = self._steady()
        while True:
            slots = {family: self._lanes[one.bucket].slots for family, one in self._families.items()}
            # Without any the store is asked too, now and then: it is how the others know that this one lives.
            if any(map(any, slots.values())) or self._steady() >= asked_at + SIGN_SECONDS:
                asked_at = self._steady()
                await self.outages.retry_until_available("database", partial(self._take, slots))
            await asyncio.sleep(POLL_SECONDS)

    async def _take(self, slots: Mapping[str, Slots]) -> None:
        until = self._steady() + self._lease_seconds
        leased = await self._store.lease(slots, self._lease_seconds)
        for lane in self._lanes.values():
            lane.pace.hydrators = max(leased.hydrators, 1)
        for due in leased.dues:
            await self._add(due, until)

    async def _add(self, due: Due, until: float) -> None:
        records = self._families[due.family]
        try:
            path = records.path(due.key)
        except Poison as poison:
            await self._fetcher.give_up(due, records, "key-not-askable", poison.error)
            return
        self._lanes[records.bucket].add(Lease(due, records, path, until))
