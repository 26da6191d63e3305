"""Families, topic names and entity keys: where an event goes. Pure."""

from dataclasses import dataclass
from typing import Any

from connector import events
from connector.config import Config, paths
from connector.errors import Poison
from connector.kafka.record import Record


@dataclass(frozen=True, slots=True)
class Route:
    """Where an action's events go: family, topic, and the paths of the entity key."""

    family: str
    topic: str
    key_paths: tuple[tuple[str, ...], ...]


class Routes:
    """Action → family, topic and entity key, compiled from ``topics.yaml``."""

    def __init__(self, config: Config) -> None:
        topics = config.topics
        self.topic_of_family = topics.topic_of_family
        self.unrouted_topic = topics.unrouted_topic
        self.dead_letter_topic = topics.dead_letter_topic
        self.snapshot_topic = topics.snapshot_topic
        self.former_topics = topics.former
        self.max_key_bytes = config.gateway.max_key_bytes
        self.known = {
            action: Route(
                family=family,
                topic=self.topic_of_family[family],
                key_paths=tuple(paths.keys(path) for path in route.paths),
            )
            for family, action, route in config.actions()
        }
        self._event_topics = self.event_topics()
        self._unrouted = Route(family=events.UNROUTED, topic=self.unrouted_topic, key_paths=())

    def route(self, action: str) -> Route:
        """The action's route; an action that no family claims goes to the unrouted topic."""
        return self.known.get(action, self._unrouted)

    def event_topics(self) -> dict[str, str]:
        """Family → topic of everything that becomes rows, unrouted actions included."""
        return {**self.topic_of_family, events.UNROUTED: self.unrouted_topic}

    def topics_read(self) -> list[str]:
        """Every topic that a worker reads, each once; a former one only where it exists."""
        return [
            *self.event_topics().values(),
            self.snapshot_topic,
            self.dead_letter_topic,
            *self.former_topics,
        ]

    def rerouted(self, record: Record) -> Record:
        """A record that waited since an earlier configuration, for the topic of this one.

        A topic that is configured no more may still take it, but no worker would read it there.
        """
        topic = self.dead_letter_topic if record.parked else self._event_topics.get(record.label)
        topic = topic or self.unrouted_topic
        return record if topic == record.topic else record._replace(topic=topic)

    def entity_key(self, route: Route, data: Any) -> str | None:
        """The entity that Details speak of; None for an unrouted action.

        The first row object names it. Raises ``Poison`` when there is none, when a part of the key is
        missing, null, empty, of the wrong kind, or when the whole is too long.
        """
        if not route.key_paths:
            return None
        rows = events.row_objects(data)
        if not rows:
            raise Poison("details-kind", "Details must be an object or an array of objects.")
        first = rows[0]
        parts = []
        for path in route.key_paths:
            value = first.get(path[0]) if len(path) == 1 else self._deep_value(first, path)
            if not isinstance(value, str) or not value.strip():
                value = self._unusual_key_part(paths.text(path), value)
            parts.append(value)
        key = "|".join(parts)
        bytes_at_most = len(key) * 4
        if bytes_at_most > self.max_key_bytes < len(key.encode()):
            what = f"The entity key is longer than {self.max_key_bytes} bytes."
            raise Poison("key-too-long", f"{what} Raise gateway.max_key_bytes if it is real.")
        return key

    @staticmethod
    def _deep_value(row: dict[str, Any], path: tuple[str, ...]) -> Any:
        try:
            return events.value_at(row, path)
        except Poison as poison:
            what = f"Details.{paths.text(path)} cannot be read: {poison.error}"
            raise Poison(poison.reason, what) from None

    @staticmethod
    def _unusual_key_part(name: str, value: Any) -> str:
        """A part of a key that is no text, or blank."""
        try:
            text = events.key_text(value)
        except Poison as poison:
            raise Poison(poison.reason, f"Details.{name} cannot be a key. {poison.error}") from None
        if text is not None and text.strip():
            return text
        if value is None:
            raise Poison("key-missing", f"Details.{name} is missing or null; it identifies the entity.")
        if text is None:
            raise Poison("key-kind", f"Details.{name} must be text or a number.")
        raise Poison("key-empty", f"Details.{name} is empty; it identifies the entity.")
