"""Indexes give way to what the ledger holds.

An entry of PostgreSQL's B-tree has a size limit that a row has not. At intake the text of an indexed column
is limited to what always fits, but an index may be added when longer texts are there. An index must not
keep an accepted event out, and a start must not fail because of one. So an index that cannot hold a text is
made again over the first letters of its texts, under the same name.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import structlog
from sqlalchemy import Connection, Index, Text, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from connector.mirror import dialects
from connector.mirror.mapped import logical
from connector.mirror.models import OWN
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)

# Letters of all texts of an entry together; each takes four bytes at most.
LETTERS = 600


def make(connection: Connection, index: Index) -> None:
    """Make an index that is not there yet."""
    try:
        with connection.begin_nested():
            connection.execute(CreateIndex(index, if_not_exists=True))
    except DBAPIError as error:
        texts = None if index.table is None else _Texts(connection, index.table.name)
        if texts is None or not texts.are_too_long(error):
            raise
        texts.shorten(str(index.name), [column.name for column in index.columns])


def drop(connection: Connection, former: Tables, tables: Tables) -> None:
    """Drop the indexes that only a former mapping had: they limit texts that are accepted now."""
    for name, table in tables.metadata.tables.items():
        if (before := former.metadata.tables.get(name)) is None:
            continue
        for index in {one.name for one in before.indexes} - {one.name for one in table.indexes}:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted(str(index))}")


def make_missing(connection: Connection, tables: Tables) -> None:
    """Make the indexes that are missing, and again those of other columns."""
    indexed = [table for table in tables.metadata.sorted_tables if table.indexes]
    existing = found(connection, [table.name for table in indexed])
    for table in indexed:
        for index in table.indexes if table.name in existing else ():
            if not stands(index, existing[table.name]):
                connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted(str(index.name))}")
                make(connection, index)


def found(connection: Connection, tables: Sequence[str]) -> dict[str, Sequence[Any]]:
    """The indexes of the tables that are there, by table, as SQLAlchemy reads them.

    Names of columns are in lower case where a database takes names that differ only in case as equal.
    """
    every = inspect(connection).get_multi_indexes(filter_names=tables)
    if not dialects.of(connection).keeps_case:
        for one in chain.from_iterable(every.values()):
            one["column_names"] = [name and name.lower() for name in one["column_names"]]
    return {table: existing for (_, table), existing in every.items()}


def stands(index: Index, existing: Sequence[Any]) -> bool:
    """Whether an index is among the ``existing`` ones of a table, as SQLAlchemy reads them.

    Those of a mapped table are known by their columns too: connector 0.1 gave them other names.
    """
    names = [column.name for column in index.columns]
    by_columns = index.table is not None and index.table.name not in OWN
    return any(
        _covers(one["column_names"], names)
        if one["name"] == index.name
        else by_columns and one["column_names"] == names and not _is_special(one)
        for one in existing
    )


def _covers(columns: Sequence[str | None], names: Sequence[str]) -> bool:
    """Whether an index has these columns; an expression, without a name, is the first letters of one."""
    return len(columns) == len(names) and all(
        one in (None, name) for one, name in zip(columns, names, strict=True)
    )


def _is_special(index: Any) -> bool:
    """Whether an index is over some rows only, over expressions or of an unusual kind."""
    options = index.get("dialect_options", {})
    return any(name.endswith(("_where", "_using")) for name in options) or "expressions" in index


def making_way(connection: Connection, table: str, write: Callable[[], None]) -> None:
    """Write into a table what the ledger says; shorten indexes that cannot hold it."""
    if dialects.of(connection).index_limit:
        try:
            with connection.begin_nested():
                write()
        except DBAPIError as error:
            texts = _Texts(connection, table)
            # Of a text beyond a page PostgreSQL does not say which index it was.
            if not texts.are_too_long(error) or not texts.shorten_all():
                raise
        else:
            return
    write()


class _Texts:
    """The texts of a table that is there, which an index over them may not hold."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection, self._table = connection, table

    def are_too_long(self, error: DBAPIError) -> bool:
        """Whether that is what the database says."""
        dialect = dialects.of(self._connection)
        return dialect.index_limit is not None and dialect.code(error) == dialect.index_limit

    def shorten_all(self) -> bool:
        """Shorten the indexes that hold whole texts; whether there was one."""
        every, texts = inspect(self._connection).get_indexes(self._table), self._columns()
        whole = [one for one in every if texts.intersection(one["column_names"])]
        for index in whole:
            self._connection.exec_driver_sql(f"DROP INDEX {quoted(str(index['name']))}")
            self.shorten(str(index["name"]), [str(column) for column in index["column_names"]])
        return bool(whole)

    def shorten(self, name: str, columns: Sequence[str]) -> None:
        """Make an index over the first letters of texts among these columns."""
        texts = self._columns().intersection(columns)
        letters = LETTERS // len(texts)
        listed = [
            f"left({quoted(column)}, {letters})" if column in texts else quoted(column) for column in columns
        ]
        made = f"CREATE INDEX {quoted(name)} ON {quoted(self._table)} ({', '.join(listed)})"
        self._connection.exec_driver_sql(made)
        log.warning(
            "the table holds texts that are too long for an index, so it is made over their first letters",
            table=logical(self._table),
            index=name,
            letters=letters,
            fix=f"ask with left(column, {letters}) = left(value, {letters}) too, "
            "or remove it from tables.yaml",
        )

    def _columns(self) -> set[str]:
        """Names of the columns that are text in this database: an instant is text to the mapping only."""
        columns = inspect(self._connection).get_columns(self._table)
        return {one["name"] for one in columns if isinstance(one["type"], Text)}
