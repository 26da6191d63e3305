"""Tables, columns, indexes, views and comments: made at start, printed by ``connector schema``.

Steps (``steps.py``) come first: they change what the connector alone decides about its tables. The rest
follows ``tables.yaml``. A column that is new, had to be added, or has another rule there is filled from the
ledger while no batch is written. After that a worker with the former mapping stops (``Sink``).
"""

from collections.abc import Callable, Collection, Iterator
from collections.abc import Mapping as Readonly
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Dialect, Engine, Table, delete, insert, inspect, select
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment, SetTableComment

from connector import clocks
from connector.config import Config
from connector.errors import StartupError
from connector.mirror import (
    archive_needs,
    archived_rows,
    broken_views,
    counters,
    dialects,
    filling,
    frozen,
    indexes,
    late_wants,
    ledger,
    locks,
    mapping_change,
    obstacles,
    relations,
    renames,
    rules,
    shape,
    shown,
    steps,
    view_schema,
    views,
)
from connector.mirror.database import transaction
from connector.mirror.mapped import logical, stored
from connector.mirror.mapping import Mapping, former_mapping
from connector.mirror.models import OWN, MirrorRoute
from connector.mirror.projections import hydration
from connector.mirror.rules import fingerprint
from connector.mirror.tables import FACT, Tables

__all__ = ["Filled", "ddl", "ensure", "fingerprint", "state"]

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filled:
    """What ``ensure`` had to fill from the ledger: columns by table, None for a whole table."""

    columns: dict[str, list[str] | None]


def ddl(config: Config, dialect_name: str) -> Iterator[str]:
    """Every statement that makes the schema from nothing; ``dialect_name`` is a ``database_url.Backend``."""
    dialect, mapping = dialects.named(dialect_name), Mapping(config)
    tables = Tables(mapping)
    spaces, schema = dialect.spaces(config.database)
    yield from spaces
    for table in tables.metadata.sorted_tables:
        yield _text(CreateTable(table), dialect.compiler)
        yield from (
            _text(CreateIndex(index), dialect.compiler)
            for index in sorted(table.indexes, key=lambda one: str(one.name))
        )
        yield from (statement for _, _, statement in _comments(table, dialect.compiler))
    yield steps.record_statement(clocks.now())
    of_tables = shown.of_tables(tables, dialect, {})
    for view in (*of_tables, *views.statements(config, mapping, dialect)):
        yield from view.statements(schema, dialect)


def ensure(engine: Engine, config: Config, mapping: Mapping, *, accept_mapping: bool = False) -> Filled:
    """Make the schema as the configuration says, filling what is new from the ledger.

    Two transactions: the first changes tables and views, which readers wait for, and notes what is to be
    filled; the second fills it, which no reader waits for. Raises ``DatabaseOutage``, ``ConfigError`` for
    a mapping that no longer fits the events of the ledger (unless ``accept_mapping``), or
    ``StartupError`` for what cannot be changed in place and for tables of a newer connector.
    """
    with locks.watching(engine):
        step = partial(steps.bring_up, engine, [table.name for table in mapping.tables])
        obstacles.overcome(engine, mapping, step)
        mapping_change.require_fit(engine, config, mapping, accept=accept_mapping)
        archive_needs.require(engine, config, mapping)
        tables = Tables(mapping)
        filled = apply(engine, config, mapping, tables)
        for one in frozen.standing(engine, config, tables):
            log.warning("no longer in tables.yaml: keeps its old values", name=one.name, fix=frozen.FIX)
    for table, columns in filled.columns.items():
        log.info("filled from the ledger", table=table, columns=columns or "all")
    return filled


def apply(engine: Engine, config: Config, mapping: Mapping, tables: Tables) -> Filled:
    """Make and fill tables and views in a store of this connector's layout; part of ``ensure``.

    ``tables`` are the mapping's.
    """

    def done(act: Callable[[_Making], T]) -> T:
        """Do it in a transaction of its own, in spite of others' locks and objects."""

        def attempt(clear: obstacles.Clear) -> T:
            with transaction(engine) as connection:
                steps.lock_for_change(connection)
                clear(connection)
                steps.refuse_newer(connection)
                return act(_Making(connection, config, mapping, tables))

        return obstacles.overcome(engine, mapping, lambda clear: locks.until_granted(partial(attempt, clear)))

    fresh = done(_Making.change)
    filled = done(_Making.fill)
    return Filled({} if fresh else filled)


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
            return "the tables were made by another tables.yaml or sources.yaml"
        shapes = shape.of(connection, Tables(mapping))
        faults = [fault for table, one in shapes.items() for fault in one.faults(logical(table))]
        unfilled = [key for key, rule in rules.of_mapping(mapping).items() if recorded.get(key) != rule]
        faults += [
            f"{column or 'every row'} of the table {table} is not filled yet" for table, column in unfilled
        ]
        return "; ".join([*faults, *view_schema.faults(connection, recorded)]) or None


