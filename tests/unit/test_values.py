# ruff: noqa: E501 - each input stands in one line with what it gives
"""Values out of Details become exact, canonical values of a column type, or poison."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import events
from connector.errors import Poison
from connector.mirror import values

NBSP, NARROW, THIN, MINUS = "\u00a0", "\u202f", "\u2009", "\u2212"


def reason(reader: values.Reader, value: Any) -> str:
    with pytest.raises(Poison) as caught:
        reader(value)
    return caught.value.reason


def number(text: str) -> Any:
    """A JSON number as Details hold it."""
    return events.exact_json.decode(text.encode())


@pytest.mark.parametrize(
    ("printed", "canonical"),
    [
        ("5 324", "5324"),
        (f"5{NBSP}324", "5324"),
        (f"5{NARROW}324", "5324"),
        (f"1{THIN}234{NBSP}567,5", "1234567.5"),
        ("1 200,5", "1200.5"),
        ("0,10", "0.1"),
        ("1.25", "1.25"),
        (f"{MINUS}7", "-7"),
        (f"{MINUS}1 200,50", "-1200.5"),
        ("-3", "-3"),
        ("+3", "3"),
        ("-0", "0"),
        (f"-0,0{NBSP}", "0"),
        ("007", "7"),
        (f" {NBSP}12 ", "12"),
        ("1234567", "1234567"),
    ],
)
def test_a_number_printed_for_people_is_read(printed: str, canonical: str) -> None:
    assert values.numeric(printed) == canonical


@pytest.mark.parametrize(
    "printed",
    ["", " ", "abc", "1 23", "12 34 567", "1234 567", "1,5,5", "1.234,5", "1e5", "0x10", "5,", ",5", "- 5", "--5", "NaN", "Infinity", "٣", "5\n324", "1_000", "12 kg"],
)  # fmt: skip
def test_what_is_no_number_is_poison(printed: str) -> None:
    assert reason(values.numeric, printed) == "not-a-number"


@pytest.mark.parametrize(
    ("json", "canonical"),
    [
        ("5", "5"),
        ("-5", "-5"),
        ("1.10", "1.1"),
        ("1e2", "100"),
        ("1.5E-3", "0.0015"),
        ("-0.0", "0"),
        ("0e99", "0"),
        ("100", "100"),
        ("0.123456", "0.123456"),
        ("0.1234565", "0.123456"),
        ("0.1234575", "0.123458"),
        ("-0.0000004", "0"),
        ("12345678901234567890123456789.000001", "12345678901234567890123456789.000001"),
        ("9" * 60, "9" * 60),
        ("0." + "1234565" * 9, "0.123457"),
        ("2.5" + "0" * 60, "2.5"),
        ("0.0000005" + "0" * 53, "0"),
        ("0.0000005" + "0" * 53 + "1", "0.000001"),
        ("1e-999", "0"),
        ("-1e-999999999", "0"),
    ],
)
def test_a_json_number_is_kept_exactly_to_six_decimals(json: str, canonical: str) -> None:
    assert values.numeric(number(json)) == canonical


@pytest.mark.parametrize("json", ["1e60", "1e400", "-1e999999999", "9" * 61, "9" * 60 + ".9999999"])
def test_a_number_beyond_sixty_digits_is_poison_at_once(json: str) -> None:
    started = time.process_time()
    for reader in (values.numeric, values.text):
        if reader is values.numeric or "." not in json:
            assert reason(reader, number(json)) == "number-range"
    assert reason(values.numeric, "9" * 100_000) == "number-range"
    assert time.process_time() - started < 1


@pytest.mark.parametrize("value", [True, False, {}, [], ["1"], {"a": 1}])
def test_what_is_neither_text_nor_number_is_poison(value: Any) -> None:
    assert reason(values.numeric, value) == "not-a-number"
    assert reason(values.text, value) == "not-text"
    assert reason(values.timestamp, value) == "not-a-timestamp"


def test_nothing_carries_nothing() -> None:
    assert {reader(None) for reader in values.READERS.values()} == {None}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("007", "007"),
        (" a ", " a "),
        ("", ""),
        ("Ä\U0001f600", "Ä\U0001f600"),
        (8684, "8684"),
        (Decimal("8684.0"), "8684"),
        (Decimal("1.50"), "1.5"),
        (Decimal("1E+3"), "1000"),
        (-1, "-1"),
        (Decimal("0." + "0" * 60 + "1"), "0." + "0" * 60 + "1"),
    ],
)
def test_text_is_kept_as_received_and_a_number_becomes_its_decimal_text(value: Any, kept: str) -> None:
    assert values.text(value) == kept


def test_text_that_no_database_holds_is_poison() -> None:
    assert reason(values.text, "a\x00b") == "nul-character"


def test_text_of_a_key_has_a_limit_in_bytes() -> None:
    assert values.indexed_text("ä" * 512) == "ä" * 512
    assert values.indexed_text("a" * 1024) == "a" * 1024
    assert reason(values.indexed_text, "ä" * 513) == "text-too-long"
    assert values.text("ä" * 5000) == "ä" * 5000


@pytest.mark.parametrize("texts", range(1, 8))
def test_the_texts_of_an_index_fit_into_an_entry_together(texts: int) -> None:
    most = values.most_bytes(texts)
    assert 0 < most <= 1024
    assert texts * (most + 8) <= 2704
    assert reason(values.limited_text(most), "a" * (most + 1)) == "text-too-long"
    assert values.limited_text(most)("a" * most) == "a" * most


@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_a_boolean(value: bool) -> None:
    assert values.boolean(value) is value


@pytest.mark.parametrize("value", ["true", "", 0, 1, Decimal(1), {}, [True]])
def test_what_only_looks_like_true_or_false_is_poison(value: Any) -> None:
    assert reason(values.boolean, value) == "not-a-boolean"


@pytest.mark.parametrize("text", ["", "yesterday", "2024-01-01", "2024-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "1700000000"])  # fmt: skip
def test_an_instant_without_an_offset_or_beyond_the_calendar_is_poison(text: str) -> None:
    assert reason(values.timestamp, text) == "not-a-timestamp"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-26t10:00:00z", "2026-11-26T10:00:00.000000Z"),
        ("2026-11-26 10:00:00Z", "2026-11-26T10:00:00.000000Z"),
        ("2026-11-26t10:00:00.5+01:30", "2026-11-26T08:30:00.500000Z"),
        ("2026-11-26T10:00:00.123456789Z", "2026-11-26T10:00:00.123456Z"),
        ("2026-11-26T10:00:00-00:00", "2026-11-26T10:00:00.000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("1990-12-31T15:59:60.25-08:00", "1991-01-01T00:00:00.250000Z"),
    ],
)
def test_what_rfc_3339_allows_is_read(text: str, instant: str) -> None:
    assert events.iso(values.timestamp(text) or 0) == instant


@pytest.mark.parametrize("text", ["2026-11-26T24:00:00Z", "2026-11-26T10:00:60Z", "2026-11-26T10:00:00,5Z", "2026-11-26T10:00:00.Z", "2026-11-26T10:00:00 Z", " 2026-11-26T10:00:00Z", "2026-11-26x10:00:00Z", "2026-11-26T10:00:00+0100", "2026-11-26T10:00:00+01", "2026-11-26T10:00:00+00:60", "2026-11-26T10:00:00+24:00", "2026-11-26T10:00:00+01:00:30", "20261126T100000Z", "2026-11-26T10:00Z", "2026-W48-4T10:00:00Z", "2026-02-30T10:00:00Z", "\uff12026-11-26T10:00:00Z", "2026-11-26T10:00:00Z\n"])  # fmt: skip
def test_what_rfc_3339_forbids_is_poison_with_an_example_of_what_is_read(text: str) -> None:
    with pytest.raises(Poison, match=r"2026-11-26T10:00:00\.5\+01:00 \(RFC 3339\)") as caught:
        values.timestamp(text)
    assert caught.value.reason == "not-a-timestamp"


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_every_instant_that_python_writes_to_the_minute_of_the_offset_is_read(instant: datetime) -> None:
    text = instant.isoformat()
    if len(text.rpartition("+")[2].rpartition("-")[2]) > len("00:00") and "T" not in text[-8:]:
        return  # an offset with seconds, as places had before there were zones
    try:
        since = values.timestamp(text)
    except Poison:
        assert not events.EARLIEST <= events.microseconds(instant) <= events.LATEST
        return
    assert since == events.microseconds(instant)
    assert values.timestamp(text.lower()) == since


def test_a_form_of_iso_8601_that_0_1_took_is_read_from_the_ledger_only() -> None:
    for text in ("20261126T100000Z", "2026-11-26T10:00:00,5+0100"):
        assert reason(values.timestamp, text) == "not-a-timestamp"
        assert values.former_timestamp(text) is not None
    for value in ("yesterday", "2026-11-26", 5):
        assert reason(values.former_timestamp, value) == "not-a-timestamp"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-05-01T10:00:00", "2024-05-01T08:00:00.000000Z"),
        ("2024-01-01 10:00:00.1234567", "2024-01-01T09:00:00.123456Z"),
        ("2024-05-01", "2024-04-30T22:00:00.000000Z"),
        ("2024-10-27T02:30:00", "2024-10-27T00:30:00.000000Z"),
        ("9999-12-31T23:59:59.9999999", "9999-12-31T22:59:59.999999Z"),
        ("2024-05-01T10:00:00+05:00", "2024-05-01T05:00:00.000000Z"),
    ],
)
def test_a_date_of_a_record_without_an_offset_is_local_time(text: str, instant: str) -> None:
    assert values.timestamp_of_record("Europe/Stockholm")(text) == events.from_iso(instant)


@pytest.mark.parametrize("offset", ["", ".0000000", "Z", "+01:00", "-02:00"])
def test_the_year_1_in_a_record_is_no_date(offset: str) -> None:
    assert values.timestamp_of_record("Europe/Stockholm")(f"0001-01-01T00:00:00{offset}") is None


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:01", "2024-02-30T10:00:00", "2024-05-01T24:01:00", "2024-05-01T10:00", "soon", 7],
)
def test_a_date_of_a_record_that_is_none_is_poison(text: Any) -> None:
    assert reason(values.timestamp_of_record("Europe/Stockholm"), text) == "not-a-timestamp"


def test_an_instant_is_microseconds_since_the_epoch() -> None:
    assert values.timestamp("1970-01-01T01:00:00.000001+01:00") == 1
    assert events.iso(values.timestamp("0001-01-01T00:00:00Z") or 0) == "0001-01-01T00:00:00.000000Z"


def test_a_refusal_shows_a_long_value_shortened() -> None:
    with pytest.raises(Poison) as caught:
        values.numeric("x" * 1000)
    assert len(caught.value.error) < 100


exact = st.decimals(-(10**59), 10**59, places=6).map(lambda one: values.numeric(one) or "0")


@given(st.one_of(exact, st.integers(-(10**60) + 1, 10**60 - 1).map(str)), exact)
def test_ranks_sort_as_text_exactly_as_numbers_do(one: str, other: str) -> None:
    assert (values.rank(one) < values.rank(other)) == (Decimal(one) < Decimal(other))
    assert (values.rank(one) == values.rank(other)) == (Decimal(one) == Decimal(other))


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_canonical_number_is_the_same_again_and_within_a_half_millionth(value: Any) -> None:
    try:
        canonical = values.numeric(value)
    except Poison:
        return
    assert canonical is not None
    assert values.numeric(Decimal(canonical)) == values.numeric(canonical) == canonical
    assert abs(Decimal(canonical) - Decimal(value)) <= Decimal("0.0000005")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([*values.READERS.values(), values.indexed_text]), anything)
def test_any_value_is_read_or_poison_and_nothing_else(reader: values.Reader, value: Any) -> None:
    try:
        reader(value)
    except Poison as poison:
        told = poison.error
        assert told.endswith(".")


@given(
    st.integers(0, 10**18 - 1), st.sampled_from([" ", NBSP, NARROW, THIN]), st.sampled_from(["", "-", MINUS])
)
def test_a_whole_number_with_grouped_digits_is_that_number(whole: int, blank: str, sign: str) -> None:
    printed = sign + f"{whole:,}".replace(",", blank)
    assert values.numeric(printed) == str(-whole if sign else whole)
