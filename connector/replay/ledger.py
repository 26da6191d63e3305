"""Every event that Kafka still holds and a worker has read, put into the ledger again."""

from collections.abc import Iterable, Iterator
from typing import Any

from connector import events
from connector.config import Config
from connector.errors import Poison
from connector.kafka import history, inventory, topics
from connector.mirror import offsets
from connector.mirror.ledger import LedgerEvent
from connector.mirror.ledger_union import LedgerUnion
from connector.mirror.rebuilder import Rebuilder, Report


def restore(config: Config, session: Rebuilder, report: Report) -> LedgerUnion:
    """Put what Kafka holds into the ledger, up to the mirror's offsets: a worker reads what lies beyond.

    Raises ``KafkaOutage``, ``DatabaseOutage``, and ``StartupError``; what was put there before stays.
    """
    union, known = LedgerUnion(session), offsets.stored(session.engine)
    with session.snapshot() as connection:
        current = offsets.select(connection, known)
        union.start(connection)
    with topics.admin_client(config.kafka) as client:
        logs = inventory.logs(client, {topic for topic, _ in current} - {config.topics.dead_letter_topic})
    stretches = {
        (topic, partition): (log.ends[partition][0], min(offset.next, log.ends[partition][1]))
        for (topic, partition), offset in current.items()
        # In a topic that was re-created, the mirror has read nothing yet.
        if (log := logs.get(topic)) and partition in log.ends and offset.is_of(log.topic_id)
    }
    total, done = sum(max(0, end - first) for first, end in stretches.values()), 0
    report("reading Kafka", 0, total)
    for records in history.read(config.kafka, stretches):
        union.add(_events(records))
        done += len(records)
        report("reading Kafka", done, total)
    return union


def _events(records: Iterable[Any]) -> Iterator[LedgerEvent]:
    """Those records that are events; of the others there are dead letters."""
    for record in records:
        if events.DeadLetter.is_in(record.headers):
            continue
        try:
            event = events.decode(record.value)
        except (Poison, *events.JSON_ERRORS):
            continue
        yield LedgerEvent(event, record.topic, record.partition, record.offset)
