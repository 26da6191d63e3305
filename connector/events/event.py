"""Events: one notification of one delivery is one event (docs/contract.md, Events).

A snapshot, which is the answer of one GET, is an event too: ``snapshot.py`` makes it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from typing_extensions import override

# Header with the seconds by which the gateway's clock was ahead of the broker's when it received the event.
CLOCK_DISTANCE = "clock-distance"
UNROUTED = "unrouted"
# What stands before the name of a source in the ``source`` of its snapshots.
SOURCES = "/sources/"

# What a snapshot's action ends in: a record, or that there is none.
SNAPSHOT, GONE = "Snapshot", "Gone"


class Sort(NamedTuple):
    """What tables take an event by: the action of a hook's, or the family where it is a snapshot."""

    name: str
    of_source: bool = False

    @override
    def __str__(self) -> str:
        return f"snapshots of {self.name}" if self.of_source else self.name


# (event_id, source): an event that another hook received is another event (docs/contract.md, Events).
Identity = tuple[str, str]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One notification of one delivery, or a snapshot where ``source_name`` is given.

    ``details`` is compact JSON text as received, ``properties`` likewise. ``entity_key`` is None
    only for an action that no family claims. ``source_name`` is that of sources.yaml; a snapshot came by
    no hook, and its ``delivery_id`` is the whole event id.
    """

    delivery_id: str
    index: int
    hook: str
    attempt: int
    family: str
    action: str
    entity_key: str | None
    details: bytes
    properties: str
    received_at: int
    occurred_at: int
    source_name: str | None = None

    @property
    def event_id(self) -> str:
        return f"{self.delivery_id}:{self.index}" if self.source_name is None else self.delivery_id

    @property
    def source(self) -> str:
        """Where it came from, as a CloudEvent says it."""
        return source_of(self.hook, self.source_name)

    @property
    def identity(self) -> Identity:
        """What makes it the same event; the id first, because it differs sooner."""
        return (self.event_id, source_of(self.hook, self.source_name))

    @property
    def sort(self) -> Sort:
        """What tables take it by."""
        return Sort(self.action) if self.source_name is None else Sort(self.family, of_source=True)

    @property
    def is_gone(self) -> bool:
        """Whether it says that its source has no such record."""
        return self.source_name is not None and self.action.endswith(GONE)

    @property
    def kafka_key(self) -> bytes:
        """The entity key; the delivery's Id where no entity is known, so that no record is keyless.

        Snapshots of all families share a topic, so theirs has the family in front.
        """
        if self.source_name is not None:
            return f"{self.family}/{self.entity_key}".encode()
        return (self.entity_key or self.delivery_id).encode()

    @property
    def version(self) -> str:
        """Text that sorts, byte by byte, as events do: (occurred_at, delivery Id, index, source).

        The blank sorts below every character that an Id may hold; instant and index have one width,
        and the source, which may hold any character, comes last. The id of a snapshot may hold any
        character too, but its source holds no blank and no delivery's Id a slash, so that no two
        events have one version.
        """
        # Half the price of a format, and every event has one.
        at, index = str(self.occurred_at).zfill(16), str(self.index).zfill(6)
        return f"{at} {self.delivery_id} {index} {source_of(self.hook, self.source_name)}"

    @property
    def copy_rank(self) -> tuple[int, int]:
        """Which of several copies of one event counts: the lowest (attempt, received_at).

        The attempt is below 0 where something was removed from the event (``connector forget``).
        """
        return (abs(self.attempt), self.received_at)


def source_of(hook: str, source_name: str | None = None) -> str:
    """The source of a hook's events, which is the path that it is posted to, or of snapshots."""
    return f"/webhooks/{hook}" if source_name is None else f"{SOURCES}{source_name}"


def occurred_at(received_at: int, attempt: int, schedule_seconds: Sequence[float]) -> int:
    """Best estimate of when it happened: receipt minus the retry schedule (docs/contract.md, Events)."""
    step = min(attempt, len(schedule_seconds)) - 1
    return received_at - round(schedule_seconds[max(step, 0)] * 1_000_000)


def snapshot_id(family: str, key: str, at: int) -> str:
    """The id of a snapshot; ``at`` is when it was asked for, in microseconds since the epoch."""
    return f"{family}/{key}@{at}"
