"""The database behind the mirror: engine, transactions, and its errors told apart.

Three reactions, three kinds (architecture.md): an outage is waited out, a poison event is parked,
anything else is a defect. The driver's own error code decides, in ``translate`` alone.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.clocks import outside
from connector.config import Database, database_url
from connector.errors import (
    AlreadyThere,
    ConnectorError,
    DatabaseDamaged,
    DatabaseOutage,
    Defect,
    Poison,
    StatementTimeout,
)
from connector.mirror import postgresql, sqlite
from connector.mirror.sqlite import Access

# SQLSTATE classes (PostgreSQL, appendix A) by the reaction that they need.
# Data exception, constraint violation, row or index too big, and what a trigger of somebody's raises.
POISON_CLASSES = ("22", "23", "54", "P0")
# Table or column gone, statement not supported, something of somebody's depends on what is dropped.
DEFECT_CLASSES = ("42", "0A", "2B")
DEFECT_EXCEPTIONS = ("42501",)  # insufficient privilege is mended outside: an outage
DAMAGED = ("XX001", "XX002")  # data corrupted, index corrupted
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"
SQLITE_UNIQUE = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
SQLITE_POISON = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
SQLITE_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA")
# Python's own words, without a code, about bytes that were never written as text.
SQLITE_NO_TEXT = "Could not decode to UTF-8"
# A header that is none, which SQLite gives the code of any error.
SQLITE_NO_FORMAT = "unsupported file format"


def url_of(database: Database) -> URL:
    """The database with the driver that the connector brings, for people and for other engines.

    ``connect`` gives PostgreSQL more than this says.
    """
    text = database.url.get_secret_value()
    if database_url.backend(text) == "sqlite":
        return make_url(text).set(drivername="sqlite+pysqlite")
    given = postgresql.parameters_of(text)
    port = int(given.pop("port")) if given.get("port", "").isdecimal() else None
    names = ("user", "password", "host", "dbname")
    user, password, host, name = (given.pop(one, None) for one in names)
    return URL.create("postgresql+psycopg", user, password, host, port, name, given)


def file_of(database: Database) -> Path | None:
    """The file that a mirror in SQLite is; None for PostgreSQL."""
    url = url_of(database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def connect(database: Database, *, connections: int = 1, access: Access = "create") -> Engine:
    """An engine; no connection is made yet. ``connections`` is PostgreSQL's pool size.

    With ``read`` nothing can be changed, no write lock is taken, and one transaction sees one state of
    the database. Raises ``StartupError`` where a SQLite file cannot be used so.
    """
    if file := file_of(database):
        return sqlite.engine(file, lock_timeout_seconds=database.lock_timeout_seconds, access=access)
    parameters = postgresql.session(
        database.url.get_secret_value(),
        connect_timeout_seconds=database.connect_timeout_seconds,
        lock_timeout_seconds=database.lock_timeout_seconds,
        read_only=access == "read",
    )
    engine = create_engine(
        "postgresql+psycopg://",
        pool_size=connections,
        max_overflow=2,
        pool_timeout=database.connect_timeout_seconds,
        pool_pre_ping=True,
    )

    @event.listens_for(engine, "do_connect")
    def _on_connect(*_: object) -> psycopg.Connection[tuple[object, ...]]:
        # Before SQLAlchemy asks anything: in a database of another encoding it gets bytes for text.
        return postgresql.connect(parameters, schema=database.schema_name, store_schema=database.store_schema)

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end; the database's errors come out translated."""
    try:
        with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise translate(error, engine.url.database or "") from error


def clock_distance(engine: Engine) -> float | None:
    """Seconds that this host's clock is ahead of the database's, 0 when it may be equal.

    None on SQLite, which has this host's clock. Raises as ``transaction`` does.
    """
    if engine.dialect.name != "postgresql":
        return None
    with transaction(engine) as connection:
        before = time.time()
        asked = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::float8")
        theirs: float = asked.scalar_one()
        after = time.time()
    return -outside(theirs, before, after)


