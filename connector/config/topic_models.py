"""The shape of ``topics.yaml``: families, their actions, and the topics that these go to."""

from typing import Literal

from pydantic import Field

from connector.config.yaml_types import Model, Name, Path, TopicName, TopicPart, TopicPrefix


class ActionRoute(Model):
    """How an action's entity key is read: the values at the paths, joined with ``|``."""

    key: Path | tuple[Path, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else self.key


class FamilySettings(Model):
    topic: TopicPart | None = None
    partitions: int | None = Field(None, ge=1, le=1000)
    description: str = ""
    actions: dict[str, ActionRoute] = Field(min_length=1)


class Topics(Model):
    prefix: TopicPrefix = "xtnd."
    # What was published to before: full names, and prefixes of today's names. The worker reads these
    # topics too, where they exist.
    former_prefixes: tuple[TopicPrefix, ...] = ()
    former_topics: tuple[TopicName, ...] = ()
    partitions: int = Field(12, ge=1, le=1000)
    replication_factor: int = Field(1, ge=1, le=15)
    min_insync_replicas: int = Field(1, ge=1, le=15)
    retention_hours: int = Field(168, ge=-1, le=1_000_000_000)
    compression: Literal["lz4", "zstd"] = "lz4"
    max_message_bytes: int = Field(4_194_304, ge=1_048_576, le=2_147_483_647)
    unrouted: TopicPart = "unrouted"
    dead_letters: TopicPart = "dead-letters"
    # Records as they are fetched: a backfill of them must not stand before the events of hooks.
    snapshots: TopicPart = "snapshots"
    families: dict[Name, FamilySettings] = Field(min_length=1)

    @property
    def topic_of_family(self) -> dict[str, str]:
        """Family → full topic name, in the order of the YAML."""
        return {name: self.prefix + (family.topic or name) for name, family in self.families.items()}

    @property
    def parts(self) -> list[str]:
        """The names of all topics, without the prefix."""
        families = [family.topic or name for name, family in self.families.items()]
        return [*families, self.unrouted, self.dead_letters, self.snapshots]

    @property
    def today(self) -> list[str]:
        """Full names of all topics that are published to."""
        return [self.prefix + part for part in self.parts]

    @property
    def former(self) -> list[str]:
        """Full names of topics that are no longer published to and are still read; each once."""
        prefixed = [prefix + part for prefix in self.former_prefixes for part in self.parts]
        return [name for name in dict.fromkeys((*prefixed, *self.former_topics)) if name not in self.today]

    @property
    def unrouted_topic(self) -> str:
        return self.prefix + self.unrouted

    @property
    def dead_letter_topic(self) -> str:
        return self.prefix + self.dead_letters

    @property
    def snapshot_topic(self) -> str:
        return self.prefix + self.snapshots
