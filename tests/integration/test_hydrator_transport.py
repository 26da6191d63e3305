"""The transport against a real HTTP server: what is sent, what comes back, and what a failure says."""

import asyncio
import gzip
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from connector.hydrator.ports import Answer, ApiOutage, OversizedAnswer
from connector.hydrator.transport import open_transport
from tests.hydrator_world import sources

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOGIN = "Basic c2hvcHVzZXI6cGFzcyN3b3Jk"


def get(handler: Handler, path: str, *, tls: ssl.SSLContext | None = None, **changes: object) -> list[Answer]:
    """The answers to two requests for a path at a server with this handler."""

    async def run() -> list[Answer]:
        server = web.Server(handler)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        url = f"http{'s' if tls else ''}://127.0.0.1:{port}/RESTAPI/v1_0/shop"
        try:
            async with open_transport(sources(base_url=url, **changes)) as transport:
                return [await transport.get(path) for _ in range(2)]
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_a_request_has_the_login_and_the_encoded_path_and_sends_no_cookie_back() -> None:
    seen: list[tuple[str, str | None, str | None, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        headers = request.headers
        login = headers.get("ExtendBasicAuthorization")
        seen.append((request.raw_path, login, headers.get("Cookie"), headers.get("Accept")))
        response = web.Response(body=b'{"a": 1.10}', headers={"X-RateLimit-Limit": "300"})
        response.set_cookie("session", "1")
        return response

    answers = get(answer, "CustomerOrders/A%2FB%20%C3%A5", headers={"Accept": "application/json"})
    path = "/RESTAPI/v1_0/shop/CustomerOrders/A%2FB%20%C3%A5"
    assert seen == [(path, LOGIN, None, "application/json")] * 2
    assert [(one.status, one.body, one.headers["x-ratelimit-limit"]) for one in answers] == [
        (200, b'{"a": 1.10}', "300")
    ] * 2


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    paths = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert [one.status for one in get(answer, "Products/1")] == [302, 302]
    assert paths == ["/RESTAPI/v1_0/shop/Products/1"] * 2


def test_an_answer_is_read_up_to_the_largest_size_and_no_further() -> None:
    written = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(800):
            await response.write(b"x" * 65_536)
            written += 65_536
        return response

    with pytest.raises(OversizedAnswer, match=r"larger than 1000000 bytes.*max_body_bytes"):
        get(answer, "Products/1", max_body_bytes=1_000_000)
    assert written < 50_000_000


def test_an_error_with_a_huge_page_is_known_by_its_status() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=503, body=b"x" * 5_000_000)

    (first, _) = get(answer, "Products/1", max_body_bytes=1_000_000)
    assert first.status == 503
    assert len(first.body) < 1_100_000


def test_a_small_answer_that_unpacks_to_a_large_one_is_too_large() -> None:
    packed = gzip.compress(b"0" * 50_000_000)

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    with pytest.raises(OversizedAnswer):
        get(answer, "Products/1", max_body_bytes=1_000_000)


def test_an_answer_that_does_not_end_in_time_is_an_outage() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"orderHeader"')
        await asyncio.sleep(60)
        return response

    with pytest.raises(ApiOutage, match=r"within 0.2 s \(timeout_seconds"):
        get(answer, "Products/1", timeout_seconds=0.2)


def test_an_answer_that_is_cut_off_is_an_outage() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"orderHeader"')
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(ApiOutage, match="The connection to the API failed: ClientPayloadError"):
        get(answer, "Products/1")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/x", "no connection to 127.0.0.1:1: .*XTND_API_URL"),
        ("http://api.invalid/x", "no address for api.invalid. Look at XTND_API_URL"),
    ],
)
def test_an_api_that_cannot_be_reached_is_an_outage_that_names_the_setting(url: str, words: str) -> None:
    async def run() -> None:
        async with open_transport(sources(base_url=url)) as transport:
            await transport.get("Products/1")

    with pytest.raises(ApiOutage, match=words) as raised:
        asyncio.run(run())
    assert "pass#word" not in str(raised.value)
    assert LOGIN not in str(raised.value)


def test_a_certificate_of_another_is_an_outage_that_says_how_to_fix_it(tmp_path: Path) -> None:
    certificate, key = tmp_path / "api.crt", tmp_path / "api.key"
    files = ["-keyout", str(key), "-out", str(certificate)]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=api.elsewhere"]
    subprocess.run([*new, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"{}")

    with pytest.raises(ApiOutage, match=r"certificate of 127.0.0.1:.* does not fit: .*SSL_CERT_FILE"):
        get(answer, "Products/1", tls=context)


def test_a_port_that_speaks_no_tls_is_an_outage_that_says_so() -> None:
    async def run() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, open_transport(sources(base_url=f"https://127.0.0.1:{port}")) as transport:
            await transport.get("Products/1")

    with pytest.raises(ApiOutage, match="XTND_API_URL"):
        asyncio.run(run())
