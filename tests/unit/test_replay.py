"""A parked dead letter → the records of today's configuration, or why it stays parked."""

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from connector import events, safe_text
from connector.config import Config
from connector.errors import Poison
from connector.events import DeadLetter, Event
from connector.gateway import signature
from connector.gateway.records import Translator
from connector.gateway.signature import Keys
from connector.kafka.record import Record
from connector.mirror.ledger import LedgerEvent
from connector.mirror.mapping import Mapping
from connector.replay.plans import Planner, ReplayPlan, is_body
from connector.stream import decode, parking
from tests.conftest import MakeConfig
from tests.sources import with_sources

RECEIVED_AT = 1_763_900_000_123_456
WRONG_KEY = {"topics.families.orders.actions.OrderCreated.key": "OrderNo"}
MINUTE = 60_000_000


def body(*notifications: dict[str, Any], attempt: int = 2, properties: str = '{"a":"b"}') -> bytes:
    listed = ",".join(json.dumps(one) for one in notifications)
    return f'{{"Id":"d1","Attempt":{attempt},"Properties":{properties},"Notifications":[{listed}]}}'.encode()


def created(number: object = "8684") -> dict[str, Any]:
    return {"Action": "OrderCreated", "Details": {"OrderNumber": number, "OrderType": "NormalOrder"}}


def receive(config: Config, raw: bytes) -> list[Record]:
    """What the gateway makes of a body."""
    translator = Translator(config)
    verified = signature.verify((), raw, Keys(hook="xtnd", keyed=(), required=False))
    try:
        return list(translator.records(verified, RECEIVED_AT))
    except Poison as poison:
        return [translator.parked_body(verified, RECEIVED_AT, poison)]


def letter_of(record: Record) -> DeadLetter:
    assert record.parked
    return events.DeadLetter.decode(record.headers, record.value)


def planned(config: Config, letter: DeadLetter) -> ReplayPlan:
    return Planner(config, Mapping(config)).plan(letter)


def parked_by_worker(event: Event, reason: str = "key-missing") -> DeadLetter:
    ledger_event = LedgerEvent(event, "t.orders", 3, 7)

    class Record:
        topic, partition, offset = ledger_event.topic, ledger_event.partition, ledger_event.offset
        key, value = event.kafka_key, events.encode(event)

    return decode.dead_letter(Record, Poison(reason, "no key"), event, RECEIVED_AT + MINUTE)


def test_letters_of_one_id_by_two_hooks_do_not_overwrite_each_other() -> None:
    first = Event(
        delivery_id="d1", index=0, hook="xtnd", attempt=1, family="orders", action="OrderCreated",
        entity_key="1", details=b"{}", properties="{}", received_at=1, occurred_at=1,
    )  # fmt: skip
    second = msgspec.structs.replace(first, hook="second")
    again = msgspec.structs.replace(first, attempt=2)
    ids = [parked_by_worker(event).dead_letter_id for event in (first, second, again)]
    assert ids[0] == ids[2] != ids[1]


def test_a_snapshot_goes_to_the_topic_of_snapshots_as_it_was(make_config: MakeConfig) -> None:
    body = b'{"orderHeader":{"orderNumber":"1"}}'
    event = events.snapshot(
        source="xtnd", family="orders", entity="Order", key="1", at=1, received_at=2, body=body
    )
    letter = parked_by_worker(event)
    assert letter.hook is None
    good = make_config()
    (record,) = planned(good, letter).records
    assert record.topic == good.topics.snapshot_topic
    assert (record.key, record.value) == (b"orders/1", events.encode(event))


def test_a_notification_makes_the_very_record_of_a_timely_arrival(make_config: MakeConfig) -> None:
    raw = body(created("1"), created("2"))
    good = make_config()
    letters = [letter_of(record) for record in receive(make_config(WRONG_KEY), raw)]
    plans = [planned(good, letter) for letter in letters]
    assert [plan.records for plan in plans] == [(record,) for record in receive(good, raw)]
    event = plans[1].events[0]
    assert (event.event_id, event.received_at) == ("d1:1", RECEIVED_AT)
    assert event.occurred_at == RECEIVED_AT - MINUTE


