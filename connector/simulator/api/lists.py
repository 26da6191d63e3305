"""Pages of the lists, with what a record was when its page was asked for."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connector.simulator.api.bodies import DAY, Bodies, Body, shapes
from connector.simulator.api.listings import LISTS, ListResource
from connector.simulator.api.quirks import Quirk
from connector.simulator.records import RecordState, ShopRecord, stockholm

PAGINATION = "paginationInfo"
# The rows of a page where the caller asks for another number of them, at most.
MAX_PAGE_SIZE = 1000
ENDLESS = 1_000_000  # pages
# XTND hides products that never changed. In this shop each one changes at least once.
SELDOM = 1  # changes
DEFAULT_PAGE_COUNT = 100


class BadRequest(Exception):
    """The message is that of the answer with status 400."""


class Entry(NamedTuple):
    """One row that a list will show: a record as it is seen now, and which of its rows (from 0)."""

    record: ShopRecord
    state: RecordState
    place: int


class Lists:
    """All lists of one shop. ``view`` gives a record as the API sees it now, None when it sees none."""

    def __init__(
        self,
        bodies: Bodies,
        records: Callable[[str], Mapping[str, ShopRecord]],
        view: Callable[[ShopRecord], RecordState | None],
        quirks: frozenset[Quirk],
        page_size: int,
    ) -> None:
        self._bodies = bodies
        self._records = records
        self._view = view
        self._quirks = quirks
        self._page_size = page_size

    def page(self, resource: str, query: Mapping[str, str], *, shrinks: bool, repeats: bool) -> Any:
        """One page. ``shrinks``: there is one page less than it says; ``repeats``: the page before it.

        Raises ``BadRequest``, with ``SHRINKING_LISTS`` also beyond the last page.
        """
        listing = LISTS[resource]
        first = 0 if listing.data is None else 1
        page = _whole(query, "pageOffset" if listing.data is None else "pageNumber", first, least=first)
        size = self._page_size
        if listing.data is None:
            size = min(_whole(query, "pageCount", DEFAULT_PAGE_COUNT, least=1), MAX_PAGE_SIZE)
        entries = list(self._entries(resource, listing, query))
        pages = max(1, math.ceil(len(entries) / size))
        if Quirk.ENDLESS_LISTS in self._quirks:
            number, shown_pages = (page - first) % pages, ENDLESS
        else:
            number, shown_pages = page - first, pages + shrinks
            if number >= pages and Quirk.SHRINKING_LISTS in self._quirks:
                raise BadRequest(f"Page {page} does not exist. The last page is {pages - 1 + first}.")
        number = max(0, number - repeats)
        rows = [self._row(resource, listing, one) for one in entries[number * size : (number + 1) * size]]
        if listing.data is None:
            return rows
        info = {"currentPage": page, "totalPages": shown_pages, "pageSize": size}
        return {listing.data: rows, PAGINATION: info | {"totalResources": len(entries), "message": None}}

    def _entries(self, resource: str, listing: ListResource, query: Mapping[str, str]) -> Iterator[Entry]:
        by_day = Quirk.DAY_FILTER in self._quirks and resource == "PurchaseOrders"
        changed = _window(query, listing.changed, by_day=by_day)
        created = _window(query, listing.created)
        equal = {name: query[name] for name in listing.equal if name in query}
        known = self._records(listing.family)
        records: Iterable[ShopRecord] = known.values()
        if listing.family == "balances" and len(equal) == len(listing.equal):
            # One balance is asked for as often as all else together.
            one = known.get(f"{equal['productNumber']}|{equal['warehouse']}")
            records = [] if one is None else [one]
        if Quirk.MOVING_ROWS in self._quirks:
            records = sorted(records, key=lambda record: record.touched_at)
        hidden = (
            Quirk.UNCHANGED_PRODUCTS in self._quirks and resource == "Products" and changed[0] > -math.inf
        )
        for record in records:
            state = self._view(record)
            if (
                state is not None
                and changed[0] <= state.changed_at <= changed[1]
                and created[0] <= record.created_at <= created[1]
                and not (hidden and record.changes <= SELDOM)
                and all(state.facts[name] == value for name, value in equal.items())
            ):
                for index in range(listing.rows(state.facts)):
                    yield Entry(record, state, index)

    def _row(self, resource: str, listing: ListResource, entry: Entry) -> Body:
        shape = shapes()[resource]
        tree = shape if listing.data is None else shape[listing.data][0]
        own = listing.row(self._bodies.body(entry.record, entry.state), entry.place)
        facts = {name: own[name] for name in tree if name in own}
        if "changeDate" in tree:
            facts["changeDate"] = stockholm(entry.state.changed_at)
        row: Body = self._bodies.filled(entry.record, entry.state, tree, facts)
        # Rows of balances are the records themselves.
        if Quirk.UNDATED_ROWS in self._quirks and listing.family != "balances":
            row.pop("changeDate", None)
        return row


def _whole(query: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise BadRequest(f"{name} must be a whole number from {least}.")
    return int(text)


def _window(query: Mapping[str, str], names: tuple[str, ...], *, by_day: bool = False) -> tuple[float, float]:
    """The instants from and to which a filter asks; ``by_day`` forgets the time of day of both."""
    limits = [-math.inf, math.inf]
    for place, name in enumerate(names):
        if name in query:
            try:
                instant = datetime.fromisoformat(query[name])
            except ValueError:
                raise BadRequest(f"{name} is no date.") from None
            # An instant without a zone is UTC.
            at = round((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1_000_000)
            limits[place] = at // DAY * DAY if by_day else at
    return limits[0], limits[1]
