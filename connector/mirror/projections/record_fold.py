"""Tables about records that are folded from events by greatest and least values, whatever the order.

What events say of a record stands under its shop (empty without shops), family and entity key; each column
keeps the greatest or the least value that came (``max``, ``min``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from connector.config import SHOP_COLUMN, Config
from connector.events import Event
from connector.mirror.dialects import Dialect
from connector.mirror.entities import entity_key
from connector.mirror.mapped import SHOP_DESCRIPTION, Cells, Key, MappedColumn, Row, Rows, ShopColumn
from connector.mirror.projections.projection import Projection
from connector.mirror.statements import quoted

KEY = (
    MappedColumn(SHOP_COLUMN, "text", "plain", f"{SHOP_DESCRIPTION[:-1]}; empty without shops."),
    MappedColumn("family", "text", "plain", "Family of topics.yaml."),
    MappedColumn("entity_key", "text", "plain", "Which record of it, as in notifications."),
)


@dataclass(frozen=True, eq=False)
class RecordFold(Projection):
    """A table whose key starts with that of a record; empty while no source is configured."""

    # Gives the shop of a hook's event, and the shop whose records the source has.
    shop_of: Callable[[Event], str] = field(default=lambda _: "")
    shop: str = ""

    stamped = True
    adds = False
    folded = Cells

    @override
    def entity_keys(self, keys: Iterable[Key]) -> set[str]:
        return {key[2] for key in keys}

    @override
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        former = rows.get(key)
        rows[key] = cells if former is None else tuple(map(_merged, self.columns, former, cells))

    @override
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        # Sorted, so that two workers that touch the same rows lock them in the same order.
        keys = sorted(rows)
        cells = list(zip(*[rows[key] for key in keys], strict=True))
        chosen = self.columns if columns is None else columns
        return [*zip(*keys, strict=True), *[cells[self.columns.index(column)] for column in chosen]]

    @override
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        name, beats = quoted(column.name), ">" if column.merge == "max" else "<"
        one = f"CASE WHEN excluded.{name} {beats} stored.{name} THEN excluded.{name} ELSE stored.{name} END"
        return [f"{name} = COALESCE({one}, excluded.{name})"]

    @override
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        if columns is None:
            return f"DELETE FROM {quoted(self.store)}"
        sets = ", ".join(f"{quoted(column.name)} = NULL" for column in columns)
        return f"UPDATE {quoted(self.store)} SET {sets}"

    @override
    def trace(self, row: str) -> str:
        same = " AND ".join(f"stored.{quoted(one.name)} = {row}.{quoted(one.name)}" for one in self.key)
        names = ("mirrored_at", *[column.name for column in self.columns])
        instants = " || ' ' || ".join(f"COALESCE(CAST(stored.{name} AS TEXT), '')" for name in names)
        return f"(SELECT {instants} FROM {quoted(self.store)} AS stored WHERE {same})"


def shops(config: Config) -> tuple[ShopColumn | None, str]:
    """The shops of hooks, None where tables do not tell them apart, and that of the source's records."""
    of_hooks = None if config.shops is None else ShopColumn(tuple(sorted(config.shops.items())))
    of_source = config.sources.shop if of_hooks and config.sources else None
    return of_hooks, of_source or ""


def keys_of(event: Event, rows: Sequence[Row], key_paths: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """The entities that a hook's event speaks of: its entity key is that of the first row object."""
    if event.entity_key is None:
        return {key for row in rows if (key := entity_key(row, key_paths))}
    if len(rows) <= 1:
        return (event.entity_key,)
    return {event.entity_key, *(key for row in rows[1:] if (key := entity_key(row, key_paths)))}


def _merged(column: MappedColumn, one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other) if column.merge == "max" else min(one, other)
