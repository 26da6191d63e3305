"""Is the mirror the fold of its ledger? Reads every table and says what differs.

The law (docs/contract.md, The law) as a command, ``connector verify``, and as the last check of the fault
tests: the ledger is read back, folded at once in Python, and compared with the rows that many transactions
made.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine

from connector import events
from connector.events import Identity
from connector.mirror import archived_rows, archives, counters, dialects, ledger
from connector.mirror.database import transaction
from connector.mirror.fold import fold
from connector.mirror.mapped import Key, Rows
from connector.mirror.mapping import Mapping, Read, reader
from connector.mirror.projections import Projection
from connector.mirror.statements import on_keys, quoted

Values = dict[str, Any]


def differences(engine: Engine, mapping: Mapping, *, deep: bool = False) -> list[str]:
    """One sentence per row that is not as the ledger says; empty when the one law holds.

    Goes on from what archives gave for each row (``archived_rows``), and leaves out histories of archived
    events; ``deep``: reads the archives. Holds the folded rows of one table in memory at a time. Raises
    ``DatabaseOutage``, and ``DatabaseDamaged`` for an archive that is not as it was written.
    """
    found: list[str] = []
    with transaction(engine) as connection:
        # What no event fills is not compared: which records hooks ask for is not known without a source.
        for table in (one for one in mapping.tables if one.sorts):
            read = reader(table)
            before = archived_rows.rows(connection, table) if table.folded else {}
            if deep:
                archived = ledger.of_sorts(connection, table.sorts, ledger.ARCHIVED)
                given = fold((event, read(event)) for event in archived).get(table.name, {})
                found += archived_rows.differences(table, before, given) if table.folded else []
                before = given
            due = expected(table, ledger.of_sorts(connection, table.sorts, ledger.LIVE), read, before)
            found += _compare(table, due, connection, "" if deep else table.live)
        found += counters.differences(connection)
        if deep:
            found += archives.differences(connection)
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


def expected(
    table: Projection, of: Iterable[events.Event], read: Read | None = None, before: Rows | None = None
) -> dict[Key, Values]:
    """The rows that a table must have for these events, by key, as ``actual`` gives them.

    ``read`` is the table's ``reader``, where there is one already; ``before`` is what other events gave.
    """
    read = read or reader(table)
    rows = fold(((event, read(event)) for event in of), {table.name: before or {}}).get(table.name)
    if not rows:
        return {}
    columns = [
        [value if value is None else events.iso(value) for value in values]
        if type_ == "timestamp"
        else values
        for (_, type_), values in zip(table.kept(), table.by_column(rows), strict=True)
    ]
    return _by_key(table, zip(*columns, strict=True))


def actual(
    table: Projection, connection: Connection, groups: Collection[Key] | None = None, where: str = ""
) -> dict[Key, Values]:
    """The rows that a table has, by key: instants and numbers as text, whatever somebody wrote there.

    Of these groups of rows alone (``group_columns``), or of those for which SQL is true, where given.
    """
    dialect, kept = dialects.of(connection), table.kept()
    # A binary float, which somebody wrote into SQLite, is no number of the mirror's.
    shown = [
        quoted(name)
        if dialect.numeric_is_any and type_ == "numeric"
        else dialect.portable(quoted(name), type_)
        for name, type_ in kept
    ]
    numeric = [place for place, (_, type_) in enumerate(kept) if type_ == "numeric"]

    def plain(row: Sequence[Any]) -> Sequence[Any]:
        values = [*row]
        for place in numeric:
            if isinstance(values[place], int):
                values[place] = str(values[place])
        return values

    query = f"SELECT {', '.join(shown)} FROM {quoted(table.store)} AS stored"
    if where:
        query += f" WHERE {where}"
    if groups is not None:
        return _by_key(table, map(plain, on_keys(connection, query, table.group_columns, groups)))
    return _by_key(table, map(plain, connection.exec_driver_sql(query)))


def _by_key(table: Projection, rows: Iterable[Sequence[Any]]) -> dict[Key, Values]:
    width, names = len(table.key), [name for name, _ in table.kept()]
    return {tuple(row[:width]): dict(zip(names[width:], row[width:], strict=True)) for row in rows}


def _compare(table: Projection, due: dict[Key, Values], connection: Connection, where: str) -> list[str]:
    stored = actual(table, connection, where=where)
    names = ", ".join(quoted(column.name) for column in table.key)
    # As somebody can have it who took the key away.
    often = f"SELECT COUNT(*), {names} FROM {quoted(table.store)} GROUP BY {names} HAVING COUNT(*) > 1"
    found = [
        f"{table.name} {tuple(doubled)}: the row is there {count} times"
        for count, *doubled in connection.exec_driver_sql(often)
    ]
    found += [f"{table.name} {key}: the row is missing" for key in due.keys() - stored.keys()]
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
