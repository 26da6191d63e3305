"""Requests whose end two servers might see at different places: what follows is never served as one.

Each variant carries a good signature over the body that a lenient server would read, and is followed by
an echo check. Whatever the first request is answered, it is a refusal, and the second is no request.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import config as configuration
from tests import gateways
from tests.gateways import PATH, Wire, delivery, signed
from tests.integration.test_gateway_http import Intake, statuses

ROOT = Path(__file__).parents[2]
SECRET = "a secret of these tests"
BODY = delivery()
SIZE = len(BODY)
LINE = f"POST {PATH} HTTP/1.1\r\n".encode()
HOST = b"Host: gateway\r\n"
REST = b"".join(
    f"{name}: {value}\r\n".encode() for name, value in signed(BODY, SECRET, Content_Length=None).items()
)
FIELDS = HOST + REST
LENGTH = b"Content-Length: %d\r\n" % SIZE
IN_CHUNKS = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE, BODY)
SECOND = f"GET {PATH}?echo=smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n".encode()


def headed(fields: bytes, body: bytes, line: bytes = LINE) -> bytes:
    return line + fields + b"\r\n" + body


def lengths() -> Iterator[bytes]:
    number = b"%d" % SIZE
    for value in [
        b"+" + number, b"-" + number, b"0x%x" % SIZE, b"%x" % SIZE, number + b".0", number + b"e0",
        number + b", " + number, number + b"," + number, number + b";", number + b";a",
        number + b" " + number,
        number[:1] + b" " + number[1:], number[:1] + b"_" + number[1:], b'"' + number + b'"', b"'" + number,
        number + b"L", b"NaN", b"Inf", b"", b"\t", b",", number + b",", b"," + number, number + b"\x0b",
        b"\x0c" + number, number + b"\x00", b"\xa0" + number, number + b"\xa0", b"\xef\xbc\x91",
        str(SIZE).translate({48 + n: 0x660 + n for n in range(10)}).encode(), b"0" * 40 + number,
        b"9" * 18, b"9" * 19, b"9" * 40, b"18446744073709551616", b"%d" % (2**64 + SIZE),
        b"%d" % (2**32 + SIZE),
        b"-0", b"-1", number + b"\x7f", b"\x1b" + number, number + b"#", b"%" + number, b"$" + number,
    ]:  # fmt: skip
        yield headed(FIELDS + b"Content-Length: " + value + b"\r\n", BODY)


def encodings() -> Iterator[bytes]:
    for value in [
        b"xchunked", b"chunkedx", b"chunked, chunked", b"chunked,chunked", b"chunked, identity",
        b"identity",
        b"identity, chunked", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked;q=1", b'"chunked"',
        b"'chunked'", b"chunked,", b",chunked", b", chunked", b"chunked ,", b"", b"\t", b"cow", b"chun ked",
        b"chunked\x0b", b"\x0bchunked", b"\x0cchunked", b"chunked\x00", b"\x00chunked", b"\xa0chunked",
        b"chunked\xa0", b"chunked\x7f", b"\x7fchunked", b"chunked chunked", b"chunke\xc4\x91", b"chunked=1",
        b"deflate", b"compress, chunked", b"trailers", b"CHUNKED, identity", b"\xe2\x80\x8bchunked",
        b"null",
    ]:  # fmt: skip
        yield headed(FIELDS + b"Transfer-Encoding: " + value + b"\r\n", CHUNKS)
        yield headed(FIELDS + b"Transfer-Encoding: " + value + b"\r\n" + LENGTH, CHUNKS)


def names() -> Iterator[bytes]:
    for name, value, body in [
        (b"Content-Length", b"%d" % SIZE, BODY),
        (b"Transfer-Encoding", b"chunked", CHUNKS),
    ]:
        first, last = name.split(b"-")
        for spoilt in [
            name + b" ", name + b"\t", b" " + name, b"\t" + name, first + b"_" + last, first + b" " + last,
            first + last, first + b"--" + last, name + b"\x0b", b"\x0b" + name, name + b"\x00",
        b"\x00" + name,
            name + b"\xa0", b"\xa0" + name, name + b"\x7f", b"(" + name + b")", b'"' + name + b'"',
        name + b"\r",
            b"\r" + name, b"\n" + name, name + b"\n", name + b"[]", name + b"=", b":" + name, name + b";",
            b"X: y\r" + name, b"X: y\n" + name, b"X:\r\n " + name, b"X-" + name, name + b"\xc2\xad",
        ]:  # fmt: skip
            yield headed(FIELDS + spoilt + b": " + value + b"\r\n", body)


def pairs() -> Iterator[bytes]:
    other = b"Content-Length: %d\r\n" % (SIZE + len(SECOND))
    fields = [
        LENGTH,
        other,
        LENGTH.lower(),
        IN_CHUNKS,
        IN_CHUNKS.upper(),
        IN_CHUNKS.lower(),
        b"Content-Length: 0\r\n",
    ]
    for one, two in itertools.product(fields, repeat=2):
        yield headed(HOST + one + REST + two, CHUNKS if b"chunked" in (one + two).lower() else BODY)
    yield headed(FIELDS + IN_CHUNKS, CHUNKS, LINE.replace(b"1.1", b"1.0"))
    yield headed(FIELDS + IN_CHUNKS + b"Connection: keep-alive\r\n", CHUNKS, LINE.replace(b"1.1", b"1.0"))
    yield headed(FIELDS + IN_CHUNKS * 3, CHUNKS)
    yield headed(FIELDS + LENGTH * 3, BODY)


def chunk_sizes() -> Iterator[bytes]:
    size = b"%x" % SIZE
    for value in [
        b"-" + size, b"+" + size, b"0x" + size, size + b" ", b" " + size, size + b"\t", b"\t" + size,
        b"g", b"",
        b";", b";a=b", size + b",", size + b"_", size + b"\x00", size + b"\x0b", size + b"\xa0",
        b"f" * 15 + size, b"1" + b"0" * (16 - len(size)) + size, size + b"\n", size + b"\r", size + b"h",
        b"\xef\xbc\x95", size + b" ;a", size + b"\t;a", size + b";a\rb", size + b";a\nb", size + b"#",
        b"'" + size,
        b"%x" % (SIZE + 1), b"%x" % (SIZE - 1), b"\r\n" + size, b"1\r\n",
    ]:  # fmt: skip
        yield headed(FIELDS + IN_CHUNKS, value + b"\r\n" + BODY + b"\r\n0\r\n\r\n")


def chunk_ends() -> Iterator[bytes]:
    start = b"%x\r\n%s" % (SIZE, BODY)
    for rest in [
        b"0\r\n\r\n", b"\n0\r\n\r\n", b"\r0\r\n\r\n", b"\n\r0\r\n\r\n", b"\r\r\n0\r\n\r\n",
        b"\r\n\n0\r\n\r\n",
        b"\r\n0\n\r\n", b"\r\n0\r\r\n", b"\r\n-0\r\n\r\n", b"\r\n0x0\r\n\r\n", b"\r\n 0\r\n\r\n",
        b"\r\n0\n\n",
        b"XX0\r\n\r\n", b"\r\n0\r\nX\r\n\r\n", b"\r\n0\r\nX : y\r\n\r\n", b"\r\n0\r\n\x00: y\r\n\r\n",
        b"\r\n0\r\nX: y\n\r\n", b"\r\n0\r\nX: a\rb\r\n\r\n", b"\r\n\r\n0\r\n\r\n", b"  \r\n0\r\n\r\n",
    ]:  # fmt: skip
        yield headed(FIELDS + IN_CHUNKS, start + rest)
    yield headed(FIELDS + IN_CHUNKS, b"%x\n%s\n0\n\n" % (SIZE, BODY))
    yield headed(FIELDS + IN_CHUNKS, BODY)


def lines() -> Iterator[bytes]:
    whole = headed(FIELDS + LENGTH, BODY)
    fields = whole.split(b"\r\n\r\n")[0].split(b"\r\n")
    for at in range(len(fields)):
        for mark in [
            b"\n",
            b"\r",
            b"\n\r",
            b"\r\r\n",
            b"\x00\r\n",
            b"\r\n\t",
            b"\r\n \r\n",
            b"\r\n:\r\n",
            b"\r\nx\r\n",
        ]:
            spoilt = b"\r\n".join(fields[: at + 1]) + mark + b"\r\n".join(fields[at + 1 :])
            yield spoilt + (b"\r\n" if at + 1 < len(fields) else b"") + b"\r\n" + BODY
    for line in [
        LINE.replace(b" HTTP", b"  HTTP"), LINE.replace(b"POST ", b"POST  "), LINE.replace(b"POST ",
        b"POST\t"),
        LINE.replace(b"1.1\r", b"1.1 \r"), LINE.replace(b"1.1", b"1.10"), LINE.replace(b"1.1", b"01.1"),
        LINE.replace(b"1.1", b"1,1"), LINE.replace(b"1.1", b"1.\xef\xbc\x91"), LINE.replace(b"HTTP",
        b"http"),
        LINE.replace(b"HTTP", b"ICE"), LINE.replace(b"xtnd", b"xt nd"), LINE.replace(b"xtnd", b"xtnd\x0b"),
        LINE.replace(b"xtnd", b"xtnd\xa0"), LINE.replace(b"1.1", b"2.0"), LINE.replace(b" HTTP/1.1", b""),
        LINE.replace(b"POST", b"PO ST"), LINE.replace(b"POST", b"P\x00ST"), b"\x00" + LINE, b" " + LINE,
        b"\t" + LINE,
        b"\n" + LINE, b"\r" + LINE, b"X: y\r\n" + LINE,
    ]:  # fmt: skip
        yield headed(FIELDS + LENGTH, BODY, line)


VARIANTS = {
    f"{kind.__name__}-{number}": data
    for kind in (lengths, encodings, names, pairs, chunk_sizes, chunk_ends, lines)
    for number, data in enumerate(kind())
}
# What RFC 9112 takes, though it looks odd: served as what it says.
SOUND = {
    "lower case": headed(FIELDS + LENGTH.lower(), BODY),
    "blanks": headed(FIELDS + b"CONTENT-LENGTH:\t %d \t\r\n" % SIZE, BODY),
    "leading zeros": headed(FIELDS + b"Content-Length: 000%d\r\n" % SIZE, BODY),
    "empty lines before": b"\r\n\r\n" + headed(FIELDS + LENGTH, BODY),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = configuration.load(
        ROOT / "config",
        {},
        {
            "hooks.xtnd.secrets": [SECRET],
            "hooks.xtnd.secret_files": [],
            "kafka.bootstrap_servers": "127.0.0.1:9",
        },
    )
    with gateways.running(config, Intake()) as public:
        yield public


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in VARIANTS.items()])
def test_what_follows_an_unclear_end_is_not_served(port: int, data: bytes) -> None:
    with Wire(port) as wire:
        found = wire.send(data + SECOND).end().rest()
    assert b"smuggled" not in found
    assert statuses(found)
    assert all(400 <= status < 500 for status in statuses(found)), found


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in SOUND.items()])
def test_what_is_odd_but_clear_is_served(port: int, data: bytes) -> None:
    with Wire(port) as wire:
        assert statuses(wire.send(data + SECOND).end().rest()) == [202, 200]


def test_there_are_hundreds_of_variants() -> None:
    assert len(set(VARIANTS.values())) > 300
