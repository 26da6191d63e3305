# ruff: noqa: E501 - each delivery stands in one line with its reason
"""A verified body → its records: what is accepted, what is parked, and how much is made of it."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import events
from connector.config import Config
from connector.errors import Poison
from connector.events import DeadLetter, OversizedDelivery
from connector.gateway import signature
from connector.gateway.records import Translator, expanded_bytes
from connector.gateway.signature import Keys, VerifiedBody
from connector.kafka.record import Record
from tests.conftest import MakeConfig

RECEIVED_AT = 1_763_900_000_123_456
MIB = 1_048_576


def verified(raw: bytes | str, hook: str = "xtnd") -> VerifiedBody:
    raw = raw if isinstance(raw, bytes) else raw.encode()
    return signature.verify((), raw, Keys(hook=hook, keyed=(), required=False))


def translated(config: Config, raw: bytes | str, hook: str = "xtnd") -> list[Record]:
    return list(Translator(config).records(verified(raw, hook), RECEIVED_AT))


def letter_of(record: Record) -> DeadLetter:
    assert record.parked
    return events.DeadLetter.decode(record.headers, record.value)


def body(*notifications: str, properties: str = "{}") -> str:
    return f'{{"Id":"d1","Attempt":2,"Properties":{properties},"Notifications":[{",".join(notifications)}]}}'


def order(number: object, **more: Any) -> str:
    return json.dumps({"Action": "OrderCreated", "Details": {"OrderNumber": number} | more})


# --- Good and bad beside each other ---------------------------------------------------------------

GOOD = [
    '{"Action":"OrderCreated","Details":{"OrderNumber":"%d"}}',
    '{"Action":"New","Details":{"Of":%d}}',
    '{"Action":"New","Details":[1,%d]}',
    '{"Action":"New","Details":"text %d"}',
]
BAD = {
    "lone-surrogate": '{"Action":"OrderCreated","Details":{"OrderNumber":"1","Name":"Spel \\ud83d"}}',
    "number-range": '{"Action":"OrderCreated","Details":{"OrderNumber":"1","x":1e99999999999999999999}}',
    "nul-character": '{"Action":"OrderCreated","Details":{"OrderNumber":"1","x":"\\u0000"}}',
    "too-deep": '{"Action":"OrderCreated","Details":{"OrderNumber":"1","x":%s}}' % ("[" * 40 + "]" * 40),
    "key-missing": '{"Action":"OrderCreated","Details":{}}',
    "details-kind": '{"Action":"OrderCreated","Details":5}',
    "no-action": '{"Details":{}}',
    "notification-kind": "7",
}
mixed = st.lists(
    st.one_of(st.tuples(st.none(), st.sampled_from(GOOD)), st.sampled_from(list(BAD.items()))), max_size=8
)


@given(mixed)
def test_all_good_notifications_are_accepted_and_exactly_the_bad_are_parked(
    translator: Translator, parts: list[tuple[str | None, str]]
) -> None:
    texts = [text if code else text % index for index, (code, text) in enumerate(parts)]
    records = list(translator.records(verified(body(*texts)), RECEIVED_AT))
    assert [record.label if record.parked else None for record in records] == [code for code, _ in parts]
    for index, (record, text) in enumerate(zip(records, texts, strict=True)):
        if record.parked:
            letter = letter_of(record)
            assert (letter.payload, letter.event_id) == (text.encode(), f"d1:{index}")
        else:
            event = events.decode(record.value)
            assert (event.index, event.occurred_at) == (index, RECEIVED_AT - 60_000_000)
            assert json.loads(event.details) == json.loads(text)["Details"]


@pytest.mark.parametrize("details", ["null", "[]", "5", "true", '"text"', "[[{}]]", None])
def test_an_action_that_no_family_claims_is_unrouted_whatever_its_details_are(
    translator: Translator, details: str | None
) -> None:
    given = "" if details is None else f',"Details":{details}'
    (record,) = translator.records(verified(body(f'{{"Action":"New"{given}}}')), RECEIVED_AT)
    assert (record.parked, record.label) == (False, "unrouted")
    assert events.decode(record.value).details == (details or "null").encode()


@pytest.fixture
def translator(make_config: MakeConfig) -> Translator:
    return Translator(make_config())


@pytest.mark.parametrize(
    ("properties", "code"), [('{"a":"\\ud83d"}', "lone-surrogate"), ('{"a":1e5000}', "number-range")]
)
def test_properties_that_cannot_be_kept_park_each_notification(
    make_config: MakeConfig, properties: str, code: str
) -> None:
    records = translated(make_config(), body(order("1"), order("2"), properties=properties))
    letters = [letter_of(record) for record in records]
    assert [(letter.reason, letter.payload.decode()) for letter in letters] == [
        (code, order("1")),
        (code, order("2")),
    ]
    assert "Properties.a " in letters[0].error
    assert letters[0].context["properties"] == properties


def test_a_body_that_is_no_delivery_is_refused_before_a_record_is_made(make_config: MakeConfig) -> None:
    translator = Translator(make_config())
    with pytest.raises(Poison) as caught:
        translator.records(verified(b"[]"), RECEIVED_AT)
    assert not isinstance(caught.value, OversizedDelivery)
    parked = translator.parked_body(verified(b"[]"), RECEIVED_AT, caught.value)
    assert (letter_of(parked).reason, parked.value) == ("not-an-object", b"[]")


# --- How much is made of a delivery ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "raw", "code", "named"),
    [
        ({"gateway.max_notifications": 2}, body(order("1"), order("2"), order("3")), "too-many-notifications", "gateway.max_notifications"),
        ({"gateway.max_expanded_bytes": 65_536}, body(*[order("1")] * 40), "expands-too-far", "gateway.max_expanded_bytes"),
        ({}, body(*[order("1")] * 900, properties=json.dumps("x" * 10_000)), "expands-too-far", "(gateway.max_expanded_bytes). Raise it if that is real"),
        ({}, body(*[order("1")] * 900, properties=json.dumps("x" * 100_000)), "expands-too-far", "raised to 67108864 only, so send its notifications in several deliveries"),
    ],
)  # fmt: skip
def test_a_delivery_that_becomes_too_much_is_one_dead_letter_with_the_whole_body(
    make_config: MakeConfig, settings: dict[str, object], raw: str, code: str, named: str
) -> None:
    (record,) = translated(make_config(settings), raw)
    letter = letter_of(record)
    assert (letter.reason, letter.payload, letter.event_id) == (code, raw.encode(), None)
    assert named in letter.error
    # A copy of it is the same letter.
    assert translated(make_config(settings), raw)[0].key == record.key


HUGE = {
    "numbers": "1",
    "empty texts": '""',
    "objects": "{}",
    "arrays": "[]",
    "nested arrays": "[" * 40 + "]" * 40,
    "lone surrogates": '"\\ud83d"',
}


@pytest.mark.parametrize("item", HUGE.values(), ids=HUGE.keys())
def test_what_a_delivery_of_countless_notifications_would_become_is_never_made(
    translator: Translator, item: str
) -> None:
    raw = body(*[item] * (800_000 // (len(item) + 1)))
    whole = verified(raw)
    tracemalloc.start()
    try:
        records = list(translator.records(whole, RECEIVED_AT))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [record.label for record in records] == ["too-many-notifications"]
    assert peak < 48 * MIB


texts = st.text(max_size=30)
some_properties = st.one_of(st.dictionaries(texts, texts, max_size=3), st.text(max_size=300))
some_notifications = st.lists(
    st.one_of(
        st.none(),
        st.fixed_dictionaries({"Action": texts, "Details": st.dictionaries(texts, texts, max_size=3)}),
        texts.map(lambda text: {"Action": "OrderCreated", "Details": {"OrderNumber": text}}),
        texts.map(lambda text: {"Action": text * 100, "Details": {}}),
    ),
    max_size=6,
)


@given(some_properties, some_notifications, st.booleans())
def test_all_records_of_a_delivery_take_no_more_bytes_than_was_reckoned(
    translator: Translator, properties: Any, notifications: list[Any], escaped: bool
) -> None:
    whole = {"Id": "d", "Properties": properties, "Notifications": notifications}
    sent = verified(json.dumps(whole, ensure_ascii=escaped).encode())
    records = list(translator.records(sent, RECEIVED_AT))
    assert sum(record.size for record in records) <= expanded_bytes(sent.raw, translator.delivery(sent))


# --- Which families a hook may bring --------------------------------------------------------------

ORDERS_ONLY = {"hooks.outlet.verify": "off", "hooks.outlet.families": ["orders", "unrouted"]}
PRODUCT = '{"Action":"ProductCreated","Details":{"ProductNumber":"1"}}'
NEW = '{"Action":"New","Details":{}}'


def test_a_family_that_the_hook_may_not_bring_is_parked(make_config: MakeConfig) -> None:
    config = make_config(ORDERS_ONLY)
    records = translated(config, body(order("1"), PRODUCT, NEW), hook="outlet")
    assert [record.label for record in records] == ["orders", "family-not-allowed", "unrouted"]
    letter = letter_of(records[1])
    assert (letter.hook, letter.action, letter.payload) == ("outlet", "ProductCreated", PRODUCT.encode())
    assert "'products'" in letter.error
    assert "hooks.outlet.families" in letter.error
    # Another hook has its own list; none at all allows every family.
    assert [record.label for record in translated(config, body(order("1"), PRODUCT, NEW))] == [
        "orders",
        "products",
        "unrouted",
    ]


def test_an_action_that_no_family_claims_is_parked_unless_unrouted_is_allowed(
    make_config: MakeConfig,
) -> None:
    config = make_config(ORDERS_ONLY | {"hooks.outlet.families": ["orders"]})
    (record,) = translated(config, body(NEW), hook="outlet")
    assert record.label == "family-not-allowed"
