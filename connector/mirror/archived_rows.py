"""What archived events alone give for each row of a table: the table ``_archived_rows``.

It is kept beside the rows, so that ``connector verify`` reads no archive: the fold of the ledger goes on from
it. The rows of a history are of one event each and have none.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection

from connector.events import Event
from connector.mirror import archives, dialects
from connector.mirror.batches import Batch, run
from connector.mirror.dialects.dialect import literal
from connector.mirror.fold import fold
from connector.mirror.mapped import Contribution, Key, Rows
from connector.mirror.mapping import Mapping as TableMapping
from connector.mirror.mapping import reader
from connector.mirror.models import ArchivedRow, names
from connector.mirror.projections import Projection
from connector.mirror.statements import on_keys

COLUMNS, KEY = ArchivedRow.columns(), ArchivedRow.key()
INSERT = f"INSERT INTO _archived_rows ({names(COLUMNS)})"
# In the place of a row's digest, of what says how the rows of the table are spelled.
LAYOUT = "layout"
PAGE = 5000
Pairs = Iterable[tuple[Event, list[Contribution]]]


def add(connection: Connection, mapping: TableMapping, events: Iterable[Event]) -> None:
    """Fold in events that are archived from now on."""
    pairs: dict[str, list[tuple[Event, list[Contribution]]]] = defaultdict(list)
    for event in events:
        of_event: dict[str, list[Contribution]] = defaultdict(list)
        for one in mapping.stored_contributions(event):
            of_event[one.table.name].append(one)
        for name, found in of_event.items():
            pairs[name].append((event, found))
    for table in mapping.tables:
        if table.folded and table.name in pairs:
            add_to(connection, table, pairs[table.name])


def add_to(connection: Connection, table: Projection, pairs: Pairs) -> None:
    """Fold in events for one table, which has ``folded``."""
    given = [(event, found) for event, found in pairs if found]
    groups = {one.key[: table.group] for _, found in given for one in found}
    if groups:
        put(connection, table, fold(given, {table.name: rows(connection, table, groups)})[table.name])


def each(connection: Connection, table: Projection) -> Iterator[tuple[Key, Any]]:
    """What is kept for each row of a table, as ``dumped`` gives it, one by one."""
    of_table = f"table_name = {literal(table.name)} AND row_digest <> '{LAYOUT}'"
    for (text,) in dialects.of(connection).stream(
        connection, f"SELECT folded FROM _archived_rows WHERE {of_table}"
    ):
        key, row = msgspec.json.decode(text)
        yield tuple(key), row


def rows(connection: Connection, table: Projection, groups: Iterable[Key] | None = None) -> Rows:
    """The fold for these groups of rows of a table, or for all."""
    if groups is None:
        return {key: table.loaded(row) for key, row in each(connection, table)}
    query = "SELECT folded FROM _archived_rows"
    found = on_keys(connection, query, KEY, [(table.name, _digest(group)) for group in groups])
    decoded = (msgspec.json.decode(row[0]) for row in found)
    return {tuple(key): table.loaded(folded) for key, folded in decoded}


def put(connection: Connection, table: Projection, folded: Rows) -> None:
    """Write the fold of rows over what is there of them."""
    listed = [
        (table.name, _digest(key), msgspec.json.encode((key, table.dumped(row))).decode())
        for key, row in sorted(folded.items(), key=lambda item: item[0])
    ]
    after = f"ON CONFLICT ({names(KEY)}) DO UPDATE SET folded = excluded.folded"
    run(connection, INSERT, Batch(COLUMNS, listed), after)


def remove(connection: Connection, table: str, groups: Iterable[Key] | None = None) -> None:
    """Remove the fold of these groups of rows, or of all of a table."""
    if groups is None:
        mark = dialects.of(connection).mark
        connection.exec_driver_sql(f"DELETE FROM _archived_rows WHERE table_name = {mark}", (table,))
    else:
        on_keys(connection, "DELETE FROM _archived_rows", KEY, [(table, _digest(one)) for one in groups])


def ensure(connection: Connection, mapping: TableMapping, *, ahead: bool = False) -> None:
    """Have what archives give for each table as the mapping has the table now.

    ``ahead``: also where there is no archive yet, whose file would be read for each table otherwise.

    A table whose columns have other names, places or rules has none until this is done; neither has one that
    was filled. Raises ``DatabaseDamaged`` and ``ArchiveAway``.
    """
    if not (ahead or archives.readable(connection)):
        return
    query = f"SELECT table_name, folded FROM _archived_rows WHERE row_digest = '{LAYOUT}'"
    made: dict[str, str] = dict(map(tuple, connection.exec_driver_sql(query)))
    tables = {table.name: table for table in mapping.tables if table.folded}
    for name in made.keys() - tables.keys():
        remove(connection, name)
    for name, table in tables.items():
        if made.get(name) != _layout(table):
            replace(connection, table, due(connection, table))


def due(connection: Connection, table: Projection) -> Rows:
    """The fold of the archives for a table."""
    read = reader(table)
    return fold((event, read(event)) for event in archives.of_sorts(connection, table.sorts)).get(
        table.name, {}
    )


def replace(connection: Connection, table: Projection, folded: Rows) -> None:
    """Have these rows and no others as the fold for a table."""
    remove(connection, table.name)
    run(connection, INSERT, Batch(COLUMNS, [(table.name, LAYOUT, _layout(table))]), "")
    for start in range(0, len(folded), PAGE):
        put(connection, table, dict(islice(folded.items(), start, start + PAGE)))


def differences(table: Projection, kept: Rows, due: Mapping[Key, Any]) -> list[str]:
    """A sentence for each row whose fold is not that of the archives."""
    return [
        f"{table.name} {key}: what archives give for it is not kept beside it as they have it"
        for key in sorted(kept.keys() | due.keys())
        if _plain(table, kept.get(key)) != _plain(table, due.get(key))
    ]


def _plain(table: Projection, row: Any) -> Any:
    return None if row is None else msgspec.to_builtins(table.dumped(row))


def _layout(table: Projection) -> str:
    return repr([(column.name, column.type, column.merge, column.written) for column in table.layout])


def _digest(key: Key) -> str:
    return hashlib.blake2b(msgspec.json.encode(key), digest_size=16).hexdigest()
