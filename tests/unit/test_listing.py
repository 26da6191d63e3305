"""Lists read page by page from the simulated API, in virtual time: every row, or a clear end."""

import asyncio
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import config
from connector.hydrator.listing import ListReading
from connector.hydrator.pages import DAY, WINDOW, ListFault, Page, RecordList, Window
from connector.hydrator.ports import Answer, ApiOutage
from connector.simulator.api import ApiOptions, Quirk, SimulatedApi
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests import virtual_time
from tests.configurations import SHIPPED
from tests.hydrator_world import START

FAMILIES = ("orders", "purchases", "products", "customers", "offers", "invoices", "balances")
PAGE = 3
MICRO = 1_000_000
VARIABLES = {
    "XTND_API_URL": "http://127.0.0.1:1/RESTAPI/v1_0/demo",
    "XTND_API_USER": "simulator",
    "XTND_API_PASSWORD": "simulator",
    "XTND_WEBHOOK_SECRET": "0" * 64,
}
NOW_AND_THEN = (
    *(Quirk.OUTAGES, Quirk.SHRINKING_LISTS, Quirk.UNDATED_ROWS, Quirk.RETRY_AFTER_ZERO),
    *(Quirk.LYING_HEADERS, Quirk.HTML, Quirk.EMPTY_BODIES, Quirk.REPEATED_PAGES, Quirk.REDIRECTS),
)


class Shelf:
    """The lists of a shop in which some time has passed; ``paths`` are the requests."""

    def __init__(self, *quirks: Quirk, deliveries: int = 250, **options: Any) -> None:
        found = config.parse(SHIPPED, VARIABLES, with_login=True).sources
        assert found is not None
        self._sources = found
        self.paths: list[str] = []
        self.answers: dict[int, Answer | ApiOutage] = {}
        records = ShopRecords(1, clock=self.now)
        self._deliveries = Shop(1, records).deliveries()
        api = ApiOptions(quirks=frozenset(quirks), page_size=PAGE, **{"rate": 6000, **options})
        self._api = SimulatedApi(records, 1, api)
        self._headers = {name.lower(): value for name, value in found.request_headers.items()}
        self.live(deliveries)

    def live(self, deliveries: int) -> None:
        """Let things happen in the shop."""
        for _ in islice(self._deliveries, deliveries):
            pass

    @staticmethod
    def now() -> int:
        return int((START + asyncio.get_running_loop().time()) * MICRO)

    async def get(self, path: str) -> Answer:
        self.paths.append(path)
        answer = self.answers.get(len(self.paths))
        if isinstance(answer, ApiOutage):
            raise answer
        if answer is not None:
            return answer
        found = self._api.answer("GET", f"/RESTAPI/v1_0/demo/{path}", self._headers)
        date = formatdate(self.now() / MICRO, usegmt=True)
        await asyncio.sleep(found.delay_seconds + 0.05)
        return Answer(found.status, {**found.headers, "date": date}, found.body)

    def list_(self, family: str, **paginator: Any) -> RecordList:
        sources = self._sources
        entity = sources.entities[family]
        assert entity.list is not None
        size = {"size": PAGE} if entity.list.paginator.size_param else {}
        pages = entity.list.paginator.model_copy(update=size | paginator)
        listing = entity.list.model_copy(update={"paginator": pages})
        entities = {family: entity.model_copy(update={"list": listing})}
        return RecordList(
            sources.model_copy(update={"entities": entities}),
            family,
            transport=self,
            steady=asyncio.get_running_loop().time,
            now=self.now,
        )

    def truth(self, family: str) -> set[str]:
        return {key for one, key in self._api.truth() if one == family}


async def read(list_: RecordList, window: Window, first: int | None = None) -> tuple[list[Page], ListReading]:
    reading, pages = ListReading(list_, window, first), []
    while (page := await reading.next()) is not None:
        pages.append(page)
    return pages, reading


def keys(pages: list[Page]) -> list[str]:
    return [row.key for page in pages for row in page.rows]


