"""The head of an HTTP/1.1 request, as raw bytes: is it sound, what does it ask, how long is its body.

Pure functions, linear in the head. They are stricter than RFC 9112 asks for where leniency is what
request smuggling lives on: repeated lengths are refused even when they agree, and so is any
Transfer-Encoding but ``chunked``.
"""

import re
from typing import NamedTuple

END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r")
_CHUNKED = re.compile(rb"\ntransfer-encoding:[ \t]*chunked[ \t]*\r")
_UPGRADE = re.compile(rb"\nupgrade:[^\n]*", re.IGNORECASE)
_CONNECTION = re.compile(rb"(?<=\n)(connection:)([^\r]*)", re.IGNORECASE)


class HeadFault(ValueError):
    """What makes a request's head unfit to be parsed, as the object of "The request has …"."""


class Head(NamedTuple):
    """A sound head. ``length`` is that of the body in bytes, None when it comes in chunks."""

    method: bytes
    target: bytes
    minor_version: bytes
    length: int | None


def check_part(part: bytes, before: bytes = b"") -> None:
    """Look for what no further byte can make good in a part of a head that follows ``before``.

    Raises ``HeadFault``.
    """
    if before[-1:] == b"\r":
        part = b"\r" + part
    elif before[-1:] == b"\n" and part[:1] in (b" ", b"\t"):
        raise HeadFault("a folded header line")
    lines = part.count(b"\r\n")
    if b"\0" in part:
        raise HeadFault("a NUL byte in the head")
    if part.count(b"\n") != lines or part.count(b"\r") - part.endswith(b"\r") != lines:
        raise HeadFault("a line of the head that does not end in CRLF")
    if b"\n " in part or b"\n\t" in part:
        raise HeadFault("a folded header line")


def read(head: bytes) -> Head:
    """Read a head from its request line to the empty line; raises ``HeadFault``."""
    check_part(head)
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise HeadFault("a request line that is not HTTP/1.1")
    lower = head.lower()
    hosts = lower.count(b"\nhost:")
    if hosts > 1 or (not hosts and line[3] == b"1"):
        raise HeadFault("no Host, or several")
    return Head(line[1], line[2], line[3], _body_length(lower))


def _body_length(lower: bytes) -> int | None:
    lengths, encodings = lower.count(b"\ncontent-length:"), lower.count(b"\ntransfer-encoding:")
    if lengths and encodings:
        raise HeadFault("both Content-Length and Transfer-Encoding")
    if lengths > 1 or encodings > 1:
        raise HeadFault("a repeated Content-Length or Transfer-Encoding")
    if lengths:
        length = _LENGTH.search(lower)
        if length is None:
            raise HeadFault("a Content-Length that is no number")
        return int(length[1])
    if encodings:
        if not _CHUNKED.search(lower):
            raise HeadFault("a Transfer-Encoding other than chunked")
        return None
    return 0


def without_upgrade(head: bytes) -> bytes:
    """Leave out an offer to change protocols, which the parser would take for accepted.

    RFC 9110, 7.8: a server may ignore it; the request itself is served as if it were not there.
    """
    if b"upgrade" not in head.lower():
        return head
    return _CONNECTION.sub(_other_options, _UPGRADE.sub(b"", head))


def _other_options(found: re.Match[bytes]) -> bytes:
    options = [option.strip(b" \t") for option in found[2].split(b",")]
    return found[1] + b" " + b", ".join(option for option in options if option.lower() != b"upgrade")
