"""Tables of records: as a source gave them last, in whatever order answers come (docs/contract.md, Tables).

A row of a record has two versions: of its columns, and of its being gone. The rows that go with a record
are a set with one version, that of the newest event of the record: they are that event's rows and no
others. All of it is the greatest version, so that the order of arrival and the borders of batches cannot
matter.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from connector.events import Event, Sort
from connector.mirror.batches import Batch, Statement
from connector.mirror.dialects import Dialect
from connector.mirror.mapped import Cells, Constant, Fact, Key, MappedColumn, Part, Rows, RowSpec
from connector.mirror.projections.projection import Projection
from connector.mirror.statements import quoted

# Names that no column of tables.yaml can have, and that no view shows.
VERSION, GONE = "snapshot__version", "gone__version"
VERSION_FACT = Fact(VERSION, "text", "Version of the newest snapshot.", exact=True, shown=False)


class SnapshotRow(msgspec.Struct, array_like=True):
    """A record's row, or a part of it; a version is "" and an instant None until there is one."""

    cells: Cells
    version: str = ""
    fetched_at: int | None = None
    gone_version: str = ""
    gone_at: int | None = None


class SnapshotTable(Projection):
    """One row per record."""

    facts = (
        Fact("fetched_at", "timestamp", "When the record was asked for that is shown (UTC).", nullable=True),
        Fact("gone_at", "timestamp", "Since when the source has no such record (UTC).", nullable=True),
        VERSION_FACT,
        Fact(GONE, "text", "Version of the newest answer that it is gone.", exact=True, shown=False),
    )
    stamped = True
    adds = False
    folded = SnapshotRow
    abandoned = f"{VERSION} = '' AND {GONE} = ''"

    @override
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        row = rows.get(key)
        if row is None:
            row = rows[key] = SnapshotRow((None,) * len(self.columns))
        if event.is_gone:
            if version >= row.gone_version:
                row.gone_version, row.gone_at = version, event.occurred_at
        elif version >= row.version:
            row.cells, row.version, row.fetched_at = cells, version, event.occurred_at

    @override
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        # Sorted, so that two workers that touch the same rows lock them in the same order.
        keys = sorted(rows)
        found = [rows[key] for key in keys]
        chosen = self.columns if columns is None else columns
        places = [self.columns.index(column) for column in chosen]
        return [
            *zip(*keys, strict=True),
            *[[row.cells[place] for row in found] for place in places],
            [row.fetched_at for row in found],
            [row.gone_at if row.gone_version > row.version else None for row in found],
            [row.version for row in found],
            [row.gone_version for row in found],
        ]

    @override
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        """Null is a value; of one version, which a column that is filled later meets, it is the same."""
        return [_newer(quoted(column.name))]

    @override
    def fact_sets(self) -> list[str]:
        # Gone where that is newer than every snapshot; one of them came to the row as one that is superseded.
        later = f"CASE WHEN excluded.{GONE} > stored.{VERSION} THEN excluded.gone_at END"
        former = f"CASE WHEN stored.{GONE} > excluded.{VERSION} THEN stored.gone_at END"
        newer = f"excluded.{GONE} > stored.{GONE}"
        return [
            _newer("fetched_at"),
            f"gone_at = CASE WHEN {newer} THEN {later} ELSE {former} END",
            _newer(VERSION),
            f"{GONE} = CASE WHEN {newer} THEN excluded.{GONE} ELSE stored.{GONE} END",
        ]

    @override
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        """Rows stay, because somebody's foreign key may point at them."""
        sets = [f"{quoted(column.name)} = NULL" for column in (self.columns if columns is None else columns)]
        if columns is None:
            sets += ["fetched_at = NULL", "gone_at = NULL", f"{VERSION} = ''", f"{GONE} = ''"]
        return f"UPDATE {quoted(self.store)} SET {', '.join(sets)}"

    @override
    def trace(self, row: str) -> str:
        parts = " || ' ' || ".join(f"stored.{name}" for name in (VERSION, GONE))
        same = " AND ".join(f"stored.{quoted(one.name)} = {row}.{quoted(one.name)}" for one in self.key)
        return (
            f"(SELECT CAST(stored.mirrored_at AS TEXT) || ' ' || {parts} "
            f"FROM {quoted(self.store)} AS stored WHERE {same})"
        )


class Children(msgspec.Struct):
    """The rows that go with one record by its newest event so far; ``rows`` by what tells them apart."""

    version: str
    fetched_at: int
    rows: dict[Key, Cells]


