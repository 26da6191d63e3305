"""Empty copies of a mapping's tables, to try things on: never the live tables, and gone afterwards."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from connector.mirror.database import translate
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables

ON_A_STANDBY = "0A000"  # feature not supported


@contextmanager
def empty_copies(engine: Engine, mapping: Mapping) -> Iterator[Connection | None]:
    """A transaction on empty tables as the mapping has them, indexes too; it is never committed.

    On PostgreSQL they are temporary tables of the database's own server, on SQLite tables in memory:
    no lock on a live table is waited for. None where the role may make no temporary tables, or on a
    standby. The database's errors come out translated.
    """
    postgresql = engine.dialect.name == "postgresql"
    try:
        with (engine if postgresql else in_memory()).connect() as connection:
            connection.begin()  # closing the connection rolls it back
            if postgresql and not (_may_write(connection) and _may_make_temporary(connection)):
                yield None
                return
            if postgresql:
                # Only there: a statement that names another table fails instead of reaching a live one.
                connection.exec_driver_sql("SET LOCAL search_path TO pg_temp")
            Tables(mapping).metadata.create_all(connection, checkfirst=False)
            yield connection
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise translate(error) from error


def _may_write(connection: Connection) -> bool:
    """Whether this transaction may, also in a session that only reads: what it makes goes with it."""
    try:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")  # before any query
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != ON_A_STANDBY:
            raise
        return False
    return True


def _may_make_temporary(connection: Connection) -> bool:
    query = "SELECT has_database_privilege(current_database(), 'TEMP')"
    return bool(connection.exec_driver_sql(query).scalar_one())


def in_memory(*, beside: Path | None = None) -> Engine:
    """An engine on an empty SQLite in memory; the file ``beside`` is read as the schema ``live``."""
    arguments = {"check_same_thread": False, "uri": True}
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by _on_begin, explicitly
        if beside:
            connection.execute("ATTACH ? AS live", (f"{beside.absolute().as_uri()}?mode=ro",))

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
