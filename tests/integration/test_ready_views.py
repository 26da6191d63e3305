"""Views that are ready to ask: intervals and days of the stock, timelines and lead times of orders."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import config
from connector.errors import StartupError
from connector.events import Event, iso
from connector.mirror import schema_trial
from connector.mirror.mapping import Mapping
from tests import strategies
from tests.conftest import ROOT, SECRET, MakeConfig
from tests.strategies import MINUTE, NOON, Mirror, few

DAY = 24 * 60 * MINUTE
ORDER = {"OrderNumber": "9001"}


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": database_url}), copied=True) as found:
        yield found


def balance(
    mirror: Mirror,
    value: Any,
    at: int,
    delivery: str,
    *,
    product: str = "1",
    warehouse: str = "N",
    available: bool = False,
) -> Event:
    action, name = (
        ("AvailableBalanceChanged", "AvailableBalance") if available else ("BalanceChanged", "Balance")
    )
    details = {"ProductNumber": product, "Warehouse": warehouse, name: value}
    return mirror.event(action, details, delivery=delivery, at=NOON + at)


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Rows in a form equal on both databases."""
    return [tuple(plain(value) for value in row.values()) for row in rows]


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, datetime):
        return strategies.plain("", value)
    return value if isinstance(value, int | float | None) else str(value)


def select(mirror: Mirror, query: str) -> list[tuple[Any, ...]]:
    return shown(strategies.select(mirror.engine, query))


INTERVALS = "SELECT quantity, valid_from, valid_to FROM stock_intervals ORDER BY valid_from"


def test_an_interval_ends_where_the_next_begins_and_the_last_is_open(mirror: Mirror) -> None:
    # They arrive in another order than they happened in.
    mirror.write(balance(mirror, "7.5", 2 * MINUTE, "b"))
    mirror.write(balance(mirror, 10, MINUTE, "a"))
    assert select(mirror, INTERVALS) == [
        (10, iso(NOON + MINUTE), iso(NOON + 2 * MINUTE)),
        (7.5, iso(NOON + 2 * MINUTE), None),
    ]


def test_of_two_events_at_one_instant_the_later_in_event_order_has_the_interval(mirror: Mirror) -> None:
    mirror.write(
        balance(mirror, 1, 0, "a"),
        balance(mirror, 3, MINUTE, "c"),
        balance(mirror, 2, MINUTE, "b"),
        balance(mirror, 4, 2 * MINUTE, "d"),
    )
    assert [row[0] for row in select(mirror, INTERVALS)] == [1, 3, 4]
    assert select(mirror, "SELECT COUNT(*) FROM stock_intervals WHERE valid_to <= valid_from") == [(0,)]


def test_a_day_without_events_carries_the_stock_on_up_to_today(mirror: Mirror) -> None:
    mirror.write(
        balance(mirror, 5, 0, "a"),
        balance(mirror, 6, MINUTE, "b"),
        balance(mirror, 2, 3 * DAY, "c"),
        balance(mirror, 9, DAY, "d", product="2"),
    )
    days = (
        "SELECT day, quantity FROM stock_daily WHERE product_number = '{}' AND day < '2023-11-19' ORDER BY 1"
    )
    assert select(mirror, days.format(1)) == [
        ("2023-11-14", 6),
        ("2023-11-15", 6),
        ("2023-11-16", 6),
        ("2023-11-17", 2),
        ("2023-11-18", 2),
    ]
    # A series begins with its own first day, and a value lasts however long it is ago.
    assert select(mirror, days.format(2))[0] == ("2023-11-15", 9)
    later = (
        "SELECT day, quantity FROM stock_daily WHERE day IN ('2023-11-21', '2023-11-23', '2024-11-15') AND {}"
    )
    assert select(mirror, later.format("product_number = '2' ORDER BY 1")) == [
        ("2023-11-21", 9),
        ("2023-11-23", 9),
        ("2024-11-15", 9),
    ]
    today = datetime.now(UTC).date()
    (last,) = select(mirror, "SELECT MAX(day) FROM stock_daily WHERE product_number = '1'")[0]
    assert str(today - timedelta(days=1)) <= last <= str(datetime.now(UTC).date())


moments = st.tuples(
    few([0, 0, MINUTE, DAY, 2 * DAY - 1]),
    few(["a", "b"]),
    few([("1", "N"), ("1", "O"), ("2", "M")]),
    st.booleans(),
    few([0, 3, "1.5", -2]),
)


