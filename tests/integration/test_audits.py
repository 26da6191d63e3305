"""Audits: the mirror compared with the simulated shop, record by record and cell by cell."""

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from connector import clocks, config
from connector.errors import StartupError
from connector.events import DeadLetter, Event
from connector.fetching.audit import Audited, FamilyAudit
from connector.hydrator.ports import Answer
from connector.hydrator.record_reader import RecordReader
from connector.mirror.audits import Audits
from connector.mirror.backfills import Backfills
from connector.mirror.entities import Entity
from connector.mirror.erasure import erase
from connector.mirror.hydration import DueKeys
from connector.mirror.mapping import Mapping
from connector.simulator.api import ApiOptions, SimulatedApi
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database
from tests.sources import snapshot
from tests.strategies import MINUTE, NOON, Mirror

FAMILIES = ("orders", "balances")
VARIABLES = {
    "XTND_API_URL": "http://127.0.0.1:1/RESTAPI/v1_0/demo",
    "XTND_API_USER": "simulator",
    "XTND_API_PASSWORD": "simulator",
    "XTND_WEBHOOK_SECRET": SECRET,
}
MANY = 100_000


class Killed(Exception):
    """The process ends here."""


class Shelf:
    """A shop, its API, and the mirror that is audited; Kafka's place as well."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        found = mirror.config.sources
        assert found is not None
        rate = found.rate.model_copy(update={"requests_per_minute": MANY, "background_share": 1})
        quick = {name: one.model_copy(update={"settle_seconds": 0}) for name, one in found.entities.items()}
        self.sources = found.model_copy(update={"rate": rate, "entities": quick})
        self.records = ShopRecords(1)
        shop = Shop(1, self.records)
        for _ in islice(shop.deliveries(), 150):
            pass
        self.api = SimulatedApi(self.records, 1, ApiOptions(rate=MANY))
        self._headers = {name.lower(): value for name, value in self.sources.request_headers.items()}
        self.gets: list[str] = []
        self.published: list[Event] = []
        self.dies_at = 0
        self.fails: Answer | None = None

    async def get(self, path: str) -> Answer:
        self.gets.append(path)
        if self.fails is not None:
            return self.fails
        found = self.api.answer("GET", f"/RESTAPI/v1_0/demo/{path}", self._headers)
        return Answer(found.status, found.headers, found.body)

    async def publish(self, event: Event) -> None:
        if self.dies_at and len(self.gets) >= self.dies_at:
            raise Killed
        self.published.append(event)

    async def park(self, letter: DeadLetter) -> None:
        raise AssertionError(letter)

    def keys(self, family: str) -> list[str]:
        return sorted(self.records.family(family))

    def read(self, family: str) -> list[Event]:
        """The shop's records as snapshots."""

        async def act() -> list[Event | None]:
            reader = RecordReader(self.sources, family, transport=self)
            return [await reader.read(key, 0) for key in self.keys(family)]

        return [event for event in asyncio.run(act()) if event is not None]

    def fill(self, family: str) -> None:
        """Have the mirror as the shop is."""
        self.mirror.write(*self.read(family))
        self.gets.clear()

    def audit(self, family: str = "orders", sample: int | None = None, *, dry: bool = False) -> Audited:
        engine, settings = self.mirror.engine, self.mirror.config
        one = FamilyAudit(
            self.sources,
            family,
            audits=Audits(engine, settings, self.mirror.mapping, family),
            backfills=Backfills(engine, shop=""),
            transport=self,
            publisher=None if dry else self,
            report=lambda *_: None,
        )
        return asyncio.run(one.run(sample))

    def mirrored(self) -> None:
        """What the worker does with what was published."""
        self.mirror.write(*self.published)
        self.published.clear()

    def execute(self, *statements: str) -> None:
        with self.mirror.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def drift(self, *columns: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row[name] for name in columns) for row in self.mirror.rows("drift"))

    def asked(self) -> list[str]:
        """The keys that the hydrator fetches as background work."""
        dues, _ = DueKeys(self.mirror.engine, shop="", hydrator="one").lease({"orders": (0, 100)}, 600.0)
        return sorted(due.key for due in dues)


