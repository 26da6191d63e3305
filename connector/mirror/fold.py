"""The fold: distinct events → rows, in any order, in any grouping (mirror.md, part 2).

Pure: no I/O, no clock, no database, no Faust. A row is a join of what its events say, and the join
is commutative and associative, so arrival order cannot matter: ``newest`` and ``oldest`` keep the
value with the greatest or least version, ``min`` and ``max`` the least or greatest value, counts
add once per distinct event. The database joins the same way (``sink.py``), so folding a batch and
joining it into the table equals folding everything at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connector.events import Event
from connector.mirror import values
from connector.mirror.mapped import Cells, Contribution, MappedColumn, MappedTable

Key = tuple[Any, ...]


class StateRow(msgspec.Struct):
    """A state row, whole or in part; ``cells`` and ``versions`` stand in the table's column order.

    A version is "" where no value has come yet.
    """

    cells: list[Any]
    versions: list[str]
    first_seen_at: int
    as_of: int
    last_version: str
    last_action: str
    last_event_id: str
    event_count: int


@dataclass(slots=True)
class Folded:
    """Rows by table name and key."""

    states: dict[str, dict[Key, StateRow]] = field(default_factory=lambda: defaultdict(dict))
    histories: dict[str, dict[Key, Cells]] = field(default_factory=lambda: defaultdict(dict))


def fold(said: Iterable[tuple[Event, Sequence[Contribution]]]) -> Folded:
    """Fold distinct events, each with its contributions, into rows."""
    folded = Folded()
    for event, contributions in said:
        version = event.version
        told: set[int] = set()
        for said_of in contributions:
            table, key = said_of.table, said_of.key
            if table.kind == "history":
                folded.histories[table.name][key] = said_of.cells
                continue
            rows = folded.states[table.name]
            row = rows.get(key)
            if row is None:
                row = rows[key] = _first(table, event, said_of.cells, version)
            else:
                # Several row objects of one event with one key count once.
                again = id(row) in told
                _absorb_event(row, event, version, again=again)
                _absorb_cells(table, row, said_of.cells, version, again=again)
            told.add(id(row))
    return folded


def _first(table: MappedTable, event: Event, cells: Sequence[Any], version: str) -> StateRow:
    """The row of a key of which nothing was known; most rows of a batch stay so."""
    said_at = event.occurred_at
    row = [*cells]
    for place in table.counts:
        row[place] = cells[place] or 0
    versions = [
        version if kept and value is not None else ""
        for value, kept in zip(cells, table.versioned, strict=True)
    ]
    for place in table.ranked:
        if cells[place] is not None:
            versions[place] = values.rank(cells[place])
    return StateRow(
        row,
        versions,
        said_at,
        said_at,
        version,
        event.action,
        event.event_id,
        1,
    )


def _rank(column: MappedColumn, value: Any, version: str) -> str:
    return values.rank(value) if column.ranked else version


def _absorb_event(row: StateRow, event: Event, version: str, *, again: bool) -> None:
    row.first_seen_at = min(row.first_seen_at, event.occurred_at)
    row.as_of = max(row.as_of, event.occurred_at)
    row.event_count += 0 if again else 1
    if version > row.last_version:
        row.last_version = version
        row.last_action = event.action
        row.last_event_id = event.event_id


def _absorb_cells(
    table: MappedTable, row: StateRow, cells: Sequence[Any], version: str, *, again: bool
) -> None:
    for index, (value, column) in enumerate(zip(cells, table.columns, strict=True)):
        if value is None:
            continue
        merge = column.merge
        if merge in ("newest", "oldest"):
            _absorb_versioned(merge, row, index, value, _rank(column, value, version))
            continue
        held = row.cells[index]
        if merge == "count":
            row.cells[index] = held + (0 if again else value)
        elif merge == "max":
            row.cells[index] = value if held is None or value > held else held
        else:
            row.cells[index] = value if held is None or value < held else held


def _absorb_versioned(merge: str, row: StateRow, index: int, value: Any, version: str) -> None:
    """Keep the value with the greater (``newest``) or lesser (``oldest``) version.

    At equal versions, which only row objects of one event (or equal numbers) have, the later row
    object is the newer one and the earlier the older one.
    """
    held = row.versions[index]
    wins = version >= held if merge == "newest" else held == "" or version < held
    if wins:
        row.cells[index] = value
        row.versions[index] = version
