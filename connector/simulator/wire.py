"""A delivery exactly as XTND writes it on the wire (docs/contract.md, The request).

UTF-8 without a BOM, two blanks per level, CRLF line ends, no line end after the last brace, keys in
PascalCase. ``Attempt`` stands inside the body, so each attempt has other bytes and another signature.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from connector.gateway import signature

CONTENT_TYPE = "application/json; charset=utf-8"
SIGNATURE_HEADER = "ms-signature"
SUCCESS = range(200, 300)  # the answers that XTND counts as delivered
# What stands between thousands in numbers printed for people: plain, no-break, narrow no-break.
BLANKS = (" ", "\u00a0", "\u202f")
# The sender's JSON library writes these line ends of Unicode as escapes; msgspec writes them plainly.
_ESCAPES = (
    ("\u0085".encode(), b"\\u0085"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
_encoder = msgspec.json.Encoder(decimal_format="number")

Notification = dict[str, Any]
"""``{"Action": …, "Details": …}``; fractional numbers are ``Decimal``, never binary floats."""


class ShopDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """What XTND dispatches: the same Id, properties and notifications on every attempt.

    ``delivery_id`` is 32 lowercase hex digits. ``properties`` come from the hook's registration.
    """

    delivery_id: str
    properties: Mapping[str, str]
    notifications: tuple[Notification, ...]


def notification(action: str, **details: Any) -> Notification:
    """One notification whose Details are an object."""
    return {"Action": action, "Details": details}


def render(delivery: ShopDelivery, attempt: int) -> bytes:
    """Write the body's bytes for one attempt (counted from 1)."""
    body = {
        "Id": delivery.delivery_id,
        "Attempt": attempt,
        "Properties": delivery.properties,
        "Notifications": delivery.notifications,
    }
    # JSON keeps line ends inside text escaped, so each raw one stands between two parts.
    return msgspec.json.format(compact(body), indent=2).replace(b"\n", b"\r\n")


def compact(value: Any) -> bytes:
    """JSON as ``render`` writes it, without the white space between its parts."""
    text = _encoder.encode(value)
    if not text.isascii():
        for plain, escaped in _ESCAPES:
            text = text.replace(plain, escaped)
    return text


def headers(body: bytes, secret: str) -> dict[str, str]:
    """Return the headers that go with these very bytes."""
    return {"Content-Type": CONTENT_TYPE, SIGNATURE_HEADER: signature.sign(body, secret)}


def plain_number(quantity: Decimal) -> int | Decimal:
    """Return a quantity as a JSON number: whole ones without a fraction."""
    whole = quantity.to_integral_value()
    return int(whole) if whole == quantity else quantity


def printed_number(quantity: Decimal, blank: str) -> str:
    """Print a quantity for people, such as ``5 324`` or ``1 200,5``, with any of ``BLANKS``."""
    return f"{plain_number(quantity):,}".replace(",", blank).replace(".", ",")
