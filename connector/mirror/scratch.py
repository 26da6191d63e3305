"""Empty copies of a mapping's tables, to try things on: never the live tables, and gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from connector.mirror import dialects
from connector.mirror.database import translate
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables


@contextmanager
def empty_copies(engine: Engine, mapping: Mapping) -> Iterator[Connection | None]:
    """A transaction on empty tables as the mapping has them, indexes too; it is never committed.

    No lock on a live table is waited for. None where the role may make no temporary tables, or on a
    standby. The database's errors come out translated.
    """
    try:
        with dialects.of(engine).scratch(engine) as connection:
            if connection is not None:
                Tables(mapping).metadata.create_all(connection, checkfirst=False)
            yield connection
    except dialects.ERRORS as error:
        raise translate(error) from error
