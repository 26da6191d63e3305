"""A mirror in PostgreSQL."""

import math
import operator
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import tenacity
from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import BigInteger, Boolean, LargeBinary, Numeric, Text
from typing_extensions import override

from connector.config import DatabaseSettings
from connector.mirror.dialects import (
    postgresql_errors,
    postgresql_others,
    postgresql_rows,
    postgresql_session,
    postgresql_trial,
    postgresql_views,
)
from connector.mirror.dialects.dialect import UNLOCKED, Access, Columns, quoted, rebuilt_by
from connector.mirror.dialects.parts import Encoded, LockHolder
from connector.mirror.dialects.postgresql_loading import Loading

# Every batch takes it shared, a change of the schema exclusively.
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

# A connection that was idle for longer may have been cut; see whether it answers before it is used.
ASKED_AFTER_SECONDS = 1.0
# How long the server may take to see that a client has gone.
SESSION_END_SECONDS = 5.0
ON_A_STANDBY = "0A000"  # feature not supported


class PostgreSQL(Loading):
    """PostgreSQL, asked through psycopg."""

    name = "postgresql"
    driver_error = psycopg.Error
    code_name = "sqlstate"
    library = ("libpq", "{}.{}".format(*divmod(psycopg.pq.version(), 10_000)))
    compiler = postgresql.dialect()  # type: ignore[no-untyped-call]
    functions = "SELECT DISTINCT proname FROM pg_proc"
    mark = "%s"
    types = {  # noqa: RUF012 - declared as constant by Dialect
        "text": Text(),
        "exact": Text(collation="C"),
        "numeric": Numeric(),
        "timestamp": TIMESTAMP(timezone=True, precision=6),
        "boolean": Boolean(),
        "integer": BigInteger(),
        "json": JSONB(),
        "binary": LargeBinary(),
    }
    range_index = {"using": "brin", "with": {"autosummarize": True}}  # noqa: RUF012 - as types
    no_trial = postgresql_trial.WHY_NOT
    event_order = (
        "split_part(event_id, ':', 1) COLLATE \"C\"",
        "split_part(event_id, ':', 2)::bigint",
        'source COLLATE "C"',
        "row_index",
    )
    lock_rows = "FOR UPDATE"
    look_up = "LEFT JOIN LATERAL (SELECT * FROM {0} AS {1} WHERE {2} LIMIT 1) AS {1} ON true".format
    skip_locked = "FOR NO KEY UPDATE OF {0} SKIP LOCKED".format
    unsynced = "SET LOCAL synchronous_commit = off"
    exact = ' COLLATE "C"'
    cascade = " CASCADE"
    index_limit = "54000"
    lock_not_granted = "55P03"
    casts = postgresql_rows.CASTS
    # None for the two that no number is.
    microseconds = "CASE WHEN isfinite({0}) THEN (EXTRACT(EPOCH FROM {0}) * 1000000)::bigint END".format
    seconds_between = "CAST(EXTRACT(EPOCH FROM {1} - {0}) AS NUMERIC)".format
    json_text = "{0}::text".format
    is_json_array = "jsonb_typeof({0}) = 'array'".format
    translate = staticmethod(postgresql_errors.translate)
    fix = staticmethod(postgresql_errors.fix)
    explain = staticmethod(postgresql_errors.explain)
    ask = staticmethod(postgresql_session.ask)
    daily = staticmethod(postgresql_views.daily)
    clock = "extract(epoch FROM clock_timestamp())::float8"

    @override
    def url(self, text: str) -> URL:
        given = postgresql_session.parameters_of(text)
        port = int(given.pop("port")) if given.get("port", "").isdecimal() else None
        names = ("user", "password", "host", "dbname")
        user, password, host, name = (given.pop(one, None) for one in names)
        return URL.create("postgresql+psycopg", user, password, host, port, name, given)

    @override
    def connect(self, database: DatabaseSettings, *, connections: int, access: Access) -> Engine:
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
        )

        @event.listens_for(engine, "do_connect")
        def _on_connect(*_: object) -> psycopg.Connection[tuple[object, ...]]:
            # Before SQLAlchemy asks anything: in a database of another encoding it gets bytes for text.
            return postgresql_session.connect(
                parameters, schema=database.schema_name, store_schema=database.store_schema
            )

        @event.listens_for(engine, "checkin")
        def _on_checkin(_connection: object, entry: ConnectionPoolEntry) -> None:
            entry.info["used"] = time.monotonic()

        @event.listens_for(engine, "checkout")
        def _on_checkout(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
            # Not each time, as with SQLAlchemy's own pool_pre_ping: that is one more round trip a batch.
            if time.monotonic() - entry.info.get("used", math.inf) < ASKED_AFTER_SECONDS:
                return
            try:
                engine.dialect.do_ping(connection)
            except psycopg.Error as error:
                raise InvalidatePoolError from error

        return engine

    @override
    def spaces(self, database: DatabaseSettings) -> tuple[list[str], str]:
        public = database.schema_name or "public"
        store = database.store_schema or f"{public}_store"
        made = f'CREATE SCHEMA IF NOT EXISTS "{store}"'
        return [made, f'SET search_path = "{store}", "{public}"'], f'"{public}".'

    @override
    @contextmanager
    def trial(
        self,
        database: DatabaseSettings,
        tables: Callable[[Connection], Collection[str]],
        kept: Collection[str],
    ) -> Iterator[Engine]:
        engine = self.connect(database, connections=1, access="create")
        try:
            with postgresql_trial.Copy.of(engine, tables, kept).made(engine) as scratch:
                yield scratch
        finally:
            engine.dispose()

    @override
    @contextmanager
    def scratch(self, engine: Engine) -> Iterator[Connection | None]:
        """Temporary tables of the database's own server."""
        with engine.connect() as connection:
            connection.begin()  # closing the connection rolls it back
            if not _may_make_temporary(connection):
                yield None
                return
            # Only there: a statement that names another table fails instead of reaching a live one.
            connection.exec_driver_sql("SET LOCAL search_path TO pg_temp")
            yield connection

    @override
    def lock_schema(self, connection: Connection, *, shared: bool) -> None:
        if UNLOCKED not in connection.get_execution_options():
            kind = "_shared" if shared else ""
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}(%s)", (SCHEMA_LOCK,))

    @override
    @contextmanager
    def sent_together(self, connection: Connection) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        failed: DBAPIError | None = None
        try:
            with driver.pipeline():
                # An answer is read when it comes: a statement after a refused one may see the error, or the
                # end. psycopg warns in the log of what the end has to say about an error that passes it.
                try:
                    yield
                except DBAPIError as error:
                    failed = error
        except psycopg.Error as error:
            if failed is None:
                # As for one that SQLAlchemy sees itself.
                if driver.closed:
                    connection.invalidate()
                raise DBAPIError(None, None, error) from error
        if failed is not None:
            raise failed

    @override
    def wait_briefly(self, connection: Connection, seconds: float) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")

    @override
    def session(self, connection: Connection) -> int:
        driver = connection.connection.dbapi_connection
        return driver.info.backend_pid if driver else 0

    @override
    def lock_holders(self, pool: Pool, waiting: Sequence[int]) -> Sequence[LockHolder]:
        with closing(pool.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(postgresql_others.HOLDERS, (list(waiting), postgresql_others.QUERY_SHOWN))
            return [postgresql_others.holder(*row) for row in cursor.fetchall()]

    @override
    def lock_tables(self, connection: Connection, tables: Collection[str]) -> None:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(map(quoted, tables))}")

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
        # A session's end is seen a moment after its client has gone: a rebuild before this one may hold it.
        trying = tenacity.Retrying(
            stop=tenacity.stop_after_delay(SESSION_END_SECONDS),
            wait=tenacity.wait_fixed(0.05),
            retry=tenacity.retry_if_result(operator.not_),
            retry_error_callback=lambda _: False,
        )
        with connection.begin():
            if not trying(lambda: connection.exec_driver_sql(REBUILD, (REBUILD_LOCK,)).scalar_one()):
                holder = connection.exec_driver_sql(REBUILT_BY, (REBUILD_LOCK,)).scalar()
                raise rebuilt_by(holder or "another process")
        yield

    @override
    def escaped(self, statement: str) -> str:
        # psycopg reads a per cent sign as the beginning of a parameter.
        return statement.replace("%", "%%")

    @override
    def execute(self, connection: Connection, *statements: str) -> None:
        if statements:  # at once: a start comments on each column
            connection.exec_driver_sql(self.escaped("\n;\n".join(statements)))

    @override
    def encode(self, columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
        return postgresql_rows.encode(columns, values)

    @override
    def run_both(
        self, connection: Connection, first: tuple[str, Encoded, str], second: tuple[str, Encoded, str]
    ) -> None:
        (one, parameters), (other, others) = self.written(*first), self.written(*second)
        connection.exec_driver_sql(f"WITH one AS ({one}) {other}", (*parameters, *others))

    @override
    def others_views(self, connection: Connection, ours: Collection[str]) -> list[str]:
        return list(connection.exec_driver_sql(postgresql_others.VIEWS, (list(ours),)).scalars())

    @override
    def readers(self, connection: Connection) -> list[str]:
        return list(connection.exec_driver_sql(postgresql_others.READERS).scalars())


def _may_make_temporary(connection: Connection) -> bool:
    """Whether this transaction may, also in a session that only reads: what it makes goes with it."""
    try:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")  # before any query
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != ON_A_STANDBY:
            raise
        return False
    query = "SELECT has_database_privilege(current_database(), 'TEMP')"
    return bool(connection.exec_driver_sql(query).scalar_one())
