"""Tables, columns, indexes, views and comments: made at start, printed by ``connector schema``.

``mirror_columns`` remembers the rule that filled each column. A column that is new, or whose rule
was changed in YAML, is filled from the ledger in the same transaction in which the schema changes,
while no batch is written; after that a worker with the former mapping stops (``Sink``).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Dialect, Engine, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement, SetColumnComment, SetTableComment

from connector.config import Config
from connector.errors import DatabaseOutage, Poison, StartupError
from connector.events import Event
from connector.mirror import ledger, statements, views
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.fold import Folded, fold
from connector.mirror.mapped import Contribution, MappedColumn, MappedTable
from connector.mirror.mapping import Mapping, reader
from connector.mirror.sink import SCHEMA_LOCK
from connector.mirror.statements import quoted
from connector.mirror.tables import FORMER_INDEXES, Tables, column_ddl

log = structlog.get_logger(__name__)

FILL_BATCH = 20_000
REMOVED = "removed"
WRITTEN = (("table_name", "text"), ("column_name", "text"), ("rule", "text"))


@dataclass(frozen=True, slots=True)
class Filled:
    """What ``ensure`` had to fill from the ledger: columns by table, None for a whole table."""

    columns: dict[str, list[str] | None]


def fingerprint(mapping: Mapping) -> str:
    """What the mirror's content depends on; the same text for the same rules."""
    rules = "\n".join(
        f"{table}.{column} {rule}" for (table, column), rule in sorted(_written(mapping).items())
    )
    return hashlib.sha256(rules.encode()).hexdigest()[:32]


def ddl(config: Config, dialect_name: str) -> Iterator[str]:
    """Every statement that makes the schema from nothing; ``dialect_name`` is postgresql or sqlite."""
    dialect: Dialect = postgresql.dialect() if dialect_name == "postgresql" else sqlite.dialect()  # type: ignore[no-untyped-call]
    mapping = Mapping(config)
    for table in Tables(mapping).metadata.sorted_tables:
        yield _text(CreateTable(table), dialect)
        yield from (_text(CreateIndex(index), dialect) for index in sorted(table.indexes, key=_index_name))
        for comment in _comments(table, dialect):
            yield _text(comment, dialect).replace("%%", "%")
    for view in views.statements(config, mapping, dialect_name):
        yield from _view_statements(*view, dialect_name)


def ensure(engine: Engine, config: Config, mapping: Mapping) -> Filled:
    """Make the schema as the configuration says, filling what is new from the ledger.

    Raises ``DatabaseOutage``, or ``StartupError`` for what cannot be changed in place.
    """
    tables = Tables(mapping)
    with transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        filled = Filled({})
        if _recorded(connection).get(("", "")) != fingerprint(mapping) or not _complete(connection, tables):
            filled = _change(connection, tables, mapping)
        _make_views(connection, config, mapping)
    _drop_former_indexes(engine)
    for table, columns in filled.columns.items():
        log.info("filled from the ledger", table=table, columns=columns or "all")
    return filled


def _drop_former_indexes(engine: Engine) -> None:
    """Drop indexes of former versions, unless somebody reads the ledger: then the next start does it."""
    try:
        with transaction(engine) as connection:
            held = {index["name"] for index in inspect(connection).get_indexes("notifications")}
            former = [name for name in FORMER_INDEXES if name in held]
            if former and connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            for name in former:
                connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted(name)}")
    except DatabaseOutage as outage:
        log.info("indexes of a former version stay for now", reason=str(outage))


def state(engine: Engine, mapping: Mapping) -> str | None:
    """What is not as the mapping says, or None; changes nothing. Raises ``DatabaseOutage``."""
    with transaction(engine) as connection:
        recorded = _recorded(connection)
        if not recorded:
            return "there are no tables yet"
        if recorded.get(("", "")) != fingerprint(mapping):
            return "the tables were made by another tables.yaml"
        return None if _complete(connection, Tables(mapping)) else "a table, column or index is missing"


