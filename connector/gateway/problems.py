"""Answers that refuse, as ``application/problem+json`` (RFC 9457).

The ``type`` is always ``about:blank``, so ``title`` is HTTP's own phrase for the status and
``detail`` is the sentence that helps. No stack trace, no secret and no byte of the body stands in it.
"""

from http import HTTPStatus

import msgspec

from connector.errors import ConnectorError

CONTENT_TYPE = b"application/problem+json"

_encoder = msgspec.json.Encoder()


class Problem(ConnectorError):
    """A request is refused with ``status``.

    ``close`` ends the connection after the answer: because the body was not read, or because
    what follows on the connection cannot be trusted.
    """

    def __init__(
        self, status: int, detail: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), close: bool = False
    ) -> None:
        self.status = status
        self.detail = detail
        self.close = close
        self.extra = headers
        super().__init__(f"{status}: {detail}")

    def body(self) -> bytes:
        """Return the JSON object of RFC 9457."""
        title = HTTPStatus(self.status).phrase
        return _encoder.encode(
            {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        )

    def headers(self, body: bytes) -> list[tuple[bytes, bytes]]:
        """Return the answer's header lines for this ``body``."""
        lines = [(b"content-type", CONTENT_TYPE), (b"content-length", b"%d" % len(body)), *self.extra]
        return [*lines, (b"connection", b"close")] if self.close else lines

    def raw(self) -> bytes:
        """Return the whole answer as it goes over the wire, for where no ASGI message can be sent."""
        body = self.body()
        status = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n".encode()
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers(body))
        return status + lines + b"\r\n" + body
