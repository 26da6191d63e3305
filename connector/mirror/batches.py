"""Rows on their way into SQL: many of one shape at once, for both databases.

A batch of rows travels as one array per column on PostgreSQL (``unnest``) and through a temporary
table on SQLite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector import events

INT64 = 2**63
CASTS = {
    "text": "text",
    "numeric": "numeric",
    "timestamp": "timestamptz",
    "boolean": "boolean",
    "integer": "bigint",
    "json": "jsonb",
}
# From so many rows on, a column with one value throughout is given once instead of as an array.
SAME_FROM = 50


# Names and types.
Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one shape on their way into SQL; a numeric is canonical text, an instant an int."""

    columns: Columns
    rows: Sequence[Sequence[Any]]

    def encoded(self, dialect: str) -> "Encoded":
        """The batch, ready for ``run``."""
        return encode(dialect, self.columns, list(zip(*self.rows, strict=True)))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as one database takes it: ``SELECT columns source``, and the parameters of both.

    ``temporary`` are the rows that a temporary table must hold first (SQLite).
    """

    columns: str
    source: str
    scalars: tuple[str | None, ...] = ()
    arrays: tuple[str, ...] = ()
    width: int = 0
    temporary: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement over a batch: ``before SELECT … FROM <batch> AS batch after``.

    ``adds``: its rows are new whenever the events are, and ``after`` is for those that are there.
    ``stamped``: the last column that ``before`` names is when it runs.
    """

    before: str
    batch: Encoded
    after: str
    adds: bool = False
    stamped: bool = False

    def run(self, connection: Connection, now: int, *, new: bool = False) -> None:
        """Run it where no rows come back; ``new`` are rows of new events, which costs less.

        Then a row that is there all the same raises what becomes ``AlreadyThere``.
        """
        late = [("timestamp", now)] if self.stamped else []
        if new and self.adds:
            add(connection, self.before, self.batch, late)
        else:
            run(connection, self.before, self.batch, self.after, late)


