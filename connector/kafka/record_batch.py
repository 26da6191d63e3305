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
from typing import Any, NamedTuple

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


class BatchHeader(NamedTuple):
    """What stands uncompressed at the start of a batch; ``timestamp`` is milliseconds since the epoch."""

    first_offset: int
    last_offset: int
    timestamp: int


def batch_end(fetched: bytes, start: int) -> int | None:
    """Where the batch that starts there ends, or None when the rest of it is not in the fetch."""
    if len(fetched) - start < START.size:
        return None
    end = start + LENGTH_END + int(START.unpack_from(fetched, start)[1])
    return end if start + START.size < end <= len(fetched) else None


def header(batch: bytes) -> BatchHeader:
    """Offsets and newest timestamp of a batch; a format before version 2 names only its last offset.

    Of a damaged batch the number of records is believed as far as it stands there twice, so that no
    record behind the batch is passed over.
    """
    offset, magic = START.unpack_from(batch)[::3]
    if magic < LEGACY_BELOW or len(batch) < HEADER.size:
        return BatchHeader(0, offset, -1)
    fields = HEADER.unpack_from(batch)
    more = min(fields[6], fields[12] - 1) if damaged(batch) else fields[6]
    return BatchHeader(offset, offset + max(0, more), fields[8])


def expanded(batch: bytes, most_bytes: int) -> bytes:
    """The batch without compression, as large as ``most_bytes`` at most.

    Raises ``Poison`` when it would be larger, or cannot be expanded. Its checksum is verified, and is no
    longer right when the batch was compressed. A compressed batch of a format before version 2 is only
    measured, and given back as it is.
    """
    if damaged(batch):
        raise Poison(UNREADABLE, "its checksum is wrong, so it was damaged on a disk or on the way")
    magic = batch[LEGACY_CRC_END]
    attributes = batch[LEGACY_CRC_END + 1] if magic < LEGACY_BELOW else HEADER.unpack_from(batch)[5]
    codec = attributes & CODEC_BITS
    start = HEADER.size
    if magic < LEGACY_BELOW:
        # The value of the message, which has the others in it when it is compressed, follows its key.
        key = LEGACY_CRC_END + 2 + 8 * magic
        start = key + 8 + max(0, int.from_bytes(batch[key : key + 4], signed=True))
    try:
        records = _expand(codec, batch[start:], most_bytes) if codec else b""
    except (Poison, MemoryError):
        raise
    except Exception as error:
        what = f"it cannot be expanded (compression {codec}): {type(error).__name__}: {error}"
        raise Poison(UNREADABLE, what) from error
    if records is None or (not codec and len(batch) - start > most_bytes):
        what = f"its {len(batch)} bytes expand to more than the {most_bytes} that a worker reads at once"
        raise Poison(TOO_LARGE, what)
    if not codec or magic < LEGACY_BELOW:
        return batch
    fields = list(HEADER.unpack_from(batch))
    fields[1] = HEADER.size - LENGTH_END + len(records)
    fields[5] &= ~CODEC_BITS
    return HEADER.pack(*fields) + records


def damaged(batch: bytes) -> bool:
    """Whether the checksum is wrong of what it covers: all but offset, length and format."""
    view = memoryview(batch)
    if batch[LEGACY_CRC_END] < LEGACY_BELOW:
        return zlib.crc32(view[LEGACY_CRC_END:]) != int.from_bytes(batch[LENGTH_END:LEGACY_CRC_END])
    if len(batch) < HEADER.size:
        return True
    return bool(crc32c.crc32c(view[CRC_END:]) != HEADER.unpack_from(batch)[4])


def _expand(codec: int, data: bytes, most_bytes: int) -> bytes | None:
    """What compressed records expand to; None when that is more than ``most_bytes``."""
    if codec == SNAPPY:
        # The sizes stand before the data, and the decoder goes by them.
        sizes = map(cramjam.snappy.decompress_raw_len, _snappy_blocks(data))
        return None if sum(sizes) > most_bytes else bytes(snappy_decode(data))
    if codec != LZ4 and codec not in READERS:
        raise ValueError("no such compression is known")
    expanding = _lz4_pieces(data) if codec == LZ4 else iter(partial(READERS[codec](data).read, PIECE), b"")
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


def _lz4_pieces(data: bytes) -> Iterator[bytes]:
    while data:
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
