"""A PostgreSQL session: the URL's settings and those that the connector relies on.

Five parties set a session's settings: the server, the database, the role, the URL and the connector. A DBA
may set any of them, and the mirror must be the same whatever they are. So every setting that changes what
SQL means is set at the start of the session, whose ``options`` take precedence over server, database and
role. The URL's own options come after the connector's where the URL may know better.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader
from typing_extensions import override

from connector.errors import StartupError
from connector.safe_text import JsonText

# The URL may say otherwise. A DBA's timeouts are for people's queries; a frozen worker is ended by ours.
DEFAULTS = (
    "lock_timeout={lock_timeout_ms}",
    "idle_in_transaction_session_timeout={idle_ms}",
    "statement_timeout=0",
    'search_path="$user",public',
)
# No other setting may override these: the mirror's SQL and its driver rely on them.
REQUIRED = (
    "timezone=UTC",
    "datestyle=ISO",
    "intervalstyle=postgres",
    "bytea_output=hex",
    "extra_float_digits=1",
    "standard_conforming_strings=on",
    "array_nulls=on",
    "quote_all_identifiers=off",
    "row_security={row_security}",
    "default_transaction_deferrable=off",
    "default_transaction_isolation={isolation}",
    "default_transaction_read_only={read_only}",
)
# No setting of PostgreSQL's: what shows that a session has the options that were asked for.
MARK = "xtnd.direct"
MOST_BYTES = 63  # of a name in PostgreSQL
# Where the connector's tables stand comes first, then where people read, then what the session was given.
# People read where the mirror is: a schema that somebody made later, such as one with the role's own name,
# may stand before it, empty or with tables of the same names.
SET_PATH = f"""
    WITH given AS MATERIALIZED (
        SELECT (
            SELECT schema::text
            FROM unnest(current_schemas(false) || %(given)s::name) WITH ORDINALITY AS listed(schema, place)
            JOIN pg_namespace AS space ON nspname = schema AND has_schema_privilege(space.oid, 'USAGE')
            WHERE schema = COALESCE(%(given)s, schema)
            ORDER BY NOT EXISTS (
                SELECT FROM pg_class
                WHERE (relnamespace = space.oid
                    AND relname IN ('mirror_status', 'mirror_layout', 'mirror_columns')
                    OR relnamespace = to_regnamespace(quote_ident(COALESCE(%(store)s, schema || '_store')))
                    AND relname = '_mirror_layout') AND has_table_privilege(oid, 'SELECT')
            ), place LIMIT 1
        ) AS schema, current_setting('search_path') AS path
    ), found AS MATERIALIZED (
        SELECT schema, path, COALESCE(%(store)s::text, schema || '_store') AS store FROM given
    )
    SELECT current_setting('{MARK}', true), schema, store, path,
        set_config('xtnd.schema', schema, false), set_config('xtnd.store', store, false),
        set_config('search_path', concat_ws(', ', quote_ident(store), quote_ident(schema), path), false)
"""
# PostgreSQL has instants that Python has none for (infinity, the year 10,000), and its text is exact.
AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "bytea", "uuid")
TRANSACTION_TIMEOUT_SINCE = 170_000  # PostgreSQL 17
# Who stands between and takes no options: PgBouncer, Amazon's RDS Proxy.
REFUSED_OPTIONS = ("unsupported startup parameter", "command-line options")
KEEPALIVES = {
    # A server that vanished without a word is noticed after about 25 s instead of hours.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def parameters_of(url: str) -> dict[str, str]:
    """What a URL says, as libpq takes it apart, whichever driver the URL names."""
    found = conninfo_to_dict(f"postgresql://{url.partition('://')[2]}")
    return {name: str(value) for name, value in found.items() if value is not None}


def session(
    url: str, *, connect_timeout_seconds: float, lock_timeout_seconds: float, read_only: bool
) -> dict[str, str]:
    """The parameters of a session, for libpq: the URL's, over and beside ours."""
    given = parameters_of(url)
    values = {
        "lock_timeout_ms": int(lock_timeout_seconds * 1000),
        # Somebody who reads may think for long between two queries; a writer may not, it holds locks.
        "idle_ms": 0 if read_only else 30_000,
        # A backslash, because a blank ends an option.
        "isolation": r"repeatable\ read" if read_only else r"read\ committed",
        "read_only": "on" if read_only else "off",
        # A policy has a writer's statements fail, instead of hiding rows from the mirror.
        "row_security": "on" if read_only else "off",
    }
    theirs = given.get("options") or os.environ.get("PGOPTIONS", "")
    options = [*_options(DEFAULTS, values), theirs, *_options((*REQUIRED, f"{MARK}=on"), values)]
    ours = {
        "connect_timeout": str(max(2, int(connect_timeout_seconds))),
        "application_name": "xtnd-connector",
    }
    return ours | KEEPALIVES | given | {"options": " ".join(options), "client_encoding": "UTF8"}


