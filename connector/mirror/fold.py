"""The fold: distinct events → rows, in any order, in any grouping (docs/contract.md, The law).

Pure: no I/O, no clock, no database, no Faust. Contributions merge into rows. The merge is commutative
and associative, so the order of arrival cannot matter: ``newest`` and ``oldest`` keep the value with the
greatest or least version, ``min`` and ``max`` the least or greatest value, and counts add one for each
distinct event. The database merges in the same way (``projections``): to fold a batch and merge it into
the table gives the same rows as to fold everything at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from connector.events import Event
from connector.mirror import values
from connector.mirror.mapped import Cells, Contribution, MappedColumn, Rows

# By the name of the table.
Folded = dict[str, Rows]
NONE: Mapping[str, Rows] = {}


def fold(events: Iterable[tuple[Event, Sequence[Contribution]]], before: Mapping[str, Rows] = NONE) -> Folded:
    """Fold distinct events, each with its contributions, into rows: into those ``before`` too."""
    folded: Folded = defaultdict(dict, before)
    for event, contributions in events:
        version = event.version
        for one in contributions:
            one.table.fold_in(folded[one.table.name], event, version, one.key, one.cells)
    return folded


class StateRow(msgspec.Struct):
    """A state row, or a part of it; ``cells`` and ``versions`` are in the table's column order.

    A version is "" until a value has come.
    """

    cells: list[Any]
    versions: list[str]
    first_seen_at: int
    as_of: int
    last_version: str
    last_action: str
    last_event_id: str
    event_count: int
    # Version of the event that was folded in last, which need not be the newest.
    folded: str

    def absorb(self, columns: Sequence[MappedColumn], event: Event, version: str, cells: Cells) -> None:
        """Fold in one more event, or one more row object of the same event."""
        # An event with several row objects of one key counts once.
        again = version == self.folded
        self.folded = version
        self.first_seen_at = min(self.first_seen_at, event.occurred_at)
        self.as_of = max(self.as_of, event.occurred_at)
        self.event_count += 0 if again else 1
        if version > self.last_version:
            self.last_version = version
            self.last_action = event.action
            self.last_event_id = event.event_id
        versions = self.versions
        for place, (value, column) in enumerate(zip(cells, columns, strict=True)):
            if value is None:
                continue
            if column.merge == "newest" and not column.ranked:  # what nearly every column has
                if version >= versions[place]:
                    self.cells[place], versions[place] = value, version
            else:
                self._absorb_cell(place, column, value, version, again=again)

    def _absorb_cell(
        self, place: int, column: MappedColumn, value: Any, version: str, *, again: bool
    ) -> None:
        """Merge one value: ``newest`` and ``oldest`` compare versions, ``min`` and ``max`` values.

        Versions are equal only for row objects of one event, or for equal numbers. Then the later row object
        is the newer one and the earlier the older one.
        """
        current, current_version = self.cells[place], self.versions[place]
        if column.ranked:
            version = values.rank(value)
        match column.merge:
            case "newest":
                wins = version >= current_version
            case "oldest":
                wins = not current_version or version < current_version
            case "max":
                wins = current is None or value > current
            case "min":
                wins = current is None or value < current
            case _:  # count
                value, wins = current + (0 if again else value), True
        if wins:
            self.cells[place] = value
            if column.version:
                self.versions[place] = version
