"""What was lost: the table ``mirror_losses``, a row for each range of offsets that Kafka no longer had.

A loss cannot be undone here: what is missing must be entered again in XTND. So ``connector check`` reports
it, and workers are *degraded*, until somebody acknowledges it (``connector losses --acknowledge``).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, Engine, inspect, select, update
from sqlmodel import Session, col

from connector import clocks, events
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.models import ConsumerOffset, LedgerRow, MirrorLoss, names
from connector.mirror.offsets import Partition

COLUMNS = MirrorLoss.columns("acknowledged_at")
FIX = "enter again what XTND sent then and is missing, then run: connector losses --acknowledge"
SHOWN = 5  # ranges of a topic
# How far back the last event of a partition is looked for first, in microseconds: the index on
# received_at makes that quick, where all of a large ledger takes long.
LOOK_BACK = 90 * 24 * 3_600_000_000


class Loss(NamedTuple):
    """Offsets ``first`` up to, not including, ``next`` that Kafka no longer had when they were asked for.

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


def add(connection: Connection, losses: Mapping[Partition, Loss], now: int) -> None:
    """Record losses, and add them to ``records_lost`` of the offsets, whose rows exist."""
    into = f"INSERT INTO _mirror_losses ({names(COLUMNS)})"
    for (topic, partition), loss in losses.items():
        row = (topic, partition, loss.first, loss.next, loss.records, loss.sent_after, loss.sent_before, now)
        run(connection, into, Batch(COLUMNS, [row]), "ON CONFLICT DO NOTHING")
        where = (col(ConsumerOffset.topic) == topic, col(ConsumerOffset.partition) == partition)
        lost = col(ConsumerOffset.records_lost) + (loss.records or 0)
        connection.execute(update(ConsumerOffset).where(*where).values(records_lost=lost))


def last_received(connection: Connection, tp: Partition, offset: int, now: int) -> int | None:
    """When the newest event that stands before an offset was received, in microseconds since the epoch."""
    received_at = col(LedgerRow.received_at)
    before = select(received_at).where(
        (col(LedgerRow.kafka_topic) == tp[0])
        & (col(LedgerRow.kafka_partition) == tp[1])
        & (col(LedgerRow.kafka_offset) < offset)
    )
    for since in (max(0, now - LOOK_BACK), 0):
        newest = before.where(received_at > events.iso(since)).order_by(received_at.desc()).limit(1)
        if (found := connection.execute(newest).scalar()) is not None:
            return events.from_iso(found)
    return None


def unacknowledged(engine: Engine) -> list[MirrorLoss]:
    """Losses that nobody has acknowledged, the oldest first; raises ``DatabaseOutage``."""
    query = select(MirrorLoss).where(col(MirrorLoss.acknowledged_at).is_(None))
    order = map(col, (MirrorLoss.found_at, MirrorLoss.topic, MirrorLoss.partition))
    with transaction(engine) as connection, Session(connection) as session:
        return list(session.scalars(query.order_by(*order)))


def acknowledge(engine: Engine, found: Iterable[MirrorLoss]) -> None:
    """Note that somebody knows of these losses; raises ``DatabaseOutage``."""
    now = events.iso(clocks.now())
    with transaction(engine) as connection, Session(connection) as session:
        for one in found:
            if kept := session.get(MirrorLoss, inspect(one).identity):
                kept.acknowledged_at = now
        session.flush()


def sentences(found: Iterable[MirrorLoss]) -> Iterator[tuple[str, str]]:
    """Pairs of a topic and a sentence: what was lost, and when XTND sent it."""
    kinds: dict[tuple[str, bool], list[MirrorLoss]] = {}
    for one in found:
        kinds.setdefault((one.topic, one.records is None), []).append(one)
    for (topic, recreated), some in sorted(kinds.items()):
        what = (
            "it was re-created, and what it had beyond what was mirrored is gone"
            if recreated
            else f"{sum(one.records or 0 for one in some)} records expired before they were mirrored"
        )
        shown = ", ".join(map(_range, some[:SHOWN])) + (", …" if len(some) > SHOWN else "")
        after = [one.sent_after for one in some if one.sent_after is not None]
        since = f"between {min(after)} and" if len(after) == len(some) else "before"
        until = max(one.sent_before or one.found_at for one in some)
        yield topic, f"{what} ({shown}); XTND sent it {since} {until}"


def _range(loss: MirrorLoss) -> str:
    """A partition and the offsets that are missing there."""
    last = "on" if loss.next_offset is None else f"to {loss.next_offset - 1}"
    return f"partition {loss.partition} from offset {loss.first_offset} {last}"
