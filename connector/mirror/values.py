"""Values out of Details → exact, canonical values of a column type (mirror.md, part 8).

Inside the mirror a ``text`` and a ``numeric`` are ``str`` (numbers as canonical decimal text), a
``timestamp`` is microseconds since the epoch, an ``integer`` is ``int``. Every reader takes None for
None and raises ``Poison`` for what the column cannot hold.
"""

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from connector import events
from connector.errors import Poison

Reader = Callable[[Any], Any]

INT64 = 2**63
MAX_INDEXED_BYTES = 1024  # what a B-tree entry of PostgreSQL surely holds, twice over
SURELY_INDEXED = MAX_INDEXED_BYTES // 4  # letters that take no more, whatever they are
DECIMALS = Decimal("0.000001")
# Rounds half to even, with room for every digit that events.MAX_DIGITS allows.
EXACT = Context(prec=events.MAX_DIGITS * 2 + 10)
# Numbers printed for people: groups of three split by a plain, no-break, narrow no-break or thin
# space, and a decimal comma or point (wire-contract.md).
PRINTED = re.compile(
    r"(?P<sign>[+\u2212-]?)"
    r"(?P<whole>[0-9]{1,3}(?:[ \u00a0\u202f\u2009][0-9]{3})+|[0-9]+)"
    r"(?:[.,](?P<part>[0-9]+))?\Z"
)


def text(value: Any) -> str | None:
    """Text as received; a number becomes its decimal text."""
    if type(value) is str and "\x00" not in value:
        return value
    if value is None:
        return None
    result = events.key_text(value)
    if result is None:
        raise Poison("not-text", f"{_shown(value)} stands where text is expected.")
    if "\x00" in result:
        raise Poison("nul-character", "The text holds U+0000, which no database column can.")
    return result


def indexed_text(value: Any) -> str | None:
    """Text for a key or an indexed column, which has a length limit."""
    if type(value) is str and len(value) <= SURELY_INDEXED and "\x00" not in value:
        return value
    result = text(value)
    if result and len(result) * 4 > MAX_INDEXED_BYTES and len(result.encode()) > MAX_INDEXED_BYTES:
        raise Poison(
            "text-too-long", f"Text of over {MAX_INDEXED_BYTES} bytes stands in a key or indexed column."
        )
    return result


def numeric(value: Any) -> str | None:
    """A number as canonical decimal text with at most six decimals, never a binary float."""
    if type(value) is int and -INT64 <= value < INT64:
        return str(value)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        number = _printed_number(value)
    else:
        raise Poison("not-a-number", f"{_shown(value)} stands where a number is expected.")
    plain = events.decimal_text(number)
    if "." not in plain:
        return plain
    return events.decimal_text(Decimal(plain).quantize(DECIMALS, context=EXACT))


def _printed_number(value: str) -> Decimal:
    found = PRINTED.match(value.strip())
    if not found:
        raise Poison("not-a-number", f"{_shown(value)} cannot be read as a number.")
    sign = "-" if found["sign"] in ("-", "\u2212") else ""
    whole = re.sub(r"[^0-9]", "", found["whole"])
    return Decimal(f"{sign}{whole}.{found['part'] or 0}")


def timestamp(value: Any) -> int | None:
    """ISO-8601 text with an offset as microseconds since the epoch."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Poison("not-a-timestamp", f"{_shown(value)} stands where an ISO-8601 instant is expected.")
    try:
        return events.from_iso(value)
    except ValueError:
        raise Poison(
            "not-a-timestamp", f"{_shown(value)} is no ISO-8601 instant with an offset from UTC."
        ) from None


def rank(number: str) -> str:
    """Text that sorts, byte by byte, as the canonical decimal text ``number`` does by value."""
    millionths = int(Decimal(number).scaleb(6, EXACT))
    width = events.MAX_DIGITS + 6
    if millionths >= 0:
        return f"1{millionths:0{width}d}"
    return f"0{10**width + millionths:0{width}d}"


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."  # noqa: PLR2004 - keeps the sentence readable


READERS: dict[str, Reader] = {"text": text, "numeric": numeric, "timestamp": timestamp}
