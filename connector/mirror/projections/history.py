"""History tables: each row object of an event is a row (docs/contract.md, Tables)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

from typing_extensions import override

from connector.events import Event, Identity
from connector.mirror.dialects import Dialect
from connector.mirror.mapped import Cells, Columns, Key, MappedColumn, Rows, RowSpec, ShopColumn
from connector.mirror.projections.projection import Projection
from connector.mirror.statements import quoted


class HistoryTable(Projection):
    """One row per row object of an event.

    The key starts with the instant of the event, though its id alone would do: ids are random, and in an
    index that they lead each row is on a page of its own. Readers do not see that column. A copy of an event
    that occurred at another instant has another key.
    """

    fixed_key = (
        MappedColumn(
            "event__version", "integer", "plain", "When the event occurred: microseconds since the epoch."
        ),
        MappedColumn("event_id", "text", "plain"),
        MappedColumn("row_index", "integer", "plain"),
        MappedColumn("source", "text", "plain"),
    )
    stamped = False
    adds = True
    live = (
        "NOT EXISTS (SELECT 1 FROM _notifications AS event WHERE event.event_id = stored.event_id "
        "AND event.source = stored.source AND event.archive IS NOT NULL)"
    )

    @property
    @override
    def layout(self) -> tuple[MappedColumn, ...]:
        # The last two stand where steps add them.
        instant, event_id, row_index, source = self.key
        return (event_id, row_index, *self.columns, source, instant)

    @property
    @override
    def shown_key(self) -> Columns:
        return super().shown_key[1:]

    @override
    def apart(self, shop: ShopColumn) -> Self:
        """The column stands last; indexes start with it, because views read a history shop by shop."""
        name = shop.column.name
        return replace(
            self,
            columns=(*self.columns, shop.column),
            indexes=tuple([index if name in index else (name, *index) for index in self.indexes]),
            row_specs={sort: RowSpec((), (*one.cells, shop)) for sort, one in self.row_specs.items()},
            by_shop=True,
        )

    @override
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        rows[key] = cells

    @override
    def identities(self, _keys: Iterable[Key]) -> set[Identity]:
        return {(event_id, source) for _, event_id, _, source in _keys}

    @override
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        cells = list(zip(*rows.values(), strict=True))
        chosen = cells if columns is None else [cells[self.columns.index(column)] for column in columns]
        return [*zip(*rows, strict=True), *chosen]

    @override
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        """An existing row is of the same event, which may be read differently now."""
        return [f"{quoted(column.name)} = excluded.{quoted(column.name)}"]

    @override
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        if columns is None:
            return f"DELETE FROM {quoted(self.store)}"
        return f"UPDATE {quoted(self.store)} SET " + ", ".join(
            f"{quoted(column.name)} = NULL" for column in columns
        )

    @override
    def trace(self, row: str) -> str:
        """When the ledger got the event as it has it."""
        return (
            "(SELECT CAST(stored.mirrored_at AS TEXT) FROM _notifications AS stored "
            f"WHERE stored.event_id = {row}.event_id AND stored.source = {row}.source)"
        )
