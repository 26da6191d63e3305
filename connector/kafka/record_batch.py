"""Batches of records as they stand in a fetch, and what a compressed one expands to within a limit.

A producer may pack gigabytes into a few kilobytes. No client bounds that: both of ours expand a whole
batch at once. So a batch is expanded here, piece by piece, before a client reads it.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cramjam
import crc32c
import lz4.frame
import zstandard
from aiokafka.codec import snappy_decode

from connector.errors import Poison

TOO_LARGE, UNREADABLE = "batch-too-large", "batch-unreadable"

# The formats: kafka.apache.org/documentation/#recordbatch and, before version 2, #messageset.
START = struct.Struct(">qiiB")
HEADER = struct.Struct(">qiiBIhiqqqhii")
LENGTH_END = 12
CRC_END = 21
LEGACY_CRC_END = 16
LEGACY_BELOW = 2
CODEC_BITS = 0x07
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
XERIAL_START, XERIAL_HEAD = b"\x82SNAPPY\x00", 16
PIECE = 1_048_576
# Bytes that one of LZ4 expands to at most: it gives a length in steps of 255.
LZ4_RATIO = 255


def batch_end(fetched: bytes, start: int) -> int | None:
    """Where the batch that starts there ends, or None when the rest of it is not in the fetch."""
    if len(fetched) - start < START.size:
        return None
    end = start + LENGTH_END + int(START.unpack_from(fetched, start)[1])
    return end if start + START.size < end <= len(fetched) else None


class RecordBatch:
    """A batch of a fetch; its header and its checksum are read once, for batches may be many and small.

    ``raw`` has more bytes than ``START``. ``is_damaged``: the checksum is wrong of what it covers, which is
    all but offset, length and format. ``timestamp`` is the newest record's, in milliseconds since the epoch.
    A format before version 2 names only its last offset (``names_first``).

    Of a damaged batch the number of records is believed as far as it stands there twice, so that no record
    behind the batch is passed over.
    """

    __slots__ = (
        "_fields",
        "_magic",
        "first_offset",
        "is_damaged",
        "last_offset",
        "names_first",
        "raw",
        "timestamp",
    )

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        offset, self._magic = START.unpack_from(raw)[::3]
        self.names_first = self._magic >= LEGACY_BELOW and len(raw) >= HEADER.size
        self.first_offset, self.last_offset, self.timestamp = 0, offset, -1
        if self.names_first:
            self._fields = fields = HEADER.unpack_from(raw)
            self.is_damaged = crc32c.crc32c(memoryview(raw)[CRC_END:]) != fields[4]
            more = min(fields[6], fields[12] - 1) if self.is_damaged else fields[6]
            self.first_offset, self.last_offset, self.timestamp = offset, offset + max(0, more), fields[8]
        elif self._magic < LEGACY_BELOW:
            checksum = int.from_bytes(raw[LENGTH_END:LEGACY_CRC_END])
            self.is_damaged = zlib.crc32(memoryview(raw)[LEGACY_CRC_END:]) != checksum
        else:
            self.is_damaged = True

    @property
    def is_sound(self) -> bool:
        """Whether it is of a format that is known, and not damaged."""
        return self._magic <= LEGACY_BELOW and not self.is_damaged

    def expanded(self, most_bytes: int) -> bytes:
        """The batch without compression, as large as ``most_bytes`` at most.

        Raises ``Poison`` when it would be larger, cannot be expanded, or is damaged. The checksum is no
        longer right when the batch was compressed. A compressed batch of a format before version 2 is only
        measured, and given back as it is.
        """
        if self.is_damaged:
            raise Poison(UNREADABLE, "its checksum is wrong, so it was damaged on a disk or on the way")
        raw, start = self.raw, HEADER.size
        attributes = self._fields[5] if self.names_first else raw[LEGACY_CRC_END + 1]
        codec = attributes & CODEC_BITS
        if not self.names_first:
            # The value of the message, which has the others in it when it is compressed, follows its key.
            key = LEGACY_CRC_END + 2 + 8 * self._magic
            start = key + 8 + max(0, int.from_bytes(raw[key : key + 4], signed=True))
        try:
            records = _expand(codec, raw[start:], most_bytes) if codec else b""
        except (Poison, MemoryError):
            raise
        except Exception as error:
            what = f"it cannot be expanded (compression {codec}): {type(error).__name__}: {error}"
            raise Poison(UNREADABLE, what) from error
        if records is None or (not codec and len(raw) - start > most_bytes):
            what = f"its {len(raw)} bytes expand to more than the {most_bytes} that a worker reads at once"
            raise Poison(TOO_LARGE, what)
        if not codec or not self.names_first:
            return raw
        offset, _, epoch, magic, checksum, _, *others = self._fields
        length = HEADER.size - LENGTH_END + len(records)
        return (
            HEADER.pack(offset, length, epoch, magic, checksum, attributes & ~CODEC_BITS, *others) + records
        )


def _expand(codec: int, data: bytes, most_bytes: int) -> bytes | None:
    """What compressed records expand to; None when that is more than ``most_bytes``."""
    if codec == SNAPPY:
        # The sizes stand before the data, and the decoder goes by them.
        sizes = map(cramjam.snappy.decompress_raw_len, _snappy_blocks(data))
        return None if sum(sizes) > most_bytes else bytes(snappy_decode(data))
    if codec != LZ4 and codec not in READERS:
        raise ValueError("no such compression is known")
    if codec == LZ4:
        expanding = _lz4_pieces(data, most_bytes)
    else:
        expanding = iter(partial(READERS[codec](data).read, PIECE), b"")
    pieces, size = [], 0
    for piece in expanding:
        size += len(piece)
        if size > most_bytes:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    """The blocks of Xerial's framing, which Java's and Python's clients write, or the bare block."""
    if not data.startswith(XERIAL_START):
        yield data
        return
    at = XERIAL_HEAD
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4])
        yield data[at + 4 : end]
        at = end


def _lz4_pieces(data: bytes, most_bytes: int) -> Iterator[bytes]:
    while data:
        if len(data) * LZ4_RATIO <= most_bytes:  # cannot be too much; most batches are small
            whole, read = lz4.frame.decompress(data, return_bytes_read=True)
            yield whole
            data = data[read:]
            continue
        frame = lz4.frame.LZ4FrameDecompressor()
        yield frame.decompress(data, PIECE)
        while not frame.eof:
            piece = frame.decompress(b"", PIECE)
            if not piece and not frame.eof:
                raise EOFError("the data ends within a frame")
            yield piece
        data = frame.unused_data or b""


READERS: dict[int, Callable[[bytes], Any]] = {
    GZIP: lambda data: gzip.GzipFile(fileobj=io.BytesIO(data)),
    ZSTD: lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True),
}
