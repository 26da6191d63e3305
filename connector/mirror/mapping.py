"""``tables.yaml`` → a compiled mapping that reads an event into contributions.

Nothing here knows a table, a column or an action by name. ``Mapping.contributions`` is pure: one
event in, what it says for each row that it touches out, or ``Poison`` when a value cannot be kept.
The fold then joins contributions (``fold.py``).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from pydantic import BaseModel

from connector import events
from connector.config import (
    Column,
    Config,
    Family,
    Hook,
    Mirror,
    Source,
    Table,
    constant_type,
    paths,
)
from connector.errors import Poison
from connector.events import Event
from connector.mirror import mapped, shops, storable, values
from connector.mirror.mapped import (
    ColumnType,
    Constant,
    Contribution,
    Field,
    MappedColumn,
    MappedTable,
    Merge,
    Path,
    Shop,
    Wanted,
)
from connector.mirror.reading import Reading

NOTHING = Constant(None)
# What tables were called before changes nothing of what they are.
NO_FORMER_NAMES: Any = {
    "tables": {"__all__": {"was": True, "key": {"__all__": {"was"}}, "columns": {"__all__": {"was"}}}}
}


class Written(BaseModel):
    """What a mapping is compiled from, so that it can be compiled again when it is the former one."""

    families: dict[str, Family]
    tables: dict[str, Table]
    shops: dict[str, str] | None = None


class Mapping:
    """Every table, compiled; the same for the worker, the schema and the verifier.

    ``written`` is what it was compiled from, as JSON; ``by_shop`` says whether its tables tell shops apart;
    ``routed`` are the actions that a family claims, ``actions`` those that a table takes.
    """

    def __init__(self, config: Config) -> None:
        routes = {action: route.paths for _, action, route in config.actions()}
        shop = None if config.shops is None else Shop(tuple(sorted(config.shops.items())))
        narrow = values.limited_text(_most_bytes(config.tables.values(), by_shop=shop is not None))
        tables = [_table(name, table, routes, narrow) for name, table in config.tables.items()]
        self.tables = tuple(tables if shop is None else [shops.apart(table, shop) for table in tables])
        self.by_shop = shop is not None
        self.written = Written(
            families=config.topics.families, tables=config.tables, shops=config.shops
        ).model_dump_json(exclude_defaults=True, exclude=NO_FORMER_NAMES)
        self.routed = frozenset(routes)
        self._by_name = {table.name: table for table in self.tables}
        self._readings = {
            action: _readings(action, [table for table in self.tables if action in table.wanted])
            for action in {action for table in self.tables for action in table.wanted}
        }
        self._stored = [reader(table) for table in self.tables]

    @property
    def actions(self) -> frozenset[str]:
        return frozenset(self._readings)

    def table(self, name: str) -> MappedTable:
        """The table of that name; ``KeyError`` when there is none."""
        return self._by_name[name]

    def contributions(self, event: Event) -> list[Contribution]:
        """What ``event`` says for each row that it touches.

        Raises ``Poison`` when the event can never be mirrored: then no table takes any of it.
        """
        details = storable.details(event)
        readings = self._readings.get(event.action)
        if readings is None:
            return []
        rows = events.row_objects(details)
        if not rows:
            raise _no_rows()
        found: list[Contribution] = []
        for reading in readings:
            found += reading.contributions(event, rows)
        return found

    def stored_contributions(self, event: Event) -> list[Contribution]:
        """What an event of the ledger says for each row that it touches."""
        return [found for read in self._stored for found in read(event)]


def former_config(config: Config, written: str) -> Config | None:
    """A configuration with the tables of a mapping's ``written``; None where that cannot be read."""
    try:
        former = Written.model_validate_json(written, strict=True)
    except ValueError:  # of a connector before this one, or after it
        return None
    parts = {
        "topics": config.topics.model_copy(update={"families": former.families}),
        "tables": former.tables,
        "hooks": {hook: Hook(shop=shop) for hook, shop in (former.shops or {}).items()},
        "mirror": Mirror(key_by_shop=former.shops is not None),
    }
    return config.model_copy(update=parts)


