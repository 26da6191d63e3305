"""Which keys are due, who fetches them, and what became of them: the store of the hydrator."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connector import clocks, config, events
from connector.mirror import database, signs_of_life
from connector.mirror.hydration import Backlog, DueKey, DueKeys
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database
from tests.sources import snapshot, with_sources
from tests.strategies import MINUTE, NOON, Mirror
from tests.workers import until

LONG = 600.0
ALL = {"orders": (100, 100), "balances": (100, 100)}


@pytest.fixture(scope="module", params=DATABASES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("due") / "mirror.db")
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    with strategies.mirror(with_sources(config.load(ROOT / "config", variables)), copied=True) as found:
        yield found


@pytest.fixture
def mirror(opened: Mirror) -> Mirror:
    opened.empty()
    return opened


@pytest.fixture
def keys(mirror: Mirror) -> DueKeys:
    return DueKeys(mirror.engine, shop="", hydrator="one")


def hook(mirror: Mirror, number: str, at: int) -> None:
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": number}, at=at, delivery=f"{number}-{at}"))


def lease(keys: DueKeys, seconds: float = LONG, slots: Any = None) -> list[DueKey]:
    return keys.lease(ALL if slots is None else slots, seconds)[0]


def only(keys: DueKeys, seconds: float = LONG) -> DueKey:
    (due,) = lease(keys, seconds)
    return due


def test_the_oldest_keys_of_hooks_are_leased_first_and_background_work_has_slots_of_its_own(
    mirror: Mirror, keys: DueKeys
) -> None:
    for place, number in enumerate(["c", "a", "b"]):
        hook(mirror, number, NOON + place * MINUTE)
    keys.ask([("orders", "z"), ("orders", "a"), ("balances", "P|1")])
    assert keys.backlog() == {"orders": Backlog(3, NOON)}
    first = lease(keys, slots={"orders": (2, 0), "balances": (1, 0)})
    assert [(due.key, due.wanted_at, due.after) for due in first] == [
        ("c", NOON, NOON + 1),
        ("a", NOON + MINUTE, NOON + MINUTE + 1),
    ]
    rest = lease(keys)
    assert [(due.key, due.background) for due in rest] == [("b", False), ("z", True), ("P|1", True)]
    assert lease(keys) == []


def test_a_key_that_was_published_is_due_again_for_a_newer_hook_alone(mirror: Mirror, keys: DueKeys) -> None:
    hook(mirror, "1", NOON)
    keys.mark(only(keys), NOON + 5, None)
    assert lease(keys) == []
    assert keys.backlog() == {}
    mirror.write(snapshot("1", NOON + 5))
    assert lease(keys) == []
    hook(mirror, "1", NOON + MINUTE)
    due = only(keys)
    assert (due.wanted_at, due.after, due.look, due.background) == (
        NOON + MINUTE,
        NOON + MINUTE + 1,
        False,
        False,
    )


def test_a_hook_that_comes_while_the_fetch_is_under_way_asks_again(mirror: Mirror, keys: DueKeys) -> None:
    hook(mirror, "1", NOON)
    due = only(keys)
    hook(mirror, "1", NOON + 1)
    keys.mark(due, NOON + MINUTE, None)
    again = only(keys)
    assert (again.wanted_at, again.after) == (NOON + 1, NOON + MINUTE + 1)


def test_a_second_look_comes_after_its_time_and_once(mirror: Mirror, keys: DueKeys) -> None:
    hook(mirror, "1", NOON)
    keys.mark(only(keys), NOON + 5, LONG)
    assert lease(keys) == []
    hook(mirror, "2", NOON)
    keys.mark(only(keys), NOON + 5, 0.0)
    look = only(keys)
    assert (look.key, look.look, look.after) == ("2", True, NOON + 6)
    keys.mark(look, NOON + 7, None)
    assert lease(keys) == []


def test_a_key_in_trouble_waits_and_brings_its_tries(mirror: Mirror, keys: DueKeys) -> None:
    hook(mirror, "1", NOON)
    keys.back_off(only(keys), 0.0, "away", 3)
    due = only(keys)
    assert (due.trouble, due.tries, due.after) == ("away", 3, NOON + 2)
    keys.back_off(due, LONG, "away", 4)
    assert lease(keys) == []


def test_a_key_that_was_given_up_is_due_for_the_next_hook_without_its_trouble(
    mirror: Mirror, keys: DueKeys
) -> None:
    hook(mirror, "1", NOON)
    keys.back_off(only(keys), 0.0, "refused", 4)
    keys.give_up(only(keys))
    assert lease(keys) == []
    hook(mirror, "1", NOON + 1)
    due = only(keys)
    assert (due.wanted_at, due.trouble, due.tries) == (NOON + 1, "", 0)


def test_a_released_key_is_due_as_before(mirror: Mirror, keys: DueKeys) -> None:
    hook(mirror, "1", NOON)
    due = only(keys)
    keys.release([due])
    again = only(keys)
    assert again == due._replace(after=due.after + 1, waited_seconds=again.waited_seconds)


def test_a_hydrator_whose_lease_another_has_changes_nothing(mirror: Mirror, keys: DueKeys) -> None:
    hook(mirror, "1", NOON)
    late = only(keys, 0.0)
    other = DueKeys(mirror.engine, shop="", hydrator="two")
    (due,), hydrators = other.lease(ALL, LONG)
    assert (due.after, hydrators) == (late.after + 1, 1)
    before = mirror.rows("_hydration_work")
    keys.mark(late, NOON + MINUTE, 0.0)
    keys.back_off(late, LONG, "away", 9)
    keys.give_up(late)
    keys.release([late])
    assert mirror.rows("_hydration_work") == before
    hook(mirror, "2", NOON)
    assert keys.lease(ALL, LONG)[1] == 2


def test_what_no_hook_explains_is_fetched_again(mirror: Mirror, keys: DueKeys) -> None:
    """A snapshot that nobody noted, and a hook from a clock that is behind the newest snapshot's."""
    for number in ("1", "2", "3"):
        hook(mirror, number, NOON)
    for due in lease(keys):
        keys.mark(due, NOON + MINUTE, None)
    mirror.write(*[snapshot(number, NOON + MINUTE) for number in ("1", "2", "3")])
    mirror.write(snapshot("1", NOON + 2 * MINUTE))
    hook(mirror, "2", NOON + 1)
    fresh = DueKeys(mirror.engine, shop="", hydrator="one")  # which looks for them at once
    found = lease(fresh)
    assert [(due.key, due.wanted_at, due.after, due.look) for due in found] == [
        ("1", NOON, NOON + 2 * MINUTE + 1, False),
        ("2", NOON + 1, NOON + MINUTE + 1, False),
    ]
    fresh.mark(found[0], NOON + 3 * MINUTE, None)
    fresh.give_up(found[1])
    assert lease(DueKeys(mirror.engine, shop="", hydrator="one")) == []


