"""SQL that is the same for every table and both databases."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from connector.mirror.batches import Batch, Columns, run


def on_keys(
    connection: Connection, statement: str, columns: Columns, keys: Iterable[Sequence[Any]], after: str = ""
) -> Sequence[Any]:
    """A statement on the rows with these values in these columns; returns what it returns.

    No row has NULL's value, not even a NULL: what an event that was forgotten has for its entity key.
    """
    batch = Batch(columns, sorted({tuple(key) for key in keys if None not in key}))
    if not batch.rows:
        return ()
    listed = ", ".join(quoted(name) for name, _ in columns)
    return run(connection, f"{statement} WHERE ({listed}) IN (", batch, f") {after}")


def quoted(name: str) -> str:
    """An identifier that may be a word of SQL, such as ``order`` or ``position``."""
    return f'"{name}"'
