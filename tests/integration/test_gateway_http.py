"""HTTP/1.1 on raw sockets against the running public port, on uvloop and on asyncio's own loop.

What uvicorn did before is the connector's now: each of its parts has a test here.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from connector import admin as admin_port
from connector import config as configuration
from connector.config import Config
from connector.errors import ConnectorError, StartupError
from connector.gateway.limits import MAX_HEAD_LINES
from connector.kafka.record import Record
from connector.local.ports import free_port
from tests import gateways
from tests.gateways import PATH, Wire, delivery, head, notification, post, request, signed, until
from tests.integration.test_gateway_process import admin
from tests.pauses import awake

ROOT = Path(__file__).parents[2]
SECRET = "a secret of these tests"
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}
KEEP_ALIVE_SECONDS = 0.5
DEADLINE_SECONDS = 1.5
BODY = delivery(notification())
POST = head("POST", PATH, signed(BODY, SECRET)) + BODY
UNSIGNED = head("POST", PATH, signed(BODY, SECRET, ms_signature=None)) + BODY
CHUNKED = head("POST", PATH, signed(BODY, SECRET, Content_Length=None, Transfer_Encoding="chunked"))
LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue"


def get(echo: str = "a", **headers: str) -> bytes:
    return head("GET", f"{PATH}?echo={echo}", headers)


def with_line(data: bytes, line: bytes) -> bytes:
    """A request with one more header line."""
    return data.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


class Intake:
    """Takes everything at once, or keeps it unanswered while ``held`` is set."""

    def __init__(self) -> None:
        self.held = False
        self.kept: list[Callable[[], Any]] = []

    def submit(self, _records: Sequence[Record], done: Callable[[ConnectorError | None], None]) -> None:
        loop = asyncio.get_running_loop()
        if self.held:
            self.kept.append(lambda: loop.call_soon_threadsafe(done, None))
        else:
            loop.call_soon(done, None)

    def hold(self) -> None:
        self.held = True

    def let_go(self) -> None:
        """Answer what was kept, in a changed order."""
        self.held = False
        kept, self.kept = self.kept, []
        for answer in reversed(kept):
            answer()

    def holds(self, count: int) -> None:
        until(lambda: len(self.kept) == count, f"{count} deliveries are being answered")


def settings(**overrides: Any) -> Config:
    fixed: dict[str, object] = {
        "kafka.bootstrap_servers": "127.0.0.1:9",
        "hooks.xtnd.secrets": [SECRET],
        "hooks.xtnd.secret_files": [],
    }
    return configuration.load(
        ROOT / "config", {}, fixed | {f"gateway.{key}": value for key, value in overrides.items()}
    )


@pytest.fixture(scope="module", params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


@pytest.fixture(scope="module")
def intake() -> Intake:
    return Intake()


@pytest.fixture(scope="module")
def port(loop: Callable[[], asyncio.AbstractEventLoop], intake: Intake) -> Iterator[int]:
    with gateways.running(settings(), intake, loop=loop) as public:
        yield public


@pytest.fixture(scope="module")
def hasty(loop: Callable[[], asyncio.AbstractEventLoop], intake: Intake) -> Iterator[int]:
    """The same with short deadlines."""
    short = settings(keep_alive_seconds=KEEP_ALIVE_SECONDS, request_deadline_seconds=DEADLINE_SECONDS)
    with gateways.running(short, intake, loop=loop) as public:
        yield public


@pytest.fixture
def held(intake: Intake) -> Iterator[Intake]:
    """Deliveries are answered when the test lets them go."""
    intake.hold()
    yield intake
    intake.let_go()


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


# --- Keep-alive and versions ---------------------------------------------------------------------


def test_an_idle_connection_ends_without_an_answer_after_its_time(hasty: int) -> None:
    with Wire(hasty) as wire:
        started, started_awake = time.monotonic(), awake()
        for _ in range(3):
            assert wire.send(POST).answer().status == 202
        assert wire.rest() == b""
        assert time.monotonic() - started > KEEP_ALIVE_SECONDS * 0.9
        assert awake() - started_awake < KEEP_ALIVE_SECONDS + 2


def test_connection_close_ends_the_connection_after_its_answer(port: int) -> None:
    for line in (
        b"Connection: close",
        b"connection:\tCLOSE ",
        b"Connection: x, Close",
        b"Connection: x\r\nConnection: close",
    ):
        with Wire(port) as wire:
            answer = wire.send(with_line(POST, line)).answer()
            assert (answer.status, answer.closed) == (202, True)
            assert wire.closed()


def test_http_1_0_ends_after_one_request_unless_it_asks_otherwise(port: int) -> None:
    old = POST.replace(b"HTTP/1.1", b"HTTP/1.0")
    with Wire(port) as wire:
        answer = wire.send(old + old).answer()
        assert (answer.status, answer.closed) == (202, True)
        assert wire.rest() == b""
    with Wire(port) as wire:
        kept = with_line(old, b"Connection: Keep-Alive")
        for _ in range(2):
            answer = wire.send(kept).answer()
            assert (answer.status, answer.headers["connection"]) == (202, "keep-alive")


def test_http_1_0_needs_no_host_and_knows_no_chunks(port: int) -> None:
    assert request(port, f"GET {PATH}?echo=old HTTP/1.0\r\n\r\n".encode()).body == b"old"
    old = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert request(port, old + in_chunks(BODY, 50) + LAST_CHUNK).status == 400


def test_empty_lines_before_a_request_are_skipped(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"\r\n\r\n" + POST + b"\r\n" + get() + b"\r\n" * 8 + POST)
        assert [wire.answer().status for _ in range(3)] == [202, 200, 202]


# --- Expect --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"100-continue", b"\t100-Continue  "])
def test_a_head_that_expects_it_is_answered_100_and_then_the_delivery(port: int, value: bytes) -> None:
    data = with_line(POST, b"Expect:" + value)
    with Wire(port) as wire:
        for _ in range(2):
            wire.send(data[: -len(BODY)])
            assert wire.line_end(b"\r\n\r\n") == CONTINUE
            assert wire.send(BODY).answer().status == 202


def test_a_body_in_chunks_is_continued_too(port: int) -> None:
    with Wire(port) as wire:
        wire.send(with_line(CHUNKED, b"Expect: 100-continue"))
        assert wire.line_end(b"\r\n\r\n") == CONTINUE
        assert wire.send(in_chunks(BODY, 50) + LAST_CHUNK).answer().status == 202


@pytest.mark.parametrize(
    "data",
    [
        with_line(POST, b"Expect: 100-continue")[:-5],
        with_line(POST, b"Expect: 200-ok")[: -len(BODY)],
        with_line(POST, b"Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")[: -len(BODY)],
    ],
    ids=["part of the body came", "another expectation", "HTTP/1.0"],
)
def test_no_100_is_sent_where_none_is_due(port: int, data: bytes) -> None:
    whole = data[: data.index(b"\r\n\r\n") + 4] + BODY
    with Wire(port) as wire:
        assert wire.send(data).send(whole[len(data) :]).answer().status == 202


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (with_line(UNSIGNED, b"Expect: 100-continue").replace(PATH.encode(), b"/webhooks/nobody"), 404),
        (with_line(POST, b"Expect: 100-continue").replace(b"POST", b"PUT"), 405),
        (head("POST", PATH, {"Content-Length": "99999999", "Expect": "100-continue"}), 413),
        (with_line(POST, b"Expect: 100-continue\r\nTransfer-Encoding: chunked"), 400),
    ],
)
def test_what_is_refused_by_its_head_alone_is_not_continued(port: int, data: bytes, status: int) -> None:
    with Wire(port) as wire:
        answer = wire.send(data[: data.index(b"\r\n\r\n") + 4]).answer()
        assert (answer.status, answer.closed) == (status, True)


# --- Sent ahead ----------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_requests_behind_a_slow_one(port: int, held: Intake) -> None:
    with Wire(port) as wire:
        wire.send(POST + get("one") + UNSIGNED + POST + head("GET", PATH, {}) + get("two") + POST)
        held.holds(1)
        held.let_go()
        found = [wire.answer() for _ in range(7)]
    assert [answer.status for answer in found] == [202, 200, 401, 202, 400, 200, 202]
    assert [answer.body for answer in found if answer.status == 200] == [b"one", b"two"]


def test_what_follows_a_refusal_that_closes_is_not_served(port: int) -> None:
    for refused in (
        POST.replace(PATH.encode(), b"/nobody"),
        POST.replace(b"POST", b"PUT"),
        b"nonsense\r\n\r\n",
    ):
        with Wire(port) as wire:
            found = wire.send(POST + refused + get("smuggled") + POST).rest()
        assert len(statuses(found)) == 2
        assert b"smuggled" not in found


def test_one_slow_delivery_does_not_hold_up_other_connections(port: int, held: Intake) -> None:
    with Wire(port) as slow, Wire(port) as other:
        slow.send(POST + get())
        held.holds(1)
        assert other.send(get("b")).answer().body == b"b"


# --- Half-close ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\r\n", []),
        (b"POST /web", [400]),
        (POST[:200], [400]),
        (POST[:-5], [400]),
        (CHUNKED + in_chunks(BODY, 9), [400]),
        (POST, [202]),
        (CHUNKED + in_chunks(BODY, 9) + LAST_CHUNK, [202]),
        (POST * 3 + get() * 3, [202] * 3 + [200] * 3),
        (POST + get() + POST[:-5], [202, 200, 400]),
        (POST + get() + POST[:50], [202, 200, 400]),
        (get() + b"\r\n", [200]),
    ],
)
def test_a_peer_that_has_finished_sending_gets_every_answer_and_the_end(
    port: int, data: bytes, expected: list[int]
) -> None:
    with Wire(port) as wire:
        assert statuses(wire.send(data).end().rest()) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [(POST, [202]), (POST + get() + POST, [202, 200, 202]), (POST + POST[:9], [202, 400])],
)
def test_a_peer_that_finished_while_its_delivery_is_slow_gets_the_answer(
    port: int, held: Intake, data: bytes, expected: list[int]
) -> None:
    with Wire(port) as wire:
        wire.send(data).end()
        held.holds(1)
        held.let_go()
        assert statuses(wire.rest()) == expected


def test_a_peer_that_is_gone_is_nobody_s_trouble(port: int, held: Intake) -> None:
    with Wire(port) as wire:
        wire.send(POST)
        held.holds(1)
    held.let_go()
    assert post(port, BODY, SECRET).status == 202


# --- Stop ----------------------------------------------------------------------------------------


def test_a_stop_answers_what_is_being_answered_and_ends_the_rest(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    intake = Intake()
    with ExitStack() as stack, ExitStack() as gateway:
        public = gateway.enter_context(gateways.running(settings(), intake, loop=loop))
        idle, kept, in_head, in_body, answering, ahead = (stack.enter_context(Wire(public)) for _ in range(6))
        assert kept.send(POST).answer().status == 202
        in_head.send(get() + POST[:100])
        in_body.send(get() + POST[:-5])
        assert in_head.answer().status == in_body.answer().status == 200
        intake.hold()
        answering.send(POST)
        ahead.send(POST + get())
        intake.holds(2)
        stop = threading.Thread(target=gateway.close)
        stop.start()
        assert idle.rest() == kept.rest() == b""
        assert statuses(in_head.rest()) == statuses(in_body.rest()) == [503]
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset
            Wire(public).send(get()).answer()
        intake.let_go()
        for wire in (answering, ahead):
            answer = wire.answer()
            assert (answer.status, answer.closed) == (202, True)
            assert wire.rest() == b""
        stop.join()


def test_a_stop_takes_no_longer_than_promised_whatever_peers_do(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    intake = Intake()
    with ExitStack() as stack, ExitStack() as gateway:
        public = gateway.enter_context(gateways.running(settings(ack_timeout_seconds=0.2), intake, loop=loop))
        deaf = stack.enter_context(unread(public))
        intake.hold()
        stuck = stack.enter_context(Wire(public)).send(POST)
        intake.holds(1)
        started = awake()
        gateway.close()
        assert awake() - started < 4
        assert deaf.socket.fileno() > 0
        assert stuck.rest() == b""


# --- Answers that are not read -------------------------------------------------------------------


def small_reader(port: int) -> Wire:
    """A peer whose kernel takes little that is not read."""
    wire = Wire(port)
    wire.socket.close()
    wire.socket = socket.socket()
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.socket.connect(("127.0.0.1", port))
    return wire


def unread(port: int, data: bytes = get(), most: int = 50_000_000) -> Wire:
    """A connection that has sent all that is taken without reading an answer."""
    wire = small_reader(port)
    wire.socket.settimeout(0.5)
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += wire.socket.send(data * 200)
    wire.socket.settimeout(gateways.DEADLINE_SECONDS)
    wire.sent = sent  # type: ignore[attr-defined]
    return wire


@pytest.mark.parametrize("data", [get(), UNSIGNED, POST], ids=["echo", "401", "202"])
def test_a_peer_that_reads_no_answer_is_not_served_and_then_ended(hasty: int, data: bytes) -> None:
    before = psutil.Process().memory_info().rss
    with ExitStack() as stack:
        wires = [stack.enter_context(unread(hasty, data)) for _ in range(5)]
        for wire in wires:
            # Not more than buffers hold; the rest was not read.
            assert wire.sent < 12_000_000  # type: ignore[attr-defined]
        assert post(hasty, BODY, SECRET).status == 202
        until(lambda: not connections_of(hasty), "they are ended at their deadline")
    assert psutil.Process().memory_info().rss - before < 50_000_000


def connections_of(port: int) -> list[Any]:
    """The established connections at the gateway's end."""
    return [
        one
        for one in psutil.Process().net_connections("tcp")
        if one.laddr.port == port and one.status in ("ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT2", "FIN_WAIT1")
    ]


