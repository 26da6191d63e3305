"""``mirror_counters``: how many events the ledger holds of each partition and family, and when they came.

Without it ``mirror_status`` would read the whole ledger. The sink updates the counters in the transaction
that writes the ledger. A worker updates only those of its own partitions, so workers do not wait for each
other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlmodel import Session, col

from connector import events
from connector.events import Identity
from connector.mirror import dialects
from connector.mirror.batches import Batch, run
from connector.mirror.ledger import IDENTITY, LedgerEvent
from connector.mirror.models import LedgerRow, MirrorCounter, names

Group = tuple[str, int, str]
"""Topic, partition and family."""
Received = Mapping[Group, Sequence[int]]
"""By group, when each event was received: microseconds since the epoch."""

COLUMNS = MirrorCounter.columns()
KEY = names(MirrorCounter.key())
INSERT = f"INSERT INTO _mirror_counters AS stored ({names(COLUMNS)})"
MERGE = f"ON CONFLICT ({KEY}) DO UPDATE SET events = stored.events + excluded.events" + "".join(
    f", {name} = CASE WHEN excluded.{name} {'<' if name.startswith('first') else '>'} stored.{name} "
    f"THEN excluded.{name} ELSE stored.{name} END"
    for name, type_ in COLUMNS
    if type_ == "timestamp"
)
# The group of an event, and its columns in the order of the counters'.
GROUP: list[Any] = list(map(col, (LedgerRow.kafka_topic, LedgerRow.kafka_partition, LedgerRow.family)))
COUNTED = select(
    *(*GROUP, func.count(), func.min(LedgerRow.received_at)),
    *(func.max(LedgerRow.received_at), func.max(LedgerRow.mirrored_at)),
).group_by(*GROUP)
# How far beside a lost extreme the next one is looked for first, in microseconds: the index on received_at
# makes that quick.
NEAR = 24 * 3_600_000_000


def received(ledger_events: Iterable[LedgerEvent]) -> dict[Group, list[int]]:
    """When events were received, by group."""
    found: dict[Group, list[int]] = {}
    for one in ledger_events:
        found.setdefault((one.topic, one.partition, one.event.family), []).append(one.event.received_at)
    return found


def statement(new: Received, mirrored_at: int) -> tuple[str, Batch, str]:
    """Count events that were inserted into the ledger, as ``run`` takes it."""
    rows = [
        (*key, len(instants), min(instants), max(instants), mirrored_at)
        for key, instants in sorted(new.items())
    ]
    return INSERT, Batch(COLUMNS, rows), MERGE


def stored(connection: Connection, identities: Iterable[Identity]) -> dict[Group, list[int]]:
    """When the ledger's copies of these events were received, by group."""
    received_at = dialects.of(connection).microseconds("received_at")
    before = f"SELECT kafka_topic, kafka_partition, family, {received_at} FROM _notifications"
    batch = Batch(IDENTITY, sorted(identities))
    found: dict[Group, list[int]] = {}
    for *key, instant in run(connection, f"{before} WHERE ({names(IDENTITY)}) IN (", batch, ")"):
        found.setdefault((key[0], key[1], key[2]), []).append(instant)
    return found


def replace(connection: Connection, former: Received, new: Received, mirrored_at: int) -> None:
    """Count copies that replaced those of known events.

    Where the first or the last of a group was replaced, the next one is looked up in the ledger.
    """
    run(connection, *statement(new, mirrored_at))
    # No instant of a copy that was counted moves an extreme outwards, and 0 is before every other.
    gone = [
        (*key, -len(instants), min(instants), max(instants), 0) for key, instants in sorted(former.items())
    ]
    run(connection, INSERT, Batch(COLUMNS, gone), MERGE)
    connection.execute(delete(MirrorCounter).where(col(MirrorCounter.events) == 0))
    with Session(connection) as session:
        for key, instants in former.items():
            if counted := session.get(MirrorCounter, key):
                for name in ("first_received_at", "last_received_at"):
                    if (lost := events.from_iso(getattr(counted, name))) in instants:
                        setattr(counted, name, _extreme(session, key, lost, last=name.startswith("last")))
        session.flush()


def _extreme(session: Session, key: Group, lost: int, *, last: bool) -> str:
    """The first or last instant of a group by the ledger; all lie on one side of the one that is lost."""
    of_group = [column == value for column, value in zip(GROUP, key, strict=True)]
    received_at = col(LedgerRow.received_at)
    near = received_at > events.iso(lost - NEAR) if last else received_at < events.iso(lost + NEAR)
    order = received_at.desc() if last else received_at
    query = select(received_at).where(*of_group).order_by(order).limit(1)
    return session.scalars(query.where(near)).first() or session.scalars(query).first() or events.iso(lost)


def fill(connection: Connection) -> None:
    """Count the whole ledger, into a table that is empty."""
    connection.execute(insert(MirrorCounter).from_select([name for name, _ in COLUMNS], COUNTED))


def missing(connection: Connection) -> int:
    """How many events fewer the ledger holds than were counted: what somebody took out of it by hand."""
    counted = connection.execute(select(func.coalesce(func.sum(col(MirrorCounter.events)), 0))).scalar_one()
    stored = connection.execute(select(func.count()).select_from(LedgerRow)).scalar_one()
    return max(0, int(counted) - int(stored))


def differences(connection: Connection) -> Iterator[str]:
    """A sentence for each group that is not counted as the ledger has it."""
    queries = (select(MirrorCounter.__table__), COUNTED)
    counted, expected = ({row[:3]: row[3:] for row in connection.execute(query)} for query in queries)
    for key in sorted(counted.keys() | expected.keys()):
        found, due = counted.get(key), expected.get(key)
        # Of an event whose copy was replaced by a host with a slow clock, the later instant stays.
        if found and due and found[:3] == due[:3] and found[3] >= due[3]:
            continue
        shown = [
            "missing" if one is None else f"{one[0]} events, {', '.join(one[1:])}" for one in (found, due)
        ]
        yield f"mirror_counters {key}: is {shown[0]} and should be {shown[1]}"
