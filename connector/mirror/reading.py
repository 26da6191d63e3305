"""How the row objects of an action are read for tables.

Pure: one event in, its contribution to each row that it touches out; the fold merges these. A value that
several columns need is read once: a stock balance fills a state row and a history row with the same five.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from connector import events
from connector.config import paths
from connector.errors import Poison
from connector.events import Event
from connector.mirror import values
from connector.mirror.mapped import (
    Cells,
    CellSource,
    Constant,
    Contribution,
    Field,
    MappedTable,
    Part,
    Path,
    Row,
    ShopColumn,
    Taking,
)

SURELY_KEY = values.MAX_INDEXED_BYTES // 4  # letters that are not too long, whatever they are
# Keys from one of the objects on the way of ``each``, by its level, to a value.
Way = tuple[int, tuple[str, ...]]


class _Pick(NamedTuple):
    """What a table takes out of a pool; no key for a history table, no ``required`` where any row will do.

    ``required_key`` are the parts of the key, by their places, without which there is no row either.
    """

    table: MappedTable
    required: Taking | None
    key: Taking | None
    required_key: tuple[int, ...]
    cells: Taking


class Reading:
    """Reads the row objects of one sort of events for parts that split them alike (``Part.each``).

    Events of the ledger are ``stored``. They were accepted, perhaps under another mapping or by another
    version: what a column cannot hold is left out, and nothing is ``Poison``.
    """

    def __init__(self, parts: Sequence[Part], *, stored: bool = False) -> None:
        self._each = parts[0].each or ()
        self._stored = stored
        filled = [pair for part in parts for pair in part.sources]
        # Each source once, with the first column that needs it.
        columns: dict[CellSource, str] = {}
        for column, source in filled:
            columns.setdefault(source, column.name)
        found = sorted((source for source in columns if isinstance(source, Path)), key=_is_deep)
        fields = [source for source in columns if isinstance(source, Field | ShopColumn)]
        constants = [source for source in columns if isinstance(source, Constant)]
        ordered: list[CellSource] = [*found, *fields, *constants]
        self._columns = [(path, columns[path]) for path in found]
        readers = [path.stored if stored else path.reader for path in found]
        self._names = [
            (path.paths[0][0], read) for path, read in zip(found, readers, strict=True) if not _is_deep(path)
        ]
        self._deep = [
            _deep_reader([self._way(one) for one in path.paths], read)
            for path, read in zip(found, readers, strict=True)
            if _is_deep(path)
        ]
        self._fields = [
            field.reader() if isinstance(field, ShopColumn) else attrgetter(field.name) for field in fields
        ]
        self._constants = [constant.value for constant in constants]
        places = {source: place for place, source in enumerate(ordered)}
        self._picks = [_pick(part, places) for part in parts]

    def contributions(
        self, event: Event, rows: Sequence[Row], left_out: list[Poison] | None = None
    ) -> list[Contribution]:
        """What ``event`` says for these tables; ``rows`` are its Details as row objects.

        Raises ``Poison`` for a value that a column cannot hold and for a key that is not there; where
        events are stored, such go into ``left_out``, a value or a row at a time.
        """
        refused = None if not self._stored else [] if left_out is None else left_out
        found, some_forgotten = [], self._stored and event.attempt < 0
        for index, objects in enumerate(self._objects(rows, refused) if self._each else zip(rows)):
            if some_forgotten and not objects[0]:
                continue
            pool, sound = self._pool(event, objects)
            for table, required, key_of, required_key, cells_of in self._picks:
                cells = cells_of(pool) if sound else _sound(cells_of(pool), refused)
                if required is not None and None in (required(pool) if sound else _sound(required(pool), [])):
                    continue
                if key_of is None:
                    key: Cells = (event.occurred_at, event.event_id, index, event.source)
                else:
                    key = key_of(pool) if sound else _sound(key_of(pool), refused)
                    if not _identifies(key):
                        if not any(_is_blank(key[place]) for place in required_key):
                            _refuse(_unusable(table, key, event), refused)
                        continue
                found.append(Contribution(table, key, cells))
        return found

    def _objects(self, rows: Sequence[Row], refused: list[Poison] | None) -> Iterator[tuple[Row, ...]]:
        """For each row of the table the objects on the way to it, the row object first."""
        for row in rows:
            yield from _spread((row,), self._each, refused)

    def _way(self, path: tuple[str, ...]) -> Way:
        """From which object on the way of ``each`` a path is read, and how."""
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(path, self._each, strict=False))
        level = sum(1 for _ in shared)
        return level, path[level:]

    def _pool(self, event: Event, objects: Sequence[Row]) -> tuple[Sequence[Any], bool]:
        """Every value that a table needs of a row object, each read once, and whether all could be.

        In the place of one that could not stands why: no table may have a use for it.
        """
        sound, row = True, objects[0]
        try:
            pool = [get(row.get(name)) for name, get in self._names]
            pool.extend([read(objects) for read in self._deep])
        except Poison:
            pool, sound = [self._tried(path, column, objects) for path, column in self._columns], False
        pool.extend([field(event) for field in self._fields])
        pool.extend(self._constants)
        return pool, sound

    def _tried(self, path: Path, column: str, objects: Sequence[Row]) -> Any:
        """The value at a path, or the ``Poison`` that names path and column."""
        read = path.stored if self._stored else path.reader
        for keys in path.paths:
            try:
                value = _value_at(objects, self._way(keys))
                if value is not None:
                    return read(value)
            except Poison as poison:
                what = f"Details.{paths.text(keys)} (column {column})"
                return Poison(poison.reason, f"{what}: {poison.error}")
        return None


def _refuse(poison: Poison, refused: list[Poison] | None) -> None:
    """Note what cannot be, or raise it where nothing may be left out."""
    if refused is None:
        raise poison
    refused.append(poison)


def _sound(cells: Cells, refused: list[Poison] | None) -> Cells:
    """Values without those that could not be read."""
    for value in cells:
        if isinstance(value, Poison):
            _refuse(value, refused)
    return tuple([None if isinstance(value, Poison) else value for value in cells])


def _is_deep(path: Path) -> bool:
    """Whether reading it takes more than looking up one name."""
    return len(path.paths) > 1 or len(path.paths[0]) > 1


def _value_at(objects: Sequence[Row], way: Way) -> Any:
    level, keys = way
    return events.value_at(objects[level], keys)


def _deep_reader(ways: Sequence[Way], read: values.Reader) -> Callable[[Sequence[Row]], Any]:
    """Reads what is found first of several ways; nearly always there is one, and every row asks."""
    level, keys = ways[0]
    if len(ways) > 1:
        return lambda objects: read(_first_found(ways, objects))
    if len(keys) == 1:
        return lambda objects: read(objects[level].get(keys[0]))
    return lambda objects: read(events.value_at(objects[level], keys))


def _first_found(ways: Sequence[Way], objects: Sequence[Row]) -> Any:
    return next((value for way in ways if (value := _value_at(objects, way)) is not None), None)


def _pick(part: Part, places: dict[CellSource, int]) -> _Pick:
    cells = [places[source] for source in part.spec.cells]
    required = [cells[column] for column in part.requires]
    key = [places[source] for source in part.spec.key]
    named = [column.name for column in part.table.key[: len(key)]]
    return _Pick(
        part.table,
        _taking(required) if required else None,
        _taking(key) if key else None,
        tuple([place for place, name in enumerate(named) if name in part.table.required_key]),
        _taking(cells),
    )


def _taking(places: Sequence[int]) -> Taking:
    """Takes the values at these places, always as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda pool: tuple([pool[place] for place in places])


