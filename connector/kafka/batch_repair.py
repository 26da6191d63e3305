"""Finds the batches of a fetch and their offsets, also where a disk has damaged them.

No checksum covers a batch's offset, length and format. A wrong offset hides the records behind it from
every client without an error, a wrong length all that follows. The neighbouring batches show what is
right: offsets have no gap, for our topics are not compacted, and a checksum fits one length alone.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from connector.kafka.record_batch import CRC_END, HEADER, LENGTH_END, START, batch_end, damaged, header

FORMAT, FORMAT_AT = 2, CRC_END - 5
# More records, of seven bytes each, than a worker expands of a batch: the next batch starts before.
MOST_RECORDS = 1 << 22
# How often, at most, the bytes of a fetch go into a checksum while a batch is looked for; and how many
# batches behind a damaged one are tried as the next.
MOST_LOOKS = 8


class LocatedBatch(NamedTuple):
    """A batch, and where in the fetch the next one starts."""

    batch: bytes
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
        fetched, end = self._fetched, batch_end(self._fetched, start)
        if end is not None and self._is_sound(start):
            return LocatedBatch(fetched[start:end], end)
        ends = [*islice(self._sound_after(start), MOST_LOOKS)]
        # A wrong length may point at a batch that is not the next one.
        behind = end if end is not None and self._is_sound(end) else next(iter(ends), end or len(fetched))
        for one in (behind, *ends):
            if one - start < HEADER.size:
                continue
            fields = list(HEADER.unpack_from(fetched, start))
            fields[1], fields[3] = one - start - LENGTH_END, FORMAT
            whole = HEADER.pack(*fields) + fetched[start + HEADER.size : one]
            if not damaged(whole):
                return LocatedBatch(whole, one)
        if behind - start < HEADER.size or (end is None and start):
            return None  # cut off where the fetch ends; it comes again, as the first
        return LocatedBatch(fetched[start:behind], behind)

    def _sound_after(self, start: int) -> Iterator[int]:
        """Where sound batches of today's format start, among as many as are looked at in linear time."""
        left = MOST_LOOKS * len(self._fetched)
        at = self._fetched.find(FORMAT, start + 1 + FORMAT_AT)
        while at >= 0 and left > 0:
            first = at - FORMAT_AT
            if end := batch_end(self._fetched, first):
                left -= end - first
                if self._is_sound(first):
                    yield first
            at = self._fetched.find(FORMAT, at + 1)

    def _is_sound(self, start: int) -> bool:
        fetched, end = self._fetched, batch_end(self._fetched, start)
        return end is not None and fetched[start + FORMAT_AT] <= FORMAT and not damaged(fetched[start:end])


def offsets(batch: bytes, expected: int, ends: Sequence[int], *, exact: bool) -> tuple[int, int]:
    """The offset of a batch's first record, and the one behind its last.

    ``expected`` is the next one to read; the first batch of a fetch may start before it, any other
    starts there (``exact``). ``ends`` are the offsets behind the batch's last record, as the batches
    that follow have it, the nearest first: one wrong offset is outvoted by two others.
    """
    own, last, _ = header(batch)
    if not has_first_offset(batch):
        return own, last + 1
    count = last - own + 1
    if damaged(batch):
        # The records that a damaged batch names are as many as stand there twice.
        is_near = bool(ends) and expected < ends[0] < expected + MOST_RECORDS
        return expected, ends[0] if is_near else expected + count
    firsts = [own, *(end - count for end in ends)]
    fitting = [
        first for first in firsts if (first == expected if exact else first <= expected < first + count)
    ]
    if fitting:
        # Of equal votes the highest: what is read twice is dropped, what is passed over is lost.
        first = max(fitting, key=lambda first: (fitting.count(first), first))
    elif ends and (firsts[1] == own or 0 <= firsts[1] < expected):
        first = firsts[1]
    else:
        first = expected
    return first, first + count


def offset_at(fetched: bytes, start: int) -> list[int]:
    """The offset that a batch has which starts there; none where the fetch ends."""
    return [] if len(fetched) < start + START.size else [START.unpack_from(fetched, start)[0]]


def has_first_offset(batch: bytes) -> bool:
    """Whether a batch names its first offset; formats before today's name the last one."""
    return batch[FORMAT_AT] >= FORMAT and len(batch) >= HEADER.size
