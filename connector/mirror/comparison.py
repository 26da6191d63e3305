"""Rows that events give, beside the rows of a table, part by part: memory does not grow with the events.

The rows of a table are shared out by what is folded together, some ten thousand to a part. A part is the
same where the sums of its rows' digests are; only where they are not is it looked at row by row. What events
say waits in a ``Spill`` until its part is folded; rows of one event each are summed up as they come.
"""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection

from connector import events
from connector.events import Event
from connector.mirror import dialects
from connector.mirror.archived_rows import ArchivedTable
from connector.mirror.database import translate
from connector.mirror.mapped import Contribution, Key, Rows
from connector.mirror.projections import Projection
from connector.mirror.spill import Spill
from connector.mirror.statements import quoted

ROWS = 10_000  # of a part
PAGE = 5000  # rows of one event each that are summed up at once
Values = dict[str, Any]
Cells = tuple[Any, ...]

SHOWN: dict[str, Callable[[Sequence[Any]], Sequence[Any]]] = {
    "timestamp": lambda values: [value if value is None else events.iso(value) for value in values],
    "boolean": lambda values: [value if value is None else int(value) for value in values],
}


class Addition(msgspec.Struct, array_like=True, gc=False):
    """A contribution, with what a fold needs of its event."""

    version: str
    event_id: str
    action: str
    occurred_at: int
    is_gone: bool
    key: Cells
    cells: Cells


class Comparison:
    """One table's rows, and what events say of them."""

    def __init__(
        self,
        connection: Connection,
        table: Projection,
        spill: Spill,
        where: str,
        only: Collection[int] | None = None,
    ) -> None:
        """``where`` is SQL that is true for the rows that are compared; empty for all.

        ``only`` are the parts that are compared row by row; where it is None, parts are looked for that
        differ.
        """
        self._connection, self._table, self._spill, self._where = connection, table, spill, where
        self._plain = PlainRows(table)
        count = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {quoted(table.store)}").scalar_one()
        self._parts = int(count) // ROWS + 1
        self._only = only
        self._due: dict[int, int] | None = defaultdict(int) if table.folded is None and only is None else None
        self._waiting: Rows = {}
        self._encode = msgspec.msgpack.Encoder().encode
        if table.folded:
            for key, row in ArchivedTable(connection, table).each():
                spill.add(self._place("kept", key), (key, row))

    def add(self, event: Event, version: str, one: Contribution, *, archived: bool) -> None:
        """Take what an event says of a row, one that an archive has where ``archived``."""
        if self._due is not None:
            self._waiting[one.key] = one.cells
            if len(self._waiting) >= PAGE:
                self._sum_up(self._due)
            return
        place = self._place("archived" if archived else "live", one.key)
        if self._only is None or place[2] in self._only:
            self._spill.add(
                place,
                Addition(
                    version,
                    event.event_id,
                    event.action,
                    event.occurred_at,
                    event.is_gone,
                    one.key,
                    one.cells,
                ),
            )

    def result(self, *, deep: bool) -> tuple[list[str], set[int]]:
        """A sentence for each row that differs, and parts that differ and have to be read again.

        ``deep``: archived events were given, and go before the others instead of what is kept of them.
        """
        sums: dict[int, int] = defaultdict(int)
        for row in self._stored():
            sums[self._part(row)] += self._digest(row)
        if self._due is not None:
            self._sum_up(self._due)
            return [], {part for part in range(self._parts) if self._due[part] != sums[part]}
        found: list[str] = []
        wrong = set()
        for part in range(self._parts) if self._only is None else sorted(self._only):
            rows, sentences = self._folded(part, deep=deep)
            found += sentences
            if sum(map(self._digest, self._plain.due(rows))) != sums[part]:
                wrong.add(part)
        for row in self._stored() if wrong else ():
            if (place := self._place("stored", row))[2] in wrong:
                self._spill.add(place, row)
        for part in sorted(wrong):
            rows, _ = self._folded(part, deep=deep)
            stored = list(self._spill.read((self._table.name, "stored", part), Cells))
            found += self._plain.differences(list(self._plain.due(rows)), stored)
        return sorted(found), set()

    def _folded(self, part: int, *, deep: bool) -> tuple[Rows, list[str]]:
        """The rows of a part, and a sentence for each where what is kept of archived events is not theirs."""
        table, found = self._table, []
        kept: Iterator[tuple[Cells, Any]] = self._spill.read((table.name, "kept", part), tuple[Cells, Any])
        rows: Rows = {key: table.loaded(row) for key, row in kept}
        if deep:
            given = self._fold({}, "archived", part)
            kept_rows = ArchivedTable(self._connection, table)
            found = kept_rows.differences(rows, given) if table.folded else []
            rows = given
        return self._fold(rows, "live", part), found

    def _fold(self, rows: Rows, kind: str, part: int) -> Rows:
        for one in self._spill.read((self._table.name, kind, part), Addition):
            self._table.fold_in(rows, cast("Event", one), one.version, one.key, one.cells)
        return rows

    def _sum_up(self, due: dict[int, int]) -> None:
        for row in self._plain.due(self._waiting):
            due[self._part(row)] += self._digest(row)
        self._waiting = {}

    def _stored(self) -> Iterator[Cells]:
        dialect = dialects.of(self._connection)
        query = self._plain.query(dialect)
        query += f" WHERE {self._where}" if self._where else ""
        try:
            yield from dialect.stream(self._connection, query)
        except dialects.ERRORS as error:
            raise translate(error, self._connection.engine.url.database or "") from error

    def _part(self, row: Sequence[Any]) -> int:
        """The part of a row, or of what it is folded with; keys are the same in a fold and in the store."""
        table = self._table
        return zlib.crc32(self._encode(row[: table.group or len(table.key)])) % self._parts

    def _place(self, kind: str, row: Sequence[Any]) -> tuple[str, str, int]:
        return self._table.name, kind, self._part(row)

    def _digest(self, row: Cells) -> int:
        return int.from_bytes(hashlib.blake2b(self._encode(row), digest_size=16).digest(), "little")


