"""The transport over aiohttp: one GET, its answer bounded, and its errors in words that name the setting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from connector.config.source_models import SourceSettings
from connector.hydrator.ports import Answer, ApiOutage, OversizedAnswer

CHUNK_BYTES = 65_536
OK = 200
# An idle connection is closed before servers and what stands between do.
KEEPALIVE_SECONDS = 15.0


class HttpTransport:
    """GETs below ``base_url``. No cookie is sent back: they would pile up until the API answers 400."""

    def __init__(self, session: aiohttp.ClientSession, sources: SourceSettings) -> None:
        self._session = session
        self._base = sources.base_url
        self._headers = sources.request_headers
        self._timeout = sources.timeout_seconds
        self._max_bytes = sources.max_body_bytes

    async def get(self, path: str) -> Answer:
        """See ``Transport.get``."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(URL(f"{self._base}/{path}", encoded=True))
        except TimeoutError:
            what = f"The API gave no whole answer within {self._timeout:g} s"
            raise ApiOutage(f"{what} (timeout_seconds in sources.yaml).") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ApiOutage(self._explained(error)) from None

    async def _exchange(self, url: URL) -> Answer:
        request = self._session.get(url, headers=self._headers, allow_redirects=False)
        async with request as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > self._max_bytes:
                    response.close()
                    if response.status != OK:  # what it means stands in the status, and at the body's start
                        break
                    what = f"The answer is larger than {self._max_bytes} bytes"
                    raise OversizedAnswer(f"{what} (max_body_bytes in sources.yaml).")
            headers = {name.lower(): response.headers[name] for name in response.headers}
            return Answer(response.status, headers, bytes(body))

    @staticmethod
    def _explained(error: Exception) -> str:
        """What went wrong on the way to the API; no more of the request than its host and port."""
        look = "Look at XTND_API_URL and at the network."
        if not isinstance(error, aiohttp.ClientConnectorError):
            # Its own text may quote what was sent or received.
            return f"The connection to the API failed: {type(error).__name__}. {look}"
        where = f"{error.host}:{error.port}"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            reason = getattr(error.certificate_error, "verify_message", "it cannot be checked")
            fix = "Set XTND_API_URL to the name in it, or SSL_CERT_FILE to the authority that signed it."
            return f"The certificate of {where} does not fit: {reason}. {fix}"
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            reason = getattr(error.os_error, "reason", None) or "no secure connection"
            return f"There is no TLS with {where}: {reason}. Look whether XTND_API_URL has the right port."
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return f"There is no address for {error.host}. {look}"
        return f"There is no connection to {where}: {error.os_error.strerror or error.os_error}. {look}"


@asynccontextmanager
async def open_transport(sources: SourceSettings) -> AsyncIterator[HttpTransport]:
    """A transport whose connections are closed at the end."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # one for the whole answer is in HttpTransport
    ) as session:
        yield HttpTransport(session, sources)
