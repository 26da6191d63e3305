"""What a backfill asks for and how far it is: the store of ``connector backfill``."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from connector import clocks, config
from connector.errors import StartupError
from connector.events import DeadLetter, Event
from connector.fetching.backfill import Backfill, Backfilled
from connector.hydrator.pages import RecordList
from connector.hydrator.ports import Answer
from connector.mirror.backfills import Backfills
from connector.mirror.hydration import DueKeys
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database
from tests.sources import ORDERS, STOCK, snapshot, with_sources
from tests.strategies import MINUTE, NOON, Mirror

LONG = 600.0


@pytest.fixture(scope="module", params=DATABASES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("backfills") / "mirror.db")
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    with strategies.mirror(with_sources(config.load(ROOT / "config", variables)), copied=True) as found:
        yield found


@pytest.fixture
def mirror(opened: Mirror) -> Mirror:
    opened.empty()
    with opened.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM _backfills")
    return opened


class Lists:
    """Pages of two rows, which one row leaves after the first request; Kafka's place as well."""

    def __init__(self, mirror: Mirror, family: str, rows: list[Any]) -> None:
        pages = {"type": "page_index", "page_param": "page"}
        name = {"orders": {"orderNumber": "orderNumber"}, "balances": STOCK["key"]}[family]
        listing = {"path": "List", "key": name, "paginator": pages, "full_scan_hours": 24}
        entity = {"orders": ORDERS, "balances": STOCK}[family]
        listing["rows_are_records"] = family == "balances"
        rate, settings = {"requests_per_minute": 10_000_000}, mirror.config
        entities = {family: entity | {"list": listing}}
        found = with_sources(settings, entities=entities, rate=rate, exclude=["secret"]).sources
        assert found is not None
        self.rows = rows
        self.requests = 0
        self.events: list[Event] = []
        list_ = RecordList(found, family, transport=self)
        store = Backfills(mirror.engine, shop="")
        self.backfill = Backfill(found, list_, store=store, publisher=self, report=lambda *_: None)

    def run(self) -> Backfilled:
        return asyncio.run(self.backfill.run(NOON, None))

    async def get(self, path: str) -> Answer:
        page = int(re.findall(r"page=(\d+)", path)[0])
        rows = self.rows[2 * page : 2 * page + 2]
        self.requests += 1
        if self.requests == 1:
            self.rows = [*self.rows[1:], self.rows[0]]  # which changed, and is the newest now
        return Answer(200, {}, json.dumps(rows).encode())

    async def publish(self, event: Event) -> None:
        self.events.append(event)

    async def park(self, letter: DeadLetter) -> None:
        raise AssertionError(letter)


def test_a_row_that_moves_to_a_page_that_was_read_is_asked_for_all_the_same(mirror: Mirror) -> None:
    lists = Lists(mirror, "orders", [{"orderNumber": str(number)} for number in range(5)])
    found = lists.run()
    assert asked(mirror) == ["0", "1", "2", "3", "4"]
    assert (found.records, lists.requests) == (5, 2 * 4)


def test_a_list_of_records_becomes_snapshots_that_are_newer_than_every_hook_before(mirror: Mirror) -> None:
    ahead = clocks.now() + 10 * MINUTE  # the clock of the gateway
    details = {"ProductNumber": "1", "Warehouse": "A", "Balance": 1}
    mirror.write(mirror.event("BalanceChanged", details, at=ahead, delivery="1"))
    rows = [{"productNumber": str(number), "warehouse": "A", "secret": 1} for number in range(5)]
    rows[3]["note"] = "\0"  # which no database keeps
    lists = Lists(mirror, "balances", rows)
    found = lists.run()
    assert (found.published, found.records, found.left_out) == (True, 4, 1)
    assert sorted(str(event.entity_key) for event in lists.events) == ["0|A", "1|A", "2|A", "4|A"]
    assert {event.action for event in lists.events} == {"StockSnapshot"}
    assert all(event.occurred_at > ahead and b"secret" not in event.details for event in lists.events)
    mirror.write(*lists.events)
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    assert keys.lease({"balances": (10, 10)}, LONG)[0] == []


def asked(mirror: Mirror) -> list[str]:
    """The keys that are due as background work, which are fetched at once."""
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    dues = keys.lease({"orders": (0, 100)}, LONG)[0]
    for due in dues:
        keys.mark(due, clocks.now(), None)
    return sorted(due.key for due in dues)


def test_a_backfill_goes_on_where_it_was_and_asks_for_each_key_once(mirror: Mirror) -> None:
    store = Backfills(mirror.engine, shop="")
    place, former = store.start("orders", NOON, None)
    assert (place[:2], place[3:], former) == ((NOON, None), (0, 0, None, 0, 0), None)
    second = store.ask("orders", place, place._replace(page=0, listed=3), ["1", "2", "2"])
    assert second.asked == 2
    assert Backfills(mirror.engine, shop="").start("orders", NOON, None) == (second, None)
    assert asked(mirror) == ["1", "2"]
    third = store.ask("orders", second, second._replace(page=1, listed=6), ["2", "3"])
    assert (third.asked, asked(mirror)) == (3, ["3"])
    store.finish("orders", third)
    again, former = store.start("orders", NOON, None)
    assert (again[3:], former) == ((0, 0, None, 0, 0), None)
    assert again.started_at > place.started_at


def test_other_dates_give_up_an_unfinished_backfill_and_a_second_one_at_once_is_refused(
    mirror: Mirror,
) -> None:
    store = Backfills(mirror.engine, shop="")
    place, _ = store.start("orders", NOON, None)
    forward = store.ask("orders", place, place._replace(page=4), ["1"])
    with pytest.raises(StartupError, match="Another backfill of orders runs"):
        store.ask("orders", place, place._replace(page=0), ["9"])
    assert asked(mirror) == ["1"]  # and not 9
    other, former = store.start("orders", NOON, NOON + MINUTE)
    assert (former, other.page, other.changed_until) == (forward, None, NOON + MINUTE)
    with pytest.raises(StartupError, match="Another backfill of orders runs"):
        store.finish("orders", forward)


def test_a_list_is_newer_than_all_that_is_known_of_its_records(mirror: Mirror) -> None:
    store = Backfills(mirror.engine, shop="")
    assert store.newest("orders") == 0
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, at=NOON, delivery="1"))
    assert store.newest("orders") == NOON
    mirror.write(snapshot("1", NOON + MINUTE))
    assert store.newest("orders") == NOON + MINUTE
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    keys.ask([("orders", "2")])
    (due,) = keys.lease({"orders": (0, 1)}, LONG)[0]
    keys.mark(due, NOON + 2 * MINUTE, None)
    assert (store.newest("orders"), store.newest("products")) == (NOON + 2 * MINUTE, 0)


def test_what_a_list_publishes_is_noted_so_that_no_hydrator_looks_for_it(mirror: Mirror) -> None:
    store = Backfills(mirror.engine, shop="")
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    keys.ask([("orders", "1")])
    (due,) = keys.lease({"orders": (0, 1)}, LONG)[0]
    keys.mark(due, NOON, None)
    place, _ = store.start("orders", NOON, None)
    assert store.mark("orders", place, place._replace(page=0), ["1", "2"], NOON + MINUTE).asked == 2
    mirror.write(snapshot("1", NOON + MINUTE))
    fresh = DueKeys(mirror.engine, shop="", hydrator="one")  # which looks for what was missed at once
    assert fresh.lease({"orders": (10, 10)}, LONG)[0] == []
