"""What can still be read of a damaged spool file.

Works on a copy: the damaged file itself stays as it was found, for whoever wants to look further.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Row = tuple[float, int, bytes]
# Raises ValueError for a row (checksum, body) that is not what was written.
Check = Callable[[int, bytes], Any]


def readable(damaged: Path, check: Check) -> tuple[list[Row], int]:
    """Every row that reads and whose checksum holds, and how many others there are at least."""
    with tempfile.TemporaryDirectory(dir=damaged.parent) as folder:
        copy = Path(folder) / "copy.db"
        for suffix in ("", "-wal"):
            part = damaged.with_name(damaged.name + suffix)
            if part.exists():
                shutil.copy(part, copy.with_name(copy.name + suffix))
        _pad(copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            return _rows_of(connection, check)


def _pad(file: Path) -> None:
    """Give a torn file back the length that its header tells; SQLite reads nothing of a shorter one."""
    with file.open("r+b") as torn:
        header = torn.read(32)
        if header.startswith(b"SQLite format 3\0"):
            page = int.from_bytes(header[16:18])
            page = 65_536 if page == 1 else page  # as SQLite writes it
            torn.truncate(max(file.stat().st_size, page * int.from_bytes(header[28:32])))


def _rows_of(connection: sqlite3.Connection, check: Check) -> tuple[list[Row], int]:
    rows: list[Row] = []
    unreadable = 0
    try:
        lowest, highest = _span(connection)
    except sqlite3.Error:
        return [], 1
    for row_id in range(lowest, highest + 1):
        try:
            row = connection.execute(
                "SELECT stored_at, checksum, records FROM spool WHERE id = ?", (row_id,)
            ).fetchone()
            if row is not None:
                check(row[1], row[2])
                rows.append(row)
        except (sqlite3.Error, ValueError, TypeError):
            unreadable += 1
    return rows, unreadable


def _span(connection: sqlite3.Connection) -> tuple[int, int]:
    """First and last id; the last from the counter that AUTOINCREMENT keeps, should the end be torn."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'spool'").fetchone()
    highest = row[0] if row else 0
    try:
        lowest = connection.execute("SELECT MIN(id) FROM spool").fetchone()[0] or 1
    except sqlite3.Error:
        lowest = 1
    return lowest, highest
