"""An empty copy of a PostgreSQL database's objects: a schema in a transaction that is rolled back."""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self, cast

from sqlalchemy import Connection, Engine, MetaData, Table, inspect
from sqlalchemy.exc import DBAPIError

from connector.errors import StartupError
from connector.mirror.dialects.dialect import UNLOCKED, quoted
from connector.mirror.dialects.postgresql_catalogue import SCHEMA, STORE

VIEWS = f"""
    SELECT relname, pg_get_viewdef(class.oid)
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE nspname IN ({SCHEMA}, {STORE}) AND relkind IN ('v', 'm') ORDER BY class.oid
"""
LOCK_SECONDS = 2
# SQLSTATE → why there is none: no right to make a schema, a standby, a lock on a table that is read.
WHY_NOT = {
    "42501": "the role may not make a schema to try it in (GRANT CREATE ON DATABASE {0} TO {1} allows it)",
    "25006": "the database only reads",
    "55P03": "somebody's transaction holds a lock on the tables",
}


class _Scratch:
    """Stands for an engine whose transactions are parts of one that is rolled back."""

    def __init__(self, connection: Connection) -> None:
        self.dialect, self.url = connection.dialect, connection.engine.url
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection


@dataclass(slots=True)
class Copy:
    """What stands in the database: tables, (name, SELECT) of each view, and rows by table."""

    tables: list[Table] = field(default_factory=list)
    views: list[tuple[str, str]] = field(default_factory=list)
    rows: dict[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, engine: Engine, tables: Callable[[Connection], Collection[str]], kept: Collection[str]
    ) -> Self:
        """Read what has to do with the mirror, in one short transaction."""
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            existing = set(inspect(connection).get_table_names())
            metadata = MetaData()
            metadata.reflect(connection, only=sorted(existing & {*kept, *tables(connection)}))
            rows = {
                name: connection.exec_driver_sql(f"SELECT * FROM {quoted(name)}").fetchall()
                for name in sorted(existing & {*kept})
            }
            views = [(row[0], row[1]) for row in connection.exec_driver_sql(VIEWS).fetchall()]
        return cls(metadata.sorted_tables, views, rows)

    @contextmanager
    def made(self, engine: Engine) -> Iterator[Engine]:
        """An engine whose transactions are parts of one that is rolled back, on the copy.

        What a ``StartupError`` says to run is for the database: it names that schema, not the copy's.
        """
        scratch = f"xtnd_check_{secrets.token_hex(8)}"
        with engine.connect() as connection:  # which rolls back what it did
            names = f"SELECT quote_ident({SCHEMA}), quote_ident({STORE})"
            schema, store = connection.exec_driver_sql(names).one()
            connection.exec_driver_sql(f"CREATE SCHEMA {scratch}")
            for setting in ("search_path", "xtnd.schema", "xtnd.store"):
                connection.exec_driver_sql(f"SET LOCAL {setting} = {scratch}")
            self._make(connection)
            connection.execution_options(**{UNLOCKED: True})
            try:
                yield cast("Engine", _Scratch(connection))
            except StartupError as error:
                cure = error.cure.replace(f'{scratch}."_', f'{store}."_').replace(scratch, schema)
                raise StartupError(error.what, cure) from error

    def _make(self, connection: Connection) -> None:
        for table in self.tables:
            table.create(connection)
        for name, rows in self.rows.items():
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                connection.exec_driver_sql(f"INSERT INTO {quoted(name)} VALUES ({marks})", tuple(row))
        for name, select in self.views:
            text = select.rstrip().removesuffix(";").replace("%", "%%")
            # A reader's view may depend on anything; then only its name is taken.
            with suppress(DBAPIError), connection.begin_nested():
                connection.exec_driver_sql(f"CREATE VIEW {quoted(name)} AS {text}")
                continue
            connection.exec_driver_sql(f"CREATE VIEW {quoted(name)} AS SELECT 1 AS copied")
