"""One Faust agent per family: thin loops that give chunks to the batch processor.

Three rules apply here and nowhere else (docs/reliability.md, Inside the worker): acks are off and an event
is acked after its transaction; no exception leaves a loop for an outage; a loop that ends while the app is
not stopping ends the process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from connector import failpoints
from connector.mirror.offsets import Partition
from connector.stream.fetched import Fetched
from connector.stream.processor import BatchProcessor, Decode, PreparedBatch

log = structlog.get_logger(__name__)

# Exit codes of a worker that stops itself; a supervisor starts it again.
EXIT_DEFECT = 70
EXIT_STREAM_ENDED = 71
EXIT_STANDSTILL = 73
# Bytes of records that a batch has together: what is made of them takes many times as much.
BATCH_BYTES = 2_097_152

# Batches on their way to the writer with the stream's events, and None at the end.
Ready = asyncio.Queue[tuple[list[Any], list[PreparedBatch]] | None]
Reread = Callable[[set[Partition]], None]
Die = Callable[[int], Any]


class Agents:
    """Makes the agents of an app.

    ``reread`` has partitions read again from the mirror's offset, ``die`` ends the process.
    """

    def __init__(
        self, app: Any, processor: BatchProcessor, *, max_events: int, reread: Reread, die: Die
    ) -> None:
        self._app = app
        self._processor = processor
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
        """Decode one batch while the one before is written."""
        ready: Ready = asyncio.Queue()
        # One batch is being written and one prepared; more would only take memory.
        slots = asyncio.Semaphore(2)
        await asyncio.gather(self._read(stream, read, ready, slots), self._write(ready, slots))

    async def _read(self, stream: Any, read: Decode, ready: Ready, slots: asyncio.Semaphore) -> None:
        async for events in batches(stream, self._max_events):
            failpoints.reach("agent")
            await slots.acquire()
            await ready.put((events, await self._processor.read([event.value for event in events], read)))
            del events  # what was written is not kept while nothing comes
        await ready.put(None)

    async def _write(self, ready: Ready, slots: asyncio.Semaphore) -> None:
        while await self._write_next(ready):
            slots.release()

    async def _write_next(self, ready: Ready) -> bool:
        """Write a batch and ack it; False when there is no more."""
        turn = await ready.get()
        if turn is None:
            return False
        events, ready_batches = turn
        gaps = await self._processor.write(ready_batches)
        for event in events:
            fetched: Fetched = event.value
            gap = gaps.get((fetched.topic, fetched.partition))
            if gap is None or fetched.next_offset <= gap:
                event.ack()
        if gaps:
            self._reread(set(gaps))
        return True

    async def _guard(self, name: str, loop: Awaitable[None]) -> None:
        """End the process when the loop ends for any reason but the app's own stop."""
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


async def batches(stream: Any, max_events: int) -> AsyncIterator[list[Any]]:
    """What has piled up while the last batch was written: no timer, so a lone event goes at once.

    A batch ends with the chunk that reaches ``max_events`` or ``BATCH_BYTES``.

    Built on ``noack().events()`` and the channel's queue, because ``take`` acks what it has not
    delivered and ``noack_take`` leaves a drainer behind.
    """
    source = stream.noack()
    queue = source.channel.queue
    events = source.events().__aiter__()
    while True:
        try:
            batch = [await anext(events)]
            records, size = len(batch[0].value.records), batch[0].value.size
            while records < max_events and size < BATCH_BYTES and not queue.empty():
                batch.append(await anext(events))
                records += len(batch[-1].value.records)
                size += batch[-1].value.size
        except StopAsyncIteration:
            return
        yield batch
        del batch
