"""What the public port bounds: bytes, connections, time and work, each with what happens at the limit."""

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connector import admin
from connector.gateway import limits as bounds
from connector.gateway import protocol, server
from connector.gateway.limits import Limits
from connector.gateway.protocol import Connection, GatewayState
from connector.gateway.reader import RequestReader
from tests.fake_transport import FakeTransport, TurnsLater, answers, turns
from tests.gateways import head, signed
from tests.unit.test_http import BODY, CONFIG, GET, PATH, POST, SECRET

REQUEST_SECONDS = CONFIG.gateway.request_deadline_seconds
KEEP_ALIVE_SECONDS = CONFIG.gateway.keep_alive_seconds
PART = head("POST", PATH, signed(BODY, SECRET)) + BODY[:100]


class Port:
    """The connections of a gateway, over transports without sockets."""

    def __init__(self, *, max_connections: int = 100, later: int = 2) -> None:
        self.limits = Limits(CONFIG.gateway, max_connections=max_connections)
        self.intake = TurnsLater(later)
        self.gateway = GatewayState(CONFIG, self.intake, lambda: 1_700_000_000_000_000, self.limits)

    def connect(self, data: bytes = b"") -> tuple[Connection, FakeTransport]:
        connection = Connection(self.gateway)
        transport = FakeTransport(connection)
        if data:
            connection.data_received(data)
        return connection, transport


def seconds_left(connection: Connection) -> float:
    return connection.deadline - asyncio.get_running_loop().time()


def statuses(transport: FakeTransport) -> list[int]:
    return [int(answer[9:12]) for answer in answers(transport.written)]


def on_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


# --- Time ----------------------------------------------------------------------------------------


@on_a_loop
async def test_each_stage_of_a_connection_has_its_deadline() -> None:
    connection, _ = Port(later=5).connect()
    assert seconds_left(connection) == pytest.approx(REQUEST_SECONDS, abs=0.5)
    connection.data_received(POST)
    assert seconds_left(connection) > 1e9
    await turns(9)
    assert seconds_left(connection) == pytest.approx(KEEP_ALIVE_SECONDS, abs=0.5)
    connection.data_received(POST[:20])
    assert seconds_left(connection) == pytest.approx(REQUEST_SECONDS, abs=0.5)
    begun = connection.deadline
    connection.data_received(POST[20:-5])
    assert connection.deadline == begun
    connection.data_received(POST[-5:])
    assert seconds_left(connection) > 1e9


@pytest.mark.parametrize("data", [GET, POST])
def test_an_answer_that_is_not_read_has_the_deadline_of_a_request(data: bytes) -> None:
    @on_a_loop
    async def run() -> None:
        connection, transport = Port().connect()
        transport.full = True
        connection.data_received(data + GET)
        await turns(9)
        assert len(statuses(transport)) == 1
        assert seconds_left(connection) == pytest.approx(REQUEST_SECONDS, abs=0.5)
        connection.time_out()
        assert transport.aborted

    run()


@on_a_loop
async def test_a_buffer_that_is_seen_to_be_full_later_sets_the_deadline_too() -> None:
    # uvloop writes at the end of a turn, when the next request may be in the middle of being answered.
    connection, _ = Port(later=9).connect(GET)
    connection.pause_writing()
    assert seconds_left(connection) == pytest.approx(REQUEST_SECONDS, abs=0.5)
    connection.resume_writing()
    await turns(1)
    connection.data_received(POST)
    connection.pause_writing()
    assert seconds_left(connection) == pytest.approx(REQUEST_SECONDS, abs=0.5)
    connection.resume_writing()
    assert seconds_left(connection) > 1e9


@on_a_loop
async def test_the_next_request_is_served_once_answers_are_read() -> None:
    connection, transport = Port().connect()
    transport.full = True
    connection.data_received(GET * 3)
    await turns(9)
    assert not transport.reading
    transport.full = False
    connection.resume_writing()
    await turns(9)
    assert statuses(transport) == [200, 200, 200]
    assert transport.reading
    assert seconds_left(connection) == pytest.approx(KEEP_ALIVE_SECONDS, abs=0.5)


