"""Which entities an event speaks of, and the event without what it says of some of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from connector import events
from connector.config import Config, paths
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror import values
from connector.mirror.mapped import Row, ShopColumn

NOTHING = b"{}"


class Entity(NamedTuple):
    """What an entity key names; ``shop`` is empty where the tables do not tell shops apart."""

    shop: str
    family: str
    key: str


class Entities:
    """Reads the entities of events, as ``topics.yaml`` has their keys."""

    def __init__(self, config: Config) -> None:
        self._routes = {
            action: (family, tuple([paths.keys(path) for path in route.paths]))
            for family, action, route in config.actions()
        }
        self._shop: Callable[[Event], str] = lambda _: ""
        if config.shops is not None:
            source = config.shop_of_source
            shops = ShopColumn(tuple(sorted(config.shops.items())), (source,) if source else ())
            self._shop = shops.reader()

    def sorts(self, family: str) -> set[Sort]:
        """The events that may speak of an entity of a family."""
        actions = {Sort(action) for action, (claimed_by, _) in self._routes.items() if claimed_by == family}
        return actions | {Sort(family, of_source=True)}

    def without(self, event: Event, is_forgotten: Callable[[Entity], bool]) -> Event:
        """The event without what it says of these entities; the same object where it says nothing of them.

        A row object that goes leaves an empty one, because the rows of history count them.
        """
        if event.source_name is None and event.action not in self._routes:
            return event
        objects, family, keys = self._objects(event)
        shop = self._shop(event)
        hidden = [bool(key) and is_forgotten(Entity(shop, family, key)) for key in keys]
        if not any(hidden):
            return event
        details = NOTHING
        if not all(hidden):
            kept = [details if hides else one for one, hides in zip(objects, hidden, strict=True)]
            details = b"[" + b",".join(kept) + b"]"
        return msgspec.structs.replace(
            event,
            details=details,
            properties=NOTHING.decode(),
            entity_key=None if hidden[0] else event.entity_key,
            # Below 0 it says that something was removed; a snapshot has no attempt, and no key any more.
            attempt=min(-abs(event.attempt), -1) if event.source_name is None else event.attempt,
        )

    def _objects(self, event: Event) -> tuple[Sequence[bytes], str, Sequence[str]]:
        """The text of each row object, their family, and the key of each, empty where it has none.

        The event's key is that of the first.
        """
        if event.source_name is not None:
            return [event.details], event.family, [event.entity_key or ""]
        family, key_paths = self._routes[event.action]
        is_array = event.details.startswith(b"[")
        if event.entity_key is not None and not is_array:  # as nearly always, and to decode costs much
            return [event.details], family, [event.entity_key]
        objects: list[bytes] = [event.details]
        try:
            if is_array:
                objects = [bytes(one) for one in msgspec.json.decode(event.details, type=list[msgspec.Raw])]
            keys = [entity_key(events.exact_json.decode(one), key_paths) for one in objects]
        except events.JSON_ERRORS:  # no table takes such an event, and the worker parks it
            objects, keys = [event.details], [""]
        if event.entity_key is not None and keys:
            keys[0] = event.entity_key
        return objects, family, keys


def entity_key(row: Row, key_paths: Sequence[tuple[str, ...]]) -> str:
    """The entity key of a row object, as the gateway makes it; empty where there is none."""
    try:
        parts = [values.text(events.value_at(row, path)) or "" for path in key_paths]
        key = values.indexed_text("|".join(parts))
    except Poison:
        return ""
    return key if key and all(part.strip() for part in parts) else ""