def test_a_peer_that_reads_late_gets_every_answer_in_order(port: int) -> None:
    names = [f"n{number}" for number in range(900)]
    with small_reader(port) as wire:
        sender = threading.Thread(
            target=lambda: [wire.send(get(name)) or time.sleep(0.0005) for name in names]  # type: ignore[func-returns-value]
        )
        sender.start()
        assert [wire.answer().body.decode() for _ in names] == names
        sender.join()


# --- Chunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 16, 100, 10_000])
def test_a_body_may_come_in_chunks_of_any_size(port: int, size: int) -> None:
    assert request(port, CHUNKED + in_chunks(BODY, size) + LAST_CHUNK).status == 202


@pytest.mark.parametrize(
    "chunks",
    [
        b'%x;name=value;x="y z"\r\n%s\r\n0;last\r\n\r\n' % (len(BODY), BODY),
        b"%06X\r\n%s\r\n000\r\n\r\n" % (len(BODY), BODY),
        b"%x\r\n%s\r\n0\r\nTrailer: t\r\nContent-Type: text/html\r\n\r\n" % (len(BODY), BODY),
    ],
    ids=["extensions", "zeros", "trailers"],
)
def test_what_may_stand_around_chunks_is_left_out(port: int, chunks: bytes) -> None:
    with Wire(port) as wire:
        answer = wire.send(CHUNKED + chunks + get("smuggled")).answer()
        assert (answer.status, answer.closed) == (202, True)
        assert wire.rest() == b""


