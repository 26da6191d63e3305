"""Cuts the bytes of a connection into requests: a head, then its body, as far as they have come."""

from connector.gateway import head as heads
from connector.gateway.chunks import ChunkedBody, TooLarge
from connector.gateway.head import END, Head, Malformed
from connector.gateway.limits import MAX_EMPTY_LINES, MAX_HEAD_LINES
from connector.gateway.problems import Problem


class RequestReader:
    """Takes in what comes, and gives it out in order. Where it was cut makes no difference.

    ``left`` is how many bytes of the request have yet to come, None while that is not known, and 0 also
    between requests. ``ahead`` is how many bytes wait to be taken.
    """

    def __init__(self, *, max_header_bytes: int, max_body_bytes: int) -> None:
        self._max_header_bytes = max_header_bytes
        self._max_body_bytes = max_body_bytes
        self.left: int | None = 0
        # What has come and was not taken yet, from ``_at`` on; so much of it was looked at before.
        self._inbox = b""
        self._at = 0
        self._searched = 0
        self._empty_lines = 0
        self._body = bytearray()
        self._chunks: ChunkedBody | None = None

    @property
    def ahead(self) -> int:
        return len(self._inbox) - self._at

    @property
    def buffered_bytes(self) -> int:
        """Bytes in memory that were not taken yet."""
        return len(self._inbox) + len(self._body)

    def add(self, data: bytes) -> None:
        """Take in what has come."""
        self._inbox = self._inbox[self._at :] + data if self._inbox else data
        self._at = 0

    def drop(self) -> None:
        """Forget everything, in the middle of a request."""
        self.left = None
        self._inbox, self._at = b"", 0
        self._body.clear()

    def take_head(self) -> Head | None:
        """Return the next head once it is whole; raises ``Malformed`` or ``Problem``."""
        if self._inbox.startswith(b"\r\n", self._at):
            self._skip_empty_lines()
        inbox, at, cap = self._inbox, self._at, self._max_header_bytes
        if inbox[at : at + 2] in (b"", b"\r"):
            return None
        self.left, self._empty_lines = None, 0
        searched = at + self._searched
        end = inbox.find(END, max(at, searched - len(END)), at + cap)
        if end < 0:
            heads.check_part(inbox[searched : at + cap], inbox[at:searched][-1:])
            self._searched = len(inbox) - at
            if self._searched > cap:
                raise Problem(431, f"The head of the request is larger than {cap} bytes.", close=True)
            return None
        raw = inbox[at : end + len(END)]
        self._searched = 0
        self._take(end + len(END))
        head = heads.read(raw)
        if raw.count(b"\n") > MAX_HEAD_LINES:
            raise Problem(431, f"The head of the request has over {MAX_HEAD_LINES} lines.", close=True)
        self.left = head.length
        return head

    def expect_body(self) -> None:
        """Have the body of the last head read; raises ``TooLarge`` when its length says so."""
        if self.left is None:
            self._chunks = ChunkedBody(self._body, self._max_body_bytes)
        elif self.left > self._max_body_bytes:
            raise TooLarge

    def take_body(self) -> bytes | None:
        """Return the body once it is whole; raises ``Malformed`` or ``TooLarge``."""
        at, inbox = self._at, self._inbox
        if self._chunks is not None:
            self._take(len(inbox))
            if at == len(inbox) or not self._chunks.feed(inbox[at:]):
                return None
        elif self.left is not None:
            part = inbox[at : at + self.left]
            self._take(at + len(part))
            self.left -= len(part)
            if not self.left and not self._body:
                return part
            self._body += part
            if self.left:
                return None
        body = bytes(self._body)
        self._body.clear()
        return body

    def _skip_empty_lines(self) -> None:
        """Skip what may stand before a request (RFC 9112, 2.2); raises ``Malformed`` beyond a few lines.

        They make up no request, so nothing else would bound the work that they are.
        """
        inbox, at = self._inbox, self._at
        while inbox.startswith(b"\r\n", at):
            at += 2
            self._empty_lines += 1
            if self._empty_lines > MAX_EMPTY_LINES:
                self.left = None
                raise Malformed(f"more than {MAX_EMPTY_LINES} empty lines before it")
        self._take(at)

    def _take(self, end: int) -> None:
        """What stands before ``end`` was taken; nothing that was taken whole is kept."""
        if end == len(self._inbox):
            self._inbox, self._at = b"", 0
        else:
            self._at = end
