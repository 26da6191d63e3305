"""What somebody built on the connector's tables makes way where nothing can be written with it.

An index over texts that are too long for it, or over a function that fails; a trigger whose function or
table is gone; a publication of some columns. None of them may stop the mirror or keep an event out. What
refuses values on purpose is another matter: a constraint, a unique index and a trigger that raises an
error of its own have the events that they refuse parked (``database.translate``).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from connector.errors import Defect, Poison, SchemaMoved
from connector.mirror import locks, namespaces
from connector.mirror.database import transaction
from connector.mirror.mapped import logical
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)

T = TypeVar("T")
Clear = Callable[[Connection], None]

# Kind, name, table, definition, whether it may refuse values on purpose, and what takes it away.
ON_POSTGRESQL = f"""
    SELECT 'index', one.relname, class.relname, pg_get_indexdef(one.oid), indisunique,
           format('DROP INDEX IF EXISTS %%I', one.relname)
    FROM pg_index JOIN pg_class AS one ON one.oid = indexrelid JOIN pg_class AS class ON class.oid = indrelid
    WHERE class.relnamespace IN ({namespaces.BOTH}) AND class.relname = ANY(%s)
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION ALL
    SELECT 'trigger', tgname, relname, pg_get_triggerdef(one.oid), true,
           format('ALTER TABLE %%I DISABLE TRIGGER %%I', relname, tgname)
    FROM pg_trigger AS one JOIN pg_class AS class ON class.oid = tgrelid
    WHERE relnamespace IN ({namespaces.BOTH}) AND relname = ANY(%s)
      AND NOT tgisinternal AND tgenabled <> 'D'
    UNION ALL
    SELECT 'publication', pubname, relname, 'of some columns or rows', true,
           format('ALTER PUBLICATION %%I DROP TABLE %%I', pubname, relname)
    FROM pg_publication_rel JOIN pg_publication AS one ON one.oid = prpubid
    JOIN pg_class AS class ON class.oid = prrelid
    WHERE relnamespace IN ({namespaces.BOTH}) AND relname = ANY(%s)
      AND (prqual IS NOT NULL OR prattrs IS NOT NULL)
"""
ON_SQLITE = """
    SELECT type, name, tbl_name, sql, type = 'trigger' OR sql LIKE 'CREATE UNIQUE%',
           'DROP ' || type || ' IF EXISTS "' || replace(name, '"', '""') || '"'
    FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL
"""
FIXES = {
    "index": "make it of less: of left(column, 600), or of columns as they are",
    "trigger": "correct it, and make or enable it again",
    "publication": "publish the whole table, or a view's copy of it",
}


class Obstacle(NamedTuple):
    """Something of somebody's on a table; ``refuses``: it may keep values out on purpose."""

    kind: str
    name: str
    table: str
    definition: str
    refuses: bool
    removal: str


def overcome(engine: Engine, mapping: Mapping, act: Callable[[Clear], T], *, alone: bool = True) -> T:
    """Do it; where it fails for what somebody built, that makes way, and is logged with its definition.

    ``act`` is given what its transaction has to begin with. Only where it is ``alone``, a single event,
    an index makes way for a value. Raises what ``act`` raises.
    """
    try:
        return act(lambda _: None)
    except (Defect, Poison) as error:
        if isinstance(error, SchemaMoved) or (isinstance(error, Poison) and not (alone and _of_index(error))):
            raise
        failure = error
    found = [one for one in _found(engine, mapping) if isinstance(failure, Defect) or not one.refuses]
    for some in _tries(found):
        try:
            done = act(partial(_remove, some))
        except (Defect, Poison):
            continue
        for one in some:
            log.warning(
                "somebody's object was taken away: with it nothing could be written",
                kind=one.kind,
                name=one.name,
                table=logical(one.table),
                definition=one.definition,
                error=str(failure),
                fix=FIXES[one.kind],
            )
        return done
    raise failure


def _of_index(error: Poison) -> bool:
    """Whether an index may be what refused a value: it is too large, or cannot be computed with."""
    state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) or ""
    return state[:2] in ("22", "54")


def _tries(found: Sequence[Obstacle]) -> Iterator[Sequence[Obstacle]]:
    """Each alone, so that no other is lost with it, and at last all."""
    yield from ([one] for one in found)
    if len(found) > 1:
        yield found


def _found(engine: Engine, mapping: Mapping) -> list[Obstacle]:
    tables = Tables(mapping).metadata.tables
    names = {*tables, *map(logical, tables)}  # as steps have them, until tables stand apart
    ours = {str(index.name) for table in tables.values() for index in table.indexes}
    with transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            rows = connection.exec_driver_sql(ON_POSTGRESQL, (list(names),) * 3).fetchall()
        else:
            rows = connection.exec_driver_sql(ON_SQLITE).fetchall()
    found = [Obstacle(*row) for row in rows]
    return [
        one for one in found if one.table.lower() in names and not (one.kind == "index" and one.name in ours)
    ]


def _remove(some: Sequence[Obstacle], connection: Connection) -> None:
    locks.wait_briefly(connection)
    for one in some:
        try:
            connection.exec_driver_sql(one.removal.replace("%", "%%"))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == locks.LOCK_NOT_AVAILABLE:
                raise
            # It is not the connector's role's to take away.
            raise Defect(f"{one.kind} {one.name} on {one.table}: {error.orig}") from error
