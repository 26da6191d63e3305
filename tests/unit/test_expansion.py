"""A batch is expanded within a limit, and whatever cannot be read of it is one record that says so."""

import time
from bisect import bisect_right
from itertools import accumulate, pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Poison
from connector.kafka import batch_repair, record_batch
from connector.stream.expansion import FETCH_BYTES, Expansion, FetchedBatches, Unread, first_offset, size_of

LIMIT = 1_000_000
NONE, GZIP, SNAPPY, LZ4, ZSTD = CODECS = range(5)
RECORDS = st.lists(
    st.tuples(
        st.none() | st.binary(max_size=50),
        st.none() | st.binary(max_size=2000),
        st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3),
    ),
    min_size=1,
    max_size=20,
)

Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def batch(records: list[Record], codec: int, first: int = 0) -> bytes:
    """A batch as a broker gives it, at an offset."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, 1000, key, value, headers)
    return first.to_bytes(8) + bytes(builder.build())[8:]


def legacy(records: list[Record], codec: int, magic: int) -> bytes:
    """A message set of a format that Kafka wrote before version 0.11."""
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 30)
    for offset, (key, value, _) in enumerate(records):
        builder.append(offset, 1000, key, value)
    built = bytearray(builder.build())
    if codec:
        built[:8] = (len(records) - 1).to_bytes(8)  # the broker names the last offset
    return bytes(built)


def read(fetched: bytes, limit: int = LIMIT) -> list[Any]:
    """Records as aiokafka's fetcher reads them, a turn for each batch."""
    expansion = Expansion(limit)
    batches = FetchedBatches(fetched, expansion)
    found: list[Any] = []
    while True:
        expansion.next_turn()
        if not batches.has_next():
            return found
        one = batches.next_batch()
        assert one.validate_crc()
        found += one


def fetch(fetched: bytes, asked: int) -> tuple[list[Any], int]:
    """Records of one fetch as a consumer gets them that asked for an offset, and what it asks for next."""
    batches = FetchedBatches(fetched, Expansion(LIMIT)).start_at(asked)
    if not batches.has_next():
        return [], asked
    reader = PartitionRecords(
        TopicPartition("t", 0), batches, None, asked, None, None, True, READ_UNCOMMITTED
    )
    return list(reader), reader.next_fetch_offset


def consume(batches: list[bytes], starts: list[int], asked: int) -> list[Any]:
    """Records from an offset on, by as many fetches as it takes; each begins with a whole batch.

    ``starts`` are the offsets at which the batches truly start, and the log's end.
    """
    found: list[Any] = []
    while asked < starts[-1]:
        records, behind = fetch(b"".join(batches[bisect_right(starts, asked) - 1 :]), asked)
        assert behind > asked, "the next fetch would be the same"
        found, asked = found + records, behind
    return found


def plain(record: Any) -> tuple[Any, ...]:
    return (record.offset, record.key, record.value, tuple(record.headers), record.timestamp)


def unbounded(fetched: bytes) -> list[Any]:
    records, found = MemoryRecords(fetched), []
    while records.has_next():
        found += list(records.next_batch())
    return found


@given(RECORDS, RECORDS, st.sampled_from(CODECS), st.sampled_from(CODECS))
def test_what_is_within_the_limit_is_read_as_aiokafka_reads_it(
    one: list[Record], two: list[Record], codec: int, other: int
) -> None:
    fetched = batch(one, codec, 7) + batch(two, other, 7 + len(one)) + b"cut off"
    assert [*map(plain, read(fetched))] == [*map(plain, unbounded(fetched))]


