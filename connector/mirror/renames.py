"""Tables and columns that ``tables.yaml`` renames with ``was``: rows, rights and readers' views stay."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, inspect

from connector.config import Config, Table, view_checks
from connector.errors import StartupError
from connector.mirror import broken_views, dialects, rules
from connector.mirror.mapped import stored
from connector.mirror.mapping import Mapping, former_config
from connector.mirror.rules import TAKEN, Rules
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables


@dataclass(frozen=True, slots=True)
class Renames:
    """Names that the database still has → those of ``tables.yaml``, without renames that are done.

    Columns have the table's name of today before their own.
    """

    tables: dict[str, str] = field(default_factory=dict)
    columns: dict[tuple[str, str], str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)

    def table(self, former: str) -> str:
        """Today's name of a table."""
        return self.tables.get(former, former)

    def column(self, table: str, former: str) -> str:
        """Today's name of a column; ``table`` is today's."""
        return self.columns.get((table, former), former)

    def undone(self, config: Config) -> Config:
        """The configuration with the names that the database still has."""
        if not self:
            return config
        names = {today: former for former, today in self.tables.items()}
        columns = {
            (names.get(table, table), today): former for (table, former), today in self.columns.items()
        }
        back = Renames(names, columns)
        undone = back._renamed(config)

        def where(location: tuple[str | int, ...]) -> str:
            section, *rest = map(str, location)
            if section == "tables" and rest:
                rest[0] = self.table(rest[0])
                rest[2:3] = [self.column(rest[0], one) for one in rest[2:3]]
            return config.where(section, *rest)

        return undone.with_warnings(config.warnings, where)

    def rules(self, recorded: Rules, former: Config | None) -> Rules:
        """The recorded rules with today's names; writers that know the former ones stop.

        ``former`` is the configuration that wrote last, where it can be read.
        """
        moved: Rules = {}
        # What had today's names and was dropped by hand.
        gone = {(table, "") for table in self.tables.values()}
        gone |= {(table, column) for (table, _), column in self.columns.items()}
        for (table, column), rule in recorded.items():
            today = self.table(table) if table else ""
            name = self.column(today, column) if table else self.table(column)
            if (table, "") not in gone and (table, column) not in gone:
                moved[today, name] = rule
        if former is not None:
            before, after = Mapping(former), Mapping(self._renamed(former))
            for one in before.tables:
                renamed = after.table(self.table(one.name))
                # The names of keys and of what is required are part of what decides the rows.
                if recorded.get((one.name, "")) == one.written:
                    moved[renamed.name, ""] = renamed.written
            moved[rules.MAPPING] = after.written
        for (table, was), today in self.columns.items():  # whose comments are the connector's
            if noted := moved.get(("", table)):
                moved["", table] = re.sub(rf"(?<=[ ,]){was}=", f"{today}=", noted)
        return moved | {("", ""): rules.REMOVED}

    def _renamed(self, config: Config) -> Config:
        """A configuration of the former names with today's, without its views' own SELECTs."""
        tables = {self.table(name): self._table(self.table(name), one) for name, one in config.tables.items()}
        views = {}
        for view_name, view in config.views.items():
            of = view.of and self.table(view.of)
            names = {old: new for (table, old), new in self.columns.items() if table == of}
            per, steps = (tuple([names.get(one, one) for one in given]) for given in (view.per, view.steps))
            value = view.value and names.get(view.value, view.value)
            record = view.record and self.table(view.record)
            parts = {"of": of, "record": record, "value": value, "per": per, "steps": steps}
            views[view_name] = view.model_copy(update=parts)
        return config.model_copy(update={"tables": tables, "views": views})

    def _table(self, name: str, table: Table) -> Table:
        names = {old: new for (of, old), new in self.columns.items() if of == name}
        key = {names.get(one, one): source for one, source in table.key.items()}
        columns = {names.get(one, one): column for one, column in table.columns.items()}
        requires = tuple([names.get(one, one) for one in table.requires])
        indexes = tuple([tuple([names.get(one, one) for one in index]) for index in table.indexes])
        parts = {"key": key, "columns": columns, "requires": requires, "indexes": indexes}
        parts["parent"] = table.parent and self.table(table.parent)
        return table.model_copy(update=parts)

    def indexes(self, config: Config) -> dict[str, str]:
        """Names of indexes → today's, where they differ; ``config`` has the former names."""
        before, after = Mapping(config), Tables(Mapping(self._renamed(config))).metadata.tables
        tables, found = Tables(before).metadata.tables, {}
        for one in before.tables:
            today = self.table(one.name)
            names = {tuple(index.columns.keys()): str(index.name) for index in after[stored(today)].indexes}
            for index in tables[one.store].indexes:
                columns = tuple([self.column(today, column.name) for column in index.columns])
                found[str(index.name)] = names.get(columns, str(index.name))
        return {former: today for former, today in found.items() if former != today}


