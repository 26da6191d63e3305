"""What is wanted is a fold: ``hydration`` holds maxima over the distinct events, in any order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connector import events
from connector.commands import checkup, copying
from connector.commands.rebuild import make_again
from connector.config import Config
from connector.errors import KafkaOutage
from connector.events import Event
from connector.mirror import database, plan, schema, verify
from connector.mirror.hydration import Backlog, DueKeys
from connector.mirror.mapping import Mapping
from connector.mirror.mirrored_sources import as_mirrored
from connector.stream import topic_state
from tests import sources, strategies
from tests.conftest import MakeConfig
from tests.integration.test_mirror_law import SEEDS, looks, mirrored, said_by
from tests.integration.test_rebuild import rebuild
from tests.sources import snapshot, with_sources
from tests.strategies import MINUTE, NOON, Mirror, Sent

Instants = dict[tuple[str, str, str], tuple[int | None, int | None]]


@pytest.fixture
def config(make_config: MakeConfig, database_url: str) -> Config:
    return with_sources(make_config({"database.url": database_url}))


@pytest.fixture
def mirror(config: Config) -> Iterator[Mirror]:
    with strategies.mirror(config, copied=True) as found:
        yield found


a_snapshot = st.builds(
    snapshot,
    st.sampled_from(["1", "007", "8", "Ä|ß", "1|N"]),
    st.sampled_from([NOON - 1, NOON, NOON + MINUTE, NOON + MINUTE + 1]),
    family=st.sampled_from(["orders", "balances"]),
    gone=st.booleans(),
    source=st.sampled_from(["xtnd", "xtnd", "other"]),
    header=st.sampled_from([{}, {"orderDate": "2026-11-26T09:00:00"}, {"orderDate": 7}]),
    rows=st.lists(st.sampled_from(["Picked", "Annulled"]), max_size=2),
)
snapshots = st.lists(a_snapshot, max_size=8, unique_by=lambda one: one.identity)


def maxima(mirror: Mirror, said: list[Event]) -> Instants:
    """What the table must hold, worked out event by event."""
    found: dict[tuple[str, str, str], list[list[int]]] = {}
    wanted_on = dict.fromkeys(sources.ORDERS["wanted_on"], "orders") | {"BalanceChanged": "balances"}
    for event in strategies.distinct(said):
        if event.source_name == "xtnd":
            found.setdefault(("", event.family, str(event.entity_key)), [[], []])[1].append(event.occurred_at)
        elif event.source_name is None and event.action in wanted_on:
            route = mirror.routes.route(event.action)
            for row in events.row_objects(events.exact_json.decode(event.details)):
                key = str(mirror.routes.entity_key(route, row))
                found.setdefault(("", wanted_on[event.action], key), [[], []])[0].append(event.occurred_at)
    return {
        key: (max(wanted, default=None), max(fetched, default=None))
        for key, (wanted, fetched) in found.items()
    }


def implied(mirror: Mirror, said: list[Event]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What ``implied_hooks`` must hold of OrderPicked and OrderCancelled, worked out event by event."""
    found: dict[tuple[str, str], list[list[int]]] = {}
    for event in strategies.distinct(said):
        data = events.exact_json.decode(event.details)
        if event.source_name is None and event.action in ("OrderPicked", "OrderCancelled"):
            route = mirror.routes.route(event.action)
            for row in events.row_objects(data):
                key = str(mirror.routes.entity_key(route, row))
                found.setdefault((key, event.action), [[], [], []])[1].append(event.occurred_at)
        elif event.source_name == "xtnd" and not event.is_gone:
            if all(row["orderRowStatus"] != "Picked" for row in data.get("orderRows", ())):
                continue
            of = found.setdefault((str(event.entity_key), "OrderPicked"), [[], [], []])
            of[0].append(event.occurred_at)
            if isinstance(data["orderHeader"].get("orderDate"), str):
                of[2].append(events.from_iso("2026-11-26T08:00:00Z"))
    return {key: tuple(min(one, default=None) for one in row) for key, row in found.items()}


