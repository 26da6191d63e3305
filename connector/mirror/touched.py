"""A copy in memory of what some events touch in a SQLite mirror, to write to while a worker writes there.

SQLite has one lock for everybody who writes, so a dry run in the mirror itself would hold up the worker.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from connector.events import Event, Identity
from connector.mirror import ledger
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction, translate
from connector.mirror.dialects import sqlite_file
from connector.mirror.fold import Key
from connector.mirror.mapped import MappedTable
from connector.mirror.rows import events_of
from connector.mirror.statements import quoted

Touched = Sequence[tuple[MappedTable, set[Key]]]
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
            _copy(connection, "_notifications", ledger.IDENTITY, identities)
            held = ledger.held(connection, identities)
            touched = touches(held.values())
            if held:
                _copy(connection, "_notifications", ledger.IDENTITY, _folded_from(engine, touched))
            for table, keys in touched:
                _copy(connection, table.store, tuple((one.name, one.type) for one in table.key), keys)
            # After the rows, which a trigger must not see come.
            _make(connection, "type <> 'table'")
            yield connection
    except (SQLAlchemyError, sqlite3.Error) as error:
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


def _copy(
    connection: Connection, table: str, key: Sequence[tuple[str, str]], keys: Iterable[Sequence[object]]
) -> None:
    rows = sorted(set(map(tuple, keys)))
    if rows:
        names = ", ".join(quoted(name) for name, _ in key)
        insert = f"INSERT OR IGNORE INTO main.{quoted(table)} SELECT * FROM live.{quoted(table)}"
        run(connection, f"{insert} WHERE ({names}) IN (", Batch(tuple(key), rows), ")")


def _folded_from(engine: Engine, touched: Touched) -> list[Identity]:
    with transaction(engine) as reading:
        return [event.identity for table, keys in touched for event in events_of(reading, table, keys)]
