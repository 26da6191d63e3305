"""The schema is tried before it is made: every statement is run for real, on empty copies, and undone.

The database is read in one short transaction. What is tried then touches none of its tables: on SQLite
it is a database in memory, on PostgreSQL a schema of its own in a transaction that is rolled back.
"""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from connector.config import Config
from connector.mirror import namespaces, rules, schema, steps
from connector.mirror.database import connect, file_of, translate, url_of
from connector.mirror.dialects.dialect import UNLOCKED
from connector.mirror.mapped import logical, stored
from connector.mirror.mapping import Mapping
from connector.mirror.models import OWN
from connector.mirror.statements import quoted

# Tables whose few rows say what the schema was made from; mirror_columns is the rules of connector 0.1.
KEPT = (
    *("_mirror_rules", "_mirror_layout", "_mirror_routes"),
    *("mirror_rules", "mirror_columns", "mirror_layout", "mirror_routes"),  # of layouts before
)
VIEWS = f"""
    SELECT relname, pg_get_viewdef(class.oid)
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE nspname IN ({namespaces.PUBLIC}, {namespaces.STORE}) AND relkind IN ('v', 'm') ORDER BY class.oid
"""
LOCK_SECONDS = 2
# SQLSTATE → why nothing was tried: no right to make a schema, a standby, a lock on a table that is read.
WHY_NOT = {
    "42501": "the role may not make a schema to try it in (GRANT CREATE ON DATABASE {0} TO {1} allows it)",
    "25006": "the database only reads",
    "55P03": "somebody's transaction holds a lock on the tables",
}


@dataclass(slots=True)
class _Copy:
    """What stands in the database: tables, (name, SELECT) of each view, and rows by table."""

    tables: list[Table] = field(default_factory=list)
    views: list[tuple[str, str]] = field(default_factory=list)
    rows: dict[str, Sequence[Any]] = field(default_factory=dict)


def run(config: Config, mapping: Mapping) -> str | None:
    """Try the schema of a configuration; why that was not possible, or None.

    Raises ``StartupError`` for what a start would refuse, ``DatabaseOutage``, and ``Defect`` for a
    statement that the database does not take.
    """
    if file := file_of(config.database):
        _on_sqlite(file, config, mapping)
        return None
    engine = connect(config.database)
    try:
        copy = _read(engine, config)
        _on_postgresql(engine, copy, config, mapping)
    except DBAPIError as error:
        if why := WHY_NOT.get(getattr(error.orig, "sqlstate", None) or ""):
            url = url_of(config.database)
            return why.format(quoted(url.database or ""), quoted(url.username or ""))
        raise translate(error) from error
    except SQLAlchemyError as error:
        raise translate(error) from error
    else:
        return None
    finally:
        engine.dispose()


def _apply(engine: Engine, config: Config, mapping: Mapping) -> None:
    steps.bring_up(engine, [table.name for table in mapping.tables])
    schema.apply(engine, config, mapping)


# --- SQLite ---------------------------------------------------------------------------------------


def _on_sqlite(file: Path, config: Config, mapping: Mapping) -> None:
    engine = create_engine(
        "sqlite+pysqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        if file.exists():
            _copy_file(file, connection)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    try:
        _apply(engine, config, mapping)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise translate(error) from error
    finally:
        engine.dispose()


def _copy_file(file: Path, empty: sqlite3.Connection) -> None:
    """Make everything that a file has in an empty database, without its rows."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        for (statement,) in source.execute(f"{query} ORDER BY type = 'table' DESC, rowid").fetchall():
            # What somebody built of parts that this process does not have is no matter here.
            with suppress(sqlite3.Error):
                empty.execute(statement)
        names = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in names & {*KEPT}:
            rows = source.execute(f"SELECT * FROM {quoted(name)}").fetchall()
            if rows:
                empty.executemany(f"INSERT INTO {quoted(name)} VALUES ({_marks('?', rows)})", rows)


# --- PostgreSQL -----------------------------------------------------------------------------------


def _read(engine: Engine, config: Config) -> _Copy:
    """What has to do with the mirror: the catalogue, and the few rows that say what it was made from."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        existing = set(inspect(connection).get_table_names())
        recorded = {table for table, _ in rules.recorded(connection)}
        metadata = MetaData()
        names = {*map(logical, OWN), *config.tables, *config.views, *recorded}
        only = existing & {*KEPT, *names, *map(stored, names)}
        metadata.reflect(connection, only=sorted(only))
        rows = {
            name: connection.exec_driver_sql(f"SELECT * FROM {quoted(name)}").fetchall()
            for name in sorted(existing & {*KEPT})
        }
        views = [(row[0], row[1]) for row in connection.exec_driver_sql(VIEWS).fetchall()]
    return _Copy(metadata.sorted_tables, views, rows)


def _on_postgresql(engine: Engine, copy: _Copy, config: Config, mapping: Mapping) -> None:
    scratch = f"xtnd_check_{secrets.token_hex(8)}"
    with engine.connect() as connection:  # which rolls back what it did
        connection.exec_driver_sql(f"CREATE SCHEMA {scratch}")
        for setting in ("search_path", "xtnd.schema", "xtnd.store"):
            connection.exec_driver_sql(f"SET LOCAL {setting} = {scratch}")
        _make(connection, copy)
        connection.execution_options(**{UNLOCKED: True})
        _apply(cast("Engine", _Scratch(connection)), config, mapping)


def _make(connection: Connection, copy: _Copy) -> None:
    for table in copy.tables:
        table.create(connection)
    for name, rows in copy.rows.items():
        for row in rows:
            connection.exec_driver_sql(
                f"INSERT INTO {quoted(name)} VALUES ({_marks('%s', rows)})", tuple(row)
            )
    for name, select in copy.views:
        text = select.rstrip().removesuffix(";").replace("%", "%%")
        # A reader's view may stand on anything; then only its name is taken.
        with suppress(DBAPIError), connection.begin_nested():
            connection.exec_driver_sql(f"CREATE VIEW {quoted(name)} AS {text}")
            continue
        connection.exec_driver_sql(f"CREATE VIEW {quoted(name)} AS SELECT 1 AS copied")


def _marks(mark: str, rows: Sequence[Any]) -> str:
    return ", ".join([mark] * len(rows[0]))


class _Scratch:
    """Stands for an engine whose transactions are parts of one that is rolled back."""

    def __init__(self, connection: Connection) -> None:
        self.dialect, self.url = connection.dialect, connection.engine.url
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection
