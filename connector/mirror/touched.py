"""A copy in memory of the rows that some events touch in a SQLite mirror, for a dry run beside a worker.

SQLite has one lock for all writers, so a dry run in the mirror itself would block the worker.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from connector.events import Event, Identity
from connector.mirror import dialects, ledger
from connector.mirror.batches import Columns
from connector.mirror.database import transaction, translate
from connector.mirror.dialects import sqlite_file
from connector.mirror.mapped import Key
from connector.mirror.models import BODY
from connector.mirror.projections import Projection
from connector.mirror.rows import events_of
from connector.mirror.statements import on_keys, quoted

Touched = Sequence[tuple[Projection, set[Key]]]
Touches = Callable[[Iterable[Event]], Touched]
"""The rows that events of the ledger, and those to come, touch."""


@contextmanager
def copied(engine: Engine, identities: Sequence[Identity], touches: Touches) -> Iterator[Connection]:
    """A transaction on the copy, which is gone afterwards; ``identities`` are of the events to come.

    It has everything that stands in the file, but of the rows only those, and the events of the ledger
    that they are folded from where one of the events is known. Nothing waits for it, and it takes no
    lock but a reader's. The database's errors come out translated.
    """
    file = Path(engine.url.database or "")
    try:
        with sqlite_file.in_memory(beside=file).connect() as connection:
            connection.begin()
            _make(connection, "type = 'table'")
            connection.exec_driver_sql("INSERT INTO main._mirror_rules SELECT * FROM live._mirror_rules")
            for whole in ("_archives", "_archived_rows"):
                connection.exec_driver_sql(f"INSERT INTO main.{whole} SELECT * FROM live.{whole}")
            _copy_events(connection, identities)
            known = ledger.stored(connection, identities)
            touched = touches(known.values())
            if known:
                with transaction(engine) as reading:
                    folded = [
                        event.identity for table, keys in touched for event in events_of(reading, table, keys)
                    ]
                _copy_events(connection, folded)
            for table, keys in touched:
                _copy(connection, table.store, table.group_columns, table.groups(keys))
            # After the rows, which a trigger must not see come.
            _make(connection, "type <> 'table'")
            yield connection
    except dialects.ERRORS as error:
        raise translate(error, str(file)) from error


def _make(connection: Connection, which: str) -> None:
    """Make what the file has of this kind; what somebody built of parts that are not here is left out."""
    query = (
        f"SELECT sql FROM live.sqlite_schema WHERE sql IS NOT NULL AND {which} AND name NOT LIKE 'sqlite!_%%'"
    )
    for statement in connection.exec_driver_sql(f"{query} ESCAPE '!' ORDER BY rowid").scalars().all():
        try:
            connection.exec_driver_sql(statement)
        except SQLAlchemyError:
            continue


def _copy_events(connection: Connection, identities: Sequence[Identity]) -> None:
    """Copy events of the ledger with their bodies."""
    _copy(connection, "_notifications", ledger.IDENTITY, identities)
    rows = f"live._bodies AS _bodies JOIN main._notifications AS _notifications ON {BODY}"
    connection.exec_driver_sql(f"INSERT OR IGNORE INTO main._bodies SELECT _bodies.* FROM {rows}")


def _copy(connection: Connection, table: str, key: Columns, keys: Iterable[Sequence[Any]]) -> None:
    insert = f"INSERT OR IGNORE INTO main.{quoted(table)} SELECT * FROM live.{quoted(table)}"
    on_keys(connection, insert, key, keys)
