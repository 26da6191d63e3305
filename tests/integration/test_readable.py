"""Whatever was accepted once can be read again: by verify, by a refill, by a restate, by a rebuild."""

import json
import random
import string
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import inspect

from connector import config, events
from connector.config import Config
from connector.errors import Poison, StartupError
from connector.events import Event
from connector.mirror import database, verify
from tests import strategies
from tests.conftest import ROOT, SECRET
from tests.strategies import MINUTE, NOON, Mirror

BASE = """
tables:
  readings:
    actions: [ProductCreated, ProductChanged]
    key:
      product_number: {path: ProductNumber}
    columns:
      note: {rule: latest, type: text, path: Note}
"""
# Columns, an index over what may be too long for one, and tables with a key and rows of their own.
MORE = """
      value: {rule: latest, type: numeric, path: Value}
      sure: {rule: max, type: boolean, path: Sure}
      since: {rule: earliest, type: timestamp, path: Since}
      inner: {rule: latest, type: text, path: "Deep.'In ner'"}
    indexes:
      - [note]
      - [inner, note, as_of]
  noted:
    actions: [ProductChanged]
    key:
      note: {path: Note}
    columns:
      changes: {rule: count}
  parts:
    kind: history
    actions: [ProductChanged]
    each: Deep.Part
    columns:
      size: {type: numeric, path: Deep.Part.Size}
      note: {type: text, path: Note}
    indexes:
      - [note]
"""


class Place:
    """One database that is opened with one tables.yaml after another."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack

    def config(self, tables: str) -> Config:
        texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
        texts["tables.yaml"] = tables
        return config.parse(texts, {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": self.url})

    def open(self, tables: str) -> Mirror:
        # Whether a mapping fits is not asked here: whatever was accepted stays readable under any.
        return self._stack.enter_context(strategies.mirror(self.config(tables), accept_mapping=True))


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(database_url, stack)


def received(mirror: Mirror, details: str, delivery: str, **more: Any) -> Event | None:
    """The event as the worker reads it off Kafka, or None when it is parked on the way."""
    raw = f'{{"Action":"ProductChanged","Details":{details}}}'.encode()
    try:
        notification = events.parse_notification(raw)
        events.refuse_nul("Details", notification.details)
        event = mirror.event("ProductChanged", notification.details, delivery=delivery, **more)
        event = events.decode(events.encode(event))
        mirror.mapping.contributions(event)
    except Poison:
        return None
    return event


def sound(mirror: Mirror) -> bool:
    return verify.differences(mirror.engine, mirror.mapping) == []


digits = st.integers(0, 1002).map(lambda count: "9" * count) | st.integers(0, 10**6).map(str)
numbers = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    digits.map(lambda text: text.lstrip("0") or "0"),
    digits.map(lambda text: f".{text}" if text else ""),
    st.one_of(st.just(""), st.integers(-3000, 1001).map(lambda power: f"e{power}")),
)
texts = st.one_of(
    st.text(max_size=8).map(json.dumps),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)).filter(str.isprintable),
    st.sampled_from([r'"\ud83d\ude00"', r'"\ud83d"', r'"\u0000"', r'"\\u0000"', '"5 324,5"', '""']),
    st.integers(0, 3000).map(lambda length: json.dumps("ä" * length)),
    st.integers(0, 2**32).map(lambda seed: json.dumps(noise(seed, 3000))),
)
instants = st.sampled_from(
    ['"0001-01-01T00:00:00Z"', '"9999-12-31t23:59:59.999999z"', '"2016-12-31T23:59:60Z"', '"soon"']
)
leaves = st.one_of(numbers, texts, instants, st.sampled_from(["true", "false", "null", "[]", "{}"]))


def noise(seed: int, length: int) -> str:
    """Text that no database can make shorter."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))


def nested(depth: int, inner: str) -> str:
    return "[" * depth + inner + "]" * depth


def as_object(parts: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in parts.items()) + "}"


anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.dictionaries(st.sampled_from(["Size", "Part", "In ner", "é"]), inner, max_size=3).map(as_object),
        st.builds(nested, st.integers(1, 25), inner),
    ),
    max_leaves=5,
)
details = st.fixed_dictionaries(
    {"ProductNumber": st.sampled_from(['"1"', "2", "0.5"])},
    optional={
        "Note": texts,
        "Noise": anything,
        "Value": leaves,
        "Sure": leaves,
        "Since": leaves,
        "Deep": anything,
    },
).map(as_object)


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 2), details), min_size=5, max_size=20))
def test_whatever_was_accepted_survives_verify_refill_restate_and_rebuild(
    place: Place, drawn: list[tuple[int, str]]
) -> None:
    with ExitStack() as stack:
        survives(Place(place.url, stack), drawn)


