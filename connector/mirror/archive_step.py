"""Layout 14 → 15: what events say may leave the ledger for archives (``archiving.py``)."""

from collections.abc import Collection

from sqlalchemy import Connection

from connector.mirror import dialects


def act(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_archives`` and ``_archived_rows``, and have the ledger say what is in which archive."""
    dialect = dialects.of(connection)
    exact, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    connection.exec_driver_sql("ALTER TABLE _notifications ADD COLUMN archive INTEGER")
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS _archives (archive INTEGER NOT NULL, "
        "month TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, "
        f"size_bytes {count} NOT NULL, events {count} NOT NULL, unkeyed {count} NOT NULL, "
        f"made_at {instant} NOT NULL, read_at {instant}, emptied_at {instant}, former TEXT, "
        f"PRIMARY KEY (archive)){dialect.table_options}"
    )
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _archived_rows (table_name {exact} NOT NULL, "
        f"row_digest {exact} NOT NULL, folded TEXT NOT NULL, "
        f"PRIMARY KEY (table_name, row_digest)){dialect.table_options}"
    )