@pytest.mark.parametrize(
    "endless",
    [b"1;" + b"x" * 5000 + b"\r\ny\r\n", b"0\r\n" + b"T: " + b"t" * 65536, b"1\r\ny\r\n"],
    ids=["extensions", "trailers", "tiny chunks"],
)
def test_chunks_without_end_are_refused_and_not_kept(port: int, endless: bytes) -> None:
    before = psutil.Process().memory_info().rss
    with Wire(port) as wire:
        wire.send(CHUNKED + endless)
        more = endless if endless.startswith(b"1") else b"t" * 65536
        for _ in range(16_000_000 // len(more)):
            try:
                wire.socket.sendall(more)
            except OSError:
                break
        assert wire.answer().status == 413
    assert psutil.Process().memory_info().rss - before < 20_000_000


# --- Targets and methods -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET http://gateway/webhooks/xtnd?echo=a HTTP/1.1", 200),
        (b"GET HTTPS://elsewhere:8443/webhooks/xtnd?echo=a HTTP/1.1", 200),
        (b"GET http://gateway/nobody HTTP/1.1", 404),
        (b"GET http:/webhooks/xtnd?echo=a HTTP/1.1", 404),
        (b"GET webhooks/xtnd?echo=a HTTP/1.1", 404),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"CONNECT gateway:443 HTTP/1.1", 404),
        (b"CONNECT /webhooks/xtnd HTTP/1.1", 405),
        (b"OPTIONS /webhooks/xtnd HTTP/1.1", 405),
        (b"BREW /webhooks/xtnd HTTP/1.1", 405),
        (b"get /webhooks/xtnd HTTP/1.1", 405),
        (b"BREW /nobody HTTP/1.1", 404),
        (b"DELETE / HTTP/1.1", 404),
        (b"PRI * HTTP/2.0", 400),
        (b"GET /webhooks/xtnd?echo=a HTTP/3.0", 400),
        (b"GET /webhooks/xtnd?echo=a HTTP/1.2", 400),
        (b"GET /webhooks/xtnd?echo=a", 400),
        (b"GET  /webhooks/xtnd?echo=a HTTP/1.1", 400),
        (b"GET /webhooks/xtnd?echo=a  HTTP/1.1", 400),
        (b"GET /webhooks/xtnd?echo=a HTTP/1.1 ", 400),
        (b"GET\t/webhooks/xtnd?echo=a HTTP/1.1", 400),
        (b" GET /webhooks/xtnd?echo=a HTTP/1.1", 400),
        (b"GET /webhooks/xtnd?echo=\xc3\xa4 HTTP/1.1", 400),
        (b"GET /webhooks/xtnd?echo=a http/1.1", 400),
    ],
)  # fmt: skip
def test_each_target_and_method_has_its_answer(port: int, line: bytes, status: int) -> None:
    assert request(port, line + b"\r\nHost: gateway\r\n\r\n").status == status


