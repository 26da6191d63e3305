"""One read-only query against the mirror, for a first look from the terminal."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from connector.errors import StartupError
from connector.mirror.database import transaction

# What gives rows and does nothing else; COPY, ATTACH or VACUUM INTO would write files.
QUERIES = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW"))
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|[\s(]", re.DOTALL)
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Result:
    """Column names and rows of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def run(engine: Engine, sql: str) -> Result:
    """Run one query on an engine that reads (``database.connect(…, access="read")``).

    Raises ``ConnectorError`` when it cannot be run. The driver is asked itself: colons and per cent
    signs are SQL's own, and on PostgreSQL a prepared statement is one statement, so that nothing can
    follow a ``COMMIT`` within the text.
    """
    if _first_word(sql) not in QUERIES:
        raise StartupError("That is no query: it gives no rows.", "ask with SELECT or WITH")
    with transaction(engine) as connection:
        cursor: Any = connection.connection.cursor()
        try:
            if connection.dialect.name == "postgresql":
                cursor.execute(sql, prepare=True)
            else:
                cursor.execute(sql)
            columns = [column[0] for column in cursor.description or ()]
            return Result(columns, [tuple(row) for row in cursor.fetchall()])
        finally:
            cursor.close()


def _first_word(sql: str) -> str:
    position = 0
    while skipped := COMMENT.match(sql, position):
        position = skipped.end()
    word = WORD.match(sql, position)
    return word[0].upper() if word else ""
