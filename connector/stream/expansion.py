"""Bounds what the records of a fetch expand to; stands between aiokafka's fetcher and its reader.

Without it one record of 200 MB of zeros, or two thousand of 1 MiB, is a few kilobytes on Kafka and
gigabytes here. aiokafka has no setting for that, so the names under which its fetcher finds the reader
of records, what reads them and its result are replaced: public names, and the only way, for a consumer
makes its fetcher itself. Versions are pinned, and tests check them.

A batch that a disk has damaged is repaired here too where that is possible (``batch_repair``).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from connector.errors import Poison
from connector.kafka import batch_repair, record_batch
from connector.kafka.record_batch import RecordBatch

# Bytes that one turn of fetching may expand; the batch that reaches it is still read.
FETCH_BYTES = 8_388_608
# A batch of our own gateway has 512 KiB or one record; other producers may send larger ones.
BATCH_BYTES = 16_777_216
MISSING = Poison(record_batch.UNREADABLE, "Kafka holds no records of these offsets")


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
        """Make the consumers of this process read through this."""
        expansion = self

        class Result(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka ships no types
            """What was fetched of a partition; it waits, not expanded, once the turn has used its share."""

            def getall(self, max_records: int | None = None) -> list[Any]:
                records: list[Any] = super().getall(max_records) if expansion.left > 0 else []
                return records

        def records_of(tp: Any, batches: FetchedBatches, aborted: Any, offset: int, *more: Any) -> Any:
            return PartitionRecords(tp, batches.start_at(offset), aborted, offset, *more)

        fetcher.FetchResult = Result
        fetcher.MemoryRecords = lambda fetched: FetchedBatches(fetched, expansion)
        fetcher.PartitionRecords = records_of


class FetchedBatches:
    """The batches of one partition in a fetch; has the methods of aiokafka's ``MemoryRecords``."""

    def __init__(self, fetched: bytes, expansion: Expansion) -> None:
        self._fetched = fetched
        self._expansion = expansion
        self._fetch = batch_repair.Fetch(fetched)
        self._found = self._fetch.batch_at(0)
        self._expected: int | None = None
        self._turn: int | None = None

    def size_in_bytes(self) -> int:
        return len(self._fetched)

    def start_at(self, offset: int) -> "FetchedBatches":
        """Take this for the offset that the fetch asked for."""
        self._expected = offset
        return self

    def has_next(self) -> bool:
        """Whether a batch follows that this turn may expand; others are fetched again."""
        expansion = self._expansion
        return self._found is not None and (self._turn != expansion.turn or expansion.left > 0)

    def next_batch(self) -> "FetchedBatch":
        expansion, found, is_first = self._expansion, self._found, self._turn is None
        if found is None:
            raise EOFError("no whole batch follows")
        batch, end = found
        expected = batch.first_offset if self._expected is None else self._expected
        self._found = following = self._fetch.batch_at(end)
        first, behind = self._fetch.offsets(found, following, expected, exact=not is_first)
        self._expected, self._turn = behind, expansion.turn
        if batch.names_first and first != batch.first_offset:
            batch = RecordBatch(first.to_bytes(8) + batch.raw[8:])
        # The mirror itself notices that Kafka lacks the offsets before the first batch.
        start = first if is_first else min(first, expected)
        try:
            raw = batch.expanded(expansion.most_bytes)
        except Poison as poison:
            expansion.left -= expansion.most_bytes
            return FetchedBatch(batch, start, behind, poison=poison)
        expansion.left -= len(raw)
        return FetchedBatch(batch, start, behind, records=MemoryRecords(raw).next_batch())


class FetchedBatch:
    """A batch as aiokafka's fetcher reads it; what cannot be read of it is one record with ``Unread``.

    ``start`` is the offset of its first record; behind its records it goes on at ``next_offset``.
    """

    def __init__(
        self,
        batch: RecordBatch,
        start: int,
        next_offset: int,
        *,
        records: Any = None,
        poison: Poison | None = None,
    ) -> None:
        self._timestamp = batch.timestamp
        self._is_old = not batch.names_first
        self._start = start
        self._records = records
        self._poison = poison
        self.is_control_batch = records is not None and records.is_control_batch
        self.next_offset = next_offset

    def validate_crc(self) -> bool:
        """True: it was verified before the batch was expanded."""
        return True

    def __iter__(self) -> Iterator[Any]:
        at, poison = self._start, self._poison
        try:
            for record in self._records or ():
                if not at <= record.offset < self.next_offset:
                    poison = Poison(record_batch.UNREADABLE, f"one of them claims the offset {record.offset}")
                    break
                if at < record.offset and not self._is_old:
                    yield self._unread(at, record.offset, MISSING)
                yield record
                at = record.offset + 1
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails in the reader, the partition goes on
            what = f"its records have no sound structure: {type(error).__name__}: {error}"
            poison = Poison(record_batch.UNREADABLE, what)
        if at < self.next_offset:
            yield self._unread(at, self.next_offset, poison or MISSING)

    def _unread(self, first: int, behind: int, poison: Poison) -> Marker:
        """The record that stands for those from ``first`` on, up to the one before ``behind``."""
        value = Unread()
        value.first, value.poison = first, poison
        return Marker(behind - 1, self._timestamp, value)


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
