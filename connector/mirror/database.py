"""The database behind the mirror: engine, transactions, and its errors told apart.

Three reactions, three kinds (architecture.md): an outage is waited out, a poison event is parked,
anything else is a defect. The driver's own error code decides, in ``translate`` alone.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.clocks import outside
from connector.config import Database
from connector.errors import AlreadyThere, ConnectorError, DatabaseOutage, Defect, Poison, StartupError

# SQLSTATE classes (PostgreSQL, appendix A) by the reaction that they need.
# Data exception, constraint violation, row or index too big, and what a trigger of somebody's raises.
POISON_CLASSES = ("22", "23", "54", "P0")
# Table or column gone, statement not supported, something of somebody's depends on what is dropped.
DEFECT_CLASSES = ("42", "0A", "2B")
DEFECT_EXCEPTIONS = ("42501",)  # insufficient privilege is mended outside: an outage
UNIQUE_VIOLATION = "23505"
SQLITE_UNIQUE = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
SQLITE_POISON = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    # KiB. Ids are random, so a batch touches pages all over; with SQLite's 2 MB most were read anew.
    "cache_size=-8000",
)
SQLITE_MINIMUM = (3, 37, 0)  # STRICT tables


def url_of(database: Database) -> URL:
    """The SQLAlchemy URL with the driver that the connector brings: psycopg 3 or sqlite3."""
    url = make_url(database.url.get_secret_value())
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url.set(drivername="sqlite+pysqlite")


def file_of(database: Database) -> Path | None:
    """The file that a mirror in SQLite is; None for PostgreSQL."""
    url = url_of(database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def connect(database: Database, *, connections: int = 1) -> Engine:
    """An engine; no connection is made yet.

    SQLite takes one writer, so it gets one connection; ``connections`` is PostgreSQL's pool size.
    """
    url = url_of(database)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, database)
    timeouts = f"-c lock_timeout={int(database.lock_timeout_seconds * 1000)} -c timezone=UTC "
    # A worker that was frozen inside a transaction must not hold its locks for as long as it sleeps.
    timeouts += "-c idle_in_transaction_session_timeout=30000"
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=2,
        pool_timeout=database.connect_timeout_seconds,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": max(2, int(database.connect_timeout_seconds)),
            "options": timeouts,
            "application_name": "xtnd-connector",
            # A server that vanished without a word is noticed after about 25 s instead of hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    )


def _sqlite_engine(url: URL, database: Database) -> Engine:
    if sqlite3.sqlite_version_info < SQLITE_MINIMUM:
        raise StartupError(
            f"This Python's SQLite is {sqlite3.sqlite_version}; the mirror needs 3.37 or newer.",
            "use a newer Python build, or PostgreSQL with DATABASE_URL=postgresql://…",
        )
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=2,
        max_overflow=1,
        connect_args={"timeout": database.lock_timeout_seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by _on_begin, explicitly
        for pragma in SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # Takes the write lock at once, so that no transaction fails half-way for want of it.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end; the database's errors come out translated."""
    try:
        with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise translate(error) from error


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


def translate(error: Exception) -> ConnectorError:
    """What a database error means for the caller: ``DatabaseOutage``, ``Poison`` or ``Defect``."""
    original: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        original = error.orig
    if isinstance(error, PoolTimeout):
        return DatabaseOutage("No database connection came free in time.")
    if isinstance(original, sqlite3.Error):
        return _translate_sqlite(original)
    if isinstance(original, psycopg.Error):
        return _translate_postgresql(original)
    return Defect(f"{type(error).__name__}: {error}")


def _translate_postgresql(error: psycopg.Error) -> ConnectorError:
    state = error.sqlstate or ""
    message = _first_line(error)
    if state == UNIQUE_VIOLATION and error.diag.constraint_name == "notifications_pkey":
        # Between the look into the ledger and the insert; the next look finds it.
        return DatabaseOutage("Another worker wrote one of these events meanwhile.")
    if state == UNIQUE_VIOLATION:
        return AlreadyThere(f"PostgreSQL refused the value: {message} ({state}).")
    if state[:2] in POISON_CLASSES:
        where = (
            f" in {error.diag.context.splitlines()[0]}" if state[:2] == "P0" and error.diag.context else ""
        )
        return Poison("database-refused", f"PostgreSQL refused the value: {message}{where} ({state}).")
    if (state[:2] in DEFECT_CLASSES and state not in DEFECT_EXCEPTIONS) or (
        not state and isinstance(error, psycopg.ProgrammingError | psycopg.NotSupportedError)
    ):
        return Defect(f"PostgreSQL: {message} ({state}).")
    if not state and isinstance(error, psycopg.DataError):
        return Poison("database-refused", f"The value cannot be sent to PostgreSQL: {message}.")
    # 08 connection, 28 authorization, 40 rollback, 53 resources, 55 not in state, 57 operator,
    # 58 system, 25 read-only after a fail-over, and whatever is unknown: wait, skip nothing.
    return DatabaseOutage(f"PostgreSQL: {message} ({state or type(error).__name__})")


def _translate_sqlite(error: sqlite3.Error) -> ConnectorError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name in SQLITE_UNIQUE:
        return AlreadyThere(f"SQLite refused the value: {error} ({name}).")
    if name.startswith(SQLITE_POISON) or isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return Poison("database-refused", f"SQLite refused the value: {error} ({name}).")
    if name == "SQLITE_ERROR" or (not name and isinstance(error, sqlite3.ProgrammingError)):
        return Defect(f"SQLite: {error}")
    return DatabaseOutage(f"SQLite: {error} ({name or type(error).__name__})")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
