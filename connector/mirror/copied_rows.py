"""Rows that are copied from one database into another, in one form for both (``Dialect.portable``).

Rows are written as they are read, one by one, so that memory does not grow with the table.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Table

from connector import events
from connector.errors import Poison, StartupError
from connector.mirror import dialects
from connector.mirror.database import translate
from connector.mirror.mapped import logical
from connector.mirror.statements import quoted

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table of the store as it is copied: its columns with their types, and its primary key."""

    table: Table
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]

    @classmethod
    def of(cls, table: Table) -> "CopiedTable":
        """The table as the schema has it."""
        columns = tuple((column.name, column.info["type"]) for column in table.columns)
        return cls(table, columns, tuple(column.name for column in table.primary_key))

    @property
    def name(self) -> str:
        """Its name in the store."""
        return self.table.name

    def rows(self, connection: Connection, *, best_for: Connection | None = None) -> Iterator[Row]:
        """Every row in the order of the key, or as another database is best given them."""
        dialect = dialects.of(connection)
        listed = ", ".join(dialect.portable(quoted(name), type_) for name, type_ in self.columns)
        order = self.key if best_for is None else dialects.of(best_for).load_order(self.table)
        query = f"SELECT {listed} FROM {quoted(self.name)} ORDER BY {', '.join(map(quoted, order))}"
        try:
            yield from dialect.stream(connection, query)
        except dialects.ERRORS as error:
            raise translate(error, connection.engine.url.database or "") from error

    def key_of(self, row: Row) -> Row:
        """The primary key of a row."""
        places = {name: place for place, (name, _) in enumerate(self.columns)}
        return tuple(row[places[name]] for name in self.key)

    def refused(
        self, error: Exception, file: str, last: Row | None, again: Callable[[], Iterator[Row]]
    ) -> Exception:
        """What an error of writing into a file or database means.

        ``last`` is the row that was given last, ``again`` gives all.
        """
        meant, dialect = translate(error, file), dialects.of_error(error)
        if not isinstance(meant, Poison) or dialect is None:
            return meant
        if (number := dialect.refused_row(error)) is not None:
            last = next(islice(again(), number - 1, None), last)
        row = f" {self.key_of(last)}" if last else ""
        return StartupError(
            f"A row of {logical(self.name)} cannot be written into the target:{row}: {meant.error}",
            "change that value in the source, and run connector copy again",
        )


class Digest:
    """A number of all rows of a table, whatever their order, for comparing two tables.

    It is the sum of the rows' own digests, in which the primary key makes each row another one. Where the
    databases are not the same, JSON counts by what it says (``meaning``), because ``jsonb`` keeps no white
    space, no order of members, and of members with one name the last.
    """

    def __init__(self, table: CopiedTable, *, by_meaning: bool) -> None:
        self.count = 0
        self._sum = 0
        self._json = [
            place for place, (_, type_) in enumerate(table.columns) if type_ == "json" and by_meaning
        ]

    def comparable(self, row: Row) -> Row:
        """The row in the form in which it is compared."""
        if not self._json:
            return row
        values = list(row)
        for place in self._json:
            if values[place] is not None:
                values[place] = meaning(values[place])
        return tuple(values)

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Give the rows on, each counted and added."""
        encode, blake2b, from_bytes = msgspec.msgpack.Encoder().encode, hashlib.blake2b, int.from_bytes
        for row in rows:
            self.count += 1
            data = encode(self.comparable(row))
            self._sum += from_bytes(blake2b(data, digest_size=16).digest(), "little")
            yield row

    @property
    def value(self) -> tuple[int, int]:
        """The number of rows, and their sum."""
        return self.count, self._sum % 2**128


def differences(
    table: CopiedTable, source: Iterator[Row], target: Iterator[Row], *, by_meaning: bool
) -> Iterator[str]:
    """A sentence for each row that is not the same; both come in the order of the key."""
    comparable = Digest(table, by_meaning=by_meaning).comparable
    name = logical(table.name)
    one, other = next(source, None), next(target, None)
    while one is not None or other is not None:
        if other is None or (one is not None and table.key_of(one) < table.key_of(other)):
            yield f"{name} {table.key_of(one or ())}: the row is missing in the copy"
            one = next(source, None)
        elif one is None or table.key_of(other) < table.key_of(one):
            yield f"{name} {table.key_of(other)}: the source has no such row"
            other = next(target, None)
        else:
            pairs = zip(table.columns, comparable(one), comparable(other), strict=True)
            wrong = [
                f"{column} is {is_!r} and should be {should!r}"
                for (column, _), should, is_ in pairs
                if should != is_
            ]
            if wrong:
                yield f"{name} {table.key_of(one)}: {'; '.join(wrong)}"
            one, other = next(source, None), next(target, None)


def _number(text: str) -> int | str:
    """A number of JSON with a point or an exponent, by its value; a fraction as text that no JSON holds."""
    number = Decimal(text)
    if number.adjusted() <= 2 * events.MAX_EXPONENT and number == number.to_integral_value():
        return int(number)
    return f"\x00{number:f}".rstrip("0")


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(order="sorted")


def meaning(text: str) -> bytes:
    """JSON text by what it says: the same for two texts exactly where PostgreSQL's jsonb is."""
    try:
        return _encoder.encode(_decoder.decode(text))
    except ValueError:  # no JSON, which somebody wrote into SQLite
        return text.encode()
