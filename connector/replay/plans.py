"""A dead letter → the records that it makes with the configuration of today, or why it stays bad."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from connector import events
from connector.config import Config
from connector.errors import Poison
from connector.events import DeadLetter, Delivery, Event
from connector.gateway import records, signature
from connector.gateway.records import Translator
from connector.gateway.signature import Keys, VerifiedBody
from connector.hydrator import fetcher
from connector.hydrator.record import Records
from connector.kafka.record import RECORD_OVERHEAD_BYTES, Record
from connector.kafka.routes import Routes
from connector.mirror.mapping import Mapping


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay of a letter does: the records it publishes, or the fault that keeps it parked.

    ``asks``, family and entity key, is the record that is asked for again.
    """

    letter: DeadLetter
    records: tuple[Record, ...] = ()
    events: tuple[Event, ...] = ()
    asks: tuple[str, str] | None = None
    fault: Poison | None = None

    @property
    def new_letters(self) -> list[Record]:
        """Records that are dead letters themselves: bad notifications of a body that is good now."""
        return [record for record in self.records if record.parked]

    def light(self) -> "ReplayPlan":
        """The plan without what takes memory."""
        small = tuple(record._replace(value=b"", headers=[]) for record in self.records)
        letter = msgspec.structs.replace(self.letter, payload=b"")
        return ReplayPlan(letter, small, asks=self.asks, fault=self.fault)


def is_body(letter: DeadLetter) -> bool:
    """Whether the payload is a whole body of the gateway, not one notification or event."""
    return letter.stage == records.STAGE and "delivery_id" not in letter.context


class Planner:
    """Makes plans for one configuration; pure."""

    def __init__(self, config: Config, mapping: Mapping) -> None:
        self._hooks = config.hooks
        self._sources = config.sources
        self._mapping = mapping
        self._routes = Routes(config)
        self._max_bytes = config.topics.max_message_bytes - RECORD_OVERHEAD_BYTES
        self._translator = Translator(config)

    def plan(self, letter: DeadLetter) -> ReplayPlan:
        """Make a letter's records again; never raises for the letter's content."""
        try:
            if letter.stage == fetcher.STAGE:
                return ReplayPlan(letter, asks=self._asks(letter))
            made = tuple(self._records(letter))
            made_events = tuple(events.decode(record.value) for record in made if not record.parked)
            if not is_body(letter):
                self._refuse_bad(made, made_events)
        except Poison as poison:
            return ReplayPlan(letter, fault=poison)
        return ReplayPlan(letter, made, made_events)

    def _refuse_bad(self, made: Sequence[Record], made_events: Sequence[Event]) -> None:
        """Refuse what the gateway or the worker would only park again."""
        for record in made:
            if record.parked:
                bad = events.DeadLetter.decode(record.headers, record.value)
                raise Poison(bad.reason, bad.error)
            if record.size > self._max_bytes:
                what = f"The event takes {record.size} bytes on Kafka; {self._max_bytes} are taken."
                raise Poison("record-too-large", f"{what} Raise topics.max_message_bytes if it is real.")
        for event in made_events:
            self._mapping.contributions(event)

    def _records(self, letter: DeadLetter) -> list[Record]:
        if letter.stage != records.STAGE:
            return [self._event_record(letter)]
        verified = self._as_verified(letter)
        context = LetterContext(letter)
        if is_body(letter):
            delivery = self._translator.delivery(verified)
            indexes = range(len(delivery.notifications))
        else:
            delivery, index = context.delivery()
            indexes = range(index, index + 1)
        received_at = context.received_at()
        schedule = self._hooks[verified.hook].retry_schedule_seconds
        occurred_at = events.occurred_at(received_at, delivery.attempt, schedule)
        return [
            self._translator.record(verified, delivery, index, received_at, occurred_at) for index in indexes
        ]

    def _asks(self, letter: DeadLetter) -> tuple[str, str]:
        """The record that a hydrator's letter is of, if a hydrator of today can ask for it."""
        context = LetterContext(letter)
        family, key = context.text("family"), context.text("entity_key")
        if self._sources is None:
            raise Poison(
                "no-source", "There is no source of records. Set XTND_API_URL as the hydrator has it."
            )
        entity = self._sources.entities.get(family)
        if entity is None:
            raise Poison(
                "no-source", f"sources.yaml has no entity {family!r}. Add it, or discard the letter."
            )
        Records(family, entity, ()).path(key)
        return family, key

    def _event_record(self, letter: DeadLetter) -> Record:
        """The event of a worker's letter, with the route and entity key of today."""
        event = events.decode(letter.payload)
        if event.source_name is not None:  # its source says what it is of, and no action of topics.yaml
            topic, headers = self._routes.snapshot_topic, [events.CONTENT_TYPE]
            return Record(topic, event.kafka_key, letter.payload, headers, event.family)
        route = self._routes.route(event.action)
        key = self._routes.entity_key(route, events.read_json("Details", event.details))
        event = msgspec.structs.replace(event, family=route.family, entity_key=key)
        return Record(route.topic, event.kafka_key, events.encode(event), [events.CONTENT_TYPE], route.family)

    def _as_verified(self, letter: DeadLetter) -> VerifiedBody:
        """The payload as verified: the gateway parks nothing else, and keeps no signature of it."""
        if letter.hook is None or letter.hook not in self._hooks:
            what = f"The hook {letter.hook!r} that it came in by is not in connector.yaml."
            raise Poison("hook-unknown", f"{what} List it there under hooks, or discard the letter.")
        return signature.verify((), letter.payload, Keys(hook=letter.hook, keyed=(), required=False))


class LetterContext:
    """What a letter says of its delivery or its record; raises ``Poison`` for one that a stranger wrote."""

    def __init__(self, letter: DeadLetter) -> None:
        self._letter = letter

    def delivery(self) -> tuple[Delivery, int]:
        """A delivery with the letter's notification in its place and nothing around it."""
        delivery_id, properties = self._value("delivery_id", str), self._value("properties", str)
        index, attempt = self._value("index", int), self._value("attempt", int)
        sound = events.DELIVERY_ID.match(delivery_id) and 0 <= index <= events.MAX_INDEX
        if not sound or not 1 <= attempt <= events.MAX_ATTEMPT:
            raise self._lacks("delivery_id, index and attempt that fit together")
        notifications = (*(b"",) * index, self._letter.payload)
        delivery = Delivery(
            delivery_id=delivery_id, attempt=attempt, properties=properties, notifications=notifications
        )
        return delivery, index

    def received_at(self) -> int:
        """When the delivery came, in microseconds since the epoch."""
        try:
            return events.from_iso(self._value("received_at", str))
        except ValueError:
            raise self._lacks("received_at that is an instant") from None

    def text(self, name: str) -> str:
        """What stands under a name."""
        return str(self._value(name, str))

    def _value(self, name: str, kind: type) -> Any:
        value = self._letter.context.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._lacks(name)
        return value

    @staticmethod
    def _lacks(what: str) -> Poison:
        error = f"The letter's context has no {what}: it was not parked by this connector. Discard it."
        return Poison("foreign-dead-letter", error)
