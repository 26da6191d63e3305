"""Compiled tables (``mapping.py``), and the contributions of events to their rows (``reading.py``)."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Self

import msgspec

from connector.config import SHOP_COLUMN
from connector.events import Event, Identity, Sort
from connector.mirror import values

# How two values of one column become one. ``newest`` and ``oldest`` compare the versions beside
# the values, ``max`` and ``min`` the values themselves, ``count`` adds.
Merge = Literal["newest", "oldest", "max", "min", "count", "plain"]
ColumnType = Literal["text", "numeric", "timestamp", "boolean", "integer"]
Row = dict[str, Any]
Cells = tuple[Any, ...]
Key = tuple[Any, ...]
# Names and types.
Columns = tuple[tuple[str, ColumnType], ...]
# Rows of one table by key; what a row is, the table's class decides.
Rows = dict[Key, Any]
Taking = Callable[[Sequence[Any]], Cells]
SHOP_DESCRIPTION = "The shop that it is of."


def stored(name: str) -> str:
    """The store's name of a table, whose own name is that of the readers' view."""
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
class ShopColumn:
    """The shop of an event: that of its hook or source, or the name of one that is no longer configured."""

    of_hook: tuple[tuple[str, str], ...]
    of_source: tuple[tuple[str, str], ...] = ()

    def reader(self) -> Callable[[Event], str]:
        """Gives the shop of an event."""
        hooks, sources = dict(self.of_hook), dict(self.of_source)

        def shop(event: Event) -> str:
            name = event.source_name
            return hooks.get(event.hook, event.hook) if name is None else sources.get(name, name)

        return shop

    @property
    def column(self) -> "MappedColumn":
        """The column for it. A shop of another name is another rule, so that tables are filled again."""
        rule = f"shop={json.dumps(self.of_hook)}"
        rule += f" of sources {json.dumps(self.of_source)}" if self.of_source else ""
        return MappedColumn(SHOP_COLUMN, "text", "plain", SHOP_DESCRIPTION, written=rule)


CellSource = Path | Field | Constant | ShopColumn


@dataclass(frozen=True, slots=True)
class RowSpec:
    """Where a row of one table comes from, of one sort of events; a history table has no key of its own."""

    key: tuple[CellSource, ...]
    cells: tuple[CellSource, ...]


class Part(NamedTuple):
    """What events of one sort say for a table: a row for each object at ``each``, or one where None."""

    table: "MappedTable"
    each: tuple[str, ...] | None
    spec: RowSpec
    requires: tuple[int, ...]

    @property
    def sources(self) -> list[tuple["MappedColumn", CellSource]]:
        """Each column that is filled, with where its value comes from."""
        keys = zip(self.table.key, self.spec.key, strict=False)  # of a history's there are none
        return [*keys, *zip(self.table.columns, self.spec.cells, strict=True)]


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column with how it is stored and merged; ``version`` names the column beside it, if any."""

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

    @property
    def rule(self) -> str:
        """What decides its values."""
        return f"{self.type} {self.written}"


class Fact(NamedTuple):
    """What the connector itself keeps of the events of a row, in a column of the row."""

    name: str
    type: ColumnType
    comment: str
    # Text that is compared byte by byte.
    exact: bool = False
    shown: bool = True
    nullable: bool = False


