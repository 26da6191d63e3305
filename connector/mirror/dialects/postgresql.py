"""A mirror in PostgreSQL."""

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    Connection,
    Engine,
    Numeric,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from typing_extensions import override

from connector.config import Database
from connector.errors import (
    AlreadyThere,
    ConnectorError,
    DatabaseDamaged,
    DatabaseOutage,
    Defect,
    EventsKnown,
    Poison,
    StatementTimeout,
)
from connector.mirror.dialects import postgresql_others, postgresql_rows, postgresql_session
from connector.mirror.dialects.dialect import UNLOCKED, Access, Columns, Dialect, Encoded, rebuilt_by

# SQLSTATE classes (PostgreSQL, appendix A) by the reaction that they need.
# Data exception, constraint violation, row or index too big, and what a trigger of somebody's raises.
POISON_CLASSES = ("22", "23", "54", "P0")
# Table or column gone, statement not supported, something of somebody's depends on what is dropped.
DEFECT_CLASSES = ("42", "0A", "2B")
DEFECT_EXCEPTIONS = ("42501",)  # insufficient privilege is fixed outside: an outage
DAMAGED = ("XX001", "XX002")  # data corrupted, index corrupted
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"
# Held shared by every batch and alone by a change of the schema.
SCHEMA_LOCK = 0x58544E44
# The first half of a key, which a session holds; the second is of the store: a database may hold two mirrors.
REBUILD_LOCK = 0x58544E45
REBUILD = "SELECT pg_try_advisory_lock(%s, hashtext(current_setting('xtnd.store')))"
REBUILT_BY = """
    SELECT format('process %%s of user %%s since %%s', pid, usename, date_trunc('second', backend_start))
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND classid::bigint = %s AND granted AND objsubid = 2
      AND objid::bigint = hashtext(current_setting('xtnd.store'))::bigint & 4294967295
"""

