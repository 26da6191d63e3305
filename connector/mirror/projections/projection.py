"""A table as it is stored: what each kind of table defines so that its rows can be merged, read and filled.

Schema, sink, filling, verify and dry run are loops over projections. The SQL of ``merge`` does what
``fold_in`` does in Python. So to fold a batch and merge it into the table gives the same rows as to fold
everything at once.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

import msgspec
from sqlalchemy import Index
from typing_extensions import override

from connector.mirror.batches import Statement
from connector.mirror.dialects import Dialect
from connector.mirror.mapped import Columns, MappedColumn, MappedTable, Rows, RowSpec, ShopColumn
from connector.mirror.statements import quoted


class _Text(NamedTuple):
    """The text of a merge: the SQL before its rows, their columns, and the SQL after them."""

    before: str
    kept: Columns
    after: str


@dataclass(frozen=True, eq=False)
class Projection(MappedTable):
    """A table of some kind; its rows go in through ``fold_in`` and come out of ``by_column``."""

    # Of ``merge``, by what its text depends on.
    _texts: dict[Any, _Text] = field(default_factory=dict, init=False, repr=False)

    # Whether the rows of new events are always new rows.
    adds: ClassVar[bool]
    # What ``Rows`` of the table are; None where each row is of one event alone (``archived_rows.py``).
    folded: ClassVar[Any] = None
    # SQL that is true for a row of events that no archive has; empty where a row may be of both.
    live: ClassVar[str] = ""
    # SQL that is true for a row which no event gives any longer; empty where ``clear`` leaves no such row.
    abandoned: ClassVar[str] = ""

    @override
    def apart(self, shop: ShopColumn) -> Self:
        """The shop stands first in the key that ``tables.yaml`` names."""
        shifted = self.entities and frozenset(tuple([at + 1 for at in places]) for places in self.entities)
        return replace(
            self,
            key=(shop.column, *self.key),
            row_specs={sort: RowSpec((shop, *one.key), one.cells) for sort, one in self.row_specs.items()},
            entities=shifted,
            group=self.group and self.group + 1,
            written=f"{self.written} {shop.column.written}",
            by_shop=True,
        )

    @abstractmethod
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        """Rows as a sequence for each column that ``kept`` names."""

    def dumped(self, row: Any) -> Any:
        """A row of ``Rows`` as JSON has it."""
        return row

    def loaded(self, row: Any) -> Any:
        """A row of ``Rows`` out of what ``dumped`` gave."""
        return msgspec.convert(row, self.folded)

    @abstractmethod
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        """Assignments that merge a column of the row ``excluded`` into that of ``stored``."""

    def fact_sets(self) -> list[str]:
        """Assignments that merge the facts of the row ``excluded`` into those of ``stored``."""
        return []

    @abstractmethod
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        """A statement that resets these columns, or all, to their values without any event.

        A condition may follow. Then all events are folded again, and ``abandoned`` rows are deleted.
        """

    def own_indexes(self) -> list[Index]:
        """Indexes beside those of ``tables.yaml``, over some rows only."""
        return []

    @abstractmethod
    def trace(self, row: str) -> str:
        """SQL for a value that changes with each event that touches a row; null where there is no row.

        ``row`` is an alias under which the key of the row stands.
        """

    def merge(
        self,
        dialect: Dialect,
        rows: Rows,
        columns: Sequence[MappedColumn] | None = None,
        *,
        stamps: bool = True,
    ) -> list[Statement]:
        """Statements that merge folded rows into the table, which may have these rows from other events.

        Only ``columns`` are merged where given: a column that is filled later must not count its events
        twice. ``stamps``: set ``mirrored_at`` of existing rows too; new rows always get it.
        """
        key = (dialect.name, columns and tuple(columns), stamps)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._text(dialect, columns, stamps=stamps)
        encoded = dialect.encode(text.kept, self.by_column(rows, columns))
        return [Statement(text.before, encoded, text.after, adds=self.adds, stamped=self.stamped)]

    def _text(self, dialect: Dialect, columns: Sequence[MappedColumn] | None, *, stamps: bool) -> _Text:
        kept = self.kept(columns)
        named = [quoted(name) for name, _ in kept]
        chosen = self.columns if columns is None else columns
        sets = [one for column in chosen for one in self.column_sets(column, dialect)]
        sets += self.fact_sets() if columns is None else []
        if self.stamped:
            named.append("mirrored_at")
            sets += ["mirrored_at = excluded.mirrored_at"] if stamps else []
        key = ", ".join(quoted(column.name) for column in self.key)
        act = f"DO UPDATE SET {', '.join(sets)}" if sets else "DO NOTHING"
        before, after = self._insert(named)
        return _Text(before, kept, f"{after}ON CONFLICT ({key}) {act}")

    def _insert(self, names: Sequence[str]) -> tuple[str, str]:
        """What stands around the rows of a merge: the columns ``names``; ON CONFLICT follows."""
        # With a name of its own, because a table may be called excluded.
        return f"INSERT INTO {quoted(self.store)} AS stored ({', '.join(names)})", ""