class PlainRows:
    """Rows of a table as they are compared: instants and numbers are text."""

    def __init__(self, table: Projection) -> None:
        self._table = table

    def due(self, rows: Rows) -> Iterable[Cells]:
        """Rows of a fold as ``query`` gives those of the table."""
        if not rows:
            return ()
        columns = [
            SHOWN[type_](values) if type_ in SHOWN else values
            for (_, type_), values in zip(self._table.kept(), self._table.by_column(rows), strict=True)
        ]
        return zip(*columns, strict=True)

    def query(self, dialect: dialects.Dialect) -> str:
        """A query for the rows of a table in that form."""
        shown = [
            dialect.numeric_text(quoted(name))
            if type_ == "numeric"
            else dialect.portable(quoted(name), type_)
            for name, type_ in self._table.kept()
        ]
        return f"SELECT {', '.join(shown)} FROM {quoted(self._table.store)} AS stored"

    def by_key(self, rows: Iterable[Sequence[Any]]) -> dict[Key, Values]:
        """Rows by their keys, the rest of each by the names of columns."""
        width, names = len(self._table.key), [name for name, _ in self._table.kept()]
        return {tuple(row[:width]): dict(zip(names[width:], row[width:], strict=True)) for row in rows}

    def differences(self, given: Sequence[Cells], found: Sequence[Cells]) -> Iterator[str]:
        """A sentence for each row that is not among those that are due, or is missing."""
        due, stored = self.by_key(given), self.by_key(found)
        if len(found) > len(stored):  # as somebody can have it who took the key away
            counts: dict[Key, int] = defaultdict(int)
            for row in found:
                counts[row[: len(self._table.key)]] += 1
            yield from (
                f"{self._table.name} {key}: the row is there {n} times" for key, n in counts.items() if n > 1
            )
        yield from (f"{self._table.name} {key}: the row is missing" for key in due.keys() - stored.keys())
        yield from (f"{self._table.name} {key}: no event says this row" for key in stored.keys() - due.keys())
        for key in due.keys() & stored.keys():
            if due[key] != stored[key]:
                parts = [
                    f"{name} is {stored[key][name]!r} and should be {value!r}"
                    for name, value in due[key].items()
                    if stored[key][name] != value
                ]
                yield f"{self._table.name} {key}: {'; '.join(parts)}"
