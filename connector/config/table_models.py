"""The shape of ``tables.yaml``: tables, their columns, and views."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import AliasChoices, Field

from connector.config.table_kinds import KINDS
from connector.config.yaml_types import Model, Name, Path, TimeZone

# The column that tells shops apart (``Mirror.key_by_shop``).
SHOP_COLUMN = "shop"
# One path, several of which the first that carries a value is taken, or one of these per action.
Paths = Path | tuple[Path, ...]
PathChoice = Paths | dict[str, Paths]
Scalar = bool | int | str
EventField = Literal["occurred_at", "event_id", "action", "hook"]
Rule = Literal["latest", "earliest", "count", "min", "max"]
if TYPE_CHECKING:
    Kind = str
else:  # for pydantic, which then says what there is
    Kind = Literal[*KINDS]
ColumnType = Literal["text", "numeric", "timestamp", "boolean", "integer"]


def constant_type(constant: Scalar) -> ColumnType:
    """The type of column that a constant is written for."""
    if isinstance(constant, bool):
        return "boolean"
    return "numeric" if isinstance(constant, int) else "text"


class Source(Model):
    """Where a value comes from: exactly one of the four."""

    path: PathChoice | None = None
    constant: Scalar | None = None
    by_action: dict[str, Scalar] | None = None
    event: EventField | None = None
    description: str = ""
    # The column's name before: a column of the database that has it is renamed, and keeps its values.
    was: Name | None = None

    def given(self) -> list[str]:
        """Names of the sources that are written down."""
        return [
            name for name in ("path", "constant", "by_action", "event") if getattr(self, name) is not None
        ]


class KeyColumn(Source):
    """A part of a state table's primary key; always text."""


class Column(Source):
    rule: Rule | None = None
    type: ColumnType | None = None
    on: tuple[str, ...] | None = Field(None, min_length=1)


class Table(Model):
    """One table of the mirror: a row per entity (``state``), per row object (``history``), or per record.

    A table of records (``snapshot``) takes the snapshots ``of`` a family instead of actions. With ``parent``,
    another such table, it has rows that go with the records of that one.
    """

    kind: Kind = "state"
    description: str = ""
    actions: tuple[str, ...] = ()
    of: Name | None = None
    parent: Name | None = None
    # Whose local time an instant of a record is that has no offset.
    time_zone: TimeZone | None = None
    # One row per object found here; the path may name an object or an array of objects.
    each: Path | None = None
    key: dict[Name, KeyColumn] = Field(default_factory=dict)
    columns: dict[Name, Column] = Field(default_factory=dict)
    # Columns, and parts of the key, without which a row object gives no row.
    requires: tuple[Name, ...] = ()
    indexes: tuple[tuple[Name, ...], ...] = ()
    # Its name before: a table of the database that has it is renamed with its view, and keeps its rows.
    was: Name | None = None

    @property
    def zone(self) -> str:
        """The time zone of records, which is XTND's own where none is given."""
        return self.time_zone or "Europe/Stockholm"

    @property
    def valued(self) -> dict[str, Source]:
        """Columns of the key and others, by name."""
        return {**self.key, **self.columns}


class View(Model):
    """A view: of a ``kind``, made from a table (``view_kinds.py``), or a ``select`` of one's own.

    ``movements``, ``intervals`` and ``daily`` read the column ``value`` of a history table, per ``per`` and
    in event order. ``lead_times`` gives the seconds between the instants ``steps`` of a state table.
    ``full`` puts what the ``record`` of a snapshot table says beside each row of a state table.
    """

    description: str = ""
    kind: Literal["movements", "intervals", "daily", "lead_times", "full"] = "movements"
    # It was written as ``movements_of`` before there were kinds.
    of: Name | None = Field(None, validation_alias=AliasChoices("of", "movements_of"))
    value: Name | None = None
    per: tuple[Name, ...] = ()
    steps: tuple[Name, ...] = ()
    record: Name | None = None
    # One text, or one for each database.
    select: str | dict[str, str] | None = None
    # What its columns hold, for those that the kind does not describe.
    columns: dict[Name, str] = Field(default_factory=dict)

    @property
    def durations(self) -> list[tuple[str, str, str]]:
        """(from, to, column of the seconds between): each step to the next, and the first to the last."""
        pairs = [*pairwise(self.steps), (self.steps[0], self.steps[-1])]
        return [
            (start, end, f"{start.removesuffix('_at')}_to_{end.removesuffix('_at')}_seconds")
            for start, end in dict.fromkeys(pairs)
        ]

    def text(self, dialect: str, shops: Mapping[str, str] | None = None) -> str | None:
        """The SQL of ``select`` for a database; None for a view of a kind.

        ``shops`` is ``Config.shops``. ``{shop}`` stands for the column of a table or view, ``{shop_of_hook}``
        for one that is worked out from a column ``hook``; neither is there where tables have no shop.
        """
        text = self.select[dialect] if isinstance(self.select, dict) else self.select
        if text is None:
            return None
        shop = of_hook = ""
        if shops is not None:
            named = "".join(f" WHEN '{hook}' THEN '{shop}'" for hook, shop in sorted(shops.items()))
            shop, of_hook = f", {SHOP_COLUMN}", f", CASE hook{named} ELSE hook END AS {SHOP_COLUMN}"
        return text.replace("{shop}", shop).replace("{shop_of_hook}", of_hook).strip().removesuffix(";")
