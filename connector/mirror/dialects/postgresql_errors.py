"""PostgreSQL's errors: what each means for the connector, and what fixes it, for a person.

A failed connection has no code, only the text of libpq and the server. PostgreSQL writes about a query in the
server's language, so names are taken from the query, at the position that the error gives.
"""

import re

import psycopg

from connector.errors import (
    AlreadyThere,
    ConnectorError,
    DatabaseDamaged,
    DatabaseOutage,
    Defect,
    EventsKnown,
    Poison,
    StartupError,
    StatementTimeout,
)
from connector.mirror.dialects.fixes import (
    CORRECT_IT,
    IDENTIFIER,
    MAKE_TABLES,
    ONE_QUERY,
    PARAMETERS,
    READS_ONLY,
    SAY_WHOSE,
    START_IT,
    Unknown,
)

# SQLSTATE classes (PostgreSQL, appendix A) by the reaction that they need.
# Data exception, constraint violation, row or index too big, and what somebody's trigger raises.
POISON_CLASSES = ("22", "23", "54", "P0")
# Table or column gone, statement not supported, somebody's object depends on what is dropped.
DEFECT_CLASSES = ("42", "0A", "2B")
DEFECT_EXCEPTIONS = ("42501",)  # insufficient privilege is fixed outside: an outage
DAMAGED = ("XX001", "XX002")  # data corrupted, index corrupted
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"
# What libpq or PostgreSQL says of a session that it did not give → what fixes it.
WORDS = {
    "no encryption": "the server takes TLS only: put ?sslmode=verify-full&sslrootcert=FILE in DATABASE_URL",
    "certificate verify failed": "name the certificate of the CA that signed the server's as sslrootcert "
    "in DATABASE_URL",
    "does not match host name": "name the server in DATABASE_URL as its certificate does",
    "root certificate file": "name the CA's certificate as sslrootcert in DATABASE_URL, "
    "or write sslrootcert=system",
    "does not support SSL": "turn TLS on at the server (ssl = on), or take sslmode out of what is "
    "in DATABASE_URL where the network between is trusted",
    "password authentication failed": "set the right user and password in DATABASE_URL "
    "(postgresql://USER:PASSWORD@HOST/NAME)",
    "no password supplied": "put the password in DATABASE_URL (postgresql://USER:PASSWORD@HOST/NAME)",
    "no pg_hba.conf entry": "allow this host, user and database in the server's pg_hba.conf",
    "permission denied for database": "as its owner: GRANT CONNECT ON DATABASE … TO …",
    "too many clients": "raise max_connections, or end sessions that nobody needs (pg_stat_activity)",
    "connection slots": "raise max_connections, or end sessions that nobody needs (pg_stat_activity)",
    "too many connections": "raise the limit of the role or the database (ALTER ROLE … CONNECTION LIMIT …)",
    "starting up": "wait until the server has started, then try again",
    "role": "make the role (createuser NAME), or name another in DATABASE_URL",
    "database": "make it (createdb --encoding=UTF8 --template=template0 NAME), or name another "
    "in DATABASE_URL",
}
# The last two words are of many messages: they count with this alone.
MISSING = "does not exist"
SQLSTATES = {
    "42P01": MAKE_TABLES,
    "42703": MAKE_TABLES,
    "3F000": "make the schema, or change search_path in DATABASE_URL (?options=-csearch_path%3Dmirror)",
    "42501": "a reader: connector schema grant ROLE, or as the owner: GRANT SELECT ON … TO …; a worker: its "
    "own schemas, with CREATE; connector rebuild: GRANT TEMPORARY ON DATABASE … TO …; or name another "
    "user in DATABASE_URL",
    "25006": "name the primary in DATABASE_URL: this server, or this role, only reads",
    "57014": "ask for less at a time, or allow more: ALTER ROLE … SET statement_timeout; if somebody "
    "cancelled it, try again",
    "55P03": "end the transaction that holds the lock (pg_stat_activity), then try again",
    "40P01": "try again",
    "40001": "try again",
    "53100": "free space on the server's disk",
    "53200": "give the server more memory, or ask for less at a time",
    "53400": "raise the limit that it names (ALTER ROLE … SET temp_file_limit), or ask for less at a time",
    "53300": "raise max_connections, or end sessions that nobody needs (pg_stat_activity)",
}
KINDS = {"42P01": "table", "42703": "column", "42601": "syntax", "42883": "function"}
# SQLSTATE classes that tell of the server or the session; all others are about the query.
NOT_THE_QUERY = frozenset(("08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX"))
# PostgreSQL's function that found no relation, where the name is that of no table in FROM.
NOT_IN_FROM = "errorMissingRTE"
QUOTED = re.compile(r"'((?:[^']|'')*)'")
OTHER_FIXES = {
    "42P02": PARAMETERS,
    "08P01": PARAMETERS,
    "42702": SAY_WHOSE,
    "42803": "name the column in GROUP BY, or take one value of it, such as max(…)",
    "25006": READS_ONLY,
    "21000": "take one row of the subquery: LIMIT 1, or max(…)",
    "22012": "leave out the rows that divide by zero, with: / NULLIF(…, 0)",
}


