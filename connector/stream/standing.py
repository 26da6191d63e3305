"""Compares Kafka's topics with the mirror's offsets; used at a worker's start and by commands.

Records that were acknowledged on a topic that is no longer read would never be mirrored, without an error.
So they are searched for: on topics that the mirror has read or noted, and on topics under every prefix that
this consumer group ever had (``kafka.claims``). Blocking.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector import events
from connector.config import Config
from connector.errors import KafkaOutage, Poison, StartupError
from connector.kafka import inventory, topics
from connector.kafka.claims import owned
from connector.kafka.inventory import TopicLog
from connector.mirror import database, offsets, steps
from connector.mirror.offsets import Held, Offset

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person must know, by topic."""

    # Records that no worker with this configuration reads.
    forgotten: dict[str, int] = field(default_factory=dict)
    # Partitions whose offset is of a former topic of that name.
    recreated: dict[str, int] = field(default_factory=dict)
    # Offsets that expired and that the worker has not reported yet.
    expired: dict[str, int] = field(default_factory=dict)
    # Former topics that hold records to be read, and how many.
    draining: dict[str, int] = field(default_factory=dict)


def standing(config: Config, stored: Held) -> Standing:
    """Compare Kafka's topics with all of the mirror's offsets. Raises ``KafkaOutage``."""
    read = {*config.topics.today, *config.topics.former}
    with topics.admin_client(config.kafka) as client:
        names = set(client.list_topics())
        noted = {topic for topic, _ in stored}
        unknown = {
            name: prefix
            for name, prefix in owned(names, config.worker.group).items()
            # Without a prefix every topic of the cluster is under it.
            if name not in noted | read and (prefix or name in config.topics.parts)
        }
        others = _read_by_group(client, config.worker.group) if unknown else set()
        found = inventory.logs(client, names & (read | noted | (unknown.keys() - others)))
    unread = {name: _unread(log, name, stored) for name, log in found.items()}
    return Standing(
        forgotten={
            name: count
            for name, count in unread.items()
            if count
            and name not in read
            and (name in noted or _is_ours(config, name.removeprefix(unknown[name]), name, found[name]))
        },
        recreated=_counted(
            {name: _recreated(log, name, stored) for name, log in found.items() if name in read}
        ),
        expired=_counted({name: _expired(log, name, stored) for name, log in found.items() if name in read}),
        draining={name: unread[name] for name in config.topics.former if name in unread},
    )


def refuse(config: Config, stored: Held) -> None:
    """Raise ``StartupError`` when acknowledged records would never be read; raises ``KafkaOutage`` too."""
    forgotten = standing(config, stored).forgotten
    if forgotten:
        raise StartupError(forgotten_sentence(forgotten), forgotten_fix(config, forgotten))


def forgotten_now(config: Config) -> str | None:
    """What is on Kafka and would not be read, with the fix.

    Raises ``KafkaOutage``, ``DatabaseOutage``, and ``StartupError`` where there is no mirror yet.
    """
    engine = database.connect(config.database, access="read")
    try:
        steps.require(engine)
        forgotten = standing(config, offsets.held(engine)).forgotten
    finally:
        engine.dispose()
    return f"{forgotten_sentence(forgotten)} {forgotten_fix(config, forgotten)}" if forgotten else None


def forgotten_sentence(forgotten: Mapping[str, int]) -> str:
    """What is on Kafka and would not be read."""
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(forgotten.items())[:SHOWN])
    more = f" and {len(forgotten) - SHOWN} more" if len(forgotten) > SHOWN else ""
    return (
        f"Kafka holds {sum(forgotten.values())} records that this configuration does not read: {shown}{more}."
    )


def forgotten_fix(config: Config, forgotten: Collection[str]) -> str:
    """The setting that drains the topics."""
    parts = sorted(config.topics.parts, key=len, reverse=True)
    prefixes, full = {*config.topics.former_prefixes}, {*config.topics.former_topics}
    for name in forgotten:
        part = next((part for part in parts if name.endswith(part)), None)
        if part is None or (prefix := name.removesuffix(part)) == config.topics.prefix:
            full.add(name)
        else:
            prefixes.add(prefix)
    settings = {"topics.former_prefixes": sorted(prefixes), "topics.former_topics": sorted(full)}
    written = [f"{name}: [{', '.join(map(_quoted, values))}]" for name, values in settings.items() if values]
    return (
        f"set {' and '.join(written)} in topics.yaml, and the worker reads them too; or delete those topics"
    )


def _quoted(name: str) -> str:
    return name if name[:1].isalpha() else f'"{name}"'


def _counted(found: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(found.items()) if count}


def _at(log: TopicLog, topic: str, partition: int, stored: Held) -> Offset | None:
    """The mirror's offset in a partition of this very topic."""
    offset = stored.get((topic, partition))
    return offset if offset is not None and offset.is_of(log.topic_id) else None


def _unread(log: TopicLog, topic: str, stored: Held) -> int:
    count = 0
    for partition, (start, end) in log.ends.items():
        offset = _at(log, topic, partition, stored)
        count += max(0, end - max(start, offset.next if offset else start))
    return count


def _recreated(log: TopicLog, topic: str, stored: Held) -> int:
    return sum((topic, number) in stored and _at(log, topic, number, stored) is None for number in log.ends)


def _expired(log: TopicLog, topic: str, stored: Held) -> int:
    here = ((start, _at(log, topic, number, stored)) for number, (start, _) in log.ends.items())
    return sum(max(0, start - offset.next) for start, offset in here if offset)


def _read_by_group(client: Any, group: str) -> set[str]:
    """Topics of which a consumer group has committed offsets."""
    committed = client.list_group_offsets(group).get(group, {})
    return {tp.topic for tp, meta in committed.items() if meta.offset > 0}


def _is_ours(config: Config, part: str, name: str, log: TopicLog) -> bool:
    """Whether a topic that nobody noted holds what a gateway wrote: by its name, or by its first record."""
    if part in config.topics.parts:
        return True
    partition = next((number for number, (start, end) in log.ends.items() if start < end), None)
    if partition is None:
        return False
    try:
        value = topics.record_value(config.kafka, name, partition, log.ends[partition][0])
        return value is not None and events.decode(value) is not None
    except (Poison, KafkaOutage):  # for example a topic that we may not read
        return False
