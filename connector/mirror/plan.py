"""What a start would change in the database, found without changing anything: ``connector schema plan``.

The code that makes each change also plans it: shapes, rules and views are compared as at a start. What a
start would refuse is found by the same checks, on the newest events, and by a trial on empty copies.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection, Engine, create_engine, inspect

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import (
    frozen,
    ledger,
    mapping_change,
    mirrored_sources,
    relations,
    renames,
    rules,
    schema,
    schema_trial,
    shape,
    steps,
    view_schema,
)
from connector.mirror.database import connect, file_of, transaction
from connector.mirror.mapped import MappedColumn, logical
from connector.mirror.mapping import Mapping, former_mapping
from connector.mirror.shape import Shape
from connector.mirror.tables import Tables

# How many events a fill reads in a second: half of what one core of a small server was measured to do.
FILLED_PER_SECOND = 10_000
# Lines of a plan that change nothing.
STANDING = ("frozen", "not made", "not dropped")
WHY_NOT = {"not made": "its name is taken", "not dropped": "others built on it"}


class Change(NamedTuple):
    """One line of a plan; ``change`` is what is done with it.

    ``events`` is how many events of the ledger are read for it, ``seconds`` an estimate of how long that
    takes; both are None where nothing is filled.
    """

    change: str
    kind: str
    name: str
    events: int | None = None
    seconds: float | None = None
    detail: str = ""


class Plan(NamedTuple):
    """Every change in the order in which it is made, then what is refused."""

    changes: list[Change]

    @property
    def is_refused(self) -> bool:
        return any(one.change == "refuse" for one in self.changes)

    @property
    def is_empty(self) -> bool:
        return all(one.change in STANDING for one in self.changes)


def of(config: Config, mapping: Mapping, *, accept_mapping: bool = False) -> Plan:
    """What a start with this configuration would change; ``accept_mapping`` as for the worker.

    Raises ``DatabaseOutage``, and ``StartupError`` for tables of a newer connector.
    """
    file = file_of(config.database)
    if file and not file.exists():
        engine = create_engine("sqlite+pysqlite://")  # a start would make it
    else:
        engine = connect(config.database, access="read")
    try:
        if (mirrored := mirrored_sources.as_mirrored(engine, config)) is not config:
            config, mapping = mirrored, Mapping(mirrored)
        with transaction(engine) as connection:
            version = steps.refuse_newer(connection)
            if version is not None and version < steps.NEWEST:
                why = f"{steps.older(version)}; what else changes is known when it is changed"
                changes = [Change("change", "layout", str(steps.NEWEST), detail=why)]
            else:
                changes = list(_changes(connection, config, mapping))
        if any(one.change == "refuse" for one in changes):
            return Plan(changes)
        return Plan([*changes, *_refused(engine, config, mapping, accept_mapping=accept_mapping)])
    finally:
        engine.dispose()


def _changes(connection: Connection, config: Config, mapping: Mapping) -> Iterator[Change]:
    """What a start changes: found under the names that the database still has, listed under today's."""
    try:
        pending = renames.pending(connection, config)
    except StartupError as refused:
        yield _refusal(refused)
        return
    today, config = config, pending.undone(config)
    if pending:
        mapping = Mapping(config)
    tables, recorded = Tables(mapping), rules.recorded(connection)
    shapes = shape.of(connection, tables)
    is_fresh = not {*inspect(connection).get_table_names()} & {*tables.metadata.tables}
    found = [
        *_shaped(shapes, pending),
        *(() if is_fresh else _filled(connection, mapping, tables, shapes, recorded, pending)),
        *(
            Change("freeze" if one.is_new else "frozen", _kind(one), one.name, detail=str(one))
            for one in (one._replace(table=pending.table(one.table)) for one in frozen.of(connection, tables))
        ),
        *_indexes(config, mapping, tables, shapes, recorded, pending),
        *(
            Change(what, "view", pending.table(name), detail=WHY_NOT.get(what, ""))
            for what, name in view_schema.Views(connection, config, mapping, tables).changes()
        ),
    ]
    views = {one.name for one in found if one.kind == "view"}
    renamed = [
        *(Change("rename", "table", name, detail=f"to {today}") for name, today in pending.tables.items()),
        *(
            Change("rename", "column", f"{table}.{was}", detail=f"to {name}")
            for (table, was), name in pending.columns.items()
        ),
    ]
    of_renamed = [table for table in today.tables if table in {table for table, _ in pending.columns}]
    found = [
        *renamed,
        *found,
        *(Change("change", "view", table) for table in of_renamed if table not in views),
    ]
    yield from found
    if not rules.stands(recorded, mapping) and Plan(found).is_empty:
        why = "descriptions, families or the order of tables.yaml"
        yield Change("record", "tables.yaml", "tables.yaml", detail=why)
    yield from _checked(connection, config, mapping, tables, shapes)


def _kind(one: frozen.Frozen) -> str:
    return "column" if one.column else "table"


