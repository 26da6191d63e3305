"""Entities that somebody had removed (``connector forget``): what was known of them does not come back.

The table ``_forgotten`` has a row for each. What was received or fetched before it was removed goes into the
ledger without what it says, whenever it comes: from a replay, a redelivery or a rebuild. What is fetched
later does so too, until a hook that was received later speaks of the entity: from then on it is a new one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from connector.events import Event
from connector.mirror import dialects
from connector.mirror.batches import Batch, run
from connector.mirror.chunks import Chunk
from connector.mirror.entities import Entity
from connector.mirror.mapping import Mapping as TableMapping
from connector.mirror.models import ForgottenEntity, names
from connector.mirror.rows import Item
from connector.mirror.statements import on_keys

COLUMNS, KEY = ForgottenEntity.columns(), ForgottenEntity.key()
# Where a tombstone ends: of two workers that end one at once, the earlier hook counts.
EARLIER = "CASE WHEN stored.ended_at < excluded.ended_at THEN stored.ended_at ELSE excluded.ended_at END"
INSERT = f"INSERT INTO _forgotten AS stored ({names(COLUMNS)})"


class Tombstone(NamedTuple):
    """When an entity was removed, and when the first hook after that occurred (µs since the epoch)."""

    forgotten_at: int
    ended_at: int | None = None

    def hides(self, event: Event) -> bool:
        """Whether the event is of what was removed."""
        if event.source_name is None:
            return event.received_at <= self.forgotten_at
        at = event.occurred_at
        return at <= self.forgotten_at or self.ended_at is None or at <= self.ended_at


Tombstones = Mapping[Entity, Tombstone]


def stored(connection: Connection) -> dict[Entity, Tombstone]:
    """Every tombstone."""
    read = ", ".join(map(dialects.of(connection).microseconds, ("forgotten_at", "ended_at")))
    query = f"SELECT shop, family, entity_key, {read} FROM _forgotten"
    return {Entity(*row[:3]): Tombstone(*row[3:]) for row in connection.exec_driver_sql(query)}


def put(
    connection: Connection, tombstones: Tombstones, now: int, ended_at: str = "excluded.ended_at"
) -> None:
    """Write tombstones over those of the same entities; ``ended_at`` is SQL for what then stands there."""
    last = f"SELECT {dialects.of(connection).microseconds('MAX(changed_at)')} FROM _forgotten"
    newest = connection.exec_driver_sql(last).scalar() or 0
    rows = [(*entity, *stone, max(now, newest + 1)) for entity, stone in sorted(tombstones.items())]
    sets = ", ".join(f"{name} = excluded.{name}" for name in ("forgotten_at", "changed_at"))
    after = f"ON CONFLICT ({names(KEY)}) DO UPDATE SET {sets}, ended_at = {ended_at}"
    run(connection, INSERT, Batch(COLUMNS, rows), after)


def remaining(connection: Connection, shop: str, keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of these records, by family and key, that may be asked for: not forgotten, or hooked since."""
    asked = sorted(set(keys))
    rows = [(shop, *one) for one in asked]
    found = on_keys(
        connection, "SELECT family, entity_key FROM _forgotten", KEY, rows, "AND ended_at IS NULL"
    )
    forgotten = {(family, key) for family, key in found}
    return [one for one in asked if one not in forgotten]


class Forgetting:
    """Applies a mirror's tombstones to what comes; keeps them in memory while they do not change."""

    def __init__(self, mapping: TableMapping) -> None:
        self._mapping = mapping
        self._kept: tuple[int, dict[Entity, Tombstone]] = (0, {})

    def chunks(
        self, connection: Connection, version: int, chunks: Sequence[Chunk], now: int
    ) -> Sequence[Chunk]:
        """Chunks without what was removed; the same objects where nothing was."""
        given = [item.ledger_event.event for chunk in chunks for item in chunk.items]
        left = self.events(connection, version, given, now)
        if all(one is other for one, other in zip(left, given, strict=True)):
            return chunks
        rest = iter(left)
        return [
            replace(chunk, items=[self._item(item, next(rest)) for item in chunk.items]) for chunk in chunks
        ]

    def events(self, connection: Connection, version: int, given: Iterable[Event], now: int) -> list[Event]:
        """Events without what was removed; a new hook of a forgotten entity ends its tombstone."""
        if self._kept[0] != version:
            self._kept = (version, stored(connection))
        stones, ended = dict(self._kept[1]), dict[Entity, Tombstone]()

        def hides(event: Event, entity: Entity) -> bool:
            stone = stones.get(entity)
            if stone is None or stone.hides(event):
                return stone is not None
            at = event.occurred_at
            if event.source_name is None and (stone.ended_at is None or at < stone.ended_at):
                stones[entity] = ended[entity] = stone._replace(ended_at=at)
            return False

        left = [self._mapping.entities.without(event, partial(hides, event)) for event in given]
        if ended:
            put(connection, ended, now, EARLIER)
            # What was fetched before this hook was read here is hidden: it is fetched again.
            on_keys(connection, "DELETE FROM _hydration_work", KEY, ended)
        return left

    def _item(self, item: Item, event: Event) -> Item:
        if event is item.ledger_event.event:
            return item
        ledger_event = msgspec.structs.replace(item.ledger_event, event=event)
        contributions = self._mapping.stored_contributions(event)
        return msgspec.structs.replace(item, ledger_event=ledger_event, contributions=contributions)
