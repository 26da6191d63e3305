"""Sweeps: what a list has that is newer than the mirror is asked for, and lost hooks are counted."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from connector import clocks, config, events
from connector.errors import Defect, StartupError
from connector.events import DeadLetter, Event
from connector.fetching.sweep import FamilySweep, Swept
from connector.hydrator.pages import RecordList
from connector.hydrator.ports import Answer
from connector.mirror import forgotten, verify
from connector.mirror.backfills import Backfills
from connector.mirror.entities import Entity
from connector.mirror.forgotten import Tombstone
from connector.mirror.hydration import DueKeys
from connector.mirror.sweeps import ALIVE_SECONDS, Found, Started, Sweeps
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database
from tests.sources import ORDERS, STOCK, snapshot, with_sources
from tests.strategies import MINUTE, Mirror

HOUR = 60 * MINUTE
LONG = 600.0


@pytest.fixture(scope="module", params=DATABASES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("sweeps") / "mirror.db")
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    with strategies.mirror(with_sources(config.load(ROOT / "config", variables)), copied=True) as found:
        yield found


@pytest.fixture
def mirror(opened: Mirror) -> Mirror:
    opened.empty()
    with opened.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM _sweeps")
    return opened


@pytest.fixture
def sweeps(mirror: Mirror) -> Sweeps:
    return Sweeps(mirror.engine, shop="")


def picked(mirror: Mirror, number: str, at: int) -> None:
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": number}, at=at, delivery=f"{number}@{at}"))


def asked(mirror: Mirror) -> list[str]:
    """The keys that are due as background work."""
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    dues = keys.lease({"orders": (0, 100)}, LONG)[0]
    keys.release(dues)
    return sorted(due.key for due in dues)


def start(sweeps: Sweeps, *, whole: bool = False) -> Started:
    started = sweeps.start("orders", whole=whole)
    assert started is not None
    return started


def swept(sweeps: Sweeps, rows: list[Found], *, whole: bool = False) -> Started:
    """A sweep of one page, started and finished."""
    started = start(sweeps, whole=whole)
    sweeps.ask("orders", started, rows, sweeps.stale("orders", started, rows))
    sweeps.finish("orders", started)
    return started


def move_back(mirror: Mirror, started: Started, by: int) -> Started:
    """Have a sweep, and what it asked for, started earlier."""
    earlier = started._replace(started_at=started.started_at - by)
    with mirror.engine.begin() as connection:
        for table, column in (("_sweeps", "started_at"), ("_hydration_work", "swept_at")):
            connection.exec_driver_sql(
                f"UPDATE {table} SET {column} = '{events.iso(earlier.started_at)}' "
                f"WHERE {column} = '{events.iso(started.started_at)}'"
            )
    return earlier


def counts(mirror: Mirror) -> list[tuple[int, ...]]:
    names = ("listed", "enqueued", "repaired", "lost_hooks")
    rows = sorted(mirror.rows("sweeps"), key=lambda row: str(row["started_at"]))
    return [tuple(row[name] for name in names) for row in rows]


# --- What is asked for ---


def test_only_what_is_newer_than_the_mirror_is_asked_for(mirror: Mirror, sweeps: Sweeps) -> None:
    now = clocks.now()
    for number in ("same", "newer", "just-now"):
        mirror.write(snapshot(number, now - HOUR))
    rows = [
        Found("same", now - 2 * HOUR, "1"),
        Found("newer", now - HOUR // 2, "1"),
        Found("just-now", now - HOUR - MINUTE, "1"),  # the API may have given the former record
        Found("unknown", now - 5 * HOUR, "1"),
    ]
    swept(sweeps, rows)
    assert asked(mirror) == ["just-now", "newer", "unknown"]
    assert counts(mirror) == [(4, 3, 0, 0)]


def test_nothing_is_noted_of_an_entity_that_was_forgotten(mirror: Mirror, sweeps: Sweeps) -> None:
    now = clocks.now()
    with mirror.engine.begin() as connection:
        forgotten.put(connection, {Entity("", "orders", "gone"): Tombstone(now - HOUR)}, now - HOUR)
    swept(sweeps, [Found("gone", now - 2 * HOUR, "1"), Found("known", now - 2 * HOUR, "1")], whole=True)
    assert [row["entity_key"] for row in mirror.rows("_hydration_work")] == ["known"]
    assert [row[0] for row in counts(mirror)] == [2]


def test_a_row_without_a_date_is_asked_for_when_the_list_has_another_one(
    mirror: Mirror, sweeps: Sweeps
) -> None:
    mirror.write(snapshot("1", clocks.now() - HOUR), snapshot("2", clocks.now() - HOUR))
    swept(sweeps, [Found("1", None, "a"), Found("2", None, "a")], whole=True)
    assert asked(mirror) == ["1", "2"]  # either may have changed since it was fetched
    with mirror.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE _hydration_work SET asked_at = NULL")  # both are answered
    swept(sweeps, [Found("1", None, "a"), Found("2", None, "b")], whole=True)
    assert asked(mirror) == ["2"]


def test_a_row_without_a_date_that_a_list_of_changes_has_for_the_first_time_is_asked_for(
    mirror: Mirror, sweeps: Sweeps
) -> None:
    mirror.write(snapshot("1", clocks.now() - HOUR))
    swept(sweeps, [Found("1", None, "a")])
    assert asked(mirror) == ["1"]


# --- One at a time, from where the last one was ---


def test_a_sweep_lists_what_changed_since_the_last_one_that_ended_began(sweeps: Sweeps) -> None:
    first = swept(sweeps, [])
    assert first.since == first.started_at
    second = start(sweeps)
    assert second.since == first.started_at
    assert sweeps.start("orders", whole=False) is None
    sweeps.finish("orders", second)
    assert start(sweeps, whole=True).since is None
    assert (sweeps.last("orders", whole=False), sweeps.last("orders", whole=True)) == (
        second.started_at,
        None,
    )


def test_a_sweep_that_was_ended_is_done_again_and_the_one_that_was_only_late_gives_up(
    mirror: Mirror, sweeps: Sweeps
) -> None:
    first = swept(sweeps, [])
    late = start(sweeps)
    with mirror.engine.begin() as connection:
        past = events.iso(clocks.now() - round(ALIVE_SECONDS * 1e6))
        connection.exec_driver_sql(f"UPDATE _sweeps SET alive_until = '{past}'")
    again = start(sweeps)
    assert again.since == first.started_at
    with pytest.raises(StartupError, match="Another sweep of orders has started"):
        sweeps.ask("orders", late, [Found("1", None, "a")], [Found("1", None, "a")])
    assert asked(mirror) == []
    assert len(counts(mirror)) == 2


# --- Repaired, and lost ---


def test_a_change_that_no_hook_reported_is_a_lost_hook_once_its_record_is_fetched(
    mirror: Mirror, sweeps: Sweeps
) -> None:
    move_back(mirror, swept(sweeps, []), 3 * HOUR)
    now = clocks.now()
    picked(mirror, "lost", now - 3 * HOUR)  # which explains no later change
    for number in ("lost", "late", "told"):
        mirror.write(snapshot(number, now - 2 * HOUR))
    changed = {"lost": now - HOUR, "late": now - MINUTE, "told": now - HOUR, "new": now - HOUR}
    started = swept(sweeps, [Found(key, at, "a") for key, at in changed.items()])
    picked(mirror, "told", now - HOUR + MINUTE)  # which came after the sweep listed it
    sweeps.count("orders")
    assert counts(mirror)[1] == (4, 4, 0, 0)
    for number in changed:
        mirror.write(snapshot(number, started.started_at + MINUTE))
    for _ in range(2):  # nothing is added up
        sweeps.count("orders")
        assert counts(mirror)[1] == (4, 4, 4, 2)
    assert sweeps.lost_hooks() == {"orders": 2}
    (status,) = [row for row in mirror.rows("mirror_status") if row["family"] == "orders"]
    assert status["lost_hooks"] == 2


def test_hooks_that_a_record_implies_and_that_never_came_are_lost(mirror: Mirror, sweeps: Sweeps) -> None:
    now = clocks.now()
    move_back(mirror, swept(sweeps, []), 5 * HOUR)

    def fetched(number: str, at: int, *rows: str, created: int = now - 4 * HOUR, status: str = "") -> None:
        header = {"orderStatus": status, "orderDate": events.iso(created)}
        mirror.write(snapshot(number, at, rows=rows, header=header))

    started = swept(sweeps, [Found("changed", now - 3 * HOUR, "a")])
    started = move_back(mirror, started, 2 * HOUR)
    after = started.started_at + MINUTE
    fetched("picked", after, "Reserved", "Picked")
    fetched("picked", now - HOUR, "Picked")  # which says so once more
    fetched("both", after, "Picked", "Annulled", status="Annulled")
    fetched("changed", after, "Picked")  # whose change the list has, too
    fetched("before", after, "Picked", created=now - 6 * HOUR)
    fetched("not", after, "Reserved")
    fetched("hooked", after, "Picked")
    picked(mirror, "hooked", now - 6 * HOUR)
    fetched("just-now", now - MINUTE, "Picked")
    mirror.write(snapshot("undated", after, rows=["Picked"]))
    for _ in range(2):  # nothing is added up
        sweeps.count("orders")
        assert counts(mirror) == [(0, 0, 0, 0), (1, 1, 1, 4)]
    swept(sweeps, [])
    sweeps.count("orders")
    assert counts(mirror)[1:] == [(1, 1, 1, 4), (0, 0, 0, 0)]
    assert sweeps.lost_hooks() == {"orders": 4}
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_an_implied_hook_belongs_to_one_sweep_and_is_found_when_it_comes(
    mirror: Mirror, sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clocks.now()
    move_back(mirror, swept(sweeps, []), 5 * HOUR)
    move_back(mirror, swept(sweeps, []), HOUR)
    header = {"orderDate": events.iso(now - 4 * HOUR)}
    for number, minutes in (("lost", 15), ("also-lost", 5), ("late", 5)):
        mirror.write(snapshot(number, now - minutes * MINUTE, rows=["Picked"], header=header))
    swept(sweeps, [])
    sweeps.count("orders")
    assert [lost for *_, lost in counts(mirror)] == [0, 1, 0]  # what is late may come yet
    monkeypatch.setattr(Sweeps, "_now", lambda *_: clocks.now() + 10 * MINUTE)
    sweeps.count("orders")
    assert [lost for *_, lost in counts(mirror)] == [0, 1, 2]
    picked(mirror, "late", now)
    sweeps.count("orders")
    assert [lost for *_, lost in counts(mirror)] == [0, 1, 1]


def test_what_changed_before_the_first_sweep_is_no_lost_hook(mirror: Mirror, sweeps: Sweeps) -> None:
    started = swept(sweeps, [Found("1", clocks.now() - HOUR, "a")])
    mirror.write(snapshot("1", started.started_at + MINUTE))
    sweeps.count("orders")
    assert counts(mirror) == [(1, 1, 1, 0)]


def test_what_was_fetched_again_for_safety_is_no_repair(mirror: Mirror, sweeps: Sweeps) -> None:
    now = clocks.now()
    mirror.write(snapshot("1", now - HOUR))
    started = swept(sweeps, [Found("1", now - HOUR - MINUTE, "a")])
    mirror.write(snapshot("1", started.started_at + MINUTE))
    sweeps.count("orders")
    assert counts(mirror) == [(1, 1, 0, 0)]


# --- A whole sweep of a list ---


class Lists:
    """Pages of two rows of a list; Kafka's place as well."""

    def __init__(self, mirror: Mirror, family: str, rows: list[Any], *, dry: bool = False) -> None:
        pages = {"type": "page_index", "page_param": "page"}
        name = {"orders": {"orderNumber": "orderNumber"}, "balances": STOCK["key"]}[family]
        changes = {"start_param": "since", "changed_path": "changeDate"}
        listing = {"path": "List", "key": name, "paginator": pages, "incremental": changes}
        listing["rows_are_records"] = family == "balances"
        entities = {family: {"orders": ORDERS, "balances": STOCK}[family] | {"list": listing}}
        rate = {"requests_per_minute": 10_000_000}
        found = with_sources(mirror.config, entities=entities, rate=rate).sources
        assert found is not None
        self.rows, self.paths = rows, list[str]()
        self.events: list[Event] = []
        self.sweep = FamilySweep(
            found,
            RecordList(found, family, transport=self),
            sweeps=Sweeps(mirror.engine, shop=""),
            backfills=Backfills(mirror.engine, shop=""),
            publisher=None if dry else self,
        )

    def run(self) -> Swept:
        return asyncio.run(self.sweep.run(whole=False))

    async def get(self, path: str) -> Answer:
        self.paths.append(path)
        page = int(re.findall(r"page=(\d+)", path)[0])
        return Answer(200, {}, json.dumps(self.rows[2 * page : 2 * page + 2]).encode())

    async def publish(self, event: Event) -> None:
        self.events.append(event)

    async def park(self, letter: DeadLetter) -> None:
        raise AssertionError(letter)


