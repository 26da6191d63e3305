"""How a view is made, and replaced in place: what readers built and were granted on it stays."""

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connector.mirror import grants, namespaces
from connector.mirror.rebuild import dependents_named
from connector.mirror.shown import View
from connector.mirror.statements import quoted

# PostgreSQL: the view would lose a column, or one would get another name or type.
INVALID_TABLE_DEFINITION = "42P16"
USED = f"""
    SELECT count(*) FROM pg_depend JOIN pg_rewrite AS rule ON rule.oid = objid
    JOIN pg_class AS view ON view.oid = refobjid JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass AND ev_class <> refobjid
    AND nspname = {namespaces.PUBLIC} AND relname = %s
"""


def is_used(connection: Connection, view: str) -> bool:
    """Whether PostgreSQL keeps a view from being dropped, because others stand on it."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.exec_driver_sql(USED, (view,)).scalar_one())


def make(connection: Connection, schema: str, view: View, *, replace: bool) -> None:
    """Make a view, or replace the one that is there with what others built and were granted on it.

    ``schema`` stands before the name. Raises ``StartupError`` where others built on a column that goes.
    """
    name, select = view.name, view.select
    qualified = schema + quoted(name)
    create = f"CREATE VIEW {qualified} AS {select}"
    if connection.dialect.name == "sqlite":
        _make_on_sqlite(connection, name, create)
        return
    if not replace:
        execute(connection, create)
        return
    kept = grants.of_view(connection, qualified)
    try:
        with connection.begin_nested():
            execute(
                connection,
                f"CREATE OR REPLACE VIEW {qualified} AS {_in_place(connection, qualified, select)}",
            )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INVALID_TABLE_DEFINITION:
            raise
    else:
        execute(connection, *kept.options)
        return
    with dependents_named(f"The view {name} cannot be changed as tables.yaml says"):
        connection.exec_driver_sql(f"DROP VIEW {qualified}")
    execute(connection, create)
    execute(connection, *grants.of_view(connection, qualified).revokes, *kept.options, *kept.rights)
    held = columns(connection, f"SELECT * FROM {qualified}")
    execute(connection, *(one for column in held for one in kept.of_columns.get(column, ())))


def _make_on_sqlite(connection: Connection, name: str, create: str) -> None:
    """There nothing can be replaced; a trigger that somebody put on a view goes with it, and comes back."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
    triggers = [row[0] for row in connection.exec_driver_sql(query, (name,)).fetchall()]
    execute(connection, f"DROP VIEW IF EXISTS {quoted(name)}", create, *triggers)


def _in_place(connection: Connection, qualified: str, select: str) -> str:
    """The SELECT with the columns that the view has in their places, and new ones last."""
    held = columns(connection, f"SELECT * FROM {qualified}")
    new = columns(connection, select)
    if new[: len(held)] == held or not set(held) <= set(new):
        return select
    ordered = [*held, *(column for column in new if column not in held)]
    return f"SELECT {', '.join(map(quoted, ordered))} FROM ({select}\n) AS made"


def columns(connection: Connection, select: str) -> list[str]:
    """The columns that a SELECT gives."""
    query = f"SELECT * FROM ({select}\n) AS made LIMIT 0"
    if connection.dialect.name == "postgresql":
        query = query.replace("%", "%%")
    return list(connection.exec_driver_sql(query).keys())


def execute(connection: Connection, *statements: str) -> None:
    """Run statements that take no parameters, whatever signs they hold."""
    on_postgresql = connection.dialect.name == "postgresql"
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%") if on_postgresql else statement)
