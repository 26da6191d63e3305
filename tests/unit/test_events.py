# ruff: noqa: E501 - each malformed input stands in one line with its reason
"""What XTND sends → events → CloudEvents on Kafka and back, to the letter."""

import itertools
import json
import string
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import events
from connector.errors import Poison
from connector.events import Event

DELIVERIES = sorted((Path(__file__).parent.parent / "data" / "deliveries").glob("*.json"))
RECEIVED = 1_700_000_000_123_456


def event(**changes: Any) -> Event:
    whole: dict[str, Any] = {
        "delivery_id": "c902a61794c63ac71c92866bc0556092",
        "index": 2,
        "hook": "xtnd",
        "attempt": 2,
        "family": "balances",
        "action": "BalanceChanged",
        "entity_key": "7495|YX",
        "details": b'{"ProductNumber":"7495","Warehouse":"YX","Balance":1.10}',
        "properties": '{"NotificationId":"3b3f"}',
        "received_at": RECEIVED,
        "occurred_at": RECEIVED - 60_000_000,
    }
    return Event(**(whole | changes))


def body(**changes: Any) -> bytes:
    return json.dumps({"Id": "a1", "Attempt": 1, "Properties": {}, "Notifications": []} | changes).encode()


def reason(act: Callable[[], Any]) -> str:
    with pytest.raises(Poison) as caught:
        act()
    assert caught.value.error.endswith((".", ".."))
    return caught.value.reason


# --- When it happened ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "before_seconds"), [(1, 0), (2, 60), (3, 300), (4, 300), (1_000_000, 300)]
)
def test_an_event_happened_before_its_receipt_by_the_retry_schedule(
    attempt: int, before_seconds: int
) -> None:
    assert events.occurred_at(RECEIVED, attempt, (0, 60, 300)) == RECEIVED - before_seconds * 1_000_000


def test_a_schedule_of_fractions_of_a_second_is_kept_to_the_microsecond() -> None:
    assert events.occurred_at(RECEIVED, 2, (0, 0.0000015)) == RECEIVED - 2
    assert events.occurred_at(RECEIVED, 9, (1.5,)) == RECEIVED - 1_500_000


# --- CloudEvents ---------------------------------------------------------------------------------


def test_a_record_is_a_cloudevent_with_exactly_the_fields_of_the_contract() -> None:
    assert json.loads(events.encode(event())) == {
        "specversion": "1.0",
        "id": "c902a61794c63ac71c92866bc0556092:2",
        "source": "/webhooks/xtnd",
        "type": "com.extendcommerce.xtnd.BalanceChanged",
        "subject": "7495|YX",
        "time": "2023-11-14T22:12:20.123456Z",
        "datacontenttype": "application/json",
        "data": {"ProductNumber": "7495", "Warehouse": "YX", "Balance": 1.1},
        "family": "balances",
        "action": "BalanceChanged",
        "hook": "xtnd",
        "deliveryid": "c902a61794c63ac71c92866bc0556092",
        "deliveryindex": 2,
        "attempt": 2,
        "receivedat": "2023-11-14T22:13:20.123456Z",
        "properties": '{"NotificationId":"3b3f"}',
    }
    assert events.CONTENT_TYPE == ("content-type", b"application/cloudevents+json; charset=UTF-8")


def test_an_unrouted_event_has_no_subject_and_its_record_is_keyed_by_the_delivery() -> None:
    unrouted = event(entity_key=None, family="unrouted")
    assert "subject" not in json.loads(events.encode(unrouted))
    assert events.decode(events.encode(unrouted)).entity_key is None
    assert unrouted.kafka_key == unrouted.delivery_id.encode()
    assert event(entity_key="Ä|ß").kafka_key == "Ä|ß".encode()


NUMBERS = [b"1.10", b"1e400", b"-0", b"-0.0", b"8684.0", b"1E+2", b"0.1234567890123456789012345", b"9" * 300]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_travels_to_the_letter(number: bytes) -> None:
    raw = b'{"Quantity":' + number + b"}"
    assert b'"data":' + raw in events.encode(event(details=raw))
    assert events.decode(events.encode(event(details=raw))).details == raw
    delivery = events.parse_delivery(b'{"Id":"a","Notifications":[{"Action":"A","Details":' + raw + b"}]}")
    assert events.parse_notification(delivery.notifications[0]).details == raw


