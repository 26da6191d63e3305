"""Verified deliveries → Kafka records: one per notification, event or dead letter.

Pure: no clock, no I/O. Everything that makes a record takes a ``VerifiedBody``.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from connector import events
from connector.config import Config, HookSettings
from connector.config.models import MOST_EXPANDED_BYTES
from connector.errors import Poison
from connector.events import DeadLetter, Delivery, Event, OversizedDelivery
from connector.gateway.signature import VerifiedBody
from connector.kafka.record import RECORD_OVERHEAD_BYTES, Record
from connector.kafka.routes import Route, Routes

STAGE = "gateway"
# An upper bound for the record of a notification: Details or the whole of it, the action twice and the key
# twice are at most three times what was received; properties are text within JSON text, where a letter
# takes at most four bytes; names, ids, instants and Kafka's own overhead come on top.
NOTIFICATION_GROWTH = 3
PROPERTIES_GROWTH = 4
AROUND_BYTES = RECORD_OVERHEAD_BYTES + 2048


class HookRules(NamedTuple):
    """What a hook's settings say about its deliveries; ``families`` of None takes all.

    ``routes`` are those of the actions that are known and allowed.
    """

    retry_schedule_seconds: Sequence[float]
    families: frozenset[str] | None
    routes: Mapping[str, Route]


class Translator:
    """Makes records for one configuration."""

    def __init__(self, config: Config, clock_distance: Callable[[], float | None] = lambda: None) -> None:
        """``clock_distance`` gives seconds, which each event carries in a header; None while not known."""
        self._clock_distance = clock_distance
        self._known_distance: float | None = None
        self._routes = Routes(config)
        self._max_message_bytes = config.topics.max_message_bytes - RECORD_OVERHEAD_BYTES
        # An event's key and headers are short, so that it fits when its value is well below the limit.
        self._surely_fits = self._max_message_bytes - 4 * config.gateway.max_key_bytes - AROUND_BYTES
        self._max_depth = config.gateway.max_json_depth
        self._max_notifications = config.gateway.max_notifications
        self._max_expanded_bytes = config.gateway.max_expanded_bytes
        self._event_headers = [events.CONTENT_TYPE]
        self._hooks = {name: self._rules(hook) for name, hook in config.hooks.items()}

    def _rules(self, hook: HookSettings) -> HookRules:
        families = None if hook.families is None else frozenset(hook.families)
        routes = {
            action: route
            for action, route in self._routes.known.items()
            if families is None or route.family in families
        }
        return HookRules(hook.retry_schedule_seconds, families, routes)

    def records(self, verified: VerifiedBody, received_at: int) -> tuple[Record] | Iterator[Record]:
        """The records of a verified body: the only one, or each made when it is asked for.

        A delivery that would become too much is one record: its dead letter. Raises ``Poison``,
        before the first record, when the body is no delivery at all: park it with ``parked_body``
        and refuse it.
        """
        try:
            delivery = self.delivery(verified)
        except OversizedDelivery as oversized:
            return (self.parked_body(verified, received_at, oversized),)
        schedule = self._hooks[verified.hook].retry_schedule_seconds
        occurred_at = events.occurred_at(received_at, delivery.attempt, schedule)
        if len(delivery.notifications) == 1:  # as nearly always
            return (self.record(verified, delivery, 0, received_at, occurred_at),)
        return self._several(verified, delivery, received_at, occurred_at)

    def _several(
        self, verified: VerifiedBody, delivery: Delivery, received_at: int, occurred_at: int
    ) -> Iterator[Record]:
        for index in range(len(delivery.notifications)):
            yield self.record(verified, delivery, index, received_at, occurred_at)

    def delivery(self, verified: VerifiedBody) -> Delivery:
        """Read the envelope.

        Raises ``Poison`` when the body is no delivery at all, and ``OversizedDelivery`` when it
        would become more records or bytes than one delivery may; nothing is made before that.
        """
        delivery = events.parse_delivery(
            verified.raw, max_depth=self._max_depth, max_notifications=self._max_notifications
        )
        size = expanded_bytes(verified.raw, delivery)
        if size > self._max_expanded_bytes:
            what = f"Up to {size} bytes would be made of the delivery, properties in each event included;"
            limit = f"{self._max_expanded_bytes} may be (gateway.max_expanded_bytes)"
            cure = "Raise it if that is real, then replay."
            if size > MOST_EXPANDED_BYTES:
                cure = (
                    f"It can be raised to {MOST_EXPANDED_BYTES} only, so send its notifications in several "
                    "deliveries if they are real (connector dead-letters show, connector send), and discard "
                    "this one."
                )
            raise OversizedDelivery("expands-too-far", f"{what} {limit}. {cure}")
        return delivery

    def record(
        self, verified: VerifiedBody, delivery: Delivery, index: int, received_at: int, occurred_at: int
    ) -> Record:
        """Make the record of one notification: its event, or the dead letter of a bad one."""
        raw = delivery.notifications[index]
        action: str | None = None
        if delivery.fault is not None:
            return self._parked_notification(verified, delivery, index, received_at, action, delivery.fault)
        try:
            notification = events.parse_notification(
                raw, max_depth=None if delivery.shallow else self._max_depth
            )
            action = notification.action
            rules = self._hooks[verified.hook]
            route = rules.routes.get(action) or self._unusual_route(verified.hook, rules, action)
            events.refuse_nul("Details", notification.details)
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
            record = Record(route.topic, event.kafka_key, value, self._headers(), route.family)
            if len(value) > self._surely_fits:
                self._check_size(record)
        except Poison as poison:
            return self._parked_notification(verified, delivery, index, received_at, action, poison)
        return record

    def _headers(self) -> list[tuple[str, bytes]]:
        """Headers of an event: one list for all of them until the distance of the clocks changes."""
        distance = self._clock_distance()
        if distance != self._known_distance:
            self._known_distance = distance
            known = [] if distance is None else [(events.CLOCK_DISTANCE, b"%.3f" % distance)]
            self._event_headers = [events.CONTENT_TYPE, *known]
        return self._event_headers

    def _unusual_route(self, hook: str, rules: HookRules, action: str) -> Route:
        """The route of an action that no family claims, or that the hook does not allow."""
        if "\0" in action:
            raise Poison("nul-character", "Action holds U+0000, which no database column can.")
        route = self._routes.route(action)
        if rules.families is not None and route.family not in rules.families:
            what = f"The hook {hook!r} takes no events of the family {route.family!r}"
            raise Poison(
                "family-not-allowed", f"{what}. Add it to hooks.{hook}.families if it should, then replay."
            )
        return route

    def _check_size(self, record: Record) -> None:
        if record.size > self._max_message_bytes:
            what = f"The event takes {record.size} bytes on Kafka; {self._max_message_bytes} are taken."
            raise Poison("record-too-large", f"{what} Raise topics.max_message_bytes if it is real.")

    def parked_body(self, verified: VerifiedBody, received_at: int, poison: Poison) -> Record:
        """Make the dead letter of a body that is no delivery at all, or too much of one."""
        return self._dead_letter(verified, received_at, poison, what=verified.raw, payload=verified.raw)

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
        }
        payload = delivery.notifications[index]
        named: dict[str, Any] = {"action": action, "event_id": event_id, "context": context}
        what = event_id.encode()
        return self._dead_letter(verified, received_at, poison, what=what, payload=payload, **named)

    def _dead_letter(
        self,
        verified: VerifiedBody,
        received_at: int,
        poison: Poison,
        *,
        what: bytes,
        payload: bytes,
        context: Mapping[str, Any] = MappingProxyType({}),
        **named: Any,
    ) -> Record:
        """Make a dead letter; ``what`` identifies it, the same for each retry."""
        # The same for each retry of the same fault, so that they fold into one.
        digest = hashlib.sha256()
        for part in (STAGE.encode(), verified.hook.encode(), what, poison.reason.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
        letter = DeadLetter(
            dead_letter_id=digest.hexdigest()[:32],
            stage=STAGE,
            reason=poison.reason,
            error=poison.error,
            hook=verified.hook,
            parked_at=events.iso(received_at),
            context={**context, "received_at": events.iso(received_at)},
            payload=payload,
            **named,
        )
        headers, topic = list(letter.headers()), self._routes.dead_letter_topic
        return Record(
            topic, letter.dead_letter_id.encode(), letter.payload, headers, letter.reason, parked=True
        )


def expanded_bytes(body: bytes, delivery: Delivery) -> int:
    """Bytes that all records of a delivery take at most, from its size and its numbers alone."""
    around = AROUND_BYTES + PROPERTIES_GROWTH * len(delivery.properties)
    return NOTIFICATION_GROWTH * len(body) + around * len(delivery.notifications)
