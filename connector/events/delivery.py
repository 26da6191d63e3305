"""What XTND sends: one POST is a delivery, one entry of its ``Notifications`` a notification.

Details and properties stay JSON text all the way, so that no number is ever read as a binary float.
"""

import re
from typing import Any

import msgspec

from connector.errors import Poison
from connector.events.values import JSON_ERRORS, compact, exact_json, row_objects

# A delivery's Id is 32 hex digits; others are taken as long as they sort and print safely.
DELIVERY_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
MAX_INDEX = 999_999
MAX_ATTEMPT = 1_000_000


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One POST of XTND: an envelope with notifications, each still as received."""

    delivery_id: str
    attempt: int
    properties: str
    notifications: tuple[bytes, ...]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``Notifications``, with Details both as text and as data."""

    action: str
    details: bytes
    data: Any


class _Envelope(msgspec.Struct):
    Id: Any = None
    Attempt: Any = 1
    Properties: msgspec.Raw = msgspec.Raw(b"{}")
    Notifications: msgspec.Raw = msgspec.Raw(b"null")


class _Notification(msgspec.Struct):
    Action: Any = None
    Details: msgspec.Raw = msgspec.Raw(b"null")


_envelope = msgspec.json.Decoder(_Envelope)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_notification = msgspec.json.Decoder(_Notification)


def parse_delivery(body: bytes, *, max_depth: int = 32) -> Delivery:
    """Read the envelope of a verified body.

    Raises ``Poison`` when it is not a delivery at all: not UTF-8, not JSON, no object, nested
    deeper than ``max_depth``, no usable Id, no Notifications array.
    """
    try:
        body.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise Poison("not-utf8", f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    # A body with few brackets cannot nest deeply; counting them is fifty times as fast as looking.
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > max_depth and (depth := nesting(body)) > max_depth:
        raise Poison("too-deep", f"The body is nested {depth} levels deep; {max_depth} are taken.")
    try:
        # The whole body is read once, so that a fault anywhere in it is found here and not later.
        whole = exact_json.decode(body)
        if not isinstance(whole, dict):
            raise Poison("not-an-object", "The body is JSON, but not an object with Id and Notifications.")
        envelope = _envelope.decode(body)
        raw = (
            _raw_list.decode(envelope.Notifications) if isinstance(whole.get("Notifications"), list) else None
        )
    except JSON_ERRORS as error:
        raise Poison("not-json", f"The body is not JSON: {error}.") from None
    if raw is None:
        raise Poison("no-notifications", "The body has no Notifications array.")
    if len(raw) > MAX_INDEX:
        raise Poison("too-many-notifications", f"More than {MAX_INDEX} notifications in one delivery.")
    if not isinstance(envelope.Id, str) or not DELIVERY_ID.match(envelope.Id):
        raise Poison("no-delivery-id", "Id must be text of 1 to 64 letters, digits, '-' or '_'.")
    return Delivery(
        delivery_id=envelope.Id,
        attempt=_attempt(envelope.Attempt),
        properties=compact(envelope.Properties).decode(),
        notifications=tuple(bytes(item) for item in raw),
    )


def parse_notification(raw: bytes) -> Notification:
    """Read one entry of ``Notifications``; raises ``Poison`` when its kind is wrong."""
    try:
        entry = _notification.decode(raw)
        data = exact_json.decode(entry.Details)
    except JSON_ERRORS as error:
        raise Poison(
            "notification-kind", f"The notification must be an object with Action: {error}."
        ) from None
    if not isinstance(entry.Action, str) or not entry.Action.strip():
        raise Poison("no-action", "The notification has no Action; it must be text.")
    if not row_objects(data):
        raise Poison("details-kind", "Details must be an object or an array of objects.")
    return Notification(action=entry.Action, details=compact(entry.Details), data=data)


def nesting(body: bytes) -> int:
    """How deep JSON text nests, without recursion; brackets inside strings do not count."""
    deepest = depth = 0
    for token in _BRACKETS.finditer(body):
        character = token.group()
        if character in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in b"]}":
            depth -= 1
    return deepest


_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _attempt(value: Any) -> int:
    """Attempt as a number from 1; XTND always sends one, so anything else is a first try."""
    usable = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ATTEMPT
    return value if usable else 1
