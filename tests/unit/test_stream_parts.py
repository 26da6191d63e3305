"""The pure parts of the stream: joining, rounds, splitting, alarm, standstill, positions, failpoints."""

import asyncio
import inspect
import itertools
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from faust.types import TP
from structlog.testing import capture_logs

from connector import events, failpoints
from connector.errors import Poison
from connector.kafka.inventory import TopicIdentity
from connector.mirror.chunks import Chunk
from connector.mirror.losses import Loss
from connector.mirror.offsets import Offset
from connector.mirror.rows import Item
from connector.retry import Outages
from connector.stream import decode
from connector.stream.agents import BATCH_BYTES, batches
from connector.stream.alarm import Alarm
from connector.stream.fetched import Fetched, FetchState, Position, ReadOffsets, allowance, pieces
from connector.stream.positions import Positions
from connector.stream.processor import joined, rounds
from connector.stream.standstill import Standstill
from connector.stream.watchdog import Watchdog
from tests.workers import balance


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fetched(
    first: int, end: int, *, asked: int | None = None, partition: int = 0, topic_id: str | None = None
) -> Fetched:
    records = tuple(SimpleNamespace(offset=offset, value=b"") for offset in range(first, end))
    return Fetched("t", partition, first if asked is None else asked, records, topic_id)


def chunk(first: int, end: int, *, partition: int = 0) -> Chunk:
    items = [Item(SimpleNamespace(offset=offset), []) for offset in range(first, end)]  # type: ignore[arg-type]
    return Chunk("t", partition, asked=first, first=first, next_offset=end, items=items)


# --- Batches ---


def test_chunks_that_follow_each_other_become_one() -> None:
    (one,) = joined([fetched(5, 8), fetched(8, 10), fetched(10, 11)])
    assert (one.asked, one.first, one.next_offset) == (5, 5, 11)


def test_a_chunk_behind_a_gap_stays_apart() -> None:
    assert len(joined([fetched(5, 8), fetched(9, 10, asked=8)])) == 2
    assert len(joined([fetched(5, 8), fetched(8, 10, asked=7)])) == 2


def test_what_is_behind_an_empty_chunk_belongs_to_it() -> None:
    """A log of which nothing was left is told by a chunk without records."""
    (one,) = joined([Fetched("t", 0, 5, (), "A", 20), fetched(20, 22, topic_id="A")])
    assert (one.asked, one.first, one.next_offset) == (5, 20, 22)
    assert len(joined([Fetched("t", 0, 5, (), "A", 20), fetched(20, 22, topic_id="B")])) == 2


def test_other_partitions_between_do_not_hinder() -> None:
    one, other = joined([fetched(0, 3), fetched(7, 9, partition=1), fetched(3, 4)])
    assert (one.next_offset, other.next_offset) == (4, 9)


def test_a_partition_stands_once_in_a_round_and_in_order() -> None:
    a, b, c = chunk(0, 3), chunk(0, 5, partition=1), chunk(4, 6)
    assert rounds([a, b, c]) == [[a, b], [c]]


def test_splitting_ends_with_each_event_alone_and_loses_none() -> None:
    pending, alone = [[chunk(10, 17), chunk(3, 4, partition=1)]], []
    while pending:
        batch = pending.pop()
        if decode.count_events(batch) > 1:
            pending += decode.split(batch)
        else:
            alone += [item.ledger_event.offset for one in batch for item in one.items]
    assert sorted(alone) == [3, *range(10, 17)]


def test_the_halves_of_a_chunk_cover_all_its_offsets() -> None:
    ((first,), (second,)) = decode.split([chunk(10, 17)])
    assert first.first == 10
    assert first.next_offset == second.first == second.asked
    assert second.next_offset == 17


def large(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=at, key=None, value=b"v" * 1000, headers=()) for at in offsets]


def test_pieces_of_records_end_once_they_are_large_and_where_no_offset_is_missing() -> None:
    found = [([one.offset for one in piece], size) for piece, size in pieces(large(*range(5), 9, 10), 2000)]
    assert found == [([0, 1], 2512), ([2, 3], 2512), ([4, 9], 2512), ([10], 1256)]
    assert [len(piece) for piece, _ in pieces(large(0, 2, 4, 5, 6), 1)] == [3, 1, 1]
    assert list(pieces((), 1)) == [((), 0)]


