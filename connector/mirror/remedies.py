"""What fixes an error of the database, for a person: by the driver's code, where there is one.

A session that never came about has no code, only libpq's and the server's words.
"""

import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError

BESIDE = (
    "SQLite also writes beside the file (-wal, -shm): give this user the folder, mount its disk for writing, "
    "or copy the file with its -wal to where that is so"
)
START_IT = "start the database, or set DATABASE_URL or --database-url"
MAKE_TABLES = "a worker makes the tables at its start (connector worker); connector schema shows them"
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
    "own schemas, with CREATE; or name another user in DATABASE_URL",
    "25006": "name the primary in DATABASE_URL: this server, or this role, only reads",
    "57014": "ask for less at a time, or allow more: ALTER ROLE … SET statement_timeout; if somebody "
    "cancelled it, try again",
    "55P03": "end the transaction that holds the lock (pg_stat_activity), then try again",
    "40P01": "try again",
    "40001": "try again",
    "53100": "free space on the server's disk",
    "53200": "give the server more memory, or ask for less at a time",
    "53300": "raise max_connections, or end sessions that nobody needs (pg_stat_activity)",
}
SQLITE_CODES = {
    "SQLITE_BUSY": "another program holds the file for writing: end its transaction (fuser -v FILE lists who "
    "has the file open), then try again",
    "SQLITE_LOCKED": "another program holds the table: end its transaction, then try again",
    "SQLITE_READONLY_ROLLBACK": "its -journal holds a write that was cut off: keep it beside the file, "
    "and have a worker undo it (connector worker)",
    "SQLITE_READONLY": BESIDE,
    "SQLITE_CANTOPEN": BESIDE,
    "SQLITE_FULL": "free space on the disk that the file is on",
    "SQLITE_IOERR": "look at the disk that the file is on (dmesg): is it full, gone or failing?",
    "SQLITE_PERM": "run as the user whose file it is, or give it to this one (chown)",
    "SQLITE_AUTH": "run as the user whose file it is, or give it to this one (chown)",
    "SQLITE_NOMEM": "give this process more memory, or ask for less at a time",
    "SQLITE_MISMATCH": "correct the query there",
    "SQLITE_TOOBIG": "ask for shorter values: SQLite holds at most 1,000,000,000 bytes in one",
    "SQLITE_INTERRUPT": "try again",
}


def driver_error(error: BaseException) -> BaseException | None:
    """The database driver's own error behind another; None where there is none."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, DBAPIError):
            return found.orig
        if isinstance(found, sqlite3.Error | psycopg.Error):
            return found
        found = found.__cause__
    return None


def fix(error: BaseException) -> str | None:
    """What fixes it; None for an error that is none of the database's, and for a defect."""
    original = driver_error(error)
    if isinstance(original, sqlite3.Error):
        return _fix_sqlite(original)
    if isinstance(original, psycopg.Error):
        return SQLSTATES.get(original.sqlstate or "") or _by_words(original)
    return None


def _fix_sqlite(error: sqlite3.Error) -> str | None:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code == "SQLITE_ERROR":
        return MAKE_TABLES if str(error).startswith(("no such table", "no such column")) else None
    return next((cure for start, cure in SQLITE_CODES.items() if code.startswith(start)), None)


def _by_words(error: psycopg.Error) -> str | None:
    said = str(error)
    for words, cure in WORDS.items():
        if words in said and (MISSING in said or words not in {"role", "database"}):
            return cure
    return START_IT if isinstance(error, psycopg.OperationalError) else None
