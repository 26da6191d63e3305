"""The HTTP client that deliveries leave with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

# Shorter than what servers keep an idle connection for (uvicorn: 5 s), so none dies under a post.
KEEPALIVE_SECONDS = 3.0


@asynccontextmanager
async def session(parallel: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP client with at most ``parallel`` kept-alive connections, no cookies and no proxy."""
    connector = aiohttp.TCPConnector(limit=parallel, keepalive_timeout=KEEPALIVE_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # the sender has deadlines of its own
    ) as client:
        yield client