@given(
    RECORDS, st.sampled_from([(0, NONE), (0, GZIP), (0, SNAPPY), (1, NONE), (1, GZIP), (1, SNAPPY), (1, LZ4)])
)
def test_formats_before_version_2_are_read_as_aiokafka_reads_them(
    records: list[Record], form: tuple[int, int]
) -> None:
    fetched = legacy(records, codec=form[1], magic=form[0])
    assert [*map(plain, read(fetched))] == [*map(plain, unbounded(fetched))]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_beyond_the_limit_is_one_record_at_its_last_offset(codec: int) -> None:
    large: list[Record] = [(b"k", bytes(LIMIT // 2), [])] * 3
    small: list[Record] = [(b"k", b"small", [])]
    found = read(batch(small, codec, 5) + batch(large, codec, 6) + batch(small, codec, 9))
    assert [record.offset for record in found] == [5, 8, 9]
    value = found[1].value
    assert isinstance(value, Unread)
    assert (value.first, value.poison.reason) == (6, "batch-too-large")
    assert first_offset(found[1], 7) == 7, "what was read before is not read again"


@pytest.mark.parametrize("form", [(0, GZIP), (0, SNAPPY), (1, GZIP), (1, SNAPPY), (1, LZ4)])
def test_a_large_batch_of_a_format_before_version_2_is_not_expanded(form: tuple[int, int]) -> None:
    (found,) = read(legacy([(None, bytes(LIMIT + 1), [])], codec=form[1], magic=form[0]))
    assert found.value.poison.reason == "batch-too-large"


@settings(max_examples=300)
@given(RECORDS, st.sampled_from(CODECS), st.data())
def test_a_damaged_batch_is_one_record_and_its_neighbours_are_read(
    records: list[Record], codec: int, data: st.DataObject
) -> None:
    good = batch(records, codec, 100)
    # What stands before the checksum is the broker's own, which it looks at itself.
    place = data.draw(st.integers(record_batch.CRC_END - 4, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= data.draw(st.integers(1, 255))
    neighbour: list[Record] = [(b"k", b"good", [])]
    found = read(batch(neighbour, codec, 99) + bad + batch(neighbour, codec, 100 + len(records)))
    assert [record.value for record in (found[0], found[-1])] == [b"good", b"good"]
    (unread,) = found[1:-1]
    assert unread.value.poison.reason == "batch-unreadable"
    assert unread.offset <= 99 + len(records), "no record behind it is passed over"


FIRST = 1000
LOGS = st.lists(st.tuples(st.integers(1, 5), st.sampled_from(CODECS)), min_size=2, max_size=5)
# Offset, length, leader's epoch and format: no checksum covers them.
UNCOVERED = st.sampled_from([*range(12), *range(8, 12), *range(12, 17)])


def log_of(shape: list[tuple[int, int]]) -> tuple[list[bytes], list[int]]:
    """Batches that follow each other, with records whose values are their offsets; and ``starts``."""
    starts = list(accumulate((count for count, _ in shape), initial=FIRST))
    values: list[list[Record]] = [
        [(None, b"%d" % offset, []) for offset in range(*span)] for span in pairwise(starts)
    ]
    return [batch(*one) for one in zip(values, (codec for _, codec in shape), starts, strict=False)], starts


def damage(batches: list[bytes], data: st.DataObject, places: st.SearchStrategy[int]) -> None:
    """Damage a batch; behind the last one nothing says its offset, it is read when more has come."""
    number = data.draw(st.integers(0, len(batches) - 2))
    bad = bytearray(batches[number])
    bad[data.draw(places) % len(bad)] ^= data.draw(st.integers(1, 255))
    batches[number] = bytes(bad)


@given(LOGS, st.data())
def test_a_damaged_offset_length_or_format_costs_no_record(
    shape: list[tuple[int, int]], data: st.DataObject
) -> None:
    batches, starts = log_of(shape)
    damage(batches, data, UNCOVERED)
    asked = data.draw(st.integers(FIRST, starts[1] - 1))
    found = [(record.offset, record.value) for record in consume(batches, starts, asked)]
    wanted = [(offset, b"%d" % offset) for offset in range(asked, starts[-1])]
    # From the middle of a batch it may be read from its start again, which the ledger sees.
    assert found == wanted if asked == FIRST else {one[1] for one in found} >= {one[1] for one in wanted}


def test_a_wrong_length_that_ends_at_another_batch_costs_no_record() -> None:
    batches, starts = log_of([(2, NONE), (5, SNAPPY), (1, NONE)])
    wrong = len(batches[0]) + len(batches[1]) - record_batch.LENGTH_END
    batches[0] = batches[0][:8] + wrong.to_bytes(4) + batches[0][12:]
    found = [(record.offset, record.value) for record in consume(batches, starts, FIRST)]
    assert found == [(offset, b"%d" % offset) for offset in range(*starts[:: len(batches)])]


@pytest.mark.parametrize("wrong", [FIRST - 1, FIRST - 2, FIRST + 1])
def test_a_first_batch_whose_offset_is_slightly_wrong_is_rather_read_twice(wrong: int) -> None:
    batches, starts = log_of([(4, NONE), (1, NONE)])
    batches[0] = wrong.to_bytes(8) + batches[0][8:]
    values = {record.value for record in consume(batches, starts, FIRST + 2)}
    assert values >= {b"%d" % offset for offset in range(FIRST + 2, FIRST + 5)}


@pytest.mark.parametrize(
    ("number", "wrong"), [(0, FIRST + 1), (0, FIRST - 1), (1, FIRST + 3), (1, FIRST + 1)]
)
def test_a_fetch_from_the_middle_of_a_batch_believes_the_offset_that_two_batches_agree_on(
    number: int, wrong: int
) -> None:
    batches, starts = log_of([(2, NONE), (1, NONE), (1, NONE), (1, NONE)])
    batches[number] = wrong.to_bytes(8) + batches[number][8:]
    found = {(record.offset, record.value) for record in consume(batches, starts, FIRST + 1)}
    assert found >= {(offset, b"%d" % offset) for offset in range(FIRST + 1, FIRST + 5)}


@given(LOGS, st.data())
def test_every_offset_of_damaged_batches_is_read_or_named(
    shape: list[tuple[int, int]], data: st.DataObject
) -> None:
    batches, starts = log_of(shape)
    # Three offsets that are wrong by the same are outvoted by none: of the third batch it is the rest.
    for least in (0, 0, record_batch.LENGTH_END - 4)[: data.draw(st.integers(1, 3))]:
        damage(batches, data, st.integers(least, 1000))
    found = consume(batches, starts, FIRST)
    named = [range(first_offset(one, FIRST), one.offset + 1) for one in found]
    assert all(any(offset in some for some in named) for offset in range(FIRST, starts[-1]))
    assert max(map(len, named)) <= batch_repair.MOST_RECORDS


@given(LOGS, st.data())
def test_a_batch_that_the_fetch_cuts_off_is_left_to_the_next_fetch(
    shape: list[tuple[int, int]], data: st.DataObject
) -> None:
    batches, starts = log_of(shape)
    cut = batches[-1][: data.draw(st.integers(0, len(batches[-1]) - 1))]
    records, behind = fetch(b"".join(batches[:-1]) + cut, FIRST)
    assert [record.offset for record in records] == list(range(FIRST, starts[-2]))
    assert behind == starts[-2]


def test_looking_for_the_next_batch_is_linear_work() -> None:
    size = 2 << 20
    heads = b"".join(record_batch.START.pack(1, size - at - 20, 0, 2) for at in range(0, size, 17))
    since = time.process_time()
    batch_repair.Fetch(heads).batch_at(17)
    assert time.process_time() - since < 1


def test_a_batch_inside_a_damaged_record_is_no_batch_of_the_log() -> None:
    inside = batch([(None, b"inside", [])], NONE, FIRST + 1)
    bad = bytearray(batch([(None, inside, [])], NONE, FIRST))
    bad[-1] ^= 1
    found, behind = fetch(bytes(bad) + batch([(None, b"good", [])], NONE, FIRST + 1), FIRST)
    assert isinstance(found[0].value, Unread)
    assert [(one.offset, one.value) for one in found[1:]] == [(FIRST + 1, b"good")]
    assert behind == FIRST + 2


@given(st.lists(st.integers(-20, 120) | st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=4))
def test_at_the_start_of_a_log_no_wrong_offset_is_an_error(offsets: list[int]) -> None:
    records: list[Record] = [(None, b"v", [])] * 10
    fetched = b"".join(at.to_bytes(8, signed=True) + batch(records, NONE)[8:] for at in offsets)
    found, behind = fetch(fetched, 2)
    assert behind > 2
    assert all(record.offset >= 2 for record in found)


def test_offsets_that_a_fetch_lacks_are_named() -> None:
    (one, _, three, four), _ = log_of([(2, NONE)] * 4)
    found, _ = fetch(one + three + four, FIRST)
    assert [record.offset - FIRST for record in found] == [0, 1, 3, 4, 5, 6, 7]
    assert (found[2].value.first, found[2].value.poison.reason) == (FIRST + 2, "batch-unreadable")


@given(st.binary(max_size=300), st.integers(1, 1 << 40))
def test_any_bytes_are_read_without_an_error(noise: bytes, asked: int) -> None:
    for fetched in (noise, batch([(None, b"good", [])], NONE, asked) + noise):
        records, behind = fetch(fetched, asked)
        assert all(record.offset >= asked for record in records)
        assert behind >= asked


@given(RECORDS, st.sampled_from([GZIP, SNAPPY, LZ4, ZSTD, 5, 7]), st.binary(max_size=200))
def test_what_no_codec_can_expand_is_one_record(records: list[Record], codec: int, noise: bytes) -> None:
    fields = list(record_batch.HEADER.unpack_from(batch(records, NONE)))
    fields[1], fields[5] = record_batch.HEADER.size - record_batch.LENGTH_END + len(noise) + 1, codec
    (found,) = read(with_checksum(record_batch.HEADER.pack(*fields) + b"\xff" + noise))
    assert found.offset == len(records) - 1
    assert found.value.poison.reason in {"batch-unreadable", "batch-too-large"}


@given(RECORDS, st.integers(0, 60), st.integers(1, 255))
def test_every_offset_of_records_without_a_sound_structure_is_read_or_named(
    records: list[Record], place: int, change: int
) -> None:
    raw = bytearray(batch(records, NONE))
    raw[record_batch.HEADER.size + place % (len(raw) - record_batch.HEADER.size)] ^= change
    found = read(with_checksum(bytes(raw)))
    named = [offset for one in found for offset in range(first_offset(one, 0), one.offset + 1)]
    assert named == list(range(len(records)))


def test_a_turn_expands_its_share_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    expansion = Expansion(LIMIT)
    fetched = b"".join(batch([(b"k", bytes(900_000), [])], LZ4, offset) for offset in range(20))
    batches = FetchedBatches(fetched, expansion)
    expansion.next_turn()
    count = 0
    while batches.has_next():
        count += len(list(batches.next_batch()))
    assert count == 10, "8 MiB, and the batch that reaches it"
    expansion.next_turn()
    assert batches.has_next()


def test_what_was_fetched_of_another_partition_waits_when_a_turn_has_had_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FetchResult", "MemoryRecords", "PartitionRecords"):
        monkeypatch.setattr(fetcher, name, getattr(fetcher, name))  # so that they come back
    expansion = Expansion(2 * FETCH_BYTES)
    expansion.install()
    results = []
    for number in range(3):
        state = SimpleNamespace(paused=False, position=0, consumed_to=lambda _offset: None)
        assignment = SimpleNamespace(active=True, state_value=lambda _tp, state=state: state)
        tp = TopicPartition("t", number)
        fetched = fetcher.MemoryRecords(batch([(None, bytes(FETCH_BYTES), [])], LZ4))
        records = fetcher.PartitionRecords(tp, fetched, None, 0, None, None, True, READ_UNCOMMITTED)
        results.append(fetcher.FetchResult(tp, assignment=assignment, partition_records=records, backoff=0))
    while results:
        expansion.next_turn()
        assert [len(one.getall(10)) for one in results] == [1, 0, 0][: len(results)]
        results = [one for one in results if one.has_more()]


def test_the_bytes_of_a_record_are_those_of_key_value_and_headers() -> None:
    (one,) = read(batch([(bytes(1000), bytes(2000), [("h", bytes(3000))])], LZ4))
    assert 6000 < size_of(one) < 7000


def test_expanding_raises_only_poison_for_any_bytes() -> None:
    with pytest.raises(Poison, match="checksum"):
        record_batch.RecordBatch(bytes(61)).expanded(LIMIT)


def with_checksum(raw: bytes) -> bytes:
    import crc32c  # noqa: PLC0415

    checksum = crc32c.crc32c(raw[record_batch.CRC_END :])
    return raw[: record_batch.CRC_END - 4] + checksum.to_bytes(4) + raw[record_batch.CRC_END :]
