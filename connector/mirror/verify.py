"""Is the mirror the fold of its ledger? Reads every table and says what differs.

The law (docs/contract.md, The law) as a command, ``connector verify``, and as the last check of the fault
tests: the ledger is read back, folded at once in Python, and compared with the rows that many transactions
made.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine

from connector import events
from connector.events import Identity
from connector.mirror import counters, ledger
from connector.mirror.database import transaction
from connector.mirror.fold import fold
from connector.mirror.mapped import Key
from connector.mirror.mapping import Mapping, reader
from connector.mirror.projections import Projection
from connector.mirror.statements import quoted

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


def missing(engine: Engine, identities: Iterable[Identity]) -> list[Identity]:
    """Which of these events the ledger does not have; an empty source stands for any."""
    with transaction(engine) as connection:
        asked = list(identities)
        absent: list[Identity] = []
        for start in range(0, len(asked), ledger.PAGE):
            page = asked[start : start + ledger.PAGE]
            known = ledger.identities_of(connection, (event_id for event_id, _ in page))
            known |= {(event_id, "") for event_id, _ in known}
            absent += [identity for identity in page if identity not in known]
        return absent


def count(engine: Engine) -> int:
    """How many events the ledger holds."""
    with transaction(engine) as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM _notifications").scalar_one())


def expected(table: Projection, of: Iterable[events.Event]) -> dict[Key, Values]:
    """The rows that a table must have for these events, by key."""
    read = reader(table)
    rows = fold((event, read(event)) for event in of).get(table.name)
    return _by_key(table, zip(*table.by_column(rows), strict=True)) if rows else {}


def actual(table: Projection, connection: Connection) -> dict[Key, Values]:
    """The rows that a table has, by key, in the fold's own values."""
    names, types = zip(*table.kept(), strict=True)
    query = f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table.store)}"
    rows = connection.exec_driver_sql(query)
    return _by_key(table, ([_plain(*pair) for pair in zip(types, row, strict=True)] for row in rows))


def _by_key(table: Projection, rows: Iterable[Sequence[Any]]) -> dict[Key, Values]:
    width, names = len(table.key), [name for name, _ in table.kept()]
    return {tuple(row[:width]): dict(zip(names[width:], row[width:], strict=True)) for row in rows}


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


def _compare(table: Projection, due: dict[Key, Values], connection: Connection) -> list[str]:
    stored = actual(table, connection)
    found = [f"{table.name} {key}: the row is missing" for key in due.keys() - stored.keys()]
    found += [f"{table.name} {key}: no event says this row" for key in stored.keys() - due.keys()]
    for key in due.keys() & stored.keys():
        if due[key] != stored[key]:
            parts = [
                f"{name} is {stored[key][name]!r} and should be {value!r}"
                for name, value in due[key].items()
                if stored[key][name] != value
            ]
            found.append(f"{table.name} {key}: {'; '.join(parts)}")
    return sorted(found)