def test_http_2_by_prior_knowledge_is_refused(port: int) -> None:
    with Wire(port) as wire:
        found = wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0").rest()
    assert statuses(found) == [400]


# --- Offered upgrades ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
        b"Upgrade: TLS/1.2\r\nConnection: Upgrade",
        b"connection: keep-alive, uPGRADE\r\nUPGRADE: h2c",
        b"Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c",
        b"Connection: Upgrade\r\nConnection: x\r\nUpgrade: h2c\r\nUpgrade: websocket",
        b"Connection:Upgrade\r\nUpgrade:h2c, websocket, TLS/1.3",
        b"Upgrade: h2c",
        b"Connection: upgrade",
        b"Connection: upgrade,upgrade , upgrade\r\nUpgrade: ",
    ],
)
def test_an_offered_upgrade_is_served_as_if_it_were_not_there(port: int, lines: bytes) -> None:
    with Wire(port) as wire:
        for data in (POST, get("b"), with_line(POST, b"Expect: 100-continue"), POST):
            offered = with_line(data, lines)
            end = offered.index(b"\r\n\r\n") + 4
            wire.send(offered[:end])
            if b"Expect" in offered:
                assert wire.line_end(b"\r\n\r\n") == CONTINUE
            answer = wire.send(offered[end:]).answer()
            assert (answer.status, answer.closed) == (200 if data.startswith(b"GET") else 202, False)
            assert "upgrade" not in answer.headers
        wire.send(with_line(CHUNKED, lines) + in_chunks(BODY, 20) + LAST_CHUNK)
        assert wire.answer().status == 202