def survives(place: Place, drawn: list[tuple[int, str]]) -> None:
    mirror = place.open(BASE)
    mirror.empty()
    made = [
        received(mirror, text, f"d{number}", attempt=2, at=NOON + minute * MINUTE)
        for number, (minute, text) in enumerate(drawn)
    ]
    accepted = [event for event in made if event is not None]
    if not accepted:
        return
    mirror.write(*accepted)
    assert verify.count(mirror.engine) == len(accepted)
    assert sound(mirror)

    refilled = place.open(BASE + MORE)
    assert sound(refilled)

    # Copies of a lower attempt, which take the place of those, as far as today's mapping takes them.
    better = [structs.replace(event, attempt=1, occurred_at=event.occurred_at - 1) for event in accepted]
    fitting = [event for event in better if fits(refilled, event)]
    if fitting:
        refilled.write(*fitting)
    assert sound(refilled)

    before = mirror.content()
    again = place.open(BASE)
    again.empty()
    again.write(*accepted)
    again.write(*fitting) if fitting else None
    assert sound(again)
    assert again.content()["notifications"] == before["notifications"]


def fits(mirror: Mirror, event: Event) -> bool:
    try:
        mirror.mapping.contributions(event)
    except Poison:
        return False
    return True


@pytest.mark.parametrize("number", ["1e-999", "1e-1000", "9e1000", "0." + "1" * 1999])
def test_a_number_in_an_unmapped_field_is_read_back_in_whatever_way_it_is_written(
    place: Place, number: str
) -> None:
    mirror = place.open(BASE)
    event = received(mirror, f'{{"ProductNumber":"1","Noise":{number}}}', "a", attempt=2)
    assert event is not None
    mirror.write(event)
    assert sound(mirror)
    mirror = place.open(BASE + "      value: {rule: latest, type: numeric, path: Value}\n")
    mirror.write(structs.replace(event, attempt=1))
    assert sound(mirror)
    (held,) = mirror.rows("notifications")
    assert held["attempt"] == 1


@pytest.fixture
def long_texts() -> Callable[[Mirror], None]:
    def write(mirror: Mirror) -> None:
        for place, (number, note) in enumerate(
            [("1", noise(1, 1500)), ("2", noise(2, 9000)), ("3", "short")]
        ):
            event = received(
                mirror, json.dumps({"ProductNumber": number, "Note": note}), f"d{place}", attempt=2
            )
            assert event is not None
            mirror.write(event)

    return write


def test_an_index_that_is_added_later_refuses_nothing_that_the_table_holds(
    place: Place, long_texts: Callable[[Mirror], None]
) -> None:
    long_texts(place.open(BASE))
    mirror = place.open(BASE + "    indexes: [[note]]\n")
    assert sound(mirror)
    assert [len(row["note"]) for row in mirror.rows("readings", "product_number")] == [1500, 9000, 5]
    with database.transaction(mirror.engine) as connection:
        assert len(inspect(connection).get_indexes("_readings")) == 1
    # It is there at the next start, and takes what comes.
    mirror = place.open(BASE + "    indexes: [[note]]\n")
    event = received(mirror, '{"ProductNumber":"2","Note":"short"}', "e")
    assert event is not None
    mirror.write(event)
    assert sound(mirror)


def test_a_column_and_its_index_that_are_added_together_take_what_the_ledger_holds(
    place: Place, long_texts: Callable[[Mirror], None]
) -> None:
    long_texts(place.open(BASE))
    mirror = place.open(
        BASE + "      again: {rule: latest, type: text, path: Note}\n    indexes: [[again, product_number]]\n"
    )
    assert sound(mirror)
    assert {len(row["again"]) for row in mirror.rows("readings")} == {1500, 9000, 5}


def test_a_restate_brings_back_a_text_that_is_too_long_for_an_index_of_today(place: Place) -> None:
    mirror = place.open(BASE)
    said = [
        received(mirror, json.dumps({"ProductNumber": "1", "Note": note}), delivery, at=at, attempt=2)
        for note, delivery, at in [(noise(1, 9000), "a", NOON), ("short", "b", NOON + MINUTE)]
    ]
    mirror.write(*[event for event in said if event is not None])
    mirror = place.open(BASE + "    indexes: [[note]]\n")
    silent = received(mirror, '{"ProductNumber":"1"}', "b", at=NOON + MINUTE)
    assert silent is not None
    mirror.write(silent)
    assert len(mirror.row("readings")["note"]) == 9000
    assert sound(mirror)


