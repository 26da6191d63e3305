"""Frozen columns and tables are dropped on request: ``connector schema apply --prune``."""

import structlog
from sqlalchemy import Connection, Engine, inspect

from connector.config import Config
from connector.mirror import broken_views, dialects, frozen, locks, rules, steps, view_schema
from connector.mirror.database import transaction
from connector.mirror.frozen import Frozen
from connector.mirror.mapped import stored
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)


def prune(engine: Engine, config: Config, mapping: Mapping) -> list[Frozen]:
    """Drop everything that is frozen, in one transaction; gives what was dropped.

    Raises ``StartupError`` with the names of what readers built on it, and ``DatabaseOutage``.
    """
    tables = Tables(mapping)

    def drop() -> list[Frozen]:
        with transaction(engine) as connection:
            steps.lock_for_change(connection)
            found = frozen.of(connection, tables)
            with broken_views.none_breaks(connection, "What is frozen cannot be dropped"):
                for one in found:
                    if not one.column:
                        _drop_table(connection, one)
                # First the views without the columns, then the columns.
                view_schema.Views(connection, config, mapping, tables, shows_removed=False).ensure()
            with broken_views.put_aside(connection):
                for one in found:
                    if one.column:
                        _drop_column(connection, one)
        return found

    with locks.watching(engine):
        dropped = locks.until_granted(drop)
    for one in dropped:
        log.info("dropped what is no longer in tables.yaml", name=one.name)
    return dropped


def _drop_table(connection: Connection, one: Frozen) -> None:
    view = dialects.catalogue(connection).schema + quoted(one.table)
    with broken_views.named(connection, f"{one.name} cannot be dropped"):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
        connection.exec_driver_sql(f"DROP TABLE {quoted(stored(one.table))}")
    rules.erase(connection, one.table)


def _drop_column(connection: Connection, one: Frozen) -> None:
    store = stored(one.table)
    columns = {column["name"] for column in inspect(connection).get_columns(store)}
    for name in (one.column, f"{one.column}__version"):
        if name in columns:
            with broken_views.named(connection, f"{one.name} cannot be dropped"):
                connection.exec_driver_sql(f"ALTER TABLE {quoted(store)} DROP COLUMN {quoted(name)}")
