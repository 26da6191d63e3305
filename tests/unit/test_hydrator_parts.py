"""The hydrator's parts alone: the pace, the request and the record of an answer, and what a person reads."""

import base64
import html
import json
import random
from bisect import bisect_left
from decimal import Decimal
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.config.source_models import EntitySettings
from connector.errors import Poison
from connector.hydrator.pace import MINUTE, Pace
from connector.hydrator.ports import Answer
from connector.hydrator.record import Records, Unreadable
from connector.hydrator.verdict import Judge
from tests.hydrator_world import START, sources

LIMIT, LEFT, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"
header_texts = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**20), 10**20).map(str),
    st.integers(0, 400).map(str),
    st.integers(START - 100, START + 100).map(str),
)


class Clock:
    """A clock that a test sets, in seconds; wall time runs with it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> int:
        return int((START + self.seconds) * 1_000_000)


def pace(clock: Clock, limit: int = 300) -> Pace:
    rate = sources().rate.model_copy(update={"requests_per_minute": limit})
    return Pace(rate, "CustomerOrders", steady=clock, now=clock.now)


def orders(*exclude: str, **changes: Any) -> Records:
    return Records("orders", sources(order=changes).entities["orders"], exclude)


BALANCES = Records(
    "balances",
    EntitySettings.model_validate(
        {
            "entity": "Stock",
            "get": "ProductAvailability?warehouse={warehouse}&productNumber={product}",
            "data_selector": "productAvailabilityList",
            "key": {"product": "productNumber", "warehouse": "warehouse"},
        }
    ),
    (),
)


# --- Pace ---


@settings(max_examples=40)
@given(st.integers(1, 3000), st.integers(0, 2**32))
@example(1, 0)
@example(33, 0)
@example(300, 0)
def test_no_minute_has_more_requests_than_the_limit_however_they_come(limit: int, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    one, sent = pace(clock, limit), []
    while clock.seconds < 200 and len(sent) < 700:
        if chance.random() < 0.02:
            clock.seconds += chance.uniform(0, 50)
        clock.seconds += max(one.wait(), 1e-6)
        if not one.wait():
            one.sent(background=False)
            one.failed()
            sent.append(clock.seconds)
    for index, first in enumerate(sent):
        assert bisect_left(sent, first + MINUTE) - index <= limit


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([LIMIT, LEFT, RESET, "date", "retry-after"]), header_texts))
@example({LIMIT: "0", LEFT: "0", RESET: "0"})
@example({LEFT: "0", RESET: str(START + 10**9)})
@example({LIMIT: "1", LEFT: "-5", "retry-after": "9" * 400})
def test_headers_that_lie_neither_stop_the_requests_nor_hurry_them(headers: dict[str, str]) -> None:
    clock = Clock()
    one = pace(clock)
    one.sent(background=False)
    one.answered(headers)
    wait = one.wait()
    assert 0 <= wait < 70
    asked = one.retry_after(headers)
    assert asked is None or 0 <= asked <= 3600
    clock.seconds += wait + 0.001
    assert one.wait() < 0.01


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_a_used_up_minute_ends_when_the_apis_own_clock_says(skew: int) -> None:
    clock = Clock()
    one = pace(clock)
    one.sent(background=False)
    server = START + skew
    one.answered({LEFT: "0", RESET: str(server + 40), "date": formatdate(server, usegmt=True)})
    assert one.wait() == pytest.approx(41, abs=1)


def test_what_others_leave_of_the_limit_is_spread_over_the_rest_of_the_minute() -> None:
    clock = Clock()
    one = pace(clock)
    one.sent(background=False)
    one.answered({LEFT: "12", RESET: str(START + 50), "date": formatdate(START, usegmt=True)})
    sent = 0
    while clock.seconds < 49:
        clock.seconds += max(one.wait(), 0.001)
        if not one.wait():
            one.sent(background=False)
            one.failed()
            sent += 1
    assert 9 <= sent <= 12


def test_what_is_under_way_counts_as_used_until_its_answer_shows_otherwise() -> None:
    clock = Clock()
    one = pace(clock)
    for _ in range(3):
        one.sent(background=False)
    one.answered({LEFT: "2", RESET: str(START + 30), "date": formatdate(START, usegmt=True)})
    assert one.wait() == pytest.approx(31, abs=1)


def test_the_pace_is_that_of_the_limit_which_answers_give() -> None:
    clock = Clock()
    one = pace(clock)
    one.sent(background=False)
    one.answered({LIMIT: "60"})
    one.sent(background=False)
    assert one.wait() >= 1


def test_an_older_answer_that_comes_late_gives_nothing_back() -> None:
    clock = Clock()
    one = pace(clock)
    date = formatdate(START, usegmt=True)
    for _ in range(2):
        one.sent(background=False)
    one.answered({LEFT: "0", RESET: str(START + 30), "date": date})
    one.answered({LEFT: "200", RESET: str(START + 30), "date": date})
    assert one.wait() == pytest.approx(31, abs=1)


# --- Request and record ---


@given(st.text(min_size=1).filter(lambda text: text.strip() and text not in {".", ".."}))
@example("RP/101 å")
@example("1?x=../..#%2F")
def test_a_number_is_one_encoded_part_of_the_path_whatever_it_holds(number: str) -> None:
    number = number.encode("utf-8", "replace").decode()
    path = orders().path(number)
    assert path.isascii()
    resource, part = path.split("/")
    assert (resource, unquote(part)) == ("CustomerOrders", number)
    assert not set(part) & set("?#&= ")


def test_a_key_of_several_parts_fills_the_query() -> None:
    assert BALANCES.path("A&B/1|WH å") == "ProductAvailability?warehouse=WH%20%C3%A5&productNumber=A%26B%2F1"
    for wrong in ("A", "A|B|C", "A|", "A|.."):
        with pytest.raises(Poison, match="key-not-askable"):
            BALANCES.path(wrong)


def test_the_row_of_a_list_with_the_key_is_the_record_and_an_empty_list_has_none() -> None:
    row = b'{"productNumber": "P1", "warehouse": "W", "physical": 1.50}'
    other = b'{"productNumber": "P2", "warehouse": "W"}'
    body = b'{"productAvailabilityList": [' + other + b", " + row + b'], "paginationInfo": {}}'
    assert BALANCES.record("P1|W", body) == row
    for none in (b'{"productAvailabilityList": []}', b'{"productAvailabilityList": null}'):
        assert BALANCES.record("P1|W", none) is None
    for other_answer in (b"{}", b'{"productavailabilitylist": []}', b'{"paginationInfo": {"totalPages": 1}}'):
        with pytest.raises(Unreadable, match=r"it has no productAvailabilityList \(data_selector\)"):
            BALANCES.record("P1|W", other_answer)
    with pytest.raises(Unreadable, match=r"another record's: P2\|W"):
        BALANCES.record("P1|W", b'{"productAvailabilityList": [' + other + b"]}")
    assert BALANCES.gone("P1|W") == b'{"productNumber":"P1","warehouse":"W"}'


def test_a_record_keeps_each_number_to_the_letter() -> None:
    body = (
        b'\xef\xbb\xbf{"orderHeader": {"orderNumber": "1", "a": 1.10, "b": 12345678901234567890.1, "c": 1E2}}'
    )
    assert orders().record("1", body) == body[3:]
    excluded = orders("orderHeader.x").record("1", body)
    assert excluded is not None
    for number in (b"1.10", b"12345678901234567890.1", b"1E2"):
        assert number in excluded


@pytest.mark.parametrize("number", [b"3339887", b'"3339887"', b"3339887.0"])
def test_a_number_of_a_record_is_its_key_as_text_and_as_number(number: bytes) -> None:
    body = b'{"orderHeader": {"orderNumber": ' + number + b"}}"
    assert orders().record("3339887", body) == body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b"<html>", "it is HTML"),
        (b"[]", "it is no JSON object"),
        (b'"text"', "it is no JSON object"),
        (b'{"orderHeader": {"orderNumber": "1"}', "it is no JSON object"),
        (b'{"orderHeader": {"orderNumber": "1\xff"}}', "it is no JSON object"),
        (b'{"orderHeader": {"orderNumber": "2"}}', "another record's: 2"),
        (b'{"orderHeader": {}}', "another record's: None"),
        (b'{"orderHeader": null}', "another record's: None"),
        (b'{"orderHeader": [1]}', "its key cannot be read"),
        (b'{"orderHeader": {"orderNumber": "1"}, "x": ' + b"[" * 300 + b"]" * 300 + b"}", "nests more than"),
    ],
)
def test_what_is_no_record_is_said_in_words(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        orders().record("1", body)


@pytest.mark.parametrize("value", [b'"\\u0000"', b'"\\ud800"', b"1e5000"])
def test_a_record_that_no_database_can_keep_is_poison(value: bytes) -> None:
    with pytest.raises(Poison):
        orders().record("1", b'{"orderHeader": {"orderNumber": "1", "x": ' + value + b"}}")


names = st.sampled_from(["a", "b", "c", "orderRows"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
numbers = st.one_of(st.integers(), st.decimals(-999, 999, places=2).map(float))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=20,
)


def without(value: Any, path: list[str]) -> Any:
    """What a plain reading of the rule makes of parsed JSON."""
    if isinstance(value, list):
        return [without(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    first, *rest = path
    return {
        name: without(inner, rest) if name == first else inner
        for name, inner in value.items()
        if rest or name != first
    }


@settings(max_examples=40)
@given(
    st.dictionaries(names, values, max_size=4), st.lists(st.lists(names, min_size=1, max_size=3), max_size=3)
)
def test_what_is_excluded_is_gone_and_all_else_is_as_it_was(
    body: dict[str, Any], paths: list[list[str]]
) -> None:
    body = {"orderHeader": {"orderNumber": "1"}, **body}
    record = orders(*[".".join(path) for path in paths]).record("1", json.dumps(body).encode())
    for path in paths:
        body = without(body, path)
    assert record is not None
    assert json.loads(record, parse_float=Decimal) == json.loads(json.dumps(body), parse_float=Decimal)


# --- What a person reads ---

# Each starts with what no other text here has.
secrets = st.text(st.characters(codec="utf-8", exclude_characters=":"), max_size=12).map("Qzx".__add__)


@settings(max_examples=40)
@given(secrets, secrets, st.sampled_from([200, 302, 400, 401, 404, 429, 500]), st.text(max_size=250))
@example("Qzxuser", 'Qzxp"ä<ss', 400, "")
@example("Qzxlong user", "Qzxpass word", 500, "x" * 197)
def test_the_login_is_in_no_text_in_whatever_form_an_answer_repeats_it(
    user: str, password: str, status: int, before: str
) -> None:
    login = {"header": "ExtendBasicAuthorization", "user": user, "password": password}
    judge = Judge(sources(login=login))
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    forms = [user, password, pair, quote(password), html.escape(password), json.dumps(password)[1:-1]]
    for form in forms:
        body = f"{before} {form} {before}"
        answer = Answer(status, {"content-type": body, "location": body}, body.encode())
        text = judge.verdict(orders(), "1", answer).text
        assert "Qzx" not in text
        assert pair[:12] not in text


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"Transaction was DEADLOCKED. Rerun the transaction", "away"),
        (400, b"Timeout expired.", "away"),
        (400, b"There is no row at position 0.", "missing"),
        (400, b"Unknown order", "refused"),
        (401, b"", "login"),
        (403, b"", "forbidden"),
        (404, b"", "missing"),
        (409, b"", "refused"),
        (429, b"", "limited"),
        (500, b"", "away"),
        (503, b"", "away"),
        (301, b"", "away"),
        (204, b"", "unreadable"),
        (200, b"", "unreadable"),
    ],
)
def test_each_answer_has_one_reaction(status: int, body: bytes, kind: str) -> None:
    verdict = Judge(sources()).verdict(orders(), "1", Answer(status, {}, body))
    assert verdict.kind == kind
    assert verdict.text.isprintable()
