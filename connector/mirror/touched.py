"""A transaction for a dry run, which is undone: on the mirror, or beside it on the rows that events touch.

Where one writer keeps all others from writing, a dry run in the mirror itself would block the worker.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from connector.events import Event, Identity
from connector.mirror import dialects, ledger
from connector.mirror.batches import Columns
from connector.mirror.database import transaction, translate
from connector.mirror.dialects.parts import Beside
from connector.mirror.mapped import Key
from connector.mirror.models import BODY
from connector.mirror.projections import Projection
from connector.mirror.rows import events_of
from connector.mirror.statements import on_keys, quoted

Touched = Sequence[tuple[Projection, set[Key]]]
Touches = Callable[[Iterable[Event]], Touched]
"""The rows that events of the ledger, and those to come, touch."""


@contextmanager
def undone(engine: Engine, identities: Sequence[Identity], touches: Touches) -> Iterator[Connection]:
    """A transaction that is rolled back whatever happens; ``identities`` are of the events to come.

    Beside the mirror it has everything that stands there, but of the rows only those that are touched, and
    the events of the ledger that they are folded from where one of the events is known. Nothing waits for
    it then, and it takes no lock but a reader's. The database's errors come out translated.
    """
    try:
        if (beside := dialects.of(engine).beside(engine)) is None:
            with engine.connect() as connection:
                connection.begin()  # closing the connection rolls it back
                yield connection
            return
        with beside as copy:
            _fill(copy, engine, identities, touches)
            # After the rows, which a trigger must not see come.
            copy.complete()
            yield copy.connection
    except dialects.ERRORS as error:
        raise translate(error, engine.url.database or "") from error


def _fill(copy: Beside, engine: Engine, identities: Sequence[Identity], touches: Touches) -> None:
    """Copy what a dry run reads."""
    connection = copy.connection
    for whole in ("_mirror_rules", "_archives", "_archived_rows"):
        connection.exec_driver_sql(f"INSERT INTO {whole} SELECT * FROM {copy.live}{whole}")
    _copy_events(copy, identities)
    known = ledger.stored(connection, identities)
    touched = touches(known.values())
    if known:
        with transaction(engine) as reading:
            folded = [event.identity for table, keys in touched for event in events_of(reading, table, keys)]
        _copy_events(copy, folded)
    for table, keys in touched:
        _copy(copy, table.store, table.group_columns, table.groups(keys))


def _copy_events(copy: Beside, identities: Sequence[Identity]) -> None:
    """Copy events of the ledger with their bodies."""
    _copy(copy, "_notifications", ledger.IDENTITY, identities)
    rows = f"{copy.live}_bodies AS _bodies JOIN _notifications ON {BODY}"
    insert = f"INSERT INTO _bodies SELECT _bodies.* FROM {rows} WHERE true ON CONFLICT DO NOTHING"
    copy.connection.exec_driver_sql(insert)


def _copy(copy: Beside, table: str, key: Columns, keys: Iterable[Sequence[Any]]) -> None:
    insert = f"INSERT INTO {quoted(table)} SELECT * FROM {copy.live}{quoted(table)}"
    on_keys(copy.connection, insert, key, keys, "ON CONFLICT DO NOTHING")
