"""Pages of the list of a family's records: each is asked for at the pace of its bucket (``asking.py``)."""

import hashlib
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from connector import clocks, events
from connector.config import paths
from connector.config.source_models import Incremental, Listing, SourceSettings, resource
from connector.errors import Poison, StartupError
from connector.hydrator.asking import Asker
from connector.hydrator.ports import Transport
from connector.hydrator.record import BYTE_ORDER_MARK, Records, Unreadable, key_parts, objects
from connector.hydrator.verdict import LOGIN_FIX, Verdict

SECOND = 1_000_000
DAY = 86_400 * SECOND
# A window of a list that is asked for what changed from one instant to another.
WINDOW = 31 * DAY
# Longer keys are in no index of the mirror (``mirror/values.py``).
MAX_KEY_BYTES = 1024


class ListFault(StartupError):
    """A list cannot be read as sources.yaml has it, or by this login; ``cure`` says what to change."""


class Window(NamedTuple):
    """From when until when the records changed (microseconds since 1970).

    Both None for the whole list; without an end also what changes while it is read.
    """

    since: int | None = None
    until: int | None = None


class Row(NamedTuple):
    """One row: the entity key of its record, its JSON as received, and when the record last changed.

    ``changed`` is in microseconds since 1970, None where the row does not say.
    """

    key: str
    body: bytes
    changed: int | None = None


class Page(NamedTuple):
    """A page that has rows; it was asked for at ``at`` (microseconds since 1970).

    ``keyless`` rows are left out of ``rows``: nobody could ask for their records. ``pages`` is how many there
    are by this answer; None where it does not say.
    """

    number: int
    at: int
    rows: list[Row]
    keyless: int
    pages: int | None
    digest: bytes


class RecordList:
    """The list of one family of ``sources``; raises ``ListFault`` for a family that has none.

    ``steady`` gives seconds that never go back, ``now`` wall time in microseconds.
    """

    def __init__(
        self,
        sources: SourceSettings,
        family: str,
        *,
        transport: Transport,
        steady: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = clocks.now,
        chance: random.Random | None = None,
    ) -> None:
        entity = sources.entities[family]
        if entity.list is None:
            raise ListFault(
                f"The records of {family} have no list.", "add list to the family in sources.yaml"
            )
        self.family = family
        self.records = Records(family, entity, sources.exclude)
        self.listing: Listing = entity.list
        self._asker = Asker(
            sources,
            self.records,
            resource(self.listing.path),
            transport=transport,
            steady=steady,
            now=now,
            chance=chance,
        )
        self._judge, self._lane = self._asker.judge, self._asker.lane
        # Parts in the order of the entity key, not of the list's own.
        self._key = {part: paths.keys(self.listing.key[part]) for part in entity.key}
        self._rows = paths.keys(self.listing.data_selector) if self.listing.data_selector else ()
        total = self.listing.paginator.total_path
        self._total = paths.keys(total) if total else None
        changed = self.listing.incremental.changed_path if self.listing.incremental else None
        self._changed = paths.keys(changed) if changed else None

    @property
    def per_minute(self) -> int:
        """How many requests the API takes for these records, by its newest answer."""
        return self._lane.pace.limit

    def windows(self, since: int, until: int | None, now: int) -> list[Window]:
        """The windows in which all is listed that changed from one instant to another.

        Without an end the last window has none: it is read last, and has what leaves the others meanwhile.
        One window for a list that cannot be asked until when; one of the whole list where that has no change
        filter, or one that is known to miss records (``full_scan_hours``).
        """
        changes = self.listing.incremental
        if changes is None or self.listing.full_scan_hours is not None:
            return [Window()]
        if changes.end_param is None:
            return [Window(since, until)]
        end = now if until is None else until
        starts = range(since, max(end, since + 1), WINDOW)
        windows = [Window(start, min(start + WINDOW, end)) for start in starts]
        return [*windows[:-1], Window(windows[-1].since, until)]

    async def page(self, window: Window, number: int) -> Page | Verdict:
        """One page, when the API answers; else why it is none: ``refused`` or ``unreadable``.

        Raises ``ListFault`` where the login is refused.
        """
        at, answer = await self._asker.answer(self._path(window, number))
        if isinstance(answer, Verdict):
            if answer.kind in ("login", "forbidden"):
                raise ListFault(answer.text.removesuffix(f" {LOGIN_FIX}"), LOGIN_FIX)
            return answer
        try:
            objects_ = objects(answer.body, self._rows)
            pages = self._pages(answer.body)
            keys = [self._entity_key(body) for body in objects_]
        except Unreadable as error:
            self._lane.away(self._judge.hidden(str(error)))
            return Verdict("unreadable", f"The answer is no page: {self._judge.hidden(str(error))}.")
        self._lane.work()
        if objects_ and not any(keys):
            what = f"none of its rows has the key {', '.join(self._key)}."
            return Verdict("unreadable", what)
        pairs = zip(keys, objects_, strict=True)
        found = [Row(key, body, self._changed_at(body, at)) for key, body in pairs if key]
        rows = [row for row in found if row.changed is None or row.changed <= (window.until or row.changed)]
        digest = hashlib.blake2b(b"\n".join(objects_)).digest() if objects_ else b""
        return Page(number, at, rows, keys.count(""), pages, digest)

    def _path(self, window: Window, number: int) -> str:
        pages, changes = self.listing.paginator, self.listing.incremental
        query: dict[str, Any] = {pages.page_param: number}
        if pages.size_param is not None:
            query[pages.size_param] = pages.size
        if changes is not None and window.since is not None:
            query |= self._filter(changes, window.since, window.until)
        return f"{self.listing.path}{'&' if '?' in self.listing.path else '?'}{urlencode(query)}"

    @staticmethod
    def _filter(changes: Incremental, since: int, until: int | None) -> dict[str, str]:
        """The change filter, wider than the window: by the overlap, and to days where these alone count."""
        by_day = changes.granularity == "day"
        start = since - round(changes.overlap_hours * 3600 * SECOND)
        if by_day:
            start = start // DAY * DAY - DAY
        query = {changes.start_param: events.iso(max(start, 0))[:19]}
        if changes.end_param is not None and until is not None:
            end = (until // DAY + 1) * DAY if by_day else until + SECOND
            query[changes.end_param] = events.iso(end)[:19]
        return query

    def _pages(self, body: bytes) -> int | None:
        if self._total is None:
            return None
        try:
            value = events.value_at(msgspec.json.decode(body.removeprefix(BYTE_ORDER_MARK)), self._total)
        except Poison as poison:
            raise Unreadable(poison.error) from None
        return value if isinstance(value, int) and value > 0 else None

    def _entity_key(self, row: bytes) -> str:
        """The entity key as a hook has it; empty where the row has none."""
        try:
            parts = key_parts(row, self._key).values()
        except Unreadable:
            return ""
        key = "|".join([part or "" for part in parts])
        known = all(part and part.strip() for part in parts) and "\0" not in key
        return key if known and len(key.encode()) <= MAX_KEY_BYTES else ""

    def _changed_at(self, row: bytes, at: int) -> int | None:
        """When its record last changed, where the row says so with an offset.

        None for what cannot be, such as the year 1, or more than a day after the request (``at``).
        """
        if self._changed is None:
            return None
        try:
            changed = datetime.fromisoformat(events.value_at(events.exact_json.decode(row), self._changed))
        except (TypeError, ValueError, Poison):
            return None
        instant = -1 if changed.tzinfo is None else events.microseconds(changed)
        return instant if 0 <= instant <= at + DAY else None
