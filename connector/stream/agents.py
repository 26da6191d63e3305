"""One Faust agent per family: thin loops that hand chunks to the delivery.

Three rules hold here and nowhere else (reliability.md, part 3): acks are off and an event is acked
after the transaction that holds it; no exception leaves a loop for an outage; a loop that ends
while the app is not stopping ends the process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from connector import failpoints
from connector.mirror.sink import Partition
from connector.stream.delivery import Batch, Decode, Delivery
from connector.stream.fetched import Fetched

log = structlog.get_logger(__name__)

# Exit codes of a worker that stops itself; a supervisor starts it again.
EXIT_DEFECT = 70
EXIT_STREAM_ENDED = 71
EXIT_STANDSTILL = 73

# Batches on their way to the writer with the stream's events, and None at the end.
Ready = asyncio.Queue[tuple[list[Any], list[Batch]] | None]
Reread = Callable[[set[Partition]], None]
Die = Callable[[int], Any]


class Agents:
    """Makes the agents of an app.

    ``reread`` has partitions read again from the mirror's offset, ``die`` ends the process.
    """

    def __init__(self, app: Any, delivery: Delivery, *, max_events: int, reread: Reread, die: Die) -> None:
        self._app = app
        self._delivery = delivery
        self._max_events = max_events
        self._reread = reread
        self._die = die

    def add(self, name: str, topic: str, read: Decode) -> None:
        """Add an agent that mirrors ``topic``; ``read`` decodes its chunks."""

        async def mirror(stream: Any) -> None:
            await self._guard(name, self._mirror(stream, read))

        channel = self._app.topic(topic, key_serializer="raw", value_serializer="raw")
        self._app.agent(channel, name=f"mirror-{name}", concurrency=1)(mirror)

    async def _mirror(self, stream: Any, read: Decode) -> None:
        """Decode one batch while the one before is written: the database's time is not the decoder's."""
        ready: Ready = asyncio.Queue()
        # One batch is being written and one worked out; more would only take memory.
        room = asyncio.Semaphore(2)
        await asyncio.gather(self._read(stream, read, ready, room), self._write(ready, room))

    async def _read(self, stream: Any, read: Decode, ready: Ready, room: asyncio.Semaphore) -> None:
        async for events in batches(stream, self._max_events):
            failpoints.reach("agent")
            await room.acquire()
            await ready.put((events, await self._delivery.read([event.value for event in events], read)))
            del events  # what was written is not kept while nothing comes
        await ready.put(None)

    async def _write(self, ready: Ready, room: asyncio.Semaphore) -> None:
        while await self._write_next(ready):
            room.release()

    async def _write_next(self, ready: Ready) -> bool:
        """Write a batch and ack it; False when there is no more."""
        turn = await ready.get()
        if turn is None:
            return False
        events, ready_batches = turn
        holes = await self._delivery.write(ready_batches)
        for event in events:
            if not _in_hole(event.value, holes):
                event.ack()
        if holes:
            self._reread(set(holes))
        return True

    async def _guard(self, name: str, loop: Awaitable[None]) -> None:
        """Let nothing but the app's own stop end the loop quietly."""
        try:
            await loop
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.critical("an agent failed; the worker stops", agent=name, error=repr(error), exc_info=error)
            self._die(EXIT_DEFECT)
            return
        if not self._app.should_stop:
            log.critical("a stream ended by itself; the worker stops", agent=name)
            self._die(EXIT_STREAM_ENDED)


def _in_hole(fetched: Fetched, holes: dict[Partition, int]) -> bool:
    offset = holes.get((fetched.topic, fetched.partition))
    return offset is not None and fetched.next_offset > offset


async def batches(stream: Any, max_events: int) -> AsyncIterator[list[Any]]:
    """What has piled up while the last batch was written: no timer, so a lone event goes at once.

    Built on ``noack().events()`` and the channel's queue, because ``take`` acks what it has not
    delivered and ``noack_take`` leaves a drainer behind.
    """
    source = stream.noack()
    queue = source.channel.queue
    events = source.events().__aiter__()
    while True:
        try:
            batch = [await anext(events)]
            records = len(batch[0].value.records)
            while records < max_events and not queue.empty():
                batch.append(await anext(events))
                records += len(batch[-1].value.records)
        except StopAsyncIteration:
            return
        yield batch
        del batch
