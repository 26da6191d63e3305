"""JSON with exact numbers, what of it can be kept, and values in Details.

Limits of values are applied here, once, at intake: text that is no Unicode, U+0000, and numbers that
PostgreSQL's ``jsonb`` would print in a way that could not be read again. What passes can be read for
as long as it is stored (docs/contract.md, Types).
"""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Rounded, Subnormal
from itertools import repeat
from typing import Any

import msgspec

from connector.errors import Poison

# Digits before and after the point of a number that a column takes.
MAX_DIGITS = 60
# Power of ten that any number in Details may reach, up and down.
MAX_EXPONENT = 1000

# A number within these bounds stays within them when jsonb prints it without its exponent: the size
# is the same, and a whole number has no more digits than its size asks for.
_STORED = Context(
    prec=2 * MAX_EXPONENT,
    Emax=MAX_EXPONENT,
    Emin=-MAX_EXPONENT,
    traps=[Clamped, Inexact, InvalidOperation, Overflow, Rounded, Subnormal],
)

exact_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
"""Reads JSON with every fractional number as a ``Decimal``; refuses NaN and Infinity.

Raises ``JSON_ERRORS``.
"""
# An exponent of twenty digits is an ArithmeticError of Decimal; a ValueError is all else but depth.
JSON_ERRORS = (ValueError, ArithmeticError, RecursionError)
_stored_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_STORED.create_decimal)

# A run of backslashes is tried from its start only, so this is linear.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# A run of digits, once each is a zero: a search for fixed bytes takes a fortieth of what an expression takes.
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * (MAX_EXPONENT + 2)
_LEAST_TOO_LARGE = 10 ** (MAX_EXPONENT + 1)
# Half of a surrogate pair, written as an escape; escaped backslashes must be hidden before.
_LONE_SURROGATE = re.compile(
    rb"\\(?=u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\(?=u[dD][c-fC-F][0-9a-fA-F]{2})"
)
# Bytes that UTF-8 never holds stand for backslashes while the structure around them is read.
_HIDDEN = bytes.maketrans(b"\xfe\xff", b"\\\\")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN_PATH = 120
_KINDS = {str: "text", list: "an array", bool: "true or false"}
_NO_NUMBER = object()


def hide_surrogates(text: bytes) -> bytes:
    """JSON text of the same length in which half a surrogate pair does not stop a parser.

    The structure is as before; a part with such a half holds the byte 0xFF, which is refused as
    soon as it is read as text. ``shown`` gives the part back as it was.
    """
    return _LONE_SURROGATE.sub(b"\xff", text.replace(rb"\\", b"\xfe\xfe"))


def shown(text: bytes) -> bytes:
    """A part of what ``hide_surrogates`` gave, as it was received."""
    return text.translate(_HIDDEN)


def compact(raw: bytes | msgspec.Raw) -> bytes:
    """JSON text without the white space between its parts; values stay to the letter."""
    return msgspec.json.format(bytes(raw), indent=-1)


def read_json(name: str, raw: bytes) -> Any:
    """JSON text as data, numbers exact.

    Raises ``Poison`` naming the field below ``name`` when a value could not be kept and read again.
    """
    try:
        data = _stored_json.decode(raw)
    except JSON_ERRORS as error:
        raise _Unreadable(name, raw, error).poison() from None
    if len(raw) > MAX_EXPONENT and _LONG_NUMBER in raw.translate(_AS_ZEROS) and _holds_too_large(data):
        raise _Unreadable(name, raw).poison()
    return data


def refuse_nul(name: str, raw: bytes) -> None:
    """Raise ``Poison`` naming the field below ``name`` that holds U+0000, which JSON text may."""
    if b"\\u0000" in raw and _NUL.search(raw):
        raise _Unreadable(name, raw).poison()


def _holds_too_large(data: Any) -> bool:
    """Whether a whole number, not a text that looks like one, is too large."""
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, int) and abs(value) >= _LEAST_TOO_LARGE:
            return True
    return False