def pending(connection: Connection, config: Config) -> Renames:
    """The renames that are still to be done, without new names and renames that are done.

    Raises ``StartupError`` where the new name is that of something else which the database holds.
    """
    found, recorded = Renames(), rules.recorded(connection)
    existing = set(inspect(connection).get_table_names())
    filled = {name for name, column in recorded if column}
    taken: set[str] | None = None
    for table, settings in config.tables.items():
        was = settings.was or ""
        # Where both are tables of the connector, and only that of today is filled, it is done.
        is_done = table in filled and was not in filled
        if was and stored(was) in existing and (was, "") in recorded and not is_done:
            taken = dialects.catalogue(connection).names() if taken is None else taken
            if {stored(table), table} & taken:
                where = config.where("tables", table, "was")
                raise _refusal(f"{where}: the table {was}", table, f"the database holds {table}")
            found.tables[was] = table
        source = was if was in found.tables else table
        former = {name: one.was for name, one in settings.valued.items() if one.was}
        if not former or stored(source) not in existing:
            continue
        columns = _columns(connection, source)
        key = inspect(connection).get_pk_constraint(stored(source))["constrained_columns"]
        for name, column in former.items():
            if column not in columns or name in key:
                continue
            if name not in columns:
                found.columns[table, column] = name
            elif not ((source, name) in recorded and (source, column) not in recorded):
                section = "key" if name in settings.key else "columns"
                where = config.where("tables", table, section, name, "was")
                raise _refusal(f"{where}: the column {column}", name, f"the table has {name}")
    return found


def _refusal(what: str, name: str, why: str) -> StartupError:
    return StartupError(
        f"{what} cannot be renamed to {name}, because {why} already.",
        "take another name, or remove was, and it is filled from the ledger; what is frozen is dropped, with "
        "the tables.yaml of before, by: connector schema apply --prune",
    )


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(stored(table))}


