# ruff: noqa: E501 - each input stands in one line with what it gives
"""What analysts read: stock movements, and how fresh the mirror is."""

import itertools
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.events import iso
from connector.mirror import database
from connector.mirror.chunks import Chunk, Letter
from tests import strategies
from tests.conftest import MakeConfig
from tests.sources import snapshot, with_sources
from tests.strategies import MINUTE, NOON, Mirror


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": database_url}), copied=True) as found:
        yield found


def balance(
    mirror: Mirror, value: Any, at: int, delivery: str, *, product: str = "1", action: str = "BalanceChanged"
) -> Any:
    name = "Balance" if action == "BalanceChanged" else "AvailableBalance"
    details = {"ProductNumber": product, "Warehouse": "N", name: value}
    return mirror.event(action, details, delivery=delivery, at=NOON + at * MINUTE)


def movements(mirror: Mirror, product: str = "1", measure: str = "balance") -> list[tuple[str | None, ...]]:
    rows = mirror.rows("stock_movements", "occurred_at, event_id")
    return [
        tuple(
            None if row[name] is None else format(Decimal(str(row[name])), "f")
            for name in ("quantity", "previous_quantity", "delta")
        )
        for row in rows
        if (row["product_number"], row["measure"]) == (product, measure)
    ]


def test_a_movement_is_the_difference_from_the_one_before_in_event_order(mirror: Mirror) -> None:
    # They arrive in another order than they happened in.
    mirror.write(balance(mirror, "-0,3", 3, "d"), balance(mirror, 10, 1, "a"))
    mirror.write(
        balance(mirror, "0.1", 2, "c"), balance(mirror, "-0.300001", 4, "e"), balance(mirror, 0, 5, "f")
    )
    assert movements(mirror) == [
        ("10", None, None),
        ("0.1", "10", "-9.9"),
        ("-0.3", "0.1", "-0.4"),
        ("-0.300001", "-0.3", "-0.000001"),
        ("0", "-0.300001", "0.300001"),
    ]


def test_each_product_and_measure_moves_by_itself(mirror: Mirror) -> None:
    mirror.write(
        balance(mirror, 5, 1, "a"),
        balance(mirror, 7, 2, "b", product="2"),
        balance(mirror, 1, 3, "c", action="AvailableBalanceChanged"),
        balance(mirror, 4, 4, "d"),
    )
    assert movements(mirror) == [("5", None, None), ("4", "5", "-1")]
    assert movements(mirror, "2") == [("7", None, None)]
    assert movements(mirror, measure="available_balance") == [("1", None, None)]


def test_movements_at_one_instant_stand_in_order_of_delivery_index_and_row(mirror: Mirror) -> None:
    def at_noon(values: list[int], delivery: str, index: int) -> Any:
        details = [{"ProductNumber": "1", "Warehouse": "N", "Balance": value} for value in values]
        return mirror.event("BalanceChanged", details, delivery=delivery, index=index)

    mirror.write(
        at_noon([40], "b", 0), at_noon([20, 30], "a", 10), at_noon([10], "a", 9), at_noon([50], "b-", 0)
    )
    # Both databases keep rows in the order in which they came; so one is put elsewhere.
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql(
            "UPDATE _stock_balance_history SET row_index = 5, quantity = 35 WHERE event_id = 'a:10' AND row_index = 0"
        )
    rows = sorted(mirror.rows("stock_movements"), key=lambda row: row["quantity"])
    assert [row["previous_quantity"] for row in rows] == [None, 10, 30, 35, 40]


numbers = st.one_of(
    st.decimals(-(10**9), 10**9, places=6),
    st.integers(-(10**12), 10**12).map(Decimal),
    st.decimals(-(10**59), 10**59, places=6),
    st.integers(0, 59).map(lambda power: Decimal(10) ** power - Decimal("0.000001")),
    st.sampled_from([Decimal("0.000001"), Decimal(-1), Decimal("300000000000.5"), Decimal(2) ** 63]),
)
FIFTEEN_DIGITS = Decimal("5e-16")


@settings(max_examples=40)
@given(st.lists(numbers, min_size=2, max_size=8))
@example([Decimal("-9223372036854.25"), Decimal("300000000000.5")])
@example([Decimal("9" * 30 + ".25"), Decimal("9" * 30 + ".5")])
@example([Decimal(10) ** 45, Decimal(10) ** 45 - Decimal("0.000001")])
def test_every_difference_is_exact_or_has_fifteen_digits_on_sqlite(
    mirror: Mirror, values: list[Decimal]
) -> None:
    mirror.empty()
    mirror.write(*(balance(mirror, f"{value:f}", place, f"d{place}") for place, value in enumerate(values)))
    rows = mirror.rows("stock_movements", "occurred_at")
    with localcontext(prec=80):
        exact = [after - before for before, after in itertools.pairwise(values)]
        found = [Decimal(row["delta"]) for row in rows[1:]]
        if mirror.engine.dialect.name == "postgresql":
            assert found == exact
            return
        assert {type(row["delta"]) for row in rows[1:]} <= {int, float}
        for one, other in zip(found, exact, strict=True):
            assert abs(one - other) <= abs(other) * FIFTEEN_DIGITS


