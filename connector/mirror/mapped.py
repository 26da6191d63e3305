"""Tables as they were compiled, and how the row objects of an action are read for them.

Pure: one event in, what it says for each row that it touches out (``mapping.py`` compiles, the fold
joins). What several columns hold is read once: a stock balance fills a state row and a row of history
with the same five values.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Literal, NamedTuple

import msgspec

from connector import events
from connector.errors import Poison
from connector.events import Event
from connector.mirror import values

# How two values of one column become one. ``newest`` and ``oldest`` compare the versions beside
# the values, ``max`` and ``min`` the values themselves, ``count`` adds.
Merge = Literal["newest", "oldest", "max", "min", "count", "plain"]
ColumnType = Literal["text", "numeric", "timestamp", "integer"]
Row = dict[str, Any]
Cells = tuple[Any, ...]
Taking = Callable[[Sequence[Any]], Cells]


@dataclass(frozen=True, slots=True)
class Path:
    """The first of these paths in Details that carries a value, as ``reader`` gives it."""

    paths: tuple[tuple[str, ...], ...]
    reader: values.Reader


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every event; None carries nothing."""

    value: Any


Source = Path | Field | Constant


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where one action's row of one table comes from; a history table has no key of its own."""

    key: tuple[Source, ...]
    cells: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column with how it is stored and joined; ``version`` names the column beside it, if any."""

    name: str
    type: ColumnType
    merge: Merge
    description: str = ""
    indexed: bool = False
    # Compared by value instead of by the event's version: min and max of numbers.
    ranked: bool = False
    # The rule as written, so that a change of it can be seen (schema.py).
    written: str = ""

    @property
    def version(self) -> str | None:
        return f"{self.name}__version" if self.merge in ("newest", "oldest") else None


@dataclass(frozen=True, slots=True, eq=False)
class MappedTable:
    """One table, compiled."""

    name: str
    kind: Literal["state", "history"]
    description: str
    key: tuple[MappedColumn, ...]
    columns: tuple[MappedColumn, ...]
    indexes: tuple[tuple[str, ...], ...]
    each: tuple[str, ...] | None
    requires: tuple[int, ...]
    # By action.
    wanted: dict[str, Wanted]
    # Which columns keep a version beside their value; places of those that count, and of those that
    # are compared by value (MappedColumn.ranked).
    versioned: tuple[bool, ...]
    counts: tuple[int, ...]
    ranked: tuple[int, ...]
    # Which parts of a row's key spell the entity key of its events, in each way that an action has;
    # None where some action's entity key cannot be told from the row.
    entities: frozenset[tuple[int, ...]] | None = None
    # What decides which rows exist, as written.
    written: str = ""

    @property
    def actions(self) -> frozenset[str]:
        """Actions whose events touch the table."""
        return frozenset(self.wanted)

    def sources(self, action: str) -> list[tuple[MappedColumn, Source]]:
        """Each column that an action may fill, with where its value comes from."""
        wanted = self.wanted[action]
        columns = (*self.key, *self.columns) if wanted.key else self.columns
        return list(zip(columns, (*wanted.key, *wanted.cells), strict=True))

    def entity_keys(self, key: Cells) -> set[str]:
        """Entity keys of the events that touch the row with this key, arrays of Details aside."""
        return {"|".join(key[place] for place in places) for places in self.entities or ()}


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one event says for one row of a state table, or one row of a history table.

    ``key`` is the row's primary key; ``cells`` stand in the order of the table's columns, None
    where the event carries nothing, and a count's cell is 1 or None.
    """

    table: MappedTable
    key: Cells
    cells: Cells


class _Pick(NamedTuple):
    """What a table takes out of a pool; no key for a history table, no ``required`` where any row will do."""

    table: MappedTable
    required: Taking | None
    key: Taking | None
    cells: Taking