def test_a_sweep_reads_its_list_to_the_end_and_asks_for_each_record_once(mirror: Mirror) -> None:
    lists = Lists(mirror, "orders", [{"orderNumber": str(number)} for number in (1, 2, 3, 3, 2)])
    found = lists.run()
    assert asked(mirror) == ["1", "2", "3"]
    assert (found.listed, found.enqueued, counts(mirror)) == (5, 3, [(3, 3, 0, 0)])
    assert asyncio.run(lists.sweep.due()) == (pytest.approx(15 * 60, abs=60), False)
    assert len(lists.paths) == 4
    assert all("since=" in path for path in lists.paths)


@pytest.mark.parametrize("family", ["orders", "balances"])
def test_a_dry_run_says_what_a_sweep_would_do_and_does_nothing(mirror: Mirror, family: str) -> None:
    rows: list[Any] = [{"orderNumber": str(number)} for number in (1, 2, 3, 3)]
    if family == "balances":
        rows = [{"productNumber": str(number), "warehouse": "A"} for number in (1, 2, 3)]
    dry = Lists(mirror, family, rows, dry=True)
    would = dry.run()
    assert (asked(mirror), counts(mirror), dry.events) == ([], [], [])
    assert [row for row in mirror.rows("_hydration_work") if row["family"]] == []
    done = Lists(mirror, family, rows).run()
    assert (would.listed, would.enqueued) == (done.listed, done.enqueued) == (len(rows), 3)