text = st.text(max_size=20)  # any code point but surrogates
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | text
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
objects = st.dictionaries(text, json_values, max_size=4)
delivery_ids = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
instants = st.integers(0, events.MAX_INSTANT)
any_event = st.builds(
    Event,
    delivery_id=delivery_ids,
    index=st.integers(0, events.MAX_INDEX),
    hook=text,
    attempt=st.integers(1, events.MAX_ATTEMPT),
    family=st.text(min_size=1, max_size=8),
    action=st.text(min_size=1, max_size=8),
    entity_key=st.none() | text,
    details=(objects | st.lists(objects, min_size=1)).map(msgspec.json.encode),
    properties=objects.map(json.dumps),
    received_at=instants,
    occurred_at=instants,
)


@given(any_event)
def test_every_event_comes_back_from_its_record_as_it_was(sent: Event) -> None:
    assert events.decode(events.encode(sent)) == sent


# --- The order of events -------------------------------------------------------------------------


near_ids = st.text("a-_0Z", min_size=1, max_size=3)


@given(
    st.lists(
        st.tuples(
            instants | st.sampled_from([0, 9, 10]),
            near_ids | delivery_ids,
            st.integers(0, 11) | st.just(999_999),
            st.text("a-_0Z", min_size=1, max_size=3) | st.text(min_size=1, max_size=3),
        ),
        min_size=2,
        max_size=8,
    )
)
@example([(10**15, "a", 0, "x"), (10**16 - 1, "a", 0, "x")])
@example([(5, "a", 10, "x"), (5, "a-", 9, "x"), (5, "a", 9, "x")])
@example([(5, "a", 1, "x-"), (5, "a", 1, "x"), (5, "a", 1, "X"), (5, "a", 10, "A")])
def test_versions_sort_as_text_exactly_as_events_do_by_instant_delivery_index_and_source(
    keys: list[tuple[int, str, int, str]],
) -> None:
    def version(key: tuple[int, str, int, str]) -> bytes:
        at, delivery_id, index, hook = key
        return event(occurred_at=at, delivery_id=delivery_id, index=index, hook=hook).version.encode()

    assert sorted(keys, key=version) == sorted(keys)
    assert len({version(key) for key in keys}) == len(set(keys))


def test_of_several_copies_the_lowest_attempt_counts_then_the_first_received() -> None:
    copies = [
        event(attempt=2, received_at=1),
        event(attempt=1, received_at=9),
        event(attempt=1, received_at=5),
    ]
    assert min(copies, key=lambda copy: copy.copy_rank) is copies[2]


# --- What is no event of ours --------------------------------------------------------------------


def record(**changes: Any) -> bytes:
    return json.dumps(json.loads(events.encode(event())) | changes).encode()


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