def _change(connection: Connection, tables: Tables, mapping: Mapping) -> Filled:
    existing = set(inspect(connection).get_table_names())
    recorded = _recorded(connection)
    _refuse_foreign(existing, recorded, tables, mapping)
    for table in tables.metadata.sorted_tables:
        if table.name in existing:
            _add_columns(connection, table, mapping)
        else:
            table.create(connection)
            continue
        _make_indexes(connection, table)
        if connection.dialect.name == "postgresql":
            for element in _comments(table, connection.dialect):
                connection.execute(element)
    filled: dict[str, list[str] | None] = {}
    for mapped in mapping.tables:
        changed = _changed_columns(mapped, recorded, whole=mapped.name not in existing)
        if changed is None or changed:
            _fill(connection, mapped, changed)
            filled[mapped.name] = None if changed is None else [column.name for column in changed]
    _record(connection, mapping)
    return Filled({} if not existing else filled)


def _changed_columns(
    table: MappedTable, recorded: dict[tuple[str, str], str], *, whole: bool
) -> list[MappedColumn] | None:
    """Columns whose rule differs from the one that filled them; None when all rows may differ."""
    if whole or recorded.get((table.name, "")) != _rows_rule(table):
        return None
    return [
        column for column in table.columns if recorded.get((table.name, column.name)) != _column_rule(column)
    ]


def _fill(connection: Connection, table: MappedTable, columns: Sequence[MappedColumn] | None) -> None:
    """Fill columns (or all rows, when None) of a table from the ledger, in batches."""
    if columns is None:
        connection.exec_driver_sql(f"DELETE FROM {quoted(table.name)}")
    else:
        _clear(connection, table, columns)
    said: list[tuple[Any, Any]] = []
    read = reader(table)
    for event in ledger.of_actions(connection, table.actions):
        said.append((event, _read(read, table, event)))
        if len(said) >= FILL_BATCH:
            _join(connection, table, fold(said), columns)
            said.clear()
    _join(connection, table, fold(said), columns)


def _read(
    read: Callable[[Event], list[Contribution]], table: MappedTable, event: Event
) -> list[Contribution]:
    try:
        return read(event)
    except Poison as poison:
        raise StartupError(
            f"The event {event.event_id} of the ledger does not fit the table {table.name}: {poison.error}",
            "change the type or the path of the column in tables.yaml",
        ) from poison


def _clear(connection: Connection, table: MappedTable, columns: Sequence[MappedColumn]) -> None:
    sets = []
    for column in columns:
        sets.append(f"{quoted(column.name)} = {'0' if column.merge == 'count' else 'NULL'}")
        if column.version and table.kind == "state":
            sets.append(f"{quoted(column.version)} = ''")
    connection.exec_driver_sql(f"UPDATE {quoted(table.name)} SET {', '.join(sets)}")


def _join(
    connection: Connection, table: MappedTable, folded: Folded, columns: Sequence[MappedColumn] | None
) -> None:
    dialect = connection.dialect.name
    if states := folded.states.get(table.name):
        join = statements.join_states(dialect, table, states, columns=columns, joins_events=columns is None)
        join.run(connection)
    if history := folded.histories.get(table.name):
        statements.write_history(dialect, table, history, columns=columns).run(connection)


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


def _refuse_foreign(
    existing: set[str], recorded: dict[tuple[str, str], str], tables: Tables, mapping: Mapping
) -> None:
    """Never touch a table of that name which is another program's."""
    if "mirror_columns" in existing and not recorded:
        return  # made by hand from the text of ``connector schema``
    known = {table for table, _ in recorded}
    ours = {table.name for table in mapping.tables} if recorded else set(tables.metadata.tables)
    if foreign := sorted((ours & existing) - known):
        raise StartupError(
            f"The database holds tables of these names that are not the connector's: {', '.join(foreign)}.",
            "give the mirror a database of its own, or rename these tables in tables.yaml",
        )


