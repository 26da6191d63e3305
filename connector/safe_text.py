"""Bytes and text from outside as a terminal can show them, without control characters."""

HEX_WIDTH = 16


def plain(text: str) -> str:
    """Text with every control character made visible."""
    return "".join(character if character.isprintable() else _visible(character) for character in text)


def _visible(character: str) -> str:
    return f"\\u{ord(character):04x}"


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
