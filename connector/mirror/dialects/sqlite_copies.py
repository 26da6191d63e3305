"""Copies of a mirror in SQLite that are in memory, to try things on: empty, or with a few of its rows."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from connector.mirror.dialects.dialect import quoted
from connector.mirror.dialects.parts import Beside

LIVE = "live."


def in_memory(*, beside: Path | None = None) -> Engine:
    """An engine on an empty SQLite in memory; the file ``beside`` is read as the schema ``live``."""
    arguments = {"check_same_thread": False, "uri": True}
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # each transaction starts with an explicit BEGIN
        if beside:
            connection.execute("ATTACH ? AS live", (f"{beside.absolute().as_uri()}?mode=ro",))

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def copy_empty(file: Path, empty: sqlite3.Connection, kept: Collection[str]) -> None:
    """Make everything that a file has in an empty database, with the rows of the tables ``kept`` alone."""
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        for (statement,) in source.execute(f"{query} ORDER BY type = 'table' DESC, rowid").fetchall():
            # What somebody built of parts that this process does not have is no matter here.
            with contextlib.suppress(sqlite3.Error):
                empty.execute(statement)
        names = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in names & {*kept}:
            rows = source.execute(f"SELECT * FROM {quoted(name)}").fetchall()
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                empty.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", rows)


@contextlib.contextmanager
def beside(file: Path) -> Iterator[Beside]:
    """See ``Dialect.beside``: SQLite has one lock for all writers, and this takes none but a reader's."""
    with in_memory(beside=file).connect() as connection:
        connection.begin()
        _make(connection, "type = 'table'")
        yield Beside(connection, LIVE, partial(_make, connection, "type <> 'table'"))


def _make(connection: Connection, which: str) -> None:
    """Make what the file has of this kind; what somebody built of parts that are not here is left out."""
    query = (
        f"SELECT sql FROM {LIVE}sqlite_schema WHERE sql IS NOT NULL AND {which} "
        "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid"
    )
    for statement in connection.exec_driver_sql(query).scalars().all():
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql(statement)
