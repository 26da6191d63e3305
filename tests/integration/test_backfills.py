"""What a backfill asks for and how far it is: the store of ``connector backfill``."""

from collections.abc import Iterator

import pytest

from connector import clocks, config
from connector.errors import StartupError
from connector.mirror.backfills import Backfills
from connector.mirror.hydration import DueKeys
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database
from tests.sources import snapshot, with_sources
from tests.strategies import MINUTE, NOON, Mirror

LONG = 600.0


@pytest.fixture(scope="module", params=DATABASES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("backfills") / "mirror.db")
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    with strategies.mirror(with_sources(config.load(ROOT / "config", variables))) as found:
        yield found


@pytest.fixture
def mirror(opened: Mirror) -> Mirror:
    opened.empty()
    with opened.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM _backfills")
    return opened


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
