"""How many events the ledger holds of each partition and family, and when they came: ``mirror_counters``.

``mirror_status`` would have to read the whole ledger for that. The sink moves the counters in the same
transaction as the ledger, and a worker writes those of its own partitions, so that none waits for another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from connector import events
from connector.events import Identity
from connector.mirror.batches import Batch, run
from connector.mirror.ledger import IDENTITY, Placed

Group = tuple[str, int, str]
"""Topic, partition and family."""
Received = Mapping[Group, Sequence[int]]
"""By group, when each event was received: microseconds since the epoch."""

KEY = (("topic", "text"), ("partition", "integer"), ("family", "text"))
INSTANTS = ("first_received_at", "last_received_at", "last_mirrored_at")
COLUMNS = (*KEY, ("events", "integer"), *((name, "timestamp") for name in INSTANTS))
NAMES = ", ".join(name for name, _ in COLUMNS)
INSERT = f"INSERT INTO _mirror_counters AS held ({NAMES})"
MERGE = (
    "ON CONFLICT (topic, partition, family) DO UPDATE SET events = held.events + excluded.events, "
    + ", ".join(
        f"{name} = CASE WHEN excluded.{name} {sign} held.{name} THEN excluded.{name} ELSE held.{name} END"
        for name, sign in zip(INSTANTS, "<>>", strict=True)
    )
)
LEDGER = (
    "SELECT kafka_topic, kafka_partition, family, COUNT(*), MIN(received_at), MAX(received_at), "
    "MAX(mirrored_at) FROM _notifications GROUP BY kafka_topic, kafka_partition, family"
)
# How far beside a lost extreme the next one is looked for first, in microseconds: the index on received_at
# makes that quick.
NEAR = 24 * 3_600_000_000


def group(placed: Placed) -> Group:
    """Where an event is counted."""
    return (placed.topic, placed.partition, placed.event.family)


def received(placed: Iterable[Placed]) -> dict[Group, list[int]]:
    """When events were received, by group."""
    found: dict[Group, list[int]] = {}
    for one in placed:
        found.setdefault(group(one), []).append(one.event.received_at)
    return found


def add(connection: Connection, new: Received, mirrored_at: int) -> None:
    """Count events that were inserted into the ledger, in one statement."""
    rows = [
        (*key, len(instants), min(instants), max(instants), mirrored_at)
        for key, instants in sorted(new.items())
    ]
    run(connection, INSERT, Batch(COLUMNS, rows), MERGE)


def held(connection: Connection, identities: Iterable[Identity]) -> dict[Group, list[int]]:
    """When the ledger's copies of these events were received, by group."""
    before = (
        "SELECT kafka_topic, kafka_partition, family, received_at FROM _notifications "
        "WHERE (event_id, source) IN ("
    )
    found: dict[Group, list[int]] = {}
    for topic, partition, family, instant in run(
        connection, before, Batch(IDENTITY, sorted(identities)), ")"
    ):
        found.setdefault((topic, partition, family), []).append(_micros(instant))
    return found


def replace(connection: Connection, former: Received, new: Received, mirrored_at: int) -> None:
    """Count copies of known events that were put in the place of others.

    Where the first or the last of a group went, the next one is looked up in the ledger.
    """
    add(connection, new, mirrored_at)
    # No instant of a copy that was counted moves an extreme outwards, and 0 is before every other.
    gone = [
        (*key, -len(instants), min(instants), max(instants), 0) for key, instants in sorted(former.items())
    ]
    run(connection, INSERT, Batch(COLUMNS, gone), MERGE)
    connection.exec_driver_sql("DELETE FROM _mirror_counters WHERE events = 0")
    condition = "(topic, partition, family) IN ("
    query = f"SELECT {NAMES} FROM _mirror_counters WHERE {condition}"
    for row in run(connection, query, Batch(KEY, sorted(former)), ")"):
        key: Group = (row[0], row[1], row[2])
        for name, value in (("first_received_at", row[4]), ("last_received_at", row[5])):
            if _micros(value) in former[key]:
                _search(connection, key, name, _micros(value))


def _search(connection: Connection, key: Group, name: str, lost: int) -> None:
    """Set an extreme by the ledger, of which all events lie on one side of the former one."""
    sign, order, bound = (">", "DESC", lost - NEAR) if name.startswith("last") else ("<", "ASC", lost + NEAR)
    query = (
        "SELECT received_at FROM _notifications WHERE kafka_topic = ? AND kafka_partition = ? AND family = ?"
    )
    for near in (f"AND received_at {sign} '{events.iso(bound)}'", ""):
        row = _execute(connection, f"{query} {near} ORDER BY received_at {order} LIMIT 1", key).fetchone()
        if row is not None:
            where = "topic = ? AND partition = ? AND family = ?"
            _execute(connection, f"UPDATE _mirror_counters SET {name} = ? WHERE {where}", (row[0], *key))
            return


def fill(connection: Connection) -> None:
    """Count the whole ledger, into a table that is empty."""
    connection.exec_driver_sql(f"INSERT INTO _mirror_counters ({NAMES}) {LEDGER}")


def differences(connection: Connection) -> Iterator[str]:
    """A sentence for each group that is not counted as the ledger has it."""
    counted, wanted = _rows(connection, f"SELECT {NAMES} FROM _mirror_counters"), _rows(connection, LEDGER)
    for key in sorted(counted.keys() | wanted.keys()):
        is_, should = counted.get(key), wanted.get(key)
        # Of an event whose copy was replaced by a host with a slow clock, the later instant stays.
        if is_ and should and is_[:3] == should[:3] and is_[3] >= should[3]:
            continue
        yield f"mirror_counters {key}: is {_shown(is_)} and should be {_shown(should)}"


def _rows(connection: Connection, query: str) -> dict[Group, tuple[int, ...]]:
    rows = connection.exec_driver_sql(query).fetchall()
    return {(row[0], row[1], row[2]): (row[3], *map(_micros, row[4:])) for row in rows}


def _shown(values: tuple[int, ...] | None) -> str:
    return "missing" if values is None else f"{values[0]} events, {', '.join(map(events.iso, values[1:]))}"


def _micros(instant: datetime | str) -> int:
    return events.microseconds(instant) if isinstance(instant, datetime) else events.from_iso(instant)


def _execute(connection: Connection, statement: str, parameters: Sequence[Any]) -> Any:
    if connection.dialect.name == "postgresql":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, tuple(parameters))
