"""Answers as bytes; refusals are ``application/problem+json`` (RFC 9457).

The ``type`` of a problem is always ``about:blank``, so ``title`` is HTTP's own phrase for the status and
``detail`` is the sentence that helps. No stack trace, no secret and no byte of the body stands in it.
"""

import functools
import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from connector.errors import ConnectorError

Lines = tuple[tuple[bytes, bytes], ...]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_encoder = msgspec.json.Encoder()


class Problem(ConnectorError):
    """A request is refused with ``status``.

    ``close`` ends the connection after the answer: because the body was not read, or because
    what follows on the connection cannot be trusted.
    """

    def __init__(self, status: int, detail: str, *, headers: Lines = (), close: bool = False) -> None:
        self.status = status
        self.detail = detail
        self.close = close
        self.headers = headers
        super().__init__(f"{status}: {detail}")

    def body(self) -> bytes:
        """Return the JSON object of RFC 9457."""
        title = HTTPStatus(self.status).phrase
        return _encoder.encode(
            {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        )


def answer(status: int, lines: Lines, body: bytes, connection: bytes = b"") -> bytes:
    """Return a whole answer; ``connection`` is its Connection header, if any."""
    parts = [
        b"HTTP/1.1 %d %s\r\ndate: %s\r\n"
        % (status, HTTPStatus(status).phrase.encode(), _date(int(time.time())))
    ]
    parts += [b"%s: %s\r\n" % line for line in lines]
    if connection:
        parts.append(b"connection: %s\r\n" % connection)
    parts += (b"content-length: %d\r\n\r\n" % len(body), body)
    return b"".join(parts)


def refusal(problem: Problem, connection: bytes) -> bytes:
    """Return the answer to a request that is refused."""
    lines = ((b"content-type", b"application/problem+json"), *problem.headers)
    return answer(problem.status, lines, problem.body(), connection)


def accepted(events: int, parked: int, connection: bytes) -> bytes:
    """Return the answer to a delivery whose events are safe."""
    return _accepted(events, parked, connection, int(time.time()))


@functools.lru_cache(maxsize=64)
def _accepted(events: int, parked: int, connection: bytes, _second: int) -> bytes:
    body = b'{"accepted": %d, "parked": %d}' % (events, parked)
    return answer(202, ((b"content-type", b"application/json"),), body, connection)


@functools.lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    """The Date of an answer (RFC 9110, 6.6.1)."""
    return formatdate(second, usegmt=True).encode()
