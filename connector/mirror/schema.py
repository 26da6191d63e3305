"""Tables, columns, indexes, views and comments: made at start, printed by ``connector schema``.

What the connector alone decides of its tables is changed by steps (``steps.py``), before anything else.
The rest follows ``tables.yaml``: a column that is new, or whose rule was changed there, is filled from
the ledger in the same transaction in which the schema changes, while no batch is written; after that a
worker with the former mapping stops (``Sink``).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Dialect, Engine, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement, SetColumnComment, SetTableComment

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import filling, indexes, mapping_change, rules, steps, view_schema, views
from connector.mirror.database import transaction
from connector.mirror.mapped import MappedColumn, MappedTable
from connector.mirror.mapping import Mapping
from connector.mirror.own_tables import OWN
from connector.mirror.rules import fingerprint
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables, column_ddl

__all__ = ["Filled", "ddl", "ensure", "fingerprint", "state"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Filled:
    """What ``ensure`` had to fill from the ledger: columns by table, None for a whole table."""

    columns: dict[str, list[str] | None]


def ddl(config: Config, dialect_name: str) -> Iterator[str]:
    """Every statement that makes the schema from nothing; ``dialect_name`` is postgresql or sqlite."""
    dialect: Dialect = postgresql.dialect() if dialect_name == "postgresql" else sqlite.dialect()  # type: ignore[no-untyped-call]
    mapping = Mapping(config)
    for table in Tables(mapping).metadata.sorted_tables:
        yield _text(CreateTable(table), dialect)
        yield from (_text(CreateIndex(index), dialect) for index in sorted(table.indexes, key=_index_name))
        for comment in _comments(table, dialect):
            yield _text(comment, dialect).replace("%%", "%")
    yield steps.record_statement(time.time_ns() // 1000)
    for view in views.statements(config, mapping, dialect_name):
        yield from view_schema.statements(*view, dialect_name)


def ensure(engine: Engine, config: Config, mapping: Mapping, *, accept_mapping: bool = False) -> Filled:
    """Make the schema as the configuration says, filling what is new from the ledger.

    Raises ``DatabaseOutage``, ``ConfigError`` for a mapping that no longer fits the events of the ledger
    (unless ``accept_mapping``), or ``StartupError`` for what cannot be changed in place and for tables
    of a newer connector.
    """
    tables = Tables(mapping)
    steps.bring_up(engine, [table.name for table in mapping.tables])
    mapping_change.require_fit(engine, config, mapping, accept=accept_mapping)
    with transaction(engine) as connection:
        steps.lock_for_change(connection)
        steps.refuse_newer(connection)
        filled = Filled({})
        if not rules.stands(connection, mapping) or not _complete(connection, tables):
            filled = _change(connection, tables, mapping)
        view_schema.ensure(connection, config, mapping)
    for table, columns in filled.columns.items():
        log.info("filled from the ledger", table=table, columns=columns or "all")
    return filled


def state(engine: Engine, mapping: Mapping) -> str | None:
    """What is not as the mapping says, or None; changes nothing.

    Raises ``DatabaseOutage``, and ``StartupError`` for tables of a newer connector.
    """
    with transaction(engine) as connection:
        version = steps.refuse_newer(connection)
        if version is not None and version < steps.NEWEST:
            return steps.older(version)
        recorded = rules.recorded(connection)
        if not recorded:
            return "there are no tables yet"
        if recorded.get(("", "")) != fingerprint(mapping):
            return "the tables were made by another tables.yaml"
        return None if _complete(connection, Tables(mapping)) else "a table, column or index is missing"


def _change(connection: Connection, tables: Tables, mapping: Mapping) -> Filled:
    existing = set(inspect(connection).get_table_names())
    recorded = rules.recorded(connection)
    _refuse_foreign(existing, recorded, tables, mapping)
    for table in tables.metadata.sorted_tables:
        if table.name not in existing:
            table.create(connection)
            continue
        if table.name not in OWN:
            _add_columns(connection, table)
        _make_indexes(connection, table)
        if connection.dialect.name == "postgresql":
            for element in _comments(table, connection.dialect):
                connection.execute(element)
    filled: dict[str, list[str] | None] = {}
    for mapped in mapping.tables:
        changed = _changed_columns(mapped, recorded, whole=mapped.name not in existing)
        if changed is None or changed:
            indexes.making_way(connection, mapped.name, partial(filling.fill, connection, mapped, changed))
            filled[mapped.name] = None if changed is None else [column.name for column in changed]
    rules.record(connection, mapping)
    if "mirror_layout" not in existing:
        steps.record(connection, steps.NEWEST)
    return Filled({} if not existing else filled)


def _changed_columns(table: MappedTable, recorded: rules.Rules, *, whole: bool) -> list[MappedColumn] | None:
    """Columns whose rule differs from the one that filled them; None when all rows may differ."""
    if whole or recorded.get((table.name, "")) != rules.of_rows(table):
        return None
    changed = [
        column
        for column in table.columns
        if recorded.get((table.name, column.name)) != rules.of_column(column)
    ]
    # A column that is required decides which rows there are.
    required = [table.columns[place] for place in table.requires]
    return None if any(column in required for column in changed) else changed


# --- What stands in the database -----------------------------------------------------------------


def _complete(connection: Connection, tables: Tables) -> bool:
    """Whether every table, column and index is there."""
    inspector = inspect(connection)
    existing = set(inspector.get_table_names())
    return all(
        table.name in existing
        and {column["name"] for column in inspector.get_columns(table.name)}
        >= {column.name for column in table.columns}
        and {index["name"] for index in inspector.get_indexes(table.name)}
        >= {index.name for index in table.indexes}
        for table in tables.metadata.sorted_tables
    )


def _refuse_foreign(existing: set[str], recorded: rules.Rules, tables: Tables, mapping: Mapping) -> None:
    """Never touch a table of that name which is another program's."""
    if "mirror_rules" in existing and not recorded:
        return  # made by hand from the text of ``connector schema``
    known = {table for table, _ in recorded}
    ours = {table.name for table in mapping.tables} if recorded else set(tables.metadata.tables)
    if foreign := sorted((ours & existing) - known):
        raise StartupError(
            f"The database holds tables of these names that are not the connector's: {', '.join(foreign)}.",
            "give the mirror a database of its own, or rename these tables in tables.yaml",
        )


