"""One read-only query against the mirror, for a first look from the terminal."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from connector.errors import ConnectorError, StartupError
from connector.mirror import dialects, query_errors
from connector.mirror.database import transaction

# What gives rows and does nothing else; COPY, ATTACH or VACUUM INTO would write files.
QUERIES = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW"))
# Only what both databases end at the same letter, or one would run what looks like a comment here:
# PostgreSQL ends a line at a carriage return too, and has comments within comments.
COMMENT = re.compile(r"--[^\r\n]*(?:\r?\n|\Z)|/\*(?:(?!/\*).)*?\*/|[\s(]", re.DOTALL)
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Result:
    """Column names and rows of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def run(engine: Engine, sql: str) -> Result:
    """Run one query on an engine that reads (``database.connect(…, access="read")``).

    Raises ``ConnectorError`` when it cannot be run, a ``StartupError`` with the fix where that lies in the
    query. The driver is asked itself: colons and per cent signs are SQL's own, and on PostgreSQL a prepared
    statement is one statement, so that nothing can follow a ``COMMIT`` within the text.
    """
    if _first_word(sql) not in QUERIES:
        raise StartupError("That is not a query: it returns no rows.", "ask with SELECT or WITH")
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise StartupError("The query is not UTF-8.", "set a UTF-8 locale: LC_ALL=C.UTF-8") from None
    try:
        with transaction(engine) as connection:
            cursor: Any = connection.connection.cursor()
            try:
                columns, rows = dialects.of(connection).ask(cursor, sql)
            finally:
                cursor.close()
            # EXPLAIN ANALYZE CREATE TABLE … AS makes the table, in PostgreSQL's read-only transaction too.
            connection.rollback()
            return Result(columns, [tuple(row) for row in rows])
    except ConnectorError as error:
        raise query_errors.explain(engine, sql, error) from error.__cause__


def _first_word(sql: str) -> str:
    position = 0
    while skipped := COMMENT.match(sql, position):
        position = skipped.end()
    word = WORD.match(sql, position)
    return word[0].upper() if word else ""
