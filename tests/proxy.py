"""A TCP proxy that makes a server far, slow, frozen or unreachable, and counts what passes.

It has a thread and an event loop of its own, so it serves tests with and without a loop. The settings
are plain attributes that may be changed at any time.
"""

import asyncio
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536
START_SECONDS = 10.0


class Proxy:
    """Forwards ``port`` to ``target`` on 127.0.0.1.

    ``round_trip_seconds`` is added to each exchange, ``first_answer_seconds`` to the first answer of
    each connection. ``frozen`` holds back everything, ``swallowing`` accepts and never answers.
    """

    def __init__(self, target: int, port: int) -> None:
        self.target, self.port = target, port
        self.round_trip_seconds = 0.0
        self.first_answer_seconds = 0.0
        self.frozen = False
        self.swallowing = False
        self.connections = 0
        # Kafka's requests by their api_key: 0 is Produce, 3 Metadata, 22 InitProducerId.
        self.requests: Counter[int] = Counter()
        # Bytes that each connection sent to the server and received from it.
        self.sent: Counter[int] = Counter()
        self.received: Counter[int] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def listen(self) -> None:
        """Accept connections (again)."""
        self._call(self._listen())

    def refuse(self) -> None:
        """End every connection and refuse new ones until ``listen``."""
        self._call(self._refuse())

    def cut(self) -> None:
        """Reset every connection; new ones are accepted."""
        self._call(self._cut())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        upstream: asyncio.StreamWriter | None = None
        try:
            if self.swallowing:
                await reader.read()
                return
            answers, upstream = await asyncio.open_connection(HOST, self.target)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, upstream, number, answers=False))
                both.create_task(self._forward(answers, writer, number, answers=True))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, upstream):
                if end is not None:
                    end.transport.abort()

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, number: int, *, answers: bool
    ) -> None:
        """Read at once, pass on when it is due, so that a delay does not limit the rate."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        passing = asyncio.create_task(self._pass_on(line, target))
        counts, unread, first = (self.received if answers else self.sent), b"", answers
        try:
            while data := await source.read(CHUNK_BYTES):
                counts[number] += len(data)
                if not answers:
                    unread = self._count_requests(unread + data)
                late = self.round_trip_seconds / 2 + (self.first_answer_seconds if first else 0)
                first = False
                line.put_nowait((self._loop.time() + late, data))
            line.put_nowait((self._loop.time() + self.round_trip_seconds / 2, b""))
            await passing
        finally:
            passing.cancel()

    async def _pass_on(
        self, line: "asyncio.Queue[tuple[float, bytes]]", target: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - self._loop.time())
            while self.frozen:  # noqa: ASYNC110 - the tests' threads set it without a loop
                await asyncio.sleep(0.01)
            if not data:
                raise ConnectionResetError  # ends the other direction too
            target.write(data)
            with suppress(ConnectionError):
                await target.drain()

    def _count_requests(self, data: bytes) -> bytes:
        """Count whole requests by their ``api_key``; gives what is left (of plain connections only)."""
        while len(data) >= 6:
            length, api_key = struct.unpack_from(">ih", data)
            if not 0 < length < 2**27:
                return b""  # encrypted
            if len(data) < 4 + length:
                break
            self.requests[api_key] += 1
            data = data[4 + length :]
        return data
