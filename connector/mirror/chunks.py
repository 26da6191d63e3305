"""What one transaction writes, and its result."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connector.mirror.losses import Loss
from connector.mirror.offsets import Partition
from connector.mirror.rows import Item


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter on its way into ``dead_letters``: its row's values by column."""

    offset: int
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive decoded records of one partition.

    ``asked`` is the offset that was asked of Kafka, ``first`` that of the first record that came,
    ``next_offset`` one past the last. Offsets with neither item nor letter need nothing here.
    ``topic_id`` is that of the topic which was read, None where the broker has none. ``clock_distance`` is
    how far the gateway's clock was ahead of Kafka's, in milliseconds, where the last record says it.
    """

    topic: str
    partition: int
    asked: int
    first: int
    next_offset: int
    items: Sequence[Item] = ()
    letters: Sequence[Letter] = ()
    topic_id: str | None = None
    clock_distance: int | None = None

    @property
    def tp(self) -> Partition:
        return (self.topic, self.partition)

    def above(self, position: int) -> "Chunk":
        """The chunk without what a mirror at this offset already has."""
        if position <= self.first:
            return self
        items = [item for item in self.items if item.ledger_event.offset >= position]
        return replace(self, items=items, letters=[one for one in self.letters if one.offset >= position])


@dataclass(slots=True)
class CommitResult:
    """What a transaction did."""

    # By family, when each new event was received: microseconds since the epoch.
    received: dict[str, list[int]] = field(default_factory=dict)
    known: Counter[str] = field(default_factory=Counter)
    # Partitions whose chunk did not follow the mirror's offset, and that offset.
    gaps: dict[Partition, int] = field(default_factory=dict)
    # Partitions whose records Kafka no longer had.
    lost: dict[Partition, Loss] = field(default_factory=dict)
    # One past the last offset that the mirror has now, by partition.
    positions: dict[Partition, int] = field(default_factory=dict)

    @property
    def new(self) -> Counter[str]:
        """New events by family."""
        return Counter({family: len(received) for family, received in self.received.items()})
