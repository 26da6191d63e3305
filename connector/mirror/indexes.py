"""Indexes give way to what the ledger holds.

An entry of PostgreSQL's B-tree has a limit that a row has not. At intake the text of an indexed column is
limited to what always fits; but an index may be added when longer texts are there. Neither may an index
keep an accepted event out, nor a start fail for one: an index that cannot hold a text is made again over
the first letters of its texts, under the same name.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, Index, Text, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from connector.mirror.statements import quoted
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)

PROGRAM_LIMIT_EXCEEDED = "54000"
# Letters of all texts of an entry together; each takes four bytes at most.
LETTERS = 600


def make(connection: Connection, index: Index) -> None:
    """Make an index that is not there yet."""
    try:
        with connection.begin_nested():
            connection.execute(CreateIndex(index, if_not_exists=True))
    except DBAPIError as error:
        if _sqlstate(error) != PROGRAM_LIMIT_EXCEEDED or index.table is None:
            raise
        columns = [(column.name, isinstance(column.type, Text)) for column in index.columns]
        _shorten(connection, index.table.name, str(index.name), columns)


def drop(connection: Connection, former: Tables, wanted: Tables) -> None:
    """Drop what a former mapping had indexed and this one has not: it limits texts that are taken now."""
    for name, table in wanted.metadata.tables.items():
        if (before := former.metadata.tables.get(name)) is None:
            continue
        for index in {one.name for one in before.indexes} - {one.name for one in table.indexes}:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted(str(index))}")


def stands(index: Index, held: Sequence[Any], *, by_columns: bool) -> bool:
    """Whether an index is among those that a table has, as SQLAlchemy reads them.

    ``by_columns``: under whatever name; connector 0.1 gave others.
    """
    names = [column.name for column in index.columns]
    return any(
        _covers(one["column_names"], names)
        if one["name"] == index.name
        else by_columns and one["column_names"] == names and not _is_special(one)
        for one in held
    )


def _covers(held: Sequence[str | None], names: Sequence[str]) -> bool:
    """Whether an index has these columns; an expression, without a name, is the first letters of one."""
    return len(held) == len(names) and all(one in (None, name) for one, name in zip(held, names, strict=True))


def _is_special(index: Any) -> bool:
    """Whether an index is over some rows only, over expressions or of an unusual kind."""
    options = index.get("dialect_options", {})
    return any(name.endswith(("_where", "_using")) for name in options) or "expressions" in index


def making_way(connection: Connection, table: str, write: Callable[[], None]) -> None:
    """Write into a table what the ledger says; shorten indexes that cannot hold it."""
    if connection.dialect.name == "postgresql":
        try:
            with connection.begin_nested():
                write()
        except DBAPIError as error:
            # Of a text beyond a page PostgreSQL does not say which index it was.
            if _sqlstate(error) != PROGRAM_LIMIT_EXCEEDED or not _shorten_all(connection, table):
                raise
        else:
            return
    write()


def _shorten_all(connection: Connection, table: str) -> bool:
    """Shorten the indexes of a table that hold whole texts; whether there was one."""
    inspector = inspect(connection)
    texts = {one["name"] for one in inspector.get_columns(table) if isinstance(one["type"], Text)}
    whole = [one for one in inspector.get_indexes(table) if texts.intersection(one["column_names"])]
    for index in whole:
        connection.exec_driver_sql(f'DROP INDEX "{index["name"]}"')
        columns = [(str(column), column in texts) for column in index["column_names"]]
        _shorten(connection, table, str(index["name"]), columns)
    return bool(whole)


def _shorten(connection: Connection, table: str, name: str, columns: Sequence[tuple[str, bool]]) -> None:
    letters = LETTERS // sum(is_text for _, is_text in columns)
    listed = [f'left("{column}", {letters})' if is_text else f'"{column}"' for column, is_text in columns]
    connection.exec_driver_sql(f'CREATE INDEX "{name}" ON "{table}" ({", ".join(listed)})')
    log.warning(
        "the table holds texts that are too long for an index, so it is made over their first letters",
        table=table,
        index=name,
        letters=letters,
        fix=f"ask with left(column, {letters}) = left(value, {letters}) too, or remove it from tables.yaml",
    )


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
