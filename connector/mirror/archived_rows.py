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
from connector.mirror import dialects
from connector.mirror.archives import Archives
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
DELETE = "DELETE FROM _archived_rows"
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
            ArchivedTable(connection, table).add(pairs[table.name])


def ensure(connection: Connection, mapping: TableMapping, *, ahead: bool = False) -> None:
    """Have what archives give for each table as the mapping has the table now.

    ``ahead``: also where there is no archive yet, whose file would be read for each table otherwise.

    A table whose columns have other names, places or rules has none until this is done; neither has one that
    was filled. Raises ``DatabaseDamaged`` and ``ArchiveAway``.
    """
    if not (ahead or Archives(connection).readable()):
        return
    query = f"SELECT table_name, folded FROM _archived_rows WHERE row_digest = '{LAYOUT}'"
    made: dict[str, str] = dict(map(tuple, connection.exec_driver_sql(query)))
    tables = {table.name: table for table in mapping.tables if table.folded}
    for name in made.keys() - tables.keys():
        connection.exec_driver_sql(f"{DELETE} WHERE table_name = {dialects.of(connection).mark}", (name,))
    for name, table in tables.items():
        kept = ArchivedTable(connection, table)
        if made.get(name) != kept.layout:
            kept.replace(kept.due())


class ArchivedTable:
    """What archives give for the rows of one table: nothing where it has not ``folded``."""

    def __init__(self, connection: Connection, table: Projection) -> None:
        self._connection, self._table = connection, table

    @property
    def layout(self) -> str:
        """How the rows of the table are spelled."""
        columns = self._table.layout
        return repr([(column.name, column.type, column.merge, column.written) for column in columns])

    def add(self, pairs: Pairs) -> None:
        """Fold in events."""
        given = [(event, found) for event, found in pairs if found]
        table = self._table
        if groups := {one.key[: table.group] for _, found in given for one in found}:
            self._put(fold(given, {table.name: self.rows(groups)})[table.name])

    def each(self) -> Iterator[tuple[Key, Any]]:
        """What is kept for each row, as ``dumped`` gives it, one by one."""
        of_table = f"table_name = {literal(self._table.name)} AND row_digest <> '{LAYOUT}'"
        query = f"SELECT folded FROM _archived_rows WHERE {of_table}"
        for (text,) in dialects.of(self._connection).stream(self._connection, query):
            key, row = msgspec.json.decode(text)
            yield tuple(key), row

    def rows(self, groups: Iterable[Key] | None = None) -> Rows:
        """The fold for these groups of rows, or for all."""
        table = self._table
        if groups is None:
            return {key: table.loaded(row) for key, row in self.each()}
        query = "SELECT folded FROM _archived_rows"
        found = on_keys(self._connection, query, KEY, map(self._key, groups))
        decoded = (msgspec.json.decode(row[0]) for row in found)
        return {tuple(key): table.loaded(folded) for key, folded in decoded}

    def remove(self, groups: Iterable[Key] | None = None) -> None:
        """Remove the fold of these groups of rows, or of all."""
        if groups is None:
            statement = f"{DELETE} WHERE table_name = {dialects.of(self._connection).mark}"
            self._connection.exec_driver_sql(statement, (self._table.name,))
        else:
            on_keys(self._connection, DELETE, KEY, map(self._key, groups))

    def due(self) -> Rows:
        """The fold of the archives."""
        read, table = reader(self._table), self._table
        given = Archives(self._connection).of_sorts(table.sorts)
        return fold((event, read(event)) for event in given).get(table.name, {})

    def replace(self, folded: Rows) -> None:
        """Have these rows and no others as the fold."""
        self.remove()
        run(self._connection, INSERT, Batch(COLUMNS, [(self._table.name, LAYOUT, self.layout)]), "")
        for start in range(0, len(folded), PAGE):
            self._put(dict(islice(folded.items(), start, start + PAGE)))

    def differences(self, kept: Rows, due: Mapping[Key, Any]) -> list[str]:
        """A sentence for each row whose fold is not that of the archives."""

        def plain(row: Any) -> Any:
            return None if row is None else msgspec.to_builtins(self._table.dumped(row))

        return [
            f"{self._table.name} {key}: what archives give for it is not kept beside it as they have it"
            for key in sorted(kept.keys() | due.keys())
            if plain(kept.get(key)) != plain(due.get(key))
        ]

    def _put(self, folded: Rows) -> None:
        """Write the fold of rows over what is there of them."""
        listed = [
            (*self._key(key), msgspec.json.encode((key, self._table.dumped(row))).decode())
            for key, row in sorted(folded.items(), key=lambda item: item[0])
        ]
        after = f"ON CONFLICT ({names(KEY)}) DO UPDATE SET folded = excluded.folded"
        run(self._connection, INSERT, Batch(COLUMNS, listed), after)

    def _key(self, key: Key) -> tuple[str, str]:
        """The key under which the fold of a row, or of a group of them, is kept."""
        return self._table.name, hashlib.blake2b(msgspec.json.encode(key), digest_size=16).hexdigest()
