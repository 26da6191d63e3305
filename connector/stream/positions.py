"""Where to go on in each partition: the mirror's offset, held against what Kafka's log has."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from faust.types import TP

from connector.mirror.sink import Partition, Sink
from connector.stream.fetched import Log, Position
from connector.stream.patience import Patience

log = structlog.get_logger(__name__)

T = TypeVar("T")
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]

# After a change of leaders a log's end may lag behind what was read of it; so it is asked again.
END_LOOKS = 5
END_PAUSE_SECONDS = 1.0


class Positions:
    """Locates partitions; waits for the database as long as it takes."""

    def __init__(
        self,
        sink: Sink,
        in_thread: InThread,
        patience: Patience,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._in_thread = in_thread
        self._patience = patience
        self._sleep = sleep

    async def locate(self, kafka: Log, partitions: set[TP], restarted: set[TP]) -> dict[TP, Position]:
        """Where to go on; ``restarted`` are partitions whose log is known to have begun anew.

        A partition that the mirror does not know starts at the log's begin. Raises what the log
        raises when Kafka is away.
        """
        held = await self._ask_database(lambda: self._sink.positions(map(_plain, partitions)))
        begins = await kafka.earliest_offsets(*partitions)
        wanted = {tp: held.get(_plain(tp), begins[tp]) for tp in partitions}
        short = await self._short(kafka, {tp: wanted[tp] for tp in partitions - restarted})
        for tp in short | restarted:
            wanted[tp] = await self._start_over(tp, wanted[tp], begins[tp])
        return {tp: Position(wanted[tp], seek=max(wanted[tp], begins[tp])) for tp in partitions}

    async def _short(self, kafka: Log, wanted: Mapping[TP, int]) -> set[TP]:
        """Partitions whose log ends before the offset that is wanted, and goes on doing so."""
        short = set(wanted)
        for look in range(END_LOOKS):
            if look:
                await self._sleep(END_PAUSE_SECONDS)
            ends = await kafka.highwaters(*short)
            short = {tp for tp in short if ends[tp] < wanted[tp]}
            if not short:
                break
        return short

    async def _start_over(self, tp: TP, mirrored: int, begin: int) -> int:
        """Go back to the begin of a log that is not the one that was read before.

        Reading it from there doubles nothing, because the ledger knows every event.
        """
        log.error(
            "THE LOG IS NOT THE ONE THAT WAS MIRRORED; reading it from its begin",
            topic=tp.topic,
            partition=tp.partition,
            mirrored=mirrored,
            begin=begin,
            cure="nothing is doubled; if the topic was not re-created on purpose, look for lost replicas",
        )
        await self._ask_database(lambda: self._sink.reset_position(_plain(tp), begin))
        return begin

    async def _ask_database(self, act: Callable[[], T]) -> T:
        result: T = await self._patience.until_done("database", lambda: self._in_thread(act))
        return result


def _plain(tp: TP) -> Partition:
    return (tp.topic, tp.partition)
