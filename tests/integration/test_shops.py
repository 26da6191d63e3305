"""Shops apart: order 9001 of two shops is two orders (docs/contract.md, Tables)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, inspect

from connector.config import Config
from connector.errors import StartupError
from connector.events import Event
from connector.mirror import database, plan, rules, schema, verify
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted
from tests import strategies
from tests.conftest import DATABASES, SECRET, MakeConfig
from tests.strategies import MINUTE, NOON, Mirror, Sent

Open = Callable[..., Mirror]
# Two hooks of one shop, and one of another.
HOOKS = {"xtnd": "north", "second": "south", "Xtnd-2": "north"}
ORDER = {"OrderNumber": "9001"}


def by_shop(*, key_by_shop: bool | None = True, **shops: str) -> dict[str, object]:
    """Settings for hooks of these shops."""
    hooks = {f"hooks.{hook}": {"secrets": [SECRET], "shop": shop} for hook, shop in (shops or HOOKS).items()}
    return hooks | {"mirror.key_by_shop": key_by_shop}


@pytest.fixture
def open_mirror(make_config: MakeConfig, database_url: str) -> Iterator[Open]:
    """Opens the mirror with one configuration after another, as a worker does."""
    with ExitStack() as stack:

        def start(overrides: dict[str, object]) -> Mirror:
            settings = make_config({"database.url": database_url, "topics.prefix": "t."} | overrides)
            return stack.enter_context(strategies.mirror(settings))

        yield start


def balance(mirror: Mirror, value: int, at: int, hook: str, delivery: str) -> Event:
    details = {"ProductNumber": "7", "Warehouse": "N", "Balance": value}
    return mirror.event("BalanceChanged", details, delivery=delivery, at=NOON + at, hook=hook)


def asked(mirror: Mirror, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in strategies.select(mirror.engine, query)]


def columns_of_views(engine: Engine) -> dict[str, list[str]]:
    with database.transaction(engine) as connection:
        return {
            name: list(connection.exec_driver_sql(f"SELECT * FROM {quoted(name)} LIMIT 0").keys())
            for name in rules.views(rules.recorded(connection))
        }


def test_an_order_of_two_shops_with_one_number_is_two_orders(open_mirror: Open) -> None:
    mirror = open_mirror(by_shop())
    mirror.write(
        mirror.event("OrderCreated", ORDER, delivery="a"),
        mirror.event("OrderCreated", ORDER, delivery="a", hook="second"),
        mirror.event("OrderPicked", ORDER, delivery="b", at=NOON + MINUTE, hook="Xtnd-2"),
    )
    orders = "SELECT shop, order_number, status, event_count FROM orders ORDER BY shop"
    assert asked(mirror, orders) == [("north", "9001", "picked", 2), ("south", "9001", "created", 1)]
    assert asked(mirror, "SELECT shop FROM orders_open") == [("south",)]
    timeline = "SELECT shop, action FROM order_events ORDER BY shop, occurred_at"
    assert asked(mirror, timeline) == [
        ("north", "OrderCreated"),
        ("north", "OrderPicked"),
        ("south", "OrderCreated"),
    ]
    with database.transaction(mirror.engine) as connection:
        key = inspect(connection).get_pk_constraint("_order_picking_rows")["constrained_columns"]
    assert key == ["shop", "order_number", "position", "sub_position"]
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_copy_that_moves_an_event_folds_the_row_of_its_shop_again(open_mirror: Open) -> None:
    mirror = open_mirror(by_shop())
    for hook in ("xtnd", "second"):
        mirror.write(
            mirror.event("OrderReserved", ORDER, delivery="a", at=NOON, hook=hook),
            mirror.event("OrderPicked", ORDER, delivery="b", at=NOON + MINUTE, hook=hook, attempt=2),
        )
    # The first attempt comes late, and says that the order was picked before it was reserved.
    mirror.write(mirror.event("OrderPicked", ORDER, delivery="b", at=NOON - MINUTE, hook="second"))
    assert asked(mirror, "SELECT shop, status FROM orders ORDER BY shop") == [
        ("north", "picked"),
        ("south", "reserved"),
    ]
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_the_stock_of_each_shop_moves_by_itself(open_mirror: Open) -> None:
    mirror = open_mirror(by_shop())
    mirror.write(
        balance(mirror, 10, 0, "xtnd", "a"),
        balance(mirror, 500, MINUTE, "second", "a"),
        balance(mirror, 12, 2 * MINUTE, "Xtnd-2", "b"),
    )
    moved = "SELECT shop, quantity, previous_quantity, delta FROM stock_movements ORDER BY shop, quantity"
    assert asked(mirror, moved) == [
        ("north", 10, None, None),
        ("north", 12, 10, 2),
        ("south", 500, None, None),
    ]
    open_now = "SELECT shop, quantity FROM stock_intervals WHERE valid_to IS NULL ORDER BY shop"
    last_day = "SELECT shop, quantity FROM stock_daily ORDER BY day DESC, shop LIMIT 2"
    now = "SELECT shop, quantity FROM stock_now ORDER BY shop"
    for query in (open_now, last_day, now):
        assert asked(mirror, query) == [("north", 12), ("south", 500)]


def test_the_shop_is_the_last_column_of_every_view_but_those_of_the_connectors_own(
    open_mirror: Open,
) -> None:
    mirror = open_mirror(by_shop())
    columns = columns_of_views(mirror.engine)
    without = {"notifications", "dead_letters", "consumer_offsets", "mirror_status"}
    assert {name for name, shown in columns.items() if "shop" not in shown} == without
    assert {shown[-1] for name, shown in columns.items() if name not in without} == {"shop"}
    if mirror.engine.dialect.name == "postgresql":
        described = (
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'shop' AND "
            "col_description(quote_ident(table_name)::regclass, ordinal_position) IS NOT NULL"
        )
        assert {name for (name,) in asked(mirror, described)} >= columns.keys() - without


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sent=strategies.sent_sets(max_size=8), first=st.integers(0, 2**32), second=st.integers(0, 2**32))
def test_two_orders_of_arrival_give_the_same_tables_of_every_shop(
    mirror_of_shops: Mirror, sent: list[Sent], first: int, second: int
) -> None:
    """The same Ids come by several hooks, of which one is in no configuration any more."""
    mirror = mirror_of_shops
    said = [event for one in sent for event in strategies.copies_of(mirror, one)]
    found = []
    for seed in (first, second):
        mirror.empty()
        for batch in strategies.arrival(mirror, said, seed):
            assert not mirror.sink.write(batch).lost
        found.append(mirror.content())
        assert verify.differences(mirror.engine, mirror.mapping) == []
    assert found[0] == found[1]
    for table in mirror.mapping.tables:
        shops = {HOOKS.get(event.hook, event.hook) for event in said if event.sort in table.sorts}
        assert {dict(row)["shop"] for row in found[0][table.name]} <= shops


@pytest.fixture
def mirror_of_shops(open_mirror: Open) -> Mirror:
    return open_mirror(by_shop())


@pytest.mark.parametrize("dialect", DATABASES)
def test_shops_that_share_their_rows_change_nothing(make_config: MakeConfig, dialect: str) -> None:
    def made(settings: Config) -> tuple[list[str], str, str]:
        mapping = Mapping(settings)
        ddl = [text for text in schema.ddl(settings, dialect) if "mirror_layout" not in text]
        return ddl, mapping.written, rules.fingerprint(mapping)

    plain = made(make_config({"topics.prefix": "t."}))
    assert made(make_config(by_shop(key_by_shop=False) | {"topics.prefix": "t."})) == plain
    # What hooks ask for and what was listed has a column for it, which is empty then.
    kept = (
        "hydration",
        "implied_hooks",
        "_backfills",
        "sweeps",
        "_audits",
        "drift",
        "_forgotten",
    )  # which are of a shop in any case
    others = [text for text in (*plain[0], plain[1]) if not any(name in text for name in kept)]
    assert not [text for text in others if "shop" in text]


def two_orders(mirror: Mirror) -> None:
    mirror.write(
        mirror.event("OrderCreated", ORDER, delivery="a"),
        mirror.event("OrderPicked", ORDER, delivery="b", at=NOON + MINUTE, hook="second"),
        balance(mirror, 10, 0, "xtnd", "c"),
        balance(mirror, 500, MINUTE, "second", "d"),
    )


def refusals(mirror: Mirror, overrides: dict[str, object], make_config: MakeConfig) -> list[str]:
    """What the plan for other settings refuses."""
    url = mirror.config.database.url.get_secret_value()
    config = make_config({"database.url": url, "topics.prefix": "t."} | overrides)
    return [one.detail for one in plan.of(config, Mapping(config)).changes if one.change == "refuse"]


def test_rows_that_shops_shared_are_filled_again_per_shop_in_place(
    open_mirror: Open, make_config: MakeConfig
) -> None:
    shared = open_mirror(by_shop(key_by_shop=False))
    two_orders(shared)
    assert asked(shared, "SELECT order_number, event_count FROM orders") == [("9001", 2)]
    # What somebody built on a view stays.
    with database.transaction(shared.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW mine AS SELECT order_number FROM orders")
        if connection.dialect.name == "postgresql":
            orders = "REFERENCES _orders (order_number)"
            connection.exec_driver_sql(f"CREATE TABLE notes (number TEXT CONSTRAINT noted {orders})")
    if shared.engine.dialect.name == "postgresql":  # a key that is used is refused, and planned so
        assert "constraint noted" in refusals(shared, by_shop(), make_config)[0]
        with pytest.raises(StartupError, match="constraint noted on table notes"):
            open_mirror(by_shop())
        with database.transaction(shared.engine) as connection:
            connection.exec_driver_sql("DROP TABLE notes")
    mirror = open_mirror(by_shop())
    assert asked(mirror, "SELECT shop, status FROM orders ORDER BY shop") == [
        ("north", "created"),
        ("south", "picked"),
    ]
    assert asked(mirror, "SELECT order_number FROM mine") == [("9001",), ("9001",)]
    assert asked(mirror, "SELECT shop, delta FROM stock_movements ORDER BY shop") == [
        ("north", None),
        ("south", None),
    ]
    with database.transaction(mirror.engine) as connection:
        key = inspect(connection).get_pk_constraint("_purchases")["constrained_columns"]
    assert key == ["shop", "order_number", "warehouse"]
    assert columns_of_views(mirror.engine)["orders"][-1] == "shop"
    assert verify.differences(mirror.engine, mirror.mapping) == []
    assert schema.state(mirror.engine, mirror.mapping) is None
    # And the next start finds nothing to do.
    assert schema.ensure(mirror.engine, mirror.config, mirror.mapping).columns == {}


def test_a_shop_with_another_name_has_its_rows_filled_again(open_mirror: Open) -> None:
    two_orders(open_mirror(by_shop()))
    mirror = open_mirror(by_shop(xtnd="west", second="south"))
    for view in ("orders", "stock_balances", "stock_balance_history", "order_events", "stock_movements"):
        assert asked(mirror, f"SELECT DISTINCT shop FROM {view} ORDER BY shop") == [("south",), ("west",)]
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_shops_that_were_apart_do_not_share_rows_until_the_tables_are_dropped(
    open_mirror: Open, make_config: MakeConfig
) -> None:
    mirror = open_mirror(by_shop())
    two_orders(mirror)
    (said,) = refusals(mirror, by_shop(key_by_shop=False), make_config)
    assert "mirror.key_by_shop is no longer true" in said
    with pytest.raises(StartupError) as refused:
        open_mirror(by_shop(key_by_shop=False))
    assert "mirror.key_by_shop is no longer true" in refused.value.what
    assert "customers, invoices, offers, order_picking_rows, orders" in refused.value.what
    with database.transaction(mirror.engine) as connection:
        drops = refused.value.cure.partition("(")[2].partition(")")[0]
        for drop in drops.replace(", which drops views on it too", "").split("; "):
            connection.exec_driver_sql(drop)
    mirror = open_mirror(by_shop(key_by_shop=False))
    assert asked(mirror, "SELECT order_number, status FROM orders") == [("9001", "picked")]
    assert verify.differences(mirror.engine, mirror.mapping) == []
