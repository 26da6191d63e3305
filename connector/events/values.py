"""JSON with exact numbers, and values in Details."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from connector.errors import Poison

MAX_DIGITS = 60

exact_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
"""Reads JSON with every fractional number as a ``Decimal``; refuses NaN and Infinity.

Raises ``JSON_ERRORS``.
"""
# An exponent of twenty digits is an ArithmeticError of Decimal; a ValueError is all else but depth.
JSON_ERRORS = (ValueError, ArithmeticError, RecursionError)


def compact(raw: bytes | msgspec.Raw) -> bytes:
    """JSON text without the white space between its parts; values stay to the letter."""
    return msgspec.json.format(bytes(raw), indent=-1)


def row_objects(data: Any) -> list[dict[str, Any]]:
    """Details as row objects: an object is one, an array of objects is several, else none."""
    if isinstance(data, dict):
        return [data]
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        return data
    return []


def value_at(row: Any, path: Sequence[str]) -> Any:
    """The value at a path of keys, or None where the path ends early."""
    for key in path:
        if not isinstance(row, dict):
            return None
        row = row.get(key)
    return row


def key_text(value: Any) -> str | None:
    """Text of a value that identifies something; None when it is not text or a number."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return decimal_text(Decimal(value))
    return None


def decimal_text(number: Decimal) -> str:
    """Plain decimal text with no exponent, no idle zeros and no negative zero.

    Raises ``Poison`` beyond ``MAX_DIGITS`` digits before the point: ``1e999999999`` is seven
    letters to write and a gigabyte to print.
    """
    if number == 0:
        return "0"
    if number.adjusted() >= MAX_DIGITS or number.as_tuple().exponent < -MAX_DIGITS:  # type: ignore[operator]
        raise Poison("number-range", f"A number with more than {MAX_DIGITS} digits cannot be kept exactly.")
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
