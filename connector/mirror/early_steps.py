"""Layouts 3 to 5: own tables that were made before tables stood apart (``apart_step.py``)."""

from collections.abc import Collection

from sqlalchemy import Connection, inspect

from connector.errors import StartupError
from connector.mirror import dialects


def make_routes(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``mirror_routes``, which the views read: one more action is one more row, and changes no view."""
    dialect = dialects.of(connection)
    text = dialect.declared("exact")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS mirror_routes (family {text} NOT NULL, action {text} NOT NULL, "
        f"topic TEXT NOT NULL, PRIMARY KEY (family, action)){dialect.table_options}"
    )


def make_losses(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``mirror_losses``; of what was lost before, only number and partition are known."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS mirror_losses (topic {text} NOT NULL, partition INTEGER NOT NULL, "
        f"first_offset {count} NOT NULL, next_offset {count}, records {count}, sent_after {instant}, "
        f"sent_before {instant}, found_at {instant} NOT NULL, acknowledged_at {instant}, "
        f"PRIMARY KEY (topic, partition, first_offset, found_at)){dialect.table_options}"
    )
    connection.exec_driver_sql(
        "INSERT INTO mirror_losses (topic, partition, first_offset, next_offset, records, sent_before, "
        "found_at) SELECT topic, partition, 0, next_offset, records_lost, updated_at, updated_at "
        "FROM consumer_offsets WHERE records_lost > 0"
    )


def make_counters(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``mirror_counters`` and count the ledger once; the sink goes on from there."""
    if inspect(connection).has_table("mirror_counters"):
        raise StartupError(
            "The database holds a table or view mirror_counters that is not the connector's.",
            "rename it (ALTER TABLE mirror_counters RENAME TO another_name), and start the worker",
        )
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    instants = ("first_received_at", "last_received_at", "last_mirrored_at")
    connection.exec_driver_sql(
        f"CREATE TABLE mirror_counters (topic {text} NOT NULL, partition INTEGER NOT NULL, "
        f"family {text} NOT NULL, events {count} NOT NULL, "
        f"{', '.join(f'{name} {instant} NOT NULL' for name in instants)}, "
        f"PRIMARY KEY (topic, partition, family)){dialect.table_options}"
    )
    connection.exec_driver_sql(
        f"INSERT INTO mirror_counters (topic, partition, family, events, {', '.join(instants)}) "
        "SELECT kafka_topic, kafka_partition, family, COUNT(*), MIN(received_at), MAX(received_at), "
        "MAX(mirrored_at) FROM notifications GROUP BY kafka_topic, kafka_partition, family"
    )
