"""The floor of the gateway's benchmark: its own server, answering after the signature check alone.

``python -m tests.benchmarks.floor CONFIG_DIR PORT``, with the environment that a gateway gets.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvloop

from connector import admin, config
from connector.config import Config
from connector.errors import ConnectorError
from connector.gateway.protocol import GatewayState
from connector.gateway.server import serving
from connector.gateway.signature import VerifiedBody
from connector.kafka.record import Record


class Unread:
    """A translator that reads nothing of a delivery."""

    def records(self, _verified: VerifiedBody, _received_at: int) -> Iterator[Record]:
        return iter(())


class Floor(GatewayState):
    """A gateway that takes a delivery for accepted once its signature holds."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.translator = Unread()


class Nowhere:
    """An intake that must not be reached."""

    def submit(self, records: Sequence[Record], _done: Callable[[ConnectorError | None], None]) -> None:
        raise AssertionError(records)


async def serve(settings: Config) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = admin.bind(settings.gateway.host, settings.gateway.port, setting="gateway.port", option="PORT")
    async with serving(settings, Nowhere(), listener, state=Floor):
        await stop.wait()


if __name__ == "__main__":
    directory, port = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config.load(Path(directory), os.environ, {"gateway.port": int(port)})))