def stored_implied(mirror: Mirror) -> dict[tuple[str, str], tuple[Any, ...]]:
    names = ("implied_at", "hooked_at", "created_at")
    return {
        (row["entity_key"], row["action"]): tuple(
            one and events.from_iso(one) for one in (strategies.plain(name, row[name]) for name in names)
        )
        for row in mirror.rows("implied_hooks")
    }


def stored(mirror: Mirror) -> Instants:
    found: Instants = {}
    for row in mirror.rows("hydration"):
        plain = [strategies.plain(name, row[name]) for name in ("wanted_at", "fetched_at")]
        instants = [None if one is None else events.from_iso(one) for one in plain]
        found[row["shop"], row["family"], row["entity_key"]] = (instants[0], instants[1])
    return found


@looks(12)
@given(
    sent=strategies.sent_sets(max_size=8),
    fetched=snapshots,
    first=SEEDS,
    second=SEEDS,
)
def test_the_table_holds_the_maxima_over_the_distinct_events_in_any_order(
    mirror: Mirror, sent: list[Sent], fetched: list[Event], first: int, second: int
) -> None:
    said = [*said_by(mirror, sent), *fetched]
    one = mirrored(mirror, strategies.arrival(mirror, said, first))
    assert stored(mirror) == maxima(mirror, said)
    assert stored_implied(mirror) == implied(mirror, said)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    assert mirrored(mirror, strategies.arrival(mirror, said, second)) == one


def order(mirror: Mirror, number: str, at: int, action: str = "OrderPicked", **more: Any) -> Event:
    return mirror.event(action, {"OrderNumber": number}, at=at, delivery=f"{action}{number}{at}", **more)


def test_a_better_copy_takes_its_former_want_back(mirror: Mirror) -> None:
    retried = mirror.event("OrderPicked", {"OrderNumber": "1"}, at=NOON, attempt=2)
    mirror.write(retried, snapshot("1", NOON - 1))
    assert stored(mirror)["", "orders", "1"] == (NOON, NOON - 1)
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, at=NOON - MINUTE, attempt=1))
    assert stored(mirror)["", "orders", "1"] == (NOON - MINUTE, NOON - 1)
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_another_wanted_on_is_filled_from_the_ledger(mirror: Mirror) -> None:
    mirror.write(order(mirror, "1", NOON), order(mirror, "2", NOON + 1, "OrderReserved"), snapshot("1", NOON))
    only_picked = {"orders": sources.ORDERS | {"wanted_on": ("OrderPicked",)}}
    changed = with_sources(mirror.config, entities=only_picked)
    filled = schema.ensure(mirror.engine, changed, Mapping(changed))
    assert filled.columns == {"hydration": None}
    assert stored(mirror) == {("", "orders", "1"): (NOON, NOON)}
    assert verify.differences(mirror.engine, Mapping(changed)) == []
    off = changed.model_copy(update={"sources": None})
    # A process without the API's address does not know what hooks ask for.
    assert verify.differences(mirror.engine, Mapping(off)) == []
    schema.ensure(mirror.engine, off, Mapping(off))
    assert stored(mirror) == {}
    schema.ensure(mirror.engine, mirror.config, mirror.mapping)
    assert stored(mirror) == {("", "orders", "1"): (NOON, NOON), ("", "orders", "2"): (NOON + 1, None)}


