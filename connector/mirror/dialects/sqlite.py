"""A mirror in SQLite: STRICT tables in one file."""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Integer, Text, event, make_url
from sqlalchemy.types import UserDefinedType
from typing_extensions import override

from connector import events
from connector.config import Database
from connector.errors import AlreadyThere, ConnectorError, DatabaseOutage, Defect, EventsKnown, Poison
from connector.mirror.dialects import sqlite_file
from connector.mirror.dialects.dialect import Access, Columns, Dialect, Encoded, as_text

INT64 = 2**63
UNIQUE = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
POISON = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA")
# Python's own words, without a code, about bytes that were never written as text.
NO_TEXT = "Could not decode to UTF-8"
# A header that is none, which SQLite gives the code of any error.
NO_FORMAT = "unsupported file format"
# Sorting for an index goes to disk, because a table may be larger than memory; the size is in KiB.
LOADING_PRAGMAS = ("temp_store=FILE", "cache_size=-64000")
# As ``encode`` has it: INTEGER where it is a whole one that fits, else its text.
EXACT_NUMBER = "CASE WHEN {0} = CAST(CAST({0} AS INTEGER) AS TEXT) THEN CAST({0} AS INTEGER) ELSE {0} END"
PROGRESS_STEPS = 10_000  # of SQLite's machine, between two looks at the clock


class ExactAny(UserDefinedType[Any]):
    """SQLite's ANY in a STRICT table: a value is stored as it is given, never as a binary float."""

    cache_ok = True

    @override
    def get_col_spec(self, **_kw: Any) -> str:
        return "ANY"


