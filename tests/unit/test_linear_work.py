# ruff: noqa: E501 - each input stands in one line with its name
"""Every parser that foreign bytes reach takes time in proportion to them, whatever stands in them."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from connector import config, events
from connector.errors import ConnectorError
from connector.gateway import doctor, protocol, signature
from connector.gateway import head as heads
from connector.gateway.chunks import ChunkedBody
from connector.gateway.records import Translator
from connector.gateway.signature import Keys
from connector.mirror import values
from tests.conftest import SECRET, shipped

STEP = 4
# In proportion means STEP times as long; with the square of the length it would be STEP times that.
MOST_TIMES = 10
# What takes less than this is not measured well enough to be judged.
LEAST_SECONDS = 0.1
SIZES = [16_384, 65_536, 262_144, 1_048_576]
AGAIN = 4

UNITS = {
    "opening brackets": "[",
    "closing brackets": "]",
    "objects within objects": '{"a":',
    "quotes": '"',
    "empty texts": '"",',
    "backslashes": "\\",
    "escaped quotes": '\\"',
    "nul escapes": "\\u0000",
    "backslashes before u0000": "\\\\u000",
    "half surrogate pairs": "\\ud83d",
    "surrogate pairs": "\\ud83d\\ude00",
    "commas": ",",
    "numbers": "1,",
    "digits": "1",
    "zeros": "0",
    "runs of 999 digits": "1" * 999 + ",",
    "exponents": "1e9,",
    "huge exponents": "1e9999,",
    "groups of digits": "111 ",
    "blanks": " ",
    "line ends": "\r\n",
    "letters beyond ASCII": "é",
    "members": '"a":1,',
    "equal signs": "=",
}
AROUND = {
    "alone": ("", ""),
    "behind 33 brackets and a quote": ("[" * 33 + '"', ""),
    "as notifications": ('{"Id":"a","Notifications":[', "1]}"),
    "as deep notifications": ('{"Id":"a","Notifications":[' + "[" * 40, "1" + "]" * 40 + "]}"),
    "as properties": ('{"Id":"a","Notifications":[{"Action":"A","Details":{}}],"Properties":{"a":"', '"}}'),
    "as text": ('{"Id":"a","Notifications":[{"Action":"A","Details":{"a":"', '"}}]}'),
    "as a number": ('{"Id":"a","Notifications":[{"Action":"A","Details":{"a":0.', "1}}]}"),
    "as an array": ('{"Id":"a","Notifications":[{"Action":"A","Details":{"a":[', "1]}}]}"),
    "as an action": ('{"Id":"a","Notifications":[{"Action":"', '","Details":{}}]}'),
    "as a number of an order": ('{"Notifications":[{"Action":"OrderCreated","Details":{"OrderNumber":', '1}}],"Id":"a"}'),
}  # fmt: skip


def check(act: Callable[[Any], Any], made: Callable[[int], Any], sizes: list[int] = SIZES) -> None:
    before = seconds(act, made(sizes[0]))
    for size in sizes[1:]:
        value = made(size)
        now = seconds(act, value)
        for _ in range(AGAIN):  # another process may have been in the way
            if now <= max(LEAST_SECONDS, MOST_TIMES * before):
                break
            now = min(now, seconds(act, value))
        assert now <= max(LEAST_SECONDS, MOST_TIMES * before), (
            f"{size} bytes take {now:.3f} s of CPU, {size // STEP} take {before:.3f} s"
        )
        before = now


def seconds(act: Callable[[Any], Any], value: Any) -> float:
    """CPU that one call takes; what it raises on purpose is part of it."""
    start = time.process_time()
    with suppress(ConnectorError, ValueError):
        act(value)
    return time.process_time() - start


def repeated(unit: str, before: str = "", after: str = "") -> Callable[[int], bytes]:
    def made(size: int) -> bytes:
        return (before + unit * (size // len(unit)) + after).encode()

    return made


@pytest.fixture(scope="module")
def translate() -> Callable[[bytes], Any]:
    translator = Translator(config.parse(shipped(), {"XTND_WEBHOOK_SECRET": SECRET}))

    def act(raw: bytes) -> Any:
        verified = signature.verify((), raw, Keys(hook="xtnd", keyed=(), required=False))
        return list(translator.records(verified, 1_763_900_000_123_456))

    return act


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
@pytest.mark.parametrize(("before", "after"), AROUND.values(), ids=AROUND.keys())
def test_a_delivery_takes_time_in_proportion_to_its_bytes(
    translate: Callable[[bytes], Any], unit: str, before: str, after: str
) -> None:
    check(translate, repeated(unit, before, after))


def read_letter(value: bytes) -> Any:
    return events.DeadLetter.decode([("dead-letter", value)], value)


def read_head(before: bytes, after: bytes) -> Callable[[bytes], Any]:
    return lambda raw: heads.read(before + raw + after)


def read_chunks(raw: bytes) -> Any:
    return ChunkedBody(bytearray(), len(raw)).feed(raw)


LINE, HOST = b"POST /webhooks/xtnd HTTP/1.1\r\n", b"Host: gateway\r\n"
HEAD_SIZES = [1024, 4096, 16_384, 65_536]
PARSERS: dict[str, tuple[Callable[[bytes], Any], list[int]]] = {
    "nesting": (events.nesting, SIZES),
    "a notification": (events.parse_notification, SIZES),
    "an event on Kafka": (events.decode, SIZES),
    "a dead letter": (read_letter, SIZES),
    "JSON to be kept": (lambda raw: events.read_json("Details", raw), SIZES),
    "U+0000": (lambda raw: events.refuse_nul("Details", raw), SIZES),
    "a signature": (lambda raw: signature.read([raw]), SIZES),
    "a signature behind its name": (lambda raw: signature.read([b"sha256" + raw]), SIZES),
    "text": (lambda raw: values.text(raw.decode()), SIZES),
    "a number printed for people": (lambda raw: values.numeric(raw.decode()), SIZES),
    "a number with decimals": (lambda raw: values.numeric("1," + raw.decode()), SIZES),
    "an instant": (lambda raw: values.timestamp(raw.decode()), SIZES),
    "an instant behind a date": (lambda raw: values.timestamp("2024-01-01T" + raw.decode()), SIZES),
    "a head": (read_head(LINE + HOST, b"\r\n\r\n"), HEAD_SIZES),
    "a header's value": (read_head(LINE + HOST + b"Connection: ", b"\r\n\r\n"), HEAD_SIZES),
    "a request line": (read_head(b"POST /webhooks/xtnd?", b" HTTP/1.1\r\n" + HOST + b"\r\n"), HEAD_SIZES),
    "a request's path": (protocol.path_and_query, HEAD_SIZES),
    "an echo check": (lambda raw: protocol.echo(b"echo=" + raw), HEAD_SIZES),
    "a content type": (
        lambda raw: protocol.check_content({b"content-type": [b"application/" + raw]}),
        HEAD_SIZES,
    ),
    "chunks": (read_chunks, SIZES),
    # Some hundred ways to spoil a body are tried, each with a signature.
    "a body with a wrong signature": (
        lambda raw: doctor.Doctor(raw, ["y"]).diagnose(signature.sign(b"", "x")),
        [1024, 4096, 16_384],
    ),
    "a wrong signature": (lambda raw: doctor.Doctor(b"", ["y"]).diagnose(raw.decode()), SIZES[:-1]),
    "a header that is no signature": (
        lambda raw: signature.verify([raw], b"", Keys("xtnd", (), required=True)),
        SIZES,
    ),
}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
@pytest.mark.parametrize(("act", "sizes"), PARSERS.values(), ids=PARSERS.keys())
def test_a_parser_takes_time_in_proportion_to_its_input(
    act: Callable[[bytes], Any], sizes: list[int], unit: str
) -> None:
    check(act, repeated(unit), sizes)
