"""The API of a simulated shop, for commands that ask it over the network while the test waits for them."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from connector.simulator.api import SimulatedApi, serving


@contextlib.contextmanager
def answering(service: SimulatedApi, url: str) -> Iterator[None]:
    """Serve it on the port of ``url``, in a thread, while the block runs."""
    port = int(url.split(":")[2].partition("/")[0])
    loop, opened = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        async with serving(service, port):
            opened.set()
            await asyncio.Event().wait()

    task = loop.create_task(serve())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert opened.wait(30)
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
        loop.close()
