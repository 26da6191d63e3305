"""The database behind the mirror: its engine, its transactions and its errors by kind.

Errors are of three kinds, one for each reaction (docs/reliability.md, Promised): the worker waits until an
outage ends, parks a poison event, and stops at anything else, a defect. The driver's own
error code decides, in ``Dialect.translate`` alone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.clocks import outside
from connector.config import DatabaseSettings, database_url
from connector.errors import ConnectorError, DatabaseOutage, Defect
from connector.mirror import dialects
from connector.mirror.dialects.dialect import Access


def dialect_of(database: DatabaseSettings) -> dialects.Dialect:
    """The database that the configuration names."""
    return dialects.named(database_url.Backend.of(database.url.get_secret_value()))


def url_of(database: DatabaseSettings) -> URL:
    """The database with the driver that the connector brings, for people and for other engines.

    ``connect`` gives PostgreSQL more than this says.
    """
    return dialect_of(database).url(database.url.get_secret_value())


def shown(database: DatabaseSettings) -> str:
    """The database as a URL for people: without its password."""
    # libpq takes a password among the options too, where SQLAlchemy does not hide it.
    url = url_of(database).difference_update_query(("password", "sslpassword"))
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def file_of(database: DatabaseSettings) -> Path | None:
    """The file that a mirror in SQLite is; None for PostgreSQL."""
    return dialect_of(database).file(url_of(database))


def connect(database: DatabaseSettings, *, connections: int = 1, access: Access = "create") -> Engine:
    """An engine; no connection is made yet. ``connections`` is the size of the pool to a server.

    With ``read`` nothing can be changed, no write lock is taken, and one transaction sees one state of
    the database. Raises ``StartupError`` where a SQLite file cannot be used so.
    """
    return dialect_of(database).connect(database, connections=connections, access=access)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end; the database's errors come out translated."""
    try:
        with engine.begin() as connection:
            yield connection
    except dialects.ERRORS as error:
        raise translate(error, engine.url.database or "") from error


def clock_distance(engine: Engine) -> float | None:
    """Seconds that this host's clock is ahead of the database's, 0 when it may be equal.

    None on SQLite, which has this host's clock. Raises as ``transaction`` does.
    """
    if (clock := dialects.of(engine).clock) is None:
        return None
    with transaction(engine) as connection:
        before = time.time()
        theirs: float = connection.exec_driver_sql(f"SELECT {clock}").scalar_one()
        after = time.time()
    return -outside(theirs, before, after)


def save(engine: Engine, file: Path, observe: Callable[[int, int], None]) -> bool:
    """Write a mirror in SQLite, which backups hold, into another file as it is now; False for any other.

    The engine reads; ``observe`` gets how much is done, and all. Raises as ``transaction`` does.
    """
    try:
        return dialects.of(engine).save(engine, file, observe)
    except dialects.ERRORS as error:
        raise translate(error, str(file)) from error


def translate(error: Exception, file: str = "of database.url") -> ConnectorError:
    """What a database error means for the caller: ``DatabaseOutage``, ``Poison``, ``Defect`` or damage.

    ``file`` is the SQLite file that it is about.
    """
    original: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        original = error.orig
    if isinstance(error, PoolTimeout):
        return DatabaseOutage("No database connection came free in time.")
    if dialect := dialects.of_error(original):
        return dialect.translate(original, file)
    return Defect(f"{type(error).__name__}: {error}")
