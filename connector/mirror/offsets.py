"""How far the mirror has come in each partition: the table ``consumer_offsets``.

An offset counts within one topic, and a topic that was re-created is another topic of the same name.
So Kafka's id of the topic is kept beside the offset and changes with it, in the same transaction. It is
null where the broker has no ids, and in a row of connector 0.1 until its topic is next read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlmodel
from sqlalchemy import Connection, Engine
from sqlmodel import Session

from connector.mirror import dialects, rules
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.models import ConsumerOffset, names

Partition = tuple[str, int]

COLUMNS = ConsumerOffset.columns()
KEY = ConsumerOffset.key()
MOVE = (
    "DO UPDATE SET next_offset = excluded.next_offset, updated_at = excluded.updated_at, "
    "topic_id = COALESCE(excluded.topic_id, _consumer_offsets.topic_id), "
    "clock_distance_ms = COALESCE(excluded.clock_distance_ms, _consumer_offsets.clock_distance_ms)"
)
ADOPT = "DO UPDATE SET topic_id = excluded.topic_id WHERE _consumer_offsets.topic_id IS NULL"


class Offset(NamedTuple):
    """The first offset that the mirror does not hold yet, and the topic in which it counts.

    ``clock_distance`` is written only (``Chunk``).
    """

    next: int
    topic_id: str | None = None
    clock_distance: int | None = None

    def is_of(self, topic_id: str | None) -> bool:
        """Whether it counts in that topic, as far as both ids are known."""
        return None in (self.topic_id, topic_id) or self.topic_id == topic_id


StoredOffsets = Mapping[Partition, Offset]
"""Offsets of the mirror."""


def select(connection: Connection, partitions: Iterable[Partition]) -> dict[Partition, Offset]:
    """The offsets of those partitions that the mirror knows."""
    return {(row[0], row[1]): Offset(row[2], row[3]) for row in _rows(connection, partitions)}


def forgotten_version(connection: Connection) -> str:
    """SQL for a number that changes with each row of ``_forgotten``; null while there is none.

    Of two workers that end tombstones at once, the one that is committed last may have the earlier instant:
    so those that ended are counted too.
    """
    newest = dialects.of(connection).microseconds("MAX(changed_at)")
    return f"SELECT {newest} * 1000 + COUNT(ended_at) FROM _forgotten"


class Locked(NamedTuple):
    """Locked offsets, the schema's fingerprint, and the version of what was forgotten (0: nothing).

    Without offsets there is neither.
    """

    offsets: dict[Partition, Offset]
    fingerprint: str | None = None
    forgotten: int = 0


def lock(connection: Connection, partitions: Iterable[Partition]) -> Locked:
    """``select``, and the rows stay locked until the transaction ends."""
    # In one order, so that two workers do not wait for each other.
    after = f"ORDER BY topic, partition {dialects.of(connection).lock_rows}"
    also = f", ({rules.FINGERPRINT}), ({forgotten_version(connection)})"
    rows = _rows(connection, partitions, also, after)
    found = {(row[0], row[1]): Offset(row[2], row[3]) for row in rows}
    return Locked(found, rows[0][4], rows[0][5] or 0) if rows else Locked(found)


def _rows(
    connection: Connection, partitions: Iterable[Partition], also: str = "", after: str = ""
) -> Sequence[Any]:
    batch = Batch(KEY, sorted(set(partitions)))
    if not batch.rows:
        return ()
    query = f"SELECT {names(KEY)}, next_offset, topic_id{also} FROM _consumer_offsets"
    return run(connection, f"{query} WHERE ({names(KEY)}) IN (", batch, f") {after}")


def stored(engine: Engine) -> StoredOffsets:
    """Every offset; raises ``DatabaseOutage``."""
    with transaction(engine) as connection, Session(connection) as session:
        rows = session.exec(sqlmodel.select(ConsumerOffset))
        return {(row.topic, row.partition): Offset(row.next_offset, row.topic_id) for row in rows}


def upsert(
    connection: Connection, offsets: Mapping[Partition, Offset], now: int, *, conflict: str = MOVE
) -> None:
    """Write offsets; ``conflict`` is what to do with an existing one."""
    if offsets:
        run(connection, *statement(offsets, now, conflict))


def statement(offsets: Mapping[Partition, Offset], now: int, conflict: str = MOVE) -> tuple[str, Batch, str]:
    """``upsert`` of at least one offset, as ``run`` takes it."""
    rows = sorted((*tp, offset.next, 0, now, *offset[1:]) for tp, offset in offsets.items())
    into = f"INSERT INTO _consumer_offsets ({names(COLUMNS)})"
    return into, Batch(COLUMNS, rows), f"ON CONFLICT ({names(KEY)}) {conflict}"
