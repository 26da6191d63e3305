"""Events: one notification of one delivery is one event (docs/contract.md, Events), a CloudEvent on Kafka.

A snapshot, which is the answer of one GET, is an event too: ``snapshot.py`` makes it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from typing_extensions import override

from connector.errors import Poison
from connector.events.delivery import DELIVERY_ID, MAX_ATTEMPT, MAX_INDEX
from connector.events.instants import MAX_INSTANT, from_iso, iso
from connector.events.structure import nests_deeper
from connector.events.values import JSON_ERRORS

CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")
# Header with the seconds by which the gateway's clock was ahead of the broker's when it received the event.
CLOCK_DISTANCE = "clock-distance"
TYPE_PREFIX = "com.extendcommerce.xtnd."
UNROUTED = "unrouted"
# What stands before the name of a source in the ``source`` of its snapshots.
SOURCES = "/sources/"
# Levels that Details may nest, from wherever they come: more than any gateway lets pass, and few enough for
# the JSON of every database and every reader.
MAX_DEPTH = 200

# What a snapshot's action ends in: a record, or that there is none.
SNAPSHOT, GONE = "Snapshot", "Gone"
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
FAMILY = re.compile(r"[a-z][a-z0-9_]{0,58}\Z")


class Sort(NamedTuple):
    """What tables take an event by: the action of a hook's, or the family where it is a snapshot."""

    name: str
    of_source: bool = False

    @override
    def __str__(self) -> str:
        return f"snapshots of {self.name}" if self.of_source else self.name


# (event_id, source): an event that another hook received is another event (docs/contract.md, Events).
Identity = tuple[str, str]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One notification of one delivery, or a snapshot where ``source_name`` is given.

    ``details`` is compact JSON text as received, ``properties`` likewise. ``entity_key`` is None
    only for an action that no family claims. ``source_name`` is that of sources.yaml; a snapshot came by
    no hook, and its ``delivery_id`` is the whole event id.
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
    source_name: str | None = None

    @property
    def event_id(self) -> str:
        return f"{self.delivery_id}:{self.index}" if self.source_name is None else self.delivery_id

    @property
    def source(self) -> str:
        """Where it came from, as a CloudEvent says it."""
        return source_of(self.hook, self.source_name)

    @property
    def identity(self) -> Identity:
        """What makes it the same event; the id first, because it differs sooner."""
        return (self.event_id, source_of(self.hook, self.source_name))

    @property
    def sort(self) -> Sort:
        """What tables take it by."""
        return Sort(self.action) if self.source_name is None else Sort(self.family, of_source=True)

    @property
    def is_gone(self) -> bool:
        """Whether it says that its source has no such record."""
        return self.source_name is not None and self.action.endswith(GONE)

    @property
    def kafka_key(self) -> bytes:
        """The entity key; the delivery's Id where no entity is known, so that no record is keyless.

        Snapshots of all families share a topic, so theirs has the family in front.
        """
        if self.source_name is not None:
            return f"{self.family}/{self.entity_key}".encode()
        return (self.entity_key or self.delivery_id).encode()

    @property
    def version(self) -> str:
        """Text that sorts, byte by byte, as events do: (occurred_at, delivery Id, index, source).

        The blank sorts below every character that an Id may hold; instant and index have one width,
        and the source, which may hold any character, comes last. The id of a snapshot may hold any
        character too, but its source holds no blank and no delivery's Id a slash, so that no two
        events have one version.
        """
        # Half the price of a format, and every event has one.
        at, index = str(self.occurred_at).zfill(16), str(self.index).zfill(6)
        return f"{at} {self.delivery_id} {index} {source_of(self.hook, self.source_name)}"

    @property
    def copy_rank(self) -> tuple[int, int]:
        """Which of several copies of one event counts: the lowest (attempt, received_at)."""
        return (self.attempt, self.received_at)


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on Kafka: CloudEvents 1.0, structured mode (docs/contract.md, Events)."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str = "application/json"
    subject: str | msgspec.UnsetType | None = msgspec.UNSET
    family: str
    action: str
    # These four are of a hook's event alone.
    hook: str | msgspec.UnsetType = msgspec.UNSET
    deliveryid: str | msgspec.UnsetType = msgspec.UNSET
    deliveryindex: int | msgspec.UnsetType = msgspec.UNSET
    attempt: int | msgspec.UnsetType = msgspec.UNSET
    receivedat: str
    properties: str
    data: msgspec.Raw


