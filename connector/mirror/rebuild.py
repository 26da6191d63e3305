"""Changes of a table that SQLite has no statement for: there the table is made again and swapped.

As SQLite's own manual says ("Making Other Kinds Of Table Schema Changes"), but for views: these keep
their text, so that what readers built on the table stays and cannot stop the change.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from connector.errors import StartupError

log = structlog.get_logger(__name__)

PAGE = 100_000  # rows that are copied between two looks at the clock
REPORT_SECONDS = 10.0
# Something depends on what is dropped, a view or rule uses a column whose type would change, or a row
# stands in the foreign key of another.
DEPENDENT_OBJECTS = ("2BP01", "0A000", "23503", "SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_TRIGGER")


def add_to_key(
    connection: Connection,
    table: str,
    column: str,
    comment: str | None,
    *,
    usual: str,
    value: str | None,
    nullable: Collection[str] = (),
    first: bool = False,
) -> None:
    """Add a text column at the end of a table and of its primary key, of which it may be ``first``, too.

    ``value`` is SQL over the row, and None where every row has the text ``usual``. The columns
    ``nullable`` lose their NOT NULL.
    """
    rows = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {quoted(table)}").scalar_one()
    log.info("changing a table", table=table, rows=rows)
    if connection.dialect.name == "postgresql":
        _alter(connection, table, column, comment, usual, value, nullable, first=first)
    else:
        _make_again(connection, table, column, value or literal(connection, usual), nullable, first=first)


def _alter(
    connection: Connection,
    table: str,
    column: str,
    comment: str | None,
    usual: str,
    value: str | None,
    nullable: Collection[str],
    *,
    first: bool,
) -> None:
    key = inspect(connection).get_pk_constraint(table)
    name, text = quoted(table), literal(connection, usual)
    # With a constant default no row is written; those that differ are, afterwards.
    added = f'ADD COLUMN {quoted(column)} TEXT COLLATE "C" NOT NULL DEFAULT {text}'
    connection.exec_driver_sql(f"ALTER TABLE {name} {added}")
    if value is not None:
        connection.exec_driver_sql(f"UPDATE {name} SET {quoted(column)} = {value} WHERE {value} <> {text}")
    columns = ", ".join(map(quoted, _with(key["constrained_columns"], column, first=first)))
    changes = [
        f"ALTER COLUMN {quoted(column)} DROP DEFAULT",
        *(f"ALTER COLUMN {quoted(one)} DROP NOT NULL" for one in nullable),
        f"DROP CONSTRAINT {quoted(str(key['name']))}",
        f"ADD CONSTRAINT {quoted(str(key['name']))} PRIMARY KEY ({columns})",
    ]
    with dependents_named(f"The key of the table {table} cannot be changed"):
        connection.exec_driver_sql(f"ALTER TABLE {name} {', '.join(changes)}")
    if comment:
        connection.exec_driver_sql(
            f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(connection, comment)}"
        )


@contextmanager
def dependents_named(refusal: str) -> Iterator[None]:
    """Name what readers built on a thing, such as a view that groups by a key, when that stops its change."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
        if code not in DEPENDENT_OBJECTS:
            raise
        detail = str(error.orig).partition("DETAIL:")[2].partition("HINT:")[0].strip(" .\n")
        detail = detail or (str(error.orig) if code.startswith("SQLITE") else "")
        if not detail:
            raise
        raise StartupError(
            f"{refusal}, because something was built on it: {detail}.",
            "drop what is named, start the worker, and make it again",
        ) from error


def _with(key: Collection[str], column: str, *, first: bool) -> list[str]:
    return [column, *key] if first else [*key, column]


def _make_again(
    connection: Connection, table: str, column: str, value: str, nullable: Collection[str], *, first: bool
) -> None:
    columns = connection.exec_driver_sql(f"PRAGMA table_info({quoted(table)})").fetchall()
    # Triggers are somebody's, and would go with the table as indexes do.
    query = f"SELECT sql FROM sqlite_master WHERE tbl_name = {literal(connection, table)} AND sql IS NOT NULL"
    kept = f"{query} AND type IN ('index', 'trigger')"
    built = [row[0] for row in connection.exec_driver_sql(kept).fetchall()]
    names = [quoted(one.name) for one in columns]
    key = [quoted(one.name) for one in sorted(columns, key=lambda one: one.pk) if one.pk]
    listed = [_declared(one, nullable) for one in columns]
    whole = ", ".join(_with(key, quoted(column), first=first))
    listed += [f"{quoted(column)} TEXT NOT NULL", f"PRIMARY KEY ({whole})"]
    made = f"_{table}_made"  # no table of tables.yaml starts so
    connection.exec_driver_sql(f"CREATE TABLE {quoted(made)} ({', '.join(listed)}) STRICT")
    insert = f"INSERT INTO {quoted(made)} ({', '.join((*names, quoted(column)))})"
    select = f"SELECT {', '.join((*names, value))} FROM {quoted(table)}"
    _copy(connection, table, made, f"{insert} {select}", ", ".join(key))
    with _views_left_alone(connection), dependents_named(f"The key of the table {table} cannot be changed"):
        connection.exec_driver_sql(f"DROP TABLE {quoted(table)}")
        connection.exec_driver_sql(f"ALTER TABLE {quoted(made)} RENAME TO {quoted(table)}")
    for statement in built:
        connection.exec_driver_sql(statement)


def _declared(column: Any, nullable: Collection[str]) -> str:
    """A column as ``PRAGMA table_info`` lists it, as in CREATE TABLE."""
    declared = f"{quoted(column.name)} {column.type}"
    if column.dflt_value is not None:
        declared += f" DEFAULT {column.dflt_value}"
    return declared + (" NOT NULL" if column.notnull and column.name not in nullable else "")


def _copy(connection: Connection, table: str, made: str, insert: str, key: str) -> None:
    """Copy rows in the order of their key, so that the new index is written from end to end.

    Says now and then how far it is.
    """
    count = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {quoted(table)}").scalar_one()
    report_at, copied = time.monotonic() + REPORT_SECONDS, 0
    query = f"SELECT {key} FROM {quoted(made)} ORDER BY _rowid_ DESC LIMIT 1"
    while copied < count:
        last = connection.exec_driver_sql(query).fetchone()
        after = f"WHERE ({key}) > ({', '.join('?' * len(last))})" if last else ""
        page = f"{insert} {after} ORDER BY {key} LIMIT {PAGE}"
        copied += connection.exec_driver_sql(page, tuple(last or ())).rowcount
        if time.monotonic() >= report_at:
            log.info("changing a table", table=table, done=f"{copied / count:.0%}")
            report_at = time.monotonic() + REPORT_SECONDS


def rename(connection: Connection, table: str, name: str) -> None:
    """Give a table another name."""
    with _views_left_alone(connection):
        connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(name)}")


@contextmanager
def _views_left_alone(connection: Connection) -> Iterator[None]:
    """Have SQLite rename tables without a look at the views, of which one may be broken for long."""
    if connection.dialect.name == "postgresql":
        yield
        return
    connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")


def literal(connection: Connection, text: str) -> str:
    """Text as SQL, where no parameter can stand."""
    escaped = text.replace("'", "''")
    # psycopg reads a per cent sign as the beginning of a parameter.
    return f"'{escaped.replace('%', '%%')}'" if connection.dialect.name == "postgresql" else f"'{escaped}'"


def quoted(name: str) -> str:
    """An identifier as SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'
