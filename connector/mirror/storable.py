"""What of an event the ledger can hold on every database: names and JSON (``events.read_json``)."""

from functools import lru_cache
from typing import Any

from connector import events
from connector.errors import Poison
from connector.events import Event
from connector.mirror import values

# Letters of properties that are worth remembering as sound.
SHORT = 2000


def details(event: Event) -> Any:
    """An event's Details as data; refuses an event that the ledger could not hold on every database."""
    _check_names(event.action, event.family, event.hook)
    if event.entity_key is not None:
        _check_name(event.entity_key)
    if len(event.properties) > SHORT:
        _storable_json("Properties", event.properties.encode())
    else:
        _check_short_properties(event.properties)
    return _storable_json("Details", event.details)


@lru_cache(maxsize=1024)  # there are few, and they come again and again
def _check_names(*names: str) -> None:
    for name in names:
        _check_name(name)


def _check_name(name: str) -> None:
    if "\x00" in name:
        raise Poison(
            "nul-character", "The action or the entity key holds U+0000, which no database column can."
        )
    values.indexed_text(name)


@lru_cache(maxsize=1024)  # properties are the hook's own, the same in each delivery
def _check_short_properties(text: str) -> None:
    _storable_json("Properties", text.encode())


def _storable_json(name: str, raw: bytes) -> Any:
    events.refuse_nul(name, raw)
    return events.read_json(name, raw)
