"""State tables: one row per entity, folded from all events of that entity (docs/contract.md, Tables)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from typing_extensions import override

from connector.events import Event
from connector.mirror import values
from connector.mirror.dialects import Dialect
from connector.mirror.fold import StateRow
from connector.mirror.mapped import Cells, Fact, Key, MappedColumn, Rows
from connector.mirror.projections.projection import Projection
from connector.mirror.statements import quoted

# Every event is before NEVER and after EVER.
NEVER = "9999-12-31T23:59:59.999999Z"
EVER = "0001-01-01T00:00:00.000000Z"


class StateTable(Projection):
    """One row per entity."""

    facts = (
        Fact("first_seen_at", "timestamp", "When the oldest event of this row occurred (UTC)."),
        Fact("as_of", "timestamp", "When the newest event of this row occurred (UTC)."),
        Fact("last_action", "text", "Action of the newest event."),
        Fact("last_event_id", "text", "The newest event, as in notifications.", exact=True),
        Fact("event_count", "integer", "How many distinct events this row was folded from."),
        Fact(
            "last_version", "text", "Version of the newest event (connector's own).", exact=True, shown=False
        ),
    )
    stamped = True
    adds = False
    folded = StateRow
    abandoned = "event_count = 0"

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        """Places of the columns that count."""
        return tuple([place for place, column in enumerate(self.columns) if column.merge == "count"])

    @cached_property
    def _ranked(self) -> tuple[int, ...]:
        """Places of the columns that are compared by value (``MappedColumn.ranked``)."""
        return tuple([place for place, column in enumerate(self.columns) if column.ranked])

    @cached_property
    def _versioned(self) -> tuple[bool, ...]:
        """Which columns keep a version beside their value."""
        return tuple([column.version is not None for column in self.columns])

    @override
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        row = rows.get(key)
        if row is not None:
            row.absorb(self.columns, event, version, cells)
            return
        # Most keys come once in a batch.
        first = [*cells]
        for place in self._counts:
            first[place] = cells[place] or 0
        versions = [
            version if kept and value is not None else ""
            for value, kept in zip(cells, self._versioned, strict=True)
        ]
        for place in self._ranked:
            if cells[place] is not None:
                versions[place] = values.rank(cells[place])
        at = event.occurred_at
        rows[key] = StateRow(first, versions, at, at, version, event.action, event.event_id, 1, version)

    @override
    def dumped(self, row: Any) -> Any:
        # Each version once, of which a row has few; and not which event was folded in last.
        versions = [*dict.fromkeys([row.last_version, *row.versions])]
        places = [versions.index(one) for one in row.versions]
        facts = (row.first_seen_at, row.as_of, row.last_action, row.last_event_id, row.event_count)
        return [row.cells, versions, places, *facts]

    @override
    def loaded(self, row: Any) -> Any:
        cells, versions, places, first_seen_at, as_of, action, event_id, count = row
        of_cells = [versions[place] for place in places]
        return StateRow(
            cells, of_cells, first_seen_at, as_of, versions[0], action, event_id, count, folded=""
        )

    @override
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        # Sorted, so that two workers that touch the same rows lock them in the same order.
        keys = sorted(rows)
        found = [rows[key] for key in keys]
        cells = list(zip(*[row.cells for row in found], strict=True))
        versions = list(zip(*[row.versions for row in found], strict=True))
        places = range(len(self.columns)) if columns is None else [*map(self.columns.index, columns)]
        return [
            *zip(*keys, strict=True),
            *[cells[place] for place in places],
            [row.first_seen_at for row in found],
            [row.as_of for row in found],
            [row.last_action for row in found],
            [row.last_event_id for row in found],
            [row.event_count for row in found],
            [row.last_version for row in found],
            *[versions[place] for place in places if self._versioned[place]],
        ]

    @override
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        name = quoted(column.name)
        if column.merge == "count":
            return [f"{name} = stored.{name} + excluded.{name}"]
        if column.merge in ("max", "min"):
            # Byte by byte, as the fold compares, whatever the column's collation.
            exact = dialect.exact if column.type == "text" else ""
            return [_extreme(column.name, ">" if column.merge == "max" else "<", exact)]
        version = quoted(f"{column.name}__version")
        if column.merge == "newest":
            wins = f"excluded.{version} > stored.{version}"
        else:
            older = f"stored.{version} = '' OR excluded.{version} < stored.{version}"
            wins = f"excluded.{version} <> '' AND ({older})"
        return [_choice(column.name, wins), _choice(f"{column.name}__version", wins)]

    @override
    def fact_sets(self) -> list[str]:
        newer = "excluded.last_version > stored.last_version"
        return [
            _extreme("first_seen_at", "<"),
            _extreme("as_of", ">"),
            "event_count = stored.event_count + excluded.event_count",
            *(_choice(name, newer) for name in ("last_action", "last_event_id", "last_version")),
        ]

    @override
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        """Rows stay, because somebody's foreign key may point at them, with an ``event_count`` of 0."""
        sets = []
        for column in self.columns if columns is None else columns:
            sets.append(f"{quoted(column.name)} = {'0' if column.merge == 'count' else 'NULL'}")
            sets += [f"{quoted(column.version)} = ''"] if column.version else []
        if columns is None:
            sets += [
                f"first_seen_at = '{NEVER}'",
                f"as_of = '{EVER}'",
                "event_count = 0",
                "last_version = ''",
            ]
        return f"UPDATE {quoted(self.store)} SET {', '.join(sets)}"

    @override
    def trace(self, row: str) -> str:
        same = " AND ".join(f"stored.{quoted(one.name)} = {row}.{quoted(one.name)}" for one in self.key)
        return (
            "(SELECT CAST(stored.mirrored_at AS TEXT) || ' ' || CAST(stored.event_count AS TEXT) "
            f"FROM {quoted(self.store)} AS stored WHERE {same})"
        )


def _extreme(column: str, sign: str, exact: str = "") -> str:
    name = quoted(column)
    wins = f"stored.{name} IS NULL OR excluded.{name} {sign} stored.{name}{exact}"
    return f"{name} = CASE WHEN {wins} THEN COALESCE(excluded.{name}, stored.{name}) ELSE stored.{name} END"


def _choice(column: str, wins: str) -> str:
    name = quoted(column)
    return f"{name} = CASE WHEN {wins} THEN excluded.{name} ELSE stored.{name} END"
