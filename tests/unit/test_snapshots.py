"""A snapshot, the answer of one GET, is an event like any other: on Kafka, in order and in the ledger."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import events
from connector.errors import Poison
from connector.events import Event
from tests.unit.test_events import any_event, instants, objects

AT = 1_700_000_000_123_456


def order(**changes: Any) -> Event:
    given_: dict[str, Any] = {
        "source": "xtnd",
        "family": "orders",
        "entity": "Order",
        "key": "3339887",
        "at": AT,
        "received_at": AT + 100_000,
        "body": b'{ "orderHeader": {"orderNumber": "3339887"} }',
    }
    return events.snapshot(**(given_ | changes))


any_snapshot = st.builds(
    events.snapshot,
    source=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True),
    family=st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True),
    entity=st.text(min_size=1, max_size=8),
    key=st.text(min_size=1, max_size=20),
    at=instants,
    received_at=instants,
    body=objects.map(msgspec.json.encode),
    gone=st.booleans(),
)


def test_a_snapshot_is_a_cloudevent_without_what_only_a_delivery_has() -> None:
    assert json.loads(events.encode(order())) == {
        "specversion": "1.0",
        "id": "orders/3339887@1700000000123456",
        "source": "/sources/xtnd",
        "type": "com.extendcommerce.xtnd.OrderSnapshot",
        "subject": "3339887",
        "time": "2023-11-14T22:13:20.123456Z",
        "datacontenttype": "application/json",
        "data": {"orderHeader": {"orderNumber": "3339887"}},
        "family": "orders",
        "action": "OrderSnapshot",
        "receivedat": "2023-11-14T22:13:20.223456Z",
        "properties": "{}",
    }


def test_a_snapshots_key_names_family_and_entity_because_families_share_a_topic() -> None:
    assert order().kafka_key == b"orders/3339887"
    assert order(family="stock", key="7495|YX").kafka_key == b"stock/7495|YX"


def test_what_is_gone_says_so_in_its_action_and_only_where_it_is_of_a_source() -> None:
    assert order(gone=True).action == "OrderGone"
    assert order(gone=True).is_gone
    assert not order().is_gone
    by_hook = msgspec.structs.replace(order(gone=True), source_name=None, hook="xtnd")
    assert not by_hook.is_gone


@given(any_snapshot)
def test_every_snapshot_comes_back_from_its_record_as_it_was(sent: Event) -> None:
    assert events.decode(events.encode(sent)) == sent


@given(st.lists(any_event | any_snapshot, min_size=2, max_size=8))
def test_a_later_event_has_a_greater_version_and_no_two_events_have_the_same(several: list[Event]) -> None:
    for one in several:
        for other in several:
            if one.occurred_at < other.occurred_at:
                assert one.version.encode() < other.version.encode()
            if one.version == other.version:
                assert one.identity == other.identity


UNSOUND = {
    "an id of another record": {"id": "orders/1@1700000000123456"},
    "an id of another instant": {"id": "orders/3339887@1"},
    "another time than its id's": {"time": "2023-11-14T22:13:20.123457Z"},
    "a family that is no name": {"family": "Orders", "id": "Orders/3339887@1700000000123456"},
    "no subject": {"subject": None, "id": "orders/None@1700000000123456"},
    "an action of hooks": {"action": "OrderPicked"},
    "a source without a name": {"source": "/sources/"},
    "a source with a blank": {"source": "/sources/x y"},
    "a hook": {"hook": "xtnd"},
    "a delivery": {"deliveryid": "a1", "deliveryindex": 0, "attempt": 1},
}


@pytest.mark.parametrize("changes", UNSOUND.values(), ids=UNSOUND.keys())
def test_a_record_whose_parts_do_not_fit_a_snapshot_is_foreign(changes: dict[str, Any]) -> None:
    record = json.loads(events.encode(order())) | changes
    with pytest.raises(Poison) as caught:
        events.decode(json.dumps(record).encode())
    assert caught.value.reason == "foreign-event"


@pytest.mark.parametrize("part", ["hook", "deliveryid", "deliveryindex", "attempt"])
def test_an_event_of_a_hook_without_a_part_of_its_delivery_is_foreign(part: str) -> None:
    by_hook = msgspec.structs.replace(order(), source_name=None, hook="xtnd", delivery_id="a1")
    record = json.loads(events.encode(by_hook))
    assert events.decode(msgspec.json.encode(record)) == by_hook
    del record[part]
    with pytest.raises(Poison) as caught:
        events.decode(json.dumps(record).encode())
    assert caught.value.reason == "foreign-event"
