"""Takes what is known of one entity out of the mirror, and keeps it out (``connector forget``)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Engine, select

from connector import clocks, events
from connector.errors import Poison, StartupError
from connector.events import Event
from connector.mirror import (
    archive_erasure,
    archives,
    archiving,
    bodies,
    dialects,
    forgotten,
    indexes,
    ledger,
)
from connector.mirror.archive_erasure import Replaced
from connector.mirror.database import transaction
from connector.mirror.entities import NOTHING, Entity
from connector.mirror.forgotten import Tombstone
from connector.mirror.letters import DISCARDED
from connector.mirror.mapping import Mapping as TableMapping
from connector.mirror.models import DeadLetterRow
from connector.mirror.projections import Projection
from connector.mirror.rebuilder import rebuilding
from connector.mirror.rows import refold, refold_archived, touched_by
from connector.mirror.statements import on_keys, quoted

# Which parks whole deliveries.
GATEWAY = "gateway"
ERROR = "What it was of was forgotten (connector forget)."
# Tables beside those of tables.yaml whose rows are about one entity.
ABOUT = ("_hydration_work", "_drift")


@dataclass
class Erased:
    """What was taken out, or would be.

    ``rows`` are by table; ``mentions`` are ids of dead letters that may speak of the entity beside others,
    which stay; ``forgotten_before`` says that it had been forgotten already.
    """

    events: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    letters: int = 0
    mentions: list[str] = field(default_factory=list)
    forgotten_before: bool = False


def erase(engine: Engine, mapping: TableMapping, entity: Entity, *, dry_run: bool) -> Erased:
    """Erase an entity in one transaction, beside which no batch runs; ``dry_run`` changes nothing.

    Raises ``StartupError`` where the mirror is not as ``tables.yaml`` says and where something of somebody's
    keeps a row, and ``DatabaseOutage``.
    """
    if dry_run:
        with transaction(engine) as connection:
            return _Erasure(connection, mapping, entity).found()
    with rebuilding(engine, mapping) as session:
        with session.snapshot() as connection:
            first = _Erasure(connection, mapping, entity)
            archived = first.archived()
        sorts = mapping.entities.sorts(entity.family)
        replaced = archive_erasure.replace(session, first.identities, sorts, first.without)

        def run(connection: Connection) -> Erased:
            return _Erasure(connection, mapping, entity, archived).run(replaced)

        try:
            erased = session.change(run)
        except Poison as error:
            raise StartupError(
                f"Nothing was forgotten, because a row cannot be removed or changed: {error.error}",
                "drop or disable what refuses it, a constraint, foreign key or trigger that somebody made, "
                "and run this again",
            ) from error
        archiving.clear(session)
        return erased


class _Erasure:
    def __init__(
        self,
        connection: Connection,
        mapping: TableMapping,
        entity: Entity,
        archived: Mapping[events.Identity, Event] | None = None,
    ) -> None:
        """``archived`` are the archived events that speak of it, where they are known."""
        self._connection = connection
        self._mapping = mapping
        self._entity = entity
        only = "" if archived is None else ledger.LIVE
        speaking = ledger.of_entities(connection, mapping.entities.sorts(entity.family), [entity.key], only)
        if archived:
            still = ledger.archived(connection, archived)
            speaking = chain(speaking, (archived[one] for one in sorted(still)))
        pairs = ((event, self.without(event)) for event in speaking)
        # What it says, and what is left of it.
        self._events = [(event, left) for event, left in pairs if left is not event]
        contributions = [one for event, _ in self._events for one in mapping.stored_contributions(event)]
        self._touched = touched_by(mapping, contributions)
        self._letters: list[str] = []
        self._erased = Erased(len(self._events))
        self._erased.forgotten_before = entity in forgotten.stored(connection)

    def without(self, event: Event) -> Event:
        """What is left of an event, which is the same object where it does not speak of the entity."""
        return self._mapping.entities.without(event, lambda one: one == self._entity)

    def found(self) -> Erased:
        """What would be taken out; a row of which something is left counts too."""
        self._find_letters()
        self._erased.rows = {name: count for name, count in self._counts().items() if count}
        return self._erased

    @property
    def identities(self) -> set[events.Identity]:
        """The events that speak of it."""
        return {event.identity for event, _ in self._events}

    def archived(self) -> dict[events.Identity, Event]:
        """Those of them that are in archives."""
        there = ledger.archived(self._connection, self.identities)
        return {event.identity: event for event, _ in self._events if event.identity in there}

    def run(self, replaced: Sequence[Replaced]) -> Erased:
        """Take it out; ``replaced`` are archives without it."""
        now = max([clocks.now(), *self._before()])
        before = self._counts()
        self._find_letters()
        self._empty_events()
        for one in replaced:
            one.note(self._connection)
        for table, keys in self._touched:
            if replaced:
                refold_archived(self._connection, table, keys)
            indexes.making_way(
                self._connection, table.store, partial(refold, self._connection, table, keys, now)
            )
        key = [tuple(self._entity)]
        for name in ABOUT:
            on_keys(self._connection, f"DELETE FROM {name}", forgotten.KEY, key)
        self._empty_letters(now)
        forgotten.put(self._connection, {self._entity: Tombstone(now)}, now)
        after = self._counts()
        self._erased.rows = {name: gone for name, count in before.items() if (gone := count - after[name])}
        return self._erased

    def _before(self) -> Iterator[int]:
        """Instants of what was before this, by clocks that may be ahead of this one."""
        for event, _ in self._events:
            yield from (event.received_at, event.occurred_at)
        marked = dialects.of(self._connection).microseconds("marked_at")
        query = f"SELECT lease + 1, {marked} FROM _hydration_work"
        for row in on_keys(self._connection, query, forgotten.KEY, [tuple(self._entity)]):
            yield from (instant for instant in row if instant is not None)

    def _counts(self) -> dict[str, int]:
        """How many rows people see of what the events touch, by table."""
        return {table.name: self._count(table, keys) for table, keys in self._touched}

    def _count(self, table: Projection, keys: set[Any]) -> int:
        # Of the store: a key may have columns that the view has not.
        query, visible = f"SELECT 1 FROM {quoted(table.store)}", table.visible and f"AND {table.visible}"
        return len(on_keys(self._connection, query, table.group_columns, table.groups(keys), visible))

    def _empty_events(self) -> None:
        mark = dialects.of(self._connection).mark
        archived = ledger.archived(self._connection, self.identities)
        rows = [
            (
                archives.emptied(left.details) if left.identity in archived else left.details.decode(),
                *(left.properties, left.entity_key, left.attempt, *left.identity),
            )
            for _, left in self._events
        ]
        if rows:
            self._connection.exec_driver_sql(
                f"UPDATE _notifications SET details = {mark}, body = NULL, properties = {mark}, "
                f"entity_key = {mark}, "
                f"attempt = CASE WHEN hook IS NOT NULL THEN {mark} END "
                f"WHERE event_id = {mark} AND source = {mark}",
                rows,
            )
            bodies.drop_unused(
                self._connection, {(self._entity.key, event.source) for event, _ in self._events}
            )

    def _find_letters(self) -> None:
        """Letters of one event of the entity, or of its record; others that have its key in their payload."""
        letters = DeadLetterRow.__table__.c
        columns = (letters.dead_letter_id, letters.stage, letters.payload, letters.context)
        parts = [part.encode() for part in self._entity.key.split("|")]
        for letter_id, stage, payload, context in self._connection.execute(select(*columns)):
            if self._is_of(stage, bytes(payload), context):
                self._letters.append(letter_id)
            elif payload and all(part in payload for part in parts):
                self._erased.mentions.append(letter_id)
        self._erased.letters = len(self._letters)

    def _is_of(self, stage: str, payload: bytes, context: Any) -> bool:
        if stage == GATEWAY:
            return False
        found = events.exact_json.decode(context) if isinstance(context, str) else context
        if (found.get("family"), found.get("entity_key")) == self._entity[1:]:
            return True
        try:
            event = events.decode(payload)
        except (Poison, *events.JSON_ERRORS):
            return False
        left = self.without(event)
        return left is not event and left.details == NOTHING

    def _empty_letters(self, now: int) -> None:
        mark = dialects.of(self._connection).mark
        if self._letters:
            self._connection.exec_driver_sql(
                f"UPDATE _dead_letters SET payload = {mark}, context = {mark}, error = {mark}, "
                f"state = {mark}, state_at = {mark} WHERE dead_letter_id = {mark}",
                [(b"", "{}", ERROR, DISCARDED, events.iso(now), letter_id) for letter_id in self._letters],
            )