_cloud_event = msgspec.json.Decoder(CloudEvent)
_any_json = msgspec.json.Decoder(msgspec.Raw)
_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=1024)  # hooks are few, and every event asks
def source_of(hook: str, source_name: str | None = None) -> str:
    """The source of a hook's events, which is the path that it is posted to, or of snapshots."""
    return f"/webhooks/{hook}" if source_name is None else f"{SOURCES}{source_name}"


def occurred_at(received_at: int, attempt: int, schedule_seconds: Sequence[float]) -> int:
    """Best estimate of when it happened: receipt minus the retry schedule (docs/contract.md, Events)."""
    step = min(attempt, len(schedule_seconds)) - 1
    return received_at - round(schedule_seconds[max(step, 0)] * 1_000_000)


def encode(event: Event) -> bytes:
    """The record value of an event: a CloudEvents 1.0 JSON object."""
    received_at = iso(event.received_at)
    of_hook = event.source_name is None
    return _encoder.encode(
        CloudEvent(
            specversion="1.0",
            id=event.event_id,
            source=source_of(event.hook, event.source_name),
            type=TYPE_PREFIX + event.action,
            subject=event.entity_key if event.entity_key is not None else msgspec.UNSET,
            time=received_at if event.occurred_at == event.received_at else iso(event.occurred_at),
            family=event.family,
            action=event.action,
            hook=event.hook if of_hook else msgspec.UNSET,
            deliveryid=event.delivery_id if of_hook else msgspec.UNSET,
            deliveryindex=event.index if of_hook else msgspec.UNSET,
            attempt=event.attempt if of_hook else msgspec.UNSET,
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
        for text in (cloud.properties.encode(), bytes(cloud.data)):
            if nests_deeper(text, MAX_DEPTH):
                raise ValueError(f"it nests more than {MAX_DEPTH} levels deep")
        bytes(cloud.data).decode()  # msgspec checks the grammar of a Raw, not its UTF-8
        received_at = from_iso(cloud.receivedat)
        of_source = cloud.source.startswith(SOURCES)
        event = Event(
            delivery_id=cloud.id if of_source else cloud.deliveryid or "",
            index=cloud.deliveryindex or 0,
            hook=cloud.hook or "",
            attempt=1 if of_source else cloud.attempt or 0,
            family=cloud.family,
            action=cloud.action,
            entity_key=cloud.subject if isinstance(cloud.subject, str) else None,
            details=bytes(cloud.data),
            properties=cloud.properties,
            received_at=received_at,
            occurred_at=received_at if cloud.time == cloud.receivedat else from_iso(cloud.time),
            source_name=cloud.source.removeprefix(SOURCES) if of_source else None,
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
        (_is_of_hook(event, cloud) if event.source_name is None else _is_snapshot(event, cloud))
        and 0 <= event.occurred_at <= MAX_INSTANT
        and 0 <= event.received_at <= MAX_INSTANT
        and cloud.id == event.event_id
        and cloud.source == event.source
        and event.action
        and event.family
    )
    if not sound:
        what = "its id, source, hook, deliveryid, deliveryindex, attempt, time, action and family"
        raise Poison("foreign-event", f"The record is a CloudEvent, but {what} do not fit together.")


def _is_of_hook(event: Event, cloud: CloudEvent) -> bool:
    return bool(
        cloud.hook is not msgspec.UNSET
        and cloud.deliveryindex is not msgspec.UNSET
        and DELIVERY_ID.match(event.delivery_id)
        and 0 <= event.index <= MAX_INDEX
        and 1 <= event.attempt <= MAX_ATTEMPT
    )


def _is_snapshot(event: Event, cloud: CloudEvent) -> bool:
    of_hook = (cloud.hook, cloud.deliveryid, cloud.deliveryindex, cloud.attempt)
    return bool(
        all(part is msgspec.UNSET for part in of_hook)
        and SOURCE_NAME.match(event.source_name or "")
        and FAMILY.match(event.family)
        and event.entity_key
        and event.event_id == snapshot_id(event.family, event.entity_key, event.occurred_at)
        and event.action.endswith((SNAPSHOT, GONE))
    )


def snapshot_id(family: str, key: str, at: int) -> str:
    """The id of a snapshot; ``at`` is when it was asked for, in microseconds since the epoch."""
    return f"{family}/{key}@{at}"