class _Making:
    """What a start does in one transaction, which no batch and no other start runs beside."""

    def __init__(self, connection: Connection, config: Config, mapping: Mapping, tables: Tables) -> None:
        self._connection, self._config, self._mapping, self._tables = connection, config, mapping, tables

    def change(self) -> bool:
        """Make tables, columns and views as they should be; whether there were no tables before."""
        dialects.catalogue(self._connection).make_store()
        with renames.Renaming(self._connection, self._config).applied():
            return self._change_renamed()

    def fill(self) -> dict[str, list[str] | None]:
        """Fill what is new or changed from the ledger, and make the indexes that are missing."""
        recorded = rules.recorded(self._connection)
        filled: dict[str, list[str] | None] = {}
        # First, because their locks may not be granted: then the transaction runs again.
        written = recorded.get(rules.MAPPING, "")
        former = None if written == self._mapping.written else former_mapping(self._config, written)
        if former is not None:
            indexes.drop(self._connection, Tables(former), self._tables)
        indexes.make_missing(self._connection, self._tables)
        counts = cache(partial(ledger.counts, self._connection))
        for mapped in self._mapping.tables:
            changed = rules.changed_columns(mapped, recorded)
            if changed is None or changed:
                fill = partial(filling.fill, self._connection, mapped, changed, counts())
                aside = late_wants.in_background if mapped.name == hydration.NAME else nullcontext
                with aside(self._connection):
                    indexes.making_way(self._connection, mapped.store, fill)
                filled[mapped.name] = None if changed is None else [column.name for column in changed]
        archived_rows.ensure(self._connection, self._mapping)
        if filled or not rules.stands(recorded, self._mapping):
            rules.record(self._connection, self._mapping, recorded)
        # Nothing is read for a table that no event fills.
        return {name: columns for name, columns in filled.items() if self._mapping.table(name).row_specs}

    def _change_renamed(self) -> bool:
        """``change``, after renames."""
        existing = set(inspect(self._connection).get_table_names())
        recorded = rules.recorded(self._connection)
        shapes = shape.of(self._connection, self._tables)
        # A table of another shape of which nothing is recorded is another program's.
        strange = {table for table, found in shapes.items() if found.missing or found.columns or found.key}
        here = relations.Relations(self._connection, self._config, recorded)
        here.refuse_foreign(strange)
        by_shop = [table for table, found in shapes.items() if found.loses_shop]
        here.refuse_shared_shops(by_shop)
        here.refuse_other_types(rules.of_mapping(self._mapping), shape.absent(shapes))
        described = rules.stands(recorded, self._mapping)
        for table in self._tables.metadata.sorted_tables:
            found = shapes.get(table.name)
            made = found is not None and found.missing
            if made:
                self._make(table, recorded)
            elif found:
                changed = rules.changed_rules(logical(table.name), recorded, self._mapping)
                unfilled = shape.Restoration(self._connection, table, found, changed, self._config).act()
                self._forget(table, unfilled)
            if made or not described:
                self._comment(table, made=made)
        if (found := shapes.get(stored("mirror_counters"))) and found.missing:
            counters.fill(self._connection)
        if stored("mirror_layout") not in existing:
            steps.record(self._connection, steps.NEWEST)
        self._route()
        with broken_views.none_breaks(self._connection, "Views cannot be changed as tables.yaml says"):
            view_schema.Views(self._connection, self._config, self._mapping, self._tables).ensure()
        return not existing & set(self._tables.metadata.tables)

    def _make(self, table: Table, recorded: rules.Rules) -> None:
        if recorded and table.name in (stored("notifications"), stored("bodies")):
            raise StartupError(f"The ledger, the table {table.name}, is gone.", shape.RESTORE)
        if recorded and logical(table.name) in ("dead_letters", "consumer_offsets"):
            log.warning("a missing table was created again, empty", table=logical(table.name))
        # Its indexes come last, as those that are missing: a table that was renamed has kept their names.
        self._connection.execute(CreateTable(table))
        if recorded:
            self._forget(table, None)

    def _forget(self, table: Table, columns: Collection[str] | None) -> None:
        """Have columns filled, or all rows when they hold more than mapped columns and their versions."""
        if table.name not in OWN:
            rules.forget(self._connection, logical(table.name), _to_fill(table, columns))

    def _route(self) -> None:
        """Write ``mirror_routes``, where it differs."""
        rows = views.routes(self._config)
        table = MirrorRoute.__table__
        if sorted(map(tuple, self._connection.execute(select(table)))) != rows:
            self._connection.execute(delete(table))
            names = table.columns.keys()
            self._connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])

    def _comment(self, table: Table, *, made: bool) -> None:
        """Set the comments that differ; those that others gave to columns without one stay.

        ``made``: just now, so there is none yet.
        """
        if not self._connection.dialect.supports_comments:
            return
        found: dict[str, str | None] = {}
        if not made:
            inspector = inspect(self._connection)
            found = {column["name"]: column["comment"] for column in inspector.get_columns(table.name)}
            found[""] = inspector.get_table_comment(table.name)["text"]
        comments = _comments(table, dialects.of(self._connection).compiler)
        differing = [statement for name, text, statement in comments if found.get(name) != text]
        dialects.catalogue(self._connection).execute(*differing)


def _to_fill(table: Table, columns: Collection[str] | None) -> set[str] | None:
    mapped = {name.removesuffix("__version") for name in columns or ()}
    whole = {column.name for column in table.columns if column.primary_key or FACT in column.info}
    return None if columns is None or mapped & whole else mapped


def unfilled(recorded: rules.Rules, tables: Tables, shapes: Readonly[str, shape.Shape]) -> rules.Rules:
    """The recorded rules as they are after tables were made as they should be, before anything is filled."""
    left = dict(recorded)
    for name, found in shapes.items():
        if name in OWN:
            continue
        table = tables.metadata.tables[name]
        columns = _to_fill(table, None if found.missing or found.key else found.refilled)
        for column in [""] if columns is None else columns:
            left.pop((logical(name), column), None)
    return left


def _comments(table: Table, dialect: Dialect) -> Iterator[tuple[str, str, str]]:
    """Comments of a table, under an empty name, and of its columns: name, text, statement."""
    if not dialect.supports_comments:
        return
    if table.comment:
        yield "", table.comment, _text(SetTableComment(table), dialect).replace("%%", "%")
    for column in table.columns:
        if column.comment:
            yield column.name, column.comment, _text(SetColumnComment(column), dialect).replace("%%", "%")


def _text(element: Any, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()