def test_an_upgrade_does_not_hide_a_close_or_a_bad_signature(port: int) -> None:
    lines = b"Connection: Upgrade, close\r\nUpgrade: h2c"
    answer = request(port, with_line(POST, lines))
    assert (answer.status, answer.closed) == (202, True)
    assert request(port, with_line(UNSIGNED, lines)).status == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (apt-get install curl)")
@pytest.mark.parametrize("option", ["--http2", "--http1.1", "--http1.0"])
def test_curl_delivers_in_any_version(port: int, option: str, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    headers = [
        part
        for name, value in signed(BODY, SECRET, Content_Length=None).items()
        for part in ("-H", f"{name}: {value}")
    ]
    found = subprocess.run(
        ["curl", "-sS", option, "-X", "POST", "--noproxy", "*", "-w", " %{http_code}", *headers,
         "--data-binary", f"@{tmp_path / 'body'}", f"http://127.0.0.1:{port}{PATH}"],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert found.stdout == b'{"accepted": 1, "parked": 0} 202'


# --- Header fields -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Host", "Content-Type", "ms-signature", "Content-Length"])
@pytest.mark.parametrize("before", ["", " ", "\t", " \t  \t "])
@pytest.mark.parametrize("after", ["", " ", "\t", "\t \t  "])
def test_blanks_around_a_value_are_no_part_of_it(port: int, name: str, before: str, after: str) -> None:
    data = re.sub(rf"(?m)^{name}: ([^\r]*)".encode(), rf"{name}:{before}\g<1>{after}".encode(), POST, count=1)
    assert request(port, data).status == 202


def test_blanks_around_other_values_that_are_read_are_no_part_of_them(port: int) -> None:
    chunks = in_chunks(BODY, 40) + LAST_CHUNK
    assert request(port, CHUNKED.replace(b": chunked", b":\t chunked \t") + chunks).status == 202
    assert request(port, with_line(POST, b"Content-Encoding:\tidentity \t")).status == 202
    assert request(port, with_line(POST, b"Content-Encoding: \tgzip\t")).status == 415
    assert request(port, with_line(POST, b"Connection: \tclose\t ")).closed


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"", 400),
        (b"Host: a\r\nHost: a\r\n", 400),
        (b"Host: a\r\nHOST: b\r\n", 400),
        (b"Host : a\r\n", 400),
        (b"X-Host: a\r\n", 400),
        (b"X: \r\nHost:\r\n", 200),
        (b"hOsT:a\r\n", 200),
    ],
)
def test_a_request_names_its_host_once(port: int, lines: bytes, status: int) -> None:
    for data in (b"GET /webhooks/xtnd?echo=a HTTP/1.1\r\n", b"GET /nobody HTTP/1.1\r\n"):
        found = request(port, data + lines + b"\r\n").status
        assert found == (404 if status == 200 and b"nobody" in data else status)