@pytest.fixture(scope="module", params=DATABASES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("audits") / "mirror.db")
    found = config.load(ROOT / "config", VARIABLES | {"DATABASE_URL": url}, {}, with_login=True)
    with strategies.mirror(found, copied=True) as mirror:
        yield mirror


@pytest.fixture
def shelf(opened: Mirror) -> Shelf:
    opened.empty()
    return Shelf(opened)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mirror_that_is_as_the_source_has_no_drift(shelf: Shelf, family: str) -> None:
    shelf.fill(family)
    found = shelf.audit(family)
    assert (found.compared, found.drifted, found.moved) == (len(shelf.keys(family)), 0, 0)
    assert (found.left_out, shelf.drift("family"), shelf.published) == (0, [], [])
    assert (len(shelf.gets) < len(shelf.keys(family))) == (family == "balances")


def test_what_differs_is_drift_and_the_record_that_was_read_repairs_it(shelf: Shelf) -> None:
    shelf.fill("orders")
    cell, row, header, extra = shelf.keys("orders")[:4]
    (position, *_) = [
        one["position"] for one in shelf.mirror.rows("order_rows") if one["order_number"] == row
    ]
    names = ", ".join(one for one in shelf.mirror.rows("_order_rows")[0] if one != "position")
    shelf.execute(
        f"UPDATE _order_details SET order_type = 'XXX' WHERE order_number = '{cell}'",
        f"DELETE FROM _order_rows WHERE order_number = '{row}' AND position = '{position}'",
        f"DELETE FROM _order_details WHERE order_number = '{header}'",
        f"INSERT INTO _order_rows (position, {names}) SELECT '999', {names} FROM _order_rows "
        f"WHERE order_number = '{extra}' ORDER BY position LIMIT 1",
    )
    found = shelf.audit()
    assert (found.compared, found.drifted, found.cells) == (len(shelf.keys("orders")), 4, 4)
    assert shelf.drift("entity_key", "table_name", "row_key", "column_name") == sorted(
        [
            (cell, "order_details", "", "order_type"),
            (row, "order_rows", f"{position}|0", ""),
            (header, "order_details", "", ""),
            (extra, "order_rows", "999|0", ""),
        ]
    )
    by_key = {row["entity_key"]: (row["mirrored"], row["source"]) for row in shelf.mirror.rows("drift")}
    assert by_key[cell] == ("XXX", "Normal")
    assert by_key[row][0] is None
    assert json.loads(str(by_key[extra][0])).keys() >= {"product_number", "quantity"}
    assert sorted(str(one.entity_key) for one in shelf.published) == sorted([cell, row, header, extra])
    shelf.mirrored()
    assert shelf.audit().drifted == 0


def test_a_record_that_the_source_has_no_more_is_asked_of_the_hydrator(shelf: Shelf) -> None:
    shelf.fill("orders")
    key = shelf.keys("orders")[0]
    shelf.records.delete("orders", key)
    found = shelf.audit()
    assert (found.drifted, shelf.published, shelf.asked()) == (1, [], [key])
    assert [row[:2] for row in shelf.drift("entity_key", "column_name", "source")] == [(key, "gone_at")]


