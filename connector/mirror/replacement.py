"""The rows that a table should have by the ledger: folded into a temporary table, then put into the table.

Rows are changed in the table that is there, and only those that differ: views, rights, indexes,
constraints, triggers, comments and foreign keys of others stay, and so does ``mirrored_at`` of every row
that was right. Temporary tables end with their session, so a process that is killed leaves nothing behind.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, MetaData
from sqlalchemy.schema import CreateTable

from connector import clocks, events
from connector.errors import StartupError
from connector.events import Event
from connector.mirror import dialects
from connector.mirror.batches import Batch, run
from connector.mirror.fold import fold
from connector.mirror.mapped import Key
from connector.mirror.mapping import reader
from connector.mirror.projections import Projection
from connector.mirror.rows import events_of
from connector.mirror.statements import on_keys, quoted
from connector.mirror.tables import Tables


class Rebuilt(NamedTuple):
    """What a rebuild did to one table: how many rows it added, changed and removed.

    ``waited_seconds`` is the longest time that batches waited for it.
    """

    table: str
    added: int
    changed: int
    removed: int
    waited_seconds: float = 0.0

    def plus(self, other: "Rebuilt", waited_seconds: float) -> "Rebuilt":
        """With what was done in one more transaction."""
        return Rebuilt(
            self.table,
            self.added + other.added,
            self.changed + other.changed,
            self.removed + other.removed,
            max(self.waited_seconds, waited_seconds),
        )


class Replacement:
    """What one table should hold, and which of its rows differ from that.

    A row that differs is noted with what shows whether an event touched it since (``Projection.trace``).
    Every other row is right, and what a worker merges into it keeps it so.
    """

    def __init__(self, connection: Connection, tables: Tables, table: Projection, number: int) -> None:
        """Make the temporary tables, with names that no table of the store has."""
        self.table = table
        self._connection = connection
        # As the table, but what is folded for it goes into the temporary one.
        self._expected = replace(table, name=f"_expected_{number}")
        self._read = reader(self._expected)
        self._differing = f"__differing_{number}"
        self._differs = dialects.of(connection).differs
        self._numeric_text = dialects.of(connection).numeric_text
        columns = tables.metadata.tables[table.store].columns
        self._columns = [one.name for one in columns if one.name != "mirrored_at"]
        made = tables.metadata.tables[table.store].to_metadata(MetaData(), name=self._expected.store)
        create = str(CreateTable(made).compile(dialect=connection.dialect)).strip()
        self._execute(create.replace("CREATE TABLE", "CREATE TEMPORARY TABLE", 1))
        self._execute(
            f"CREATE TEMPORARY TABLE {self._differing} AS SELECT {self._keys('expected')}, "
            f"CAST('' AS TEXT) AS how, CAST('' AS TEXT) AS noted "
            f"FROM {self._expected.store} AS expected LIMIT 0"
        )
        names = ", ".join(quoted(column.name) for column in table.key)
        self._execute(f"CREATE UNIQUE INDEX {self._differing}_key ON {self._differing} ({names})")

    @property
    def count(self) -> int:
        """How many rows differ."""
        return int(self._execute(f"SELECT COUNT(*) FROM {self._differing}").scalar_one())

    def merge(self, batch: Iterable[Event], only: Collection[Key] | None = None) -> None:
        """Merge distinct events, each of them once, into the rows that the table should have.

        ``only`` are the groups of rows that they are merged into, all of them when None.
        """
        read = ((event, self._read(event)) for event in batch)
        if only is not None:
            read = (
                (event, [one for one in contributions if one.key[: self.table.group] in only])
                for event, contributions in read
            )
        folded = fold((event, contributions) for event, contributions in read if contributions)
        if rows := folded.get(self._expected.name):
            for statement in self._expected.merge(dialects.of(self._connection), rows):
                statement.run(self._connection, clocks.now())

    def compare(self, only: Batch | None = None) -> None:
        """Note the rows of the table that differ; of the groups ``only``, or of all when None."""
        if only is None:
            self._execute(f"ANALYZE {self._expected.store}")
        insert = f"INSERT INTO {self._differing} SELECT"
        live, expected = quoted(self.table.store), self._expected.store
        missing = f"live.{quoted(self.table.key[0].name)} IS NULL"
        how = f"CASE WHEN {missing} THEN 'missing' ELSE 'other' END"
        differs = " OR ".join([missing, *self._differences()])
        missing_or_other = (
            f"{insert} {self._keys('expected')}, {how}, {self.table.trace('expected')} "
            f"FROM {expected} AS expected LEFT JOIN {live} AS live ON {self._same('live', 'expected')} "
            f"WHERE ({differs})"
        )
        too_many = (
            f"{insert} {self._keys('live')}, 'too many', {self.table.trace('live')} FROM {live} AS live "
            f"WHERE NOT EXISTS (SELECT 1 FROM {expected} AS expected WHERE {self._same('live', 'expected')})"
        )
        for statement, rows in ((missing_or_other, "expected"), (too_many, "live")):
            if only is None:
                self._execute(statement)
            else:
                names = ", ".join(f"{rows}.{quoted(name)}" for name, _ in self.table.group_columns)
                run(self._connection, f"{statement} AND ({names}) IN (", only, ")")

    def catch_up(self, most: int | None = None) -> int:
        """Fold those rows again that an event touched since they were noted; gives how many these are.

        Of rows that differ it looks at the first ``most``, or at all. What is folded together goes along.
        """
        page = self._page(most)
        changed = f"page.noted {self._differs} {self.table.trace('page')}"
        touched = self._execute(f"SELECT {self._keys('page')} FROM {page} WHERE {changed}")
        keys = {tuple(row) for row in touched.fetchall()}
        if not keys:
            return 0
        groups, columns = self.table.groups(keys), self.table.group_columns
        for table in (self._expected.store, self._differing):
            on_keys(self._connection, f"DELETE FROM {table}", columns, groups)
        self.merge(events_of(self._connection, self.table, groups), only=groups)
        self.compare(Batch(columns, sorted(groups)))
        return len(keys)

    def apply(self, most: int | None = None) -> Rebuilt:
        """Put the first ``most`` rows right that differ, or all, and note them no more.

        ``catch_up`` has given 0 for them in this transaction. Raises ``StartupError`` where a row that goes
        stands in a foreign key of others, and where the database changes fewer rows than it was asked to.
        """
        live, expected, page = quoted(self.table.store), self._expected.store, self._page(most)
        due = self._execute(f"SELECT COUNT(*) FROM {page}").scalar_one()
        both = f"FROM {page} JOIN {expected} AS expected ON {self._same('page', 'expected')}"
        gone = f"SELECT {self._keys('page')} FROM {page}"
        refusal = f"Rows that no event gives stay in the table {self.table.name}"
        with dialects.catalogue(self._connection).dependents_named(refusal):
            removed = self._execute(
                f"DELETE FROM {live} AS live WHERE ({self._keys('live')}) IN "
                f"({gone} WHERE page.how = 'too many')"
            ).rowcount
        stamp = {"mirrored_at": f"'{events.iso(clocks.now())}'"} if self.table.stamped else {}
        values = {name: f"expected.{quoted(name)}" for name in self._columns} | stamp
        key = {column.name for column in self.table.key}
        sets = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items() if name not in key)
        # A table of keys alone has no row that is another one.
        changed = (
            0
            if not sets
            else self._execute(
                f"UPDATE {live} AS live SET {sets} {both} "
                f"WHERE page.how = 'other' AND {self._same('live', 'expected')}"
            ).rowcount
        )
        added = self._execute(
            f"INSERT INTO {live} ({', '.join(map(quoted, values))}) SELECT {', '.join(values.values())} "
            f"{both} WHERE page.how = 'missing' ORDER BY {self._keys('page')}"
        ).rowcount
        if left := due - added - changed - removed:
            raise StartupError(
                f"{left} rows of the table {self.table.name} stay wrong: a trigger or a rule that somebody "
                f"made on {self.table.store} keeps the database from changing them.",
                "drop or disable it, and run this again",
            )
        self._execute(
            f"DELETE FROM {self._differing} AS differing WHERE ({self._keys('differing')}) IN ({gone})"
        )
        return Rebuilt(self.table.name, added, changed, removed)

    def _page(self, most: int | None) -> str:
        limit = "" if most is None else f" LIMIT {most}"
        rows = f"SELECT * FROM {self._differing} AS differing ORDER BY {self._keys('differing')}{limit}"
        return f"({rows}) AS page"

    def _differences(self) -> Iterable[str]:
        """Conditions of a row that is not as it should be, to the byte: 1.0 equals 1.00 as a number."""
        numeric = {one.name for one in self.table.columns if one.type == "numeric"}
        key = {column.name for column in self.table.key}
        for name in self._columns:
            if name not in key:
                form = self._numeric_text if name in numeric else "{}".format
                live, expected = (form(f"{row}.{quoted(name)}") for row in ("live", "expected"))
                yield f"{expected} {self._differs} {live}"

    def _keys(self, row: str) -> str:
        return ", ".join(f"{row}.{quoted(column.name)}" for column in self.table.key)

    def _same(self, one: str, other: str) -> str:
        names = [quoted(column.name) for column in self.table.key]
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)

    def _execute(self, statement: str) -> Any:
        return self._connection.exec_driver_sql(statement)
