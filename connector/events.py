"""Deliveries, notifications and events: what XTND sends, and what travels on Kafka.

One notification of one delivery is one event (mirror.md, part 1). Instants are integers:
microseconds since 1970-01-01 UTC. Details and properties stay JSON text all the way, so that no
number is ever read as a binary float.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from connector.errors import Poison

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")
TYPE_PREFIX = "com.extendcommerce.xtnd."
UNROUTED = "unrouted"
# A delivery's Id is 32 hex digits; others are taken as long as they sort and print safely.
DELIVERY_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
MAX_INDEX = 999_999
MAX_ATTEMPT = 1_000_000
MAX_DIGITS = 60
# Instants of events have 16 digits at most (until the year 2286), so that versions sort as text.
MAX_INSTANT = 10**16 - 1

exact_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
"""Reads JSON with every fractional number as a ``Decimal``; refuses NaN and Infinity.

Raises ``JSON_ERRORS``.
"""
# An exponent of twenty digits is an ArithmeticError of Decimal; a ValueError is all else but depth.
JSON_ERRORS = (ValueError, ArithmeticError, RecursionError)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One notification of one delivery.

    ``details`` is compact JSON text as received, ``properties`` likewise. ``entity_key`` is None
    only for an action that no family claims.
    """

    delivery_id: str
    index: int
    hook: str
    attempt: int
    family: str
    action: str
    entity_key: str | None
    details: bytes
    properties: str
    received_at: int
    occurred_at: int

    @property
    def event_id(self) -> str:
        return f"{self.delivery_id}:{self.index}"

    @property
    def kafka_key(self) -> bytes:
        """The entity key; the delivery's Id where no entity is known, so that no record is keyless."""
        return (self.entity_key or self.delivery_id).encode()

    @property
    def version(self) -> str:
        """Text that sorts, byte by byte, as events do: (occurred_at, delivery Id, index).

        The blank sorts below every character that an Id may hold.
        """
        # Half the price of a format, and every event has one.
        return f"{str(self.occurred_at).zfill(16)} {self.delivery_id} {str(self.index).zfill(6)}"

    @property
    def copy_rank(self) -> tuple[int, int]:
        """Which of several copies of one event counts: the lowest (attempt, received_at)."""
        return (self.attempt, self.received_at)


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


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on Kafka: CloudEvents 1.0, structured mode (mirror.md, part 1)."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str = "application/json"
    subject: str | msgspec.UnsetType | None = msgspec.UNSET
    family: str
    action: str
    hook: str
    deliveryid: str
    deliveryindex: int
    attempt: int
    receivedat: str
    properties: str
    data: msgspec.Raw


_envelope = msgspec.json.Decoder(_Envelope)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_notification = msgspec.json.Decoder(_Notification)
_cloud_event = msgspec.json.Decoder(CloudEvent)
_any_json = msgspec.json.Decoder(msgspec.Raw)
_encoder = msgspec.json.Encoder()


# --- From XTND -----------------------------------------------------------------------------------


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


def occurred_at(received_at: int, attempt: int, schedule_seconds: Sequence[float]) -> int:
    """Best estimate of when it happened: receipt minus XTND's retry schedule (mirror.md, part 1)."""
    step = min(attempt, len(schedule_seconds)) - 1
    return received_at - round(schedule_seconds[max(step, 0)] * 1_000_000)


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


def compact(raw: bytes | msgspec.Raw) -> bytes:
    """JSON text without the white space between its parts; values stay to the letter."""
    return msgspec.json.format(bytes(raw), indent=-1)


def _attempt(value: Any) -> int:
    """Attempt as a number from 1; XTND always sends one, so anything else is a first try."""
    usable = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ATTEMPT
    return value if usable else 1


# --- Values in Details ---------------------------------------------------------------------------


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


# --- Instants ------------------------------------------------------------------------------------


def microseconds(instant: datetime) -> int:
    """An aware datetime as microseconds since the epoch."""
    return (instant - EPOCH) // MICROSECOND


def iso(instant: int) -> str:
    """Microseconds since the epoch as ISO-8601 UTC text that sorts: 27 characters ending in Z."""
    seconds, micros = divmod(instant, 1_000_000)
    return f"{_iso_seconds(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=8192)  # instants come in the order of time, or nearly