def test_a_batch_ends_with_the_chunk_by_which_it_is_large() -> None:
    chunks = [(100, BATCH_BYTES - 1), (100, 1), (5, BATCH_BYTES), (1999, 0), (1, 0), (1, 0)]
    waiting: asyncio.Queue[Any] = asyncio.Queue()
    for records, size in chunks:
        waiting.put_nowait(SimpleNamespace(value=SimpleNamespace(records=(None,) * records, size=size)))

    async def events() -> AsyncIterator[Any]:
        while not waiting.empty():
            yield waiting.get_nowait()

    source = SimpleNamespace(channel=SimpleNamespace(queue=waiting), events=events)
    stream = SimpleNamespace(noack=lambda: source)

    async def lengths() -> list[int]:
        return [len(batch) async for batch in batches(stream, 2000)]

    assert asyncio.run(lengths()) == [2, 1, 2, 1]


def test_aiokafka_still_keeps_its_wait_where_the_transport_shortens_it() -> None:
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer)


def test_fausts_read_offsets_are_never_kept() -> None:
    offsets = ReadOffsets()
    offsets[TP("t", 0)] = 5  # type: ignore[assignment]
    offsets.update({TP("t", 0): 5})
    assert offsets[TP("t", 0)] is None
    assert not offsets


# --- Dead letters ---


def test_an_event_that_trips_the_reader_in_a_way_not_foreseen_is_parked_beside_good_ones() -> None:
    class Picky:
        def contributions(self, event: Any) -> list[Any]:
            if event.delivery_id.endswith("2"):
                raise OverflowError("too large for this")
            return []

    good, bad = (events.encode(balance(number)) for number in (1, 2))
    records = tuple(
        SimpleNamespace(topic="t", partition=0, offset=place, key=b"k", value=value, headers=[])
        for place, value in enumerate((good, bad, good))
    )
    decoded = decode.decode_events(Picky(), Fetched("t", 0, 0, records), 0)  # type: ignore[arg-type]
    (letter,) = decoded.parked
    assert (letter.reason, letter.kafka_offset, letter.payload) == ("unforeseen", 1, bad)
    assert "OverflowError('too large for this')" in letter.error
    assert [item.ledger_event.offset for item in decoded.chunk.items] == [0, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"-3600.013", -3_600_013), (b"0.000", 0), *((bad, None) for bad in (b"1e300", b"inf", b"nan", None))],
)  # fmt: skip
def test_the_last_records_header_tells_the_gateways_clock_and_a_foreign_one_nothing(
    value: bytes | None, expected: int | None
) -> None:
    class Nothing:
        def contributions(self, event: Any) -> list[Any]:
            return []

    found = [("clock-distance", b"5.000")], [] if value is None else [("clock-distance", value)]
    records = tuple(
        SimpleNamespace(
            topic="t", partition=0, offset=place, value=events.encode(balance(1)), headers=headers
        )
        for place, headers in enumerate(found)
    )
    decoded = decode.decode_events(Nothing(), Fetched("t", 0, 0, records), 0)  # type: ignore[arg-type]
    assert decoded.chunk.clock_distance == expected


def test_a_letters_header_is_short_however_much_of_the_event_its_error_quotes() -> None:
    event = msgspec.structs.replace(balance(1), action="A" * 3_000_000)
    record = SimpleNamespace(topic="t", partition=0, offset=0, key=b"k", value=b"")
    letter = decode.dead_letter(record, Poison("r", "e" * 3_000_000), event, 0)
    ((_, header),) = letter.headers()
    assert len(header) < 10_000


def test_a_letter_that_kafka_refuses_comes_with_the_chunk_of_its_record() -> None:
    record = SimpleNamespace(topic="t", partition=0, offset=7, key=b"k", value=b"payload")
    letters = [decode.dead_letter(record, Poison("r", "e"), None, 0)]
    whole = decode.with_letters(chunk(5, 9), letters, 0)
    ((kept),) = whole.letters
    assert (kept.offset, kept.row["payload"], kept.row["kafka_offset"]) == (7, b"payload", 7)
    assert decode.with_letters(chunk(5, 9, partition=1), letters, 0).letters == ()
    ((first,), (second,)) = decode.split([whole])
    assert [len(first.letters), len(second.letters)] == [0, 1]


# --- The alarm of dead letters ---


def test_the_usual_few_dead_letters_are_no_alarm_however_large_their_share() -> None:
    alarm = Alarm(Clock())
    alarm.count(10, 10)
    assert alarm.trouble() is None
    assert alarm.share() == 1


def test_many_dead_letters_are_no_alarm_while_they_are_a_small_share() -> None:
    alarm = Alarm(Clock())
    alarm.count(1000, 200)
    assert alarm.trouble() is None
    alarm.count(0, 1)
    assert "201 of the last minute's 1000 events" in str(alarm.trouble())