def _add_columns(connection: Connection, table: Table) -> None:
    existing = {column["name"]: column for column in inspect(connection).get_columns(table.name)}
    key = set(inspect(connection).get_pk_constraint(table.name)["constrained_columns"])
    wanted_key = {column.name for column in table.primary_key}
    if key != wanted_key:
        raise StartupError(
            f"The key of the table {table.name} is {sorted(key)} in the database and "
            f"{sorted(wanted_key)} in tables.yaml.",
            f"drop the table ({quoted(table.name)}) and start again: it is filled from the ledger again",
        )
    for column in table.columns:
        if column.name in existing:
            former = existing[column.name]
            held = _type_name(former["type"], former["nullable"], connection)
            wanted = _type_name(column.type, bool(column.nullable), connection)
            if held != wanted:
                raise StartupError(
                    f"The column {column.name} of the table {table.name} is {held} in the database and "
                    f"{wanted} by tables.yaml.",
                    f"drop the table ({quoted(table.name)}) and start again: it is filled from the ledger",
                )
        else:
            connection.exec_driver_sql(
                f"ALTER TABLE {quoted(table.name)} ADD COLUMN {column_ddl(column, connection.dialect)}"
            )


def _make_indexes(connection: Connection, table: Table) -> None:
    for index in table.indexes:
        indexes.make(connection, index)


def _type_name(type_: Any, nullable: bool, connection: Connection) -> str:
    name = str(type_.compile(dialect=connection.dialect))
    # SQLAlchemy has no name for SQLite's ANY and calls it so.
    name = "ANY" if connection.dialect.name == "sqlite" and name == "NUMERIC" else name
    return name if nullable else f"{name} NOT NULL"


def _comments(table: Table, dialect: Dialect) -> Iterator[DDLElement]:
    if not dialect.supports_comments:
        return
    if table.comment:
        yield SetTableComment(table)
    for column in table.columns:
        if column.comment:
            yield SetColumnComment(column)


def _text(element: Any, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()


def _index_name(index: Any) -> str:
    return str(index.name)
