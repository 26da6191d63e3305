"""``tables.yaml`` → a compiled mapping that reads an event into contributions.

Nothing here knows a table, a column or an action by name. ``Mapping.contributions`` is pure: one
event in, what it says for each row that it touches out, or ``Poison`` when a value cannot be kept.
The fold then joins contributions (``fold.py``).
"""

from collections.abc import Callable, Sequence
from typing import Any

from connector import events
from connector.config import Column, Config, Source, Table
from connector.errors import Poison
from connector.events import Event
from connector.mirror import mapped, storable, values
from connector.mirror.mapped import (
    ColumnType,
    Constant,
    Contribution,
    Field,
    MappedColumn,
    MappedTable,
    Merge,
    Path,
    Reading,
    Row,
    Wanted,
)

NOTHING = Constant(None)


class Mapping:
    """Every table, compiled; the same for the worker, the schema and the verifier."""

    def __init__(self, config: Config) -> None:
        routes = {action: route.paths for _, action, route in config.actions()}
        self.tables = tuple(_table(name, table, routes) for name, table in config.tables.items())
        self._by_name = {table.name: table for table in self.tables}
        self._readings = {
            action: _readings(action, [table for table in self.tables if action in table.wanted])
            for action in {action for table in self.tables for action in table.wanted}
        }

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
        rows = _rows(details)
        found: list[Contribution] = []
        for reading in readings:
            found += reading.contributions(event, rows)
        return found


def reader(table: MappedTable) -> Callable[[Event], list[Contribution]]:
    """What an event of the ledger says for one table; raises ``Poison`` as ``contributions`` does."""
    readings = {action: Reading(action, [table]) for action in table.wanted}

    def read(event: Event) -> list[Contribution]:
        if event.action not in readings:
            return []
        rows = _rows(events.read_json("Details", event.details))
        return readings[event.action].contributions(event, rows)

    return read


def _rows(details: Any) -> list[Row]:
    rows = events.row_objects(details)
    if not rows:
        raise Poison("details-kind", "Details must be an object or an array of objects.")
    return rows


def _readings(action: str, tables: Sequence[MappedTable]) -> list[Reading]:
    """One reading for all tables that split the row objects of an action alike."""
    ways = dict.fromkeys(table.each for table in tables)
    return [Reading(action, [table for table in tables if table.each == each]) for each in ways]


# --- Compilation ---------------------------------------------------------------------------------


def _table(name: str, table: Table, routes: dict[str, tuple[str, ...]]) -> MappedTable:
    indexed = {column for index in table.indexes for column in index}
    columns = tuple(
        _column(column, settings, column in indexed) for column, settings in table.columns.items()
    )
    key: tuple[MappedColumn, ...]
    if table.kind == "history":
        key = (
            MappedColumn("event_id", "text", "plain"),
            MappedColumn("row_index", "integer", "plain"),
            MappedColumn("source", "text", "plain"),
        )
    else:
        key = tuple(
            MappedColumn(column, "text", "plain", source.description, indexed=True)
            for column, source in table.key.items()
        )
    return MappedTable(
        name=name,
        kind=table.kind,
        description=table.description,
        key=key,
        columns=columns,
        indexes=table.indexes,
        each=tuple(table.each.split(".")) if table.each else None,
        requires=tuple(list(table.columns).index(column) for column in table.requires),
        wanted={action: _wanted(table, columns, action) for action in table.actions},
        versioned=tuple(column.version is not None for column in columns),
        counts=tuple(place for place, column in enumerate(columns) if column.merge == "count"),
        ranked=tuple(place for place, column in enumerate(columns) if column.ranked),
        entities=_entities(table, routes),
        written=f"{sorted(table.actions)} {table.each} {table.requires} "
        + " ".join(
            f"{column}={source.model_dump_json(exclude={'description'})}"
            for column, source in table.key.items()
        ),
    )


def _entities(table: Table, routes: dict[str, tuple[str, ...]]) -> frozenset[tuple[int, ...]] | None:
    """See ``MappedTable.entities``."""
    ways: set[tuple[int, ...]] = set()
    for action in table.actions:
        sources = [_paths(source, action) for source in table.key.values()]
        places = [
            next((place for place, paths in enumerate(sources) if path in paths), None)
            for path in routes[action]
        ]
        if None in places:
            return None
        ways.add(tuple(place for place in places if place is not None))
    return frozenset(ways)


def _paths(source: Source, action: str) -> tuple[str, ...]:
    """Paths that a key column is read from for an action."""
    choice = source.path.get(action) if isinstance(source.path, dict) else source.path
    return (choice,) if isinstance(choice, str) else choice or ()


def _column(name: str, column: Column, indexed: bool) -> MappedColumn:
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
        indexed=indexed,
        ranked=column_type == "numeric" and column.rule in ("min", "max"),
        written=column.model_dump_json(exclude={"description"}, exclude_none=True),
    )


def _type(column: Column) -> ColumnType:
    if column.rule == "count":
        return "integer"
    if column.type is not None:
        return column.type
    if column.event == "occurred_at":
        return "timestamp"
    constants = [*(column.by_action or {}).values(), column.constant]
    return "numeric" if any(isinstance(constant, int) for constant in constants) else "text"


def _wanted(table: Table, columns: Sequence[MappedColumn], action: str) -> Wanted:
    key = [_source(source, action, values.indexed_text) for source in table.key.values()]
    if NOTHING in key:
        raise ValueError(f"a key has no value for {action}")  # refused by config.checks
    cells = [_cell(to, column, action) for to, column in zip(columns, table.columns.values(), strict=True)]
    return Wanted(tuple(key), tuple(cells))


def _cell(to: MappedColumn, column: Column, action: str) -> mapped.Source:
    """Where one action's value of a column comes from."""
    if column.on is not None and action not in column.on:
        return NOTHING
    if column.rule == "count":
        return Constant(1)
    narrow = to.indexed and to.type == "text"
    return _source(column, action, values.indexed_text if narrow else values.READERS[to.type])


def _source(source: Source, action: str, reader: values.Reader) -> mapped.Source:
    if source.event is not None:
        return Field(source.event)
    if source.path is not None:
        paths = _paths(source, action)
        return Path(tuple(tuple(path.split(".")) for path in paths), reader) if paths else NOTHING
    constant = source.constant if source.by_action is None else source.by_action.get(action)
    return Constant(reader(constant))