def run(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    virtual_time.run(act())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_record_of_a_family_is_listed_in_both_styles_of_pages(family: str) -> None:
    async def act() -> None:
        shelf = Shelf()
        list_, now = shelf.list_(family), shelf.now()
        windows = list_.windows(now - DAY, None, now)
        found = [key for window in windows for key in keys((await read(list_, window))[0])]
        assert set(found) == shelf.truth(family)
        assert len(shelf.paths) > 1
        assert all("Date" in path for path in shelf.paths) == (family not in ("offers", "products"))

    run(act)


@settings(max_examples=8, deadline=None)
@given(
    quirks=st.sets(st.sampled_from(NOW_AND_THEN)),
    family=st.sampled_from(FAMILIES),
    rate=st.sampled_from([5, 60, 6000]),
)
def test_every_record_is_listed_whatever_the_api_does_now_and_then(
    quirks: set[Quirk], family: str, rate: int
) -> None:
    async def act() -> None:
        shelf = Shelf(*quirks, share=0.15, rate=rate, deliveries=80)
        list_, now = shelf.list_(family), shelf.now()
        (window,) = list_.windows(now - DAY, None, now)
        pages, _ = await read(list_, window)
        assert set(keys(pages)) == shelf.truth(family)

    run(act)


def test_a_list_that_goes_round_stops_with_a_clear_line() -> None:
    async def act() -> None:
        shelf = Shelf(Quirk.ENDLESS_LISTS)
        for family in ("orders", "customers"):
            with pytest.raises(
                ListFault, match=rf"list of {family} never ends: page \d+ has the rows of page"
            ):
                await read(shelf.list_(family), Window(0, shelf.now()))
        assert len(shelf.paths) < 200
        with pytest.raises(ListFault, match=r"more than 2 pages \(max_pages\)"):
            await read(shelf.list_("orders", max_pages=2), Window(0, shelf.now()))

    run(act)


def test_a_page_that_the_api_refuses_ends_the_list_behind_the_first_one_alone() -> None:
    async def act() -> None:
        refused = Answer(400, {}, b'{"Message": "Page 3 does not exist."}')
        shelf = Shelf()
        shelf.answers = {3: refused, 4: refused}
        pages, reading = await read(shelf.list_("balances"), Window())
        assert (len(pages), len(shelf.paths)) == (2, 4)
        assert "does not exist" in str(reading.note)
        shelf = Shelf()
        shelf.answers = dict.fromkeys(range(1, 9), refused)
        with pytest.raises(ListFault, match=r"page 1 is none: The API answers 400 .* does not exist"):
            await read(shelf.list_("balances"), Window())
        assert len(shelf.paths) == 5

    run(act)


def test_a_login_that_is_refused_stops_at_once_and_names_the_setting() -> None:
    async def act() -> None:
        shelf = Shelf()
        shelf.answers = {1: Answer(401, {}, b"Authorization has been denied for this request.")}
        with pytest.raises(ListFault, match=r"(?s)401 .*XTND_API_USER and XTND_API_PASSWORD"):
            await read(shelf.list_("orders"), Window())
        assert len(shelf.paths) == 1

    run(act)


def test_an_outage_is_waited_for_with_growing_pauses() -> None:
    async def act() -> None:
        shelf = Shelf()
        shelf.answers = {number: ApiOutage("no connection") for number in range(1, 40)}
        pages, _ = await read(shelf.list_("offers"), Window())
        assert set(keys(pages)) == shelf.truth("offers")
        assert asyncio.get_running_loop().time() > 20 * 30

    run(act)


def test_what_changes_while_its_list_is_read_is_listed_unless_an_end_was_given() -> None:
    async def act() -> None:
        shelf = Shelf()
        orders, start = shelf.list_("orders"), shelf.now()
        await asyncio.sleep(1)
        shelf.live(250)
        (window,) = orders.windows(start - DAY, None, start)
        assert set(keys((await read(orders, window))[0])) == shelf.truth("orders")
        (window,) = orders.windows(start - DAY, start, start)
        assert set(keys((await read(orders, window))[0])) < shelf.truth("orders")

    run(act)


def test_rows_without_a_key_are_left_out_and_a_page_of_them_is_no_page() -> None:
    async def act() -> None:
        rows = b'[{"orderNumber": "1"}, {"orderNumber": null}, {"orderNumber": " "}, {"orderNumber": 2}, {}]'
        shelf = Shelf()
        shelf.answers = {1: Answer(200, {}, rows), 2: Answer(200, {}, b"[]")}
        (page,), _ = await read(shelf.list_("orders"), Window())
        assert (keys([page]), page.keyless) == (["1", "2"], 3)
        shelf = Shelf()
        shelf.answers = dict.fromkeys(range(1, 9), Answer(200, {}, b'[{"number": "1"}]'))
        with pytest.raises(ListFault, match="none of its rows has the key orderNumber"):
            await read(shelf.list_("orders"), Window())

    run(act)


def test_windows_are_bounded_where_the_list_can_be_asked_until_when() -> None:
    async def act() -> None:
        shelf = Shelf(deliveries=1)
        assert len(shelf.list_("invoices").windows(0, None, 3 * WINDOW + 1)) == 4
        assert shelf.list_("invoices").windows(0, None, WINDOW)[-1] == Window(0, None)
        assert shelf.list_("orders").windows(0, 5, 3 * WINDOW) == [Window(0, 5)]
        assert shelf.list_("offers").windows(0, 5, 3 * WINDOW) == [Window()]
        await read(shelf.list_("purchases"), Window(10 * DAY + 5, 12 * DAY + 5))
        assert (
            "changeDateFrom=1970-01-09T00%3A00%3A00&changeDateTo=1970-01-14T00%3A00%3A00" in shelf.paths[-1]
        )
        await read(shelf.list_("invoices"), Window(10 * DAY, 12 * DAY))
        assert (
            "changeDateFrom=1970-01-10T00%3A00%3A00&changeDateTo=1970-01-13T00%3A00%3A01" in shelf.paths[-1]
        )

    run(act)
