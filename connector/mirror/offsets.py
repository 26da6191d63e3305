"""How far the mirror has come in each partition: the table ``consumer_offsets``.

An offset counts within one topic, and a topic that was re-created is another topic of the same name.
So Kafka's id of the topic stands beside the offset and moves with it, in the same transaction. It is
null where the broker has no ids, and in a row of connector 0.1 until its topic is next read.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction

Partition = tuple[str, int]

COLUMNS = (
    ("topic", "text"),
    ("partition", "integer"),
    ("next_offset", "integer"),
    ("topic_id", "text"),
    ("updated_at", "timestamp"),
)
MOVE = (
    "DO UPDATE SET next_offset = excluded.next_offset, updated_at = excluded.updated_at, "
    "topic_id = COALESCE(excluded.topic_id, _consumer_offsets.topic_id)"
)
ADOPT = "DO UPDATE SET topic_id = excluded.topic_id WHERE _consumer_offsets.topic_id IS NULL"


class Offset(NamedTuple):
    """The first offset that the mirror does not hold yet, and the topic in which it counts."""

    next: int
    topic_id: str | None = None

    def is_of(self, topic_id: str | None) -> bool:
        """Whether it counts in that topic, as far as both ids are known."""
        return None in (self.topic_id, topic_id) or self.topic_id == topic_id


Held = Mapping[Partition, Offset]
"""Offsets of the mirror."""


def select(
    connection: Connection, partitions: Iterable[Partition], after: str = ""
) -> dict[Partition, Offset]:
    """The offsets of those partitions that the mirror knows; ``after`` ends the statement."""
    batch = Batch(COLUMNS[:2], sorted(set(partitions)))
    if not batch.rows:
        return {}
    before = (
        "SELECT topic, partition, next_offset, topic_id FROM _consumer_offsets WHERE (topic, partition) IN ("
    )
    return {(row[0], row[1]): Offset(row[2], row[3]) for row in run(connection, before, batch, f") {after}")}


def held(engine: Engine) -> Held:
    """Every offset; raises ``DatabaseOutage``."""
    query = "SELECT topic, partition, next_offset, topic_id FROM _consumer_offsets"
    with transaction(engine) as connection:
        rows = connection.exec_driver_sql(query).fetchall()
    return {(row[0], row[1]): Offset(row[2], row[3]) for row in rows}


def upsert(
    connection: Connection, offsets: Mapping[Partition, Offset], now: int, *, conflict: str = MOVE
) -> None:
    """Write offsets; ``conflict`` says what becomes of one that is there."""
    if offsets:
        columns = (*COLUMNS, ("records_lost", "integer"))
        rows = sorted((*tp, offset.next, offset.topic_id, now, 0) for tp, offset in offsets.items())
        before = f"INSERT INTO _consumer_offsets ({', '.join(name for name, _ in columns)})"
        run(connection, before, Batch(columns, rows), f"ON CONFLICT (topic, partition) {conflict}")
