# ruff: noqa: E501 - each input stands in one line with what it gives
"""The fold and the mapping: what events say for rows, in any order, without any I/O."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import config
from connector.errors import Poison
from connector.events import Event
from connector.mirror.fold import fold
from tests import strategies
from tests.conftest import ROOT, SECRET
from tests.strategies import MINUTE, NOON, Maker, Sent

CUSTOM = """
tables:
  readings:
    actions: [ProductChanged]
    key:
      product_number: {path: ProductNumber}
    columns:
      lowest: {rule: min, type: numeric, path: Value}
      highest: {rule: max, type: numeric, path: Value}
      first_word: {rule: min, type: text, path: Word}
      last_word: {rule: max, type: text, path: Word}
      earliest_value: {rule: earliest, type: numeric, path: Value}
      due_first: {rule: min, type: timestamp, path: Due}
      due: {rule: latest, type: timestamp, path: [Due, Deep.Due]}
      last_hook: {rule: latest, event: hook}
      source: {rule: latest, constant: xtnd}
      rank: {rule: max, constant: 3}
"""


def made(tables: str | None = None) -> Maker:
    texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
    if tables:
        texts["tables.yaml"] = tables
    return Maker(config.parse(texts, {"XTND_WEBHOOK_SECRET": SECRET}))


shipped = made()
custom = made(CUSTOM)


def folded(maker: Maker, *said: Event) -> Any:
    return fold((event, maker.mapping.contributions(event)) for event in said)


def stored(maker: Maker, *said: Event) -> dict[str, Any]:
    """All that the store keeps of the rows that events make, by table and key."""
    tables = {name: (maker.mapping.table(name), rows) for name, rows in folded(maker, *said).items()}
    return {name: sorted(zip(*table.by_column(rows), strict=True)) for name, (table, rows) in tables.items()}


def row(
    table: str, *said: Event, maker: Maker = shipped, key: tuple[Any, ...] | None = None
) -> dict[str, Any]:
    """The only row that events make of a state table, or the one with this key."""
    rows = folded(maker, *said)[table]
    (found,) = rows.values() if key is None else [rows[key]]
    names = [column.name for column in maker.mapping.table(table).columns]
    own = ("first_seen_at", "as_of", "last_action", "last_event_id", "event_count")
    return dict(zip(names, found.cells, strict=True)) | {name: getattr(found, name) for name in own}


def histories(table: str, *said: Event) -> list[dict[str, Any]]:
    names = [column.name for column in shipped.mapping.table(table).columns]
    rows = folded(shipped, *said).get(table, {})
    return [
        dict(zip(("event_id", "row_index", "source", *names), (*key[1:], *cells), strict=True))
        for key, cells in sorted(rows.items())
    ]


def order(action: str, at: int, delivery: str = "a", **details: Any) -> Event:
    return shipped.event(action, {"OrderNumber": "1"} | details, at=NOON + at * MINUTE, delivery=delivery)


def reason(act: Callable[[], Any]) -> str:
    with pytest.raises(Poison) as caught:
        act()
    return caught.value.reason


# --- Rules ---------------------------------------------------------------------------------------


def test_a_late_event_fills_only_what_it_alone_knows() -> None:
    found = row("orders", order("OrderPicked", 5, "p"), order("OrderCreated", 0, "c", OrderType="Web"))
    assert (found["status"], found["order_type"]) == ("picked", "Web")
    assert (found["created_at"], found["picked_at"]) == (NOON, NOON + 5 * MINUTE)
    assert (found["first_seen_at"], found["as_of"]) == (NOON, NOON + 5 * MINUTE)
    assert (found["last_action"], found["last_event_id"], found["event_count"]) == ("OrderPicked", "p:0", 2)


def test_null_and_missing_values_never_erase() -> None:
    said = [
        order("OrderCreated", 0, "a", OrderType="Web"),
        order("OrderReserved", 1, "b", OrderType=None),
        order("OrderPicked", 2, "c"),
    ]
    assert row("orders", *said)["order_type"] == "Web"


def test_an_event_that_carries_no_status_leaves_it() -> None:
    found = row("orders", order("OrderReserved", 0, "a"), order("OrderDeliveryDataChanged", 1, "b"))
    assert (found["status"], found["last_action"]) == ("reserved", "OrderDeliveryDataChanged")
    assert found["delivery_data_changed_at"] == NOON + MINUTE


def test_what_repeats_has_a_first_a_last_and_a_count() -> None:
    found = row("orders", *(order("OrderReserved", at, f"d{at}") for at in (3, 1, 2)))
    assert (found["reserved_at"], found["last_reserved_at"]) == (NOON + MINUTE, NOON + 3 * MINUTE)
    assert found["reserved_count"] == 3


def test_events_at_one_instant_stand_in_order_of_delivery_and_index() -> None:
    same = [
        shipped.event("OrderPicked", {"OrderNumber": "1"}, delivery="b", index=0),
        shipped.event("OrderReserved", {"OrderNumber": "1"}, delivery="a", index=10),
        shipped.event("OrderCreated", {"OrderNumber": "1"}, delivery="a", index=9),
    ]
    assert row("orders", *same)["status"] == "picked"
    assert row("orders", *same[1:])["status"] == "reserved"


def test_several_row_objects_with_one_key_count_once_and_the_last_is_the_newest() -> None:
    details = [
        {"OrderNumber": "1", "Warehouse": "N", "ProductNumber": "a"},
        {"OrderNumber": "1", "Warehouse": "N", "ProductNumber": "b"},
        {"OrderNumber": "1", "Warehouse": "S", "ProductNumber": "c"},
    ]
    said = shipped.event("PurchasePartiallyDelivered", details)
    assert row("purchases", said, key=("1", "N"))["delivery_count"] == 1
    assert row("purchases", said, key=("1", "N"))["event_count"] == 1
    assert row("purchases", said, key=("1", "S"))["delivery_count"] == 1
    values = [
        {"ProductNumber": "1", "Word": "x", "Value": 2},
        {"ProductNumber": "1", "Word": "y", "Value": 1},
    ]
    found = row("readings", custom.event("ProductChanged", values), maker=custom)
    assert (found["earliest_value"], found["lowest"], found["highest"]) == ("2", "1", "2")


def test_minima_and_maxima_are_taken_by_value() -> None:
    said = [
        custom.event(
            "ProductChanged",
            {"ProductNumber": 1, "Value": value, "Word": word, "Due": due},
            delivery=delivery,
        )
        for delivery, value, word, due in [
            ("a", "10", "b", "2024-01-02T00:00:00Z"),
            ("b", 9.5, "ä", "2024-01-01T23:00:00-05:00"),
            ("c", "-1 000,5", "Z", "2024-01-02T00:00:00+05:00"),
        ]
    ]
    found = row("readings", *said, maker=custom)
    assert (found["lowest"], found["highest"]) == ("-1000.5", "10")
    assert (found["first_word"], found["last_word"]) == ("Z", "ä")
    assert found["due_first"] == custom.event("X", {}, at=1_704_135_600_000_000).occurred_at
    assert (found["last_hook"], found["source"], found["rank"]) == ("xtnd", "xtnd", "3")


def test_the_first_path_that_carries_a_value_is_taken() -> None:
    deep = {"ProductNumber": "1", "Due": None, "Deep": {"Due": "1970-01-01T00:00:00Z"}}
    assert row("readings", custom.event("ProductChanged", deep), maker=custom)["due"] == 0


# --- Picking rows --------------------------------------------------------------------------------


def picking(rows: Any, **more: Any) -> Event:
    return shipped.event(
        "PickingStarted", {"Order": {"OrderNumber": "1", "Warehouse": "N", "Row": rows} | more}
    )


PICKED = {"Position": 10, "SubPosition": 0, "ProductNumber": "4340-001", "Unit": {"Quantity": "1 000,5"}}


@pytest.mark.parametrize(
    "rows", [PICKED, [PICKED], [PICKED, None]], ids=["an object", "an array", "an array with null"]
)
def test_a_picking_row_may_be_an_object_or_an_array_of_objects(rows: Any) -> None:
    found = row("order_picking_rows", picking(rows), key=("1", "10", "0"))
    assert (found["product_number"], found["quantity"], found["warehouse"]) == ("4340-001", "1000.5", "N")
    assert row("orders", picking(rows))["status"] == "picking"


def test_several_picking_rows_are_several_rows_of_one_order() -> None:
    said = picking([PICKED, PICKED | {"Position": "20"}])
    assert set(folded(shipped, said)["order_picking_rows"]) == {("1", "10", "0"), ("1", "20", "0")}
    assert row("orders", said)["event_count"] == 1


@pytest.mark.parametrize("rows", [None, []])
def test_a_picking_without_rows_still_tells_the_order(rows: Any) -> None:
    found = folded(shipped, picking(rows))
    assert set(found) == {"orders"}


# --- History -------------------------------------------------------------------------------------


def test_each_row_object_that_names_a_product_is_a_delivery_row_with_its_place() -> None:
    details = [
        {
            "OrderNumber": "RP",
            "Warehouse": "N",
            "ProductNumber": "a",
            "Quantity": "5 324",
            "Position": 30,
            "Unit": "ST",
        },
        {"OrderNumber": "RP", "Warehouse": "N"},
        {"OrderNumber": "RP", "Warehouse": "N", "ProductNumber": "b"},
    ]
    rows = histories(
        "purchase_delivery_rows", shipped.event("PurchaseDelivered", details, delivery="d", index=3)
    )
    assert [(one["event_id"], one["row_index"], one["product_number"]) for one in rows] == [
        ("d:3", 0, "a"),
        ("d:3", 2, "b"),
    ]
    assert (rows[0]["quantity"], rows[0]["position"], rows[0]["unit"]) == ("5324", "30", "ST")
    assert rows[0]["occurred_at"] == NOON


def test_a_balance_is_history_under_its_measure_and_one_without_a_number_is_not() -> None:
    base = {"ProductNumber": "1", "Warehouse": "N"}
    rows = histories(
        "stock_balance_history",
        shipped.event("BalanceChanged", base | {"Balance": -2, "EventName": "x"}, delivery="a"),
        shipped.event("AvailableBalanceChanged", base | {"AvailableBalance": 22}, delivery="b"),
        shipped.event("BalanceChanged", base | {"AvailableBalance": 5}, delivery="c"),
    )
    assert [(one["measure"], one["quantity"], one["event_name"]) for one in rows] == [
        ("balance", "-2", "x"),
        ("available_balance", "22", None),
    ]


# --- Poison --------------------------------------------------------------------------------------

NO_KEY = {"ProductNumber": "1"}


@pytest.mark.parametrize(
    ("action", "details", "code"),
    [
        ("BalanceChanged", {"ProductNumber": "1"}, "key-missing"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": None}, "key-missing"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": " "}, "key-empty"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": {}}, "not-text"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": "N", "Balance": "much"}, "not-a-number"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": "N", "Balance": "9" * 61}, "number-range"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": "N", "EventName": []}, "not-text"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": "a" * 1025}, "text-too-long"),
        ("BalanceChanged", {"ProductNumber": "1", "Warehouse": "a\x00"}, "nul-character"),
        ("PurchaseCreated", [{"OrderNumber": "1", "Warehouse": "N"}, {"OrderNumber": "1"}], "key-missing"),
        ("PickingStarted", {"Order": {"OrderNumber": "1", "Row": "x"}}, "details-kind"),
        ("PickingStarted", {"Order": {"OrderNumber": "1", "Row": [5]}}, "details-kind"),
        ("PickingStarted", {"Order": {"OrderNumber": "1", "Row": {"Position": 1}}}, "key-missing"),
        ("OrderCreated", b'{"OrderNumber":"1","x":1e1001}', "number-range"),
        ("OrderCreated", b'{"OrderNumber":"1","x":"\\\\\\u0000"}', "nul-character"),
        ("Unheard", b'{"x":"\\u0000"}', "nul-character"),
        ("Unheard", b'{"x":1e-131072}', "number-range"),
    ],
)  # fmt: skip
def test_what_can_never_be_mirrored_is_poison_with_its_reason(action: str, details: Any, code: str) -> None:
    raw = details if isinstance(details, bytes) else strategies.json.dumps(details).encode()
    event = Event(
        delivery_id="a", index=0, hook="h", attempt=1, family="f", action=action, entity_key="1",
        details=raw, properties="{}", received_at=NOON, occurred_at=NOON,
    )  # fmt: skip
    assert reason(lambda: shipped.mapping.contributions(event)) == code


def test_a_poison_names_the_field_and_the_column() -> None:
    bad = shipped.event("BalanceChanged", {"ProductNumber": "1", "Warehouse": "N", "Balance": "much"})
    with pytest.raises(
        Poison, match=r"Details\.Balance \(column balance\): 'much' cannot be read as a number"
    ):
        shipped.mapping.contributions(bad)


def test_a_row_object_without_what_its_table_requires_is_skipped_whatever_its_key_is() -> None:
    maker = made(
        """
