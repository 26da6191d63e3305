"""The mirror's set-based SQL: one statement per table and batch, for both databases.

Joining rows into a table is the same SQL on both and says in SQL what ``fold.py`` says in Python.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from connector.mirror.batches import Batch, Columns, Statement, encode, run
from connector.mirror.fold import Key, StateRow
from connector.mirror.mapped import MappedColumn, MappedTable

# Any event is before the one and after the other.
NEVER = "9999-12-31T23:59:59.999999Z"
EVER = "0001-01-01T00:00:00.000000Z"
STATE: tuple[tuple[str, str], ...] = (
    ("first_seen_at", "timestamp"),
    ("as_of", "timestamp"),
    ("last_action", "text"),
    ("last_event_id", "text"),
    ("event_count", "integer"),
    ("last_version", "text"),
)


def _state_columns(table: MappedTable, columns: Sequence[MappedColumn]) -> Columns:
    return (
        *((column.name, column.type) for column in (*table.key, *columns)),
        *STATE,
        *((column.version, "text") for column in columns if column.version),
    )


def _state_values(
    table: MappedTable, held: dict[Key, StateRow], columns: Sequence[MappedColumn]
) -> list[Sequence[Any]]:
    """State rows by column, as ``_state_columns`` names them.

    Keys are sorted so that two workers that touch the same rows lock them in the same order.
    """
    keys = sorted(held)
    rows = [held[key] for key in keys]
    cells = list(zip(*[row.cells for row in rows], strict=True))
    versions = list(zip(*[row.versions for row in rows], strict=True))
    places = [table.columns.index(column) for column in columns]
    return [
        *zip(*keys, strict=True),
        *[cells[place] for place in places],
        [row.first_seen_at for row in rows],
        [row.as_of for row in rows],
        [row.last_action for row in rows],
        [row.last_event_id for row in rows],
        [row.event_count for row in rows],
        [row.last_version for row in rows],
        *[versions[place] for place in places if table.columns[place].version],
    ]


def join_states(
    dialect: str,
    table: MappedTable,
    rows: dict[Key, StateRow],
    *,
    columns: Sequence[MappedColumn] | None = None,
    joins_events: bool = True,
    stamps: bool = True,
) -> Statement:
    """Joins folded rows into their table.

    ``columns`` limits which of the table's own columns are joined and ``joins_events`` whether the
    row's own bookkeeping is: a column that is filled later must not count its events twice. ``stamps``
    says whether a row that is there has changed now; a new one always has.
    """
    chosen = table.columns if columns is None else columns
    named = _state_columns(table, chosen)
    sets = [set_ for column in chosen for set_ in _column_sets(column, dialect)]
    if joins_events:
        sets += _event_sets()
    if stamps:
        sets.append("mirrored_at = excluded.mirrored_at")
    return Statement(
        f"INSERT INTO {quoted(table.store)} AS held ({_names(named)}, mirrored_at)",
        encode(dialect, named, _state_values(table, rows, chosen)),
        f"ON CONFLICT ({', '.join(quoted(column.name) for column in table.key)}) "
        + (f"DO UPDATE SET {', '.join(sets)}" if sets else "DO NOTHING"),
        stamped=True,
    )


def _column_sets(column: MappedColumn, dialect: str) -> list[str]:
    name = quoted(column.name)
    if column.merge == "count":
        return [f"{name} = held.{name} + excluded.{name}"]
    if column.merge in ("max", "min"):
        # Byte by byte, as the fold compares, whatever the column's collation.
        exact = ' COLLATE "C"' if column.type == "text" and dialect == "postgresql" else ""
        return [_extreme(column.name, ">" if column.merge == "max" else "<", exact)]
    version = quoted(f"{column.name}__version")
    if column.merge == "newest":
        wins = f"excluded.{version} > held.{version}"
    else:
        wins = f"excluded.{version} <> '' AND (held.{version} = '' OR excluded.{version} < held.{version})"
    return [_choice(column.name, wins), _choice(f"{column.name}__version", wins)]


def _event_sets() -> list[str]:
    newer = "excluded.last_version > held.last_version"
    return [
        _extreme("first_seen_at", "<"),
        _extreme("as_of", ">"),
        "event_count = held.event_count + excluded.event_count",
        *(_choice(name, newer) for name in ("last_action", "last_event_id", "last_version")),
    ]


def _extreme(column: str, sign: str, exact: str = "") -> str:
    name = quoted(column)
    wins = f"held.{name} IS NULL OR excluded.{name} {sign} held.{name}{exact}"
    return f"{name} = CASE WHEN {wins} THEN COALESCE(excluded.{name}, held.{name}) ELSE held.{name} END"


def _choice(column: str, wins: str) -> str:
    name = quoted(column)
    return f"{name} = CASE WHEN {wins} THEN excluded.{name} ELSE held.{name} END"


def write_history(
    dialect: str,
    table: MappedTable,
    rows: dict[Key, tuple[Any, ...]],
    *,
    columns: Sequence[MappedColumn] | None = None,
) -> Statement:
    """Writes history rows; one that is there already is written over with the same event's values."""
    chosen = table.columns if columns is None else columns
    named = tuple((column.name, column.type) for column in (*table.key, *chosen))
    cells = list(zip(*rows.values(), strict=True))
    values = [*zip(*rows, strict=True), *[cells[table.columns.index(column)] for column in chosen]]
    sets = ", ".join(f"{quoted(column.name)} = excluded.{quoted(column.name)}" for column in chosen)
    return Statement(
        # With a name of its own, because a table may be called excluded.
        f"INSERT INTO {quoted(table.store)} AS held ({_names(named)})",
        encode(dialect, named, values),
        f"ON CONFLICT ({_names(named[: len(table.key)])}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}",
        adds=True,
    )


def clear(table: MappedTable, columns: Sequence[MappedColumn], *, events: bool) -> str:
    """The SET clause that takes from state rows what their events gave them, for a fold of all events.

    ``events`` says whether the row's own bookkeeping is taken too. Rows stay, because somebody's foreign
    key may point at them; a row that no event gives any longer is left with an ``event_count`` of 0.
    """
    sets = []
    for column in columns:
        sets.append(f"{quoted(column.name)} = {'0' if column.merge == 'count' else 'NULL'}")
        if column.version and table.kind == "state":
            sets.append(f"{quoted(column.version)} = ''")
    if events:
        sets += [f"first_seen_at = '{NEVER}'", f"as_of = '{EVER}'", "event_count = 0", "last_version = ''"]
    return ", ".join(sets)


def on_keys(
    connection: Connection, statement: str, columns: Sequence[str], keys: Iterable[Key], after: str = ""
) -> None:
    """A DELETE or UPDATE of the rows with these values in these text columns."""
    batch = Batch(tuple((name, "text") for name in columns), sorted(keys))
    if batch.rows:
        listed = ", ".join(map(quoted, columns))
        run(connection, f"{statement} WHERE ({listed}) IN (", batch, f") {after}")


def _names(columns: Columns) -> str:
    return ", ".join(quoted(name) for name, _ in columns)


def quoted(name: str) -> str:
    """An identifier that may be a word of SQL, such as ``order`` or ``position``."""
    return f'"{name}"'
