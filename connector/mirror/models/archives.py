"""The own tables of what left the ledger: archives, and what their events give for rows of tables."""

from connector.mirror.models.own import Own, column


class Archive(Own, table=True):
    """Files with what events say that left the ledger (connector's own)."""

    __tablename__ = "_archives"

    archive: int = column("small", "Number of the archive, as in notifications.", key=True)
    month: str = column("text", "In which month its events were received (UTC), as 2024-03.")
    file: str = column("text", "Path or URL of its Parquet file.")
    sha256: str = column("text", "SHA-256 of the file.")
    size_bytes: int = column("integer", "Size of the file in bytes.")
    events: int = column("integer", "How many events the file has.")
    unkeyed: int = column("integer", "How many of them speak of entities that entity_key does not name.")
    made_at: str = column("timestamp", "When the file was made (UTC).")
    read_at: str | None = column("timestamp", "When it was read back and found whole (UTC).")
    emptied_at: str | None = column("timestamp", "Since when the ledger no longer has what they say (UTC).")
    former: str | None = column("text", "The file that this one took the place of, to be removed.")


class ArchivedRow(Own, table=True):
    """Rows of tables as the archived events alone give them (connector's own)."""

    __tablename__ = "_archived_rows"

    table_name: str = column("exact", "Table of the mirror.", key=True)
    row_digest: str = column("exact", "Digest of the row's key.", key=True)
    folded: str = column("text", "The key and the fold, as JSON.")
