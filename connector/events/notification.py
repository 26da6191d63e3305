"""A notification: one entry of a delivery's ``Notifications``."""

from typing import Any

import msgspec

from connector.errors import Poison
from connector.events import structure
from connector.events.values import JSON_ERRORS, compact, hide_surrogates, read_json, shown

# Levels around a notification: the body's object and its Notifications.
LEVELS_AROUND = 2


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``Notifications``, with Details both as text and as data."""

    action: str
    details: bytes
    data: Any


class _Notification(msgspec.Struct):
    Action: str
    Details: msgspec.Raw = msgspec.Raw(b"null")


class _RawNotification(msgspec.Struct):
    Action: msgspec.Raw = msgspec.Raw(b"null")
    Details: msgspec.Raw = msgspec.Raw(b"null")


_notification = msgspec.json.Decoder(_Notification)
_raw_notification = msgspec.json.Decoder(_RawNotification)


def parse_notification(raw: bytes, *, max_depth: int | None = 32) -> Notification:
    """Read one entry of ``Notifications``; what kind Details are, its route says (``kafka/routes.py``).

    ``max_depth`` counts the levels around it too; None for one that is known to be shallow. Raises
    ``Poison`` when its kind is wrong, when it nests too deep, or when a value in it could not be kept.
    """
    if max_depth is not None and structure.nests_deeper(raw, max_depth - LEVELS_AROUND):
        what = f"The notification is nested more than {max_depth} levels deep"
        raise Poison("too-deep", f"{what}. Raise gateway.max_json_depth if that is real, then replay.")
    try:
        read = _notification.decode(raw)
    except JSON_ERRORS:
        action, details = _unusual_notification(raw)
    else:
        action, details = read.Action, bytes(read.Details)
    if not action.strip():
        raise Poison("no-action", "The notification has no Action; it must be text.")
    data = read_json("Details", details)
    return Notification(action=action, details=compact(details), data=data)


def _unusual_notification(raw: bytes) -> tuple[str, bytes]:
    """Action and Details of a notification in which something is wrong, perhaps beside them."""
    try:
        read = _raw_notification.decode(hide_surrogates(raw))
    except JSON_ERRORS as error:
        what = "The notification must be an object with Action"
        raise Poison("notification-kind", f"{what}: {error}.") from None
    action = shown(bytes(read.Action))
    if not action.startswith(b'"'):
        raise Poison("no-action", "The notification has no Action; it must be text.")
    return read_json("Action", action), shown(bytes(read.Details))
