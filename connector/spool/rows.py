"""The spool's rows: records of one topic, encoded in bounded pieces with a checksum."""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from connector.kafka.record import Record

# A delivery of more becomes several rows, so that no row is too large to be carried.
PART_BYTES = 1_048_576


class SpooledPart(NamedTuple):
    """Records of one topic, encoded."""

    topic: str
    body: bytes


class Spooled(NamedTuple):
    """A row: records that wait, or ``raw`` and the ``error`` with which it could not be read."""

    id: int
    topic: str
    checksum: int
    size: int
    records: list[Record]
    error: str | None = None
    raw: bytes = b""


class Refusal(NamedTuple):
    """A record that Kafka can never take, and why."""

    record: Record
    error: str


class Oldest(NamedTuple):
    """The row that has waited longest: its topic, and when it was stored in seconds since the epoch."""

    id: int
    topic: str
    stored_at: float


def parts_of(records: Sequence[Record]) -> list[SpooledPart]:
    """Encode a delivery's records, per topic and in pieces of about ``PART_BYTES``."""
    found: list[SpooledPart] = []
    by_topic: dict[str, list[Record]] = {}
    for record in records:
        by_topic.setdefault(record.topic, []).append(record)
    for topic, own in by_topic.items():
        found += [SpooledPart(topic, encode(portion)) for portion in portions(own)]
    return found


def portions(records: Sequence[Record], size: int = PART_BYTES) -> Iterator[Sequence[Record]]:
    """Slices of about ``size`` bytes, of one record at least."""
    start, taken = 0, 0
    for index, record in enumerate(records):
        if taken and taken + record.size > size:
            yield records[start:index]
            start, taken = index, 0
        taken += record.size
    if start < len(records):
        yield records[start:]


def encode(records: Sequence[Record]) -> bytes:
    """Records as a row holds them."""
    return msgspec.msgpack.encode([tuple(record) for record in records])


_records = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes, list[tuple[str, bytes]], str, bool]])


def decode(checksum: int, body: bytes) -> list[Record]:
    """Read a row; ``ValueError`` when it is not what was written."""
    if zlib.crc32(body) != checksum:
        raise ValueError("the checksum does not hold")
    return [Record(*fields) for fields in _records.decode(body)]
