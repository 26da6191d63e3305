"""Where to go on in each partition: the mirror's offset, compared with Kafka's log."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

import structlog
from faust.types import TP

from connector import events, metrics
from connector.kafka.inventory import TopicIdentity
from connector.mirror.offsets import Offset, Partition
from connector.mirror.sink import Sink
from connector.retry import Outages
from connector.stream.fetched import FetchState, LogReader, Position

log = structlog.get_logger(__name__)

T = TypeVar("T")
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
Identify = Callable[[Collection[str]], dict[str, TopicIdentity]]
"""Those topics that exist; blocking, raises ``KafkaOutage``."""

# After a change of leaders a log's end may lag behind what was read of it; so it is asked again.
END_LOOKS = 5
END_PAUSE_SECONDS = 1.0


def note(sink: Sink, starts: Mapping[Partition, Offset]) -> dict[Partition, Offset]:
    """The mirror's offsets of partitions, stored before they are first read; blocking."""
    stored = sink.offsets(starts)
    # A partition that was added to a topic of the mirror is the mirror's from its first record on.
    known = {(topic, offset.topic_id) for (topic, _), offset in stored.items() if offset.topic_id}
    starts = {
        tp: Offset(0, start.topic_id) if tp not in stored and (tp[0], start.topic_id) in known else start
        for tp, start in starts.items()
    }
    new = {tp: start for tp, start in starts.items() if tp not in stored}
    if new or any(offset.topic_id is None and starts[tp].topic_id for tp, offset in stored.items()):
        sink.record(dict(starts))
        stored = sink.offsets(starts)
    for (topic, partition), start in new.items():
        if start.next > 0:
            log.info(
                "the mirror of this partition starts at", topic=topic, partition=partition, offset=start.next
            )
    return stored


class Positions:
    """Locates partitions; waits for the database as long as it takes."""

    def __init__(
        self,
        sink: Sink,
        in_thread: InThread,
        outages: Outages,
        identify: Identify,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._in_thread = in_thread
        self._outages = outages
        self._identify = identify
        self._sleep = sleep

    async def locate(self, kafka: LogReader, partitions: set[TP], restarted: set[TP]) -> dict[TP, Position]:
        """Where to go on; ``restarted`` are partitions whose log is known to have started again.

        A partition that the mirror does not know starts at the log's start, which is stored before it is
        read. What does not exist or has no leader is left out. Raises ``KafkaOutage``, and what the
        log raises, when Kafka is away.
        """
        ids = await self._read_ids(partitions)
        partitions = partitions & ids.keys()
        if not partitions:
            return {}
        starts = await kafka.earliest_offsets(*partitions)
        ends = await kafka.highwaters(*partitions)
        fresh = {tp: Offset(starts[tp], ids[tp]) for tp in partitions}
        first = {_plain(tp): offset for tp, offset in fresh.items()}
        stored = await self._ask_database(lambda: note(self._sink, first))
        mirrored = {tp: stored[_plain(tp)] for tp in partitions}
        recreated = {tp for tp in partitions if not mirrored[tp].is_of(ids[tp])}
        # No record of a re-created topic was mirrored, from its first offset on.
        fresh |= {tp: Offset(0, ids[tp]) for tp in recreated}
        other = recreated | (restarted & partitions)
        other |= await self._short(kafka, {tp: mirrored[tp].next for tp in partitions - other})
        for tp in sorted(other):  # losses are listed as they were found
            await self._start_over(tp, mirrored[tp], fresh[tp], recreated=tp in recreated)
        mirrored |= {tp: fresh[tp] for tp in other}
        return {
            tp: Position(
                mirrored[tp].next, max(mirrored[tp].next, starts[tp]), ids[tp], ends[tp] <= starts[tp]
            )
            for tp in partitions
        }

    async def moved(self, kafka: LogReader, states: Mapping[TP, FetchState]) -> set[TP]:
        """Partitions whose topic was re-created, or whose unread records have all expired.

        What remains of a log that expired in part shows by itself, in what is fetched next.
        """
        ids = await self._read_ids(states)
        recreated = {tp for tp, topic_id in ids.items() if topic_id != states[tp].topic_id}
        same = ids.keys() - recreated
        starts = await kafka.earliest_offsets(*same) if same else {}
        behind = {tp for tp in same if states[tp].next_offset < starts[tp]}
        ends = await kafka.highwaters(*behind) if behind else {}
        empty = {tp for tp in behind if ends[tp] <= starts[tp]}
        # What was fetched before it expired may be in memory still; a position beyond it says that
        # nothing is.
        gone = {tp for tp in empty if (await kafka.position(tp) or 0) >= starts[tp]}
        return recreated | gone

    async def _read_ids(self, partitions: Collection[TP]) -> dict[TP, str | None]:
        """The topics' ids by partition, without partitions that do not exist or have no leader."""
        names = {tp.topic for tp in partitions}
        found = await asyncio.get_running_loop().run_in_executor(None, self._identify, names)
        there = {tp: found[tp.topic] for tp in partitions if tp.topic in found}
        return {tp: one.topic_id for tp, one in there.items() if tp.partition in one.partitions}

    async def _short(self, kafka: LogReader, offsets: Mapping[TP, int]) -> set[TP]:
        """Partitions whose log ends before the given offset, and goes on doing so."""
        short = set(offsets)
        for look in range(END_LOOKS):
            if look:
                await self._sleep(END_PAUSE_SECONDS)
            ends = await kafka.highwaters(*short)
            short = {tp for tp in short if ends[tp] < offsets[tp]}
            if not short:
                break
        return short

    async def _start_over(self, tp: TP, mirrored: Offset, start: Offset, *, recreated: bool) -> None:
        """Go back to the start of a log that is not the one that was read before.

        Reading it from there doubles nothing, because the ledger knows every event.
        """
        about = {"topic": tp.topic, "partition": tp.partition, "mirrored": mirrored.next, "start": start.next}
        if not recreated:
            log.error(
                "The log ends before what was mirrored; reading it from its start",
                **about,
                fix="nothing is doubled; look for lost replicas",
            )
            await self._ask_database(
                lambda: self._sink.reset_position(_plain(tp), start.next, start.topic_id)
            )
            return
        loss = await self._ask_database(lambda: self._sink.start_over(_plain(tp), mirrored.next, start))
        metrics.topics_recreated.labels(topic=tp.topic).inc()
        log.error(
            "The topic was re-created; reading it from its start",
            **about,
            former_topic_id=mirrored.topic_id,
            topic_id=start.topic_id,
            sent_after=None if loss.sent_after is None else events.iso(loss.sent_after),
            sent_before=events.iso(loss.sent_before),
            fix="what the former topic had beyond the mirrored offset is gone; enter again what XTND sent "
            "between the two instants and is missing, then run: connector losses --acknowledge",
        )

    async def _ask_database(self, act: Callable[[], T]) -> T:
        result: T = await self._outages.retry_until_available("database", lambda: self._in_thread(act))
        return result


def _plain(tp: TP) -> Partition:
    return (tp.topic, tp.partition)
