"""A delivery: one POST of XTND, whose entries of ``Notifications`` are read one by one.

Details and properties stay JSON text all the way, so that no number is ever read as a binary float.
A fault of the body's grammar spoils the delivery; a value that cannot be read, or a part that nests
too deep, spoils its own notification and no other (docs/contract.md, The gateway).
"""

import re
from functools import lru_cache
from typing import Self, TypeVar

import msgspec

from connector.errors import Poison
from connector.events import structure
from connector.events.values import (
    JSON_ERRORS,
    compact,
    hide_surrogates,
    read_json,
    refuse_nul,
    shown,
)

T = TypeVar("T")

# A delivery's Id is 32 hex digits; others are taken as long as they sort and print safely.
DELIVERY_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
UNUSABLE_ID = ("no-delivery-id", "Id must be text of 1 to 64 letters, digits, '-' or '_'.")
MAX_INDEX = 999_999
MAX_ATTEMPT = 1_000_000
# Below so many commas it costs less to read an array than to count what it would give.
FEW_COMMAS = 20_000
# Bytes of properties that are worth remembering: they are the hook's own, the same in each delivery.
SHORT_PROPERTIES = 2000


class OversizedDelivery(Poison):
    """A sound delivery that would become more than one delivery may.

    It is answered as accepted and parked as a whole, in one dead letter: raise the setting that the
    error names, then replay it.
    """

    @classmethod
    def beyond(cls, most: int) -> Self:
        """Of more than ``most`` notifications."""
        what = f"One delivery may have {most} notifications (gateway.max_notifications); this one has more."
        return cls("too-many-notifications", f"{what} Raise it if that is real, then replay.")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One POST of XTND: an envelope with notifications, each still as received.

    ``fault`` says why none of them can become an event, though each may be sound by itself.
    ``shallow`` when it is known that none of them nests too deep.
    """

    delivery_id: str
    attempt: int
    properties: str
    notifications: tuple[bytes, ...]
    fault: Poison | None = None
    shallow: bool = False


class _Envelope(msgspec.Struct):
    """The envelope of nearly every delivery."""

    Id: str
    Notifications: list[msgspec.Raw]
    Attempt: int = 1
    Properties: msgspec.Raw = msgspec.Raw(b"{}")


class _RawEnvelope(msgspec.Struct):
    """The envelope of any delivery."""

    Id: msgspec.Raw = msgspec.Raw(b"null")
    Notifications: msgspec.Raw = msgspec.Raw(b"null")
    Attempt: msgspec.Raw = msgspec.Raw(b"1")
    Properties: msgspec.Raw = msgspec.Raw(b"{}")


_envelope = msgspec.json.Decoder(_Envelope)
_raw_envelope = msgspec.json.Decoder(_RawEnvelope)
_raw = msgspec.json.Decoder(msgspec.Raw)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_whole_number = msgspec.json.Decoder(int)


def parse_delivery(body: bytes, *, max_depth: int = 32, max_notifications: int = MAX_INDEX) -> Delivery:
    """Read the envelope of a verified body.

    Raises ``Poison`` when it is not a delivery at all: not UTF-8, not JSON, no object, nested
    deeper than ``max_depth`` outside of a notification, no usable Id, no Notifications array; and
    ``OversizedDelivery`` when it has more than ``max_notifications``.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise Poison("not-utf8", f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    many = len(body) > FEW_COMMAS and body.count(b",") > FEW_COMMAS
    if many or structure.nests_deeper(body, max_depth):
        return _parse_unusual(body, max_depth, max_notifications)
    try:
        read = _envelope.decode(body)
    except JSON_ERRORS:
        return _parse_unusual(body, max_depth, max_notifications)
    if len(read.Notifications) > max_notifications:
        raise OversizedDelivery.beyond(max_notifications)
    if not DELIVERY_ID.match(read.Id):
        raise Poison(*UNUSABLE_ID)
    properties, fault = _properties(bytes(read.Properties))
    return Delivery(
        delivery_id=read.Id,
        attempt=read.Attempt if 1 <= read.Attempt <= MAX_ATTEMPT else 1,
        properties=properties,
        notifications=tuple(map(bytes, read.Notifications)),
        fault=fault,
        shallow=True,
    )


def _parse_unusual(body: bytes, max_depth: int, max_notifications: int) -> Delivery:
    """Read the envelope of a body in which something is wrong, or much."""
    try:
        shallow = structure.Shallow(hide_surrogates(body), max_depth)
        if not bytes(_raw.decode(shallow.text)).startswith(b"{"):
            raise Poison("not-an-object", "The body is JSON, but not an object with Id and Notifications.")
        envelope = _raw_envelope.decode(shallow.text)
    except JSON_ERRORS as error:
        raise Poison("not-json", f"The body is not JSON: {error}.") from None
    array = bytes(envelope.Notifications)
    if shallow.cuts > shallow.restored(array)[1]:
        what = f"nested more than {max_depth} levels deep (gateway.max_json_depth)"
        raise Poison("too-deep", f"The body is {what} outside of its notifications.")
    if not array.startswith(b"["):
        raise Poison("no-notifications", "The body has no Notifications array.")
    delivery_id = _decoded(_text, envelope.Id)
    if delivery_id is None or not DELIVERY_ID.match(delivery_id):
        raise Poison(*UNUSABLE_ID)
    if structure.items(array, max_notifications) > max_notifications:
        raise OversizedDelivery.beyond(max_notifications)
    attempt = _decoded(_whole_number, envelope.Attempt) or 1
    properties, fault = _properties(shown(bytes(envelope.Properties)))
    return Delivery(
        delivery_id=delivery_id,
        attempt=attempt if 1 <= attempt <= MAX_ATTEMPT else 1,
        properties=properties,
        notifications=tuple([shown(shallow.restored(bytes(item))[0]) for item in _raw_list.decode(array)]),
        fault=fault,
    )


def _decoded(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw) -> T | None:
    """What a part of the envelope says, or None when it cannot be read."""
    try:
        return decoder.decode(raw)
    except JSON_ERRORS:
        return None


def _properties(raw: bytes) -> tuple[str, Poison | None]:
    """Properties as compact text, and what keeps them from being stored."""
    return _short_properties(raw) if len(raw) <= SHORT_PROPERTIES else _checked_properties(raw)


def _checked_properties(raw: bytes) -> tuple[str, Poison | None]:
    try:
        read_json("Properties", raw)
        refuse_nul("Properties", raw)
    except Poison as poison:
        # A new one, because this is kept and the one that was raised holds on to its frames.
        return shown(compact(hide_surrogates(raw))).decode(), Poison(poison.reason, poison.error)
    return compact(raw).decode(), None


_short_properties = lru_cache(maxsize=1024)(_checked_properties)
