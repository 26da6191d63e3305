"""Layout 5 → 6: the connector's tables move apart, and views with their names are what people read.

On PostgreSQL the tables move to the store's schema. On both databases their names get a leading underscore,
and no row is written. Rights to read a table become rights to read its view, and what readers built on the
tables is created again on the views (``postgresql_dependents.py``). A reader's foreign keys, triggers and
indexes stay with the tables.
"""

import re
from collections.abc import Collection
from functools import partial

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from connector import clocks, events
from connector.mirror import dialects
from connector.mirror.dialects import postgresql_dependents
from connector.mirror.dialects import postgresql_grants as grants
from connector.mirror.dialects.dialect import quoted

PRIVATE = ("mirror_rules", "mirror_layout", "mirror_routes", "mirror_losses", "mirror_counters")
PUBLIC = ("notifications", "dead_letters", "consumer_offsets")
HIDDEN = {"dead_letters": ("payload", "context")}
FORMER = "mirrored_at__former"
# The connector's own views alone may read what has no view.
OWN = re.compile(rf"\b({'|'.join(PRIVATE)})\b")


def act(connection: Connection, mapped: Collection[str]) -> None:
    """Take the step; ``mapped`` are tables of the mapping, for a store that recorded none yet."""
    _Apart(connection, mapped).take()


class _Apart:
    def __init__(self, connection: Connection, mapped: Collection[str]) -> None:
        self._connection = connection
        self._catalogue, self._dialect = dialects.catalogue(connection), dialects.of(connection)
        query = "SELECT table_name, column_name FROM mirror_rules"
        rules = connection.exec_driver_sql(query).fetchall()
        existing = set(inspect(connection).get_table_names())
        tables = {row[0] for row in rules if row[0] not in ("", *PRIVATE)} or set(mapped)
        self._read = sorted(tables & existing) + [name for name in PUBLIC if name in existing]
        self._views = [row[1] for row in rules if row[0] == "" and row[1]]
        self._moved = [*self._read, *(name for name in PRIVATE if name in existing)]

    def take(self) -> None:
        if self._catalogue.store:
            self._into_schema()
        else:
            self._within_schema()
        if (
            self._views
        ):  # where none is recorded, as by 0.1, all that have the right names are the connector's
            for name in sorted(set(self._read) - set(self._views)):
                values = f"VALUES ('', {self._dialect.literal(name)}, 'made by the step')"
                self._execute(f"INSERT INTO _mirror_rules (table_name, column_name, rule) {values}")

    def _execute(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)

    def _into_schema(self) -> None:
        connection, catalogue = self._connection, self._catalogue
        catalogue.make_store()
        dependents = postgresql_dependents.Dependents(connection, self._moved)
        rights = {name: grants.to_read(connection, quoted(name)) for name in self._read}
        for name in self._moved:
            if name not in dependents.kept:
                catalogue.execute(*grants.revokes(connection, quoted(name)))
            query = "SELECT relnamespace::regnamespace::text || '.' FROM pg_class WHERE oid = %s::regclass"
            if connection.exec_driver_sql(query, (quoted(name),)).scalar_one() != catalogue.store:
                self._execute(f"ALTER TABLE {quoted(name)} SET SCHEMA {catalogue.store.removesuffix('.')}")
            catalogue.rename(name, f"_{name}")
        for name in self._read:
            self._stamp(name)
            columns = self._make_view(name)
            whole, of_columns = rights[name]
            of_columns = {column: some for column, some in of_columns.items() if column in columns}
            catalogue.execute(*whole, *(one for some in of_columns.values() for one in some))
        apart = dict.fromkeys(self._views, partial(OWN.sub, r"_\1"))
        dependents.put_back(apart)

    def _within_schema(self) -> None:
        texts = self._catalogue.views()
        readable = [name for name in texts if self._readable(name)]
        for name in self._moved:
            self._catalogue.rename(name, f"_{name}")
        for name in self._read:
            self._stamp(name)
            self._make_view(name)
        for name in set(self._views) & texts.keys():
            self._catalogue.execute(f"DROP VIEW {quoted(name)}", OWN.sub(r"_\1", texts[name]))
        for name in readable:
            if not self._readable(name):
                postgresql_dependents.report(name, texts[name])

    def _readable(self, view: str) -> bool:
        try:
            self._execute(f"EXPLAIN SELECT * FROM {quoted(view)}")
        except DBAPIError:
            return False
        return True

    def _stamp(self, name: str) -> None:
        """Give a state table ``mirrored_at``: at this instant every row has changed for the last time."""
        table, columns = quoted(f"_{name}"), self._columns(name)
        if "last_version" not in columns:
            return
        if "mirrored_at" in columns:  # a user's own, which no configuration can name from here on
            self._execute(f"ALTER TABLE {table} RENAME COLUMN mirrored_at TO {FORMER}")
        instant, now = self._dialect.declared("timestamp"), f"'{events.iso(clocks.now())}'"
        # With a constant default no row is written.
        self._execute(f"ALTER TABLE {table} ADD COLUMN mirrored_at {instant} NOT NULL DEFAULT {now}")
        if self._dialect.alters:
            self._execute(f"ALTER TABLE {table} ALTER COLUMN mirrored_at DROP DEFAULT")

    def _columns(self, name: str) -> list[str]:
        return [column["name"] for column in inspect(self._connection).get_columns(f"_{name}")]

    def _make_view(self, name: str) -> list[str]:
        """Make the view that has a table's name from here on; gives its columns.

        Once the layout is that of today it is replaced in place with what ``shown.py`` says.
        """
        hidden = ("last_version", *HIDDEN.get(name, ()))
        columns = [
            column
            for column in self._columns(name)
            if column not in hidden and not column.endswith("__version")
        ]
        listed, view = ", ".join(map(quoted, columns)), f"{self._catalogue.schema}{quoted(name)}"
        self._execute(f"CREATE VIEW {view} AS SELECT {listed} FROM {quoted(f'_{name}')}")
        return columns
