"""The floor of the gateway's benchmark: its own server, answering after the signature check alone.

``python -m tests.benchmarks.floor CONFIG_DIR PORT``, with the environment that a gateway gets.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from connector import admin, config
from connector.config import Config
from connector.gateway.app import Answer, Gateway, Receive, Scope
from connector.gateway.records import Record
from connector.gateway.server import public_server

BODY = b'{"accepted": 1, "parked": 0}'
ACCEPTED = Answer(202, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))], BODY)


class Floor(Gateway):
    """A gateway that takes a delivery for accepted once its signature holds."""

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        body = await self._read(scope["headers"], receive)
        self._verify(scope["headers"], body, self._doors[scope["raw_path"]].keys)
        return ACCEPTED


class Nowhere:
    """An intake that must not be reached."""

    async def take(self, records: Sequence[Record]) -> None:
        raise AssertionError(records)


async def serve(settings: Config) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    door = admin.bind(settings.gateway.host, settings.gateway.port, setting="gateway.port", option="PORT")
    async with admin.running(public_server(settings, Floor(settings, Nowhere())), door):
        await stop.wait()


if __name__ == "__main__":
    directory, port = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config.load(Path(directory), os.environ, {"gateway.port": int(port)})))
