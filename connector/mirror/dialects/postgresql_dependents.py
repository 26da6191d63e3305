"""Readers' views on tables that become views, on PostgreSQL: dropped and created again (``apart_step.py``).

A view depends on the table and not on its name, so it would follow the table into the store. Views of roles
that this role may act for are created again from their definitions, with all that was set on them. The
others stay and go on working, and the log says how their owners can move them.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connector.mirror.dialects import postgresql_grants as grants
from connector.mirror.dialects.dialect import quoted

log = structlog.get_logger(__name__)

# Views and materialized views above these tables; the greatest depth comes after all that it stands on.
ABOVE = """
    WITH RECURSIVE found(oid, depth) AS (
        SELECT to_regclass(name)::oid, 0 FROM unnest(%s::text[]) AS name
        UNION
        SELECT ev_class, depth + 1 FROM found
        JOIN pg_depend AS uses ON uses.refclassid = 'pg_class'::regclass AND uses.refobjid = found.oid
            AND uses.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite AS rule ON rule.oid = uses.objid AND ev_class <> found.oid
    )
    SELECT format('%%I.%%I', nspname, relname), relname, relkind = 'm', pg_get_viewdef(class.oid),
        relispopulated, pg_has_role(relowner, 'MEMBER'), relowner::regrole::text,
        ARRAY(SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = class.oid)
        || ARRAY(SELECT pg_get_triggerdef(trigger.oid) FROM pg_trigger AS trigger
                 WHERE tgrelid = class.oid AND NOT tgisinternal)
    FROM found JOIN pg_class AS class ON class.oid = found.oid
    JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE relkind IN ('v', 'm') GROUP BY class.oid, nspname ORDER BY max(depth), class.oid
"""
STANDS_ON = """
    SELECT DISTINCT name FROM unnest(%s::text[]) AS name
    JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = to_regclass(name)
        AND classid = 'pg_rewrite'::regclass
"""
STILL_USED = "2BP01"


@dataclass(frozen=True, slots=True)
class Dependent:
    """A view or materialized view that was dropped, and the statements that make it again."""

    qualified: str
    name: str
    definition: str
    kind: str
    materialized: bool
    populated: bool
    also: list[str]
    rights: grants.Kept


class Dependents:
    """The views on some tables, taken down as far as this role may; ``kept`` tables have views left on."""

    def __init__(self, connection: Connection, tables: Collection[str]) -> None:
        self._connection = connection
        # In the order in which it can be made.
        self._taken: list[Dependent] = []
        names = [quoted(name) for name in tables]
        rows = connection.exec_driver_sql(ABOVE, (names,)).fetchall()
        for qualified, name, materialized, definition, populated, ours, owner, also in reversed(rows):
            kind = "MATERIALIZED VIEW" if materialized else "VIEW"
            if not ours:
                log.warning(
                    "a view still reads the connector's tables, which only the connector uses from now on",
                    view=qualified,
                    fix=f"as {owner}: DROP {kind} {qualified}; CREATE {kind} {qualified} AS {definition}",
                )
                continue
            rights = grants.of_view(connection, qualified)
            try:
                with connection.begin_nested():
                    connection.exec_driver_sql(f"DROP {kind} {qualified}")
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != STILL_USED:  # by something that was kept
                    raise
            else:
                taken = Dependent(qualified, name, definition, kind, materialized, populated, also, rights)
                self._taken.insert(0, taken)
        stand_on = connection.exec_driver_sql(STANDS_ON, (names,)).scalars()
        self.kept = {name[1:-1] for name in stand_on}

    def put_back(self, own: Mapping[str, Callable[[str], str]]) -> None:
        """Make again what was taken down; ``own`` changes the text of the connector's own views by name.

        A view that cannot be created is logged with its definition: it reads a column that readers no longer
        see.
        """
        for one in self._taken:
            definition = own[one.name](one.definition) if one.name in own else one.definition
            text = definition.rstrip().removesuffix(";")
            create = f"CREATE {one.kind} {one.qualified} AS {text}"
            if one.materialized:
                create += " WITH DATA" if one.populated else " WITH NO DATA"
            of_columns = [statement for some in one.rights.of_columns.values() for statement in some]
            try:
                with self._connection.begin_nested():
                    self._execute(create, *one.also, *one.rights.options)
                    # What the database grants by default was taken from it, or is among its rights.
                    self._execute(*grants.of_view(self._connection, one.qualified).revokes)
                    self._execute(*of_columns, *one.rights.rights)
            except DBAPIError as error:
                report(one.qualified, create, str(error.orig).splitlines()[0])

    def _execute(self, *statements: str) -> None:
        for statement in statements:
            self._connection.exec_driver_sql(statement.replace("%", "%%"))


def report(view: str, definition: str, why: str = "") -> None:
    """Log a view that is lost."""
    log.error(
        "a view was dropped, because it reads a column that readers no longer see",
        view=view,
        why=why or "a column is hidden",
        fix=f"make it again without that: {definition}",
    )
