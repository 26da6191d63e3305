"""The ledger completed with copies of events that Kafka still has (``connector rebuild --from kafka``).

Events that only the ledger has stay. Of several copies of an event the best one counts, as in a worker. Of
equally good copies Kafka's counts, because somebody may have changed a row of the ledger.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec
from sqlalchemy import Connection, func, select

from connector import clocks, events
from connector.errors import Poison
from connector.events import Event, Identity
from connector.mirror import bodies, counters, dialects, ledger, offsets, rules
from connector.mirror.batches import Batch, run
from connector.mirror.entities import NOTHING
from connector.mirror.forgotten import Forgetting
from connector.mirror.ledger import LedgerEvent
from connector.mirror.models import LedgerRow
from connector.mirror.rebuilder import Rebuilder

SEEN = "__seen"


class LedgerUnion:
    """Puts Kafka's copies into the ledger of a rebuild; counts events by where they were.

    From the first change on all tables count as not filled, until they are rebuilt: a worker's next start
    fills them where the rebuild ended before that.
    """

    def __init__(self, session: Rebuilder) -> None:
        self._session = session
        self._forgetting = Forgetting(session.mapping)
        self._ledger_before = 0
        self.only_on_kafka = 0
        self.replaced = 0
        self.left_out = 0

    def start(self, connection: Connection) -> None:
        """Start, in the snapshot that shows up to where Kafka's copies are given."""
        columns = ", ".join(f"{name} TEXT NOT NULL" for name, _ in ledger.IDENTITY)
        key = ", ".join(name for name, _ in ledger.IDENTITY)
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {SEEN} ({columns}, PRIMARY KEY ({key}))")
        count = select(func.count()).select_from(LedgerRow)
        self._ledger_before = connection.execute(count).scalar_one()

    def add(self, copies: Iterable[LedgerEvent]) -> None:
        """Put these copies into the ledger where it has none or a worse one."""
        best: dict[Identity, LedgerEvent] = {}
        for one in copies:
            other = best.get(one.event.identity)
            if other is None or one.event.copy_rank < other.event.copy_rank:
                best[one.event.identity] = one
        if not best:
            return
        key = ", ".join(name for name, _ in ledger.IDENTITY)
        best = self._without_forgotten(best)
        with self._session.snapshot() as connection:
            insert = f"INSERT INTO {SEEN} ({key})"
            run(connection, insert, Batch(ledger.IDENTITY, sorted(best)), "ON CONFLICT DO NOTHING")
            current = ledger.stored(connection, best, whole=False)
            archived = ledger.archived(connection, best)
        self._write(
            [
                one
                for identity, one in best.items()
                if _counts(one.event, current.get(identity), archived=identity in archived)
            ]
        )

    def _without_forgotten(self, copies: dict[Identity, LedgerEvent]) -> dict[Identity, LedgerEvent]:
        """Copies without what was removed by ``connector forget``."""

        def left(connection: Connection) -> list[Event]:
            given = [one.event for one in copies.values()]
            return self._forgetting.events(connection, version, given, clocks.now())

        with self._session.snapshot() as connection:
            version = connection.exec_driver_sql(offsets.forgotten_version(connection)).scalar() or 0
        if not version:
            return copies
        return {
            identity: msgspec.structs.replace(copies[identity], event=event)
            for identity, event in zip(copies, self._session.change(left), strict=True)
        }

    def only_in_ledger(self) -> int:
        """How many of the ledger's events at the start had no copy among those that were given."""
        known = f"SELECT COUNT(*) FROM {SEEN} AS seen WHERE EXISTS (SELECT 1 FROM _notifications AS stored "
        same = "stored.event_id = seen.event_id AND stored.source = seen.source)"
        with self._session.snapshot() as connection:
            both = int(connection.exec_driver_sql(f"{known} WHERE {same}").scalar_one())
        return self._ledger_before - (both - self.only_on_kafka)

    def _write(self, copies: Sequence[LedgerEvent]) -> None:
        """Write copies in one transaction; one that cannot be mirrored is a dead letter, and left out."""
        if not copies:
            return
        try:
            new, better = self._session.change(partial(self._put, copies))
        except Poison:
            if len(copies) == 1:
                self.left_out += 1
                return
            middle = len(copies) // 2
            self._write(copies[:middle])
            self._write(copies[middle:])
        else:
            self.only_on_kafka += new
            self.replaced += better

    def _put(self, copies: Sequence[LedgerEvent], connection: Connection) -> tuple[int, int]:
        now = clocks.now()
        identities = [one.event.identity for one in copies]
        current = ledger.stored(connection, identities, whole=False)
        archived = ledger.archived(connection, identities)
        new = sorted(
            (one for one in copies if one.event.identity not in current), key=lambda one: one.event.identity
        )
        better = [
            one
            for one in copies
            if (there := current.get(one.event.identity))
            and _counts(one.event, there, archived=there.identity in archived)
        ]
        for one in new:
            if one.event.details != NOTHING:
                self._session.mapping.contributions(one.event)
        for table in self._session.mapping.tables:
            rules.forget(connection, table.name, None)
        if new:
            ids, sources = zip(*[one.event.identity for one in new], strict=True)
            ledger.insert(connection, ledger.encoded(dialects.of(connection), ids, sources, new), now)
            # They were counted when they came, or are when the tables are done (``count_again``).
        if better:
            counted = counters.stored(connection, [one.event.identity for one in better])
            ledger.restate(connection, better, now)
            counters.replace(connection, counted, counters.received(better), now)
            bodies.drop_unused(connection, {(one.event.entity_key, one.event.source) for one in better})
        return len(new), len(better)


def _counts(copy: Event, current: Event | None, *, archived: bool) -> bool:
    """Whether a copy on Kafka replaces the ledger's; what is archived nobody can have changed."""
    if current is None or copy.copy_rank != current.copy_rank:
        return current is None or copy.copy_rank < current.copy_rank
    return not archived and _content(copy) != _content(current)


def _content(event: Event) -> object:
    """What XTND sent, without a database's spelling of it and without its routing."""
    bare = msgspec.structs.replace(event, details=b"", properties="", family="", entity_key=None)
    return bare, events.exact_json.decode(event.details), events.exact_json.decode(event.properties)