@on_a_loop
async def test_a_bug_at_one_deadline_does_not_stop_the_watch_over_others() -> None:
    port = Port()
    port.limits.request_seconds = 0.01
    broken, _ = port.connect()
    others = [port.connect()[0] for _ in range(5)]

    def fail() -> None:
        raise RuntimeError("a bug")

    broken.time_out = fail  # type: ignore[method-assign]
    watch = asyncio.create_task(port.limits.watch())
    await asyncio.wait_for(_until(lambda: all(other.gone for other in others)), 5)
    watch.cancel()


async def _until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - a condition of any kind has no event
        await asyncio.sleep(0.001)


@on_a_loop
async def test_a_connection_that_comes_during_a_stop_is_ended_too() -> None:
    port = Port()
    port.connect()
    drain = asyncio.create_task(port.limits.drain(30))
    await turns(1)
    started = time.monotonic()
    late, transport = port.connect()
    await drain
    assert late.gone
    assert not transport.aborted
    assert time.monotonic() - started < 20  # and not the 30 of a whole drain


# --- Connections ---------------------------------------------------------------------------------


@on_a_loop
async def test_the_longest_waiting_connection_makes_space_for_a_new_one() -> None:
    port = Port(max_connections=3)
    idle, slow, active = port.connect(), port.connect(PART), port.connect(GET)
    idle[0].data_received(GET)
    port.connect()
    assert statuses(slow[1]) == [408]
    assert slow[1].closing
    port.connect()
    assert active[1].closing
    assert statuses(active[1]) == [200]
    assert not idle[1].closing
    assert len(port.limits.connections) == 3


@on_a_loop
async def test_who_was_answered_for_good_goes_before_who_is_waited_for() -> None:
    port = Port(max_connections=3)
    waiting = port.connect(PART)
    refused = port.connect(b"nonsense\r\n\r\n")
    unread = port.connect()
    unread[1].full = True
    unread[0].data_received(POST.replace(b"POST", b"PUT"))
    assert statuses(refused[1]) == [400]
    assert len(port.limits.connections) == 3
    for ended in (refused, unread):
        port.connect()
        assert ended[1].aborted
    assert not waiting[1].closing


@on_a_loop
async def test_a_connection_is_not_evicted_while_it_is_answered() -> None:
    port = Port(max_connections=1, later=5)
    _, transport = port.connect(POST)
    _, new = port.connect()
    assert new.closing
    await turns(9)
    assert statuses(transport) == [202]


@on_a_loop
async def test_an_evicted_peer_that_does_not_read_is_aborted_soon() -> None:
    port = Port(max_connections=1)
    _, transport = port.connect(PART)
    transport.full = True
    port.connect()
    assert transport.closing
    assert not transport.aborted
    await asyncio.wait_for(_until(lambda: transport.aborted), bounds.LINGER_SECONDS + 2)