class Renaming:
    """The pending renames in the database."""

    def __init__(self, connection: Connection, config: Config) -> None:
        self._connection, self._config = connection, config
        self._names = pending(connection, config)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Rename tables and columns, with what is built on them; the block then makes what else changed.

        On PostgreSQL the views of readers follow. On SQLite those on a renamed table do, and one that does
        not survive the new name of a column has the change refused, with ``StartupError``.
        """
        if not self._names:
            yield
            return
        alters = dialects.of(self._connection).alters
        # Compiled before there is a lock that readers wait for.
        recorded = rules.recorded(self._connection)
        before = former_config(self._config, recorded.get(rules.MAPPING, ""))
        indexes, moved = self._names.indexes(before) if before else {}, self._names.rules(recorded, before)
        ours = {name for name, rule in rules.views(recorded).items() if rule != TAKEN}
        self._rename_tables(ours)
        ours = {self._names.table(name) for name in ours}
        (of_first, first), column = next(iter(self._names.columns.items()), (("", ""), ""))
        refusal = f"The column {of_first}.{first} cannot be renamed to {column}"
        with broken_views.none_breaks(self._connection, refusal), self._without_views(ours):
            for (table, former), column in self._names.columns.items():
                with self._explained(f"The column {table}.{former} cannot be renamed to {column}"):
                    for suffix in ("", "__version"):
                        if former + suffix in _columns(self._connection, table):
                            change = f"RENAME COLUMN {quoted(former + suffix)} TO {quoted(column + suffix)}"
                            self._alter("TABLE", quoted(stored(table)), change)
            if alters:
                self._rename_columns_of_views(ours)
            for former, today in indexes.items():  # else a new table of the former name would take them
                if alters:
                    self._alter("INDEX IF EXISTS", quoted(former), f"RENAME TO {quoted(today)}")
                else:  # made again with those that are missing
                    self._connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted(former)}")
            rules.replace(self._connection, moved)
            try:
                yield
            except StartupError as refused:  # all is as it was, names too
                cure = refused.cure
                for former, table in self._names.tables.items():
                    cure = cure.replace(quoted(stored(table)), quoted(stored(former)))
                raise StartupError(refused.what, cure) from refused

    def _rename_tables(self, ours: set[str]) -> None:
        for former, table in self._names.tables.items():
            with self._explained(f"The table {former} cannot be renamed to {table}"):
                self._alter("TABLE", quoted(stored(former)), f"RENAME TO {quoted(stored(table))}")
                if former in ours and dialects.of(self._connection).alters:
                    view = dialects.catalogue(self._connection).schema + quoted(former)
                    self._alter("VIEW IF EXISTS", view, f"RENAME TO {quoted(table)}")
                elif former in ours:
                    self._make_view_again(former, table)

    def _rename_columns_of_views(self, ours: set[str]) -> None:
        """Views of tables, and views that are made of a table; other views may depend on these."""
        former, pairs = self._names.undone(self._config), []
        pairs += [(table, was, column) for (table, was), column in self._names.columns.items()]
        for name, view in self._config.views.items():
            if view.select is None:
                before = former.views[name]
                names = view_checks.columns(before, former.tables)
                today = view_checks.columns(view, self._config.tables)
                pairs += [(name, *pair) for pair in zip(names, today, strict=True)]
        catalogue = dialects.catalogue(self._connection)
        # Unless somebody dropped it.
        views = {name for name, one in catalogue.relations(ours).items() if one.is_view}
        for view_name, was, column in pairs:
            if view_name not in views:
                continue
            qualified = catalogue.schema + quoted(view_name)
            columns = catalogue.columns(f"SELECT * FROM {qualified}")
            # If somebody else has the name, it is theirs.
            if was in columns and column not in columns:
                self._alter("VIEW", qualified, f"RENAME COLUMN {quoted(was)} TO {quoted(column)}")

    @contextmanager
    def _without_views(self, ours: set[str]) -> Iterator[None]:
        """On SQLite the connector's own views are dropped meanwhile, and made again with other columns."""
        if not self._names.columns or dialects.of(self._connection).alters:
            yield
            return
        known = {self._names.table(table) for table, _ in rules.recorded(self._connection)}
        kept = known - self._config.tables.keys()
        triggers: list[str] = []
        for name in sorted((ours & broken_views.working(self._connection)) - kept):
            triggers += dialects.catalogue(self._connection).triggers(name).values()
            self._connection.exec_driver_sql(f"DROP VIEW {quoted(name)}")
        yield
        for statement in triggers:
            self._connection.exec_driver_sql(statement)

    @contextmanager
    def _explained(self, refusal: str) -> Iterator[None]:
        with broken_views.put_aside(self._connection), broken_views.named(self._connection, refusal):
            yield

    def _make_view_again(self, former: str, name: str) -> None:
        """SQLite renames tables in their dependents, but not views: a table takes a view's name meanwhile."""
        catalogue = dialects.catalogue(self._connection)
        listed = ", ".join(map(quoted, catalogue.columns(f"SELECT * FROM {quoted(former)}")))
        if triggers := catalogue.triggers(former):
            raise StartupError(
                f"The table {former} cannot be renamed to {name}, because its view has triggers: "
                f"{', '.join(triggers)}.",
                "drop these triggers (DROP TRIGGER), start again, and make them on the new name",
            )
        self._connection.exec_driver_sql(f"DROP VIEW {quoted(former)}")
        self._connection.exec_driver_sql(f"CREATE TABLE {quoted(former)} ({listed})")
        self._alter("TABLE", quoted(former), f"RENAME TO {quoted(name)}")
        self._connection.exec_driver_sql(f"DROP TABLE {quoted(name)}")
        self._connection.exec_driver_sql(
            f"CREATE VIEW {quoted(name)} AS SELECT {listed} FROM {quoted(stored(name))}"
        )

    def _alter(self, kind: str, name: str, change: str) -> None:
        self._connection.exec_driver_sql(f"ALTER {kind} {name} {change}")
