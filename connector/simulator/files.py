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


def send_files(
    url: str,
    secret: str,
    files: Iterable[Path],
    *,
    timeout_seconds: float = 100.0,
    console: Console | None = None,
) -> int:
    """Sign and post files byte for byte, one after the other; one line each. 0 when all got 2xx.

    Raises ``StartupError`` when a file cannot be read (then nothing was sent) or nobody listens.
    """
    target(url, secret)
    bodies = []
    for file in files:
        try:
            bodies.append((file, file.read_bytes()))
        except OSError as error:
            what = f"{file} cannot be read: {error.strerror}."
            raise StartupError(what, "Give files that hold one body each.") from None
    out = console or Console()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send(url, secret, bodies, timeout_seconds, out))


async def _send(url: str, secret: str, bodies: list[tuple[Path, bytes]], seconds: float, out: Console) -> int:
    refused = 0
    async with session(1) as client:
        for file, body in bodies:
            status, answer = await _post(client, url, secret, body, seconds)
            refused += status not in wire.SUCCESS
            say(out, f"{status or '---'} {file} {answer}")
    return 1 if refused else 0


async def _post(
    client: aiohttp.ClientSession, url: str, secret: str, body: bytes, seconds: float
) -> tuple[int, str]:
    """Status (0 when there was none) and answer in one line."""
    headers = wire.headers(body, secret)
    try:
        async with (
            asyncio.timeout(seconds),
            client.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response,
        ):
            return response.status, " ".join((await response.text(errors="replace")).split())
    except aiohttp.ClientConnectorError as error:
        raise StartupError(f"Cannot connect to {url}: {error.strerror or error}.", NOT_THERE) from None
    except TimeoutError:
        return 0, f"no answer in {seconds:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return 0, f"{type(error).__name__}: {error}"