class SQLite(Dialect):
    """SQLite, asked through Python's own module. Instants are text, and so are fractions."""

    name = "sqlite"
    driver_error = sqlite3.Error
    mark = "?"
    types = {  # noqa: RUF012 - declared as constant by Dialect
        "text": Text(),
        "exact": Text(),
        "numeric": ExactAny(),
        "timestamp": Text(),
        "boolean": Integer(),  # shows 0 and 1
        "integer": Integer(),
        "json": Text(),
    }
    table_options = " STRICT"
    one_writer = True
    differs = "IS NOT"
    most_rows = 20_000

    @override
    def url(self, text: str) -> URL:
        return make_url(text).set(drivername="sqlite+pysqlite")

    @override
    def file(self, url: URL) -> Path:
        return Path(str(url.database))  # which ``database_url`` requires

    @override
    def connect(self, database: Database, *, connections: int, access: Access) -> Engine:
        file = self.file(self.url(database.url.get_secret_value()))
        return sqlite_file.engine(file, lock_timeout_seconds=database.lock_timeout_seconds, access=access)

    @override
    def translate(self, error: sqlite3.Error, file: str) -> ConnectorError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(DAMAGED) or str(error).startswith((NO_TEXT, NO_FORMAT)):
            # What could not be decoded is somebody's data, and no part of a report.
            reason = f"{error} ({name})" if name else "it holds text that is not UTF-8"
            return sqlite_file.damaged(file, reason)
        if name in UNIQUE:
            if str(error).endswith("_notifications.event_id, _notifications.source"):
                return EventsKnown("SQLite's ledger holds one of these events.")
            return AlreadyThere(f"SQLite refused the value: {error} ({name}).")
        if name.startswith(POISON) or isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
            return Poison("database-refused", f"SQLite refused the value: {error} ({name}).")
        if name == "SQLITE_ERROR" or (not name and isinstance(error, sqlite3.ProgrammingError)):
            return Defect(f"SQLite: {error}")
        return DatabaseOutage(f"SQLite: {error} ({name or type(error).__name__}), file {file}")

    @override
    def lock_schema(self, connection: Connection, *, shared: bool) -> None:
        """Nothing to do: every transaction is alone by itself."""

    @override
    def wait_briefly(self, connection: Connection, seconds: float) -> None:
        """Nothing to do: a transaction has waited before it begins, and never does after that."""

    @override
    @contextmanager
    def until(self, connection: Connection, deadline: float) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: time.monotonic() >= deadline, PROGRESS_STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)

    @override
    @contextmanager
    def snapshot(self, connection: Connection) -> Iterator[None]:
        connection.execution_options(**{sqlite_file.SNAPSHOT: True})
        try:
            with connection.begin():
                yield
        finally:
            connection.execution_options(**{sqlite_file.SNAPSHOT: False})

    @override
    @contextmanager
    def rebuilding(self, connection: Connection) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA temp_store = FILE").close()
        with sqlite_file.rebuilding(self.file(connection.engine.url)):
            yield

    @override
    def scalar(self, type_: str) -> str:
        return "?"

    @override
    def microseconds(self, instant: str) -> str:
        # Whole seconds by the calendar, microseconds as they stand in the text.
        seconds = f"CAST(strftime('%s', substr({instant}, 1, 19)) AS INTEGER)"
        return f"({seconds} * 1000000 + CAST(substr({instant}, 21, 6) AS INTEGER))"

    @override
    def seconds_between(self, start: str, end: str) -> str:
        return f"(({self.microseconds(end)} - {self.microseconds(start)}) / 1000000.0)"

    @override
    def json_text(self, json: str) -> str:
        return json

    @override
    def is_json_array(self, json: str) -> str:
        return f"json_type({json}) = 'array'"

    @override
    def number(self, column: str) -> str:
        return f"CAST({column} AS NUMERIC)"

    @override
    def encode(self, columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
        """Rows of a temporary table of as many columns, which keeps every value as it is given."""
        converters = [_VALUES.get(type_) for _, type_ in columns]
        by_column = [
            column if convert is None else [None if value is None else convert(value) for value in column]
            for convert, column in zip(converters, values, strict=True)
        ]
        width = len(columns)
        # "WHERE true" keeps SQLite from reading ON CONFLICT as a join condition.
        return Encoded(
            _numbered(width),
            f"FROM temp.{_temporary(width)} WHERE true",
            width=width,
            temporary=list(zip(*by_column, strict=True)),
        )

    @override
    def run(
        self,
        connection: Connection,
        before: str,
        encoded: Encoded,
        after: str,
        late: Sequence[tuple[str, Any]] = (),
    ) -> Sequence[Any]:
        table, columns = _temporary(encoded.width), _numbered(encoded.width)
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {table} ({columns})")
        connection.exec_driver_sql(f"DELETE FROM temp.{table}")
        marks = ", ".join("?" * encoded.width)
        connection.exec_driver_sql(f"INSERT INTO temp.{table} VALUES ({marks})", encoded.temporary)
        return super().run(connection, before, encoded, after, late)

    @override
    def add(
        self, connection: Connection, before: str, encoded: Encoded, late: Sequence[tuple[str, Any]]
    ) -> None:
        # Without a temporary table.
        values = tuple(as_text(type_, value) for type_, value in late)
        marks = ", ".join("?" * (encoded.width + len(values)))
        rows = [(*row, *values) for row in encoded.temporary] if values else encoded.temporary
        connection.exec_driver_sql(f"{before} VALUES ({marks})", rows)

    @override
    def for_loading(self, engine: Engine) -> None:
        @event.listens_for(engine, "connect")
        def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
            for pragma in LOADING_PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").close()

    @override
    def hold(self, connection: Connection, tables: Collection[str]) -> None:
        """Nothing to do: a transaction sees all of the database as it was at its first look."""

    @override
    def portable(self, column: str, type_: str) -> str:
        return f"CAST({column} AS TEXT)" if type_ == "numeric" else column

    @override
    def stream(self, connection: Connection, query: str) -> Iterator[tuple[Any, ...]]:
        driver: Any = connection.connection.driver_connection
        return iter(driver.execute(query))

    @override
    def load(
        self, connection: Connection, table: str, columns: Columns, rows: Iterable[Sequence[Any]]
    ) -> None:
        names = ", ".join(f'"{name}"' for name, _ in columns)
        values = ", ".join(
            (EXACT_NUMBER if type_ == "numeric" else "{0}").format(f"?{place}")
            for place, (_, type_) in enumerate(columns, 1)
        )
        driver: Any = connection.connection.driver_connection
        driver.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({values})', rows)

    @override
    def refused_row(self, error: sqlite3.Error) -> None:
        return None

    @override
    def readers(self, connection: Connection) -> list[str]:
        return []

    @override
    def others_views(self, connection: Connection, ours: Collection[str]) -> list[str]:
        query = "SELECT lower(name) FROM sqlite_master WHERE type = 'view'"
        return sorted({*connection.exec_driver_sql(query).scalars()} - {*ours})


def _temporary(width: int) -> str:
    """A name that no table of ``tables.yaml`` can have, of which a temporary one would stand before it."""
    return f"__batch_{width}"


def _numbered(width: int) -> str:
    return ", ".join(f"c{index}" for index in range(width))


def _exact_number(value: str) -> int | str:
    """A whole number as INTEGER where it fits, else exact text."""
    return int(value) if "." not in value and -INT64 <= int(value) < INT64 else value


_VALUES: dict[str, Callable[[Any], Any]] = {"timestamp": events.iso, "numeric": _exact_number}