def test_a_head_of_too_many_lines_is_refused(port: int) -> None:
    lines = get().count(b"\n")
    fits = with_line(get(), b"\r\n".join([b"a:"] * (MAX_HEAD_LINES - lines)))
    assert request(port, fits).status == 200
    assert request(port, with_line(fits, b"a:")).status == 431


# --- Several processes on one port ---------------------------------------------------------------


def test_two_sockets_share_a_port_only_when_both_ask_for_it() -> None:
    names = {"setting": "gateway.port", "option": "--port"}
    with admin_port.bind("127.0.0.1", 0, reuse_port=True, **names) as first:
        number = first.getsockname()[1]
        first.listen()
        with admin_port.bind("127.0.0.1", number, reuse_port=True, **names) as second:
            second.listen()
        with pytest.raises(StartupError, match="Cannot listen"):
            admin_port.bind("127.0.0.1", number, **names)


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_serve_one_port(tmp_path: Path, count: int) -> None:
    public, admins = free_port(), [free_port() for _ in range(count)]
    environment = os.environ | {"XTND_WEBHOOK_SECRET": SECRET}
    with ExitStack() as stack:
        for number in admins:
            folder = tmp_path / str(number)
            folder.mkdir()
            started = subprocess.Popen(
                [sys.executable, "-m", "connector", "gateway", "--config", str(ROOT / "config"),
                 "--kafka", "127.0.0.1:9", "--reuse-port",
                 "--port", str(public), "--admin-port", str(number)],
                cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(started.wait)
            stack.callback(started.kill)
        for number in admins:
            until(lambda number=number: admin(number, "/healthz")[0] == 200, "each lives")
        for _ in range(40 * count):
            assert post(public, delivery(), SECRET).status == 202
        assert all(served(number) > 0 for number in admins)
        assert sum(served(number) for number in admins) == 40 * count


def served(admin_port: int) -> int:
    """How many deliveries a process has accepted."""
    found = re.search(
        r'xtnd_gateway_answers_total\{hook="xtnd",status="202"\} (\d+)', admin(admin_port, "/metrics")[1]
    )
    return int(found[1]) if found else 0
