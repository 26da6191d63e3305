"""A mirror in SQLite: STRICT tables in one file."""

import signal
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent import futures
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Integer, LargeBinary, Pool, Text, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import UserDefinedType
from typing_extensions import override

from connector import events
from connector.config import DatabaseSettings
from connector.mirror.dialects import sqlite_copies, sqlite_errors, sqlite_file, sqlite_saving, sqlite_views
from connector.mirror.dialects.dialect import Access, Columns, Dialect
from connector.mirror.dialects.parts import Beside, Encoded, LockHolder, as_text

INT64 = 2**63
# Sorting for an index goes to disk, because a table may be larger than memory; the size is in KiB.
LOADING_PRAGMAS = ("temp_store=FILE", "cache_size=-64000")
# As ``encode`` has it: INTEGER where it is a whole one that fits, else its text.
EXACT_NUMBER = "CASE WHEN {0} = CAST(CAST({0} AS INTEGER) AS TEXT) THEN CAST({0} AS INTEGER) ELSE {0} END"
INTERRUPT_SECONDS = 0.1
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
    code_name = "sqlite_errorname"
    library = ("sqlite", sqlite3.sqlite_version)
    compiler = sqlite.dialect()
    functions = "SELECT DISTINCT name FROM pragma_function_list"
    mark = "?"
    waits_between = ("engine_connect", "begin")  # and never after that
    types = {  # noqa: RUF012 - declared as constant by Dialect
        "text": Text(),
        "exact": Text(),
        "numeric": ExactAny(),
        "timestamp": Text(),
        "boolean": Integer(),  # shows 0 and 1
        "integer": Integer(),
        "json": Text(),
        "binary": LargeBinary(),
    }
    table_options = " STRICT"
    table_arguments = {"strict": True}  # noqa: RUF012 - as types
    event_order = (
        "substr(event_id, 1, instr(event_id, ':') - 1)",
        "CAST(substr(event_id, instr(event_id, ':') + 1) AS INTEGER)",
        "source",
        "row_index",
    )
    differs = "IS NOT"
    most_rows = 20_000
    built_upon = "SQLITE_ERROR"
    numeric_is_any = True
    # Whole seconds by the calendar, microseconds as they stand in the text.
    microseconds = (
        "(CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER) * 1000000 "
        "+ CAST(substr({0}, 21, 6) AS INTEGER))"
    ).format
    is_json_array = "json_type({0}) = 'array'".format
    # A binary float, which somebody wrote, is no number of the mirror's.
    numeric_text = "CASE WHEN typeof({0}) IN ('real', 'blob') THEN {0} ELSE CAST({0} AS TEXT) END".format
    number = "CAST({0} AS NUMERIC)".format
    translate = staticmethod(sqlite_errors.translate)
    fix = staticmethod(sqlite_errors.fix)
    explain = staticmethod(sqlite_errors.explain)
    difference = staticmethod(sqlite_views.difference)
    daily = staticmethod(sqlite_views.daily)
    log_watch = staticmethod(sqlite_file.log_watch)
    alters = keeps_case = False

    @override
    def seconds_between(self, start: str, end: str) -> str:
        return f"(({self.microseconds(end)} - {self.microseconds(start)}) / 1000000.0)"

    @override
    def url(self, text: str) -> URL:
        return make_url(text).set(drivername="sqlite+pysqlite")

    @override
    def file(self, url: URL) -> Path:
        return Path(str(url.database))  # which ``database_url`` requires

    @override
    def connect(self, database: DatabaseSettings, *, connections: int, access: Access) -> Engine:
        file = self.file(self.url(database.url.get_secret_value()))
        return sqlite_file.engine(file, lock_timeout_seconds=database.lock_timeout_seconds, access=access)

    @override
    def save(self, engine: Engine, file: Path, observe: Callable[[int, int], None]) -> bool:
        sqlite_saving.save(engine, file, observe)
        return True

    @override
    @contextmanager
    def trial(
        self,
        database: DatabaseSettings,
        tables: Callable[[Connection], Collection[str]],
        kept: Collection[str],
    ) -> Iterator[Engine]:
        made = sqlite_copies.in_memory()
        with made.connect() as connection:  # the only one
            driver: Any = connection.connection.driver_connection
            if (file := self.file(self.url(database.url.get_secret_value()))).exists():
                sqlite_copies.copy_empty(file, driver, kept)
        try:
            yield made
        finally:
            made.dispose()

    @override
    @contextmanager
    def scratch(self, engine: Engine) -> Iterator[Connection]:
        with sqlite_copies.in_memory().connect() as connection:
            connection.begin()
            yield connection

    @override
    def beside(self, engine: Engine) -> AbstractContextManager[Beside]:
        return sqlite_copies.beside(self.file(engine.url))

    @override
    def ask(self, cursor: Any, sql: str) -> tuple[list[str], Sequence[Any]]:
        # A text that somebody wrote as other bytes than UTF-8 is shown, not called damage.
        cursor.connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        # Beside this thread: while SQLite works, Python hears no Ctrl-C.
        with futures.ThreadPoolExecutor(1) as pool:
            # One that comes while the thread starts waits until there is something to interrupt.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            asked = pool.submit(lambda: list(cursor.execute(sql)))
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                rows = asked.result()
            finally:
                while not asked.done():
                    cursor.connection.interrupt()
                    futures.wait([asked], timeout=INTERRUPT_SECONDS)
        return [column[0] for column in cursor.description or ()], rows

    @override
    def lock_holders(self, pool: Pool, waiting: Sequence[int]) -> Sequence[LockHolder]:
        holder = "another process, or another transaction of this one, holds SQLite's write lock"
        return [LockHolder(holder, {"fix": "end the program that writes into the file"})]

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
