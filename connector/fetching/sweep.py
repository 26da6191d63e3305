"""Sweeps: now and then a list is asked what changed, for what hooks never reported.

XTND tries a delivery three times in about five minutes and then forgets it. A sweep lists what changed since
the last one started, a day more, and has the hydrator fetch what is newer than the mirror; lists whose rows
are the records are published from the list. What it asked for and no hook reported is a lost hook.
"""

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog

from connector import clocks, failpoints, retry
from connector.config import Config
from connector.config.source_models import SourceSettings
from connector.errors import ConnectorError
from connector.fetching.backfill import Report, check_families, publish_record
from connector.fetching.ports import KafkaTopics
from connector.hydrator import ports
from connector.hydrator.listing import ListReading
from connector.hydrator.pages import ListFault, Page, RecordList, Row, Window
from connector.hydrator.transport import open_transport
from connector.kafka import topics
from connector.kafka.publisher import Publisher
from connector.kafka.routes import Routes
from connector.mirror import database, steps
from connector.mirror.backfills import Backfills
from connector.mirror.sweeps import Found, Started, Sweeps
from connector.retry import Outages

log = structlog.get_logger(__name__)

T = TypeVar("T")
OUTAGE_SECONDS = (0.2, 10.0)
CLOSE_PRODUCER_SECONDS = 3.0
CHUNK = 500
# So many listed records are kept at once; rows of one that are farther apart count as two.
MOST_KEPT = 50_000
MICROSECONDS = 1_000_000


@dataclasses.dataclass
class Swept:
    """What one sweep of a family came to; ``note`` says why it did not start, or ended early."""

    family: str
    whole: bool
    listed: int = 0
    enqueued: int = 0
    published: bool = False
    note: str = ""


class FamilySweep:
    """The sweeps of one family's list, one after the other."""

    def __init__(
        self,
        sources: SourceSettings,
        list_: RecordList,
        *,
        sweeps: Sweeps,
        backfills: Backfills,
        publisher: ports.SnapshotPublisher | None,
        report: Report = lambda *_: None,
    ) -> None:
        """Without a ``publisher`` nothing is written: a dry run. ``backfills`` knows the newest instant."""
        self._source = sources.name
        self._list = list_
        self._family = list_.family
        self._sweeps = sweeps
        self._backfills = backfills
        self._publisher = publisher
        self._report = report
        self._outages = Outages(retry.growing(*OUTAGE_SECONDS))

    async def due(self) -> tuple[float, bool] | None:
        """In how many seconds the next sweep is due, and whether of the whole list; None: never."""
        listing, now = self._list.listing, clocks.now()
        found = []
        minutes = listing.sweep_minutes if listing.incremental is not None else None
        for whole, hours in ((True, listing.full_scan_hours), (False, minutes and minutes / 60)):
            if hours is None:
                continue
            last = await self._stored(partial(self._sweeps.last, self._family, whole=whole))
            wait = 0.0 if last is None else last / MICROSECONDS + hours * 3600 - now / MICROSECONDS
            found.append((max(wait, 0.0), whole))
        return min(found, key=lambda one: (one[0], not one[1])) if found else None

    async def run(self, *, whole: bool) -> Swept:
        """Sweep once; raises ``ListFault`` for a list that cannot be read.

        ``whole``: read the whole list, where that is ever done (``full_scan_hours``).
        """
        listing = self._list.listing
        whole = listing.incremental is None or (whole and listing.full_scan_hours is not None)
        found = Swept(self._family, whole, published=listing.rows_are_records)
        start = self._sweeps.plan if self._publisher is None else self._sweeps.start
        started = await self._stored(partial(start, self._family, whole=whole))
        if started is None:
            found.note = "another sweep of it runs"
            return found
        reading = ListReading(self._list, Window(started.since))
        listed: dict[str, Found] = {}
        while True:
            newest = 0
            if found.published:
                newest = await self._stored(partial(self._backfills.newest, self._family))
            page = await reading.next()
            if page is None:
                break
            found.listed += len(page.rows)
            self._report(self._family, found.listed, None)
            if found.published:
                found.enqueued += await self._publish(started, page, max(page.at, newest + 1))
            else:
                # A record may have several rows, also on several pages.
                for row in page.rows:
                    listed[row.key] = _together(listed.get(row.key), row)
                if len(listed) >= MOST_KEPT:
                    found.enqueued += await self._ask(started, listed)
            failpoints.reach("sweep-page")
        found.enqueued += await self._ask(started, listed)
        if self._publisher is not None:
            await self._stored(partial(self._sweeps.finish, self._family, started))
        found.note = f"the list ended early: {reading.note}" if reading.note else ""
        return found

    async def count(self) -> None:
        """Count what came of the newest sweep so far."""
        await self._stored(partial(self._sweeps.count, self._family))

    async def _ask(self, started: Started, listed: dict[str, Found]) -> int:
        """Ask for what is newer than the mirror, and forget what was listed; how many records that are."""
        rest, asked = iter(list(listed.values())), 0
        listed.clear()
        while rows := list(islice(rest, CHUNK)):
            stale = await self._stored(partial(self._sweeps.stale, self._family, started, rows))
            if self._publisher is not None:
                await self._stored(partial(self._sweeps.ask, self._family, started, rows, stale))
            asked += len(stale)
            failpoints.reach("sweep-asked")
        return asked

    async def _publish(self, started: Started, page: Page, at: int) -> int:
        """Publish what is newer than the mirror on a page whose rows are the records."""
        rows = {row.key: _together(None, row) for row in page.rows}
        bodies = {row.key: row.body for row in page.rows}
        listed = list(rows.values())
        stale = await self._stored(partial(self._sweeps.stale, self._family, started, listed))
        if self._publisher is None:
            return len(stale)
        published = []
        for row in stale:
            event_of = (self._source, self._list, row.key, bodies[row.key], at)
            if await publish_record(*event_of, publisher=self._publisher, outages=self._outages):
                published.append(row)
        await self._stored(partial(self._sweeps.publish, self._family, started, listed, published, at))
        return len(published)

    async def keep_on(self) -> None:
        """Sweep whenever it is due; what fails is tried again a minute later, and ends no other work."""
        pause = 60.0
        while True:
            try:
                due = await self.due()
                if due is None:
                    return
                wait, whole = due
                if wait > 0:
                    # Another process may sweep meanwhile; and what came of the last sweep is counted.
                    await asyncio.sleep(min(wait, pause))
                    await self.count()
                    continue
                found = await self.run(whole=whole)
            except ListFault as error:
                log.error(
                    "a sweep cannot read its list", family=self._family, error=str(error), fix=error.cure
                )
                await asyncio.sleep(pause)
            except ConnectorError as error:
                log.error("a sweep was given up", family=self._family, error=str(error))
                await asyncio.sleep(pause)
            else:
                if found.note:
                    log.info("sweep", family=self._family, note=found.note)
                    await asyncio.sleep(pause)

    async def _stored(self, act: Callable[[], T]) -> T:
        return await self._outages.retry_until_available("database", lambda: asyncio.to_thread(act))


