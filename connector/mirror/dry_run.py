"""What would these events change? The sink's own write, in a transaction that is never committed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Connection

from connector import events
from connector.errors import Poison
from connector.events import Event, Identity
from connector.mirror import dialects, ledger, rules, touched
from connector.mirror.chunks import CommitResult
from connector.mirror.database import translate
from connector.mirror.ledger import LedgerEvent
from connector.mirror.mapped import Key
from connector.mirror.projections import Projection
from connector.mirror.rows import Item, rows_of, touched_by
from connector.mirror.sink import Sink
from connector.mirror.statements import on_keys, quoted

Values = dict[str, Any]
# The ledger's columns that a person wants to see of an event; Kafka's are not known beforehand.
# What its id, its source and its rows show.
HIDDEN = ("delivery_id", "index", "details", "properties", "source_name")
LEDGER_SHOWN = tuple(name for name in Event.__struct_fields__ if name not in HIDDEN)


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that would change: None before is a new row, None after one that goes.

    Instants are ISO-8601 text and numbers decimal text; ``before`` and ``after`` hold every column.
    """

    table: str
    key: Values
    before: Values | None
    after: Values | None

    @property
    def columns(self) -> dict[str, tuple[Any, Any]]:
        """Column → (before, after) of those that differ."""
        before, after = self.before or {}, self.after or {}
        names = [*after, *(name for name in before if name not in after)]
        pairs = {name: (before.get(name), after.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(slots=True)
class Effects:
    """What would change, and the events that the database would refuse."""

    changes: list[RowChange] = field(default_factory=list)
    refused: dict[Identity, Poison] = field(default_factory=dict)
    # Events that the ledger holds already.
    known: set[Identity] = field(default_factory=set)

    def add_rows(self, table: Projection, before: dict[Key, Values], after: dict[Key, Values]) -> None:
        """Compare the rows of a table, by key."""
        names = [name for name, _ in table.shown_key]

        def rest(row: Values | None) -> Values | None:
            return None if row is None else {name: one for name, one in row.items() if name not in names}

        for key in sorted(before.keys() | after.keys()):
            old, new = before.get(key), after.get(key)
            if old != new:
                named = dict(zip(names, key, strict=True))
                self.changes.append(RowChange(table.name, named, rest(old), rest(new)))

    def add_events(self, before: dict[Identity, Event], after: dict[Identity, Event]) -> None:
        """Compare the ledger's events."""

        def shown(event: Event) -> Values:
            values = {name: getattr(event, name) for name in LEDGER_SHOWN}
            if event.source_name is not None:
                values |= {"hook": None, "attempt": None}  # as the ledger has them
            return values | {name: events.iso(values[name]) for name in ("received_at", "occurred_at")}

        for identity, event in after.items():
            former = before.get(identity)
            if former != event:
                named = dict(zip(("event_id", "source"), identity, strict=True))
                old = None if former is None else shown(former)
                self.changes.append(RowChange("notifications", named, old, shown(event)))


class DryRun(Sink):
    """A sink that writes as the worker's does and then takes everything back."""

    def run(self, incoming: Sequence[Event]) -> Effects:
        """Write events and read the rows that they touch before and after.

        On PostgreSQL the rows stay locked meanwhile; on SQLite all this is done beside the mirror. Raises
        ``DatabaseOutage``, ``SchemaMoved``.
        """
        effects, identities = Effects(), [event.identity for event in incoming]
        touches = partial(self._touched, incoming)
        with touched.undone(self._engine, identities, touches) as connection:
            self._dialect.lock_schema(connection, shared=True)
            self._refuse_other(connection.exec_driver_sql(rules.FINGERPRINT).scalar())
            stored = ledger.stored(connection, identities)
            effects.known = set(stored)
            rows = touches(stored.values())
            before = {table.name: _rows(connection, table, keys) for table, keys in rows}
            for event in incoming:
                self._try(connection, event, effects)
            effects.add_events(stored, ledger.stored(connection, identities))
            for table, keys in rows:
                effects.add_rows(table, before[table.name], _rows(connection, table, keys))
        return effects

    def _touched(self, incoming: Iterable[Event], stored: Iterable[Event]) -> touched.Touched:
        contributions = [one for event in incoming for one in self._mapping.contributions(event)]
        contributions += [one for event in stored for one in self._mapping.stored_contributions(event)]
        return touched_by(self._mapping, contributions)

    def _try(self, connection: Connection, event: Event, effects: Effects) -> None:
        """Write one event on its own, so that one that is refused takes no other with it."""
        nowhere = LedgerEvent(event, "", -1, -1)
        item = Item(nowhere, self._mapping.contributions(event))
        try:
            with connection.begin_nested():
                rows = rows_of(self._dialect, self._mapping, [item])
                self._write_events(connection, rows, self._clock(), CommitResult())
        except dialects.ERRORS as error:
            meaning = translate(error)
            if not isinstance(meaning, Poison):
                raise
            effects.refused[event.identity] = meaning


def _rows(connection: Connection, table: Projection, keys: set[Key]) -> dict[Key, Values]:
    """Rows with these keys, and those that are folded with them, as they are shown."""
    columns, width = table.shown, len(table.shown_key)
    query = f"SELECT {', '.join(quoted(name) for name, _ in columns)} FROM {quoted(table.store)}"
    found: dict[Key, Values] = {}
    visible = f"AND {table.visible}" if table.visible else ""
    for row in on_keys(connection, query, table.group_columns, table.groups(keys), visible):
        cells = {name: _shown(type_, value) for (name, type_), value in zip(columns, row, strict=True)}
        found[tuple(row[:width])] = cells
    return found


def _shown(type_: str, value: Any) -> Any:
    """A value as text that both databases agree on; counts stay numbers."""
    if isinstance(value, datetime):
        return events.iso(events.microseconds(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    if type_ == "boolean" and value is not None:
        return bool(value)
    return str(value) if type_ == "numeric" and value is not None else value
