"""Verified deliveries → Kafka records: one per notification, event or dead letter.

Pure: no clock, no I/O. Everything that makes a record takes a ``VerifiedBody``.
"""

import hashlib
from typing import Any

from connector import events
from connector.errors import Poison
from connector.events import DeadLetter, Delivery, Event
from connector.gateway.signature import VerifiedBody
from connector.kafka.record import Record
from connector.kafka.routes import Routes

STAGE = "gateway"
# Properties travel with each notification; this bounds what one delivery can grow to.
MAX_PROPERTIES_COPIES_BYTES = 67_108_864


class Translator:
    """Makes records for one configuration."""

    def __init__(self, routes: Routes, *, max_message_bytes: int, max_depth: int) -> None:
        self._routes = routes
        self._max_message_bytes = max_message_bytes
        self._max_depth = max_depth
        self._event_headers = [events.CONTENT_TYPE]

    def delivery(self, verified: VerifiedBody) -> Delivery:
        """Read the envelope; raises ``Poison`` when the body is no delivery at all."""
        delivery = events.parse_delivery(verified.raw, max_depth=self._max_depth)
        if len(delivery.properties) * len(delivery.notifications) > MAX_PROPERTIES_COPIES_BYTES:
            what = f"Properties times notifications is more than {MAX_PROPERTIES_COPIES_BYTES} bytes."
            raise Poison("properties-too-large", f"{what} Register the hook with smaller properties.")
        return delivery

    def record(
        self, verified: VerifiedBody, delivery: Delivery, index: int, received_at: int, occurred_at: int
    ) -> Record:
        """Make the record of one notification: its event, or the dead letter of a bad one."""
        raw = delivery.notifications[index]
        action: str | None = None
        try:
            notification = events.parse_notification(raw)
            action = notification.action
            route = self._routes.route(action)
            event = Event(
                delivery_id=delivery.delivery_id,
                index=index,
                hook=verified.hook,
                attempt=delivery.attempt,
                family=route.family,
                action=action,
                entity_key=self._routes.entity_key(route, notification.data),
                details=notification.details,
                properties=delivery.properties,
                received_at=received_at,
                occurred_at=occurred_at,
            )
            value = events.encode(event)
            record = Record(route.topic, event.kafka_key, value, self._event_headers, route.family)
            self._check_size(record)
        except Poison as poison:
            return self._parked_notification(verified, delivery, index, received_at, action, poison)
        return record

    def _check_size(self, record: Record) -> None:
        if record.size > self._max_message_bytes:
            what = f"The event takes {record.size} bytes on Kafka; {self._max_message_bytes} are taken."
            raise Poison("record-too-large", f"{what} Raise topics.max_message_bytes if it is real.")

    def parked_body(self, verified: VerifiedBody, received_at: int, poison: Poison) -> Record:
        """Make the dead letter of a body that is no delivery at all."""
        context = {"received_at": events.iso(received_at)}
        return self._dead_letter(
            DeadLetter(
                dead_letter_id=_dead_letter_id(verified.hook, verified.raw, poison.reason),
                stage=STAGE,
                reason=poison.reason,
                error=poison.error,
                hook=verified.hook,
                parked_at=events.iso(received_at),
                context=context,
                payload=verified.raw,
            )
        )

    def _parked_notification(
        self,
        verified: VerifiedBody,
        delivery: Delivery,
        index: int,
        received_at: int,
        action: str | None,
        poison: Poison,
    ) -> Record:
        event_id = f"{delivery.delivery_id}:{index}"
        context: dict[str, Any] = {
            "delivery_id": delivery.delivery_id,
            "index": index,
            "attempt": delivery.attempt,
            "properties": delivery.properties,
            "received_at": events.iso(received_at),
        }
        return self._dead_letter(
            DeadLetter(
                dead_letter_id=_dead_letter_id(verified.hook, event_id.encode(), poison.reason),
                stage=STAGE,
                reason=poison.reason,
                error=poison.error,
                hook=verified.hook,
                action=action,
                event_id=event_id,
                parked_at=events.iso(received_at),
                context=context,
                payload=delivery.notifications[index],
            )
        )

    def _dead_letter(self, letter: DeadLetter) -> Record:
        headers = list(letter.headers())
        topic = self._routes.dead_letter_topic
        return Record(
            topic, letter.dead_letter_id.encode(), letter.payload, headers, letter.reason, parked=True
        )


def _dead_letter_id(hook: str, what: bytes, reason: str) -> str:
    """32 hex digits that are the same for each retry of the same fault, so that they fold into one."""
    digest = hashlib.sha256()
    for part in (STAGE.encode(), hook.encode(), what, reason.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]
