"""The public port's connections over a transport without a socket: any bytes, cut up anywhere."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from connector import config as configuration
from connector.gateway.limits import Limits
from connector.gateway.protocol import Connection, GatewayState
from tests.fake_transport import Outcome, TurnsLater, play
from tests.gateways import delivery, head, notification, signed

ROOT = Path(__file__).parents[2]
SECRET = "a secret of these tests"
PATH = "/webhooks/xtnd"
BODY = delivery(notification(), delivery_id="1" * 32)
CONFIG = configuration.load(
    ROOT / "config",
    {},
    {
        "hooks.xtnd.secrets": [SECRET],
        "hooks.xtnd.secret_files": [],
        "gateway.max_header_bytes": 1024,
        "gateway.max_body_bytes": 2048,
    },
)


def connections(later: int = 2) -> Callable[[], Connection]:
    """Makes connections of one gateway."""
    limits = Limits(CONFIG.gateway, max_connections=100)
    gateway = GatewayState(CONFIG, TurnsLater(later), lambda: 1_700_000_000_000_000, limits)
    return partial(Connection, gateway)


def outcome(pieces: list[bytes], *, eof: bool, later: int = 2) -> Outcome:
    return asyncio.run(play(connections(later), pieces, eof=eof))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


# --- Requests, good and spoilt -------------------------------------------------------------------


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;n=v\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nT: t\r\n\r\n"


GET = head("GET", PATH + "?echo=a", {})
POST = head("POST", PATH, signed(BODY, SECRET)) + BODY
IN_CHUNKS = head("POST", PATH, signed(BODY, SECRET, Content_Length=None, Transfer_Encoding="chunked"))
REQUESTS = [
    GET,
    POST,
    POST.replace(b"HTTP/1.1", b"HTTP/1.0"),
    POST.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n", 1),
    POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1),
    POST.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 1),
    POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n", 1),
    IN_CHUNKS + chunked(BODY, 1),
    IN_CHUNKS + chunked(BODY, 50),
    IN_CHUNKS + chunked(b"x" * 2049, 700),
    POST.replace(b"sha256=", b"sha256=0"),
    head("POST", PATH, signed(b"no json", SECRET)) + b"no json",
    head("POST", PATH, {"Content-Length": "2049"}) + b"x" * 2049,
    head("POST", PATH, {"X": "y" * 1100}),
    head("POST", PATH, {}),
    head("GET", PATH, {"Content-Length": "3"}) + b"abc",
    head("HEAD", PATH, {}),
    head("BREW", "/nobody", {}),
    b"\r\n\r\n",
    b"\r",
    b"GET " + PATH.encode(),
]
STRANGERS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\xff",
    b"chunked",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"9" * 30,
]


def spoilt(chance: random.Random, data: bytes) -> bytes:
    """Changed, cut out, doubled, or strangers put in."""
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(spoilt) + 1)
        what = chance.randrange(4)
        if what == 0:
            spoilt[at : at + 1] = bytes([chance.randrange(256)])
        elif what == 1:
            del spoilt[at : at + chance.randint(1, 20)]
        elif what == 2:
            spoilt[at:at] = spoilt[at : at + chance.randint(1, 40)]
        else:
            spoilt[at:at] = chance.choice(STRANGERS)
    return bytes(spoilt)


# --- Properties ----------------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    requests=st.lists(st.sampled_from(REQUESTS) | st.binary(max_size=40), max_size=6),
    seed=st.none() | st.integers(0, 2**32),
    places=st.lists(st.integers(0, 5000), max_size=30),
    eof=st.booleans(),
    later=st.integers(0, 4),
)
def test_where_a_stream_is_cut_up_does_not_change_its_answers(
    requests: list[bytes], seed: int | None, places: list[int], eof: bool, later: int
) -> None:
    data = b"".join(requests)
    if seed is not None:
        data = spoilt(random.Random(seed), data)
    whole = outcome([data], eof=eof)
    assert outcome(cut(data, places), eof=eof, later=later) == whole
    assert set(whole.statuses) <= {200, 202, 400, 401, 404, 405, 413, 415, 431}


def test_twenty_thousand_spoilt_streams_answer_the_same_in_any_pieces() -> None:
    async def run() -> set[int]:
        seen: set[int] = set()
        chance = random.Random(20_000)
        make = connections()
        for number in range(20_000):
            data = spoilt(chance, b"".join(chance.choices(REQUESTS, k=chance.randint(1, 3))))
            places = [chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 8))]
            eof = number % 4 == 0
            whole = await play(make, [data], eof=eof)
            assert await play(make, cut(data, places), eof=eof) == whole, data
            seen |= set(whole.statuses)
        return seen

    assert asyncio.run(run()) >= {200, 202, 400, 401, 404, 405, 413, 431}


@settings(max_examples=25)
@given(requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3), eof=st.booleans())
def test_a_stream_may_come_byte_by_byte(requests: list[bytes], eof: bool) -> None:
    data = b"".join(requests)
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert outcome(pieces, eof=eof) == outcome([data], eof=eof)