def former_mapping(config: Config, written: str) -> Mapping | None:
    """The same, compiled; None where this connector cannot do that either."""
    try:
        former = former_config(config, written)
        return None if former is None else Mapping(former)
    except (ValueError, LookupError):
        return None


class Read(Protocol):
    """Reads an event of the ledger for one table; ``left_out`` takes what does not fit."""

    def __call__(self, event: Event, left_out: list[Poison] | None = None) -> list[Contribution]:
        """What the event says; never raises for what it holds."""


def reader(table: MappedTable) -> Read:
    """Reads events of the ledger for one table.

    The ledger holds what was accepted, so nothing in it is refused: no limit of intake applies, and what
    the table cannot hold, because the mapping or the connector was another one then, is left out.
    """
    readings = {action: Reading(action, [table], stored=True) for action in table.wanted}

    def read(event: Event, left_out: list[Poison] | None = None) -> list[Contribution]:
        if event.action not in readings:
            return []
        try:
            rows = events.row_objects(events.exact_json.decode(event.details))
        except events.JSON_ERRORS:
            rows = []
        if not rows and left_out is not None:
            left_out.append(_no_rows())
        return readings[event.action].contributions(event, rows, left_out)

    return read


def _no_rows() -> Poison:
    return Poison("details-kind", "Details must be an object or an array of objects.")


def _readings(action: str, tables: Sequence[MappedTable]) -> list[Reading]:
    """One reading for all tables that split the row objects of an action alike."""
    ways = dict.fromkeys(table.each for table in tables)
    return [Reading(action, [table for table in tables if table.each == each]) for each in ways]


# --- Compilation ---------------------------------------------------------------------------------


def _table(name: str, table: Table, routes: dict[str, tuple[str, ...]], narrow: values.Reader) -> MappedTable:
    """Compile a table; ``narrow`` reads text that an index holds."""
    columns = tuple(_column(column, settings) for column, settings in table.columns.items())
    key: tuple[MappedColumn, ...]
    if table.kind == "history":
        key = (
            MappedColumn("event_id", "text", "plain"),
            MappedColumn("row_index", "integer", "plain"),
            MappedColumn("source", "text", "plain"),
        )
    else:
        key = tuple(
            MappedColumn(column, "text", "plain", source.description) for column, source in table.key.items()
        )
    each = paths.keys(table.each) if table.each else None
    return MappedTable(
        name=name,
        kind=table.kind,
        description=table.description,
        key=key,
        columns=columns,
        indexes=table.indexes,
        each=each,
        requires=tuple(list(table.columns).index(column) for column in table.requires),
        wanted={action: _wanted(table, columns, narrow, action) for action in table.actions},
        versioned=tuple(column.version is not None for column in columns),
        counts=tuple(place for place, column in enumerate(columns) if column.merge == "count"),
        ranked=tuple(place for place, column in enumerate(columns) if column.ranked),
        entities=_entities(table, routes),
        written=f"{sorted(table.actions)} {table.each}{_through_arrays(table, each, routes)} "
        f"{table.requires} "
        + " ".join(
            f"{column}={source.model_dump_json(exclude={'description', 'was'})}"
            for column, source in table.key.items()
        ),
    )


def _through_arrays(table: Table, each: tuple[str, ...] | None, routes: dict[str, tuple[str, ...]]) -> str:
    """What has a table filled again that 0.1 read otherwise: an array on the way of ``each`` gave no rows.

    Where an entity key stands below the same objects, an event with an array there was never accepted.
    """
    way = each[:-1] if each else ()
    keyed = (any(paths.keys(path)[: len(way)] == way for path in routes[action]) for action in table.actions)
    return "" if all(keyed) else " through arrays"


