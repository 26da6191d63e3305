# ruff: noqa: E501 - each input stands in one line with what it gives
"""Which topic an action's events go to, and which entity they speak of."""

from typing import Any

import pytest

from connector.errors import Poison
from connector.kafka.record import Record
from connector.kafka.routes import Routes
from connector.kafka.topics import plans
from tests.conftest import MakeConfig


@pytest.fixture
def routes(make_config: MakeConfig) -> Routes:
    return Routes(make_config({"topics.prefix": "xtnd."}))


def key(routes: Routes, action: str, details: Any) -> str | None:
    return routes.entity_key(routes.route(action), details)


def reason(routes: Routes, action: str, details: Any) -> tuple[str, str]:
    with pytest.raises(Poison) as caught:
        key(routes, action, details)
    return caught.value.reason, caught.value.error


def test_an_action_goes_to_the_topic_of_its_family(routes: Routes) -> None:
    route = routes.route("PurchaseCreated")
    assert (route.family, route.topic) == ("purchases", "xtnd.purchases")


def test_an_action_that_no_family_claims_goes_to_the_unrouted_topic_without_an_entity(routes: Routes) -> None:
    route = routes.route("SomethingNew")
    assert (route.family, route.topic) == ("unrouted", "xtnd.unrouted")
    assert key(routes, "SomethingNew", {"OrderNumber": "1"}) is None
    assert key(routes, "SomethingNew", 5) is None


@pytest.mark.parametrize(
    ("action", "details", "entity"),
    [
        ("OrderCreated", {"OrderNumber": "007"}, "007"),
        ("OrderCreated", {"OrderNumber": 8684}, "8684"),
        ("PickingStarted", {"Order": {"OrderNumber": "1"}}, "1"),
        ("PurchaseCreated", {"OrderNumber": "RP-1", "Warehouse": "N"}, "RP-1"),
        ("BalanceChanged", {"ProductNumber": "7495", "Warehouse": "YX"}, "7495|YX"),
        ("PriceListWebHook", {"PriceListName": " Ä list "}, " Ä list "),
        ("CustomerInvoiceChanged", {"InvoiceNumber": 1}, "1"),
    ],
)
def test_the_entity_is_named_by_the_paths_of_the_action(
    routes: Routes, action: str, details: Any, entity: str
) -> None:
    assert key(routes, action, details) == entity


def test_of_several_row_objects_the_first_names_the_entity(routes: Routes) -> None:
    assert key(routes, "PurchaseCreated", [{"OrderNumber": "a"}, {"OrderNumber": "b"}]) == "a"


@pytest.mark.parametrize(
    ("value", "code"),
    [(None, "key-missing"), ("", "key-empty"), (" \u00a0", "key-empty"), (True, "key-kind"), ({}, "key-kind"), ([1], "key-kind"), (10**70, "number-range")],
)  # fmt: skip
def test_a_key_that_identifies_nothing_is_poison(routes: Routes, value: Any, code: str) -> None:
    found, error = reason(routes, "BalanceChanged", {"ProductNumber": "1", "Warehouse": value})
    assert found == code
    assert "Details.Warehouse" in error


def test_a_key_that_is_not_there_is_poison(routes: Routes) -> None:
    assert reason(routes, "OrderCreated", {})[0] == "key-missing"
    assert reason(routes, "PickingStarted", {"Order": None})[0] == "key-missing"


@pytest.mark.parametrize(("order", "kind"), [("x", "text"), (5, "a number"), (True, "true or false"), ([{"OrderNumber": "1"}], "an array")])  # fmt: skip
def test_a_value_that_is_no_object_on_the_way_to_a_key_is_poison_that_names_it(
    routes: Routes, order: Any, kind: str
) -> None:
    found, error = reason(routes, "PickingStarted", {"Order": order})
    assert (found, error) == (
        "details-kind",
        f"Details.Order.OrderNumber cannot be read: Order is {kind}, not an object.",
    )


@pytest.mark.parametrize("details", ["text", 5, None, [], [1, {}]])
def test_details_without_row_objects_are_poison_where_an_entity_is_wanted(
    routes: Routes, details: Any
) -> None:
    assert reason(routes, "OrderCreated", details)[0] == "details-kind"


def test_a_key_may_have_512_bytes_and_no_more(routes: Routes) -> None:
    assert key(routes, "OrderCreated", {"OrderNumber": "ä" * 256}) == "ä" * 256
    found, error = reason(routes, "OrderCreated", {"OrderNumber": "ä" * 256 + "a"})
    assert found == "key-too-long"
    assert "gateway.max_key_bytes" in error
    # The parts of a key count together.
    halves = {"ProductNumber": "a" * 256, "Warehouse": "b" * 256}
    assert reason(routes, "BalanceChanged", halves)[0] == "key-too-long"


def test_every_topic_is_planned_once_with_its_settings(make_config: MakeConfig) -> None:
    config = make_config(
        {"topics.prefix": "p.", "topics.families.offers.partitions": 3, "topics.retention_hours": -1}
    )
    planned = {plan.name: plan for plan in plans(config)}
    names = ["orders", "purchases", "balances", "products", "customers", "offers", "invoices"]
    assert sorted(planned) == sorted(f"p.{name}" for name in [*names, "unrouted", "dead-letters"])
    assert planned["p.offers"].partitions == 3
    assert planned["p.orders"].partitions == 12
    assert planned["p.orders"].settings["retention.ms"] == "-1"


@pytest.mark.parametrize(
    ("topic", "label", "parked", "now"),
    [
        ("former.orders", "orders", False, "xtnd.orders"),
        ("xtnd.orders", "orders", False, "xtnd.orders"),
        ("xtnd.sales", "sales", False, "xtnd.unrouted"),
        ("former.unrouted", "unrouted", False, "xtnd.unrouted"),
        ("former.dead-letters", "key-missing", True, "xtnd.dead-letters"),
        ("former.dead-letters", "orders", True, "xtnd.dead-letters"),
    ],
)
def test_a_record_that_waited_goes_to_the_topic_of_today(
    routes: Routes, topic: str, label: str, parked: bool, now: str
) -> None:
    record = Record(topic, b"k", b"v", [("a", b"b")], label, parked)
    assert routes.rerouted(record) == record._replace(topic=now)