class _Unreadable:
    """JSON text, which stands in the field ``name``, with a value that cannot be kept."""

    def __init__(self, name: str, raw: bytes, error: Exception | None = None) -> None:
        self._name = name
        self._raw = raw
        self._error = error

    def poison(self) -> Poison:
        """Find the first value that cannot be kept, and say where it stands."""
        number = self._number
        try:
            # Python's own parser reads half a surrogate pair, and leaves numbers to us.
            data = json.loads(self._raw.decode(), parse_int=number, parse_float=number, parse_constant=number)
        except (ValueError, RecursionError) as fault:
            return Poison("details-kind", f"{self._name} cannot be read as JSON: {self._error or fault}.")
        for path, value in self._texts_and_numbers(data):
            if value is _NO_NUMBER:
                what = f"is a number of more than {MAX_EXPONENT} digits"
                return Poison("number-range", f"{path} {what}, which cannot be kept exactly.")
            if isinstance(value, str) and "\0" in value:
                return Poison("nul-character", f"{path} holds U+0000, which no database column can.")
            if isinstance(value, str) and _SURROGATE.search(value):
                what = "holds half of a surrogate pair (a character that was cut in two)"
                return Poison("lone-surrogate", f"{path} {what}, which is no text.")
        return Poison("details-kind", f"{self._name} cannot be read as JSON: {self._error}.")

    @staticmethod
    def _number(text: str) -> Any:
        """Nothing for a number that can be kept, ``_NO_NUMBER`` for another; NaN is a ``ValueError``."""
        try:
            number = _STORED.create_decimal(text)
        except ArithmeticError:
            return _NO_NUMBER
        if not number.is_finite():
            raise ValueError(f"{text} is no number")
        return None

    def _texts_and_numbers(self, data: Any) -> Iterator[tuple[str, Any]]:
        """Each key, and each value that holds no others, with the path to it."""
        nested = [iter([(self._name, data)])]
        while nested:
            found = next(nested[-1], None)
            if found is None:
                nested.pop()
                continue
            path, value = found
            if isinstance(value, dict):
                yield from ((self._below(path, key), key) for key in value)
                nested.append(iter([(self._below(path, key), inner) for key, inner in value.items()]))
            elif isinstance(value, list):
                nested.append(zip(repeat(path), value))
            else:
                yield found

    @staticmethod
    def _below(path: str, key: str) -> str:
        longer = f"{path}.{key if key.isprintable() else ascii(key)}"
        return longer if len(longer) <= _SHOWN_PATH else f"{longer[:_SHOWN_PATH]}…"


def row_objects(data: Any) -> list[dict[str, Any]]:
    """Details as row objects: an object is one, an array of objects is several, else none."""
    if isinstance(data, dict):
        return [data]
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        return data
    return []


def value_at(row: Any, path: Sequence[str]) -> Any:
    """The value at a path of keys below an object; None where a key is missing or null on the way.

    Raises ``Poison`` where anything but an object stands on the way.
    """
    value = row
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif value is None:
            return None
        else:
            passed = 0
            while isinstance(row, dict):
                row, passed = row.get(path[passed]), passed + 1
            way = ".".join(path[:passed])
            raise Poison("details-kind", f"{way} is {_KINDS.get(type(row), 'a number')}, not an object.")
    return value


def key_text(value: Any) -> str | None:
    """Text of a value that identifies something; None when it is not text or a number."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return decimal_text(Decimal(value))
    return None


def decimal_text(number: Decimal) -> str:
    """Plain decimal text with no exponent, no idle zeros and no negative zero.

    Raises ``Poison`` beyond ``MAX_DIGITS`` digits before the point, and beyond what intake lets pass
    after it: ``1e999999999`` is seven letters to write and a gigabyte to print.
    """
    if number == 0:
        return "0"
    if number.adjusted() >= MAX_DIGITS or number.as_tuple().exponent < _STORED.Etiny():  # type: ignore[operator]
        raise Poison("number-range", f"A number with more than {MAX_DIGITS} digits cannot be kept exactly.")
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