def _add_columns(connection: Connection, table: Table, mapping: Mapping) -> None:
    existing = {column["name"]: column["type"] for column in inspect(connection).get_columns(table.name)}
    key = set(inspect(connection).get_pk_constraint(table.name)["constrained_columns"])
    wanted_key = {column.name for column in table.primary_key}
    if key != wanted_key:
        raise StartupError(
            f"The key of the table {table.name} is {sorted(key)} in the database and "
            f"{sorted(wanted_key)} in tables.yaml.",
            f"drop the table ({quoted(table.name)}) and start again: it is filled from the ledger anew",
        )
    mapped = table.name in {one.name for one in mapping.tables}
    for column in table.columns:
        if column.name in existing:
            held, wanted = _type_name(existing[column.name], connection), _type_name(column.type, connection)
            if mapped and held != wanted:
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
        connection.execute(CreateIndex(index, if_not_exists=True))


def _type_name(type_: Any, connection: Connection) -> str:
    name = str(type_.compile(dialect=connection.dialect))
    # SQLAlchemy has no name for SQLite's ANY and calls it so.
    return "ANY" if connection.dialect.name == "sqlite" and name == "NUMERIC" else name


def _make_views(connection: Connection, config: Config, mapping: Mapping) -> None:
    """Make the views that are new or changed.

    One that did not change is left alone: it keeps its grants, and whoever reads it is not waited for.
    """
    dialect = connection.dialect.name
    made = {column: rule for (table, column), rule in _recorded(connection).items() if column and not table}
    existing = set(inspect(connection).get_view_names())
    wanted = {name: (select, comment) for name, select, comment in views.statements(config, mapping, dialect)}
    rules = {name: hashlib.sha256(repr(parts).encode()).hexdigest()[:32] for name, parts in wanted.items()}
    if made == rules and set(rules) <= existing:
        return
    for name in made.keys() - wanted.keys():
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {quoted(name)}")
    for name, (select, comment) in wanted.items():
        if made.get(name) != rules[name] or name not in existing:
            _make_view(connection, name, select, comment)
    connection.exec_driver_sql("DELETE FROM mirror_columns WHERE table_name = '' AND column_name <> ''")
    _insert_rules(connection, {("", name): rule for name, rule in rules.items()})


def _make_view(connection: Connection, name: str, select: str, comment: str) -> None:
    for statement in _view_statements(name, select, comment, connection.dialect.name):
        connection.exec_driver_sql(
            statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
        )


def _view_statements(name: str, select: str, comment: str, dialect: str) -> Iterator[str]:
    yield f"DROP VIEW IF EXISTS {quoted(name)}"
    yield f"CREATE VIEW {quoted(name)} AS {select}"
    if dialect == "postgresql" and comment:
        literal = comment.replace("'", "''")
        yield f"COMMENT ON VIEW {quoted(name)} IS '{literal}'"


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


# --- Which rule filled what ----------------------------------------------------------------------


def _rows_rule(table: MappedTable) -> str:
    return f"{table.kind} {table.written}"


def _column_rule(column: MappedColumn) -> str:
    return f"{column.type} {column.written}"


def _written(mapping: Mapping) -> dict[tuple[str, str], str]:
    rules: dict[tuple[str, str], str] = {}
    for table in mapping.tables:
        rules[(table.name, "")] = _rows_rule(table)
        rules |= {(table.name, column.name): _column_rule(column) for column in table.columns}
    return rules


def _recorded(connection: Connection) -> dict[tuple[str, str], str]:
    if "mirror_columns" not in inspect(connection).get_table_names():
        return {}
    rows = connection.exec_driver_sql("SELECT table_name, column_name, rule FROM mirror_columns").fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def _record(connection: Connection, mapping: Mapping) -> None:
    rules = {**_written(mapping), ("", ""): fingerprint(mapping)}
    # A table that was taken out of tables.yaml is still known as the connector's; when it comes back,
    # its rule differs and it is filled anew.
    removed = {
        (table, ""): REMOVED for table, _ in _recorded(connection) if table and (table, "") not in rules
    }
    connection.exec_driver_sql("DELETE FROM mirror_columns WHERE table_name <> '' OR column_name = ''")
    _insert_rules(connection, {**rules, **removed})


def _insert_rules(connection: Connection, rules: dict[tuple[str, str], str]) -> None:
    rows = [(table, column, rule) for (table, column), rule in rules.items()]
    run(connection, "INSERT INTO mirror_columns (table_name, column_name, rule)", Batch(WRITTEN, rows), "")