def _shaped(shapes: dict[str, Shape], pending: renames.Renames) -> Iterator[Change]:
    """Tables and columns that are made, and what somebody changed by hand and is set back."""
    for store, found in shapes.items():
        table = pending.table(logical(store))
        if found.missing:
            yield Change("add", "table", table)
            continue
        for column in found.columns:
            value = column.removesuffix("__version")
            if value == column or value not in found.columns:
                yield Change("add", "column", f"{table}.{column}")
        rest = replace(found, columns=[], indexes=[])
        if found.gains_shop:
            yield Change("change", "table", table, detail="the shop is put first in its key")
            rest = replace(rest, key=None)
        yield from (Change("restore", "table", table, detail=fault) for fault in rest.faults(table))


def _filled(
    connection: Connection,
    mapping: Mapping,
    tables: Tables,
    shapes: dict[str, Shape],
    recorded: rules.Rules,
    pending: renames.Renames,
) -> Iterator[Change]:
    """What is filled from the ledger, with the events that are read for it."""
    recorded = schema.unfilled(recorded, tables, shapes)
    changes = [(table, rules.changed_columns(table, recorded)) for table in mapping.tables]
    if not any(changed is None or changed for _, changed in changes):
        return
    # A ledger that is missing is refused elsewhere.
    events = ledger.counts(connection) if inspect(connection).has_table("_notifications") else {}
    for table, changed in changes:
        if changed is None or changed:
            count = sum(events.get(sort, 0) for sort in table.sorts)
            found = shapes.get(table.store, Shape())
            name, seconds = pending.table(table.name), round(count / FILLED_PER_SECOND, 1)
            detail = _why_all(found) if changed is None else _why(changed, found, name, pending)
            yield Change("fill", "table", name, count, seconds, detail)


def _why_all(found: Shape) -> str:
    return "every row: the table is new" if found.missing else "every row: what decides its rows was changed"


def _why(changed: list[MappedColumn], found: Shape, table: str, pending: renames.Renames) -> str:
    new = [one.name for one in changed if one.name in found.columns]
    other = [pending.column(table, one.name) for one in changed if one.name not in found.columns]
    parts = (("new", new), ("filled again", other))
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)


def _indexes(
    config: Config,
    mapping: Mapping,
    tables: Tables,
    shapes: dict[str, Shape],
    recorded: rules.Rules,
    pending: renames.Renames,
) -> Iterator[Change]:
    names = pending.indexes(config) if pending else {}
    for store, found in shapes.items():
        where = f"on {pending.table(logical(store))}"
        yield from (Change("add", "index", names.get(name, name), detail=where) for name in found.indexes)
    former = former_mapping(config, recorded.get(rules.MAPPING, ""))
    if former is not None and former.written != mapping.written:
        before = Tables(former).metadata.tables
        for name, table in tables.metadata.tables.items():
            former_names = {str(index.name) for index in before[name].indexes} if name in before else set()
            gone = former_names - {str(index.name) for index in table.indexes}
            where = f"on {pending.table(logical(name))}"
            yield from (Change("drop", "index", one, detail=where) for one in sorted(gone))


def _checked(
    connection: Connection, config: Config, mapping: Mapping, tables: Tables, shapes: dict[str, Shape]
) -> Iterator[Change]:
    """What a start refuses: names of others, other types, other keys, all tables at once."""
    strange = {table for table, found in shapes.items() if found.missing or found.columns or found.key}
    new = shape.absent(shapes)
    expected, recorded = rules.of_mapping(mapping), rules.recorded(connection)
    refusals: list[StartupError] = []
    try:
        relations.refuse_foreign(connection, config, strange, recorded)
        by_shop = [table for table, found in shapes.items() if found.loses_shop]
        relations.refuse_shared_shops(connection, config, by_shop)
    except StartupError as refused:
        refusals.append(refused)
    for key, rule in expected.items():
        try:
            relations.refuse_other_types(connection, config, {key: rule}, new, recorded)
        except StartupError as refused:
            refusals.append(refused)
    for store, found in shapes.items():
        changed = rules.changed_rules(logical(store), recorded, mapping)
        if not found.missing and not found.loses_shop:
            try:
                shape.refuse(connection, tables.metadata.tables[store], found, changed, config)
            except StartupError as refused:
                refusals.append(refused)
    # A column of another type is found by its rule and in the database.
    yield from {one.what.partition(": ")[0]: _refusal(one) for one in refusals}.values()


def _refusal(refused: StartupError) -> Change:
    where, _, what = refused.what.partition(": ")
    detail = f"{what or where} Fix: {refused.cure}"
    return Change("refuse", "tables.yaml", where if what else "", detail=detail)


def _refused(engine: Engine, config: Config, mapping: Mapping, *, accept_mapping: bool) -> Iterator[Change]:
    """What a start refuses after the newest events and a trial on empty copies."""
    fit = mapping_change.examine(engine, config, mapping)
    if fit is not None:
        for what in fit.emptied:
            yield Change("empty", "column", what.partition(" ")[0], detail=what)
        for finding in fit.findings() if not accept_mapping else ():
            yield Change("refuse", "events", finding.where, detail=f"{finding.what}. Fix: {finding.cure}")
    try:
        schema_trial.run(config, mapping)
    except StartupError as refused:
        yield _refusal(refused)
