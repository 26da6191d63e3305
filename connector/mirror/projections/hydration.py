"""Which records hooks ask for, and which are fetched: the table ``hydration`` (docs/contract.md, Tables).

It is folded from events as every table is, so that a rebuild makes it again. ``wanted_at`` is when the
newest hook occurred that asks for a record (``wanted_on`` of ``sources.yaml``), ``fetched_at`` is the time
of the newest snapshot, or of the newest answer that there is no such record. Where the first is later than
the second, the record is due.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Index
from typing_extensions import override

from connector.config import SHOP_COLUMN, Config, paths
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror.dialects import Dialect
from connector.mirror.entities import entity_key
from connector.mirror.mapped import (
    SHOP_DESCRIPTION,
    Cells,
    Contribution,
    Key,
    MappedColumn,
    MappedTable,
    Row,
    Rows,
    RowSpec,
    ShopColumn,
)
from connector.mirror.models import only
from connector.mirror.projections.projection import Projection
from connector.mirror.statements import quoted

NAME = "hydration"
# SQL for what hooks want and the mirror has not; an index holds just these rows.
DUE = "wanted_at IS NOT NULL AND (fetched_at IS NULL OR fetched_at < wanted_at)"


class Ask(NamedTuple):
    """What events of a sort say of records of a family.

    Hooks ask for them, and ``key_paths`` lead to the parts of the entity key in their row objects; else
    ``source`` is the source whose snapshots they are.
    """

    family: str
    source: str | None = None
    key_paths: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class HydrationTable(Projection):
    """One row per record that a hook asked for or that was fetched; empty while no source is configured."""

    asks: Mapping[Sort, Sequence[Ask]] = field(default_factory=dict)
    # Gives the shop of a hook's event, and the shop whose records the source has.
    shop_of: Callable[[Event], str] = field(default=lambda _: "")
    shop: str = ""

    stamped = True
    adds = False
    folded = Cells

    @classmethod
    def of(cls, config: Config) -> "HydrationTable":
        """The table as ``sources.yaml`` has it."""
        asks = _asks(config)
        shops = None if config.shops is None else ShopColumn(tuple(sorted(config.shops.items())))
        shop = config.sources.shop if shops and config.sources else None
        key = (
            MappedColumn(SHOP_COLUMN, "text", "plain", f"{SHOP_DESCRIPTION[:-1]}; empty without shops."),
            MappedColumn("family", "text", "plain", "Family of topics.yaml."),
            MappedColumn("entity_key", "text", "plain", "Which record of it, as in notifications."),
        )
        columns = (
            MappedColumn("wanted_at", "timestamp", "max", "When a hook last asked for the record (UTC)."),
            MappedColumn("fetched_at", "timestamp", "max", "When the newest snapshot was asked for (UTC)."),
        )
        rule = [(str(sort), [*map(tuple, asks[sort])]) for sort in sorted(asks)]
        written = f"hydration {rule}" + (f" {shop} {shops.of_hook}" if shops else "")
        return cls(
            name=NAME,
            description="Records that hooks ask for: due where wanted_at is later than fetched_at.",
            key=key,
            columns=columns,
            indexes=(),
            each=None,
            requires=(),
            row_specs=dict.fromkeys(asks, RowSpec((), ())),
            written=written,
            asks=asks,
            shop_of=shops.reader() if shops else lambda _: "",
            shop=shop or "",
        )

    @override
    def own_reading(self, sort: Sort) -> "_Reading":
        return _Reading(self, self.asks[sort])

    @override
    def entity_keys(self, keys: Iterable[Key]) -> set[str]:
        return {entity_key for _, _, entity_key in keys}

    @override
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        former = rows.get(key)
        rows[key] = cells if former is None else tuple(map(_later, former, cells))

    @override
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        # Sorted, so that two workers that touch the same rows lock them in the same order.
        keys = sorted(rows)
        cells = list(zip(*[rows[key] for key in keys], strict=True))
        chosen = self.columns if columns is None else columns
        return [*zip(*keys, strict=True), *[cells[self.columns.index(column)] for column in chosen]]

    @override
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        name = quoted(column.name)
        later = f"CASE WHEN excluded.{name} > stored.{name} THEN excluded.{name} ELSE stored.{name} END"
        return [f"{name} = COALESCE({later}, excluded.{name})"]

    @override
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        if columns is None:
            return f"DELETE FROM {quoted(self.store)}"
        sets = ", ".join(f"{quoted(column.name)} = NULL" for column in columns)
        return f"UPDATE {quoted(self.store)} SET {sets}"

    @override
    def trace(self, row: str) -> str:
        same = " AND ".join(f"stored.{quoted(one.name)} = {row}.{quoted(one.name)}" for one in self.key)
        names = ("mirrored_at", "wanted_at", "fetched_at")
        instants = " || ' ' || ".join(f"COALESCE(CAST(stored.{name} AS TEXT), '')" for name in names)
        return f"(SELECT {instants} FROM {quoted(self.store)} AS stored WHERE {same})"

    @override
    def own_indexes(self) -> list[Index]:
        return [Index("ix_hydration_due", "family", "wanted_at", **only(DUE))]


class _Reading:
    """Reads the events of one sort for the table; what has no key of a record is left out."""

    def __init__(self, table: HydrationTable, asks: Sequence[Ask]) -> None:
        self._table = table
        self._wants = [ask for ask in asks if ask.source is None]
        self._fetched = [ask for ask in asks if ask.source is not None]

    def contributions(
        self, event: Event, rows: Sequence[Row], _left_out: list[Poison] | None = None
    ) -> list[Contribution]:
        """See ``Reading.contributions``; never raises."""
        table: MappedTable = self._table
        shop = self._table.shop
        if event.source_name is not None:
            cells: Cells = (None, event.occurred_at)
            return [
                Contribution(table, (shop, ask.family, event.entity_key), cells)
                for ask in self._fetched
                if ask.source == event.source_name and event.entity_key
            ]
        if not self._wants or self._table.shop_of(event) != shop:
            return []
        cells = (event.occurred_at, None)
        return [
            Contribution(table, (shop, ask.family, key), cells)
            for ask in self._wants
            for key in _entity_keys(event, rows, ask.key_paths)
        ]


def _entity_keys(event: Event, rows: Sequence[Row], key_paths: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """The entities that an event speaks of: its entity key is that of the first row object."""
    if event.entity_key is None:
        return {key for row in rows if (key := entity_key(row, key_paths))}
    if len(rows) <= 1:
        return (event.entity_key,)
    return {event.entity_key, *(key for row in rows[1:] if (key := entity_key(row, key_paths)))}


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other)


def _asks(config: Config) -> dict[Sort, list[Ask]]:
    """By sort of events what they say of records; nothing while no source is configured."""
    asks: dict[Sort, list[Ask]] = {}
    if (sources := config.sources) is None:
        return asks
    routes = {action: route.paths for _, action, route in config.actions()}
    for family, entity in sources.entities.items():
        for action in entity.wanted_on:
            key_paths = tuple([paths.keys(path) for path in routes.get(action, ())])
            asks.setdefault(Sort(action), []).append(Ask(family, None, key_paths))
        asks[Sort(family, of_source=True)] = [Ask(family, sources.name)]
    return asks
