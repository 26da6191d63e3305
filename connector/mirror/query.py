"""One read-only query against the mirror, for a first look from the terminal."""

import re
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.string import TextLoader
from sqlalchemy import Engine
from typing_extensions import override

from connector.errors import ConnectorError, StartupError
from connector.mirror import query_errors
from connector.mirror.database import transaction
from connector.safe_text import JsonText

# What gives rows and does nothing else; COPY, ATTACH or VACUUM INTO would write files.
QUERIES = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW"))
# Only what both databases end at the same letter, or one would run what looks like a comment here:
# PostgreSQL ends a line at a carriage return too, and has comments within comments.
COMMENT = re.compile(r"--[^\r\n]*(?:\r?\n|\Z)|/\*(?:(?!/\*).)*?\*/|[\s(]", re.DOTALL)
WORD = re.compile(r"\w+")
INTERRUPT_SECONDS = 0.1
# PostgreSQL has instants that Python has none for (infinity, the year 10,000), and its text is exact.
AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "bytea", "uuid")


class JsonTextLoader(TextLoader):
    """Keeps json as its text: a number in it would lose digits as a float."""

    @override
    def load(self, data: Any) -> JsonText:
        return JsonText(bytes(data).decode("utf-8"))


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
        raise StartupError("That is no query: it gives no rows.", "ask with SELECT or WITH")
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise StartupError("The query is not UTF-8.", "set a UTF-8 locale: LC_ALL=C.UTF-8") from None
    try:
        with transaction(engine) as connection:
            cursor: Any = connection.connection.cursor()
            try:
                result = _asked(cursor, sql)
            finally:
                cursor.close()
            # EXPLAIN ANALYZE CREATE TABLE … AS makes the table, in PostgreSQL's read-only transaction too.
            connection.rollback()
            return result
    except ConnectorError as error:
        raise query_errors.explain(engine, sql, error) from error.__cause__


def _asked(cursor: Any, sql: str) -> Result:
    if isinstance(cursor, psycopg.Cursor):
        for name in AS_TEXT:
            cursor.adapters.register_loader(name, TextLoader)
        for name in ("json", "jsonb"):
            cursor.adapters.register_loader(name, JsonTextLoader)
        return _fetched(cursor, cursor.execute(sql.encode(), prepare=True))
    # A text that somebody wrote as other bytes than UTF-8 is shown, not called damage.
    cursor.connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    # Beside this thread: while SQLite works, Python hears no Ctrl-C.
    with futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: _fetched(cursor, cursor.execute(sql)))
        try:
            return asked.result()
        finally:
            while not asked.done():
                cursor.connection.interrupt()
                futures.wait([asked], timeout=INTERRUPT_SECONDS)


def _fetched(cursor: Any, rows: Any) -> Result:
    columns = [column[0] for column in cursor.description or ()]
    return Result(columns, [tuple(row) for row in rows])


def _first_word(sql: str) -> str:
    position = 0
    while skipped := COMMENT.match(sql, position):
        position = skipped.end()
    word = WORD.match(sql, position)
    return word[0].upper() if word else ""
