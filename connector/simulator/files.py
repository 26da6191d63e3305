"""``connector send``: sign and post files as they are."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import uvloop
from rich.console import Console
from yarl import URL

from connector.errors import StartupError
from connector.simulator import wire
from connector.simulator.client import session
from connector.simulator.options import NOT_THERE, say, target


class FileSender:
    """Signs files for one URL and posts them as they are; a request may take ``timeout_seconds``."""

    def __init__(
        self, url: str, secret: str, *, timeout_seconds: float = 100.0, console: Console | None = None
    ) -> None:
        self._url = url
        self._secret = secret
        self._seconds = timeout_seconds
        self._out = console or Console()

    def send(self, files: Iterable[Path]) -> int:
        """Sign and post files byte for byte, one after the other; one line each. 0 when all got 2xx.

        Raises ``StartupError`` when a file cannot be read (then nothing was sent) or nobody listens.
        """
        target(self._url, self._secret)
        bodies = []
        for file in files:
            try:
                bodies.append((file, file.read_bytes()))
            except OSError as error:
                what = f"{file} cannot be read: {error.strerror}."
                raise StartupError(what, "Give files that hold one body each.") from None
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._send(bodies))

    async def _send(self, bodies: list[tuple[Path, bytes]]) -> int:
        refused = 0
        async with session(1) as client:
            for file, body in bodies:
                status, answer = await self._post(client, body)
                refused += status not in wire.SUCCESS
                say(self._out, f"{status or '---'} {file} {answer}")
        return 1 if refused else 0

    async def _post(self, client: aiohttp.ClientSession, body: bytes) -> tuple[int, str]:
        """Status (0 when there was none) and answer in one line."""
        url, headers = URL(self._url, encoded=True), wire.headers(body, self._secret)
        try:
            async with (
                asyncio.timeout(self._seconds),
                client.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                return response.status, " ".join((await response.text(errors="replace")).split())
        except aiohttp.ClientConnectorError as error:
            what = f"Cannot connect to {self._url}: {error.strerror or error}."
            raise StartupError(what, NOT_THERE) from None
        except TimeoutError:
            return 0, f"no answer in {self._seconds:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return 0, f"{type(error).__name__}: {error}"