def test_what_hooks_asked_for_before_somebody_fetches_it_is_background_work(mirror: Mirror) -> None:
    off = Mirror(mirror.engine, mirror.config.model_copy(update={"sources": None}))
    off.write(order(off, "1", NOON), order(off, "2", NOON + 1), snapshot("2", NOON + 2))
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    on = Mirror(mirror.engine, mirror.config)
    assert keys.backlog() == {}
    on.write(order(on, "3", NOON + 3))
    # Another change of what is asked for leaves what is live as it is.
    only_picked = {"orders": sources.ORDERS | {"wanted_on": ("OrderPicked",)}}
    changed = Mirror(mirror.engine, with_sources(mirror.config, entities=only_picked))
    assert keys.backlog() == {"orders": Backlog(1, NOON + 3)}
    due, _ = keys.lease({"orders": (9, 9)}, 60)
    assert [(one.key, one.background) for one in due] == [("3", False), ("1", True)]
    # A hook that comes now is live, whatever was asked for before.
    keys.release(due)
    changed.write(order(changed, "1", NOON + MINUTE))
    due, _ = keys.lease({"orders": (9, 9)}, 60)
    assert [(one.key, one.background) for one in due] == [("3", False), ("1", False)]


def test_a_rebuild_makes_the_table_again_and_verify_names_what_differs(mirror: Mirror) -> None:
    mirror.write(order(mirror, "1", NOON), order(mirror, "2", NOON), snapshot("3", NOON))
    due = stored(mirror)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("UPDATE _hydration SET wanted_at = NULL WHERE entity_key = '1'")
        connection.exec_driver_sql("DELETE FROM _hydration WHERE entity_key = '3'")
        connection.exec_driver_sql("UPDATE _hydration SET entity_key = 'x' WHERE entity_key = '2'")
    found = [one.partition(": ")[0] for one in verify.differences(mirror.engine, mirror.mapping)]
    assert found == [f"hydration ('', 'orders', '{key}')" for key in ("1", "2", "3", "x")]
    (done,) = rebuild(mirror)
    assert (done.table, done.added, done.changed, done.removed) == ("hydration", 2, 1, 1)
    assert stored(mirror) == due


def test_a_command_without_the_apis_address_takes_what_the_worker_asked_for(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise KafkaOutage("not asked here")

    monkeypatch.setattr(topic_state, "compare", away)
    mirror.write(order(mirror, "1", NOON), snapshot("2", NOON))
    off = mirror.config.model_copy(update={"sources": None})
    due = stored(mirror)
    assert plan.of(off, Mapping(off)).is_empty
    faults = [one for one in checkup.Checkup(off).database(accept_mapping=False) if one.fault]
    assert faults == []
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("UPDATE _hydration SET wanted_at = NULL WHERE entity_key = '1'")
    (found,) = [one for one in checkup.Checkup(off).verify(None)[0] if one.startswith("hydration")]
    assert "wanted_at is None and should be" in found
    make_again(off)
    assert stored(mirror) == due
    url = f"sqlite:///{tmp_path}/copied.db"
    copied = off.model_copy(update={"database": off.database.model_copy(update={"url": SecretStr(url)})})
    assert copying.run(off, copied) == 0
    written = database.connect(copied.database, access="read")
    assert as_mirrored(written, copied) == as_mirrored(mirror.engine, copied)
    assert verify.differences(written, mirror.mapping) == []


def test_only_hooks_of_the_sources_shop_want_its_records(make_config: MakeConfig, database_url: str) -> None:
    by_shop = {"mirror.key_by_shop": True, "hooks.xtnd.shop": "north"}
    config = make_config({"database.url": database_url} | by_shop)
    with strategies.mirror(with_sources(config, shop="north")) as mirror:
        others = order(mirror, "2", NOON, hook="elsewhere")
        mirror.write(order(mirror, "1", NOON), others, snapshot("1", NOON))
        assert stored(mirror) == {("north", "orders", "1"): (NOON, NOON)}
        assert verify.differences(mirror.engine, mirror.mapping) == []


def test_without_a_source_no_event_touches_the_table(make_config: MakeConfig, database_url: str) -> None:
    with strategies.mirror(make_config({"database.url": database_url})) as mirror:
        mirror.write(order(mirror, "1", NOON))
        assert stored(mirror) == {}
        assert mirror.mapping.table("hydration").sorts == frozenset()