def given_up(key: str, family: str = "orders") -> DeadLetter:
    """A letter as a hydrator parks it."""
    return DeadLetter(
        dead_letter_id="0" * 32,
        stage="hydrator",
        reason="request-refused",
        error="The API answers 400.",
        action="OrderSnapshot",
        parked_at=events.iso(RECEIVED_AT),
        context={"source": "xtnd", "family": family, "entity_key": key},
    )


def test_a_record_that_was_given_up_is_asked_for_again(make_config: MakeConfig) -> None:
    plan = planned(with_sources(make_config()), given_up("Å/1"))
    assert (plan.asks, plan.records, plan.fault) == (("orders", "Å/1"), (), None)


@pytest.mark.parametrize(
    ("key", "family", "fetches", "words"),
    [
        ("1", "orders", False, "Set XTND_API_URL"),
        ("1", "offers", True, "sources.yaml has no entity 'offers'"),
        ("..", "orders", True, "asks for something else"),
    ],
)
def test_a_record_that_nobody_can_ask_for_stays_parked(
    make_config: MakeConfig, key: str, family: str, words: str, *, fetches: bool
) -> None:
    config = with_sources(make_config()) if fetches else make_config()
    plan = planned(config, given_up(key, family))
    assert plan.asks is None
    assert plan.fault is not None
    assert words in plan.fault.error


def test_what_is_still_bad_says_so_and_makes_no_records(make_config: MakeConfig) -> None:
    (record,) = receive(make_config(WRONG_KEY), body(created()))
    plan = planned(make_config(WRONG_KEY), letter_of(record))
    assert plan.fault is not None
    assert plan.fault.reason == "key-missing"
    assert "OrderNo" in plan.fault.error
    assert plan.records == ()


def test_what_only_the_mapping_refuses_is_still_bad_too(make_config: MakeConfig) -> None:
    (record,) = receive(make_config(WRONG_KEY), body(created("8684"), properties='{"a":"\\u0000"}'))
    plan = planned(make_config(), letter_of(record))
    assert plan.fault is not None
    assert plan.fault.reason == "nul-character"


def test_a_body_that_can_be_read_now_comes_in_whole(make_config: MakeConfig) -> None:
    raw = body(created("1"), created(None), properties='{"a":[[[[1]]]]}')
    strict, wide = make_config({"gateway.max_json_depth": 4}), make_config()
    (record,) = receive(strict, raw)
    letter = letter_of(record)
    assert is_body(letter)
    assert planned(strict, letter).fault is not None
    plan = planned(wide, letter)
    assert list(plan.records) == receive(wide, raw)
    assert [event.entity_key for event in plan.events] == ["1"]
    assert [record.label for record in plan.new_letters] == ["key-missing"]


@pytest.mark.parametrize(
    "limit", [{"gateway.max_notifications": 2}, {"gateway.max_expanded_bytes": 65_536}], ids=str
)
def test_a_delivery_that_was_too_much_comes_in_when_its_limit_is_raised(
    make_config: MakeConfig, limit: dict[str, object]
) -> None:
    raw = body(*[created(str(number)) for number in range(20)])
    strict, wide = make_config(limit), make_config()
    (record,) = receive(strict, raw)
    letter = letter_of(record)
    assert is_body(letter)
    fault = planned(strict, letter).fault
    assert fault is not None
    assert next(iter(limit)) in fault.error
    assert list(planned(wide, letter).records) == receive(wide, raw)


def test_a_notification_that_nested_too_deep_comes_in_when_the_limit_is_raised(
    make_config: MakeConfig,
) -> None:
    raw = body(created("1"), {"Action": "New", "Details": {"More": [[[1]]]}})
    strict, wide = make_config({"gateway.max_json_depth": 4}), make_config()
    good, bad = receive(strict, raw)
    assert not good.parked
    letter = letter_of(bad)
    fault = planned(strict, letter).fault
    assert fault is not None
    assert fault.reason == "too-deep"
    assert planned(wide, letter).records == (receive(wide, raw)[1],)


def test_a_family_that_was_not_allowed_comes_in_when_it_is(make_config: MakeConfig) -> None:
    narrow, wide = make_config({"hooks.xtnd.families": ["products"]}), make_config()
    (record,) = receive(narrow, body(created()))
    letter = letter_of(record)
    fault = planned(narrow, letter).fault
    assert fault is not None
    assert "hooks.xtnd.families" in fault.error
    assert planned(wide, letter).records == tuple(receive(wide, body(created())))


