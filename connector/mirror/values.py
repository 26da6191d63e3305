"""Values out of Details → exact, canonical values of a column type (docs/contract.md, Types).

Inside the mirror a ``text`` and a ``numeric`` are ``str`` (numbers as canonical decimal text), a
``timestamp`` is microseconds since the epoch, an ``integer`` is ``int``, a ``boolean`` is ``bool``. Every
reader takes None for None and raises ``Poison`` for what the column cannot hold.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Context, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from connector import events
from connector.errors import Poison

Reader = Callable[[Any], Any]

INT64 = 2**63
MAX_INDEXED_BYTES = 1024  # of one text in a key or an index
INDEX_ENTRY_BYTES = 2600  # what all texts of an entry may take: PostgreSQL's B-tree holds 2704 in all
DECIMALS = Decimal("0.000001")
MOST_DECIMALS = -6  # as an exponent
# Rounds half to even, with space for every digit that events.MAX_DIGITS allows.
EXACT = Context(prec=events.MAX_DIGITS * 2 + 10)
# Numbers printed for people: groups of three split by a plain, no-break, narrow no-break or thin
# space, and a decimal comma or point (docs/contract.md, The request).
PRINTED = re.compile(
    r"(?P<sign>[+\u2212-]?)"
    r"(?P<whole>[0-9]{1,3}(?:[ \u00a0\u202f\u2009][0-9]{3})+|[0-9]+)"
    r"(?:[.,](?P<part>[0-9]+))?\Z"
)
# An instant without an offset, as .NET writes a DateTime whose kind is not known; and its least one, which
# stands where no date was ever set.
LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)?")
NO_DATE = re.compile(r"0001-01-01(?:[Tt ]00:00:00(?:\.0+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?")


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


def most_bytes(texts: int) -> int:
    """Bytes that each of so many texts may have for an index to hold them together."""
    return min(MAX_INDEXED_BYTES, INDEX_ENTRY_BYTES // max(1, texts))


@cache  # so that equal sources are equal
def limited_text(most: int) -> Reader:
    """A reader of text for a key or an indexed column: ``most`` bytes of UTF-8."""
    surely = most // 4  # letters that take no more, whatever they are

    def read(value: Any) -> str | None:
        if type(value) is str and len(value) <= surely and "\x00" not in value:
            return value
        result = text(value)
        if result and len(result) > surely and len(result.encode()) > most:
            what = f"{_shown(result)} is text of over {most} bytes in a key or indexed column."
            raise Poison("text-too-long", what)
        return result

    return read


indexed_text = limited_text(MAX_INDEXED_BYTES)


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
    if number.adjusted() < events.MAX_DIGITS and number.as_tuple().exponent < MOST_DECIMALS:  # type: ignore[operator]
        number = number.quantize(DECIMALS, context=EXACT)
    return events.decimal_text(number)


def _printed_number(value: str) -> Decimal:
    found = PRINTED.match(value.strip())
    if not found:
        raise Poison("not-a-number", f"{_shown(value)} cannot be read as a number.")
    sign = "-" if found["sign"] in ("-", "\u2212") else ""
    whole = re.sub(r"[^0-9]", "", found["whole"])
    return Decimal(f"{sign}{whole}.{found['part'] or 0}")


def timestamp(value: Any) -> int | None:
    """An RFC 3339 instant as microseconds since the epoch."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Poison("not-a-timestamp", f"{_shown(value)} stands where an instant is expected.")
    try:
        return events.from_iso(value)
    except ValueError:
        raise Poison(
            "not-a-timestamp",
            f"{_shown(value)} is no instant like 2026-11-26T10:00:00.5+01:00 (RFC 3339).",
        ) from None


@cache  # so that equal sources are equal
def timestamp_of_record(time_zone: str) -> Reader:
    """A reader of a record's instants: one without an offset is a local time, the year 1 no date.

    A day alone is its first moment. Of an hour that a change of the clocks repeats it is the first.
    """
    zone = ZoneInfo(time_zone)

    def read(value: Any) -> int | None:
        if isinstance(value, str) and NO_DATE.fullmatch(value):
            return None
        if isinstance(value, str) and LOCAL.fullmatch(value):
            with suppress(ValueError):
                instant = events.microseconds(datetime.fromisoformat(value.upper()).replace(tzinfo=zone))
                if events.EARLIEST <= instant <= events.LATEST:
                    return instant
        return timestamp(value)

    return read


def former_timestamp(value: Any) -> int | None:
    """An instant that a ledger may hold: until 0.1 other forms of ISO-8601 were read too."""
    try:
        return timestamp(value)
    except Poison:
        if not isinstance(value, str):
            raise
        with suppress(ValueError):
            instant = datetime.fromisoformat(value)
            if instant.tzinfo and events.EARLIEST <= events.microseconds(instant) <= events.LATEST:
                return events.microseconds(instant)
        raise


def boolean(value: Any) -> bool | None:
    """True or false."""
    if value is None or isinstance(value, bool):
        return value
    raise Poison("not-a-boolean", f"{_shown(value)} stands where true or false is expected.")


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


READERS: dict[str, Reader] = {
    "text": text,
    "numeric": numeric,
    "timestamp": timestamp,
    "boolean": boolean,
}
