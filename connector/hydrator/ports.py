"""What the hydrator works with, each an argument: an HTTP transport, a store of due keys, a publisher.

Durations are seconds, instants microseconds since 1970-01-01 UTC. A duration that a store gets runs on the
store's own clock, so hydrators whose clocks differ can share one store.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from connector.errors import Outage
from connector.events import DeadLetter, Event

Trouble = Literal["away", "missing", "refused"]
"""Why a key was not fetched: the API was away, it knows no such record, it refused the key."""


class Due(NamedTuple):
    """A key that this hydrator, and nobody else, fetches until its lease ends.

    ``wanted_at`` is the newest want that the fetch answers. ``after`` is the instant beyond which the
    snapshot's time must lie: the greatest of ``wanted_at``, the key's newest snapshot (mirrored or marked)
    and what earlier leases of the key were given, plus 1 µs for each lease, so that no two fetches share a
    time even where the clocks of two hydrators lag. ``look`` says that it is a second look and nothing else.
    ``trouble`` is empty, or the ``Trouble`` of the last try, which was so ``tries`` times; other kinds that
    came since the last success stand behind it with their number, as in ``away after missing 3``.
    ``waited_seconds`` is how long ago its hook was mirrored and its newest snapshot was asked for: what of
    settling is over.
    """

    family: str
    key: str
    wanted_at: int
    after: int
    background: bool = False
    look: bool = False
    trouble: str = ""
    tries: int = 0
    waited_seconds: float = 0.0

    def so_often(self) -> dict[str, int]:
        """How often each kind of trouble came since the last success."""
        kind, _, before = self.trouble.partition(" after ")
        counts = {name: int(count) for name, count in re.findall("([a-z]+) ([0-9]+)", before)}
        return counts | ({kind: self.tries} if kind else {})

    def once_more(self, kind: Trouble) -> tuple[str, int]:
        """``trouble`` and ``tries`` after one more of a kind: what came in between ends no count."""
        counts = self.so_often()
        tries = counts.pop(kind, 0) + 1
        before = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        return f"{kind} after {before}" if before else kind, tries


class Slots(NamedTuple):
    """How many keys of a family are taken at most: those that hooks ask for, and those of background work."""

    live: int
    background: int


class Leased(NamedTuple):
    """Leased keys, and how many hydrators live and have a lease of any: they share the API's limit evenly."""

    dues: Sequence[Due]
    hydrators: int = 1


class Store(Protocol):
    """Which keys are due. Every method may raise ``Outage``; the hydrator then asks again.

    What a lease was given for has no effect, not even on what is due, once the lease has ended and the key
    was leased again, by whichever hydrator.

    A key is due while nobody has a lease of it, its back-off is over, and

    - it was never leased: ``wanted_at`` is later than ``fetched_at``;
    - it was: ``wanted_at`` is later than the newest ``wanted_at`` that was marked or given up, whatever
      ``fetched_at`` is (a hook may come while the fetch waits or is under way, or from a clock that is
      behind), or a snapshot was mirrored that is newer than the newest that was marked (its fetcher died, or
      was late, with a clock that is ahead);
    - or its second look or a background want has come.
    """

    async def lease(self, slots: Mapping[str, Slots], seconds: float) -> Leased:
        """Take due keys by family for so long: live before background, the oldest want first.

        A hydrator asks every few seconds, also where it takes none; one that does not lives no more.
        """

    async def mark(self, due: Due, at: int, again_after_seconds: float | None) -> None:
        """Note that the snapshot of the instant ``at`` is on Kafka, and end the lease and all trouble.

        It answers what the lease answers, though the mirror may not have it yet. ``again_after_seconds``
        asks for a second look, as a live key.
        """

    async def back_off(self, due: Due, seconds: float, trouble: str, tries: int) -> None:
        """End the lease; the key is not due for so long, and its next lease brings trouble and tries."""

    async def give_up(self, due: Due) -> None:
        """End the lease and all trouble: only a want that is newer than the lease's makes the key due."""

    async def release(self, dues: Iterable[Due]) -> None:
        """End leases; the keys are due as before."""


class SnapshotPublisher(Protocol):
    """Where snapshots and dead letters go; returns when Kafka has them, on all replicas in sync."""

    async def publish(self, event: Event) -> None:
        """Raises ``KafkaOutage``, or ``RecordRefused`` when Kafka never takes the record."""

    async def park(self, letter: DeadLetter) -> None:
        """Put a dead letter on its topic; raises ``KafkaOutage`` or ``RecordRefused``."""


class Answer(NamedTuple):
    """An answer of the API: names of ``headers`` are in lower case, ``body`` is as received."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Makes one GET below the base URL, with the login; follows no redirect, keeps no cookie."""

    async def get(self, path: str) -> Answer:
        """Answer to the GET of a percent-encoded path, query included.

        Raises ``ApiOutage``, or ``OversizedAnswer``, with a text that holds no part of the login.
        """


class ApiOutage(Outage):
    """The API does not answer: no connection, no valid certificate, not in time."""


class OversizedAnswer(Exception):
    """The answer is larger than ``max_body_bytes``; it was not read to its end."""
