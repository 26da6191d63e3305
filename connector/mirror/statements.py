"""The mirror's set-based SQL: one statement per table and batch, for both databases.

Joining rows into a table is the same SQL on both and says in SQL what ``fold.py`` says in Python.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from connector.mirror.batches import Batch, Statement, encode, run
from connector.mirror.fold import Key, StateRow
from connector.mirror.mapping import MappedColumn, MappedTable

LEDGER: tuple[tuple[str, str], ...] = (
    ("event_id", "text"),
    ("delivery_id", "text"),
    ("notification_index", "integer"),
    ("hook", "text"),
    ("attempt", "integer"),
    ("family", "text"),
    ("action", "text"),
    ("entity_key", "text"),
    ("details", "json"),
    ("properties", "json"),
    ("received_at", "timestamp"),
    ("occurred_at", "timestamp"),
    ("kafka_topic", "text"),
    ("kafka_partition", "integer"),
    ("kafka_offset", "integer"),
)  # and mirrored_at, the transaction's own
STATE: tuple[tuple[str, str], ...] = (
    ("first_seen_at", "timestamp"),
    ("as_of", "timestamp"),
    ("last_action", "text"),
    ("last_event_id", "text"),
    ("event_count", "integer"),
    ("last_version", "text"),
)


def state_batch(table: MappedTable, rows: dict[Key, StateRow], columns: Sequence[MappedColumn]) -> Batch:
    """State rows as a batch, with only ``columns`` of the table's own columns, in key order.

    Keys are sorted so that two workers that touch the same rows lock them in the same order.
    """
    places = [table.columns.index(column) for column in columns]
    versioned = [table.columns.index(column) for column in columns if column.version]
    names: list[tuple[str, str]] = [(column.name, column.type) for column in (*table.key, *columns)]
    names += [*STATE, *((f"{table.columns[place].name}__version", "text") for place in versioned)]
    return Batch(
        tuple(names),
        [
            (
                *key,
                *_at(places, row.cells),
                row.first_seen_at,
                row.as_of,
                row.last_action,
                row.last_event_id,
                row.event_count,
                row.last_version,
                *_at(versioned, row.versions),
            )
            for key, row in sorted(rows.items())
        ],
    )


def join_states(
    dialect: str,
    table: MappedTable,
    rows: dict[Key, StateRow],
    *,
    columns: Sequence[MappedColumn] | None = None,
    joins_events: bool = True,
) -> Statement:
    """Joins folded rows into their table.

    ``columns`` limits which of the table's own columns are joined and ``joins_events`` whether the
    row's own bookkeeping is: a column that is filled later must not count its events twice.
    """
    chosen = table.columns if columns is None else columns
    batch = state_batch(table, rows, chosen)
    sets = [set_ for column in chosen for set_ in _column_sets(column)]
    if joins_events:
        sets += _event_sets()
    return Statement(
        f"INSERT INTO {quoted(table.name)} AS held ({_names(batch)})",
        encode(dialect, batch),
        f"ON CONFLICT ({', '.join(quoted(column.name) for column in table.key)}) "
        + (f"DO UPDATE SET {', '.join(sets)}" if sets else "DO NOTHING"),
    )


def _column_sets(column: MappedColumn) -> list[str]:
    name = quoted(column.name)
    if column.merge == "count":
        return [f"{name} = held.{name} + excluded.{name}"]
    if column.merge in ("max", "min"):
        return [_extreme(column.name, ">" if column.merge == "max" else "<")]
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


def _extreme(column: str, sign: str) -> str:
    name = quoted(column)
    wins = f"held.{name} IS NULL OR excluded.{name} {sign} held.{name}"
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
    places = [table.columns.index(column) for column in chosen]
    batch = Batch(
        tuple((column.name, column.type) for column in (*table.key, *chosen)),
        [(*key, *_at(places, cells)) for key, cells in sorted(rows.items())],
    )
    sets = ", ".join(f"{quoted(column.name)} = excluded.{quoted(column.name)}" for column in chosen)
    return Statement(
        f"INSERT INTO {quoted(table.name)} ({_names(batch)})",
        encode(dialect, batch),
        f"ON CONFLICT (event_id, row_index) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}",
    )


def delete_keys(connection: Connection, table: str, columns: Sequence[str], keys: Iterable[Key]) -> None:
    """Delete the rows with these values in these text columns."""
    batch = Batch(tuple((name, "text") for name in columns), sorted(keys))
    if batch.rows:
        listed = ", ".join(map(quoted, columns))
        run(connection, f"DELETE FROM {quoted(table)} WHERE ({listed}) IN (", batch, ")")


def _at(places: list[int], cells: Sequence[Any]) -> list[Any]:
    return [cells[place] for place in places]


def _names(batch: Batch) -> str:
    return ", ".join(quoted(name) for name, _ in batch.columns)


def quoted(name: str) -> str:
    """An identifier that may be a word of SQL, such as ``order`` or ``position``."""
    return f'"{name}"'