def test_a_first_snapshot_whose_hydrator_ended_before_it_was_noted_is_looked_at_again(
    mirror: Mirror, keys: DueKeys
) -> None:
    hook(mirror, "1", NOON)
    assert only(keys, 0.0).key == "1"
    mirror.write(snapshot("1", NOON + MINUTE))
    assert lease(keys) == []
    found = only(DueKeys(mirror.engine, shop="", hydrator="one"))  # which looks for it at once
    assert (found.key, found.after, found.look) == ("1", NOON + MINUTE + 1, False)


def test_background_work_that_is_asked_for_meanwhile_stays(mirror: Mirror, keys: DueKeys) -> None:
    keys.ask([("orders", "1")])
    due = only(keys)
    assert (due.background, due.after) == (True, 1)
    keys.ask([("orders", "1")])
    keys.mark(due, NOON, None)
    again = only(keys)
    assert (again.background, again.after) == (True, NOON + 1)
    keys.mark(again, NOON + 2, None)
    assert lease(keys) == []


def test_hydrators_that_ask_at_once_never_get_the_same_key(mirror: Mirror) -> None:
    numbers = [str(number) for number in range(60)]
    mirror.write(*[mirror.event("OrderPicked", {"OrderNumber": one}, delivery=one) for one in numbers])
    found: list[str] = []

    def fetch(name: str) -> None:
        own = DueKeys(mirror.engine, shop="", hydrator=name)
        for _ in range(15):
            found.extend(due.key for due in lease(own, slots={"orders": (3, 0)}))

    threads = [threading.Thread(target=fetch, args=(str(number),)) for number in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    while rest := lease(DueKeys(mirror.engine, shop="", hydrator="rest")):
        found.extend(due.key for due in rest)
    assert sorted(found) == sorted(numbers)


def test_a_hydrator_that_died_is_left_no_share_of_the_limit_though_its_leases_last(
    mirror: Mirror, keys: DueKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("1", "2"):
        hook(mirror, number, NOON)
    other = DueKeys(mirror.engine, shop="", hydrator="other")
    slots = {"orders": (1, 0)}
    assert keys.lease(slots, LONG)[1] == 1
    monkeypatch.setattr(signs_of_life, "ALIVE_SECONDS", 0.2)
    assert other.lease(slots, LONG)[1] == 2
    until(lambda: keys.lease({"orders": (0, 0)}, LONG)[1] == 1, what="the other one is dead")
    assert lease(keys) == [], "its lease lasts"
    # One that lives and has nothing to do needs no share.
    assert DueKeys(mirror.engine, shop="", hydrator="idle").lease(ALL, LONG) == ([], 1)


def test_a_key_whose_row_a_batch_has_locked_is_left_for_the_next_time(mirror: Mirror, keys: DueKeys) -> None:
    if mirror.engine.dialect.name == "sqlite":
        return  # one writer at a time
    for number in ("1", "2"):
        hook(mirror, number, NOON)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("UPDATE _hydration SET wanted_at = wanted_at WHERE entity_key = '1'")
        assert [due.key for due in lease(keys)] == ["2"]
    assert [due.key for due in lease(keys)] == ["1"]


def test_a_key_has_waited_since_its_hook_was_mirrored_and_its_snapshot_was_asked_for(
    mirror: Mirror, keys: DueKeys
) -> None:
    def mirrored(seconds: float) -> None:
        at = events.iso(clocks.now() - round(seconds * 1_000_000))
        with database.transaction(mirror.engine) as connection:
            connection.exec_driver_sql(f"UPDATE _hydration SET mirrored_at = '{at}'")

    hook(mirror, "1", NOON)
    mirrored(100)
    due = only(keys)
    assert due.waited_seconds == pytest.approx(100, abs=5)
    keys.mark(due, clocks.now() - 30_000_000, None)
    hook(mirror, "1", NOON + 1)
    mirrored(100)
    due = only(keys)
    assert due.waited_seconds == pytest.approx(30, abs=5)
    keys.mark(due, clocks.now() + MINUTE, None)  # by a clock that is ahead
    hook(mirror, "1", clocks.now() + 2 * MINUTE)
    assert only(keys).waited_seconds == 0
