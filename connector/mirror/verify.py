"""Is the mirror the fold of its ledger? Reads every table and says what differs.

The one law as a command (``connector verify``) and as the last word of the fault tests: the ledger
is read back, folded in one go in Python, and held against the rows that many transactions made.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine

from connector import events
from connector.events import Identity
from connector.mirror import counters, ledger
from connector.mirror.database import transaction
from connector.mirror.fold import Folded, Key, StateRow, fold
from connector.mirror.mapped import MappedColumn, MappedTable
from connector.mirror.mapping import Mapping, reader
from connector.mirror.statements import STATE, quoted

Values = dict[str, Any]


def differences(engine: Engine, mapping: Mapping) -> list[str]:
    """One sentence per row that is not as the ledger says; empty when the one law holds.

    Holds the folded rows of one table in memory at a time. Raises ``DatabaseOutage``.
    """
    found: list[str] = []
    with transaction(engine) as connection:
        for table in mapping.tables:
            found += _compare(
                table, expected(table, ledger.of_actions(connection, table.actions)), connection
            )
        found += counters.differences(connection)
    return found


def missing(engine: Engine, wanted: Iterable[Identity]) -> list[Identity]:
    """Which of these events the ledger does not hold; an empty source stands for any."""
    with transaction(engine) as connection:
        asked = list(wanted)
        absent: list[Identity] = []
        for start in range(0, len(asked), ledger.PAGE):
            page = asked[start : start + ledger.PAGE]
            held = ledger.identities_of(connection, (event_id for event_id, _ in page))
            held |= {(event_id, "") for event_id, _ in held}
            absent += [identity for identity in page if identity not in held]
        return absent


def count(engine: Engine) -> int:
    """How many events the ledger holds."""
    with transaction(engine) as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM _notifications").scalar_one())


def expected(table: MappedTable, said: Iterable[events.Event]) -> dict[Key, Values]:
    """The rows that a table must have for these events, by key."""
    read = reader(table)
    folded: Folded = fold((event, read(event)) for event in said)
    if table.kind == "history":
        names = [column.name for column in table.columns]
        rows = folded.histories.get(table.name, {})
        return {key: dict(zip(names, cells, strict=True)) for key, cells in rows.items()}
    return {key: _state_values(table, row) for key, row in folded.states.get(table.name, {}).items()}


def _state_values(table: MappedTable, row: StateRow) -> Values:
    values = {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}
    values |= {name: getattr(row, name) for name, _ in STATE}
    pairs = zip(table.columns, row.versions, strict=True)
    return values | {f"{column.name}__version": version for column, version in pairs if column.version}


def actual(table: MappedTable, connection: Connection) -> dict[Key, Values]:
    """The rows that a table has, by key, in the fold's own values."""
    types = dict(_columns(table))
    names = ", ".join(map(quoted, types))
    rows = connection.exec_driver_sql(f"SELECT {names} FROM {quoted(table.store)}")
    width = len(table.key)
    result: dict[Key, Values] = {}
    for row in rows:
        values = [_plain(type_, value) for type_, value in zip(types.values(), row, strict=True)]
        result[tuple(values[:width])] = dict(zip(list(types)[width:], values[width:], strict=True))
    return result


def _columns(table: MappedTable) -> Iterator[tuple[str, str]]:
    columns: Sequence[MappedColumn] = (*table.key, *table.columns)
    yield from ((column.name, column.type) for column in columns)
    if table.kind == "state":
        yield from STATE
        yield from ((f"{column.name}__version", "text") for column in table.columns if column.version)


def _plain(type_: str, value: Any) -> Any:
    if value is None:
        return None
    if type_ == "timestamp":
        return events.microseconds(value) if isinstance(value, datetime) else events.from_iso(value)
    if type_ == "numeric":
        return str(value) if isinstance(value, int) else _decimal_text(value)
    return bool(value) if type_ == "boolean" else value


def _decimal_text(value: Decimal | str) -> str:
    # As stored, not made canonical again: idle zeros in the table are a difference.
    return format(value, "f") if isinstance(value, Decimal) else value


def _compare(table: MappedTable, wanted: dict[Key, Values], connection: Connection) -> list[str]:
    held = actual(table, connection)
    found = [f"{table.name} {key}: the row is missing" for key in wanted.keys() - held.keys()]
    found += [f"{table.name} {key}: no event says this row" for key in held.keys() - wanted.keys()]
    for key in wanted.keys() & held.keys():
        if wanted[key] != held[key]:
            parts = [
                f"{name} is {held[key][name]!r} and should be {value!r}"
                for name, value in wanted[key].items()
                if held[key][name] != value
            ]
            found.append(f"{table.name} {key}: {'; '.join(parts)}")
    return sorted(found)
