"""An audit: each record is read again and compared with the mirror, cell by cell.

What differs is a row of ``drift``, and the record that was read is published, so that it repairs the mirror.
A record that the source does not give is asked of the hydrator, which decides whether it is gone. Where the
rows of the list are the records, it is read once; single records are read for what it does not name.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

import structlog

from connector import clocks, failpoints, retry
from connector.config import Config
from connector.config.source_models import SourceSettings
from connector.errors import RecordRefused
from connector.events import Event
from connector.fetching.backfill import Report, check_families
from connector.fetching.ports import KafkaTopics
from connector.hydrator import ports
from connector.hydrator.listing import ListReading
from connector.hydrator.pages import RecordList, Window
from connector.hydrator.record_reader import RecordReader
from connector.hydrator.transport import open_transport
from connector.kafka import topics
from connector.kafka.publisher import Publisher
from connector.kafka.routes import Routes
from connector.mirror import database, steps
from connector.mirror.audits import AuditPlace, Audits
from connector.mirror.backfills import Backfills
from connector.mirror.mapping import Mapping
from connector.retry import Outages

log = structlog.get_logger(__name__)

T = TypeVar("T")
OUTAGE_SECONDS = (0.2, 10.0)
CLOSE_PRODUCER_SECONDS = 3.0
# Records that are compared together, and those of them that are asked for at one time; one alone while the
# API was not seen to work.
CHUNK, CONCURRENT = 64, 16


@dataclasses.dataclass
class Audited:
    """What came of one family.

    ``compared`` records were read and compared; of these ``drifted`` differ, in so many ``cells`` and whole
    rows. ``moved`` were left to the hydrator, because a hook asked for them or they changed meanwhile.
    ``left_out`` could not be read.
    """

    family: str
    compared: int = 0
    drifted: int = 0
    cells: int = 0
    moved: int = 0
    left_out: int = 0
    resumed: bool = False


class FamilyAudit:
    """The audit of one family."""

    def __init__(
        self,
        sources: SourceSettings,
        family: str,
        *,
        audits: Audits,
        backfills: Backfills,
        transport: ports.Transport,
        publisher: ports.SnapshotPublisher | None,
        report: Report,
    ) -> None:
        """Without a ``publisher`` nothing is written: a dry run. ``backfills`` knows the newest instant."""
        self._entity = sources.entities[family]
        self._family = family
        self._audits = audits
        self._backfills = backfills
        self._publisher = publisher
        self._report = report
        self._reader = RecordReader(sources, family, transport=transport)
        has_records = self._entity.list is not None and self._entity.list.rows_are_records
        self._list = RecordList(sources, family, transport=transport) if has_records else None
        self._outages = Outages(retry.growing(*OUTAGE_SECONDS))
        self._found = Audited(family)
        self._drifted: set[str] = set()
        self._cells = self._all = self._done = 0
        self._slots = asyncio.Semaphore(CONCURRENT)

    async def run(self, sample: int | None = None) -> Audited:
        """Compare all records, or so many by chance; raises ``StartupError`` where none can be read."""
        audits, found = self._audits, self._found
        is_whole = sample is None and self._publisher is not None
        place = await self._stored(lambda: audits.start(from_start=not is_whole))
        found.resumed = (place.entity_key, place.page) != ("", None)
        self._done = sum(place.counts)
        self._all = await self._stored(audits.count)
        if sample is not None:
            keys = await self._stored(lambda: audits.sample(sample))
            self._all = len(keys)
            place = await self._look_at(keys, place, moves=False)
        elif self._list is not None:
            place = await self._look_at_list(self._list, place)
        else:
            while keys := await self._stored(partial(audits.keys, place.entity_key, CHUNK)):
                place = await self._look_at(keys, place, moves=True)
        found.compared, found.moved, found.left_out = place.counts
        found.drifted, found.cells = len(self._drifted), self._cells
        if self._publisher is not None:
            if self._drifted:
                # For hooks that are on their way.
                await asyncio.sleep(2 * self._entity.settle_seconds)
            found.drifted, found.cells = await self._stored(partial(audits.drift, place))
        if is_whole:
            await self._stored(partial(audits.finish, place))
        return found

    async def _look_at(self, keys: Collection[str], place: AuditPlace, *, moves: bool) -> AuditPlace:
        """Read single records and compare them; ``moves`` the place behind each few of them."""
        left = [*keys]
        while left:
            size = CHUNK if self._reader.works else 1
            some, left = left[:size], left[size:]
            states = await self._stored(partial(self._audits.states, some))
            now = clocks.now()
            quiet = [key for key in some if not states[key].moves(max(now, states[key].after + 1))]
            self._done += len(some) - len(quiet)
            answered = await asyncio.gather(*[self._read(key, states[key].after) for key in quiet])
            answers = [event for event in answered if event is not None]
            following = place._replace(
                entity_key=some[-1] if moves else place.entity_key,
                moved=place.moved + len(some) - len(quiet),
                left_out=place.left_out + len(quiet) - len(answers),
            )
            place = await self._compare(answers, place, following)
            failpoints.reach("audit-compared")
        return place

    async def _read(self, key: str, after: int) -> Event | None:
        async with self._slots:
            event = await self._reader.read(key, after)
        self._done += 1
        self._report(self._family, self._done, max(self._all, self._done))
        return event

    async def _look_at_list(self, list_: RecordList, place: AuditPlace) -> AuditPlace:
        """Compare the rows of a list, then single records that the mirror has and the list has not."""
        # From the last page on that was read: rows move to other pages meanwhile.
        reading, listed = ListReading(list_, Window(), place.page), set[str]()
        if place.page is not None:
            listed = await self._stored(partial(self._audits.listed, place))
        while True:
            newest = await self._stored(partial(self._backfills.newest, self._family))
            page = await reading.next()
            if page is None:
                break
            rows = {row.key: row.body for row in page.rows if row.key not in listed}
            listed |= rows.keys()
            at = max(page.at, newest + 1)
            events = [self._reader.of_row(key, body, at) for key, body in rows.items()]
            answers = [event for event in events if event is not None]
            left_out = place.left_out + len(events) - len(answers)
            following = place._replace(left_out=left_out, page=page.number)
            place = await self._compare(answers, place, following, rows)
            failpoints.reach("audit-page")
            self._done += len(rows)
            self._report(self._family, self._done, max(self._all, self._done))
        last = place.entity_key
        while keys := await self._stored(partial(self._audits.keys, last, CHUNK)):
            last = keys[-1]
            place = await self._look_at([key for key in keys if key not in listed], place, moves=True)
        return place

    async def _compare(
        self, answers: Sequence[Event], former: AuditPlace, place: AuditPlace, listed: Collection[str] = ()
    ) -> AuditPlace:
        """Compare, note what differs and have it repaired, and note the place, which it gives.

        ``listed`` are the keys that the page of a list had.
        """
        published, asked = list[tuple[str, int]](), list[str]()
        if answers:
            found = await self._stored(partial(self._audits.compare, answers))
            place = place._replace(
                moved=place.moved + len(found.moved), compared=place.compared + len(found.compared)
            )
            differences = [*found.differences, *found.reported]
            self._cells += len(differences)
            self._drifted |= {one.entity_key for one in differences}
            if self._publisher is not None and differences:
                await self._stored(partial(self._audits.note, place, found, answers))
                failpoints.reach("audit-noted")
                differing = {one.entity_key for one in found.differences}
                for event in answers:
                    if (key := event.entity_key or "") in differing and not event.is_gone:
                        if await self._publish(self._publisher, event):
                            published.append((key, event.occurred_at))
                    elif key in differing:
                        asked.append(key)
                failpoints.reach("audit-published")
        if self._publisher is not None:
            await self._stored(partial(self._audits.advance, former, place, published, asked, listed))
        return place

    async def _publish(self, publisher: ports.SnapshotPublisher, event: Event) -> bool:
        try:
            await self._outages.retry_until_available("kafka", lambda: publisher.publish(event))
        except RecordRefused as error:
            key = event.entity_key
            log.warning("a record cannot be published", family=self._family, key=key, error=str(error))
            return False
        return True

    async def _stored(self, act: Callable[[], T]) -> T:
        return await self._outages.retry_until_available("database", lambda: asyncio.to_thread(act))


async def audit(
    config: Config, families: Collection[str], sample: int | None, report: Report, *, dry: bool
) -> AsyncIterator[Audited]:
    """Audit families one after the other, by default all; ``dry``: write nothing.

    Raises ``StartupError`` where there is no source, no such family, or no mirror.
    """
    sources, mapping = check_families(config, families), Mapping(config)
    engine = database.connect(config.database, connections=1, access="write")
    steps.require(engine)
    shop = (sources.shop if config.shops is not None else None) or ""
    publisher = Publisher(config, [plan.name for plan in topics.plans(config)])
    if not dry:
        publisher.start()
    async with open_transport(sources) as transport:
        try:
            for family in dict.fromkeys(families or sources.entities):
                yield await FamilyAudit(
                    sources,
                    family,
                    audits=Audits(engine, config, mapping, family),
                    backfills=Backfills(engine, shop=shop),
                    transport=transport,
                    publisher=None if dry else KafkaTopics(publisher, Routes(config)),
                    report=report,
                ).run(sample)
        finally:
            await publisher.close(CLOSE_PRODUCER_SECONDS)
