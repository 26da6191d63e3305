"""Layouts from 7 on: own tables and columns that were made since tables stand apart."""

from collections.abc import Collection

from sqlalchemy import Connection

from connector.mirror import dialects


def add_clock_distance(connection: Connection, _mapped: Collection[str]) -> None:
    """Have a column for what events say about the gateway's clock; unknown until the next event."""
    integer = dialects.of(connection).declared("integer")
    connection.exec_driver_sql(f"ALTER TABLE _consumer_offsets ADD COLUMN clock_distance_ms {integer}")


def make_hydration_work(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_hydration_work``; ``_hydration`` is made and filled as a table that is new."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    early = ("asked_at", "again_at", "answered_at", "marked_at")
    late = ("leased_at", "leased_until", "not_before")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _hydration_work (shop {text} NOT NULL, family {text} NOT NULL, "
        f"entity_key {text} NOT NULL, {', '.join(f'{name} {instant}' for name in early)}, lease {count}, "
        "leased_by TEXT, "
        f"{', '.join(f'{name} {instant}' for name in late)}, trouble TEXT NOT NULL, tries INTEGER NOT NULL, "
        f"PRIMARY KEY (shop, family, entity_key)){dialect.table_options}"
    )


def make_backfills(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_backfills``."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _backfills (shop {text} NOT NULL, family {text} NOT NULL, "
        f"changed_since {instant} NOT NULL, changed_until {instant}, started_at {instant} NOT NULL, "
        f"finished_at {instant}, part INTEGER NOT NULL, reading INTEGER NOT NULL, page INTEGER, "
        f"listed {count} NOT NULL, asked {count} NOT NULL, "
        f"PRIMARY KEY (shop, family)){dialect.table_options}"
    )


def make_sweeps(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_sweeps``, and columns for what a sweep knows of a record."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    for name, type_ in (("swept_at", instant), ("changed_at", instant), ("row_digest", "TEXT")):
        connection.exec_driver_sql(f"ALTER TABLE _hydration_work ADD COLUMN {name} {type_}")
    counts = ("listed", "enqueued", "repaired", "lost_hooks")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _sweeps (shop {text} NOT NULL, family {text} NOT NULL, "
        f"started_at {instant} NOT NULL, alive_until {instant} NOT NULL, finished_at {instant}, "
        f"whole INTEGER NOT NULL, {', '.join(f'{name} {count} NOT NULL' for name in counts)}, "
        f"PRIMARY KEY (shop, family, started_at)){dialect.table_options}"
    )


def make_audits(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_audits`` and ``_drift``."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    counts = ("compared", "moved", "left_out")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _audits (shop {text} NOT NULL, family {text} NOT NULL, "
        f"started_at {instant} NOT NULL, finished_at {instant}, entity_key {text} NOT NULL, "
        f"{', '.join(f'{name} {count} NOT NULL' for name in counts)}, "
        f"PRIMARY KEY (shop, family)){dialect.table_options}"
    )
    names = ("entity_key", "table_name", "row_key", "column_name")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _drift (shop {text} NOT NULL, family {text} NOT NULL, "
        f"started_at {instant} NOT NULL, {', '.join(f'{name} {text} NOT NULL' for name in names)}, "
        f"found_at {instant} NOT NULL, hooked_at {instant}, mirrored TEXT, source TEXT, "
        f"PRIMARY KEY (shop, family, started_at, {', '.join(names)})){dialect.table_options}"
    )


def make_forgotten(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_forgotten``."""
    dialect = dialects.of(connection)
    text, instant = map(dialect.declared, ("exact", "timestamp"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _forgotten (shop {text} NOT NULL, family {text} NOT NULL, "
        f"entity_key {text} NOT NULL, forgotten_at {instant} NOT NULL, ended_at {instant}, "
        f"changed_at {instant} NOT NULL, PRIMARY KEY (shop, family, entity_key)){dialect.table_options}"
    )


def add_audited_pages(connection: Connection, _mapped: Collection[str]) -> None:
    """Add what an audit knows of the list that it reads."""
    instant = dialects.of(connection).declared("timestamp")
    connection.exec_driver_sql(f"ALTER TABLE _hydration_work ADD COLUMN audited_at {instant}")
    connection.exec_driver_sql("ALTER TABLE _audits ADD COLUMN page INTEGER")


def make_bodies(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_bodies``; events that are there keep the bodies that they hold."""
    dialect = dialects.of(connection)
    text, json, binary = map(dialect.declared, ("exact", "json", "binary"))
    connection.exec_driver_sql(f"ALTER TABLE _notifications ADD COLUMN body {binary}")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _bodies (entity_key {text} NOT NULL, source {text} NOT NULL, "
        f"digest {binary} NOT NULL, details {json} NOT NULL, "
        f"PRIMARY KEY (entity_key, source, digest)){dialect.table_options}"
    )
