"""Events on Kafka: CloudEvents 1.0 in structured mode (docs/contract.md, Events)."""

import re

import msgspec

from connector.errors import Poison
from connector.events.delivery import DELIVERY_ID, MAX_ATTEMPT, MAX_INDEX
from connector.events.event import GONE, SNAPSHOT, SOURCES, Event, snapshot_id, source_of
from connector.events.instants import MAX_INSTANT, from_iso, iso
from connector.events.structure import nests_deeper
from connector.events.values import JSON_ERRORS

CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")
TYPE_PREFIX = "com.extendcommerce.xtnd."
# Levels that Details may nest, from wherever they come: more than any gateway lets pass, and few enough for
# the JSON of every database and every reader.
MAX_DEPTH = 200
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
FAMILY = re.compile(r"[a-z][a-z0-9_]{0,58}\Z")


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

    def fits(self, event: Event) -> bool:
        """Whether its parts fit together: others break the total order of events or the ledger's key."""
        return bool(
            (self._fits_hook(event) if event.source_name is None else self._fits_snapshot(event))
            and 0 <= event.occurred_at <= MAX_INSTANT
            and 0 <= event.received_at <= MAX_INSTANT
            and self.id == event.event_id
            and self.source == event.source
            and event.action
            and event.family
        )

    def _fits_hook(self, event: Event) -> bool:
        return bool(
            self.hook is not msgspec.UNSET
            and self.deliveryindex is not msgspec.UNSET
            and DELIVERY_ID.match(event.delivery_id)
            and 0 <= event.index <= MAX_INDEX
            and 1 <= event.attempt <= MAX_ATTEMPT
        )

    def _fits_snapshot(self, event: Event) -> bool:
        of_hook = (self.hook, self.deliveryid, self.deliveryindex, self.attempt)
        return bool(
            all(part is msgspec.UNSET for part in of_hook)
            and SOURCE_NAME.match(event.source_name or "")
            and FAMILY.match(event.family)
            and event.entity_key
            and event.event_id == snapshot_id(event.family, event.entity_key, event.occurred_at)
            and event.action.endswith((SNAPSHOT, GONE))
        )


_cloud_event = msgspec.json.Decoder(CloudEvent)
_any_json = msgspec.json.Decoder(msgspec.Raw)
_encoder = msgspec.json.Encoder()


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
        details = bytes(cloud.data)
        details.decode()  # msgspec checks the grammar of a Raw, not its UTF-8
        # A level takes two brackets, so short text need not be looked at.
        if len(details) > 2 * MAX_DEPTH or len(cloud.properties) > 2 * MAX_DEPTH:
            for text in (cloud.properties.encode(), details):
                if nests_deeper(text, MAX_DEPTH):
                    raise ValueError(f"it nests more than {MAX_DEPTH} levels deep")
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
            details=details,
            properties=cloud.properties,
            received_at=received_at,
            occurred_at=received_at if cloud.time == cloud.receivedat else from_iso(cloud.time),
            source_name=cloud.source.removeprefix(SOURCES) if of_source else None,
        )
    except JSON_ERRORS as error:
        raise Poison(
            "not-an-event", f"The record is no CloudEvents JSON of this connector: {error}."
        ) from None
    if not cloud.fits(event):
        what = "its id, source, hook, deliveryid, deliveryindex, attempt, time, action and family"
        raise Poison("foreign-event", f"The record is a CloudEvent, but {what} do not fit together.")
    return event
