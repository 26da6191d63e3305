"""What passes between the transport and the rest: chunks of raw records, and where to go on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from faust.types import TP


class Log(Protocol):
    """What can be asked of Kafka about its logs."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]: ...
    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]: ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in a partition: what the mirror wants, and what Kafka can be asked for."""

    wanted: int
    seek: int


@dataclass(slots=True)
class Place:
    """Where fetching from a partition stands: what the mirror wants next, and what Kafka gives next."""

    wanted: int
    expected: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The value of a chunk message: consecutive records of one partition, still raw.

    ``asked`` is the offset that the mirror wanted when these records came. Where the first record
    lies above it, Kafka no longer has what lay between.
    """

    topic: str
    partition: int
    asked: int
    records: tuple[Any, ...]

    @property
    def first(self) -> int:
        return int(self.records[0].offset)

    @property
    def next_offset(self) -> int:
        return int(self.records[-1].offset) + 1


class Locator(Protocol):
    """Says where to go on in partitions; ``restarted`` are those whose log began anew."""

    async def locate(self, log: Log, partitions: set[TP], restarted: set[TP]) -> dict[TP, Position]: ...


class Host(Protocol):
    """What the consumer finds at its app; ``budget`` limits the records of one topic that wait."""

    locator: Locator
    budget: int


def allowance(waiting: Counter[str], budget: int) -> int:
    """How many records of one topic may wait, when so many wait of each.

    Twice the budget while no more than that waits in all: a worker with one backlog to carry shall
    always find a whole batch, and one with seven shall not hold seven times as many.
    """
    return 2 * budget if waiting.total() < 2 * budget else budget


class ReadOffsets(dict[TP, None]):
    """Stands in for Faust's read offsets, by which it drops what it takes for old: here none is."""

    def __missing__(self, _tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: Any) -> None:
        """Keep nothing."""

    def update(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing."""