class Reading:
    """Reads the row objects of one action for tables that split them alike (``MappedTable.each``)."""

    def __init__(self, action: str, tables: Sequence[MappedTable]) -> None:
        self._each = tables[0].each
        wanted = [pair for table in tables for pair in table.sources(action)]
        # Each source once, with the first column that wants it.
        columns: dict[Source, str] = {}
        for column, source in wanted:
            columns.setdefault(source, column.name)
        paths = sorted((source for source in columns if isinstance(source, Path)), key=_is_deep)
        fields = [source for source in columns if isinstance(source, Field)]
        constants = [source for source in columns if isinstance(source, Constant)]
        ordered: list[Source] = [*paths, *fields, *constants]
        self._columns = [(path, columns[path]) for path in paths]
        self._names = [(path.paths[0][0], path.reader) for path in paths if not _is_deep(path)]
        self._deep = [path for path in paths if _is_deep(path)]
        self._fields = [attrgetter(field.name) for field in fields]
        self._constants = [constant.value for constant in constants]
        places = {source: place for place, source in enumerate(ordered)}
        self._picks = [_pick(table, table.wanted[action], places) for table in tables]

    def contributions(self, event: Event, rows: Sequence[Row]) -> list[Contribution]:
        """What ``event`` says for these tables; ``rows`` are its Details as row objects.

        Raises ``Poison`` for a value that a column cannot hold and for a key that is not there.
        """
        found = []
        for index, row in enumerate(rows if self._each is None else list(_spread(rows, self._each))):
            pool, sound = self._pool(event, row)
            for table, required, key_of, cells_of in self._picks:
                cells = cells_of(pool)
                if not sound:
                    _refuse(cells)
                if required is not None and None in required(pool):
                    continue
                if key_of is None:
                    key: Cells = (event.event_id, index, event.source)
                else:
                    key = key_of(pool)
                    if not sound:
                        _refuse(key)
                    for part in key:
                        if not part or part.isspace():
                            raise _unusable(table, key, event)
                found.append(Contribution(table, key, cells))
        return found

    def _pool(self, event: Event, row: Row) -> tuple[Sequence[Any], bool]:
        """Every value that a table wants of a row object, each read once, and whether all could be.

        In the place of one that could not stands why: no table may have a use for it.
        """
        sound = True
        try:
            pool = [get(row.get(name)) for name, get in self._names]
            pool.extend([_first_found(path, row) for path in self._deep])
        except Poison:
            pool, sound = [_tried(path, column, row) for path, column in self._columns], False
        pool.extend([field(event) for field in self._fields])
        pool.extend(self._constants)
        return pool, sound


def _refuse(values_read: Cells) -> None:
    """Raise the first ``Poison`` among values."""
    for value in values_read:
        if isinstance(value, Poison):
            raise value


def _tried(path: Path, column: str, row: Row) -> Any:
    """The value at a path, or the ``Poison`` that names path and column."""
    for keys in path.paths:
        value = events.value_at(row, keys)
        if value is None:
            continue
        try:
            return path.reader(value)
        except Poison as poison:
            return Poison(poison.reason, f"Details.{'.'.join(keys)} (column {column}): {poison.error}")
    return None


def _is_deep(path: Path) -> bool:
    """Whether reading it takes more than looking up one name."""
    return len(path.paths) > 1 or len(path.paths[0]) > 1


def _first_found(path: Path, row: Row) -> Any:
    found = (events.value_at(row, keys) for keys in path.paths)
    value = next((value for value in found if value is not None), None)
    return path.reader(value)


def _pick(table: MappedTable, wanted: Wanted, places: dict[Source, int]) -> _Pick:
    cells = [places[source] for source in wanted.cells]
    required = [cells[column] for column in table.requires]
    key = [places[source] for source in wanted.key]
    return _Pick(
        table, _taking(required) if required else None, _taking(key) if key else None, _taking(cells)
    )


def _taking(places: Sequence[int]) -> Taking:
    """Takes the values at these places, always as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda pool: tuple([pool[place] for place in places])


def _unusable(table: MappedTable, key: Cells, event: Event) -> Poison:
    """Why a row has no key."""
    for column, value in zip(table.key, key, strict=True):
        if value is None:
            what = f"The key {column.name!r} has no value in Details of {event.action}."
            return Poison("key-missing", what)
        if not value.strip():
            return Poison("key-empty", f"The key {column.name!r} is empty in Details of {event.action}.")
    raise AssertionError("a key that could not be used can be used")


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