def test_three_texts_of_a_key_fit_into_an_index_or_are_parked_at_intake(place: Place) -> None:
    keyed = BASE.replace(
        "{path: ProductNumber}\n",
        "{path: ProductNumber}\n      word: {path: Word}\n      note: {path: Note}\n",
    ).replace("note: {rule", "other: {rule")
    mirror = place.open(keyed)
    for place_, length in enumerate([800, 1000]):
        parts = {"ProductNumber": noise(7, 500), "Word": noise(8, length), "Note": noise(9, length)}
        event = received(mirror, json.dumps(parts), f"d{place_}")
        assert (event is not None) == (length == 800)
        if event is not None:
            mirror.write(event)
    assert sound(mirror)
    assert len(mirror.rows("readings")) == 1


@pytest.mark.parametrize("depth", [198, 250, 900])
def test_what_nests_deeper_than_any_gateway_lets_pass_is_parked_before_a_database_sees_it(
    place: Place, depth: int
) -> None:
    mirror = place.open(BASE)
    raw = f'{{"ProductNumber":"1","Noise":{nested(depth, "")}}}'.encode()
    event = mirror.event("ProductChanged", raw)
    if depth > events.MAX_DEPTH:
        with pytest.raises(Poison, match="200 levels"):
            events.decode(events.encode(event))
        return
    mirror.write(events.decode(events.encode(event)))
    assert sound(mirror)
    assert sound(place.open(BASE + MORE))


BOOLEANS = """
tables:
  readings:
    actions: [ProductCreated, ProductChanged]
    key:
      product_number: {path: ProductNumber}
    columns:
      sure: {rule: latest, type: boolean, path: Sure}
      ever: {rule: max, type: boolean, path: Sure}
      always: {rule: min, type: boolean, path: Sure}
      created: {rule: latest, by_action: {ProductCreated: true, ProductChanged: false}}
      changes: {rule: count}
    indexes:
      - [sure, product_number]
  said:
    kind: history
    actions: [ProductChanged]
    columns:
      sure: {type: boolean, path: Sure}
      changed: {constant: true}
    requires: [sure]
"""


def test_a_boolean_is_a_column_of_every_kind(place: Place) -> None:
    place.open(BASE)
    mirror = place.open(BOOLEANS)
    said = [
        received(mirror, json.dumps({"ProductNumber": str(number % 3), "Sure": sure}), f"d{number:02}")
        for number, sure in enumerate([True, False, None, False, False, True] * 20)
    ]
    events_ = [event for event in said if event is not None]
    mirror.write(*events_[:60])
    mirror.write(*reversed(events_[60:]))
    first = mirror.row("readings", product_number="0")
    assert (first["sure"], first["ever"], first["always"], first["created"]) == (False, True, False, False)
    assert first["changes"] == 40
    assert {row["sure"] for row in mirror.rows("said")} == {True, False}
    assert sound(mirror)
    refilled = place.open(BOOLEANS.replace("rule: max, type: boolean", "rule: earliest, type: boolean"))
    assert sound(refilled)
    assert refilled.row("readings", product_number="0")["ever"] is not None


@pytest.mark.parametrize("other", ["{rule: count}", "{rule: latest, type: numeric, path: Sure}"])
def test_a_column_that_becomes_a_boolean_is_refused_with_the_table_to_drop(place: Place, other: str) -> None:
    place.open(BOOLEANS.replace("{rule: latest, type: boolean, path: Sure}", other))
    with pytest.raises(StartupError, match="drop the table"):
        place.open(BOOLEANS)


def test_an_index_that_was_taken_out_limits_no_text_any_more(place: Place) -> None:
    with_index = place.open(f"{BASE}    indexes:\n      - [note]\n")
    assert "ix_readings$note" in index_names(with_index)
    mirror = place.open(BASE)
    assert "ix_readings$note" not in index_names(mirror)
    event = received(mirror, f'{{"ProductNumber":"1","Note":"{noise(1, 9000)}"}}', "a")
    assert event is not None
    mirror.write(event)
    assert sound(mirror)


def index_names(mirror: Mirror) -> set[str | None]:
    return {one["name"] for one in inspect(mirror.engine).get_indexes("_readings")}
