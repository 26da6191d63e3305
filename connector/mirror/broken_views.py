"""Readers' views that do not work, or would stop working after a change, where a database lets them.

SQLite changes no column of any table while one view of the file is broken, but it lets a change of one view
break another.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connector.errors import StartupError
from connector.mirror import dialects, rules
from connector.mirror.statements import quoted


def working(connection: Connection, besides: Collection[str] = ()) -> set[str]:
    """Names of the views that can be asked; empty on PostgreSQL, which lets none be broken.

    ``besides`` are names of which nobody wants to know: each is a query.
    """
    found = set()
    for name in dialects.catalogue(connection).views().keys() - besides:
        with suppress(DBAPIError):
            connection.exec_driver_sql(f"SELECT * FROM {quoted(name)} LIMIT 0")
            found.add(name)
    return found


@contextmanager
def put_aside(connection: Connection) -> Iterator[None]:
    """Have no broken view while the block runs; afterwards each is there again, with its triggers."""
    kept: list[str] = []
    catalogue, works = dialects.catalogue(connection), working(connection)
    for name, made in sorted(catalogue.views().items()):
        if name not in works:
            kept += [made, *catalogue.triggers(name).values()]
            connection.exec_driver_sql(f"DROP VIEW {quoted(name)}")
    yield
    for statement in kept:
        connection.exec_driver_sql(statement)


@contextmanager
def none_breaks(connection: Connection, refusal: str) -> Iterator[None]:
    """Refuse a change after which somebody's view would no longer work; raises ``StartupError``."""
    ours = {name for name, rule in rules.views(rules.recorded(connection)).items() if rule != rules.TAKEN}
    before = working(connection, besides=ours)
    yield
    if broken := sorted(before - working(connection, besides=ours) if before else before):
        raise StartupError(
            f"{refusal}, because views were built on it: {', '.join(broken)}.",
            "drop these views (DROP VIEW), run it again, and create them on the new columns",
        )


@contextmanager
def named(connection: Connection, refusal: str) -> Iterator[None]:
    """Name what stops the change of a column, such as somebody's view or index."""
    try:
        with dialects.catalogue(connection).dependents_named(refusal):
            yield
    except DBAPIError as error:
        dialect = dialects.of(connection)
        if dialect.code(error) != dialect.built_upon:
            raise
        fix = "drop these objects, run it again, and create them again"
        raise StartupError(f"{refusal}: {error.orig}.", fix) from error