def _iso_seconds(seconds: int) -> str:
    # Not strftime, which writes the year 1 with one digit.
    return (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds")[:19]


EARLIEST = microseconds(datetime.min.replace(tzinfo=UTC))
LATEST = microseconds(datetime.max.replace(tzinfo=UTC))


def from_iso(text: str) -> int:
    """ISO-8601 text with an offset as microseconds since the epoch; ``ValueError`` otherwise."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    since = microseconds(instant)
    if not EARLIEST <= since <= LATEST:
        raise ValueError(f"{text!r} is outside of the years 1 to 9999 in UTC")
    return since


# --- On Kafka ------------------------------------------------------------------------------------


def encode(event: Event) -> bytes:
    """The record value of an event: a CloudEvents 1.0 JSON object."""
    received_at = iso(event.received_at)
    return _encoder.encode(
        CloudEvent(
            specversion="1.0",
            id=event.event_id,
            source=f"/webhooks/{event.hook}",
            type=TYPE_PREFIX + event.action,
            subject=event.entity_key if event.entity_key is not None else msgspec.UNSET,
            time=received_at if event.occurred_at == event.received_at else iso(event.occurred_at),
            family=event.family,
            action=event.action,
            hook=event.hook,
            deliveryid=event.delivery_id,
            deliveryindex=event.index,
            attempt=event.attempt,
            receivedat=received_at,
            properties=event.properties,
            data=msgspec.Raw(event.details),
        )
    )


def decode(value: bytes | None) -> Event:
    """Read a record value; raises ``Poison`` when it is no event of ours."""
    if value is None:
        raise Poison(
            "null-record", "The record has no value; only the connector's gateway should write here."
        )
    try:
        cloud = _cloud_event.decode(value)
        _any_json.decode(cloud.properties)
        bytes(cloud.data).decode()  # msgspec checks the grammar of a Raw, not its UTF-8
        received_at = from_iso(cloud.receivedat)
        event = Event(
            delivery_id=cloud.deliveryid,
            index=cloud.deliveryindex,
            hook=cloud.hook,
            attempt=cloud.attempt,
            family=cloud.family,
            action=cloud.action,
            entity_key=cloud.subject if isinstance(cloud.subject, str) else None,
            details=bytes(cloud.data),
            properties=cloud.properties,
            received_at=received_at,
            occurred_at=received_at if cloud.time == cloud.receivedat else from_iso(cloud.time),
        )
    except JSON_ERRORS as error:
        raise Poison(
            "not-an-event", f"The record is no CloudEvents JSON of this connector: {error}."
        ) from None
    _check(event, cloud)
    return event


def _check(event: Event, cloud: CloudEvent) -> None:
    """Refuse what would break the total order of events or the ledger's key."""
    sound = (
        DELIVERY_ID.match(event.delivery_id)
        and 0 <= event.index <= MAX_INDEX
        and 1 <= event.attempt <= MAX_ATTEMPT
        and 0 <= event.occurred_at <= MAX_INSTANT
        and 0 <= event.received_at <= MAX_INSTANT
        and cloud.id == event.event_id
        and event.action
        and event.family
    )
    if not sound:
        what = "its id, deliveryid, deliveryindex, attempt, time, action and family do not fit together"
        raise Poison("foreign-event", f"The record is a CloudEvent, but {what}.")


# --- Dead letters --------------------------------------------------------------------------------


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What can never be mirrored as it is, with its origin (mirror.md, part 7).

    On Kafka the record value is ``payload``, exactly as received, and everything else stands in the
    header ``dead-letter`` as JSON. ``context`` holds what a replay needs beside the payload.
    """

    dead_letter_id: str
    stage: str
    reason: str
    error: str
    hook: str | None = None
    action: str | None = None
    event_id: str | None = None
    kafka_topic: str | None = None
    kafka_partition: int | None = None
    kafka_offset: int | None = None
    parked_at: str = ""
    context: dict[str, Any] = {}
    payload: bytes = b""

    def headers(self) -> Iterator[tuple[str, bytes]]:
        """Kafka headers that hold everything but the payload."""
        yield ("dead-letter", _encoder.encode({**msgspec.structs.asdict(self), "payload": ""}))


_dead_letter = msgspec.json.Decoder(DeadLetter)


def decode_dead_letter(headers: Sequence[tuple[str, bytes]], value: bytes | None) -> DeadLetter:
    """Read a record of the dead-letter topic; raises ``Poison`` when its header is not ours."""
    header = dict(headers).get("dead-letter")
    if header is None:
        raise Poison("foreign-dead-letter", "The record has no dead-letter header.")
    try:
        letter = _dead_letter.decode(header)
    except msgspec.DecodeError as error:
        raise Poison("foreign-dead-letter", f"The dead-letter header cannot be read: {error}.") from None
    return msgspec.structs.replace(letter, payload=value or b"")
