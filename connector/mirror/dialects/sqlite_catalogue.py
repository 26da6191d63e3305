"""What a SQLite database has beside rows.

It has one space of names, in which the store's start with an underscore. Tables are changed as SQLite's own
manual says ("Making Other Kinds Of Table Schema Changes"), but for views: these keep their text, so that
what readers built on the table stays and cannot stop the change.
"""

import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from connector.errors import StartupError
from connector.mirror.dialects.base_catalogue import Catalogue, Key, Obstacle, Relation
from connector.mirror.dialects.dialect import quoted

log = structlog.get_logger(__name__)

PAGE = 100_000  # rows that are copied between two looks at the clock
REPORT_SECONDS = 10.0
NAMES = "SELECT lower(name) FROM sqlite_master WHERE type <> 'trigger'"
RELATIONS = "SELECT lower(name), type = 'view', coalesce(sql, '') FROM sqlite_master WHERE type <> 'trigger'"
OBSTACLES = """
    SELECT type, name, tbl_name, sql, type = 'trigger' OR sql LIKE 'CREATE UNIQUE%',
           'DROP ' || type || ' IF EXISTS "' || replace(name, '"', '""') || '"'
    FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL
"""
# A row stands in the foreign key of another, or a trigger refuses.
DEPENDENT_OBJECTS = ("SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_TRIGGER")


class SQLiteCatalogue(Catalogue):
    """What ``sqlite_master`` lists."""

    @override
    def names(self) -> set[str]:
        return {*self._connection.exec_driver_sql(NAMES).scalars()}

    @override
    def obstacles(self, tables: Collection[str]) -> list[Obstacle]:
        found = (Obstacle(*row) for row in self._connection.exec_driver_sql(OBSTACLES).fetchall())
        return [one for one in found if one.table.lower() in tables]

    # --- Tables ---

    @override
    def rename(self, table: str, name: str) -> None:
        with self._views_left_alone():
            self._connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(name)}")

    @override
    def _add_to_key(self, table: str, key: Key) -> None:
        """There is no statement for it, so the table is made again and swapped."""
        columns = self._connection.exec_driver_sql(f"PRAGMA table_info({quoted(table)})").fetchall()
        # Triggers are somebody's, and would go with the table as indexes do.
        query = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger')"
        built = self._connection.exec_driver_sql(f"{query} AND sql IS NOT NULL", (table,)).scalars().all()
        names = ", ".join(quoted(one.name) for one in columns)
        former = [quoted(one.name) for one in sorted(columns, key=lambda one: one.pk) if one.pk]
        column = quoted(key.column)
        listed = [_declared(one, key.nullable) for one in columns]
        listed += [
            f"{column} {self._dialect.declared(key.type)} NOT NULL",
            f"PRIMARY KEY ({', '.join(key.among(former, column))})",
        ]
        made = f"_{table}_made"  # no table of tables.yaml starts so
        self._connection.exec_driver_sql(f"CREATE TABLE {quoted(made)} ({', '.join(listed)}) STRICT")
        value = key.value or self._dialect.literal(key.usual)
        insert = f"INSERT INTO {quoted(made)} ({names}, {column})"
        select = f"SELECT {names}, {value} FROM {quoted(table)}"
        self._copy(table, made, f"{insert} {select}", ", ".join(former))
        refusal = f"The key of the table {table} cannot be changed"
        with self._views_left_alone(), self.dependents_named(refusal):
            self._connection.exec_driver_sql(f"DROP TABLE {quoted(table)}")
            self._connection.exec_driver_sql(f"ALTER TABLE {quoted(made)} RENAME TO {quoted(table)}")
        self.execute(*built)

    def _copy(self, table: str, made: str, insert: str, key: str) -> None:
        """Copy rows in the order of their key, so that the new index is written from end to end.

        Says now and then how far it is.
        """
        count = self._connection.exec_driver_sql(f"SELECT COUNT(*) FROM {quoted(table)}").scalar_one()
        report_at, copied = time.monotonic() + REPORT_SECONDS, 0
        query = f"SELECT {key} FROM {quoted(made)} ORDER BY _rowid_ DESC LIMIT 1"
        while copied < count:
            last = self._connection.exec_driver_sql(query).fetchone()
            after = f"WHERE ({key}) > ({', '.join('?' * len(last))})" if last else ""
            page = f"{insert} {after} ORDER BY {key} LIMIT {PAGE}"
            copied += self._connection.exec_driver_sql(page, tuple(last or ())).rowcount
            if time.monotonic() >= report_at:
                log.info("changing a table", table=table, done=f"{copied / count:.0%}")
                report_at = time.monotonic() + REPORT_SECONDS

    @contextmanager
    def _views_left_alone(self) -> Iterator[None]:
        """Have SQLite rename tables without a look at the views, of which one may be broken for long."""
        self._connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            yield
        finally:
            self._connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")

    # --- Views ---

    @override
    def relations(self, names: Collection[str]) -> dict[str, Relation]:
        rows = self._connection.exec_driver_sql(RELATIONS).fetchall()
        return {row[0]: Relation(bool(row[1]), row[2]) for row in rows if row[0] in names}

    @override
    def make_view(self, name: str, select: str, *, replace: bool) -> None:
        """Nothing can be replaced; a trigger that somebody put on a view goes with it, and comes back."""
        self.columns(select)  # else the text of a view is only read when it is asked
        triggers = self.triggers(name).values()
        made = f"CREATE VIEW {quoted(name)} AS {select}"
        self.execute(f"DROP VIEW IF EXISTS {quoted(name)}", made, *triggers)

    @override
    def is_used(self, view: str, ours: Collection[str]) -> bool:
        # It keeps no list of what stands on what, so a name in a text counts.
        named = re.compile(rf"\b{re.escape(view)}\b", re.IGNORECASE)
        return any(named.search(text) for name, text in self.views().items() if name not in ours)

    @override
    def drop_view(self, view: str, ours: Collection[str]) -> None:
        if self.is_used(view, ours):
            raise StartupError(f"The view {view} is kept, because another names it.", "drop that view")
        super().drop_view(view, ours)

    @override
    def views(self) -> dict[str, str]:
        rows = self._connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
        return dict(rows.tuples().all())

    @override
    def triggers(self, view: str) -> dict[str, str]:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
        rows = self._connection.exec_driver_sql(query, (view,))
        return dict(rows.tuples().all())

    @override
    def make_readable(self, role: str, views: Collection[str], *, timeout_seconds: float) -> list[str]:
        raise StartupError(
            "SQLite has no roles: every user who may read the file may read all of it.",
            "limit who may read the file (chmod), or use PostgreSQL",
        )

    @override
    def dependent(self, error: DBAPIError) -> str:
        return str(error.orig) if self._dialect.code(error) in DEPENDENT_OBJECTS else ""


def _declared(column: Any, nullable: Collection[str]) -> str:
    """A column as ``PRAGMA table_info`` lists it, as in CREATE TABLE."""
    declared = f"{quoted(column.name)} {column.type}"
    if column.dflt_value is not None:
        declared += f" DEFAULT {column.dflt_value}"
    return declared + (" NOT NULL" if column.notnull and column.name not in nullable else "")