async def sweep(
    config: Config, families: Collection[str], report: Report, *, whole: bool, dry: bool
) -> AsyncIterator[Swept]:
    """Sweep families one after the other, now; ``dry``: read the lists and write nothing.

    Raises ``StartupError`` where there is no source, no such family, no list of it, or no mirror.
    """
    sources = check_families(config, families)
    chosen = families or [name for name, one in sources.entities.items() if one.list is not None]
    async with open_transport(sources) as transport:
        lists = [RecordList(sources, family, transport=transport) for family in dict.fromkeys(chosen)]
        engine = database.connect(config.database, connections=1, access="write")
        steps.require(engine)
        shop = (sources.shop if config.shops is not None else None) or ""
        publisher = Publisher(config, [plan.name for plan in topics.plans(config)])
        if not dry and any(list_.listing.rows_are_records for list_ in lists):
            publisher.start()
        kafka = None if dry else KafkaTopics(publisher, Routes(config))
        try:
            for list_ in lists:
                yield await FamilySweep(
                    sources,
                    list_,
                    sweeps=Sweeps(engine, shop=shop),
                    backfills=Backfills(engine, shop=shop),
                    publisher=kafka,
                    report=report,
                ).run(whole=whole)
        finally:
            await publisher.close(CLOSE_PRODUCER_SECONDS)


def _together(former: Found | None, row: Row) -> Found:
    """A record with one more of its rows: the latest change, and a digest that no order of rows changes."""
    digest = int.from_bytes(hashlib.blake2b(row.body, digest_size=16).digest())
    if former is None:
        return Found(row.key, row.changed, f"{digest:032x}")
    instants: Sequence[int] = [one for one in (former.changed, row.changed) if one is not None]
    return Found(row.key, max(instants, default=None), f"{int(former.digest, 16) ^ digest:032x}")