PORTABLE = {
    "numeric": "{0}::text",
    "json": "{0}::text",
    "timestamp": """to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "boolean": "{0}::int",
}
FETCHED_ROWS = 100  # at once; each may be as large as a delivery
COPY_LINE = re.compile(r"line ([0-9]+)")


class PostgreSQL(Dialect):
    """PostgreSQL, asked through psycopg."""

    name = "postgresql"
    driver_error = psycopg.Error
    mark = "%s"
    types = {  # noqa: RUF012 - declared as constant by Dialect
        "text": Text(),
        "exact": Text(collation="C"),
        "numeric": Numeric(),
        "timestamp": TIMESTAMP(timezone=True, precision=6),
        "boolean": Boolean(),
        "integer": BigInteger(),
        "json": JSONB(),
    }
    range_index = {"using": "brin", "with": {"autosummarize": True}}  # noqa: RUF012 - as types
    lock_rows = "FOR UPDATE"
    unsynced = "SET LOCAL synchronous_commit = off"
    exact = ' COLLATE "C"'
    clock = "extract(epoch FROM clock_timestamp())::float8"

    @override
    def url(self, text: str) -> URL:
        given = postgresql_session.parameters_of(text)
        port = int(given.pop("port")) if given.get("port", "").isdecimal() else None
        names = ("user", "password", "host", "dbname")
        user, password, host, name = (given.pop(one, None) for one in names)
        return URL.create("postgresql+psycopg", user, password, host, port, name, given)

    @override
    def file(self, url: URL) -> Path | None:
        return None

    @override
    def connect(self, database: Database, *, connections: int, access: Access) -> Engine:
        parameters = postgresql_session.session(
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
            return postgresql_session.connect(
                parameters, schema=database.schema_name, store_schema=database.store_schema
            )

        return engine

    @override
    def translate(self, error: psycopg.Error, file: str) -> ConnectorError:
        state = error.sqlstate or ""
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"{first} ({state or type(error).__name__})"
        if state == UNIQUE_VIOLATION:
            if error.diag.constraint_name == "_notifications_pkey":
                return EventsKnown("PostgreSQL's ledger holds one of these events.")
            return AlreadyThere(f"PostgreSQL refused the value: {message}.")
        if state in DAMAGED:
            fix = "see PostgreSQL's log; restore a backup, or make an index again with: REINDEX DATABASE"
            return DatabaseDamaged(f"PostgreSQL's files are damaged: {message}.", fix)
        context = error.diag.context
        if state[:2] in POISON_CLASSES or (not state and isinstance(error, psycopg.DataError)):
            where = f" in {context.splitlines()[0]}" if state[:2] == "P0" and context else ""
            return Poison("database-refused", f"PostgreSQL refused the value: {message}{where}.")
        # With a context it is a function of somebody's, in a trigger, that may not do something.
        outside = state in DEFECT_EXCEPTIONS and not context
        if (state[:2] in DEFECT_CLASSES and not outside) or (
            not state and isinstance(error, psycopg.ProgrammingError | psycopg.NotSupportedError)
        ):
            return Defect(f"PostgreSQL: {message}.")
        # 08 connection, 28 authorization, 40 rollback, 53 resources, 55 not in state, 57 operator,
        # 58 system, 25 read-only after a fail-over, and whatever is unknown: wait, skip nothing.
        outage = StatementTimeout if state == QUERY_CANCELED else DatabaseOutage
        return outage(f"PostgreSQL: {message}")

    @override
    def lock_schema(self, connection: Connection, *, shared: bool) -> None:
        if UNLOCKED not in connection.get_execution_options():
            kind = "_shared" if shared else ""
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}(%s)", (SCHEMA_LOCK,))

    @override
    def wait_briefly(self, connection: Connection, seconds: float) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")

    @override
    @contextmanager
    def until(self, connection: Connection, deadline: float) -> Iterator[None]:
        left = max(int((deadline - time.monotonic()) * 1000), 1)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left}")
        yield

    @override
    @contextmanager
    def snapshot(self, connection: Connection) -> Iterator[None]:
        with connection.begin():
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield

    @override
    @contextmanager
    def rebuilding(self, connection: Connection) -> Iterator[None]:
        with connection.begin():
            if not connection.exec_driver_sql(REBUILD, (REBUILD_LOCK,)).scalar_one():
                holder = connection.exec_driver_sql(REBUILT_BY, (REBUILD_LOCK,)).scalar()
                raise rebuilt_by(holder or "another process")
        yield

    @override
    def escaped(self, statement: str) -> str:
        # psycopg reads a per cent sign as the beginning of a parameter.
        return statement.replace("%", "%%")

    @override
    def scalar(self, type_: str) -> str:
        return postgresql_rows.scalar(type_)

    @override
    def microseconds(self, instant: str) -> str:
        return f"(EXTRACT(EPOCH FROM {instant}) * 1000000)::bigint"

    @override
    def seconds_between(self, start: str, end: str) -> str:
        return f"CAST(EXTRACT(EPOCH FROM {end} - {start}) AS NUMERIC)"

    @override
    def json_text(self, json: str) -> str:
        return f"{json}::text"

    @override
    def is_json_array(self, json: str) -> str:
        return f"jsonb_typeof({json}) = 'array'"

    @override
    def number(self, column: str) -> str:
        return column

    @override
    def encode(self, columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
        return postgresql_rows.encode(columns, values)

    @override
    def for_loading(self, engine: Engine) -> None:
        @event.listens_for(engine, "begin")
        def _on_begin(connection: Connection) -> None:
            # What is written may be long in coming.
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    @override
    def load_order(self, table: Table) -> list[str]:
        # A BRIN index says which values lie together, and is of use only where alike ones do.
        together = (one for one in table.indexes if one.dialect_options["postgresql"]["using"] == "brin")
        first = [column.name for index in together for column in index.columns]
        return [*first, *super().load_order(table)]

    @override
    def hold(self, connection: Connection, tables: Collection[str]) -> None:
        # Batches go on beside that; a change of columns would have a snapshot see rewritten tables as empty.
        listed = ", ".join(f'"{table}"' for table in tables)
        connection.exec_driver_sql(f"LOCK TABLE {listed} IN ACCESS SHARE MODE")

    @override
    def portable(self, column: str, type_: str) -> str:
        return PORTABLE.get(type_, "{0}").format(column)

    @override
    def stream(self, connection: Connection, query: str) -> Iterator[tuple[Any, ...]]:
        driver: Any = connection.connection.driver_connection
        size = FETCHED_ROWS if psycopg.capabilities.has_stream_chunked() else 1
        rows: Iterator[tuple[Any, ...]] = driver.cursor().stream(query, size=size)
        return rows

    @override
    def load(
        self, connection: Connection, table: str, columns: Columns, rows: Iterable[Sequence[Any]]
    ) -> None:
        names = ", ".join(f'"{name}"' for name, _ in columns)
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)

    @override
    def refused_row(self, error: psycopg.Error) -> int | None:
        line = COPY_LINE.search(error.diag.context or "")
        return int(line[1]) if line else None

    @override
    def others_views(self, connection: Connection, ours: Collection[str]) -> list[str]:
        return list(connection.exec_driver_sql(postgresql_others.VIEWS, (list(ours),)).scalars())

    @override
    def readers(self, connection: Connection) -> list[str]:
        return list(connection.exec_driver_sql(postgresql_others.READERS).scalars())