FOREIGN = {
    "a record without a value": (None, "null-record"),
    "an empty record": (b"", "not-an-event"),
    "text": (b"hello", "not-an-event"),
    "bytes that are not UTF-8": (b'{"id":"\xff"}', "not-an-event"),
    "another object": (b'{"a":1}', "not-an-event"),
    "deep nesting": (b"[" * 100_000, "not-an-event"),
    "data that nests far too deep": (events.encode(event(details=b"[" * 50_000 + b"]" * 50_000)), "not-an-event"),
    "data that nests too deep": (events.encode(event(details=nested(events.MAX_DEPTH + 1).encode())), "not-an-event"),
    "properties that nest too deep": (record(properties=nested(events.MAX_DEPTH + 1)), "not-an-event"),
    "data that is not UTF-8": (events.encode(event(details=b'{"a":"\xff"}')), "not-an-event"),
    "data with half of a surrogate pair": (events.encode(event(details=b'{"a":"\\ud800"}')), "not-an-event"),
    "properties that are not JSON": (record(properties="{"), "not-an-event"),
    "a time without an offset": (record(time="2024-01-01T00:00:00"), "not-an-event"),
    "a time beyond the calendar": (record(time="9999-12-31T23:59:59-12:00"), "not-an-event"),
    "a time that would not sort": (record(time="2286-11-20T17:46:40Z"), "foreign-event"),
    "a time before the epoch": (record(time="1969-12-31T23:59:59Z"), "foreign-event"),
    "a receipt before the epoch": (record(receivedat="0001-01-01T00:00:00Z"), "foreign-event"),
    "an index beyond the last": (record(deliveryindex=10**6, id="c902a61794c63ac71c92866bc0556092:1000000"), "foreign-event"),
    "an index below zero": (record(deliveryindex=-1), "foreign-event"),
    "attempt zero": (record(attempt=0), "foreign-event"),
    "an id of something else": (record(id="other:2"), "foreign-event"),
    "a delivery id with a blank": (record(deliveryid="a b", id="a b:2"), "foreign-event"),
    "a source that is not its hook's": (record(source="/webhooks/other"), "foreign-event"),
    "no action": (record(action=""), "foreign-event"),
    "no family": (record(family=""), "foreign-event"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "code"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_record_is_poison_with_its_reason(value: bytes | None, code: str) -> None:
    assert reason(lambda: events.decode(value)) == code


def test_what_nests_just_as_deep_as_it_may_is_an_event() -> None:
    deepest = nested(events.MAX_DEPTH)
    assert events.decode(record(properties=deepest)).properties == deepest
    assert events.decode(events.encode(event(details=deepest.encode()))).details == deepest.encode()


mutations = st.lists(
    st.tuples(st.integers(0, 600), st.integers(0, 8), st.binary(max_size=6)), min_size=1, max_size=4
)


def _mutated(value: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, cut, put in changes:
        value = value[:at] + put + value[at + cut :]
    return value


@given(any_event, mutations)
def test_a_damaged_record_is_an_event_or_poison_and_nothing_else(sent: Event, changes: Any) -> None:
    try:
        found = events.decode(_mutated(events.encode(sent), changes))
    except Poison:
        return
    # What is taken can be stored, sorted and sent again.
    found.details.decode()
    events.iso(found.received_at)
    assert events.decode(events.encode(found)) == found


@given(st.binary(max_size=200))
def test_random_bytes_are_poison(value: bytes) -> None:
    with pytest.raises(Poison):
        events.decode(value)


# --- Deliveries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", DELIVERIES, ids=lambda file: file.stem)
def test_every_real_delivery_is_read(file: Path) -> None:
    raw = file.read_bytes()
    assert b"\r\n" in raw
    whole = json.loads(raw)
    delivery = events.parse_delivery(raw)
    assert (delivery.delivery_id, delivery.attempt) == (whole["Id"], whole["Attempt"])
    assert json.loads(delivery.properties) == whole["Properties"]
    found = [events.parse_notification(one) for one in delivery.notifications]
    assert [(one.action, json.loads(one.details)) for one in found] == [
        (one["Action"], one["Details"]) for one in whole["Notifications"]
    ]
    assert all(b"\r" not in one.details for one in found)


def test_all_23_real_deliveries_are_there() -> None:
    assert len(DELIVERIES) == 23


MALFORMED = {
    "nothing": (b"", "not-json"),
    "text": (b"{'test':'test2'}", "not-json"),
    "a byte order mark": (b"\xef\xbb\xbf" + body(), "not-json"),
    "not UTF-8": (b'{"Id":"\xff"}', "not-utf8"),
    "an Id with half of a surrogate pair": (body(Id="\ud800"), "no-delivery-id"),
    "an Id that is a number of 5,000 digits": (b'{"Notifications":[],"Id":' + b"1" * 5000 + b"}", "no-delivery-id"),
    "half of a surrogate pair outside of a text": (b'{"Id":"a","Notifications":[],"x":\\ud800}', "not-json"),
    "a fault behind half of a surrogate pair": (b'{"Id":"a","Notifications":["\\ud800",]}', "not-json"),
    "NaN in a notification beside a lone surrogate": (b'{"Id":"a","Notifications":[{"x":"\\ud800"},NaN]}', "not-json"),
    "an array": (b"[]", "not-an-object"),
    "null": (b"null", "not-an-object"),
    "no Notifications": (b'{"Id":"a"}', "no-notifications"),
    "Notifications null": (body(Notifications=None), "no-notifications"),
    "Notifications an object": (body(Notifications={}), "no-notifications"),
    "no Id": (b'{"Notifications":[]}', "no-delivery-id"),
    "an Id that is a number": (body(Id=7), "no-delivery-id"),
    "an empty Id": (body(Id=""), "no-delivery-id"),
    "an Id with a blank": (body(Id="a b"), "no-delivery-id"),
    "an Id with a line end": (body(Id="a\n"), "no-delivery-id"),
    "an Id of 65 letters": (body(Id="a" * 65), "no-delivery-id"),
    "NaN": (b'{"Id":"a","Notifications":[],"x":NaN}', "not-json"),
    "Infinity": (b'{"Id":"a","Notifications":[],"x":-Infinity}', "not-json"),
    "deep nesting": (b'{"Id":"a","Notifications":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep"),
    "one level too deep": (b'{"Id":"a","Notifications":[],"x":' + b"[" * 32 + b"]" * 32 + b"}", "too-deep"),
    "deep properties": (b'{"Id":"a","Notifications":[],"Properties":' + b"[" * 32 + b"]" * 32 + b"}", "too-deep"),
    "deep nesting inside and outside of a notification": (b'{"Id":"a","Notifications":[' + b"[" * 40 + b"]" * 40 + b'],"x":' + b"[" * 40 + b"]" * 40 + b"}", "too-deep"),
    "deep nesting that is not closed": (b'{"Id":"a","Notifications":[' + b"[" * 100_000, "not-json"),
    "deep nesting that is closed too often": (b'{"Id":"a","Notifications":[' + b"[" * 40 + b"]" * 50 + b"}", "not-json"),
    "deep nesting with a fault at its bottom": (b'{"Id":"a","Notifications":[' + b"[" * 500 + b"x" + b"]" * 500 + b"]}", "not-json"),
    "deep nesting with brackets of two kinds": (b'{"Id":"a","Notifications":[' + b"[" * 100 + b"}" + b"]" * 99 + b"]}", "not-json"),
    "something behind it": (body() + b"{}", "not-json"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "code"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_no_delivery_is_poison_with_its_reason(raw: bytes, code: str) -> None:
    assert reason(lambda: events.parse_delivery(raw)) == code


def test_of_duplicate_keys_the_last_counts() -> None:
    delivery = events.parse_delivery(b'{"Id":"a","Id":"b","Notifications":null,"Notifications":[{}]}')
    assert (delivery.delivery_id, len(delivery.notifications)) == ("b", 1)
    last = b'{"Id":"a","Notifications":[{}],"Notifications":{}}'
    assert reason(lambda: events.parse_delivery(last)) == "no-notifications"


LONE = "Spel \\ud83d"
UNREADABLE = {
    "half of a surrogate pair": (f'{{"Action":"A","Details":{{"Name":"{LONE}"}}}}', "lone-surrogate", "Details.Name "),
    "the other half": ('{"Action":"A","Details":{"Name":"\\uDE00 Spel"}}', "lone-surrogate", "Details.Name "),
    "halves in the wrong order": ('{"Action":"A","Details":{"Name":"\\ude00\\ud83d"}}', "lone-surrogate", "Details.Name "),
    "half of a pair in a row": (f'{{"Action":"A","Details":[{{"a":1}},{{"b":["{LONE}"]}}]}}', "lone-surrogate", "Details.b "),
    "half of a pair in a name": (f'{{"Action":"A","Details":{{"{LONE}":1}}}}', "lone-surrogate", "Details.'Spel \\ud83d' "),
    "half of a pair behind backslashes": ('{"Action":"A","Details":{"Name":"\\\\\\ud83d"}}', "lone-surrogate", "Details.Name "),
    "half of a pair in the action": ('{"Action":"\\ud83d","Details":{"Name":1}}', "lone-surrogate", "Action "),
    "an exponent of 20 digits": ('{"Action":"A","Details":{"a":{"b":1e99999999999999999999}}}', "number-range", "Details.a.b "),
    "a negative exponent of 20 digits": ('{"Action":"A","Details":{"a":-1e-99999999999999999999}}', "number-range", "Details.a "),
    "a zero with an exponent of 20 digits": ('{"Action":"A","Details":{"a":0e99999999999999999999}}', "number-range", "Details.a "),
    "a number of 1,002 digits": (f'{{"Action":"A","Details":{{"a":"{"1" * 1002}","b":{"1" * 1002}}}}}', "number-range", "Details.b "),
    "a number of 5,000 digits": (f'{{"Action":"A","Details":{{"a":{"1" * 5000}}}}}', "number-range", "Details.a "),
    "a number of 5,000 decimals": (f'{{"Action":"A","Details":{{"a":1.{"1" * 5000}}}}}', "number-range", "Details.a "),
    "5,000 decimals that are zero": (f'{{"Action":"A","Details":{{"a":1.{"0" * 5000}}}}}', "number-range", "Details.a "),
    "deep nesting": ('{"Action":"A","Details":{"a":' + "[" * 30 + "]" * 30 + "}}", "too-deep", "gateway.max_json_depth"),
    "very deep nesting": ('{"Action":"A","Details":{"\\"[{a":' + '[{"a":' * 50_000 + "1" + "}]" * 50_000 + "}}", "too-deep", "gateway.max_json_depth"),
    "an array for a notification that nests deep": ("[" * 31 + "]" * 31, "too-deep", "gateway.max_json_depth"),
}  # fmt: skip
GOOD = '{ "Action": "A",\r\n "Details": {"Name": "Spel \\ud83d\\ude00", "Slash": "\\\\ud83d", "Number": 1e-999} }'


@pytest.mark.parametrize(("bad", "code", "named"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_value_that_cannot_be_read_spoils_the_notification_that_it_stands_in(
    bad: str, code: str, named: str
) -> None:
    raw = f'{{"Id":"a","Attempt":2,"Properties":{{"P":"é"}},"Notifications":[{GOOD},{bad} , {GOOD}],"x":1}}'
    delivery = events.parse_delivery(raw.encode())
    assert (delivery.delivery_id, delivery.attempt, delivery.properties) == ("a", 2, '{"P":"é"}')
    # Each as received, to the byte.
    assert delivery.notifications == (GOOD.encode(), bad.encode(), GOOD.encode())
    assert events.parse_notification(delivery.notifications[0]).data["Name"] == "Spel \U0001f600"
    with pytest.raises(Poison) as caught:
        events.parse_notification(delivery.notifications[1])
    assert caught.value.reason == code
    assert named in caught.value.error
    caught.value.error.encode()


UNUSED = {
    "half of a surrogate pair": b'"\\ud83d"',
    "a name with half of a surrogate pair": b'{"\\ud83d":1}',
    "a number of 5,000 digits": b"1" * 5000,
    "an exponent of 20 digits": b"1e99999999999999999999",
}


@pytest.mark.parametrize("value", UNUSED.values(), ids=UNUSED.keys())
def test_a_value_that_nothing_is_made_of_may_be_unreadable(value: bytes) -> None:
    entry = b'{"Also":' + value + b',"Action":"A","Details":{"b":2}}'
    raw = b'{"New":' + value + b',"Attempt":' + value + b',"Id":"a","Notifications":[' + entry + b"]}"
    delivery = events.parse_delivery(raw)
    assert (delivery.attempt, delivery.fault) == (1, None)
    found = events.parse_notification(delivery.notifications[0])
    assert (found.action, found.details) == ("A", b'{"b":2}')


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        (b'{"a": "\\ud83d"}', "lone-surrogate"),
        (b'{"a": "\\u0000"}', "nul-character"),
        (b'{"a": 1e99999999999999999999}', "number-range"),
        (b'{"a": "\\ud83d", "b": "' + b"x" * 5000 + b'"}', "lone-surrogate"),
    ],
)
def test_properties_that_cannot_be_read_are_the_fault_of_every_notification(
    properties: bytes, code: str
) -> None:
    delivery = events.parse_delivery(b'{"Id":"a","Properties":' + properties + b',"Notifications":[{},{}]}')
    assert delivery.fault is not None
    assert delivery.fault.reason == code
    assert "Properties.a " in delivery.fault.error
    assert delivery.properties == properties.decode().replace(": ", ":").replace(", ", ",")
    assert len(delivery.notifications) == 2


@pytest.mark.parametrize("filler", [b"1", b'{"a":[1,2,"],["]}', b'"\\ud83d"', b"[" * 50 + b"1,1" + b"]" * 50])
@pytest.mark.parametrize("count", [1, 3, 4, 10_000])
def test_more_notifications_than_one_delivery_may_have_are_too_many(filler: bytes, count: int) -> None:
    raw = b'{"Id":"a","Notifications":[ ' + b" , ".join([filler] * count) + b"]}"
    if count <= 3:
        assert events.parse_delivery(raw, max_notifications=3).notifications == (filler,) * count
        return
    with pytest.raises(events.OversizedDelivery, match=r"gateway\.max_notifications") as caught:
        events.parse_delivery(raw, max_notifications=3)
    assert caught.value.reason == "too-many-notifications"


pieces = st.sampled_from(
    [r"\\", r"\"", r"\ud83d", r"\uDBFF", r"\ude00", r"\uDFFF", r"\u0041", "ud83d", "[", "{", "é"]
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_text_is_unreadable_exactly_when_it_cannot_be_encoded(content: str) -> None:
    text = f'{{"Action":"A","Details":{{"a":"{content}"}}}}'
    try:
        json.loads(f'"{content}"').encode()
        readable = True
    except UnicodeEncodeError:
        readable = False
    raw = f'{{"Id":"a","Notifications":[1,{text},"\\ud83d"]}}'.encode()
    notification = events.parse_delivery(raw).notifications[1]
    assert notification == text.encode()
    if readable:
        assert events.parse_notification(notification).data == {"a": json.loads(f'"{content}"')}
    else:
        assert reason(lambda: events.parse_notification(notification)) == "lone-surrogate"


json_values = st.recursive(
    st.sampled_from(
        ["1", "-0.5e7", "null", "true", '"a"', '"\\"["', '"]\\\\"', '"\\ud83d"', '"é,"', "[]", "{ }"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{' , '.join(items)}]"),
        st.lists(inner, max_size=3).map(
            lambda items: "{" + ",".join(f'"k{at}": {item}' for at, item in enumerate(items)) + "}"
        ),
        st.tuples(inner, st.integers(1, 200)).map(lambda deep: "[" * deep[1] + deep[0] + "]" * deep[1]),
    ),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5), st.integers(4, 200))
def test_every_notification_is_as_received_however_deep_it_nests(items: list[str], depth: int) -> None:
    raw = f'{{"Id":"a","Notifications":[{",".join(items)}],"x":"\\ud83d"}}'.encode()
    delivery = events.parse_delivery(raw, max_depth=depth)
    assert delivery.notifications == tuple(item.encode() for item in items)


@given(json_values, st.integers(0, 3000), st.sampled_from(["", "x", "]", "[", '"', "{", "}", ",", "\\"]))
def test_a_body_is_json_or_refused_as_pythons_own_parser_says(value: str, at: int, put: str) -> None:
    damaged = value[:at] + put + value[at + 1 :]
    text = f'{{"Id":"a","Notifications":[[{"[" * 40}{damaged}{"]" * 40}]]}}'
    try:
        json.loads(text)
    except ValueError:
        assert reason(lambda: events.parse_delivery(text.encode())) == "not-json"
    else:
        events.parse_delivery(text.encode())


@pytest.mark.parametrize(
    ("attempt", "read"), [(3, 3), (None, 1), ("2", 1), (0, 1), (-1, 1), (True, 1), (2.5, 1), (10**30, 1)]
)
def test_an_attempt_that_is_no_number_from_1_is_a_first_attempt(attempt: Any, read: int) -> None:
    assert events.parse_delivery(body(Attempt=attempt)).attempt == read


def test_brackets_inside_text_do_not_nest() -> None:
    assert events.nesting(b'{"a":"[[[[\\"[[[{","b":[1]}') == 2
    assert events.nesting(b'["\\\\", [[]]]') == 3


def test_fields_that_a_later_xtnd_adds_are_left_in_the_details_and_ignored_elsewhere() -> None:
    raw = body(New={"a": 1}, Notifications=[{"Action": "A", "Details": {"b": 2}, "Also": []}])
    found = events.parse_notification(events.parse_delivery(raw).notifications[0])
    assert (found.action, found.details, found.data) == ("A", b'{"b":2}', {"b": 2})


BAD_NOTIFICATIONS = {
    "a number": (b"5", "notification-kind"),
    "no action": (b'{"Details":{}}', "no-action"),
    "an empty action": (b'{"Action":" ","Details":{}}', "no-action"),
    "an action that is a number": (b'{"Action":5,"Details":{}}', "no-action"),
    "details with an exponent of 20 digits": (b'{"Action":"A","Details":{"a":1e99999999999999999999}}', "number-range"),
    "no JSON": (b'{"Action":"A","Details":{"a":NaN}}', "notification-kind"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "code"), BAD_NOTIFICATIONS.values(), ids=BAD_NOTIFICATIONS.keys())
def test_a_notification_of_the_wrong_kind_is_poison_with_its_reason(raw: bytes, code: str) -> None:
    assert reason(lambda: events.parse_notification(raw)) == code


@given(st.sampled_from(DELIVERIES), mutations)
def test_a_damaged_delivery_is_read_or_poison_and_nothing_else(file: Path, changes: Any) -> None:
    try:
        delivery = events.parse_delivery(_mutated(file.read_bytes(), changes))
        for raw in delivery.notifications:
            events.parse_notification(raw)
    except Poison:
        return


# --- Instants ------------------------------------------------------------------------------------


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_come_back_from_text_of_one_length(at: datetime) -> None:
    instant = events.microseconds(at)
    written = events.iso(instant)
    assert len(written) == 27
    assert written.endswith("Z")
    assert events.from_iso(written) == instant


SHAPES = "2025-06-15T15:06:40.123456Z", "2016-12-31T23:59:60.123456Z", "9999-12-31T23:59:59.999999Z"


def test_what_has_the_length_of_our_own_text_is_read_like_any_other() -> None:
    def read(text: str) -> int | None:
        try:
            return events.from_iso(text)
        except ValueError:
            return None

    for shape, at, letter in itertools.product(SHAPES, range(27), "0159-+:. TtZz٣²"):
        text = shape[:at] + letter + shape[at + 1 :]
        # With one more decimal, which is cut off, it is not of that length.
        assert read(text) == read(f"{text[:26]}0{text[26:]}"), text


@given(st.integers(-(6 * 10**16), 25 * 10**16), st.integers(-(6 * 10**16), 25 * 10**16))
def test_instants_sort_as_text(one: int, other: int) -> None:
    assert (events.iso(one) < events.iso(other)) == (one < other)


def test_an_instant_with_an_offset_is_the_same_instant_in_utc() -> None:
    assert events.from_iso("2024-01-01T01:00:00+01:00") == events.from_iso("2024-01-01T00:00:00Z")


# --- Dead letters --------------------------------------------------------------------------------


def test_a_dead_letter_comes_back_from_its_record_with_its_payload_as_it_was() -> None:
    letter = events.DeadLetter(
        dead_letter_id="d", stage="gateway", reason="r", error="e.", context={"k": "ü"}, payload=b"\xff\x00"
    )
    assert events.DeadLetter.decode(list(letter.headers()), letter.payload) == letter


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("dead-letter", b"{")],
        [("dead-letter", b"\xff")],
        [("dead-letter", b"[]")],
        [("dead-letter", b'{"stage":"\xff"}')],
        [("dead-letter", b'{"stage":"\\ud83d"}')],
        [("dead-letter", b'{"context":' + b'{"a":' * 100_000)],
    ],
)
def test_a_foreign_record_among_dead_letters_is_poison(headers: list[tuple[str, bytes]]) -> None:
    assert reason(lambda: events.DeadLetter.decode(headers, None)) == "foreign-dead-letter"