@dataclass(frozen=True, eq=False)
class MappedTable(ABC):
    """A compiled table: its parts and its fold; ``Projection`` adds how it is stored."""

    name: str
    description: str
    key: tuple[MappedColumn, ...]
    columns: tuple[MappedColumn, ...]
    indexes: tuple[tuple[str, ...], ...]
    each: tuple[str, ...] | None
    requires: tuple[int, ...]
    row_specs: dict[Sort, RowSpec]
    # Which parts of a row's key spell the entity key of its events, in each way that an action has;
    # None where the row does not give some action's entity key.
    entities: frozenset[tuple[int, ...]] | None = None
    # What decides which rows exist, as written.
    written: str = ""
    # Whether the column ``shop`` stands first in the key, or among the columns of a history.
    by_shop: bool = False
    # Parts of the key without which an object gives no row; without another part its event is refused.
    required_key: frozenset[str] = frozenset()
    # How many parts of the key, the first, rows share that are folded together; None: each row by itself.
    group: int | None = None

    # The key of every table of the kind; empty where ``tables.yaml`` names it.
    fixed_key: ClassVar[tuple[MappedColumn, ...]] = ()
    # What the connector keeps of each row beside its key, its columns and their versions.
    facts: ClassVar[tuple[Fact, ...]] = ()
    # Whether each row says when it last changed here (``mirrored_at``).
    stamped: ClassVar[bool]

    # --- Columns ---

    @property
    def store(self) -> str:
        """Its name in the store; readers see a view of its own name."""
        return stored(self.name)

    @property
    def sorts(self) -> frozenset[Sort]:
        """Sorts of events that touch the table."""
        return frozenset(self.row_specs)

    @property
    def visible(self) -> str:
        """SQL that is true for a row that readers see; empty where they see all."""
        return ""

    @property
    def layout(self) -> tuple[MappedColumn, ...]:
        """Key and columns in the order in which the store has them."""
        return (*self.key, *self.columns)

    @property
    def key_columns(self) -> Columns:
        """The key, as names and types."""
        return tuple([(column.name, column.type) for column in self.key])

    @property
    def shown_key(self) -> Columns:
        """The part of the key that readers see."""
        return self.key_columns

    @property
    def group_columns(self) -> Columns:
        """The part of the key that names what is folded together."""
        return self.key_columns[: self.group]

    @property
    def shown(self) -> Columns:
        """What readers see of a row, ``mirrored_at`` aside."""
        return (
            *self.shown_key,
            *[(column.name, column.type) for column in self.columns],
            *[(fact.name, fact.type) for fact in self.facts if fact.shown],
        )

    def kept(self, columns: Sequence[MappedColumn] | None = None) -> Columns:
        """The columns whose values events give, of these alone or of all."""
        chosen = self.columns if columns is None else columns
        return (
            *self.key_columns,
            *[(column.name, column.type) for column in chosen],
            *[(fact.name, fact.type) for fact in self.facts],
            *[(column.version, "text") for column in chosen if column.version],
        )

    def own_reading(self, _sort: Sort) -> Any:
        """What reads events of a sort in the place of a ``Reading``, where row specs are not enough."""
        return None

    @abstractmethod
    def apart(self, shop: ShopColumn) -> Self:
        """The same table with the shop of each row in a column of its own."""

    # --- Contributions and fold ---

    def parts(self, sort: Sort) -> list[Part]:
        """What events of a sort say for the table."""
        return [Part(self, self.each, self.row_specs[sort], self.requires)]

    @abstractmethod
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        """Fold an event's contribution to one row into ``rows``; ``version`` is the event's."""

    def groups(self, keys: Iterable[Key]) -> set[Key]:
        """What is folded again where rows with these keys are: values of ``group_columns``."""
        return {key[: self.group] for key in keys}

    def identities(self, _keys: Iterable[Key]) -> set[Identity] | None:
        """The events that rows with these keys are from; None where keys do not name events."""
        return None

    def entity_keys(self, keys: Iterable[Key]) -> set[str] | None:
        """Entity keys of the events that touch rows with these keys, arrays of Details aside.

        None where keys do not give them.
        """
        if self.entities is None:
            return None
        return {"|".join(key[place] for place in places) for key in keys for places in self.entities}


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """The contribution of one event to one row of a state table, or its row of a history table.

    ``key`` is the row's primary key; ``cells`` are in the order of the table's columns, None where the event
    has no value; a count's cell is 1 or None.
    """

    table: MappedTable
    key: Cells
    cells: Cells
