"""Rows of a query as a table, records, CSV and JSON lines."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.commands.options import Format
from connector.commands.rows import PrintedRows
from connector.safe_text import JsonText, as_json, plain, plain_lines

ESCAPES = (
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07 \x9b31m \u202eabc\u2066 \u200b\x7f\r\ntwo\ttabs [red]x[/red]"
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    TEXT,
    st.sampled_from([ESCAPES, "", " ", '"', ",", "NULL"]),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    columns = draw(st.lists(TEXT, min_size=1, max_size=4))
    rows = draw(st.lists(st.tuples(*(CELLS for _ in columns)), max_size=4))
    return columns, rows


def shown(columns: list[str], rows: list[tuple[Any, ...]], format_: Format | None, **options: Any) -> str:
    width, terminal = options.get("width", 80), options.get("terminal", False)
    return "".join(
        f"{line}\n" for line in PrintedRows(columns, rows).lines(format_, width=width, terminal=terminal)
    )


@given(tables(), st.sampled_from([None, *Format]), st.integers(1, 200))
def test_a_terminal_gets_printable_characters_alone(
    table: tuple[list[str], list[tuple[Any, ...]]], format_: Format | None, width: int
) -> None:
    text = shown(*table, format_, width=width, terminal=True)
    assert all(line.isprintable() for line in text.split("\n"))


@given(TEXT | st.just(ESCAPES) | st.just("\ud800"))
def test_text_that_is_written_out_is_printable_and_otherwise_as_it_was(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(text) == text or not text.isprintable()
    assert all(line.isprintable() for line in plain_lines(text).split("\n"))
    assert json.loads(as_json({"text": text}, indent=2)) == {"text": text}
    assert all(line.isprintable() for line in as_json({"text": text}, indent=2).split("\n"))


@given(tables())
def test_csv_says_every_value_exactly_and_tells_null_from_empty_text(
    table: tuple[list[str], list[tuple[Any, ...]]],
) -> None:
    columns, rows = table
    text = shown(columns, rows, Format.csv)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == columns
    for fields, row in zip(read[1:], rows, strict=True):
        # A row of one NULL is an empty line, which Python's reader gives no field.
        for field, value in zip(fields or [""], row, strict=True):
            assert (field == "") == (value is None or value == "")
            if isinstance(value, str):
                assert field == value
            elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
                assert Decimal(field) == Decimal(repr(value) if isinstance(value, float) else value)
    assert list(PrintedRows(["a", "b"], [(None, "")]).lines(Format.csv, width=80, terminal=False))[1] == ',""'


@given(tables())
def test_json_has_one_object_per_row_with_exact_numbers(
    table: tuple[list[str], list[tuple[Any, ...]]],
) -> None:
    columns, rows = table
    text = shown(columns, rows, Format.json)
    objects = [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
    assert len(objects) == len(rows)
    for found, row in zip(objects, rows, strict=True):
        assert len(found) == len(columns)
        for value, wanted in zip(found.values(), row, strict=True):
            assert value == (Decimal(repr(wanted)) if isinstance(wanted, float) else wanted)


def test_json_keeps_columns_of_one_name_apart_and_embeds_stored_json() -> None:
    row = (1, 2, 3, JsonText('{"n": 1.10,\n\t"t": "\u202e"}'), Decimal("1.50"), Decimal("NaN"), float("-inf"))
    rows = PrintedRows(["id", "id", "id_2", "j", "d", "n", "i"], [row])
    (line,) = rows.lines(Format.json, width=80, terminal=False)
    assert line == (
        '{"id": 1, "id_3": 2, "id_2": 3, "j": {"n": 1.10,  "t": "\\u202e"}, "d": 1.50, "n": "NaN", '
        '"i": "-Infinity"}'
    )


@given(tables(), st.integers(1, 120))
@settings(max_examples=50)
def test_a_table_that_does_not_fit_becomes_a_record_per_row_with_every_name_and_value(
    table: tuple[list[str], list[tuple[Any, ...]]], width: int
) -> None:
    columns, rows = table
    as_table, chosen = shown(columns, rows, Format.table), shown(columns, rows, None, width=width)
    records = shown(columns, rows, Format.record)
    assert chosen in (as_table, records)
    for name in columns:
        assert plain(name) in records
    for row in rows:
        for value in row:
            assert ("NULL" if value is None else plain(str(value))) in records or not isinstance(value, str)


def test_a_table_aligns_wide_characters() -> None:
    text = shown(["name", "n"], [("日本", 1), (None, 22)], Format.table)
    assert text == "name  n\n----  --\n日本  1\nNULL  22\n"
