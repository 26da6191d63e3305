"""The head of an HTTP/1.1 request, as raw bytes: is it sound, and how long is the body after it.

Pure functions. They are stricter than RFC 9112 asks for where leniency is what request smuggling
lives on: repeated lengths are refused even when they agree, and so is any Transfer-Encoding but
``chunked``.
"""

import re

END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) [!\"$-~]+ HTTP/1\.[01]\r\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r")
_CHUNKED = re.compile(rb"\ntransfer-encoding:[ \t]*chunked[ \t]*\r")


def head_fault(head: bytes) -> str | None:
    """Say what makes a request's head unfit to be parsed, or None.

    ``head`` begins with the request line. It may still be incomplete; then only what no further
    byte can mend is found.
    """
    lines = head.count(b"\r\n")
    if b"\0" in head:
        return "a NUL byte in the head"
    if head.count(b"\n") != lines or head.count(b"\r") - head.endswith(b"\r") != lines:
        return "a line of the head that does not end in CRLF"
    if b"\n " in head or b"\n\t" in head:
        return "a folded header line"
    return _framing_fault(head) if head.endswith(END) else None


def _framing_fault(head: bytes) -> str | None:
    if not _REQUEST_LINE.match(head):
        return "a request line that is not HTTP/1.1"
    lower = head.lower()
    lengths, encodings = lower.count(b"\ncontent-length:"), lower.count(b"\ntransfer-encoding:")
    if lengths and encodings:
        return "both Content-Length and Transfer-Encoding"
    if lengths > 1 or encodings > 1:
        return "a repeated Content-Length or Transfer-Encoding"
    if lengths and not _LENGTH.search(lower):
        return "a Content-Length that is no number"
    if encodings and not _CHUNKED.search(lower):
        return "a Transfer-Encoding other than chunked"
    return None


def body_length(head: bytes) -> int | None:
    """Bytes of the body that follows a sound head; None when it comes in chunks."""
    lower = head.lower()
    if found := _LENGTH.search(lower):
        return int(found[1])
    return None if _CHUNKED.search(lower) else 0
