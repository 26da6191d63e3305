"""Bytes and text from outside as a terminal can show them, without control characters.

Whatever is not printable by Unicode's own account is written out: control characters (C0, C1, DEL), with
them escape codes and line ends, the overrides of writing direction, marks that have no width, and halves
of surrogate pairs.
"""

import json
from typing import Any

HEX_WIDTH = 16
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class JsonText(str):
    """A value that is JSON already, as it was written."""

    __slots__ = ()


def plain(text: str) -> str:
    """Text in one line with everything that is not printable made visible."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else SHORT.get(character) or f"\\u{ord(character):04x}"
        for character in text
    )


def plain_lines(text: str) -> str:
    """As ``plain``, with the text's own line ends."""
    return "\n".join(map(plain, text.split("\n")))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON that can be shown: what is not printable is escaped.

    A value of a type that JSON does not have becomes text.
    """
    return escaped(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def escaped(text: str) -> str:
    """JSON text with JSON's escapes for what is not printable; line ends stay, they stand between values."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )


def readable(payload: bytes, *, strict: bool) -> str | None:
    """The payload as text, or None; ``strict`` refuses control characters but tabs and line ends."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if strict and not all(character.isprintable() or character in "\t\r\n" for character in text):
        return None
    return text


def hexdump(payload: bytes) -> str:
    """Offset, hex and ASCII in lines of 16 bytes."""
    lines = []
    for start in range(0, len(payload), HEX_WIDTH):
        row = payload[start : start + HEX_WIDTH]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - ASCII
        lines.append(f"{start:08x}  {row.hex(' '):<{HEX_WIDTH * 3 - 1}}  {letters}")
    return "\n".join(lines)
