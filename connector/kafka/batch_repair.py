"""Finds the batches of a fetch and their offsets, also where a disk has damaged them.

No checksum covers a batch's offset, length and format. A wrong offset hides the records behind it from
every client without an error, a wrong length all that follows. The neighbouring batches show what is
right: offsets have no gap, for our topics are not compacted, and a checksum fits one length alone.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from connector.kafka.record_batch import CRC_END, HEADER, LENGTH_END, START, RecordBatch, batch_end

FORMAT, FORMAT_AT = 2, CRC_END - 5
# More records, of seven bytes each, than a worker expands of a batch: the next batch starts before.
MOST_RECORDS = 1 << 22
# How often, at most, the bytes of a fetch go into a checksum while a batch is looked for; and how many
# batches behind a damaged one are tried as the next.
MOST_LOOKS = 8


class LocatedBatch(NamedTuple):
    """A batch, and where in the fetch the next one starts."""

    batch: RecordBatch
    end: int


class Fetch:
    """What a broker gave of one partition: batches, of which the last may be cut off."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched

    def batch_at(self, start: int) -> LocatedBatch | None:
        """The batch that starts there; None when the rest of it is not in the fetch.

        One that is not sound ends where a sound one follows, and is given with length and format set right
        if that makes it sound.
        """
        if sound := self._sound_at(start):
            return sound
        fetched, end = self._fetched, batch_end(self._fetched, start)
        ends = [*islice(self._sound_after(start), MOST_LOOKS)]
        # A wrong length may point at a batch that is not the next one.
        behind = end if end is not None and self._sound_at(end) else next(iter(ends), end or len(fetched))
        for one in (behind, *ends):
            if one - start < HEADER.size:
                continue
            fields = list(HEADER.unpack_from(fetched, start))
            fields[1], fields[3] = one - start - LENGTH_END, FORMAT
            whole = RecordBatch(HEADER.pack(*fields) + fetched[start + HEADER.size : one])
            if not whole.is_damaged:
                return LocatedBatch(whole, one)
        if behind - start < HEADER.size or (end is None and start):
            return None  # cut off where the fetch ends; it comes again, as the first
        return LocatedBatch(RecordBatch(fetched[start:behind]), behind)

    def offsets(
        self, found: LocatedBatch, following: LocatedBatch | None, expected: int, *, exact: bool
    ) -> tuple[int, int]:
        """The offset of a batch's first record, and the one behind its last.

        ``expected`` is the next one to read; the first batch of a fetch may start before it, any other
        starts there (``exact``). ``following`` is the batch behind. What follows says where this one ends:
        the next batch, and the one behind that less the records between. One wrong offset is outvoted by
        two others.
        """
        batch, fetched = found.batch, self._fetched
        own, behind = batch.first_offset, batch.last_offset + 1
        if not batch.names_first:
            return own, behind
        ends = _offset_at(fetched, found.end)
        fits = own == expected if exact else 0 <= own <= expected < behind
        if fits and not batch.is_damaged and ends in ([], [behind]):
            return own, behind  # nearly always
        if ends and following and following.batch.names_first:
            count = following.batch.last_offset - following.batch.first_offset + 1
            ends += [at - count for at in _offset_at(fetched, following.end)]
        count = behind - own
        if batch.is_damaged:
            # The records that a damaged batch names are as many as stand there twice.
            is_near = bool(ends) and expected < ends[0] < expected + MOST_RECORDS
            return expected, ends[0] if is_near else expected + count
        firsts = [own, *(end - count for end in ends)]
        fitting = [
            first
            for first in firsts
            if (first == expected if exact else 0 <= first <= expected < first + count)
        ]
        if fitting:
            # Of equal votes the highest: what is read twice is dropped, what is passed over is lost.
            first = max(fitting, key=lambda first: (fitting.count(first), first))
        elif ends and firsts[1] >= 0 and (firsts[1] == own or firsts[1] < expected):
            first = firsts[1]
        else:
            first = expected
        return first, first + count

    def _sound_after(self, start: int) -> Iterator[int]:
        """Where sound batches of today's format start, among as many as are looked at in linear time."""
        left = MOST_LOOKS * len(self._fetched)
        at = self._fetched.find(FORMAT, start + 1 + FORMAT_AT)
        while at >= 0 and left > 0:
            first = at - FORMAT_AT
            if end := batch_end(self._fetched, first):
                left -= end - first
                if self._sound_at(first):
                    yield first
            at = self._fetched.find(FORMAT, at + 1)

    def _sound_at(self, start: int) -> LocatedBatch | None:
        end = batch_end(self._fetched, start)
        batch = None if end is None else RecordBatch(self._fetched[start:end])
        return LocatedBatch(batch, end) if batch and end and batch.is_sound else None


def _offset_at(fetched: bytes, start: int) -> list[int]:
    """The offset that a batch has which starts there; none where the fetch ends."""
    return [] if len(fetched) < start + START.size else [START.unpack_from(fetched, start)[0]]