def test_a_value_that_cannot_be_kept_stays_parked(make_config: MakeConfig) -> None:
    raw = body(created("1"), created("Spel \ud83d"))
    good, bad = receive(make_config(), raw)
    assert not good.parked
    fault = planned(make_config(), letter_of(bad)).fault
    assert fault is not None
    assert (fault.reason, "Details.OrderNumber" in fault.error) == ("lone-surrogate", True)


def test_an_event_of_the_worker_takes_the_route_and_key_of_today(make_config: MakeConfig) -> None:
    good = make_config()
    event = events.decode(receive(good, body(created()))[0].value)
    stale = msgspec.structs.replace(event, family="unrouted", entity_key=None)
    plan = planned(good, parked_by_worker(stale))
    assert plan.events == (event,)
    assert plan.records[0].topic == good.topics.topic_of_family["orders"]
    assert plan.records[0].key == b"8684"


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", b"null", b'{"specversion":"1.0"}'])
def test_a_record_that_is_no_event_stays_parked(make_config: MakeConfig, payload: bytes) -> None:
    letter = DeadLetter(dead_letter_id="x", stage="worker", reason="r", error="e", payload=payload)
    plan = planned(make_config(), letter)
    assert plan.fault is not None
    assert plan.fault.reason == "not-an-event"


@pytest.mark.parametrize(
    "change",
    [
        {"index": -1},
        {"index": 10**9},
        {"index": "0"},
        {"index": True},
        {"attempt": 0},
        {"attempt": None},
        {"delivery_id": "a b"},
        {"delivery_id": 7},
        {"properties": None},
        {"received_at": "yesterday"},
        {"received_at": None},
    ],
)
def test_a_context_that_is_not_ours_stays_parked(make_config: MakeConfig, change: dict[str, Any]) -> None:
    (record,) = receive(make_config(WRONG_KEY), body(created()))
    letter = letter_of(record)
    strange = msgspec.structs.replace(letter, context=letter.context | change)
    plan = planned(make_config(), strange)
    assert plan.fault is not None
    assert plan.fault.reason == "foreign-dead-letter"


def test_a_hook_that_is_gone_is_named(make_config: MakeConfig) -> None:
    (record,) = receive(make_config(WRONG_KEY), body(created()))
    letter = msgspec.structs.replace(letter_of(record), hook="former")
    fault = planned(make_config(), letter).fault
    assert fault is not None
    assert "'former'" in str(fault)
    assert "connector.yaml" in str(fault)


@pytest.mark.parametrize(
    ("sent_at", "parked_at"),
    [
        (None, RECEIVED_AT),
        (events.iso(RECEIVED_AT - 1).encode(), RECEIVED_AT),
        (events.iso(RECEIVED_AT).encode(), RECEIVED_AT + 1),
        (events.iso(RECEIVED_AT + MINUTE).encode(), RECEIVED_AT + MINUTE + 1),
        (b"9999-12-31T23:59:59.999999Z", events.LATEST),
        (b"yesterday", RECEIVED_AT),
        (b"\xff", RECEIVED_AT),
    ],
)
def test_a_letter_is_dated_after_the_replay_that_it_answers(sent_at: bytes | None, parked_at: int) -> None:
    letter = DeadLetter(
        dead_letter_id="x", stage="worker", reason="r", error="e", parked_at=events.iso(RECEIVED_AT)
    )
    headers = [] if sent_at is None else [("replayed-at", sent_at)]
    answer = parking.after_replay(letter, SimpleNamespace(headers=headers))
    assert answer.parked_at == events.iso(parked_at)


def test_control_characters_are_made_visible() -> None:
    assert safe_text.plain("a\x1b[2Jb\u202e\nå") == "a\\u001b[2Jb\\u202e\\nå"
    assert safe_text.readable(b'{\r\n\t"a": 1}', strict=True) == '{\r\n\t"a": 1}'
    assert safe_text.readable(b"\x1b[2J", strict=True) is None
    assert safe_text.readable(b"\xff", strict=False) is None


def test_bytes_that_are_no_text_come_as_hex() -> None:
    first, second = safe_text.hexdump(b"\xff\x00A" + b"b" * 14).split("\n")
    assert first.startswith("00000000  ff 00 41 62 ")
    assert first.endswith("  ..Abbbbbbbbbbbbb")
    assert second == f"00000010  {'62':<47}  b"
