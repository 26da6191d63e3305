"""Secrets as people hand them over: files from an editor, variables out of ``$(cat file)``.

What can only be an accident is taken off: a byte order mark in front and line ends behind. What may
be meant, such as a blank at the end, is kept, because a secret is its text to the letter
(docs/contract.md, The signature), and is named so that somebody looks.
"""

import codecs
import unicodedata
from pathlib import Path

LINE_ENDS = "\r\n"
BYTE_ORDER_MARK = "\ufeff"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def without_accidents(text: str) -> str:
    """The text without a byte order mark in front and without line ends behind."""
    return text.removeprefix(BYTE_ORDER_MARK).rstrip(LINE_ENDS)


def read(file: Path) -> str:
    """The secret in a file, UTF-8 or UTF-16 with its mark. Raises ``OSError`` or ``ValueError``."""
    data = file.read_bytes()
    encoding = "utf-16" if data.startswith(UTF16_MARKS) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        # Python's own words quote a byte of the secret.
        raise ValueError(f"it is not {encoding.upper()} text") from None
    return without_accidents(text)


def oddities(secret: str) -> list[str]:
    """What of a secret is seldom meant, in words that hold nothing of it."""
    found = []
    if secret != secret.strip():
        found.append("a blank or line end at its start or end")
    inside = secret.strip()
    if any(letter in LINE_ENDS for letter in inside):
        found.append("a line end inside")
    if any(letter.isspace() and letter not in LINE_ENDS + " " for letter in inside):
        found.append("a tab or an unusual blank inside")
    if any(unicodedata.category(letter) in ("Cc", "Cf") and not letter.isspace() for letter in inside):
        found.append("an invisible character")
    return found
