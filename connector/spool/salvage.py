"""What can still be read of a damaged spool file.

Works on a copy: the damaged file itself stays as it was found, for further analysis.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

# Raises ValueError for a row (checksum, body) that is not what was written.
CheckRow = Callable[[int, bytes], Any]
# A row takes more than this in the file: no more ids than that are looked for behind an unreadable page.
SMALLEST_ROW_BYTES = 16
BUILDING, BUILT = ".salvaging", ".salvaged"
SUFFIXES = ("", "-wal", "-shm")
SPOOL_COLUMNS = ("id", "stored_at", "checksum", "records", "topic")
ASIDE_COLUMNS = (*SPOOL_COLUMNS, "reason", "error", "set_aside_at")


class Salvage:
    """Reads what there is in a copy of one damaged file."""

    def __init__(self, copy: sqlite3.Connection) -> None:
        self._copy = copy

    @classmethod
    @contextmanager
    def of(cls, damaged: Path) -> Iterator[Self]:
        """Work on a copy of the damaged file until the block ends."""
        with tempfile.TemporaryDirectory(dir=damaged.parent) as folder:
            copy = Path(folder) / "copy.db"
            for suffix in ("", "-wal"):
                part = damaged.with_name(damaged.name + suffix)
                if part.exists():
                    shutil.copy(part, copy.with_name(copy.name + suffix))
            cls._pad(copy)
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                yield cls(connection)

    def carry_over(self, into: sqlite3.Connection, *, check: CheckRow) -> tuple[int, int]:
        """Copy every row that reads, with its id; how many, and how many others there are at least.

        A row whose checksum does not hold is not copied: it stays in the damaged file.
        """
        carried_over = unreadable = 0
        for table, expected in (("spool", SPOOL_COLUMNS), ("set_aside", ASIDE_COLUMNS)):
            try:
                there = {row[1] for row in self._copy.execute(f"PRAGMA table_info({table})")}
                lowest, highest = self._span(table) if there else (1, 0)
            except sqlite3.Error:
                unreadable += 1
                break  # nothing of the file reads
            columns = [name for name in expected if name in there]
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
            for row in self._rows(table, columns, lowest, highest):
                if row is None:
                    unreadable += 1
                    continue
                try:
                    if table == "spool":
                        check(row[2], row[3])
                    into.execute(insert, row)
                    carried_over += 1
                except (ValueError, TypeError, sqlite3.IntegrityError):
                    unreadable += 1
        return carried_over, unreadable

    @staticmethod
    def _pad(file: Path) -> None:
        """Extend a torn file to the length in its header; SQLite reads nothing of a shorter one."""
        with file.open("r+b") as torn:
            header = torn.read(32)
            if header.startswith(b"SQLite format 3\0"):
                page = int.from_bytes(header[16:18])
                page = 65_536 if page == 1 else page  # as SQLite writes it
                torn.truncate(max(file.stat().st_size, page * int.from_bytes(header[28:32])))

    def _rows(
        self, table: str, columns: list[str], lowest: int, highest: int
    ) -> Iterator[tuple[Any, ...] | None]:
        """Each row between two ids, None for one that cannot be read."""
        select = f"SELECT {', '.join(columns)} FROM {table} WHERE id = ?"  # noqa: S608
        for row_id in range(lowest, highest + 1):
            try:
                row = self._copy.execute(select, (row_id,)).fetchone()
            except sqlite3.Error:
                yield None
            else:
                if row is not None:
                    yield row

    def _span(self, table: str) -> tuple[int, int]:
        """First and last id; the last from the counter that AUTOINCREMENT keeps, should the end be torn."""
        copy = self._copy
        row = copy.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if row is None:
            found = copy.execute(f"SELECT MIN(id), MAX(id) FROM {table}").fetchone()  # noqa: S608
            return found[0] or 1, found[1] or 0
        highest: int = row[0]
        pages, page = (copy.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        most = pages * page // SMALLEST_ROW_BYTES
        try:
            lowest = copy.execute(f"SELECT MIN(id) FROM {table}").fetchone()[0] or 1  # noqa: S608
        except sqlite3.Error:
            lowest = max(1, highest - most)
        return lowest, min(highest, lowest + most)


class SalvagedFile:
    """Puts a new file in the place of the damaged one at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def unfinished(self) -> Path:
        """Where the new file is built; what an earlier try left there is gone."""
        for suffix in SUFFIXES:
            self._beside(f"{BUILDING}{suffix}").unlink(missing_ok=True)
        return self._beside(BUILDING)

    def keep_aside(self, label: str) -> Path:
        """Give the damaged file a second name, by which it stays."""
        aside = self._beside(f".{label}")
        number = 1
        while aside.exists():
            number += 1
            aside = self._beside(f".{label}-{number}")
        for suffix in ("", "-wal"):
            part = self._beside(suffix)
            if part.exists():
                name = aside.with_name(aside.name + suffix)
                try:
                    name.hardlink_to(part)
                except OSError:  # a file system without hard links
                    shutil.copy(part, name)
        return aside

    def complete(self) -> None:
        """Put the new file in the place of the old one; from the first rename on it counts."""
        self._beside(BUILDING).rename(self._beside(BUILT))
        self.finish()

    def finish(self) -> None:
        """Do what is left of a salvage whose new file was complete."""
        built = self._beside(BUILT)
        if built.exists():
            for suffix in SUFFIXES[1:]:
                self._beside(suffix).unlink(missing_ok=True)
            built.rename(self._path)

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)