def translate(error: psycopg.Error, _file: str = "") -> ConnectorError:
    """See ``Dialect.translate``."""
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
    # With a context it is somebody's function, in a trigger, that lacks a right.
    outside = state in DEFECT_EXCEPTIONS and not context
    if (state[:2] in DEFECT_CLASSES and not outside) or (
        not state and isinstance(error, psycopg.ProgrammingError | psycopg.NotSupportedError)
    ):
        return Defect(f"PostgreSQL: {message}.")
    # 08 connection, 28 authorization, 40 rollback, 53 resources, 55 not in state, 57 operator,
    # 58 system, 25 read-only after a fail-over, and whatever is unknown: wait, skip nothing.
    outage = StatementTimeout if state == QUERY_CANCELED else DatabaseOutage
    return outage(f"PostgreSQL: {message}")


def fix(error: psycopg.Error) -> str | None:
    """What fixes an error; None where that is not known."""
    if found := SQLSTATES.get(error.sqlstate or ""):
        return found
    message = str(error)
    for words, found in WORDS.items():
        if words in message and (MISSING in message or words not in {"role", "database"}):
            return found
    return START_IT if isinstance(error, psycopg.OperationalError) else None


def explain(error: psycopg.Error, sql: str) -> Unknown | StartupError | None:
    """Why a query could not be run, where that lies in the query."""
    state, message = error.sqlstate or "", error.diag.message_primary or ""
    if state == "42601" and "prepared statement" in message and ";" in sql:
        return StartupError(*ONE_QUERY)
    if kind := KINDS.get(state):
        position = int(error.diag.statement_position or 0)
        at = sql[position - 1 :] if position else ""
        if error.diag.source_function == NOT_IN_FROM and (found := IDENTIFIER.match(at)):
            name = found[0].rpartition(".")[0]
            return StartupError(f"No table of FROM has the name {name}.", "write the name that it has there")
        # nextval('name') has the name in quotes.
        found = IDENTIFIER.match(at) or QUOTED.match(at)
        # Operators have that state too: (text > timestamp) is not called like a function.
        called = kind != "function" or (found is not None and at[found.end() :].lstrip().startswith("("))
        if called and (found or kind == "syntax"):
            named = found[0].strip("'") if found else at.strip()[:1]
            return Unknown(kind, named, _own_message(error))
    return _own_message(error)


def _own_message(error: psycopg.Error) -> StartupError | None:
    """PostgreSQL's own message, where it is about the query."""
    state = error.sqlstate or ""
    if state not in OTHER_FIXES and (not state or state[:2] in NOT_THE_QUERY or state in SQLSTATES):
        return None
    fix = OTHER_FIXES.get(state) or error.diag.message_hint or CORRECT_IT
    return StartupError(f"PostgreSQL: {error.diag.message_primary} ({state}).", fix)
