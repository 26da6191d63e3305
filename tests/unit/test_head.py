"""Heads as raw bytes: what is sound, and nothing but ``Malformed`` for what is not."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.gateway import head as heads
from connector.gateway.chunks import ChunkedBody, TooLarge
from connector.gateway.head import Malformed

FIRST = st.sampled_from([b"POST / HTTP/1.1", b"GET /a HTTP/1.0", b"BREW * HTTP/1.1"])
LINES = st.sampled_from(
    [b"Host: a", b"host:\tb ", b"Content-Length: 5", b"Content-Length:\t7 \t", b"Connection: close, x",
     b"Transfer-Encoding: chunked", b"Connection: Upgrade", b"Upgrade: h2c", b"X: \xff", b"X"]
)  # fmt: skip


@given(line=FIRST | st.binary(max_size=20), lines=st.lists(LINES | st.binary(max_size=20), max_size=6))
@example(line=b"POST / HTTP/1.1", lines=[b"Host: a", b"Content-Length: 5"])
def test_a_head_is_read_whole_or_malformed(line: bytes, lines: list[bytes]) -> None:
    try:
        head = heads.read(b"\r\n".join([line, *lines]) + b"\r\n\r\n")
    except Malformed:
        return
    assert line == b"%s %s HTTP/1.%s" % (head.method, head.target, head.minor_version)
    assert head.length is None or head.length >= 0
    assert head.minor_version == b"0" or len(head.fields[b"host"]) == 1
    for name, values in head.fields.items():
        assert name == name.lower().strip(b" \t")
        assert all(value == value.strip(b" \t") for value in values)


@pytest.mark.parametrize(
    "fields",
    [
        {b"content-length": [b"5", b"5"]},
        {b"content-length": [b"5"], b"transfer-encoding": [b"chunked"]},
        {b"transfer-encoding": [b"chunked", b"chunked"]},
        {b"transfer-encoding": [b"gzip, chunked"]},
        {b"content-length": [b"+5"]},
    ],
)
def test_an_unclear_length_is_malformed_whatever_the_parser_lets_through(fields: heads.Fields) -> None:
    with pytest.raises(Malformed):
        heads.FieldReader(fields).body_length(b"1")


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
@example(b"3\r\nabc\r\n0\r\n\r\n", [4])
def test_chunks_are_read_or_refused(data: bytes, places: list[int]) -> None:
    body = bytearray()
    chunks = ChunkedBody(body, 16)
    ends = sorted({*places, 0, 60})
    try:
        for start, end in pairwise(ends):
            if chunks.feed(data[start:end]):
                break
    except (Malformed, TooLarge):
        return
    assert len(body) <= 16
