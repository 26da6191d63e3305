"""A mirror in SQLite as another file, byte for byte, while its worker goes on."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

# Copied at once; between them a person sees how far it is, and may end it.
STEP_PAGES = 4096


def save(engine: Engine, file: Path, observe: Callable[[int, int], None]) -> None:
    """Copy one state of the database by SQLite's backup; ``observe`` gets the pages done and all pages.

    The read transaction keeps the state while others write, and keeps their log from being emptied.
    """
    with closing(engine.raw_connection()) as pooled, closing(sqlite3.connect(file)) as target:
        source = pooled.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise TypeError(source)
        source.execute("BEGIN")
        try:
            source.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
            source.backup(
                target,
                pages=STEP_PAGES,
                progress=lambda _, left, total: observe(total - left, total),
                sleep=0,
            )
        finally:
            source.execute("ROLLBACK")