def test_the_alarm_of_dead_letters_ends_when_their_share_falls() -> None:
    clock = Clock()
    alarm = Alarm(clock)
    alarm.count(30, 30)
    assert alarm.trouble()
    clock.now += 30
    alarm.count(1000, 0)
    assert alarm.trouble() is None
    alarm.count(2000, 900)
    clock.now += 59
    assert alarm.trouble()
    clock.now += 2
    assert (alarm.trouble(), alarm.share()) == (None, 0)


def test_the_alarm_keeps_a_minute_of_seconds_however_many_batches_there_are() -> None:
    clock = Clock()
    alarm = Alarm(clock)
    for _ in range(20_000):
        clock.now += 0.01
        alarm.count(5, 1)
    assert len(alarm._seconds) <= 61


# --- Standing still ---

A, B = ("t", 0), ("t", 1)


def test_a_lag_that_does_not_move_stands_since_it_was_first_seen() -> None:
    standstill = Standstill()
    assert standstill.look(100, {A: 5}) == {A: 0}
    assert standstill.look(117, {A: 5}) == {A: 17}
    assert standstill.look(118, {A: 6}) == {A: 0}


def test_one_that_stands_is_not_hidden_by_what_moves() -> None:
    standstill = Standstill()
    for second in range(100):
        assert standstill.look(second, {A: 5, B: second}) == {A: second, B: 0}


def test_no_lag_starts_the_time_again() -> None:
    standstill = Standstill()
    standstill.look(0, {A: 5})
    assert standstill.look(100, {}) == {}
    assert standstill.look(130, {A: 5}) == {A: 0}


def test_the_watchdog_ends_the_process_when_one_of_many_stands_still_for_its_time() -> None:
    offsets = itertools.count()
    looks: list[float] = []
    died = threading.Event()

    def clock() -> float:
        looks.append(10.0 * len(looks))
        return looks[-1]

    watchdog = Watchdog(0.12, lambda: {A: 5, B: next(offsets)}, died.set, clock)
    watchdog.start()
    assert died.wait(10)
    watchdog.join(10)
    assert looks == [0, 10]


def test_the_watchdog_goes_on_looking_after_a_look_that_failed() -> None:
    answers: Iterator[Any] = itertools.chain([RuntimeError("what is this?")], itertools.repeat({A: 5}))
    died = threading.Event()

    def lagging() -> dict[tuple[str, int], int]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    watchdog = Watchdog(0.05, lagging, died.set)
    watchdog.start()
    assert died.wait(10)


# --- Where to go on ---


class Kafka:
    """A log whose end may lag behind at first, and the id of its topic."""

    def __init__(self, begin: int, *ends: int, topic_id: str | None = None, position: int = 0) -> None:
        self.begin = begin
        self.ends = list(ends)
        self.topic_id = topic_id
        self.at = position

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.begin)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        return dict.fromkeys(partitions, end)

    async def position(self, _tp: TP) -> int:
        return self.at


class Offsets:
    """Stands in for the sink."""

    def __init__(self, held: int | None, topic_id: str | None = None) -> None:
        self.held = None if held is None else Offset(held, topic_id)
        self.reset: Offset | None = None

    def offsets(self, partitions: Any) -> dict[tuple[str, int], Offset]:
        return {} if self.held is None else dict.fromkeys(partitions, self.held)

    def record(self, found: dict[tuple[str, int], Offset]) -> None:
        (new,) = found.values()
        self.held = new if self.held is None else self.held._replace(topic_id=new.topic_id)

    def reset_position(self, _partition: Any, next_offset: int, topic_id: str | None) -> None:
        self.reset = Offset(next_offset, topic_id)

    def start_over(self, _partition: Any, mirrored: int, start: Offset) -> Loss:
        self.reset = start
        return Loss(mirrored, None, None, 0)


def positions(kafka: Kafka, offsets: Offsets, *, exists: bool = True) -> Positions:
    async def in_thread(act: Any) -> Any:
        return act()

    async def no_sleep(_seconds: float) -> None: ...

    def identify(names: Any) -> dict[str, TopicIdentity]:
        return dict.fromkeys(names, TopicIdentity(kafka.topic_id, frozenset(range(12) if exists else ())))

    return Positions(offsets, in_thread, Outages(), identify, no_sleep)  # type: ignore[arg-type]


def locate(kafka: Kafka, offsets: Offsets, *, restarted: bool = False) -> Position:
    tp = TP("t", 0)
    located = positions(kafka, offsets).locate(kafka, {tp}, {tp} if restarted else set())
    return asyncio.run(located)[tp]


