"""Layout 5 → 6: the connector's tables move apart, and views with their names are what people read.

On PostgreSQL the tables move to the store's schema. On both databases their names get a leading underscore,
and no row is written. Rights to read a table become rights to read its view, and what readers built on the
tables is created again on the views (``postgresql_dependents.py``). A reader's foreign keys, triggers and
indexes stay with the tables.
"""

import re
from collections.abc import Collection

import structlog
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from connector import clocks, events
from connector.mirror import dialects
from connector.mirror.dialects import postgresql_dependents
from connector.mirror.dialects import postgresql_grants as grants
from connector.mirror.dialects.dialect import quoted

log = structlog.get_logger(__name__)

PRIVATE = ("mirror_rules", "mirror_layout", "mirror_routes", "mirror_losses", "mirror_counters")
PUBLIC = ("notifications", "dead_letters", "consumer_offsets")
HIDDEN = {"dead_letters": ("payload", "context")}
FORMER = "mirrored_at__former"


def act(connection: Connection, mapped: Collection[str]) -> None:
    """Take the step; ``mapped`` are tables of the mapping, for a store that recorded none yet."""
    rules = connection.exec_driver_sql("SELECT table_name, column_name FROM mirror_rules").fetchall()
    existing = set(inspect(connection).get_table_names())
    tables = {row[0] for row in rules if row[0] not in ("", *PRIVATE)} or set(mapped)
    read = sorted(tables & existing) + [name for name in PUBLIC if name in existing]
    views = [row[1] for row in rules if row[0] == "" and row[1]]
    moved = [*read, *(name for name in PRIVATE if name in existing)]
    if dialects.catalogue(connection).store:
        _into_schema(connection, moved, read, views)
    else:
        _within_schema(connection, moved, read, views)
    if views:  # where none is recorded, as by 0.1, all that have the right names are the connector's
        _note_views(connection, set(read) - set(views))


def _into_schema(connection: Connection, moved: list[str], read: list[str], views: list[str]) -> None:
    catalogue = dialects.catalogue(connection)
    catalogue.make_store()
    dependents = postgresql_dependents.take_down(connection, moved)
    rights = {name: grants.to_read(connection, quoted(name)) for name in read}
    for name in moved:
        if name not in dependents.kept:
            catalogue.execute(*grants.revokes(connection, quoted(name)))
        _move(connection, name, catalogue.store)
    for name in read:
        _stamp(connection, name)
        columns = _make_view(connection, name)
        whole, of_columns = rights[name]
        of_columns = {column: some for column, some in of_columns.items() if column in columns}
        catalogue.execute(*whole, *(one for some in of_columns.values() for one in some))
    postgresql_dependents.put_back(connection, dependents, dict.fromkeys(views, _apart))


def _move(connection: Connection, name: str, store: str) -> None:
    query = "SELECT relnamespace::regnamespace::text || '.' FROM pg_class WHERE oid = %s::regclass"
    if connection.exec_driver_sql(query, (quoted(name),)).scalar_one() != store:
        connection.exec_driver_sql(f"ALTER TABLE {quoted(name)} SET SCHEMA {store.removesuffix('.')}")
    dialects.catalogue(connection).rename(name, f"_{name}")


def _within_schema(connection: Connection, moved: list[str], read: list[str], views: list[str]) -> None:
    catalogue = dialects.catalogue(connection)
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
    texts = {row[0]: row[1] for row in connection.exec_driver_sql(query).fetchall()}
    readable = [name for name in texts if _readable(connection, name)]
    for name in moved:
        catalogue.rename(name, f"_{name}")
    for name in read:
        _stamp(connection, name)
        _make_view(connection, name)
    for name in set(views) & texts.keys():
        catalogue.execute(f"DROP VIEW {quoted(name)}", _apart(texts[name]))
    for name in readable:
        if not _readable(connection, name):
            postgresql_dependents.report(name, texts[name])


def _readable(connection: Connection, view: str) -> bool:
    try:
        connection.exec_driver_sql(f"EXPLAIN SELECT * FROM {quoted(view)}")
    except DBAPIError:
        return False
    return True


def _apart(definition: str) -> str:
    """The text of one of the connector's own views, which alone may read what has no view."""
    return re.sub(rf"\b({'|'.join(PRIVATE)})\b", r"_\1", definition)


def _stamp(connection: Connection, name: str) -> None:
    """Give a state table ``mirrored_at``: at this instant every row has changed for the last time."""
    table, columns = quoted(f"_{name}"), _columns(connection, name)
    if "last_version" not in columns:
        return
    if "mirrored_at" in columns:  # a user's own, which no configuration can name from here on
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME COLUMN mirrored_at TO {FORMER}")
    dialect = dialects.of(connection)
    instant, now = dialect.declared("timestamp"), f"'{events.iso(clocks.now())}'"
    # With a constant default no row is written.
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN mirrored_at {instant} NOT NULL DEFAULT {now}")
    if dialect.alters:
        connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN mirrored_at DROP DEFAULT")


def _columns(connection: Connection, name: str) -> list[str]:
    return [column["name"] for column in inspect(connection).get_columns(f"_{name}")]


def _make_view(connection: Connection, name: str) -> list[str]:
    """Make the view that has a table's name from here on; gives its columns.

    Once the layout is that of today it is replaced in place with what ``shown.py`` says.
    """
    hidden = ("last_version", *HIDDEN.get(name, ()))
    columns = [
        column
        for column in _columns(connection, name)
        if column not in hidden and not column.endswith("__version")
    ]
    listed = ", ".join(map(quoted, columns))
    schema = dialects.catalogue(connection).schema
    create = f"CREATE VIEW {schema}{quoted(name)} AS SELECT {listed} FROM {quoted(f'_{name}')}"
    connection.exec_driver_sql(create)
    return columns


def _note_views(connection: Connection, names: Collection[str]) -> None:
    for name in sorted(names):
        values = f"VALUES ('', {dialects.of(connection).literal(name)}, 'made by the step')"
        connection.exec_driver_sql(f"INSERT INTO _mirror_rules (table_name, column_name, rule) {values}")