def test_the_status_tells_events_and_freshness_of_every_family(mirror: Mirror) -> None:
    mirror.write(
        mirror.event("OrderCreated", {"OrderNumber": "1"}, delivery="a", received=NOON),
        mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="b", received=NOON + MINUTE),
        mirror.event("Unheard", {}, delivery="c"),
    )
    families = {row["family"]: row for row in mirror.rows("mirror_status")}
    assert set(families) == {
        "orders",
        "purchases",
        "balances",
        "products",
        "customers",
        "offers",
        "invoices",
        "unrouted",
    }
    orders = families["orders"]
    times = [
        strategies.plain(name, orders[name])
        for name in ("first_received_at", "last_received_at", "last_mirrored_at")
    ]
    assert times == [
        "2023-11-14T22:13:20.000000Z",
        "2023-11-14T22:14:20.000000Z",
        "2023-11-14T22:13:20.000000Z",
    ]
    assert (orders["events"], families["unrouted"]["events"], families["offers"]["events"]) == (2, 1, 0)
    assert families["offers"]["last_mirrored_at"] is None


def test_the_status_tells_records_from_hooks_and_which_of_them_are_stale(mirror: Mirror) -> None:
    with strategies.mirror(with_sources(mirror.config)) as fetching:
        for number, at in (("1", NOON), ("2", NOON + 5 * MINUTE), ("3", NOON + 2 * MINUTE)):
            picked = fetching.event(
                "OrderPicked", {"OrderNumber": number}, at=at, delivery=number, received=at
            )
            fetching.write(picked)
        event = snapshot("1", NOON + MINUTE)
        topic = fetching.config.topics.snapshot_topic
        fetching.sink.write([fetching.chunk([event], topic=topic)])
        row = fetching.row("mirror_status", family="orders")
        assert (row["events"], row["records_stale"]) == (4, 2)
        shown = ("first_received_at", "last_received_at", "records_fetched_at", "records_stale_since")
        assert [strategies.plain(name, row[name]) for name in shown] == [
            iso(NOON), iso(NOON + 5 * MINUTE), iso(event.received_at), iso(NOON + 2 * MINUTE)
        ]  # fmt: skip
        other = fetching.row("mirror_status", family="offers")
        assert (other["records_fetched_at"], other["records_stale"]) == (None, 0)


def test_the_status_counts_parked_dead_letters_and_lost_records_where_they_belong(mirror: Mirror) -> None:
    topics = mirror.routes.event_topics()
    letters = [
        ("by its action", "OfferCreated", None, "parked"),
        ("by its topic", None, topics["orders"], "parked"),
        ("done", "OfferCreated", None, "replayed"),
        ("whose is it", None, None, "parked"),
    ]
    rows = [
        {"dead_letter_id": name, "stage": "gateway", "reason": "r", "error": "e.", "payload": b"", "context": "{}",
         "action": action, "kafka_topic": topic, "parked_at": "2024-01-01T00:00:00Z", "state": state,
         "state_at": "2024-01-01T00:00:00Z"}
        for name, action, topic, state in letters
    ]  # fmt: skip
    mirror.sink.write(
        [Chunk("dead", 0, 0, 0, 4, letters=[Letter(place, row) for place, row in enumerate(rows)])]
    )
    lost = Chunk(topics["orders"], 0, 0, 0, 1), Chunk(topics["orders"], 1, 0, 0, 1)
    mirror.sink.write(lost)
    mirror.sink.write([Chunk(topics["orders"], number, 1, 4, 5) for number in (0, 1)])
    families = {row["family"]: row for row in mirror.rows("mirror_status")}
    parked = {
        name: row["parked_dead_letters"] for name, row in families.items() if row["parked_dead_letters"]
    }
    assert parked == {"offers": 1, "orders": 1, "(unknown)": 1}
    assert {name: row["records_lost"] for name, row in families.items() if row["records_lost"]} == {
        "orders": 6
    }


def test_the_status_tells_how_far_the_gateways_clocks_are_from_kafkas(mirror: Mirror) -> None:
    """The worst of the family's partitions, each by its last record that says it."""
    orders, offers = (mirror.routes.event_topics()[family] for family in ("orders", "offers"))

    def distance(family: str) -> Any:
        return mirror.row("mirror_status", family=family)["clock_distance_seconds"]

    mirror.sink.write([Chunk(orders, 0, 0, 0, 1), Chunk(offers, 0, 0, 0, 1, clock_distance=0)])
    assert (distance("orders"), distance("offers")) == (None, 0)
    mirror.sink.write([
        Chunk(orders, 0, 1, 1, 2, clock_distance=-3_600_013), Chunk(orders, 1, 0, 0, 1, clock_distance=2_500)
    ])  # fmt: skip
    assert Decimal(str(distance("orders"))) == Decimal("-3600.013")
    mirror.sink.write([Chunk(orders, 0, 2, 2, 3, clock_distance=-7), Chunk(orders, 1, 1, 1, 2)])
    assert Decimal(str(distance("orders"))) == Decimal("2.5")


def test_the_views_can_be_read_while_nothing_is_there(mirror: Mirror) -> None:
    assert mirror.rows("stock_movements") == []
    with database.transaction(mirror.engine) as connection:
        assert connection.exec_driver_sql("SELECT SUM(events) FROM mirror_status").scalar_one() == 0
