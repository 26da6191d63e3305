"""A list read page by page, from its first page or from where a former reading was, to its end.

A list is no snapshot: rows move to other pages while it is read, and its pages become fewer. To
see every row, read it twice. What can never be read to an end raises ``ListFault`` and is not repeated.
"""

import asyncio

from connector import retry
from connector.hydrator.pages import ListFault, Page, RecordList, Window

# How often a page is asked for that is none, and that the API says is behind the last one.
TRIES, REFUSALS = 5, 2
TRIES_SECONDS = (1.0, 30.0)
# So many pages in a row without a key that the pages before had not: the list goes round.
STALE_PAGES = 50


class ListReading:
    """One reading of a list; ``note`` says where it ended before the last page that there was to be."""

    def __init__(self, list_: RecordList, window: Window, page: int | None = None) -> None:
        """``page`` is the number of the first page to read, None for the list's first."""
        self._list = list_
        self._window = window
        self._first = list_.listing.paginator.first
        self._number = self._first if page is None else page
        self._pages: int | None = None
        self._ended = False
        self._numbers: dict[bytes, int] = {}  # of the pages read, by their rows
        self._keys: set[str] = set()
        self._stale = 0
        self.note: str | None = None

    async def next(self) -> Page | None:
        """The next page, None behind the last; raises ``ListFault`` for a list that cannot be read on."""
        if self._ended:
            return None
        most = self._list.listing.paginator.max_pages
        if self._number - self._first >= most:
            raise self._endless(f"it has more than {most:,} pages (max_pages)")
        page = await self._ask()
        if page is None:
            self._ended = True
            return None
        fresh = {row.key for row in page.rows} - self._keys
        self._stale = 0 if fresh or not page.rows else self._stale + 1
        if self._stale >= STALE_PAGES:
            raise self._endless(f"its last {STALE_PAGES} pages have no record that was not listed before")
        self._keys |= fresh
        self._numbers[page.digest] = page.number
        self._pages = page.pages
        self._ended = page.pages is not None and self._is_last(page.pages)
        self._number += 1
        return page

    async def _ask(self) -> Page | None:
        """The page, or None behind the last; one that cannot be right is asked for again."""
        pause = retry.growing(*TRIES_SECONDS)
        why, repeated, behind = "", False, 0
        for tries in range(1, TRIES + 1):
            page = await self._list.page(self._window, self._number)
            if isinstance(page, Page) and page.digest and page.digest not in self._numbers:
                return page
            repeated = False
            if not isinstance(page, Page):
                why = f"is none: {page.text}"
                behind += page.kind in ("refused", "missing") and self._number > self._first
            elif page.digest:
                repeated, why = True, f"has the rows of page {self._numbers[page.digest]}."
            elif page.pages is None or self._is_last(page.pages):
                return None
            else:
                why = "is empty."
                behind += 1
            if behind == REFUSALS:
                # There are fewer pages by now, or the list never says how many.
                self.note = None if self._pages is None else f"page {self._number} of {self._pages} {why}"
                return None
            if tries < TRIES:
                await asyncio.sleep(pause(tries))
        if repeated:
            raise self._endless(f"page {self._number} {why.rstrip('.')}")
        what = f"The list of {self._list.family} cannot be read: page {self._number} {why}"
        raise ListFault(what, "look at list of the family in sources.yaml, and run it again")

    def _is_last(self, pages: int) -> bool:
        return self._number - self._first + 1 >= pages

    def _endless(self, why: str) -> ListFault:
        what = f"The list of {self._list.family} never ends: {why}."
        return ListFault(what, "look at paginator of its list in sources.yaml, and run it again")
