"""The pure parts of the stream: joining, rounds, splitting, limit, standstill, positions, failpoints."""

import asyncio
import inspect
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from faust.types import TP

from connector import failpoints
from connector.config.models import DeadLetterLimit
from connector.errors import Defect
from connector.mirror.rows import Item
from connector.mirror.sink import Chunk
from connector.stream import decode
from connector.stream.delivery import joined, rounds
from connector.stream.fetched import Fetched, Log, Position, ReadOffsets, allowance
from connector.stream.limit import Limit
from connector.stream.patience import Patience
from connector.stream.positions import Positions
from connector.stream.standstill import Standstill
from connector.stream.watchdog import Watchdog


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fetched(first: int, end: int, *, asked: int | None = None, partition: int = 0) -> Fetched:
    records = tuple(SimpleNamespace(offset=offset) for offset in range(first, end))
    return Fetched("t", partition, first if asked is None else asked, records)


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
            alone += [item.placed.offset for one in batch for item in one.items]
    assert sorted(alone) == [3, *range(10, 17)]


def test_the_halves_of_a_chunk_cover_all_its_offsets() -> None:
    ((first,), (second,)) = decode.split([chunk(10, 17)])
    assert first.first == 10
    assert first.next_offset == second.first == second.asked
    assert second.next_offset == 17


def test_aiokafka_still_keeps_its_wait_where_the_transport_shortens_it() -> None:
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer)


def test_fausts_read_offsets_are_never_kept() -> None:
    offsets = ReadOffsets()
    offsets[TP("t", 0)] = 5  # type: ignore[assignment]
    offsets.update({TP("t", 0): 5})
    assert offsets[TP("t", 0)] is None
    assert not offsets


# --- The limit of dead letters ---


def test_the_usual_few_pass_however_large_their_share() -> None:
    limit = Limit(DeadLetterLimit(per_minute=3, share=0.1), Clock())
    for _ in range(3):
        limit.read(1)
        limit.park(1)


def test_many_pass_while_they_are_a_small_share() -> None:
    limit = Limit(DeadLetterLimit(per_minute=3, share=0.1), Clock())
    limit.read(1000)
    limit.park(100)


def test_too_many_are_refused_before_any_is_parked() -> None:
    limit = Limit(DeadLetterLimit(per_minute=3, share=0.1), Clock())
    limit.read(1000)
    with pytest.raises(Defect, match="dead_letter_limit"):
        limit.park(101)


def test_a_minute_later_all_is_forgotten() -> None:
    clock = Clock()
    limit = Limit(DeadLetterLimit(per_minute=3, share=0.1), clock)
    limit.read(3)
    limit.park(3)
    clock.now += 59
    with pytest.raises(Defect):
        limit.park(1)
    clock.now += 1.5
    limit.read(3)
    limit.park(3)


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
    """A log whose end may lag behind at first."""

    def __init__(self, begin: int, *ends: int) -> None:
        self.begin = begin
        self.ends = list(ends)

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.begin)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        return dict.fromkeys(partitions, end)


class Offsets:
    """Stands in for the sink."""

    def __init__(self, held: int | None) -> None:
        self.held = held
        self.reset: int | None = None

    def positions(self, partitions: Any) -> dict[tuple[str, int], int]:
        return {} if self.held is None else dict.fromkeys(partitions, self.held)

    def reset_position(self, _partition: Any, next_offset: int) -> None:
        self.reset = next_offset


def locate(kafka: Log, offsets: Offsets, *, restarted: bool = False) -> Position:
    async def in_thread(act: Any) -> Any:
        return act()

    async def no_sleep(_seconds: float) -> None: ...

    positions = Positions(offsets, in_thread, Patience(), no_sleep)  # type: ignore[arg-type]
    tp = TP("t", 0)
    return asyncio.run(positions.locate(kafka, {tp}, {tp} if restarted else set()))[tp]


def test_it_goes_on_where_the_mirror_ends() -> None:
    assert locate(Kafka(0, 100), Offsets(40)) == Position(40, 40)


def test_an_unknown_partition_starts_at_the_logs_begin() -> None:
    assert locate(Kafka(7, 100), Offsets(None)) == Position(7, 7)


def test_what_retention_took_is_still_wanted_but_cannot_be_asked_for() -> None:
    assert locate(Kafka(60, 100), Offsets(40)) == Position(40, 60)


def test_an_end_that_lags_for_a_moment_is_no_other_log() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 30, 30, 40), offsets) == Position(40, 40)
    assert offsets.reset is None


def test_a_log_that_stays_shorter_is_read_from_its_begin() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 30), offsets) == Position(0, 0)
    assert offsets.reset == 0


def test_a_log_that_began_anew_is_read_from_its_begin_however_long() -> None:
    offsets = Offsets(40)
    assert locate(Kafka(0, 100), offsets, restarted=True) == Position(0, 0)
    assert offsets.reset == 0


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
