"""Bounds what the records of a fetch expand to; stands between aiokafka's fetcher and its reader.

Without it one record of 200 MB of zeros, or two thousand of 1 MiB, is a few kilobytes on Kafka and
gigabytes here. aiokafka has no setting for that, so the names under which its fetcher finds the reader
of records and its result are ours. Versions are pinned, and tests look.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

from connector.errors import Poison
from connector.kafka import record_batch

# Bytes that one turn of fetching may expand; the batch that reaches it is still read.
FETCH_BYTES = 8_388_608
# A batch of our own gateway has 512 KiB or one record; other producers may send larger ones.
BATCH_BYTES = 16_777_216


class Unread(bytes):
    """The value that stands for records which were not read, from ``first`` to the record's own offset."""

    first: int
    poison: Poison


class Marker(NamedTuple):
    """A record as aiokafka's reader gives it, for records that were not read."""

    offset: int
    timestamp: int
    value: Unread
    timestamp_type: int = 0
    key: None = None
    checksum: None = None
    headers: tuple[()] = ()


class Expansion:
    """What one consumer may expand: ``most_bytes`` of a batch, ``FETCH_BYTES`` in a turn of fetching."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.turn = 0
        self.left = FETCH_BYTES

    def next_turn(self) -> None:
        """Let a turn of fetching expand its share."""
        self.turn += 1
        self.left = FETCH_BYTES

    def install(self) -> None:
        """Have the consumers of this process read through this."""
        expansion = self

        class Result(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka ships no types
            """What was fetched of a partition; it waits, not expanded, while the turn has had its share."""

            def getall(self, max_records: int | None = None) -> list[Any]:
                records: list[Any] = super().getall(max_records) if expansion.left > 0 else []
                return records

        fetcher.FetchResult = Result
        fetcher.MemoryRecords = lambda fetched: Batches(fetched, expansion)


class Batches:
    """The batches of one partition in a fetch; has the methods of aiokafka's ``MemoryRecords``."""

    def __init__(self, fetched: bytes, expansion: Expansion) -> None:
        self._fetched = fetched
        self._expansion = expansion
        self._start = 0
        self._end = record_batch.batch_end(fetched, 0)
        self._turn: int | None = None

    def size_in_bytes(self) -> int:
        return len(self._fetched)

    def has_next(self) -> bool:
        """Whether a batch follows that this turn may expand; others are fetched again."""
        expansion = self._expansion
        return self._end is not None and (self._turn != expansion.turn or expansion.left > 0)

    def next_batch(self) -> "Batch":
        batch = self._fetched[self._start : self._end]
        self._start, self._turn = self._end or 0, self._expansion.turn
        self._end = record_batch.batch_end(self._fetched, self._start)
        try:
            raw = record_batch.expanded(batch, self._expansion.most_bytes)
        except Poison as poison:
            self._expansion.left -= self._expansion.most_bytes
            return Batch(batch, None, poison)
        self._expansion.left -= len(raw)
        return Batch(batch, MemoryRecords(raw).next_batch())


class Batch:
    """A batch as aiokafka's fetcher reads it; what cannot be read of it is one record with ``Unread``."""

    def __init__(self, batch: bytes, records: Any, poison: Poison | None = None) -> None:
        self._batch = batch
        self._records = records
        self._poison = poison
        self.is_control_batch = records is not None and records.is_control_batch
        self.next_offset = records.next_offset if records else record_batch.head(batch).last_offset + 1

    def validate_crc(self) -> bool:
        """True: it was verified before the batch was expanded."""
        return True

    def __iter__(self) -> Iterator[Any]:
        if self._poison:
            yield self._unread(0, self._poison)
            return
        record = None
        try:
            for record in self._records:
                yield record
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the reader trips over, the partition goes on
            what = f"its records have no sound structure: {type(error).__name__}: {error}"
            yield self._unread(record.offset + 1 if record else 0, Poison(record_batch.UNREADABLE, what))

    def _unread(self, first: int, poison: Poison) -> Marker:
        """The record that stands for those from ``first``, or from the first of the batch."""
        head = record_batch.head(self._batch)
        value = Unread()
        value.first, value.poison = max(first, head.first_offset), poison
        return Marker(self.next_offset - 1, head.timestamp, value)


def first_offset(record: Any, expected: int) -> int:
    """The first offset that a record stands for, where ``expected`` is the next that was asked for."""
    if isinstance(record.value, Unread) and record.offset >= expected:
        return max(record.value.first, expected)
    return int(record.offset)


def size_of(record: Any) -> int:
    """Bytes that a record takes in memory, about."""
    size = 256 + len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += 128 + len(name) + len(value or b"")
    return size
