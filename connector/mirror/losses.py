"""What was lost: the table ``mirror_losses``, a row for each stretch of offsets that Kafka no longer held.

A loss cannot be undone here, only be entered again in XTND. So it stays a fault of ``connector check`` and
makes workers *degraded* until somebody acknowledges it (``connector losses --acknowledge``).
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from connector import events
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.offsets import Partition

COLUMNS = (
    ("topic", "text"),
    ("partition", "integer"),
    ("first_offset", "integer"),
    ("next_offset", "integer"),
    ("records", "integer"),
    ("sent_after", "timestamp"),
    ("sent_before", "timestamp"),
    ("found_at", "timestamp"),
)
NAMES = ", ".join(name for name, _ in COLUMNS)
FIX = "enter again what XTND sent then and is missing, then run: connector losses --acknowledge"
SHOWN = 5  # stretches of a topic
# How far back the last event of a partition is looked for first, in microseconds: the index on
# received_at makes that quick, where all of a large ledger takes long.
LOOK_BACK = 90 * 24 * 3_600_000_000


class Loss(NamedTuple):
    """Offsets ``first`` up to, not including, ``next`` that Kafka no longer held when they were wanted.

    ``next`` is None where nobody can tell, because the topic was re-created. XTND sent what is missing
    between two instants, in microseconds since the epoch: when the last event before it was received, None
    when there is none, and when the next one was, or the loss was found.
    """

    first: int
    next: int | None
    sent_after: int | None
    sent_before: int

    @property
    def records(self) -> int | None:
        return None if self.next is None else self.next - self.first


class Found(NamedTuple):
    """A row of the table that nobody has acknowledged; instants as ISO text, None where they are not known.

    ``records`` is None where the topic was re-created.
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int | None
    records: int | None
    sent_after: str | None
    sent_before: str | None
    found_at: str


def add(connection: Connection, losses: Mapping[Partition, Loss], now: int) -> None:
    """Keep losses, and count them beside the offsets, which have their rows."""
    for tp, loss in losses.items():
        row = (*tp, loss.first, loss.next, loss.records, loss.sent_after, loss.sent_before, now)
        run(
            connection,
            f"INSERT INTO _mirror_losses ({NAMES})",
            Batch(COLUMNS, [row]),
            "ON CONFLICT DO NOTHING",
        )
        if loss.records:
            _run(
                connection,
                "UPDATE _consumer_offsets SET records_lost = records_lost + ? "
                "WHERE topic = ? AND partition = ?",
                (loss.records, *tp),
            )


def last_received(connection: Connection, tp: Partition, offset: int, now: int) -> int | None:
    """When the newest event that stands before an offset was received, in microseconds since the epoch."""
    query = (
        "SELECT received_at FROM _notifications WHERE kafka_topic = ? AND kafka_partition = ? "
        "AND kafka_offset < ? AND received_at > ? ORDER BY received_at DESC LIMIT 1"
    )
    for since in (max(0, now - LOOK_BACK), 0):
        row = _run(connection, query, (*tp, offset, events.iso(since))).fetchone()
        if row is not None:
            return _microseconds(row[0])
    return None


def unacknowledged(engine: Engine) -> list[Found]:
    """Losses that nobody has acknowledged, the oldest first; raises ``DatabaseOutage``."""
    where = "WHERE acknowledged_at IS NULL ORDER BY found_at, topic, partition"
    query = f"SELECT {NAMES} FROM _mirror_losses {where}"
    with transaction(engine) as connection:
        rows = connection.exec_driver_sql(query).fetchall()
    return [Found(*row[:5], *map(_iso, row[5:])) for row in rows]


def acknowledge(engine: Engine, found: Sequence[Found]) -> None:
    """Note that somebody knows of these losses; raises ``DatabaseOutage``."""
    now = events.iso(time.time_ns() // 1000)
    with transaction(engine) as connection:
        for one in found:
            _run(
                connection,
                "UPDATE _mirror_losses SET acknowledged_at = ? "
                "WHERE topic = ? AND partition = ? AND first_offset = ? AND found_at = ?",
                (now, one.topic, one.partition, one.first_offset, one.found_at),
            )


def sentences(found: Iterable[Found]) -> Iterator[tuple[str, str]]:
    """(Topic, what was lost of it, and when XTND sent that)."""
    kinds: dict[tuple[str, bool], list[Found]] = {}
    for one in found:
        kinds.setdefault((one.topic, one.records is None), []).append(one)
    for (topic, recreated), some in sorted(kinds.items()):
        what = (
            "it was re-created, and what it held beyond what was mirrored is gone"
            if recreated
            else f"{sum(one.records or 0 for one in some)} records expired before they were mirrored"
        )
        shown = ", ".join(map(_stretch, some[:SHOWN])) + (", …" if len(some) > SHOWN else "")
        after = [one.sent_after for one in some if one.sent_after is not None]
        since = f"between {min(after)} and" if len(after) == len(some) else "before"
        until = max(one.sent_before or one.found_at for one in some)
        yield topic, f"{what} ({shown}); XTND sent it {since} {until}"


def _stretch(loss: Found) -> str:
    """A partition and the offsets that are missing there."""
    last = "on" if loss.next_offset is None else f"to {loss.next_offset - 1}"
    return f"partition {loss.partition} from offset {loss.first_offset} {last}"


def _microseconds(value: datetime | str) -> int:
    return events.microseconds(value) if isinstance(value, datetime) else events.from_iso(value)


def _iso(value: datetime | str | None) -> str | None:
    return events.iso(events.microseconds(value)) if isinstance(value, datetime) else value


def _run(connection: Connection, statement: str, parameters: Sequence[Any]) -> Any:
    if connection.dialect.name == "postgresql":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, tuple(parameters))
