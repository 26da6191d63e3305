"""What a start would change in the database, found without changing anything: ``connector schema plan``.

The code that makes each change also plans it: shapes, rules and views are compared as at a start. What a
start would refuse is found by the same checks, on the newest events, and by a trial on empty copies.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Self

from sqlalchemy import Connection, Engine, inspect

from connector.config import Config, DatabaseSettings
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
from connector.mirror.database import connect, dialect_of, file_of, transaction
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

    @classmethod
    def refusal(cls, refused: StartupError) -> Self:
        """The line for what a start refuses."""
        where, _, what = refused.what.partition(": ")
        detail = f"{what or where} Fix: {refused.cure}"
        return cls("refuse", "tables.yaml", where if what else "", detail=detail)


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
    with _opened(config.database) as engine:
        if (mirrored := mirrored_sources.as_mirrored(engine, config)) is not config:
            config, mapping = mirrored, Mapping(mirrored)
        with transaction(engine) as connection:
            version = steps.refuse_newer(connection)
            if version is not None and version < steps.NEWEST:
                why = f"{steps.older(version)}; what else changes is known when it is changed"
                changes = [Change("change", "layout", str(steps.NEWEST), detail=why)]
            else:
                try:
                    pending = renames.pending(connection, config)
                except StartupError as refused:
                    changes = [Change.refusal(refused)]
                else:
                    changes = list(_Start(connection, config, mapping, pending).changes())
        if any(one.change == "refuse" for one in changes):
            return Plan(changes)
        return Plan([*changes, *_refused(engine, config, mapping, accept_mapping=accept_mapping)])


@contextmanager
def _opened(settings: DatabaseSettings) -> Iterator[Engine]:
    """The database as it is, or an empty one for the file that a start would make."""
    file = file_of(settings)
    if file and not file.exists():
        with dialect_of(settings).trial(settings, lambda _: (), ()) as empty:
            yield empty
        return
    engine = connect(settings, access="read")
    try:
        yield engine
    finally:
        engine.dispose()


class _Start:
    """What a start changes: found under the names that the database still has, listed under today's."""

    def __init__(
        self, connection: Connection, config: Config, mapping: Mapping, pending: renames.Renames
    ) -> None:
        self._connection, self._pending = connection, pending
        self._today, self._config = config, pending.undone(config)
        self._mapping = Mapping(self._config) if pending else mapping
        self._tables, self._recorded = Tables(self._mapping), rules.recorded(connection)
        self._shapes = shape.of(connection, self._tables)

    def changes(self) -> Iterator[Change]:
        """Every change in the order in which it is made, then what is refused."""
        pending, tables = self._pending, self._tables
        is_fresh = not {*inspect(self._connection).get_table_names()} & {*tables.metadata.tables}
        views = view_schema.Views(self._connection, self._config, self._mapping, tables)
        frozen_now = [
            one._replace(table=pending.table(one.table)) for one in frozen.of(self._connection, tables)
        ]
        found = [
            *self._shaped(),
            *(() if is_fresh else self._filled()),
            *(
                Change(
                    "freeze" if one.is_new else "frozen",
                    "column" if one.column else "table",
                    one.name,
                    detail=str(one),
                )
                for one in frozen_now
            ),
            *self._indexes(),
            *(
                Change(what, "view", pending.table(name), detail=WHY_NOT.get(what, ""))
                for what, name in views.changes()
            ),
        ]
        changed = {one.name for one in found if one.kind == "view"}
        of_renamed = {table for table, _ in pending.columns} - changed
        found = [
            *(
                Change("rename", "table", name, detail=f"to {today}")
                for name, today in pending.tables.items()
            ),
            *(
                Change("rename", "column", f"{table}.{was}", detail=f"to {name}")
                for (table, was), name in pending.columns.items()
            ),
            *found,
            *(Change("change", "view", table) for table in self._today.tables if table in of_renamed),
        ]
        yield from found
        if not rules.stands(self._recorded, self._mapping) and Plan(found).is_empty:
            why = "descriptions, families or the order of tables.yaml"
            yield Change("record", "tables.yaml", "tables.yaml", detail=why)
        yield from self._checked()

    def _shaped(self) -> Iterator[Change]:
        """Tables and columns that are made, and what somebody changed by hand and is set back."""
        for store, found in self._shapes.items():
            table = self._pending.table(logical(store))
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

    def _filled(self) -> Iterator[Change]:
        """What is filled from the ledger, with the events that are read for it."""
        unfilled = schema.unfilled(self._recorded, self._tables, self._shapes)
        changes = [(table, rules.changed_columns(table, unfilled)) for table in self._mapping.tables]
        if not any(changed is None or changed for _, changed in changes):
            return
        # A ledger that is missing is refused elsewhere.
        events = (
            ledger.counts(self._connection) if inspect(self._connection).has_table("_notifications") else {}
        )
        for table, changed in changes:
            if changed is None or changed:
                count = sum(events.get(sort, 0) for sort in table.sorts)
                found = self._shapes.get(table.store, Shape())
                name, seconds = self._pending.table(table.name), round(count / FILLED_PER_SECOND, 1)
                detail = self._why(changed, found, name)
                yield Change("fill", "table", name, count, seconds, detail)

    def _why(self, changed: list[MappedColumn] | None, found: Shape, table: str) -> str:
        """Why a table is filled: for every row where ``changed`` is None, else for these columns."""
        if changed is None:
            why = "the table is new" if found.missing else "what decides its rows was changed"
            return f"every row: {why}"
        new = [one.name for one in changed if one.name in found.columns]
        other = [self._pending.column(table, one.name) for one in changed if one.name not in found.columns]
        parts = (("new", new), ("filled again", other))
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)

    def _indexes(self) -> Iterator[Change]:
        names = self._pending.indexes(self._config) if self._pending else {}
        for store, found in self._shapes.items():
            where = f"on {self._pending.table(logical(store))}"
            yield from (Change("add", "index", names.get(name, name), detail=where) for name in found.indexes)
        former = former_mapping(self._config, self._recorded.get(rules.MAPPING, ""))
        if former is not None and former.written != self._mapping.written:
            before = Tables(former).metadata.tables
            for name, table in self._tables.metadata.tables.items():
                former_names = (
                    {str(index.name) for index in before[name].indexes} if name in before else set()
                )
                gone = former_names - {str(index.name) for index in table.indexes}
                where = f"on {self._pending.table(logical(name))}"
                yield from (Change("drop", "index", one, detail=where) for one in sorted(gone))

    def _checked(self) -> Iterator[Change]:
        """What a start refuses: names of others, other types, other keys, all tables at once."""
        strange = {
            table for table, found in self._shapes.items() if found.missing or found.columns or found.key
        }
        new = shape.absent(self._shapes)
        expected = rules.of_mapping(self._mapping)
        refusals: list[StartupError] = []
        here = relations.Relations(self._connection, self._config, self._recorded)
        try:
            here.refuse_foreign(strange)
            by_shop = [table for table, found in self._shapes.items() if found.loses_shop]
            here.refuse_shared_shops(by_shop)
        except StartupError as refused:
            refusals.append(refused)
        for key, rule in expected.items():
            try:
                here.refuse_other_types({key: rule}, new)
            except StartupError as refused:
                refusals.append(refused)
        for store, found in self._shapes.items():
            changed = rules.changed_rules(logical(store), self._recorded, self._mapping)
            if not found.missing and not found.loses_shop:
                try:
                    table = self._tables.metadata.tables[store]
                    shape.Restoration(self._connection, table, found, changed, self._config).refuse()
                except StartupError as refused:
                    refusals.append(refused)
        # A column of another type is found by its rule and in the database.
        yield from {one.what.partition(": ")[0]: Change.refusal(one) for one in refusals}.values()


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
        yield Change.refusal(refused)