def moved(kafka: Kafka, place: FetchState) -> bool:
    tp = TP("t", 0)
    return tp in asyncio.run(positions(kafka, Offsets(0)).moved(kafka, {tp: place}))


def test_it_goes_on_where_the_mirror_ends() -> None:
    assert locate(Kafka(0, 100), Offsets(40)) == Position(40, 40)


def test_an_unknown_partition_starts_at_the_logs_start_which_is_stored_before_it_is_read() -> None:
    offsets = Offsets(None)
    with capture_logs() as logged:
        assert locate(Kafka(7, 100, topic_id="A"), offsets) == Position(7, 7, "A")
        assert locate(Kafka(7, 100, topic_id="A"), offsets) == Position(7, 7, "A")
    assert offsets.held == Offset(7, "A")
    assert [(one["event"], one["offset"]) for one in logged] == [
        ("the mirror of this partition starts at", 7)
    ]


def test_what_retention_took_is_the_next_offset_but_not_the_one_to_seek() -> None:
    assert locate(Kafka(60, 100), Offsets(40)) == Position(40, 60)
    assert locate(Kafka(60, 60), Offsets(40)) == Position(40, 60, empty=True)


def test_an_end_that_lags_for_a_moment_is_no_other_log() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 30, 30, 40), offsets) == Position(40, 40)
    assert offsets.reset is None


def test_a_log_that_stays_shorter_is_read_from_its_start() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 30), offsets) == Position(0, 0)
    assert offsets.reset == Offset(0)


def test_a_log_that_started_again_is_read_from_its_start_however_long() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 100), offsets, restarted=True) == Position(0, 0)
    assert offsets.reset == Offset(0)


def test_partitions_are_read_from_their_start_in_the_order_of_their_numbers() -> None:
    started: list[int] = []

    class Noted(Offsets):
        def start_over(self, partition: tuple[str, int], mirrored: int, start: Offset) -> Loss:
            started.append(partition[1])
            return super().start_over(partition, mirrored, start)

    kafka, tps = Kafka(0, 100, topic_id="B"), {TP("t", number) for number in range(12)}
    asyncio.run(positions(kafka, Noted(40, "A")).locate(kafka, tps, set()))
    assert started == list(range(12))


@pytest.mark.parametrize("end", [30, 40, 100])
def test_a_topic_with_another_id_is_read_from_its_start_however_long_it_is(end: int) -> None:
    offsets = Offsets(40, "A")
    assert locate(Kafka(3, end, topic_id="B"), offsets) == Position(0, 3, "B")  # 0 to 2 expired
    assert offsets.reset == Offset(0, "B")


def test_an_offset_without_an_id_takes_that_of_the_topic_which_is_there() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 100, topic_id="A"), offsets) == Position(40, 40, "A")
    assert (offsets.held, offsets.reset) == (Offset(40, "A"), None)


def test_a_partition_that_does_not_exist_or_has_no_leader_is_left_out() -> None:
    located = positions(Kafka(0, 1), Offsets(0), exists=False).locate(Kafka(0, 1), {TP("t", 0)}, set())
    assert asyncio.run(located) == {}


def test_a_place_has_moved_when_its_topic_has_another_id() -> None:
    assert moved(Kafka(0, 100, topic_id="B"), FetchState(40, 40, "A"))
    assert not moved(Kafka(0, 100, topic_id="A"), FetchState(40, 40, "A"))


def test_a_place_has_moved_when_all_that_it_waits_for_has_expired() -> None:
    assert moved(Kafka(60, 60, position=60), FetchState(40, 40))
    # What was fetched before is in memory still, or what remains shows the gap by itself.
    assert not moved(Kafka(60, 60, position=40), FetchState(40, 40))
    assert not moved(Kafka(60, 70, position=60), FetchState(40, 40))


# --- Failpoints ---


def test_failpoints_are_off_unless_the_environment_says_so() -> None:
    failpoints.load({})
    failpoints.reach("agent")


def test_a_failpoint_strikes_at_its_time_only() -> None:
    failpoints.load({"XTND_FAILPOINTS": "raise-agent@2"})
    failpoints.reach("agent")
    with pytest.raises(failpoints.Struck):
        failpoints.reach("agent")
    failpoints.reach("agent")
    failpoints.load({})


def test_a_plan_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="XTND_FAILPOINTS"):
        failpoints.load({"XTND_FAILPOINTS": "explode-agent"})


def test_a_single_backlog_may_wait_twice_as_long_as_seven_that_wait_together() -> None:
    assert allowance(Counter({"balances": 3999}), 2000) == 4000
    together = Counter({f"topic-{n}": 1000 for n in range(7)})
    assert allowance(together, 2000) == 2000