# Held shared by every batch and alone by a change of the schema.
SCHEMA_LOCK = 0x58544E44
# Execution option of a connection that changes nothing that others use (schema_trial.py).
UNLOCKED = "xtnd_unlocked"


def lock_schema(connection: Connection, *, shared: bool = False) -> None:
    """Hold the schema as it is (``shared``) or for a change, until the transaction ends.

    On SQLite every transaction is alone by itself.
    """
    if connection.dialect.name == "postgresql" and UNLOCKED not in connection.get_execution_options():
        kind = "_shared" if shared else ""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}(%s)", (SCHEMA_LOCK,))


def translate(error: Exception, file: str = "of database.url") -> ConnectorError:
    """What a database error means for the caller: ``DatabaseOutage``, ``Poison``, ``Defect`` or damage.

    ``file`` is the SQLite file that it is about.
    """
    original: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        original = error.orig
    if isinstance(error, PoolTimeout):
        return DatabaseOutage("No database connection came free in time.")
    if isinstance(original, sqlite3.Error):
        return _translate_sqlite(original, file)
    if isinstance(original, psycopg.Error):
        return _translate_postgresql(original)
    return Defect(f"{type(error).__name__}: {error}")


def _translate_postgresql(error: psycopg.Error) -> ConnectorError:
    state = error.sqlstate or ""
    message = f"{_first_line(error)} ({state or type(error).__name__})"
    if state == UNIQUE_VIOLATION:
        if error.diag.constraint_name == "_notifications_pkey":
            # Between the look into the ledger and the insert; the next look finds it.
            return DatabaseOutage("Another worker wrote one of these events meanwhile.")
        return AlreadyThere(f"PostgreSQL refused the value: {message}.")
    if state in DAMAGED:
        cure = "see PostgreSQL's log; restore a backup, or make an index again with: REINDEX DATABASE"
        return DatabaseDamaged(f"PostgreSQL's files are damaged: {message}.", cure)
    if state[:2] in POISON_CLASSES or (not state and isinstance(error, psycopg.DataError)):
        where = (
            f" in {error.diag.context.splitlines()[0]}" if state[:2] == "P0" and error.diag.context else ""
        )
        return Poison("database-refused", f"PostgreSQL refused the value: {message}{where}.")
    # With a context it is a function of somebody's, in a trigger, that may not do something.
    outside = state in DEFECT_EXCEPTIONS and not error.diag.context
    if (state[:2] in DEFECT_CLASSES and not outside) or (
        not state and isinstance(error, psycopg.ProgrammingError | psycopg.NotSupportedError)
    ):
        return Defect(f"PostgreSQL: {message}.")
    # 08 connection, 28 authorization, 40 rollback, 53 resources, 55 not in state, 57 operator,
    # 58 system, 25 read-only after a fail-over, and whatever is unknown: wait, skip nothing.
    outage = StatementTimeout if state == QUERY_CANCELED else DatabaseOutage
    return outage(f"PostgreSQL: {message}")


def _translate_sqlite(error: sqlite3.Error, file: str) -> ConnectorError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(SQLITE_DAMAGED) or str(error).startswith((SQLITE_NO_TEXT, SQLITE_NO_FORMAT)):
        # What could not be decoded is somebody's data, and no part of a report.
        return sqlite.damaged(file, f"{error} ({name})" if name else "it holds text that is not UTF-8")
    if name in SQLITE_UNIQUE:
        return AlreadyThere(f"SQLite refused the value: {error} ({name}).")
    if name.startswith(SQLITE_POISON) or isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return Poison("database-refused", f"SQLite refused the value: {error} ({name}).")
    if name == "SQLITE_ERROR" or (not name and isinstance(error, sqlite3.ProgrammingError)):
        return Defect(f"SQLite: {error}")
    return DatabaseOutage(f"SQLite: {error} ({name or type(error).__name__}), file {file}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