def _options(settings: Sequence[str], values: Mapping[str, object]) -> list[str]:
    return [f"-c {setting.format_map(values)}" for setting in settings]


def connect(
    parameters: dict[str, Any], *, schema: str | None = None, store_schema: str | None = None
) -> psycopg.Connection[Any]:
    """A session with these parameters, which finds the store first and then what people read.

    ``schema`` is where people read, by default the first of the search path, and ``store_schema`` where
    the connector's tables stand, by default named after that one.

    Raises ``StartupError`` for a database that cannot hold the mirror and for a pooler in between,
    and psycopg's errors for the rest.
    """
    try:
        connection = psycopg.connect(**parameters)
    except psycopg.OperationalError as error:
        if any(words in str(error) for words in REFUSED_OPTIONS):
            raise _pooled() from error
        raise
    try:
        _check(connection, schema, store_schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: psycopg.Connection[Any], given: str | None, store: str | None) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StartupError(
            f"The database {connection.info.dbname} keeps text as {encoding}, which cannot hold every event; "
            "the mirror needs UTF8.",
            "run createdb --encoding=UTF8 --template=template0 mirror, and name that one in DATABASE_URL",
        )
    # Older versions do not know it, so it cannot stand among the options.
    timeout = connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE
    unlimited = "set_config('transaction_timeout', '0', false)" if timeout else "NULL"
    connection.autocommit = True
    asked = {"given": given, "store": store}
    row = connection.execute(SET_PATH + f", {unlimited} FROM found", asked).fetchone()
    connection.autocommit = False
    mark, schema, store, path, *_ = row or (None,) * 4
    if mark != "on":
        raise _pooled()
    if schema is None and given:
        raise StartupError(
            f"The database {connection.info.dbname} has no schema {given}, or this role may not use it.",
            f'make it with: CREATE SCHEMA "{given}", or change database.schema',
        )
    if schema is None:
        raise StartupError(
            f"The database {connection.info.dbname} has none of the schemas that search_path names: {path}.",
            "make it with: CREATE SCHEMA …, or change search_path in DATABASE_URL "
            "(?options=-csearch_path%3Dmirror)",
        )
    if len(str(store).encode()) > MOST_BYTES:
        raise StartupError(
            f"The name of the schema {store}, for the connector's tables, is longer than PostgreSQL takes.",
            "name another as database.store_schema",
        )


def _pooled() -> StartupError:
    return StartupError(
        "A connection pooler such as PgBouncer answers for PostgreSQL and keeps the connector's settings "
        "from it; in its transaction mode different clients would share one session.",
        "name PostgreSQL's own host and port in DATABASE_URL; the connector keeps a pool of its own "
        "(worker.database_connections)",
    )


class JsonTextLoader(TextLoader):
    """Keeps json as its text: a number in it would lose digits as a float."""

    @override
    def load(self, data: Any) -> JsonText:
        return JsonText(bytes(data).decode("utf-8"))


def ask(cursor: Any, sql: str) -> tuple[list[str], Sequence[Any]]:
    """See ``Dialect.ask``."""
    for name in AS_TEXT:
        cursor.adapters.register_loader(name, TextLoader)
    for name in ("json", "jsonb"):
        cursor.adapters.register_loader(name, JsonTextLoader)
    # A prepared statement is one statement, so that nothing can follow a COMMIT within the text.
    rows = list(cursor.execute(sql.encode(), prepare=True))
    return [column[0] for column in cursor.description or ()], rows
