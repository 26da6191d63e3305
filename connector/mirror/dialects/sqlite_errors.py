"""SQLite's errors: what each means for the connector, and what fixes it, for a person."""

import re
import sqlite3

from connector.errors import (
    AlreadyThere,
    ConnectorError,
    DatabaseOutage,
    Defect,
    EventsKnown,
    Poison,
    StartupError,
)
from connector.mirror.dialects import sqlite_file
from connector.mirror.dialects.fixes import (
    CORRECT_IT,
    MAKE_TABLES,
    ONE_QUERY,
    PARAMETERS,
    READS_ONLY,
    SAY_WHOSE,
    Unknown,
)

UNIQUE = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
POISON = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA")
# Python's own words, without a code, about bytes that were never written as text.
NO_TEXT = "Could not decode to UTF-8"
# A header that is none, which SQLite gives the code of any error.
NO_FORMAT = "unsupported file format"
BESIDE = (
    "SQLite also writes beside the file (-wal, -shm): give this user the folder, mount its disk for writing, "
    "or copy the file with its -wal to where that is so"
)
FIXES = {
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
    "SQLITE_MISMATCH": CORRECT_IT,
    "SQLITE_TOOBIG": "ask for shorter values: SQLite holds at most 1,000,000,000 bytes in one",
    "SQLITE_INTERRUPT": "try again",
}
WORDS = {
    "table": re.compile(r"no such table: (.+)", re.DOTALL),
    "column": re.compile(r"no such column: (.+?)(?: - should this be .*)?$", re.DOTALL),
    "function": re.compile(r"no such function: (.+)", re.DOTALL),
    "syntax": re.compile(r'near "(.*)": syntax error|unrecognized token: "(.*)"|incomplete input', re.DOTALL),
}
# Codes of what lies in the query; Python's own refusals have none.
OF_QUERY = ("SQLITE_ERROR", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "")
ANSWERS = {
    "one statement at a time": ONE_QUERY,
    "number of bindings": ("The query has parameters.", PARAMETERS),
}


def translate(error: sqlite3.Error, file: str) -> ConnectorError:
    """See ``Dialect.translate``."""
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


def fix(error: sqlite3.Error) -> str | None:
    """What fixes an error; None where that is not known."""
    code = getattr(error, "sqlite_errorname", "") or ""
    if code == "SQLITE_ERROR":
        return MAKE_TABLES if str(error).startswith(("no such table", "no such column")) else None
    return next((found for start, found in FIXES.items() if code.startswith(start)), None)


def explain(error: sqlite3.Error, _sql: str = "") -> Unknown | StartupError | None:
    """Why a query could not be run, where that lies in the query; SQLite has words alone."""
    message, code = str(error), getattr(error, "sqlite_errorname", "") or ""
    if answer := next((answer for words, answer in ANSWERS.items() if words in message), None):
        return StartupError(*answer)
    if code == "SQLITE_READONLY":
        return StartupError("That would change the mirror.", READS_ONLY)
    if code not in OF_QUERY:
        return None
    for kind, words in WORDS.items():
        if found := words.match(message):
            return Unknown(kind, next((name for name in found.groups() if name), ""))
    fix = SAY_WHOSE if "ambiguous column name" in message else FIXES.get(code, CORRECT_IT)
    return StartupError(f"SQLite: {message}.", fix)
