"""Names of tables and views that a change of ``tables.yaml`` takes, frees, or finds in other hands."""

from collections.abc import Collection

import structlog
from sqlalchemy import Connection, inspect

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import rules
from connector.mirror.rebuild import dependents_named
from connector.mirror.statements import quoted

log = structlog.get_logger(__name__)

# Everything that shares its names with tables: views, indexes, sequences, and types on PostgreSQL.
ON_POSTGRESQL = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    UNION SELECT typname FROM pg_type WHERE typnamespace = current_schema()::regnamespace
"""
ON_SQLITE = "SELECT lower(name) FROM sqlite_master WHERE type <> 'trigger'"


def free(connection: Connection, config: Config) -> None:
    """Drop a view whose name a table has now, and a former table whose name a view has now.

    The table's rows are in the ledger. Raises ``StartupError`` where others built on either.
    """
    recorded, views = rules.recorded(connection), rules.views(connection)
    tables = set(inspect(connection).get_table_names()) if recorded else set()
    for name in sorted(views.keys() & config.tables.keys() - tables):
        refusal = f"{config.where('tables', name)}: the view {name} cannot make way for the table {name}"
        _drop(connection, "VIEW", name, refusal)
        rules.record_views(connection, {one: rule for one, rule in views.items() if one != name})
    for name in sorted(
        {table for table, _ in recorded} & tables & config.views.keys() - config.tables.keys()
    ):
        refusal = f"{config.where('views', name)}: the table {name} cannot make way for the view {name}"
        _drop(connection, "TABLE", name, refusal)
        rules.erase(connection, name)


def _drop(connection: Connection, kind: str, name: str, refusal: str) -> None:
    with dependents_named(refusal):
        connection.exec_driver_sql(f"DROP {kind} IF EXISTS {quoted(name)}")
    log.warning("dropped, because tables.yaml gives its name to another", kind=kind.lower(), name=name)


def refuse_foreign(connection: Connection, config: Config, strange: set[str]) -> None:
    """Never touch what has the name of a table and is another program's or a reader's.

    ``strange`` are tables that are not there, or not as the connector makes them. Raises ``StartupError``.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    existing = set(connection.exec_driver_sql(ON_POSTGRESQL if on_postgresql else ON_SQLITE).scalars())
    recorded = rules.recorded(connection)
    if "mirror_rules" in existing and not recorded:
        return  # made by hand from the text of ``connector schema``
    own = {"mirror_losses", "mirror_routes", "mirror_counters"}
    ours = strange & {*config.tables, *own} if recorded else strange
    known = {table for table, _ in recorded} & {*inspect(connection).get_table_names()}
    if foreign := sorted((ours & existing) - known):
        raise StartupError(
            f"{config.where('tables', foreign[0])}: the database holds tables or views of these names that "
            f"are not the connector's: {', '.join(foreign)}.",
            "give the mirror a database of its own, or rename these tables in tables.yaml",
        )


def refuse_other_types(
    connection: Connection, config: Config, wanted: rules.Rules, new: Collection[tuple[str, str]]
) -> None:
    """Refuse another type of a column that is there, also where a database has one type for both.

    ``wanted`` are the rules of the mapping, ``new`` the columns that are not there. Raises ``StartupError``.
    """
    recorded = rules.recorded(connection)
    tables = set(inspect(connection).get_table_names())
    for (table, column), rule in wanted.items():
        former = recorded.get((table, column), rules.REMOVED)
        if not column or former == rules.REMOVED or table not in tables or (table, column) in new:
            continue
        held, type_ = (one.partition(" ")[0] for one in (former, rule))
        if held != type_:
            where = config.where("tables", table, "columns", column)
            raise StartupError(
                f"{where}: the column {column} of the table {table} is {held} in the database "
                f"and {type_} by tables.yaml.",
                drop_fix(connection, table),
            )


def drop_fix(connection: Connection, table: str) -> str:
    """How a table makes way for one of another key or type."""
    # Without CASCADE PostgreSQL refuses while a view stands on the table, the connector's own too.
    cascade = " CASCADE, which drops views on it too," if connection.dialect.name == "postgresql" else ""
    return (
        f"drop the table (DROP TABLE {quoted(table)}{cascade}) and start again: it is filled from the ledger"
    )
