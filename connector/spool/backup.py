"""A copy of a spool while its gateway goes on, which has the file for itself alone.

So it is copied as a file, together with its write-ahead log. The file changes only where the log is written
back into it, and then its times or the log's head change: a copy during which neither did is one state of the
spool, and what was half-written at the end of the log has no valid checksum and counts as not written.
"""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from connector.errors import SpoolOutage

TRIES, PAUSE_SECONDS = 50, 0.1
LOG_HEAD_BYTES = 32


def save(path: Path, into: Path) -> int | None:
    """Copy a spool into a new file; gives how many rows wait in it, or None where there is no spool.

    Raises ``SpoolOutage`` where it is never still, ``OSError``.
    """
    log, log_into = (file.with_name(f"{file.name}-wal") for file in (path, into))
    for _ in range(TRIES):
        before = _state(path, log)
        if before is None:
            return None
        shutil.copyfile(path, into)
        if before[1] is None:
            log_into.unlink(missing_ok=True)
        else:
            shutil.copyfile(log, log_into)
        if _state(path, log) == before and (rows := _rows(into)) is not None:
            return rows
        time.sleep(PAUSE_SECONDS)
    raise SpoolOutage(f"The spool {path} was never still enough to be copied; try again.")


def _state(path: Path, log: Path) -> tuple[tuple[int, int, int], bytes | None] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    try:
        with log.open("rb") as file:
            head: bytes | None = os.pread(file.fileno(), LOG_HEAD_BYTES, 0)
    except FileNotFoundError:
        head = None
    return (found.st_ino, found.st_size, found.st_mtime_ns), head


def _rows(file: Path) -> int | None:
    """Take the log into the copy, and count its rows; None where it is not sound."""
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return None
            names = [
                row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            ]
            return sum(
                int(connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0])  # noqa: S608 - ours
                for name in ("spool", "set_aside")
                if name in names
            )
    except sqlite3.DatabaseError:
        return None