@settings(max_examples=15)
@given(st.lists(moments, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_stock_views_say_what_the_events_say_in_their_order(
    mirror: Mirror, said: list[tuple[Any, ...]], chance: Any
) -> None:
    mirror.empty()
    made = [
        (
            balance(
                mirror,
                value,
                at,
                f"{letter}{place}",
                product=product,
                warehouse=warehouse,
                available=available,
            ),
            value,
        )
        for place, (at, letter, (product, warehouse), available, value) in enumerate(said)
    ]
    arriving = [event for event, _ in made]
    chance.shuffle(arriving)
    mirror.write(*arriving)
    steps: dict[tuple[str, ...], dict[int, Any]] = {}
    for event, value in sorted(made, key=lambda one: one[0].version):
        measure = "balance" if event.action == "BalanceChanged" else "available_balance"
        series = (*str(event.entity_key).split("|"), measure)
        steps.setdefault(series, {})[event.occurred_at] = plain(Decimal(value))
    intervals, days, now = [], [], []
    for key, found in steps.items():
        ends = [*[iso(at) for at in list(found)[1:]], None]
        intervals += [
            (*key, value, iso(at), end) for (at, value), end in zip(found.items(), ends, strict=True)
        ]
        now.append(intervals[-1][:-1])
        for number in range(4):
            midnight = NOON - NOON % DAY + number * DAY
            held = [value for at, value in found.items() if at < midnight + DAY]
            days += [(iso(midnight)[:10], *key, held[-1])] if held else []
    order = "ORDER BY product_number, warehouse, measure DESC"
    assert sorted(select(mirror, "SELECT * FROM stock_intervals"), key=repr) == sorted(intervals, key=repr)
    assert sorted(select(mirror, f"SELECT * FROM stock_now {order}"), key=repr) == sorted(now, key=repr)
    daily = "SELECT * FROM stock_daily WHERE day BETWEEN '2023-11-14' AND '2023-11-17'"
    assert sorted(select(mirror, daily), key=repr) == sorted(days, key=repr)


def test_the_timeline_of_an_order_holds_each_event_with_what_it_brought(mirror: Mirror) -> None:
    rows = [{"OrderNumber": "9001", "Row": 1}, {"OrderNumber": 9002, "Row": 2}]
    picking = {"Order": {"OrderNumber": "9001", "Row": {"Position": 1, "SubPosition": 0}}}
    mirror.write(
        mirror.event("PickingStarted", picking, delivery="c", at=NOON + 2 * MINUTE),
        mirror.event("OrderCreated", ORDER, delivery="a"),
        mirror.event("OrderReserved", rows, delivery="b", at=NOON + MINUTE),
        mirror.event("PurchaseCreated", {"OrderNumber": "9001", "Warehouse": "N"}, delivery="d"),
    )
    found = strategies.select(mirror.engine, "SELECT * FROM order_events ORDER BY order_number, occurred_at")
    assert [
        (row["order_number"], row["action"], row["event_id"], strategies.plain("", row["occurred_at"]))
        for row in found
    ] == [
        ("9001", "OrderCreated", "a:0", iso(NOON)),
        ("9001", "OrderReserved", "b:0", iso(NOON + MINUTE)),
        ("9001", "PickingStarted", "c:0", iso(NOON + 2 * MINUTE)),
        ("9002", "OrderReserved", "b:0", iso(NOON + MINUTE)),
    ]
    brought = (
        "SELECT CAST(details AS TEXT) FROM order_events WHERE action = 'OrderReserved' ORDER BY order_number"
    )
    assert [json.loads(text) for (text,) in select(mirror, brought)] == rows


def test_lead_times_are_seconds_and_open_orders_are_neither_picked_nor_cancelled(mirror: Mirror) -> None:
    def order(action: str, at: int, number: str = "9001") -> Event:
        return mirror.event(action, {"OrderNumber": number}, delivery=f"{action}{number}", at=NOON + at)

    mirror.write(
        order("OrderCreated", 0),
        order("OrderReserved", 90 * MINUTE + 500_000),
        order("OrderPicked", 3 * DAY),
        order("OrderCreated", 0, "9002"),
        order("OrderCancelled", MINUTE, "9003"),
        order("OrderDeliveryDataChanged", 0, "9004"),
    )
    times = select(mirror, "SELECT * FROM order_lead_times WHERE order_number = '9001'")[0]
    assert times == (
        *("9001", iso(NOON), iso(NOON + 90 * MINUTE + 500_000), None, iso(NOON + 3 * DAY)),
        *(5400.5, None, None, 3 * 86_400),
    )
    columns = list(mirror.row("order_lead_times", order_number="9001"))
    assert columns[-4:] == [
        "created_to_reserved_seconds",
        "reserved_to_picking_started_seconds",
        "picking_started_to_picked_seconds",
        "created_to_picked_seconds",
    ]
    assert [row["order_number"] for row in mirror.rows("orders_open")] == ["9002", "9004"]


def test_purchases_open_and_their_lead_times_follow_the_deliveries(mirror: Mirror) -> None:
    def purchase(action: str, at: int, number: str) -> Event:
        details = {"OrderNumber": number, "Warehouse": "N", "ProductNumber": "1", "Quantity": 1}
        return mirror.event(action, details, delivery=f"{action}{number}", at=NOON + at)

    mirror.write(
        purchase("PurchaseCreated", 0, "1"),
        purchase("PurchasePartiallyDelivered", DAY, "1"),
        purchase("PurchaseDelivered", 2 * DAY, "1"),
        purchase("PurchaseCreated", 0, "2"),
        purchase("PurchasePartiallyDelivered", MINUTE, "2"),
        purchase("PurchaseCancelled", 0, "3"),
    )
    query = (
        "SELECT order_number, created_to_first_delivered_seconds AS first, created_to_delivered_seconds "
        "FROM purchase_lead_times ORDER BY 1"
    )
    assert select(mirror, query) == [("1", 86_400, 2 * 86_400), ("2", 60, None), ("3", None, None)]
    assert [(row["order_number"], row["status"]) for row in mirror.rows("purchases_open")] == [
        ("2", "partially_delivered")
    ]


# --- Views of a user's own -----------------------------------------------------------------------


def changed(url: str, views: str) -> config.Config:
    texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
    texts["tables.yaml"] = texts["tables.yaml"].replace("\nviews:\n", f"\nviews:\n{views}\n")
    return config.parse(texts, {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url})


def test_a_select_of_a_users_own_becomes_a_view_with_its_comment(database_url: str) -> None:
    own = """
  late_orders:
    description: Orders that nothing happened to for 10 % of a day.
    select:
      postgresql: SELECT order_number FROM orders WHERE order_number LIKE '9%' AND as_of < now();
      sqlite: |
        SELECT order_number FROM orders WHERE order_number LIKE '9%' AND as_of < datetime('now') -- no more
"""
    with strategies.mirror(changed(database_url, own)) as mirror:
        mirror.write(
            mirror.event("OrderCreated", ORDER), mirror.event("OrderCreated", {"OrderNumber": "1"}, index=1)
        )
        assert select(mirror, "SELECT * FROM late_orders") == [("9001",)]
        if mirror.engine.dialect.name == "postgresql":
            said = select(mirror, "SELECT obj_description('late_orders'::regclass) AS said")
            assert said == [("Orders that nothing happened to for 10 % of a day.",)]


@pytest.mark.parametrize("text", ["SELECT order_nr FROM orders", "SELECT FROM WHERE"])
def test_a_select_that_the_database_does_not_take_is_refused_with_file_line_and_fix(
    database_url: str, text: str
) -> None:
    mine = changed(database_url, f"  mine:\n    select: {text}")
    line = (ROOT / "config" / "tables.yaml").read_text().partition("\nviews:\n")[0].count("\n") + 4
    with pytest.raises(
        StartupError, match=rf"tables\.yaml:{line}: the view mine cannot be made: .*"
    ) as refused:
        schema_trial.run(mine, Mapping(mine))
    assert "connector check" in refused.value.cure


def test_a_description_of_a_column_that_a_view_has_not_is_refused_with_file_line_and_fix(
    database_url: str,
) -> None:
    mine = changed(database_url, "  mine:\n    select: SELECT order_number FROM orders\n    columns: {nr: x}")
    line = (ROOT / "config" / "tables.yaml").read_text().partition("\nviews:\n")[0].count("\n") + 5
    with pytest.raises(
        StartupError, match=rf"tables\.yaml:{line}: the view mine has no column nr"
    ) as refused:
        schema_trial.run(mine, Mapping(mine))
    assert refused.value.cure == "describe one of its columns: order_number"


def test_each_view_has_its_words_and_an_example_among_the_pages_for_analysts(make_config: MakeConfig) -> None:
    """The examples are run by test_docs.py."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("views.md", "records.md")]
    queries = re.findall(r"```sql\n(.*?)```", "".join(pages), re.DOTALL)
    for name, view in make_config(records=True).views.items():
        assert f"**`{name}`**" in pages[0]
        assert view.kind == "full" or any(name in query for query in queries)
