"""A request's body that comes in chunks (RFC 9112, 7.1), read by llhttp.

A parser of its own reads nothing but the chunks: extensions and trailers are neither kept nor do they
become header fields. Where a body ends within the bytes that were fed is not known, so nothing can
follow it on its connection.
"""

import httptools

from connector.gateway.head import Malformed

_HEAD = b"POST / HTTP/1.1\r\nHost: -\r\nTransfer-Encoding: chunked\r\n\r\n"
# Bytes on the wire for each byte that a body may have: chunks of one byte take six.
WIRE_BYTES = 8


class TooLarge(ValueError):
    """The body, or what it takes on the wire, is larger than allowed."""


class _Sink:
    """What the parser calls back."""

    def __init__(self, body: bytearray, max_bytes: int) -> None:
        self.body = body
        self.max_bytes = max_bytes
        self.complete = False

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("something follows the body")

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > self.max_bytes:
            raise TooLarge

    def on_message_complete(self) -> None:
        self.complete = True


class ChunkedBody:
    """Adds what comes in chunks to ``body``, up to ``max_bytes``."""

    def __init__(self, body: bytearray, max_bytes: int) -> None:
        self._sink = _Sink(body, max_bytes)
        self._wire_left = WIRE_BYTES * max_bytes
        self._parser = httptools.HttpRequestParser(self._sink)
        self._parser.feed_data(_HEAD)

    def feed(self, data: bytes) -> bool:
        """Say whether the body is complete; raises ``Malformed`` or ``TooLarge``."""
        self._wire_left -= len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._sink.complete:
                if isinstance(error.__context__, TooLarge):
                    raise TooLarge from None
                raise Malformed("a body whose chunks are not well-formed") from None
        if not self._sink.complete and self._wire_left < 0:
            raise TooLarge
        return self._sink.complete