def _entities(table: Table, routes: dict[str, tuple[str, ...]]) -> frozenset[tuple[int, ...]] | None:
    """See ``MappedTable.entities``."""
    ways: set[tuple[int, ...]] = set()
    for action in table.actions:
        sources = [_paths(source, action) for source in table.key.values()]
        places = [
            next((place for place, found in enumerate(sources) if paths.keys(path) in found), None)
            for path in routes[action]
        ]
        if None in places:
            return None
        ways.add(tuple(place for place in places if place is not None))
    return frozenset(ways)


def _paths(source: Source, action: str) -> tuple[tuple[str, ...], ...]:
    """Paths that a column is read from for an action."""
    choice = source.path.get(action) if isinstance(source.path, dict) else source.path
    return tuple([paths.keys(path) for path in ((choice,) if isinstance(choice, str) else choice or ())])


def _most_bytes(tables: Iterable[Table], *, by_shop: bool) -> int:
    """Bytes that text in a key or an index may have, so that the widest of these tables holds its texts.

    The same for all, so that a value which several columns hold is read once.
    """
    return values.most_bytes(
        by_shop
        + max(
            sum(1 for name in index if name not in table.columns or _type(table.columns[name]) == "text")
            for table in tables
            for index in (tuple(table.key), *table.indexes)
        )
    )


def _column(name: str, column: Column) -> MappedColumn:
    column_type = _type(column)
    merge: Merge = "plain"
    if column.rule == "count":
        merge = "count"
    elif column.rule in ("min", "max") and column_type != "numeric":
        merge = column.rule
    elif column.rule in ("latest", "max"):
        # The newest occurred_at is the greatest one, so it needs no version beside it.
        merge = "max" if column.event == "occurred_at" else "newest"
    elif column.rule in ("earliest", "min"):
        merge = "min" if column.event == "occurred_at" else "oldest"
    return MappedColumn(
        name=name,
        type=column_type,
        merge=merge,
        description=column.description,
        ranked=column_type == "numeric" and column.rule in ("min", "max"),
        written=column.model_dump_json(exclude={"description", "was"}, exclude_none=True),
    )


def _type(column: Column) -> ColumnType:
    if column.rule == "count":
        return "integer"
    if column.type is not None:
        return column.type
    if column.event == "occurred_at":
        return "timestamp"
    constants = [*(column.by_action or {}).values(), column.constant]
    types = {constant_type(constant) for constant in constants if constant is not None}
    return types.pop() if types else "text"


def _wanted(table: Table, columns: Sequence[MappedColumn], narrow: values.Reader, action: str) -> Wanted:
    key = [_source(source, action, narrow, values.text) for source in table.key.values()]
    if NOTHING in key:
        raise ValueError(f"a key has no value for {action}")  # refused by config.checks
    indexed = {column for index in table.indexes for column in index}
    cells = [
        _cell(to, column, narrow if to.type == "text" and to.name in indexed else None, action)
        for to, column in zip(columns, table.columns.values(), strict=True)
    ]
    return Wanted(tuple(key), tuple(cells))


def _cell(to: MappedColumn, column: Column, narrow: values.Reader | None, action: str) -> mapped.Source:
    """Where one action's value of a column comes from."""
    if column.on is not None and action not in column.on:
        return NOTHING
    if column.rule == "count":
        return Constant(1)
    reader = values.READERS[to.type]
    stored = values.former_timestamp if to.type == "timestamp" else reader
    return _source(column, action, narrow or reader, stored)


def _source(source: Source, action: str, reader: values.Reader, stored: values.Reader) -> mapped.Source:
    if source.event is not None:
        return Field(source.event)
    if source.path is not None:
        found = _paths(source, action)
        return Path(found, reader, stored) if found else NOTHING
    constant = source.constant if source.by_action is None else source.by_action.get(action)
    return Constant(reader(constant), isinstance(constant, bool))
