"""The databases that can hold a mirror. Only the modules of this package know one by its name.

One more is a module here with a ``Dialect`` and a ``Catalogue``, and a line in ``_KNOWN``. What stands
elsewhere: its URL (``config.database_url.Backend``), its driver (``pyproject.toml``, ``.importlinter``), and
a SELECT where a shipped view has one for each database (``config/tables.yaml``).
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from connector.mirror.dialects.base_catalogue import Catalogue
from connector.mirror.dialects.dialect import Dialect
from connector.mirror.dialects.postgresql import PostgreSQL
from connector.mirror.dialects.postgresql_catalogue import PostgreSQLCatalogue
from connector.mirror.dialects.sqlite import SQLite
from connector.mirror.dialects.sqlite_catalogue import SQLiteCatalogue

__all__ = [
    "ERRORS",
    "Catalogue",
    "Dialect",
    "catalogue",
    "column_type",
    "named",
    "of",
    "of_error",
    "options",
    "versions",
]

# Each has its name in ``config.database_url.Backend``.
_KNOWN = ((PostgreSQL(), PostgreSQLCatalogue), (SQLite(), SQLiteCatalogue))
_ALL: dict[str, Dialect] = {dialect.name: dialect for dialect, _ in _KNOWN}
_CATALOGUES: dict[str, type[Catalogue]] = {dialect.name: catalogue for dialect, catalogue in _KNOWN}
# What a database may raise: SQLAlchemy's errors, and the drivers' own.
ERRORS: tuple[type[Exception], ...] = (SQLAlchemyError, *(one.driver_error for one in _ALL.values()))


def of(bound: Engine | Connection) -> Dialect:
    """The database of an engine or a connection."""
    return _ALL[bound.dialect.name]


def named(name: str) -> Dialect:
    """The database that a URL names so (``database_url.Backend.of``)."""
    return _ALL[name]


def of_error(error: BaseException) -> Dialect | None:
    """The database whose driver raised an error; None where that was somebody else."""
    return next((one for one in _ALL.values() if isinstance(error, one.driver_error)), None)


def options(of: Callable[[Dialect], Mapping[str, Any]]) -> dict[str, Any]:
    """What each database has its own options for, as SQLAlchemy takes them."""
    return {f"{one.name}_{name}": value for one in _ALL.values() for name, value in of(one).items()}


def catalogue(connection: Connection) -> Catalogue:
    """What a database has beside rows, in this transaction."""
    return _CATALOGUES[connection.dialect.name](connection, of(connection))


def versions() -> dict[str, str]:
    """Versions of the databases' libraries, by library."""
    return dict(dialect.library for dialect in _ALL.values())


def column_type(type_: str) -> TypeEngine[Any]:
    """A column's type, which each database declares as its own."""
    first, *others = _ALL.values()
    made = first.types[type_]
    for dialect in others:
        made = made.with_variant(dialect.types[type_], dialect.name)
    return made
