"""``tables.yaml`` → a compiled mapping that reads an event into contributions.

Nothing here knows a table, a column or an action by name. ``Mapping.contributions`` is pure: one
event in, what it says for each row that it touches out, or ``Poison`` when a value cannot be kept.
The fold then joins contributions (``fold.py``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from connector import events
from connector.config import Column, Config, Source, Table
from connector.errors import Poison
from connector.events import Event
from connector.mirror import storable, values

# How two values of one column become one. ``newest`` and ``oldest`` compare the versions beside
# the values, ``max`` and ``min`` the values themselves, ``count`` adds.
Merge = Literal["newest", "oldest", "max", "min", "count", "plain"]
ColumnType = Literal["text", "numeric", "timestamp", "integer"]
Row = dict[str, Any]
Getter = Callable[[Event, Row], Any]


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column with how it is stored and joined; ``version`` names the column beside it, if any."""

    name: str
    type: ColumnType
    merge: Merge
    description: str = ""
    indexed: bool = False
    # Compared by value instead of by the event's place in time: min and max of numbers.
    ranked: bool = False
    # The rule as written, so that a change of it can be seen (schema.py).
    written: str = ""

    @property
    def version(self) -> str | None:
        return f"{self.name}__version" if self.merge in ("newest", "oldest") else None


class Contribution(NamedTuple):
    """What one event says for one row of a state table, or one row of a history table.

    ``key`` is the row's primary key; ``cells`` stand in the order of the table's columns, None
    where the event carries nothing, and a count's cell is 1 or None.
    """

    table: "MappedTable"
    key: tuple[Any, ...]
    cells: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _ActionPlan:
    """How one action's row objects are read for one table.

    ``blank`` are the cells of a row object that carries nothing, ``cells`` what fills which of them.
    """

    key: tuple[Getter, ...]
    blank: list[Any]
    cells: tuple[tuple[int, Getter], ...]


@dataclass(frozen=True, slots=True)
class MappedTable:
    """One table, compiled."""

    name: str
    kind: Literal["state", "history"]
    description: str
    key: tuple[MappedColumn, ...]
    columns: tuple[MappedColumn, ...]
    actions: frozenset[str]
    indexes: tuple[tuple[str, ...], ...]
    each: tuple[str, ...] | None
    requires: tuple[int, ...]
    plans: dict[str, _ActionPlan]
    # What the columns of a row hold before any event has said anything, and which keep a version.
    blank: tuple[Any, ...]
    versioned: tuple[bool, ...]
    # Which parts of a row's key spell the entity key of its events, in each way that an action has;
    # None where some action's entity key cannot be told from the row.
    entities: frozenset[tuple[int, ...]] | None = None
    # What decides which rows exist, as written.
    written: str = ""

    def entity_keys(self, key: tuple[Any, ...]) -> set[str]:
        """Entity keys of the events that touch the row with this key, arrays of Details aside."""
        return {"|".join(key[place] for place in places) for places in self.entities or ()}

    def contributions(self, event: Event, rows: Sequence[Row]) -> list[Contribution]:
        """What ``event`` says for this table; ``rows`` are its Details as row objects."""
        plan = self.plans[event.action]
        spread = rows if self.each is None else list(_spread(rows, self.each))
        found = []
        for index, row in enumerate(spread):
            cells = plan.blank.copy()
            for place, get in plan.cells:
                cells[place] = get(event, row)
            if self.requires and any(cells[required] is None for required in self.requires):
                continue
            if self.kind == "history":
                key: tuple[Any, ...] = (event.event_id, index)
            else:
                key = tuple([get(event, row) for get in plan.key])
            found.append(Contribution(self, key, tuple(cells)))
        return found


class Mapping:
    """Every table, compiled; the same for the worker, the schema and the verifier."""

    def __init__(self, config: Config) -> None:
        routes = {action: route.paths for _, action, route in config.actions()}
        self.tables = tuple(_table(name, table, routes) for name, table in config.tables.items())
        self._by_name = {table.name: table for table in self.tables}
        self._by_action: dict[str, tuple[MappedTable, ...]] = {}
        for table in self.tables:
            for action in table.actions:
                self._by_action[action] = (*self._by_action.get(action, ()), table)

    def table(self, name: str) -> MappedTable:
        """The table of that name; ``KeyError`` when there is none."""
        return self._by_name[name]

    def contributions(self, event: Event) -> list[Contribution]:
        """What ``event`` says for each row that it touches.

        Raises ``Poison`` when the event can never be mirrored: then no table takes any of it.
        """
        details = storable.details(event)
        feeding = self._by_action.get(event.action, ())
        if not feeding:
            return []
        rows = _rows(details)
        return [found for table in feeding for found in table.contributions(event, rows)]

    @staticmethod
    def read(table: MappedTable, event: Event) -> list[Contribution]:
        """What ``event`` says for one table; raises ``Poison`` as ``contributions`` does."""
        if event.action not in table.actions:
            return []
        return table.contributions(event, _rows(storable.read_json("Details", event.details)))


