"""A backfill: what a list names is asked for in the background, or published where its rows are records.

A list is read twice, because rows move to other pages while it is read; what was asked for is not asked for
again. The place is noted with each page, so a backfill that is interrupted goes on when it is run again.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Collection
from typing import TypeVar

import structlog

from connector import clocks, failpoints, retry
from connector.config import Config
from connector.config.source_models import SourceSettings
from connector.errors import Poison, RecordRefused, StartupError
from connector.events.snapshot import snapshot
from connector.fetching.ports import KafkaTopics
from connector.hydrator import ports
from connector.hydrator.listing import ListReading
from connector.hydrator.pages import Page, RecordList, Window
from connector.hydrator.transport import open_transport
from connector.kafka import topics
from connector.kafka.publisher import Publisher
from connector.kafka.routes import Routes
from connector.mirror import database, steps
from connector.mirror.backfills import BackfillPlace, Backfills
from connector.retry import Outages

log = structlog.get_logger(__name__)

T = TypeVar("T")
OUTAGE_SECONDS = (0.2, 10.0)
CLOSE_PRODUCER_SECONDS = 3.0
Report = Callable[[str, int, int | None], None]
"""Gets a family, the rows that were listed of it, and how many there are, where that is known."""


@dataclasses.dataclass
class Backfilled:
    """What came of one family.

    ``listed`` are rows, ``records`` those that were asked for, or ``published`` from the list itself; with
    ``resumed`` an interrupted run's are among them. ``left_out`` are rows of this run that name no record, or
    one that cannot be stored. The API takes ``per_minute`` requests for them. ``notes`` are for a person.
    """

    family: str
    listed: int = 0
    records: int = 0
    published: bool = False
    left_out: int = 0
    resumed: bool = False
    per_minute: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)


class Backfill:
    """The backfill of one family."""

    def __init__(
        self,
        sources: SourceSettings,
        list_: RecordList,
        *,
        store: Backfills,
        publisher: ports.SnapshotPublisher,
        report: Report,
    ) -> None:
        self._source = sources.name
        self._list = list_
        self._family = list_.family
        self._store = store
        self._publisher = publisher
        self._report = report
        self._outages = Outages(retry.growing(*OUTAGE_SECONDS))
        self._published: set[str] = set()
        self._found = Backfilled(list_.family, published=list_.listing.rows_are_records)

    async def run(self, since: int, until: int | None) -> Backfilled:
        """Read what changed from one instant to another, or to now; raises ``ListFault``."""
        found, store = self._found, self._store
        place, given_up = await self._stored(lambda: store.start(self._family, since, until))
        found.resumed = (place.part, place.reading, place.page) != (0, 0, None)
        if given_up is not None:
            found.notes.append("an unfinished backfill with other dates was given up")
        windows = self._list.windows(place.changed_since, place.changed_until, place.started_at)
        while place.part < len(windows):
            place = await self._read(windows[place.part], place)
            # What fits one page does not move to another one.
            several = place.page is not None and place.page > self._list.listing.paginator.first
            if several and place.reading == 0:
                following = place._replace(reading=1, page=None)
            else:
                following = place._replace(part=place.part + 1, reading=0, page=None)
            place = await self._ask(place, following, [])
        await self._stored(lambda: store.finish(self._family, place))
        found.listed, found.records, found.per_minute = place.listed, place.asked, self._list.per_minute
        return found

    async def _read(self, window: Window, place: BackfillPlace) -> BackfillPlace:
        """Read a window once, from where the place is; gives the place behind its last page."""
        found, reading, resumed = self._found, ListReading(self._list, window, place.page), place.page
        again = 0
        while True:
            newest = 0
            if found.published:
                newest = await self._stored(lambda: self._store.newest(self._family))
            page = await reading.next()
            if page is None:
                break
            listed = place.listed
            if place.reading:
                again += len(page.rows)
                self._report(f"{self._family}, read again", again, _total(page, again))
            elif page.number != resumed:  # the page at which another run ended is read again
                listed += len(page.rows)
                found.left_out += page.keyless
                self._report(self._family, listed, _total(page, listed))
            following = place._replace(page=page.number, listed=listed)
            if found.published:
                place = await self._publish(place, following, page, max(page.at, newest + 1))
            else:
                place = await self._ask(place, following, [row.key for row in page.rows])
            failpoints.reach("backfill-page")
        if reading.note is not None:
            found.notes.append(f"the list ended early: {reading.note}")
        return place

    async def _publish(
        self, former: BackfillPlace, place: BackfillPlace, page: Page, at: int
    ) -> BackfillPlace:
        """Publish the records of a page as snapshots, and note the place behind it."""
        rows = {row.key: row.body for row in page.rows if row.key not in self._published}
        done = await asyncio.gather(*[self._publish_one(key, body, at) for key, body in rows.items()])
        keys = [key for key, is_done in zip(rows, done, strict=True) if is_done]
        self._published |= rows.keys()
        return await self._stored(lambda: self._store.mark(self._family, former, place, keys, at))

    async def _publish_one(self, key: str, body: bytes, at: int) -> bool:
        event_of = (self._source, self._list, key, body, at)
        done = await publish_record(*event_of, publisher=self._publisher, outages=self._outages)
        self._found.left_out += not done
        return done

    async def _ask(self, former: BackfillPlace, place: BackfillPlace, keys: list[str]) -> BackfillPlace:
        return await self._stored(lambda: self._store.ask(self._family, former, place, keys))

    async def _stored(self, act: Callable[[], T]) -> T:
        return await self._outages.retry_until_available("database", lambda: asyncio.to_thread(act))


async def publish_record(
    source: str,
    list_: RecordList,
    key: str,
    body: bytes,
    at: int,
    *,
    publisher: ports.SnapshotPublisher,
    outages: Outages,
) -> bool:
    """Publish a row of a list that is a record as its snapshot of the instant ``at``; False: it cannot be."""
    try:
        event = snapshot(
            source=source,
            family=list_.family,
            entity=list_.records.entity.entity,
            key=key,
            at=at,
            received_at=max(clocks.now(), at),
            body=list_.records.kept(body),
        )
        await outages.retry_until_available("kafka", lambda: publisher.publish(event))
    except (Poison, RecordRefused) as error:
        log.warning("a record of a list is left out", family=list_.family, key=key, error=str(error))
        return False
    return True


async def dry_run(list_: RecordList, since: int, until: int | None, report: Report) -> Backfilled:
    """Read a list once, and ask for nothing; raises ``ListFault``."""
    found, keys = Backfilled(list_.family, published=list_.listing.rows_are_records), set[str]()
    for window in list_.windows(since, until, clocks.now()):
        reading = ListReading(list_, window)
        while (page := await reading.next()) is not None:
            keys |= {row.key for row in page.rows}
            found.listed += len(page.rows)
            found.left_out += page.keyless
            report(list_.family, found.listed, _total(page, found.listed))
    found.records, found.per_minute = len(keys), list_.per_minute
    return found


async def backfill(
    config: Config, families: Collection[str], since: int, until: int | None, report: Report, *, dry: bool
) -> AsyncIterator[Backfilled]:
    """Backfill families one after the other; ``dry``: count what would be asked for.

    Raises ``StartupError`` where there is no source, no such family, no list of it, or no mirror.
    """
    sources = check_families(config, families)
    async with open_transport(sources) as transport:
        lists = [RecordList(sources, family, transport=transport) for family in dict.fromkeys(families)]
        if dry:
            for list_ in lists:
                yield await dry_run(list_, since, until, report)
            return
        engine = database.connect(config.database, connections=1, access="write")
        steps.require(engine)
        store = Backfills(engine, shop=(sources.shop if config.shops is not None else None) or "")
        publisher = Publisher(config, [plan.name for plan in topics.plans(config)])
        if any(list_.listing.rows_are_records for list_ in lists):
            publisher.start()
        kafka = KafkaTopics(publisher, Routes(config))
        try:
            for list_ in lists:
                run = Backfill(sources, list_, store=store, publisher=kafka, report=report)
                yield await run.run(since, until)
        finally:
            await publisher.close(CLOSE_PRODUCER_SECONDS)


def check_families(config: Config, families: Collection[str]) -> SourceSettings:
    """The sources of records; raises ``StartupError`` where there are none, or not of a family."""
    sources = config.sources
    if sources is None:
        raise StartupError("There is no source of records.", "set XTND_API_URL to the API's address")
    if unknown := [family for family in families if family not in sources.entities]:
        what = f"sources.yaml has no records of {', '.join(unknown)}."
        raise StartupError(what, f"name some of: {', '.join(sources.entities)}")
    return sources


def _total(page: Page, listed: int) -> int | None:
    """How many rows a list has, by the pages that it says it has."""
    return None if page.pages is None else max(page.pages * len(page.rows), listed)