tables:
  readings:
    actions: [ProductChanged]
    key:
      name: {path: Name}
    columns:
      value: {rule: latest, type: numeric, path: Value}
    requires: [value]
"""
    )
    for name in ({"x": 1}, "a" * 1025, None):
        skipped = maker.event("ProductChanged", {"ProductNumber": "1", "Name": name})
        assert maker.mapping.contributions(skipped) == []
        bad = maker.event("ProductChanged", {"ProductNumber": "1", "Name": name, "Value": 1})
        assert reason(lambda bad=bad: maker.mapping.contributions(bad)) in (
            "not-text",
            "text-too-long",
            "key-missing",
        )


def test_a_poison_names_the_one_of_several_paths_that_holds_it() -> None:
    bad = custom.event("ProductChanged", {"ProductNumber": "1", "Deep": {"Due": "soon"}})
    with pytest.raises(Poison, match=r"Details\.Deep\.Due \(column due\): 'soon' is no instant like"):
        custom.mapping.contributions(bad)


@pytest.mark.parametrize(
    "text",
    [
        b'"12E345"',
        b'"a1e2000"',
        b'"\\\\u0000"',
        b'"\\"1e999"',
        b'{"1e5000":"-1E+777"}',
        b"1e99",
        b'"' + b"1" * 2000 + b'"',
    ],
)
def test_text_that_only_looks_like_what_no_database_holds_is_mirrored(text: bytes) -> None:
    raw = b'{"OrderNumber":"1","x":' + text + b"}"
    event = shipped.event("OrderCreated", raw, properties=raw.decode())
    assert row("orders", event)["status"] == "created"


def test_a_foreign_event_whose_details_are_no_object_is_poison() -> None:
    for raw in (b"5", b"[]", b"[1]", b"null", b'{"a":1e99999999999999999999}', b"[" * 50_000 + b"]" * 50_000):
        event = Event(
            delivery_id="a", index=0, hook="h", attempt=1, family="orders", action="OrderCreated", entity_key="1",
            details=raw, properties="{}", received_at=NOON, occurred_at=NOON,
        )  # fmt: skip
        assert reason(lambda event=event: shipped.mapping.contributions(event)) in (
            "details-kind",
            "number-range",
        )


# --- The law, without a database -----------------------------------------------------------------


@given(strategies.sent_sets(), st.randoms(use_true_random=False))
def test_the_fold_is_the_same_for_every_order_of_distinct_events(sent: list[Sent], chance: Any) -> None:
    said = strategies.distinct([event for one in sent for event in strategies.copies_of(shipped, one)])
    other = list(said)
    chance.shuffle(other)
    assert stored(shipped, *other) == stored(shipped, *said)


@given(st.permutations(range(4)), st.lists(st.sampled_from([1, "2", "-3,5", None]), min_size=4, max_size=4))
def test_every_rule_is_the_same_for_every_order(places: list[int], values: list[Any]) -> None:
    said = [
        custom.event(
            "ProductChanged", {"ProductNumber": 1, "Value": value, "Word": value}, delivery=f"d{place}"
        )
        for place, value in enumerate(values)
    ]
    assert stored(custom, *(said[place] for place in places)) == stored(custom, *said)


def test_an_unrouted_event_touches_no_row() -> None:
    assert shipped.mapping.contributions(shipped.event("Unheard", {"OrderNumber": "1"})) == []