def encode(dialect: str, columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
    """Make rows ready for ``run``: ``values`` has a sequence for each column, all of one length from 1."""
    return _unnested(columns, values) if dialect == "postgresql" else _in_temporary(columns, values)


def run(
    connection: Connection,
    before: str,
    batch: Batch | Encoded,
    after: str,
    late: Sequence[tuple[str, Any]] = (),
) -> Sequence[Any]:
    """``before SELECT … FROM <batch> AS batch after``; returns what the statement returns.

    ``late`` are types and values of further columns that are the same for each row.
    """
    dialect = connection.dialect.name
    encoded = batch.encoded(dialect) if isinstance(batch, Batch) else batch
    if encoded.temporary:
        _fill_temporary(connection, encoded)
    columns = ", ".join([encoded.columns, *(_scalar(dialect, type_) for type_, _ in late)])
    values = (_as_text(type_, value) for type_, value in late)
    parameters = (*encoded.scalars, *values, *encoded.arrays)
    result = connection.exec_driver_sql(f"{before} SELECT {columns} {encoded.source} {after}", parameters)
    return result.fetchall() if result.returns_rows else ()


def add(connection: Connection, before: str, encoded: Encoded, late: Sequence[tuple[str, Any]] = ()) -> None:
    """``before`` with rows that cannot be in conflict with any; SQLite needs no temporary table for that."""
    if connection.dialect.name == "postgresql":
        run(connection, before, encoded, "", late)
        return
    values = tuple(_as_text(type_, value) for type_, value in late)
    marks = ", ".join("?" * (encoded.width + len(values)))
    rows = [(*row, *values) for row in encoded.temporary] if values else encoded.temporary
    connection.exec_driver_sql(f"{before} VALUES ({marks})", rows)


def _scalar(dialect: str, type_: str) -> str:
    return f"%s::{CASTS[type_]}" if dialect == "postgresql" else "?"


def _as_text(type_: str, value: Any) -> str | None:
    if value is None:
        return None
    return events.iso(value) if type_ == "timestamp" else str(value)


# An interval is multiplied as a binary float, which holds whole numbers up to here: to the year 2255.
EXACT_FLOAT = 2**53


def _instant(name: str, values: Sequence[int | None]) -> str:
    """Microseconds since the epoch as an instant; in two parts where one number would be too great."""
    given = [value for value in values if value is not None] or [0]
    if max(given) < EXACT_FLOAT and min(given) > -EXACT_FLOAT:
        return f"'epoch'::timestamptz + {name} * interval '1 microsecond'"
    seconds, rest = f"{name} / 1000000 * interval '1 second'", f"{name} %% 1000000 * interval '1 microsecond'"
    return f"'epoch'::timestamptz + {seconds} + {rest}"


def _unnested(columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
    """Rows as one array per column.

    A column that is the same throughout is given as one value, and one that equals a column before
    it, such as the versions of values that always come together, is not given again.
    """
    listed, scalars, given, arrays = [], [], [], []
    held: dict[str, list[tuple[str, Sequence[Any]]]] = {"bigint": [], "text": []}
    for index, ((_, type_), column) in enumerate(zip(columns, values, strict=True)):
        # The first column gives the number of rows.
        if index and len(column) >= SAME_FROM and _is_constant(column):
            listed.append(_scalar("postgresql", type_))
            scalars.append(_as_text(type_, column[0]))
            continue
        if type_ == "boolean":
            column = [_as_text(type_, value) for value in column]  # noqa: PLW2901 - an array of text from here
        travels_as = "bigint" if type_ in ("integer", "timestamp") else "text"
        name = next((name for name, other in held[travels_as] if other == column), None)
        if name is None:
            name = f"c{index}"
            held[travels_as].append((name, column))
            given.append((name, travels_as))
            arrays.append(_array(column, quoted=travels_as == "text"))
        listed.append(_instant(name, column) if type_ == "timestamp" else f"{name}::{CASTS[type_]}")
    # Beside each other in a SELECT the arrays are read as they are; in FROM they are first made a table.
    unnest = ", ".join(f"unnest(%s::{type_}[]) AS {name}" for name, type_ in given)
    return Encoded(", ".join(listed), f"FROM (SELECT {unnest}) AS batch", tuple(scalars), tuple(arrays))


def _is_constant(values: Sequence[Any]) -> bool:
    """Whether a column is the same throughout; the ends tell of most that they are not."""
    return bool(values[0] == values[-1]) and values.count(values[0]) == len(values)


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


def _in_temporary(columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
    """Rows as rows of a temporary table of as many columns, which keeps every value as it is given."""
    converters = [_SQLITE_VALUES.get(type_) for _, type_ in columns]
    by_column = [
        column if convert is None else [None if value is None else convert(value) for value in column]
        for convert, column in zip(converters, values, strict=True)
    ]
    width = len(columns)
    # "WHERE true" keeps SQLite from reading ON CONFLICT as a join condition.
    return Encoded(
        _numbered(width),
        f"FROM temp.{_temporary(width)} WHERE true",
        width=width,
        temporary=list(zip(*by_column, strict=True)),
    )


def _temporary(width: int) -> str:
    """A name that no table of ``tables.yaml`` can have, of which a temporary one would stand before it."""
    return f"__batch_{width}"


def _fill_temporary(connection: Connection, encoded: Encoded) -> None:
    table = _temporary(encoded.width)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {table} ({_numbered(encoded.width)})")
    connection.exec_driver_sql(f"DELETE FROM temp.{table}")
    connection.exec_driver_sql(
        f"INSERT INTO temp.{table} VALUES ({', '.join('?' * encoded.width)})", encoded.temporary
    )


def _numbered(width: int) -> str:
    return ", ".join(f"c{index}" for index in range(width))


def _sqlite_number(value: str) -> int | str:
    """A whole number as INTEGER where it fits, else exact text."""
    return int(value) if "." not in value and -INT64 <= int(value) < INT64 else value


_SQLITE_VALUES: dict[str, Callable[[Any], Any]] = {"timestamp": events.iso, "numeric": _sqlite_number}