def _rows(details: Any) -> list[Row]:
    rows = events.row_objects(details)
    if not rows:
        raise Poison("details-kind", "Details must be an object or an array of objects.")
    return rows


def _spread(rows: Sequence[Row], path: tuple[str, ...]) -> Iterator[Row]:
    """One row object per object at ``path``, each a copy of the whole with that object alone in place."""
    for row in rows:
        found = events.value_at(row, path)
        items = found if isinstance(found, list) else [found]
        for item in items:
            if item is None:
                continue
            if not isinstance(item, dict):
                raise Poison(
                    "details-kind", f"Details.{'.'.join(path)} must be an object or an array of objects."
                )
            yield _replaced(row, path, item)


def _replaced(row: Row, path: tuple[str, ...], item: Row) -> Row:
    first, *rest = path
    return {**row, first: _replaced(row[first], tuple(rest), item) if rest else item}


# --- Compilation ---------------------------------------------------------------------------------


def _table(name: str, table: Table, routes: dict[str, tuple[str, ...]]) -> MappedTable:
    indexed = {column for index in table.indexes for column in index}
    columns = tuple(
        _column(column, settings, column in indexed) for column, settings in table.columns.items()
    )
    key: tuple[MappedColumn, ...]
    if table.kind == "history":
        key = (MappedColumn("event_id", "text", "plain"), MappedColumn("row_index", "integer", "plain"))
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
        actions=frozenset(table.actions),
        indexes=table.indexes,
        each=tuple(table.each.split(".")) if table.each else None,
        requires=tuple(list(table.columns).index(column) for column in table.requires),
        plans={action: _plan(table, columns, action) for action in table.actions},
        blank=tuple(0 if column.merge == "count" else None for column in columns),
        versioned=tuple(column.version is not None for column in columns),
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


def _plan(table: Table, columns: Sequence[MappedColumn], action: str) -> _ActionPlan:
    key = tuple(_key_getter(name, source, action) for name, source in table.key.items())
    blank: list[Any] = [None] * len(columns)
    cells: list[tuple[int, Getter]] = []
    for place, (mapped, column) in enumerate(zip(columns, table.columns.values(), strict=True)):
        if column.on is not None and action not in column.on:
            continue
        if column.rule == "count":
            blank[place] = 1
            continue
        narrow = mapped.indexed and mapped.type == "text"
        reader = values.indexed_text if narrow else values.READERS[mapped.type]
        found = _source(column, action, reader, mapped.name)
        if callable(found):
            cells.append((place, found))
        else:
            blank[place] = found
    return _ActionPlan(key=key, blank=blank, cells=tuple(cells))


def _key_getter(name: str, source: Source, action: str) -> Getter:
    get = _source(source, action, values.indexed_text, name)
    if get is None:
        raise ValueError(f"the key {name} has no value for {action}")  # refused by config.checks

    def key(event: Event, row: Row) -> Any:
        value = get(event, row) if callable(get) else get
        if value is None:
            raise Poison("key-missing", f"The key {name!r} has no value in Details of {event.action}.")
        if not value.strip():
            raise Poison("key-empty", f"The key {name!r} is empty in Details of {event.action}.")
        return value

    return key


def _source(source: Source, action: str, reader: values.Reader, name: str) -> Getter | Any:
    """Where one action's value comes from: a getter, a fixed value, or None when it never carries one."""
    if source.event is not None:
        field = attrgetter(source.event)
        return lambda event, _row: field(event)
    if source.path is not None:
        return _path_getter(source.path, action, reader, name)
    constant = source.constant if source.by_action is None else source.by_action.get(action)
    return None if constant is None else reader(constant)


def _path_getter(choice: Any, action: str, reader: values.Reader, name: str) -> Getter | None:
    paths = choice.get(action) if isinstance(choice, dict) else choice
    if paths is None:
        return None
    one, *others = [_reading(path, reader, name) for path in ([paths] if isinstance(paths, str) else paths)]
    if not others:
        return one

    def first_found(event: Event, row: Row) -> Any:
        return next((value for get in (one, *others) if (value := get(event, row)) is not None), None)

    return first_found


def _reading(path: str, reader: values.Reader, name: str) -> Getter:
    """Reads one path; most are a single name in Details."""
    key, *deeper = path.split(".")

    def get(_event: Event, row: Row) -> Any:
        found = events.value_at(row.get(key), deeper) if deeper else row.get(key)
        if found is None:
            return None
        try:
            return reader(found)
        except Poison as poison:
            raise Poison(poison.reason, f"Details.{path} (column {name}): {poison.error}") from None

    return get