def _identifies(key: Cells) -> bool:
    # The length is seen to at intake, but the ledger may hold more under a path that was no key then.
    for part in key:  # noqa: SIM110 - a loop costs half of it, and every row asks
        if not part or part.isspace() or (len(part) > SURELY_KEY and _is_long(part)):
            return False
    return True


def _is_blank(part: str | None) -> bool:
    return not part or part.isspace()


def _is_long(part: str) -> bool:
    return len(part.encode()) > values.MAX_INDEXED_BYTES


def _unusable(table: MappedTable, key: Cells, event: Event) -> Poison:
    """Why a row has no key."""
    column, value = next(pair for pair in zip(table.key, key, strict=False) if not _identifies(pair[1:]))
    what = f"The key {column.name!r}"
    if value is None:
        return Poison("key-missing", f"{what} has no value in Details of {event.action}.")
    if value.strip():
        return Poison("text-too-long", f"{what} is too long in Details of {event.action}.")
    return Poison("key-empty", f"{what} is empty in Details of {event.action}.")


def _spread(
    objects: tuple[Row, ...], each: tuple[str, ...], refused: list[Poison] | None
) -> Iterator[tuple[Row, ...]]:
    """The objects on the way to each object at ``each``; arrays, and arrays in arrays, are gone through."""
    level = len(objects) - 1
    if level == len(each):
        yield objects
        return
    left = [objects[-1].get(each[level])]
    while left:
        found = left.pop()
        if isinstance(found, dict):
            yield from _spread((*objects, found), each, refused)
        elif isinstance(found, list):
            left += reversed(found)
        elif found is not None:
            what = f"Details.{paths.text(each[: level + 1])} must be an object or an array of objects."
            _refuse(Poison("details-kind", what), refused)
