"""The head of an HTTP/1.1 request, as raw bytes: is it sound, what does it ask, how long is its body.

Pure functions, linear in the head. They are stricter than RFC 9112 asks for where leniency is what
request smuggling lives on: repeated lengths are refused even when they agree, and so is any
Transfer-Encoding but ``chunked``. The header fields themselves are read by llhttp.
"""

import re

import httptools
import msgspec

END = b"\r\n\r\n"
Fields = dict[bytes, list[bytes]]
"""Values by lower-case name, in the order of the head."""

# Every byte can be taken in one way only, so the time is linear, and possessive is the same in half of it.
_SOUND = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++) ([!\"$-~]++) HTTP/1\.([01])\r\n"
    rb"((?:[^ \t\r\n\0][^\r\n\0]*+\r\n)*+)\r\n"
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
# In the place of the sender's own line: only the fields are read, whatever the method.
_NEUTRAL_LINE = b"POST / HTTP/1.1\r\n"


class Malformed(ValueError):
    """What makes a request unfit to be served, as the object of "The request has …"."""


class Head(msgspec.Struct, frozen=True):
    """A sound head. ``length`` is that of the body in bytes, None when it comes in chunks."""

    method: bytes
    target: bytes
    minor_version: bytes
    fields: Fields
    length: int | None

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request (RFC 9112, 9.3)."""
        values = self.fields.get(b"connection")
        if values is None:
            return self.minor_version == b"1"
        options = _tokens(values)
        return b"close" not in options and (self.minor_version == b"1" or b"keep-alive" in options)

    @property
    def expects_continue(self) -> bool:
        """Whether the sender waits for a 100 before it sends the body (RFC 9110, 10.1.1)."""
        values = self.fields.get(b"expect")
        return values is not None and self.minor_version == b"1" and b"100-continue" in _tokens(values)


NO_HEAD = Head(b"", b"", b"1", {}, 0)


class FieldReader(Fields):
    """Header fields as llhttp calls back; blanks around a value are no part of it (RFC 9110, 5.5)."""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.setdefault(name.lower(), []).append(value.strip(b" \t"))

    def body_length(self, minor_version: bytes) -> int | None:
        """The body's bytes, None when it comes in chunks; raises ``Malformed``."""
        lengths, encodings = self.get(b"content-length"), self.get(b"transfer-encoding")
        if encodings is not None:
            if lengths is not None:
                raise Malformed("both Content-Length and Transfer-Encoding")
            if len(encodings) > 1 or encodings[0].lower() != b"chunked":
                raise Malformed("a Transfer-Encoding other than chunked")
            if minor_version == b"0":
                raise Malformed("a Transfer-Encoding, which HTTP/1.0 does not know")
            return None
        if lengths is None:
            return 0
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            raise Malformed("a Content-Length that is no number, or is repeated")
        return int(lengths[0])


def check_part(part: bytes, before: bytes = b"") -> None:
    """Look for what no further byte can make good in a part of a head that follows ``before``.

    Raises ``Malformed``, with the same words wherever a head is cut into parts.
    """
    if before.endswith((b"\r", b"\n")):
        part = (b"\r" if before.endswith(b"\r") else END[:2]) + part
    lines = part.count(b"\r\n")
    if (
        part.count(b"\n") != lines
        or part.count(b"\r") - part.endswith(b"\r") != lines
        or b"\0" in part
        or b"\n " in part
        or b"\n\t" in part
    ):
        raise Malformed("a line of the head that is folded, has a NUL, or does not end in CRLF")


def read(head: bytes) -> Head:
    """Read a head from its request line to the empty line; raises ``Malformed``."""
    sound = _SOUND.fullmatch(head)
    if sound is None:
        check_part(head)
        raise Malformed("a request line that is not HTTP/1.1")
    method, target, minor_version, lines = sound.groups()
    fields = FieldReader()
    if b"\t" in lines:  # llhttp knows "chunked" with blanks, but not with a tab
        lines = b"\r\n".join(one.rstrip(b" \t") for one in lines.split(b"\r\n"))
    try:
        httptools.HttpRequestParser(fields).feed_data(_NEUTRAL_LINE + lines + END[:2])
    except httptools.HttpParserUpgrade:
        pass  # An offer that is not taken up (RFC 9110, 7.8); the fields are complete by then.
    except httptools.HttpParserError:
        raise Malformed("header fields that are not well-formed") from None
    hosts = len(fields.get(b"host", ()))
    if hosts > 1 or (not hosts and minor_version == b"1"):
        raise Malformed("no Host, or several")
    return Head(method, target, minor_version, fields, fields.body_length(minor_version))


def _tokens(values: list[bytes]) -> set[bytes]:
    """The members of a comma-separated list that may stand in several fields."""
    return {token.strip(b" \t").lower() for value in values for token in value.split(b",")}
