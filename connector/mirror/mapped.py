"""Tables as they were compiled (``mapping.py``), and what an event says for a row of one (``reading.py``)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from connector.events import Event
from connector.mirror import values

# How two values of one column become one. ``newest`` and ``oldest`` compare the versions beside
# the values, ``max`` and ``min`` the values themselves, ``count`` adds.
Merge = Literal["newest", "oldest", "max", "min", "count", "plain"]
ColumnType = Literal["text", "numeric", "timestamp", "boolean", "integer"]
Row = dict[str, Any]
Cells = tuple[Any, ...]
Taking = Callable[[Sequence[Any]], Cells]


def stored(name: str) -> str:
    """The store's name of a table; its own name is that of the view which readers see."""
    return f"_{name}"


def logical(store: str) -> str:
    """The name of a table without what ``stored`` puts before it."""
    return store.removeprefix("_")


@dataclass(frozen=True, slots=True)
class Path:
    """The first of these paths in Details that carries a value, as ``reader`` gives it.

    ``stored`` reads what an event of the ledger carries: without the limits of intake.
    """

    paths: tuple[tuple[str, ...], ...]
    reader: values.Reader
    stored: values.Reader = field(compare=False)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every event; None carries nothing."""

    value: Any
    # Else True would equal 1.
    is_boolean: bool = False


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop that an event is of: that of its hook, or the hook's name where it has none any more."""

    of_hook: tuple[tuple[str, str], ...]

    def reader(self) -> Callable[[Event], str]:
        """Gives the shop of an event."""
        names = dict(self.of_hook)
        return lambda event: names.get(event.hook, event.hook)


Source = Path | Field | Constant | Shop


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
    # Whether the column ``shop`` stands first in the key, or among the columns of a history.
    by_shop: bool = False

    @property
    def store(self) -> str:
        """Its name in the store; readers see a view of its own name."""
        return stored(self.name)

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
