"""The data between the transport and its users: chunks of raw records, and where to go on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from faust.types import TP
from typing_extensions import override

from connector import events
from connector.stream.expansion import first_offset, size_of

INT64 = 2**63


class LogReader(Protocol):
    """Reads the ends of Kafka's logs."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]: ...
    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]: ...
    async def position(self, tp: TP) -> int | None:
        """The offset of what would be fetched next."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in a partition: the mirror's ``next_offset``, and the one to ``seek`` on Kafka.

    ``topic_id`` is that of the topic that stands there; ``empty`` says that Kafka holds no record.
    """

    next_offset: int
    seek: int
    topic_id: str | None = None
    empty: bool = False


@dataclass(slots=True)
class FetchState:
    """How far fetching from a partition is: the mirror's next offset, and the one that Kafka gives next.

    ``fresh`` until something was fetched.
    """

    next_offset: int
    expected: int
    topic_id: str | None = None
    empty: bool = False
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Fetched:
    """The value of a chunk message: consecutive records of one partition, still raw.

    ``asked`` is the mirror's next offset when these records came. Where the first record
    lies above it, Kafka no longer has what lay between. Where there is no record at all, Kafka has
    nothing below ``start`` either.
    """

    topic: str
    partition: int
    asked: int
    records: tuple[Any, ...]
    topic_id: str | None = None
    start: int = 0
    size: int = 0  # bytes in memory, about

    @property
    def first(self) -> int:
        return first_offset(self.records[0], self.asked) if self.records else self.start

    @property
    def next_offset(self) -> int:
        return int(self.records[-1].offset) + 1 if self.records else self.start

    @property
    def clock_distance(self) -> int | None:
        """Milliseconds by the header of the last record; None where it has none that can be read."""
        headers = dict(self.records[-1].headers) if self.records else {}
        try:
            milliseconds = round(float(headers.get(events.CLOCK_DISTANCE, b"")) * 1000)
        except (ValueError, OverflowError):
            return None
        return milliseconds if -INT64 <= milliseconds < INT64 else None


class Locator(Protocol):
    """Says where to go on in partitions; ``restarted`` are those whose log started again.

    Both raise ``KafkaOutage``, and what the log raises, when Kafka is away.
    """

    async def locate(self, log: LogReader, partitions: set[TP], restarted: set[TP]) -> dict[TP, Position]:
        """Where to go on; without partitions that do not exist or have no leader."""

    async def moved(self, log: LogReader, states: Mapping[TP, FetchState]) -> set[TP]:
        """Partitions whose log is no longer the one that they were located in."""


class Host(Protocol):
    """What the consumer finds at its app.

    ``budget`` limits the records of one topic that wait, ``batch_bytes`` what one batch may expand to.
    """

    locator: Locator
    budget: int
    batch_bytes: int


def pieces(records: Sequence[Any], most_bytes: int) -> Iterator[tuple[Sequence[Any], int]]:
    """Records in runs, each with its bytes, that end with the record which reaches ``most_bytes``.

    One piece without records where there are none. No piece ends where offsets are missing: these would be
    taken for records that Kafka lost.
    """
    start = size = 0
    for place, record in enumerate(records, 1):
        size += size_of(record)
        if size >= most_bytes and place < len(records):
            behind = record.offset + 1
            if first_offset(records[place], behind) == behind:
                yield records[start:place], size
                start, size = place, 0
    yield records[start:], size


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

    @override
    def __setitem__(self, tp: TP, offset: Any) -> None:
        """Keep nothing."""

    @override
    def update(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing."""