class SnapshotRows(Projection):
    """The rows that go with records, as a set for each; ``group`` is the record's part of the key.

    The newest event of a record that gives none leaves one row whose own part of the key is empty. No view
    shows it; it holds the version, so that an older snapshot that comes later brings nothing back. The key
    of a row that is given has no empty part.
    """

    facts = (
        Fact("fetched_at", "timestamp", "When the record was asked for that the row is of (UTC)."),
        VERSION_FACT,
    )
    stamped = True
    adds = False
    folded = Children

    @property
    @override
    def visible(self) -> str:
        return f"{quoted(self.key[-1].name)} <> ''"

    @override
    def parts(self, sort: Sort) -> list[Part]:
        """The rows, and the event itself with the record's part of the key: it may have no rows."""
        spec = self.row_specs[sort]
        event = RowSpec(spec.key[: self.group], (Constant(None),) * len(self.columns))
        return [Part(self, None, event, ()), *super().parts(sort)]

    @override
    def fold_in(self, rows: Rows, event: Event, version: str, key: Key, cells: Cells) -> None:
        record, own = key[: self.group], key[self.group :]
        found = rows.get(record)
        if found is None or version > found.version:
            found = rows[record] = Children(version, event.occurred_at, {})
        if own and version == found.version and not event.is_gone:
            found.rows[own] = cells

    @override
    def dumped(self, row: Any) -> Any:
        return [row.version, row.fetched_at, [*row.rows.items()]]

    @override
    def loaded(self, row: Any) -> Any:
        version, fetched_at, rows = row
        return Children(version, fetched_at, {tuple(key): tuple(cells) for key, cells in rows})

    @override
    def by_column(self, rows: Rows, columns: Sequence[MappedColumn] | None = None) -> list[Sequence[Any]]:
        none = {("",) * len(self.key[self.group :]): (None,) * len(self.columns)}
        listed = [
            (*record, *own, *cells, found.fetched_at, found.version)
            for record, found in sorted(rows.items(), key=lambda item: item[0])
            for own, cells in sorted((found.rows or none).items(), key=lambda item: item[0])
        ]
        values = list(zip(*listed, strict=True))
        width = len(self.key)
        chosen = self.columns if columns is None else columns
        cells = [values[width + self.columns.index(column)] for column in chosen]
        return [*values[:width], *cells, *values[-len(self.facts) :]]

    @override
    def column_sets(self, column: MappedColumn, dialect: Dialect) -> list[str]:
        return [f"{quoted(column.name)} = excluded.{quoted(column.name)}"]

    @override
    def fact_sets(self) -> list[str]:
        return [f"{name} = excluded.{name}" for name in ("fetched_at", VERSION)]

    @override
    def merge(
        self,
        dialect: Dialect,
        rows: Rows,
        columns: Sequence[MappedColumn] | None = None,
        *,
        stamps: bool = True,
    ) -> list[Statement]:
        """Write the rows of records of which there is nothing newer, then remove what is older than they.

        A column that is filled later finds all rows at their newest version.
        """
        merges = super().merge(dialect, rows, columns, stamps=stamps)
        if columns is not None:
            return merges
        stored = ", ".join(f"stored.{quoted(column.name)}" for column in self.key)
        names = ", ".join(quoted(name) for name, _ in self.group_columns)
        batch = Batch(
            (*self.group_columns, (VERSION, "text")),
            [(*record, found.version) for record, found in sorted(rows.items(), key=lambda item: item[0])],
        )
        key = ", ".join(quoted(column.name) for column in self.key)
        before = f"DELETE FROM {quoted(self.store)} WHERE ({key}) IN (WITH newest({names}, {VERSION}) AS ("
        after = (
            f") SELECT {stored} FROM newest JOIN {quoted(self.store)} AS stored "
            f"ON {self._same('newest', 'stored')} WHERE stored.{VERSION} < newest.{VERSION}{dialect.exact})"
        )
        return [*merges, Statement(before, batch.encoded(dialect), after)]

    @override
    def _insert(self, names: Sequence[str]) -> tuple[str, str]:
        """Nothing of a record that is older than what the table has of it."""
        store, listed = quoted(self.store), ", ".join(names)
        record = ", ".join(quoted(name) for name, _ in self.group_columns)
        newer = (
            f"SELECT 1 FROM {store} AS stored WHERE {self._same('stored', 'given')} "
            f"AND stored.{VERSION} > given.{VERSION}"
        )
        given = f"(SELECT DISTINCT {record}, {VERSION} FROM batch_rows) AS given"
        after = (
            f"), late({record}) AS (SELECT {record} FROM {given} WHERE EXISTS ({newer})) "
            f"INSERT INTO {store} AS stored ({listed}) SELECT {listed} FROM batch_rows "
            f"WHERE ({record}) NOT IN (SELECT {record} FROM late) "
        )
        return f"WITH batch_rows({listed}) AS (", after

    @override
    def clear(self, columns: Sequence[MappedColumn] | None = None) -> str:
        if columns is None:
            return f"DELETE FROM {quoted(self.store)}"
        sets = ", ".join(f"{quoted(column.name)} = NULL" for column in columns)
        return f"UPDATE {quoted(self.store)} SET {sets}"

    @override
    def trace(self, row: str) -> str:
        """What changes with each event that changes the rows of the same record."""
        return (
            f"(SELECT MAX(stored.{VERSION}) || ' ' || CAST(MAX(stored.mirrored_at) AS TEXT) "
            f"FROM {quoted(self.store)} AS stored WHERE {self._same('stored', row)})"
        )

    def _same(self, one: str, other: str) -> str:
        """Rows of one record."""
        names = [quoted(name) for name, _ in self.group_columns]
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)


def _newer(name: str) -> str:
    """The value that came with the newest snapshot."""
    wins = f"excluded.{VERSION} >= stored.{VERSION}"
    return f"{name} = CASE WHEN {wins} THEN excluded.{name} ELSE stored.{name} END"
