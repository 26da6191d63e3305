"""Compares Kafka's topics with the mirror's offsets; used at a worker's start and by commands.

Records that were acknowledged on a topic that is no longer read would never be mirrored, without an error.
So they are searched for: on topics that the mirror has read or noted, and on topics under every prefix that
this consumer group ever had (``kafka.claims``). Blocking.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from connector import events
from connector.config import Config
from connector.errors import KafkaOutage, Poison, StartupError
from connector.kafka import history, inventory, topics
from connector.kafka.claims import owned
from connector.kafka.inventory import TopicLog
from connector.mirror import database, offsets, steps
from connector.mirror.offsets import Offset, StoredOffsets

SHOWN = 5


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a person must know, by topic."""

    # Records that no worker with this configuration reads.
    unread: dict[str, int] = field(default_factory=dict)
    # Partitions whose offset is of a former topic of that name.
    recreated: dict[str, int] = field(default_factory=dict)
    # Offsets that expired and that the worker has not reported yet.
    expired: dict[str, int] = field(default_factory=dict)
    # Former topics, and how many of their records are still to be read.
    draining: dict[str, int] = field(default_factory=dict)

    def sentence(self) -> str:
        """What is on Kafka and not read."""
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(self.unread.items())[:SHOWN])
        more = f" and {len(self.unread) - SHOWN} more" if len(self.unread) > SHOWN else ""
        count = sum(self.unread.values())
        return f"Kafka holds {count} records that this configuration does not read: {shown}{more}."

    def fix(self, config: Config) -> str:
        """The setting that drains the topics that are not read."""
        parts = sorted(config.topics.parts, key=len, reverse=True)
        prefixes, full = {*config.topics.former_prefixes}, {*config.topics.former_topics}
        for name in self.unread:
            part = next((part for part in parts if name.endswith(part)), None)
            if part is None or (prefix := name.removesuffix(part)) == config.topics.prefix:
                full.add(name)
            else:
                prefixes.add(prefix)
        written = []
        for setting, names in (("former_prefixes", prefixes), ("former_topics", full)):
            quoted = [name if name[:1].isalpha() else f'"{name}"' for name in sorted(names)]
            written += [f"topics.{setting}: [{', '.join(quoted)}]"] if quoted else []
        settings = " and ".join(written)
        return f"set {settings} in topics.yaml, and the worker reads them too; or delete those topics"


@dataclass(frozen=True, slots=True)
class _Topic:
    """One topic on Kafka beside the mirror's offsets."""

    name: str
    log: TopicLog
    stored: StoredOffsets

    def offset(self, partition: int) -> Offset | None:
        """The mirror's offset in a partition of this very topic."""
        offset = self.stored.get((self.name, partition))
        return offset if offset is not None and offset.is_of(self.log.topic_id) else None

    def unread(self) -> int:
        count = 0
        for partition, (start, end) in self.log.ends.items():
            offset = self.offset(partition)
            count += max(0, end - max(start, offset.next if offset else start))
        return count

    def recreated(self) -> int:
        return sum(
            (self.name, partition) in self.stored and self.offset(partition) is None
            for partition in self.log.ends
        )

    def expired(self) -> int:
        here = ((start, self.offset(partition)) for partition, (start, _) in self.log.ends.items())
        return sum(max(0, start - offset.next) for start, offset in here if offset)

    def is_ours(self, config: Config, prefix: str) -> bool:
        """Whether a topic that nobody noted has what a gateway wrote: by its name, or by its first record."""
        if self.name.removeprefix(prefix) in config.topics.parts:
            return True
        partition = next((number for number, (start, end) in self.log.ends.items() if start < end), None)
        if partition is None:
            return False
        try:
            value = history.record_value(config.kafka, self.name, partition, self.log.ends[partition][0])
            return value is not None and events.decode(value) is not None
        except (Poison, KafkaOutage):  # for example a topic that we may not read
            return False


def compare(config: Config, stored: StoredOffsets) -> TopicState:
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
        group = config.worker.group
        committed = client.list_group_offsets(group).get(group, {}) if unknown else {}
        others = {tp.topic for tp, meta in committed.items() if meta.offset > 0}
        logs = inventory.logs(client, names & (read | noted | (unknown.keys() - others)))
    found = {name: _Topic(name, log, stored) for name, log in logs.items()}

    def counted(count: Callable[[_Topic], int]) -> dict[str, int]:
        counts = {name: count(one) for name, one in sorted(found.items()) if name in read}
        return {name: number for name, number in counts.items() if number}

    unread = {name: one.unread() for name, one in found.items()}
    return TopicState(
        unread={
            name: count
            for name, count in unread.items()
            if count and name not in read and (name in noted or found[name].is_ours(config, unknown[name]))
        },
        recreated=counted(_Topic.recreated),
        expired=counted(_Topic.expired),
        draining={name: unread[name] for name in config.topics.former if name in unread},
    )


def refuse(config: Config, stored: StoredOffsets) -> None:
    """Raise ``StartupError`` when acknowledged records would never be read; raises ``KafkaOutage`` too."""
    state = compare(config, stored)
    if state.unread:
        raise StartupError(state.sentence(), state.fix(config))


def unread_now(config: Config) -> str | None:
    """What is on Kafka and would not be read, with the fix.

    Raises ``KafkaOutage``, ``DatabaseOutage``, and ``StartupError`` where there is no mirror yet.
    """
    engine = database.connect(config.database, access="read")
    try:
        steps.require(engine)
        state = compare(config, offsets.stored(engine))
    finally:
        engine.dispose()
    return f"{state.sentence()} {state.fix(config)}" if state.unread else None
