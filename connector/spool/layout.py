"""The layout of the spool's file, its version, and the connection that holds it alone.

``PRAGMA user_version`` holds the layout's version. A file of an earlier one is migrated when it is
opened; a newer one is refused.
"""

import os
import sqlite3
from pathlib import Path

from connector.errors import StartupError

# 0.1 wrote version 0: no topics, nothing set aside.
LAYOUT = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_at REAL NOT NULL,
    checksum INTEGER NOT NULL,
    records BLOB NOT NULL,
    topic TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS spool_topic ON spool (topic, id);
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY,
    stored_at REAL NOT NULL,
    checksum INTEGER NOT NULL,
    records BLOB NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    error TEXT NOT NULL,
    set_aside_at REAL NOT NULL
) STRICT
"""
PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "auto_vacuum=INCREMENTAL")
LOCK_SECONDS = 2.0
# The library's, for the metrics.
SQLITE_VERSION = sqlite3.sqlite_version


def connect(path: Path) -> sqlite3.Connection:
    """Open a file, alone, in this version's layout; raises ``StartupError`` for a newer one."""
    # SQLite gives ``-wal`` and ``-shm`` the file's mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        # Takes the exclusive lock now, so that a second gateway on this file fails at its start.
        connection.execute("BEGIN IMMEDIATE")
        _migrate(connection, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Give the file this version's layout; raises ``StartupError`` for a newer one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > LAYOUT:
        what = f"The spool {path} was written by a newer connector (layout {found}; this one knows {LAYOUT})."
        raise StartupError(what, "Start the newer version again, or set another gateway.spool_path.")
    if found == LAYOUT:
        return
    columns = [row[1] for row in connection.execute("PRAGMA table_info(spool)")]
    if columns and "topic" not in columns:
        # Rows of 0.1 hold records of any topics; they wait in a queue of their own, named "".
        connection.execute("ALTER TABLE spool ADD COLUMN topic TEXT NOT NULL DEFAULT ''")
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")
