"""Somebody's objects on the connector's tables that stop every write are removed or disabled.

An index over texts that are too long for it, or over a function that fails; a trigger whose function or
table is gone; a publication of some columns. None of them may stop the mirror or keep an event out.
Constraints, unique indexes and triggers that raise an error of their own refuse values on purpose: the
events that they refuse are parked (``database.translate``).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from connector.errors import Defect, Poison, SchemaMoved
from connector.mirror import dialects, locks
from connector.mirror.database import transaction
from connector.mirror.dialects.base_catalogue import Obstacle
from connector.mirror.mapped import logical
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)

T = TypeVar("T")
Clear = Callable[[Connection], None]

FIXES = {
    "index": "make it of less: of left(column, 600), or of columns as they are",
    "trigger": "correct it, and make or enable it again",
    "publication": "publish the whole table, or a view's copy of it",
}


def overcome(engine: Engine, mapping: Mapping, act: Callable[[Clear], T], *, alone: bool = True) -> T:
    """Do it; where somebody's object makes it fail, remove that object and log its definition.

    ``act`` is given what its transaction has to start with. Only where it is ``alone``, a single event,
    an index is removed for a value. Raises what ``act`` raises.
    """
    try:
        return act(lambda _: None)
    except (Defect, Poison) as error:
        # An index may be what refused a value that is too large, or that it cannot be computed with.
        state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) or ""
        of_index = alone and state[:2] in ("22", "54")
        if isinstance(error, SchemaMoved) or (isinstance(error, Poison) and not of_index):
            raise
        failure = error
    found = [one for one in _found(engine, mapping) if isinstance(failure, Defect) or not one.refuses]
    # Each alone, so that no other is lost with it, and at last all.
    for some in [*([one] for one in found), *([found] if len(found) > 1 else [])]:
        try:
            done = act(partial(_remove, some))
        except (Defect, Poison):
            continue
        for one in some:
            log.warning(
                "somebody's object was removed or disabled, because it stopped every write",
                kind=one.kind,
                name=one.name,
                table=logical(one.table),
                definition=one.definition,
                error=str(failure),
                fix=FIXES[one.kind],
            )
        return done
    raise failure


def _found(engine: Engine, mapping: Mapping) -> list[Obstacle]:
    tables = Tables(mapping).metadata.tables
    names = {*tables, *map(logical, tables)}  # as steps have them, until tables stand apart
    ours = {str(index.name) for table in tables.values() for index in table.indexes}
    with transaction(engine) as connection:
        found = dialects.catalogue(connection).obstacles(names)
    return [one for one in found if not (one.kind == "index" and one.name in ours)]


def _remove(some: Sequence[Obstacle], connection: Connection) -> None:
    locks.wait_briefly(connection)
    for one in some:
        try:
            dialects.of(connection).execute(connection, one.removal)
        except DBAPIError as error:
            dialect = dialects.of(connection)
            if dialect.code(error) == dialect.lock_not_granted:
                raise
            # The connector's role may not remove it.
            raise Defect(f"{one.kind} {one.name} on {one.table}: {error.orig}") from error
