"""What of an event the ledger can hold on every database: JSON without U+0000 or monstrous numbers."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from connector import events
from connector.errors import Poison
from connector.events import Event
from connector.mirror import values

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Where a whole number of more digits than PostgreSQL's jsonb takes may stand; text can look like it too.
MANY_DIGITS = re.compile(rb"\d{1000}")
WILD_DIGITS = 1000
# Letters of properties that are worth remembering as sound.
SHORT = 2000


def details(event: Event) -> Any:
    """An event's Details as data; refuses an event that the ledger could not hold on every database."""
    _check_names(event.action, event.family, event.hook)
    if event.entity_key is not None:
        _check_name(event.entity_key)
    if len(event.properties) > SHORT:
        _storable_json("Properties", event.properties.encode())
    else:
        _check_short_properties(event.properties)
    return _storable_json("Details", event.details)


@lru_cache(maxsize=1024)  # there are few, and they come again and again
def _check_names(*names: str) -> None:
    for name in names:
        _check_name(name)


def _check_name(name: str) -> None:
    if "\x00" in name:
        raise Poison(
            "nul-character", "The action or the entity key holds U+0000, which no database column can."
        )
    values.indexed_text(name)


@lru_cache(maxsize=1024)  # properties are the hook's own, the same in each delivery
def _check_short_properties(text: str) -> None:
    _storable_json("Properties", text.encode())


def _storable_json(name: str, raw: bytes) -> Any:
    if b"\\u0000" in raw and NUL.search(raw):
        raise Poison("nul-character", f"{name} holds U+0000, which no database column can.")
    data = read_json(name, raw)
    if len(raw) > WILD_DIGITS and MANY_DIGITS.search(raw) and _holds_wild_integer(data):
        raise _wild(name)
    return data


def read_json(name: str, raw: bytes) -> Any:
    """JSON text of an event as data, numbers exact; raises ``Poison`` naming the part ``name``."""
    try:
        return _json.decode(raw)
    except ArithmeticError:
        raise _wild(name) from None
    except events.JSON_ERRORS as error:
        raise Poison("details-kind", f"{name} cannot be read as JSON: {error}.") from None


def _fraction(text: str) -> Decimal:
    """A number with a point or an exponent, unless it is too wide for PostgreSQL's jsonb."""
    number = Decimal(text)
    if len(text) > WILD_DIGITS or abs(number.adjusted()) > WILD_DIGITS:
        raise OverflowError
    return number


_json = msgspec.json.Decoder(float_hook=_fraction)


def _holds_wild_integer(data: Any) -> bool:
    """Whether a whole number (not a text that looks like one) has more digits than can be stored."""
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, int) and value.bit_length() // 3 > WILD_DIGITS:
            return True
    return False


def _wild(name: str) -> Poison:
    return Poison("number-range", f"{name} holds a number of more than {WILD_DIGITS} digits.")
