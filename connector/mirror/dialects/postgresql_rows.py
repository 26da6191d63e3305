"""Rows as PostgreSQL takes them: one array per column, read side by side with ``unnest``."""

from collections.abc import Sequence
from typing import Any

from connector.mirror.dialects.dialect import Columns
from connector.mirror.dialects.parts import Encoded, as_text

CASTS = {
    "text": "::text",
    "numeric": "::numeric",
    "timestamp": "::timestamptz",
    "boolean": "::boolean",
    "integer": "::bigint",
    "json": "::jsonb",
    "binary": "::bytea",
}
# From so many rows on, a column with one value throughout is given once instead of as an array.
SAME_FROM = 50
# An interval is multiplied as a binary float, which holds whole numbers up to here: to the year 2255.
EXACT_FLOAT = 2**53


def encode(columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
    """Rows as one array per column.

    A column with one value throughout is given as that value. A column that equals one before it, such as
    the versions of values that always come together, is not given again.
    """
    listed, scalars, given, arrays = [], [], [], []
    known: dict[str, list[tuple[str, Sequence[Any]]]] = {"bigint": [], "text": []}
    for index, ((_, type_), column) in enumerate(zip(columns, values, strict=True)):
        # The first column gives the number of rows. Most that have several values differ at their ends.
        is_long = index and len(column) >= SAME_FROM
        if is_long and column[0] == column[-1] and column.count(column[0]) == len(column):
            listed.append(f"%s{CASTS[type_]}")
            scalars.append(as_text(type_, column[0]))
            continue
        if type_ in ("boolean", "binary"):
            column = [as_text(type_, value) for value in column]  # noqa: PLW2901 - an array of text from here
        travels_as = "bigint" if type_ in ("integer", "timestamp") else "text"
        name = next((name for name, other in known[travels_as] if other == column), None)
        if name is None:
            name = f"c{index}"
            known[travels_as].append((name, column))
            given.append((name, travels_as))
            arrays.append(_array(column, quoted=travels_as == "text"))
        listed.append(_instant(name, column) if type_ == "timestamp" else f"{name}{CASTS[type_]}")
    # Beside each other in a SELECT the arrays are read as they are; in FROM they are first made a table.
    unnest = ", ".join(f"unnest(%s::{type_}[]) AS {name}" for name, type_ in given)
    return Encoded(", ".join(listed), f"FROM (SELECT {unnest}) AS batch", tuple(scalars), tuple(arrays))


def _instant(name: str, values: Sequence[int | None]) -> str:
    """Microseconds since the epoch as an instant; in two parts where one number would be too great."""
    given = [value for value in values if value is not None] or [0]
    if max(given) < EXACT_FLOAT and min(given) > -EXACT_FLOAT:
        return f"'epoch'::timestamptz + {name} * interval '1 microsecond'"
    seconds, rest = f"{name} / 1000000 * interval '1 second'", f"{name} %% 1000000 * interval '1 microsecond'"
    return f"'epoch'::timestamptz + {seconds} + {rest}"


def _array(values: Sequence[Any], *, quoted: bool) -> str:
    """An array as PostgreSQL reads it from text; psycopg's adapter looks at every value by itself."""
    if None in values:
        write = _item if quoted else str
        return f"{{{','.join(['NULL' if value is None else write(value) for value in values])}}}"
    if not quoted:
        return f"{{{','.join(map(str, values))}}}"
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        return f"{{{','.join(map(_item, values))}}}"
    return f'{{"{joined}"}}'


def _item(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