def test_an_audit_that_is_killed_goes_on_and_each_difference_is_one_row(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.fetching.audit.CHUNK", 2)
    shelf.fill("orders")
    keys = shelf.keys("orders")
    shelf.execute("UPDATE _order_details SET order_type = 'XXX'")
    shelf.dies_at = 4
    with pytest.raises(Killed):
        shelf.audit()
    compared = shelf.mirror.rows("_audits")[0]["compared"]
    assert 0 < compared < len(keys)
    noted = len(shelf.drift("entity_key"))
    assert noted > compared  # before they are repaired
    shelf.dies_at = 0
    shelf.gets.clear()
    found = shelf.audit()
    assert (found.resumed, found.compared, found.drifted) == (True, len(keys), len(keys))
    assert len(shelf.gets) == len(keys) - compared
    assert [key for (key,) in shelf.drift("entity_key")] == keys
    assert not shelf.audit().resumed


def test_an_audit_of_a_list_that_is_killed_goes_on_with_its_last_page_and_with_what_no_page_had(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.fetching.audit.CHUNK", 2)
    shelf.fill("balances")
    shelf.api = SimulatedApi(shelf.records, 1, ApiOptions(rate=MANY, page_size=3))
    shelf.mirror.write(*[snapshot(f"gone-{place}|A", NOON, family="balances") for place in range(5)])
    everything = len(shelf.keys("balances")) + 5

    def die_at(name: str, times: int) -> None:
        left = [times]

        def reach(point: str) -> None:
            left[0] -= point == name
            if left[0] == 0:
                raise Killed

        monkeypatch.setattr("connector.failpoints.reach", reach)

    def killed() -> tuple[list[str], list[str]]:
        shelf.gets.clear()
        with pytest.raises(Killed):
            shelf.audit("balances")
        return listed_and_single()

    def listed_and_single() -> tuple[list[str], list[str]]:
        lists = [get for get in shelf.gets if "pageNumber" in get and "modified" not in get]
        return lists, [get for get in shelf.gets if "productNumber=" in get]

    die_at("audit-page", 3)
    assert [len(gets) for gets in killed()] == [3, 0]
    die_at("audit-compared", 2)
    lists, single = killed()
    assert "pageNumber=3" in lists[0]
    assert len(single) == 2
    die_at("never", 1)
    shelf.gets.clear()
    found = shelf.audit("balances")
    again, rest = listed_and_single()
    assert again == lists[-1:]
    assert not set(single) & set(rest)
    assert (found.resumed, found.compared + found.moved + found.left_out) == (True, everything)
    assert not shelf.audit("balances", dry=True).resumed


def test_a_second_audit_of_a_family_says_that_another_one_runs(shelf: Shelf) -> None:
    audits = Audits(shelf.mirror.engine, shelf.mirror.config, shelf.mirror.mapping, "orders")
    first = audits.start(from_start=False)
    second = audits.start(from_start=False)
    for _ in range(2):  # again where the database's answer was lost
        audits.advance(first, first._replace(entity_key="2"), (), ())
    audits.advance(first._replace(entity_key="2"), first._replace(entity_key="3"), (), ())
    with pytest.raises(StartupError, match="Another audit of orders runs"):
        audits.advance(second, second._replace(entity_key="2"), (), ())


def test_what_a_hook_asks_for_or_what_was_fetched_meanwhile_is_left_to_the_hydrator(shelf: Shelf) -> None:
    shelf.fill("orders")
    hooked, fetched = shelf.keys("orders")[:2]
    shelf.execute("UPDATE _order_details SET order_type = 'XXX'")
    picked = shelf.mirror.event("OrderPicked", {"OrderNumber": hooked}, at=clocks.now(), delivery="late")
    shelf.mirror.write(picked)
    shelf.execute(
        "INSERT INTO _hydration_work (shop, family, entity_key, again_at, trouble, tries) "
        f"VALUES ('', 'orders', '{fetched}', '2999-01-01T00:00:00.000000Z', '', 0)"
    )
    found = shelf.audit(dry=True)
    assert (found.moved, found.drifted) == (2, len(shelf.keys("orders")) - 2)
    assert not {f"CustomerOrders/{key}" for key in (hooked, fetched)} & {*shelf.gets}


def test_a_record_that_was_mirrored_after_the_answer_is_left_alone(shelf: Shelf) -> None:
    shelf.fill("orders")
    answers = shelf.read("orders")
    shelf.mirror.write(*shelf.read("orders"))
    shelf.execute("UPDATE _order_details SET order_type = 'XXX'")
    audits = Audits(shelf.mirror.engine, shelf.mirror.config, shelf.mirror.mapping, "orders")
    found = audits.compare(answers)
    assert (sorted(found.moved), found.differences) == (shelf.keys("orders"), [])


def test_a_hook_that_was_on_its_way_explains_what_the_mirror_had_not_yet(shelf: Shelf) -> None:
    shelf.fill("orders")
    one, other = shelf.keys("orders")[:2]
    shelf.execute(
        f"UPDATE _order_details SET order_type = 'XXX' WHERE order_number IN ('{one}', '{other}')",
    )
    audits = Audits(shelf.mirror.engine, shelf.mirror.config, shelf.mirror.mapping, "orders")
    assert shelf.audit().drifted == 2
    place = audits.start(from_start=False)._replace(started_at=0)
    started = clocks.now() - MINUTE // 4
    shelf.mirror.write(shelf.mirror.event("OrderPicked", {"OrderNumber": one}, at=started, delivery="late"))
    shelf.execute("UPDATE _drift SET started_at = '1970-01-01T00:00:00.000000Z'")
    assert audits.drift(place) == (1, 1)
    assert shelf.drift("entity_key") == [(other,)]


def test_the_numbers_of_hooks_are_compared_with_those_of_the_source(shelf: Shelf) -> None:
    right, wrong, newer = shelf.keys("balances")[:3]
    levels = {key: shelf.records.state("balances", key) for key in (right, wrong, newer)}
    for at, (key, state) in enumerate(levels.items()):
        assert state is not None
        product, warehouse = key.split("|")
        balance = str(state.facts["physicalBalance"]) if key == right else 12345
        details = {"ProductNumber": product, "Warehouse": warehouse, "Balance": balance}
        when = clocks.now() + MINUTE * (key == newer) - MINUTE // 2
        shelf.mirror.write(shelf.mirror.event("BalanceChanged", details, at=when, delivery=str(at)))
    shelf.fill("balances")
    hooked = {"ProductNumber": newer.split("|")[0], "Warehouse": newer.split("|")[1], "Balance": 12345}
    shelf.mirror.write(
        shelf.mirror.event("BalanceChanged", hooked, at=clocks.now() + 2 * MINUTE, delivery="newer")
    )
    found = shelf.audit("balances")
    assert (found.drifted, found.moved, shelf.published) == (1, 1, [])
    assert shelf.drift("entity_key", "table_name", "column_name", "mirrored") == [
        (wrong, "stock_balances", "balance", "12345")
    ]


def test_what_is_forgotten_is_in_no_drift(shelf: Shelf) -> None:
    shelf.fill("orders")
    before, after, *others = shelf.keys("orders")
    shelf.execute("UPDATE _order_details SET order_type = 'XXX'")
    audits = Audits(shelf.mirror.engine, shelf.mirror.config, shelf.mirror.mapping, "orders")
    place = audits.start(from_start=True)
    answers = shelf.read("orders")
    found = audits.compare(answers)
    erase(shelf.mirror.engine, shelf.mirror.mapping, Entity("", "orders", before), dry_run=False)
    audits.note(place, found, answers)
    erase(shelf.mirror.engine, shelf.mirror.mapping, Entity("", "orders", after), dry_run=False)
    audits.advance(place, place, (), [before, *others])
    assert [key for (key,) in shelf.drift("entity_key")] == others
    assert shelf.asked() == others


def test_a_sample_and_a_dry_run_note_no_place(shelf: Shelf) -> None:
    shelf.fill("orders")
    shelf.execute("UPDATE _order_details SET order_type = 'XXX'")
    dry = shelf.audit(dry=True)
    assert (dry.drifted, dry.compared) == (len(shelf.keys("orders")),) * 2
    assert (shelf.drift("family"), shelf.published) == ([], [])
    found = shelf.audit(sample=3)
    assert (found.compared, found.drifted, len(shelf.drift("family"))) == (3, 3, 3)
    assert shelf.mirror.rows("_audits") == []


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Answer(401, {}, b"denied"), "denied"),
        (Answer(404, {}, b"{}"), "Look whether XTND_API_URL"),
        (Answer(200, {}, b"<html>"), "No record of orders can be read"),
    ],
)
def test_an_api_that_gives_no_record_at_all_ends_the_audit_with_the_setting_to_look_at(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, answer: Answer, what: str
) -> None:
    async def at_once(_: float) -> None:
        return None

    shelf.fill("orders")
    shelf.fails = answer
    if answer.status == 200:
        monkeypatch.setattr("connector.hydrator.lane.AWAY_SECONDS", (0.01, 0.01))
    with pytest.raises(StartupError, match=what):
        shelf.audit()
    assert shelf.drift("family") == []


def test_a_mirror_that_another_configuration_made_is_not_compared(shelf: Shelf) -> None:
    tables = {name: one for name, one in shelf.mirror.config.tables.items() if name != "order_shipments"}
    other = shelf.mirror.config.model_copy(update={"tables": tables, "views": {}})
    audits = Audits(shelf.mirror.engine, other, Mapping(other), "orders")
    with pytest.raises(StartupError, match="made by another tables"):
        audits.start(from_start=True)
