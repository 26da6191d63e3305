"""Layout 1 → 2: an event is identified by (``source``, ``event_id``) instead of by its id alone.

The ledger and the history tables get the column ``source`` and a key that ends in it, stored versions
carry the source behind the index, and what only a webhook's event has may be null. Most stores know
one hook alone; what comes from another one is looked up in the ledger, event by event.

Versions of layout 1 are ``<instant, 16 digits> <delivery Id> <index, 6 digits>``, and no two events
had the same, so a source at the end changes no order, and every row stays the fold of its events.
"""

from collections.abc import Collection

import structlog
from sqlalchemy import Connection, inspect

from connector.mirror import dialects
from connector.mirror.dialects.base_catalogue import Key
from connector.mirror.dialects.dialect import quoted

log = structlog.get_logger(__name__)

SOURCE = "Where the event came from; with event_id its identity."
NULLABLE = ("delivery_id", "notification_index", "hook", "attempt")
FORMER_INDEXES = (
    "ix_notifications_untold",
    "ix_notifications_delivery_id",
    "ix_notifications_family_received_at",
    "ix_notifications_action",
)
# The id of the event in a version of layout 1; the same in both databases' SQL.
EVENT_ID = "substr({0}, 18, length({0}) - 24) || ':' || CAST(substr({0}, length({0}) - 5) AS INTEGER)"


def act(connection: Connection, mapped: Collection[str]) -> None:
    """Take the step; ``mapped`` are tables of the mapping, for a store that recorded none yet."""
    rules = connection.exec_driver_sql("SELECT table_name FROM mirror_columns WHERE table_name <> ''")
    existing = set(inspect(connection).get_table_names())
    tables = sorted(({row[0] for row in rules} or set(mapped)) & existing)
    step = _SourceStep(connection)
    step.ledger()
    for table in tables:
        step.mapped_table(table)
    step.own_tables()


class _SourceStep:
    """Parts of the step, in one transaction: most events have the same source."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        query = "SELECT hook, COUNT(*) FROM notifications GROUP BY hook ORDER BY 2 DESC, 1"
        hooks = connection.exec_driver_sql(query).fetchall()
        self._usual = f"/webhooks/{hooks[0][0]}" if hooks else ""
        self._several = len(hooks) > 1

    def ledger(self) -> None:
        """Put the source into the ledger's key."""
        for name in FORMER_INDEXES:
            self._connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted(name)}")
        value = "'/webhooks/' || hook" if self._several else None
        key = Key("source", SOURCE, self._usual, value, NULLABLE)
        dialects.catalogue(self._connection).add_to_key("notifications", key)
        unkeyed = dialects.of(self._connection).is_json_array("details")
        self._connection.exec_driver_sql(
            "CREATE INDEX ix_notifications_unkeyed ON notifications (action, event_id, source) "
            f"WHERE {unkeyed} OR entity_key IS NULL"
        )

    def mapped_table(self, table: str) -> None:
        """Put the source into a table's versions, or into a history's key."""
        columns = [column["name"] for column in inspect(self._connection).get_columns(table)]
        if "last_version" in columns:
            versions = ["last_version", *(name for name in columns if name.endswith("__version"))]
            self._add_sources(table, versions)
        elif {"event_id", "row_index"} <= set(columns):
            if "source" in columns:  # a user's own, which no configuration can name from here on
                former = f"ALTER TABLE {quoted(table)} RENAME COLUMN source TO source__former"
                self._connection.exec_driver_sql(former)
            value = self._source(f"{quoted(table)}.event_id") if self._several else None
            dialects.catalogue(self._connection).add_to_key(table, Key("source", None, self._usual, value))

    def _add_sources(self, table: str, versions: list[str]) -> None:
        """Put the source behind stored versions; ranks of numbers, which stand there too, have no blanks."""
        log.info("changing versions", table=table, columns=len(versions))
        sets = []
        for name in map(quoted, versions):
            source = self._source(EVENT_ID.format(f"{quoted(table)}.{name}"))
            blank = dialects.of(self._connection).literal("% %")
            sets.append(
                f"{name} = CASE WHEN {name} LIKE {blank} THEN {name} || ' ' || {source} ELSE {name} END"
            )
        self._connection.exec_driver_sql(f"UPDATE {quoted(table)} SET {', '.join(sets)}")

    def _source(self, event_id: str) -> str:
        """SQL for the source of an event."""
        usual = dialects.of(self._connection).literal(self._usual)
        if not self._several:
            return usual
        found = f"SELECT stored.source FROM notifications AS stored WHERE stored.event_id = {event_id}"
        return f"COALESCE(({found}), {usual})"

    def own_tables(self) -> None:
        """Have Kafka's ids of topics beside offsets, and a record of the layout."""
        dialect = dialects.of(self._connection)
        self._connection.exec_driver_sql("ALTER TABLE consumer_offsets ADD COLUMN topic_id TEXT")
        # Under another name, so that connector 0.1 stops at this store instead of parking every event,
        # and takes its tables for a stranger's at a start.
        dialects.catalogue(self._connection).rename("mirror_columns", "mirror_rules")
        self._connection.exec_driver_sql(
            "CREATE TABLE mirror_layout (version INTEGER NOT NULL, connector TEXT NOT NULL, "
            f"made_at {dialect.declared('timestamp')} NOT NULL, PRIMARY KEY (version)){dialect.table_options}"
        )
