# ruff: noqa: E501 - each input stands in one line with what it gives
"""Which topic an action's events go to, and which entity they speak of."""

import json
import re
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from connector import config
from connector.errors import ConfigError, Poison
from connector.kafka.claims import claim, owned
from connector.kafka.record import Record
from connector.kafka.routes import Routes
from connector.kafka.topics import plans
from tests.conftest import SECRET, MakeConfig


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
def test_details_without_row_objects_are_poison_where_an_entity_is_needed(
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
    assert sorted(planned) == sorted(
        f"p.{name}" for name in [*names, "unrouted", "dead-letters", "snapshots"]
    )
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


NAMES = st.sampled_from(["orders", "offers", "unrouted", "un_routed", "un.routed", "dead_letters", "mine"])
PARTS = st.sampled_from(
    ["orders", "unrouted", "dead-letters", "dead.letters", "dead_letters", "mine", "snapshots"]
)
PREFIXES = st.sampled_from(["", "p.", "q.", "_", "__"])


@st.composite
def topic_settings(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    families = {}
    for index, name in enumerate(names):
        topic = draw(st.none() | PARTS)
        actions = {f"Action{index}": {"key": "OrderNumber"}}
        families[name] = {"actions": actions, **({"topic": topic} if topic else {})}
    return {
        "prefix": draw(PREFIXES),
        "unrouted": draw(PARTS),
        "snapshots": draw(PARTS),
        "dead_letters": draw(PARTS),
        "former_prefixes": draw(st.lists(PREFIXES, max_size=2)),
        "former_topics": draw(st.lists(PARTS, max_size=2)),
        "families": families,
    }


@given(topic_settings())
@settings(max_examples=300)
def test_every_topic_that_is_published_to_is_read_by_one_agent(topics: dict[str, Any]) -> None:
    """Or the configuration cannot load."""
    tables = {
        "things": {
            "actions": ["Action0"],
            "key": {"number": {"path": "OrderNumber"}},
        }
    }
    texts = {
        "connector.yaml": json.dumps(
            {
                "hooks": {"xtnd": {"secrets": [SECRET]}},
                "kafka": {"bootstrap_servers": "k:1"},
                "database": {"url": "sqlite:///m.db"},
            }
        ),
        "topics.yaml": json.dumps({"topics": topics}),
        "tables.yaml": json.dumps({"tables": tables}),
    }
    try:
        loaded = config.parse(texts, {})
    except ConfigError:
        event("refused")
        return
    event("loaded")
    made = Routes(loaded)
    actions = [action for family in topics["families"].values() for action in family["actions"]]
    published = {made.route(action).topic for action in [*actions, "Unknown"]} | {made.dead_letter_topic}
    published.add(made.snapshot_topic)
    read = made.topics_read()
    assert published <= set(read)
    assert len(read) == len(set(read))
    assert {plan.name for plan in plans(loaded)} == published
    # To Kafka a dot and a _ are the same, so none of them could not be made beside another.
    assert len({name.replace(".", "_") for name in published}) == len(published)
    # A family's events are read as that family's.
    events_read = made.event_topics()
    assert all(events_read[made.route(action).family] == made.route(action).topic for action in actions)


def test_a_prefix_is_claimed_for_its_group_and_the_longest_one_decides() -> None:
    names = ["p.orders", "p.test.orders", "orders", claim("p.", "g"), claim("p.test.", "other"), "__offsets"]
    assert owned(names, "g") == {"p.orders": "p."}
    assert owned(names, "other") == {"p.test.orders": "p.test."}
    assert owned([*names, claim("", "other")], "other") == {
        "p.test.orders": "p.test.",
        "orders": "",
        "__offsets": "",
    }
    assert owned(names, "third") == {}


@pytest.mark.parametrize("group", ["g", "Ä group", "g" * 300])
def test_a_claim_is_a_name_that_kafka_takes(group: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", claim("p" * 100, group))
    assert owned([claim("p.", group), "p.orders"], group) == {"p.orders": "p."}
