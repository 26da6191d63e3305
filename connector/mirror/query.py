"""One read-only query against the mirror, for a first look from the terminal."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from connector.errors import StartupError
from connector.mirror.database import transaction


@dataclass(frozen=True, slots=True)
class Result:
    """Column names and rows of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def run(engine: Engine, sql: str) -> Result:
    """Run a query that cannot change anything; raises ``ConnectorError`` when it cannot be run."""
    with transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        else:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        try:
            # A colon in the text is SQL's own, not a parameter.
            result = connection.execute(text(sql.replace(":", "\\:")))
            if not result.returns_rows:
                raise StartupError("That is no query: it gives no rows.", "ask with SELECT or WITH")
            return Result(list(result.keys()), [tuple(row) for row in result])
        finally:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = OFF")
