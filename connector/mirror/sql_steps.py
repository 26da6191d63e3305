"""Layouts that are made by SQL alone: own tables and columns that are new."""

from collections.abc import Collection

from sqlalchemy import Connection, inspect

from connector.errors import StartupError
from connector.mirror import dialects

# By layout; in braces are what a database declares for a type, and its options of a table.
STATEMENTS: dict[int, tuple[str, ...]] = {
    # The views read it: one more action is one more row, and changes no view.
    3: (
        (
            "CREATE TABLE IF NOT EXISTS mirror_routes (family {exact} NOT NULL, action {exact} NOT NULL, "
            "topic TEXT NOT NULL, PRIMARY KEY (family, action)){options}"
        ),
    ),
    # Of what was lost before, only number and partition are known.
    4: (
        (
            "CREATE TABLE IF NOT EXISTS mirror_losses (topic {exact} NOT NULL, partition INTEGER NOT NULL, "
            "first_offset {integer} NOT NULL, next_offset {integer}, records {integer}, "
            "sent_after {timestamp}, sent_before {timestamp}, found_at {timestamp} NOT NULL, "
            "acknowledged_at {timestamp}, PRIMARY KEY (topic, partition, first_offset, found_at)){options}"
        ),
        (
            "INSERT INTO mirror_losses (topic, partition, first_offset, next_offset, records, sent_before, "
            "found_at) SELECT topic, partition, 0, next_offset, records_lost, updated_at, updated_at "
            "FROM consumer_offsets WHERE records_lost > 0"
        ),
    ),
    # Counts the ledger once; the sink goes on from there.
    5: (
        (
            "CREATE TABLE mirror_counters (topic {exact} NOT NULL, partition INTEGER NOT NULL, "
            "family {exact} NOT NULL, events {integer} NOT NULL, first_received_at {timestamp} NOT NULL, "
            "last_received_at {timestamp} NOT NULL, last_mirrored_at {timestamp} NOT NULL, "
            "PRIMARY KEY (topic, partition, family)){options}"
        ),
        (
            "INSERT INTO mirror_counters (topic, partition, family, events, first_received_at, "
            "last_received_at, last_mirrored_at) "
            "SELECT kafka_topic, kafka_partition, family, COUNT(*), MIN(received_at), MAX(received_at), "
            "MAX(mirrored_at) FROM notifications GROUP BY kafka_topic, kafka_partition, family"
        ),
    ),
    # What events say about the gateway's clock; unknown until the next event.
    7: ("ALTER TABLE _consumer_offsets ADD COLUMN clock_distance_ms {integer}",),
    # ``_hydration`` is made and filled as a table that is new.
    8: (
        (
            "CREATE TABLE IF NOT EXISTS _hydration_work (shop {exact} NOT NULL, family {exact} NOT NULL, "
            "entity_key {exact} NOT NULL, asked_at {timestamp}, again_at {timestamp}, "
            "answered_at {timestamp}, marked_at {timestamp}, lease {integer}, leased_by TEXT, "
            "leased_at {timestamp}, leased_until {timestamp}, not_before {timestamp}, "
            "trouble TEXT NOT NULL, tries INTEGER NOT NULL, "
            "PRIMARY KEY (shop, family, entity_key)){options}"
        ),
    ),
    9: (
        (
            "CREATE TABLE IF NOT EXISTS _backfills (shop {exact} NOT NULL, family {exact} NOT NULL, "
            "changed_since {timestamp} NOT NULL, changed_until {timestamp}, started_at {timestamp} NOT NULL, "
            "finished_at {timestamp}, part INTEGER NOT NULL, reading INTEGER NOT NULL, page INTEGER, "
            "listed {integer} NOT NULL, asked {integer} NOT NULL, PRIMARY KEY (shop, family)){options}"
        ),
    ),
    # Also columns for what a sweep knows of a record.
    10: (
        "ALTER TABLE _hydration_work ADD COLUMN swept_at {timestamp}",
        "ALTER TABLE _hydration_work ADD COLUMN changed_at {timestamp}",
        "ALTER TABLE _hydration_work ADD COLUMN row_digest TEXT",
        (
            "CREATE TABLE IF NOT EXISTS _sweeps (shop {exact} NOT NULL, family {exact} NOT NULL, "
            "started_at {timestamp} NOT NULL, alive_until {timestamp} NOT NULL, finished_at {timestamp}, "
            "whole INTEGER NOT NULL, listed {integer} NOT NULL, enqueued {integer} NOT NULL, "
            "repaired {integer} NOT NULL, lost_hooks {integer} NOT NULL, "
            "PRIMARY KEY (shop, family, started_at)){options}"
        ),
    ),
    11: (
        (
            "CREATE TABLE IF NOT EXISTS _audits (shop {exact} NOT NULL, family {exact} NOT NULL, "
            "started_at {timestamp} NOT NULL, finished_at {timestamp}, entity_key {exact} NOT NULL, "
            "compared {integer} NOT NULL, moved {integer} NOT NULL, left_out {integer} NOT NULL, "
            "PRIMARY KEY (shop, family)){options}"
        ),
        (
            "CREATE TABLE IF NOT EXISTS _drift (shop {exact} NOT NULL, family {exact} NOT NULL, "
            "started_at {timestamp} NOT NULL, entity_key {exact} NOT NULL, table_name {exact} NOT NULL, "
            "row_key {exact} NOT NULL, column_name {exact} NOT NULL, found_at {timestamp} NOT NULL, "
            "hooked_at {timestamp}, mirrored TEXT, source TEXT, "
            "PRIMARY KEY (shop, family, started_at, entity_key, table_name, row_key, column_name)){options}"
        ),
    ),
    12: (
        (
            "CREATE TABLE IF NOT EXISTS _forgotten (shop {exact} NOT NULL, family {exact} NOT NULL, "
            "entity_key {exact} NOT NULL, forgotten_at {timestamp} NOT NULL, ended_at {timestamp}, "
            "changed_at {timestamp} NOT NULL, PRIMARY KEY (shop, family, entity_key)){options}"
        ),
    ),
    # What an audit knows of the list that it reads.
    13: (
        "ALTER TABLE _hydration_work ADD COLUMN audited_at {timestamp}",
        "ALTER TABLE _audits ADD COLUMN page INTEGER",
    ),
    # Events that are there keep the bodies that they hold.
    14: (
        "ALTER TABLE _notifications ADD COLUMN body {binary}",
        (
            "CREATE TABLE IF NOT EXISTS _bodies (entity_key {exact} NOT NULL, source {exact} NOT NULL, "
            "digest {binary} NOT NULL, details {json} NOT NULL, "
            "PRIMARY KEY (entity_key, source, digest)){options}"
        ),
    ),
    # What events say may leave the ledger for archives (``archiving.py``), and the ledger says for which.
    15: (
        "ALTER TABLE _notifications ADD COLUMN archive INTEGER",
        (
            "CREATE TABLE IF NOT EXISTS _archives (archive INTEGER NOT NULL, month TEXT NOT NULL, "
            "file TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes {integer} NOT NULL, "
            "events {integer} NOT NULL, unkeyed {integer} NOT NULL, made_at {timestamp} NOT NULL, "
            "read_at {timestamp}, emptied_at {timestamp}, former TEXT, PRIMARY KEY (archive)){options}"
        ),
        (
            "CREATE TABLE IF NOT EXISTS _archived_rows (table_name {exact} NOT NULL, "
            "row_digest {exact} NOT NULL, folded TEXT NOT NULL, "
            "PRIMARY KEY (table_name, row_digest)){options}"
        ),
    ),
}


def act(version: int, connection: Connection, _mapped: Collection[str]) -> None:
    """Take the step to a layout of ``STATEMENTS``."""
    dialect = dialects.of(connection)
    types = {one: dialect.declared(one) for one in ("exact", "integer", "timestamp", "json", "binary")}
    for statement in STATEMENTS[version]:
        connection.exec_driver_sql(statement.format(**types, options=dialect.table_options))


def make_counters(connection: Connection, mapped: Collection[str]) -> None:
    """Take the step to layout 5, where nobody has a table or view of the name."""
    if inspect(connection).has_table("mirror_counters"):
        raise StartupError(
            "The database holds a table or view mirror_counters that is not the connector's.",
            "rename it (ALTER TABLE mirror_counters RENAME TO another_name), and start the worker",
        )
    act(5, connection, mapped)