def test_a_change_date_that_cannot_be_is_none(mirror: Mirror) -> None:
    """XTND has the year 1 for "never"; a date far ahead would have its record asked for by every sweep."""
    dates = ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2999-01-01T00:00:00Z")
    rows = [{"orderNumber": str(number), "changeDate": date} for number, date in enumerate(dates)]
    lists = Lists(mirror, "orders", rows)
    assert lists.run().enqueued == 3
    mirror.write(*[snapshot(str(number), clocks.now()) for number in range(3)])
    assert lists.run().enqueued == 0


def test_a_sweep_that_fails_ends_no_other_work_and_is_tried_again(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists, tried = Lists(mirror, "orders", []), list[str]()

    async def fail(*, whole: bool) -> Swept:
        tried.append(f"whole {whole}")
        raise Defect("the database refuses a value")

    async def enough(_: float) -> None:
        if len(tried) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(lists.sweep, "run", fail)
    monkeypatch.setattr("connector.fetching.sweep.asyncio.sleep", enough)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(lists.sweep.keep_on())
    assert tried == ["whole False"] * 2


def test_rows_that_are_the_records_are_published_where_they_are_newer(mirror: Mirror) -> None:
    def row(number: int, minutes: int) -> dict[str, Any]:
        changed = events.iso(clocks.now() - minutes * MINUTE)
        return {"productNumber": str(number), "warehouse": "A", "changeDate": changed}

    lists = Lists(mirror, "balances", [row(1, 10), row(2, 20), row(3, 30)])
    assert lists.run().enqueued == 3
    mirror.write(*lists.events)
    lists.events.clear()
    lists.rows[0] = row(1, 0)
    assert lists.run().enqueued == 1
    assert [event.entity_key for event in lists.events] == ["1|A"]
    mirror.write(*lists.events)
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    assert keys.lease({"balances": (10, 10)}, LONG)[0] == []