@on_a_loop
async def test_a_refused_peer_is_listened_to_for_so_many_bytes_only() -> None:
    connection, transport = Port().connect(b"nonsense\r\n\r\n")
    for _ in range(bounds.LINGER_BYTES // 65_536):
        connection.data_received(b"x" * 65_536)
    assert not transport.aborted
    connection.data_received(b"x")
    assert transport.aborted


@on_a_loop
async def test_a_peer_that_may_still_be_sending_is_listened_to_after_a_refusal() -> None:
    _, transport = Port().connect(PART.replace(b"POST", b"PUT"))
    assert transport.ended
    assert transport.reading
    assert not transport.closing
    whole, other = Port().connect(head("GET", PATH, {"Connection": "close"}))
    assert whole.gone
    assert other.closing


# --- Bytes ---------------------------------------------------------------------------------------


@on_a_loop
async def test_who_holds_bytes_longest_makes_space_for_other_bytes_and_nobody_else_does() -> None:
    port = Port()
    port.limits.max_buffered_bytes = 450
    idle = port.connect(GET)
    first, second, third = port.connect(PART), port.connect(PART), port.connect(PART)
    fourth = port.connect(PART)
    assert port.limits.buffered_bytes == 400
    fifth = port.connect(PART)
    assert statuses(first[1]) == [408]
    assert port.limits.buffered_bytes == 400
    assert not any(kept[1].closing for kept in (idle, second, third, fourth, fifth))


@on_a_loop
async def test_what_was_sent_ahead_goes_and_the_answer_stays() -> None:
    port = Port(later=9)
    port.limits.max_buffered_bytes = 3 * len(GET)
    connection, transport = port.connect(POST)
    connection.data_received(GET * 4)
    assert port.limits.buffered_bytes == 0
    await turns(20)
    assert statuses(transport) == [202]
    assert b"connection: close" in transport.written


@pytest.mark.parametrize("more", [0, 1])
def test_too_much_sent_ahead_ends_the_connection_after_the_answer(more: int) -> None:
    @on_a_loop
    async def run() -> None:
        port = Port(later=9)
        connection, transport = port.connect(POST)
        count = bounds.AHEAD_BYTES // len(GET)
        connection.data_received(GET * count + b"G" * (bounds.AHEAD_BYTES - count * len(GET) + more))
        assert port.limits.buffered_bytes == (0 if more else bounds.AHEAD_BYTES)
        await turns(20 + 2 * count)
        assert statuses(transport) == ([202] if more else [202] + [200] * count)
        assert transport.ended == bool(more)

    run()


@on_a_loop
async def test_nothing_is_buffered_when_connections_are_over() -> None:
    port = Port()
    for data in (PART, POST[:50], GET * 5 + PART, POST * 3, b"x" * 5000, b"nonsense\r\n\r\n" + GET):
        connection, transport = port.connect(data)
        await turns(30)
        transport.abort()
        await turns(3)
        assert connection.gone
    assert (port.limits.buffered_bytes, len(port.limits.buffered)) == (0, 0)
    assert not port.limits.connections
    assert not port.limits.waiting
    assert not port.limits.ending


@pytest.mark.parametrize(
    ("start", "more", "cap", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y", CONFIG.gateway.max_header_bytes, 431),
        (
            head("POST", PATH, {"Transfer-Encoding": "chunked"}),
            b"1\r\nx\r\n",
            CONFIG.gateway.max_body_bytes,
            413,
        ),
    ],
)
def test_a_head_and_a_body_end_at_their_cap(start: bytes, more: bytes, cap: int, status: int) -> None:
    @on_a_loop
    async def run() -> None:
        _, transport = Port().connect(start)
        sent = 0 if status == 413 else len(start)
        connection: Any = transport.protocol
        while sent < cap:
            connection.data_received(more)
            sent += 1
        assert not transport.written
        connection.data_received(more)
        assert statuses(transport) == [status]

    run()


@pytest.mark.parametrize("fault", [b"\0", b"a\nb", b"a\rb", b"a\r\n b", b"a\r\n\tb"])
def test_what_no_further_byte_can_make_good_is_refused_at_once(fault: bytes) -> None:
    @on_a_loop
    async def run() -> None:
        for at in range(len(fault) + 1):
            connection, transport = Port().connect(GET[:-2] + b"X: " + fault[:at])
            connection.data_received(fault[at:] + b"c")
            assert statuses(transport) == [400]

    run()


@pytest.mark.parametrize("size", [1, 3, 200_000])
def test_empty_lines_alone_do_not_keep_the_gateway_at_work(size: int) -> None:
    """They belong to no request: 40 senders of them cost a good one 5 s, without a signature."""

    async def check() -> None:
        port = Port()
        clumsy, transport = port.connect()
        for _ in range(2):
            clumsy.data_received(b"\r\n" * bounds.MAX_EMPTY_LINES + GET)
            await turns(3)
        assert statuses(transport) == [200, 200]
        hostile, transport = port.connect()
        flood = b"\r\n" * 100_000
        for start in range(0, 30, size):
            hostile.data_received(flood[start : start + size])
        assert statuses(transport) == [400]
        assert transport.ended
        assert b"empty lines" in transport.written

    asyncio.run(check())


def test_what_is_counted_is_what_is_kept() -> None:
    reader = RequestReader(max_header_bytes=32_768, max_body_bytes=1_048_576)
    large = head("POST", PATH, {"Content-Length": "200000"}) + b"x" * 200_000
    reader.add(large + b"G")
    assert reader.take_head() is not None
    reader.expect_body()
    assert reader.take_body() == b"x" * 200_000
    assert (reader.ahead, reader.buffered_bytes) == (1, len(large) + 1)
    reader.add(b"E")
    assert reader.buffered_bytes == 2
    reader.add(large)
    reader.drop()
    assert reader.buffered_bytes == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_in_tiny_packets_takes_no_more_memory_than_its_size(chunked: bool) -> None:
    size, pieces = 400_000, 2
    reader = RequestReader(max_header_bytes=32_768, max_body_bytes=size)
    fields = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    reader.add(head("POST", PATH, fields))
    reader.take_head()
    reader.expect_body()
    tracemalloc.start()
    for number in range(size // pieces - 1):
        part = bytes([65 + number % 26, 65 + number // 26 % 26])
        reader.add(b"2\r\n%s\r\n" % part if chunked else part)
        assert reader.take_body() is None
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.5 * size
    assert reader.buffered_bytes == size - pieces


@pytest.mark.parametrize(
    ("option", "name"), [(socket.SO_SNDBUF, "SEND_BUFFER_BYTES"), (socket.SO_RCVBUF, "RECEIVE_BUFFER_BYTES")]
)
def test_the_kernel_keeps_no_more_for_a_connection_than_it_may(
    option: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel doubles what it is given, for its own bookkeeping.
    assert getattr(server, name) <= 65_536
    monkeypatch.setattr(server, name, 20_000)
    port = Port()

    class Watched(GatewayState):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            port.gateway = self

    @on_a_loop
    async def run() -> None:
        with admin.bind("127.0.0.1", 0, setting="gateway.port", option="--port") as listener:
            async with server.serving(CONFIG, port.intake, listener, state=Watched):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                await asyncio.wait_for(_until(lambda: port.gateway.limits.connections), 5)
                [connection] = port.gateway.limits.connections
                accepted = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
                assert accepted.getsockopt(socket.SOL_SOCKET, option) == 40_000
                writer.close()

    run()


# --- Work ----------------------------------------------------------------------------------------


def cost(pieces: list[bytes], requests: int) -> float:
    """CPU seconds for each request, at best."""

    async def once() -> float:
        connection, _ = Port().connect()
        started = time.process_time()
        for piece in pieces:
            connection.data_received(piece)
        while connection._resting:  # noqa: ASYNC110 - the loop's turns are what is measured
            await asyncio.sleep(0)
        return (time.process_time() - started) / requests

    return min(asyncio.run(once()) for _ in range(5))


def test_an_answer_costs_the_same_whatever_waits_behind_it() -> None:
    few, many = 20, bounds.AHEAD_BYTES // len(GET)
    assert cost([GET * many], many) < 3 * cost([GET * few], few)


def test_the_work_for_a_head_grows_with_its_size_alone() -> None:
    def read(size: int, piece: int) -> float:
        data = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * size + b"\r\n\r\n"
        started = time.process_time()
        reader = RequestReader(max_header_bytes=1_000_000, max_body_bytes=1)
        for at in range(0, len(data), piece):
            reader.add(data[at : at + piece])
            found = reader.take_head()
        assert found is not None
        return time.process_time() - started

    small, large = (min(read(size, 1) for _ in range(3)) for size in (4_000, 32_000))
    assert large < 8 * 3 * small


# --- Deliveries under way ------------------------------------------------------------------------


def posted(body: bytes) -> bytes:
    return head("POST", PATH, signed(body, SECRET)) + body


# More notifications than are made records of in one turn.
MANY = posted(b'{"Id": "a", "Notifications": [' + b"{}," * 249 + b"{}]}")


@pytest.mark.parametrize("data", [POST, MANY])
def test_deliveries_under_way_are_bounded_by_their_bytes_but_a_lone_one_passes(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(protocol, "MAX_UNDER_WAY_BYTES", 1)

    @on_a_loop
    async def run() -> None:
        port = Port(later=50)
        (_, first), (_, second) = port.connect(data), port.connect(data)
        await turns(20)
        assert (statuses(first), statuses(second)) == ([], [429])
        await turns(80)
        assert statuses(first) == [202]
        assert (port.gateway.in_flight, port.gateway.in_flight_bytes) == (0, 0)

    run()


@on_a_loop
async def test_a_delivery_whose_sender_went_away_is_under_way_no_longer() -> None:
    port = Port(later=5)
    for data in (POST, MANY, posted(b"no JSON"), POST[:-2]):
        connection, _ = port.connect(data)
        connection.connection_lost(None)
    await turns(20)
    assert (port.gateway.in_flight, port.gateway.in_flight_bytes) == (0, 0)
