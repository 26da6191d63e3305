"""The transaction: ledger, rows, history and Kafka offsets, together or not at all.

The database has the truth about offsets (docs/reliability.md, Inside the worker). Every transaction
first locks the offsets of its partitions. What lies below them is dropped; a gap above them is not
written but reported; and a worker that lost its partitions meanwhile finds the offsets moved. Only
events that the ledger does not hold are folded and merged.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial

from sqlalchemy import Connection, Engine

from connector.errors import AlreadyThere, EventsKnown, SchemaMoved
from connector.events import Identity
from connector.mirror import counters, dialects, indexes, ledger, letters, losses, obstacles, offsets
from connector.mirror.batches import run_both
from connector.mirror.chunks import Chunk, CommitResult
from connector.mirror.database import transaction
from connector.mirror.forgotten import Forgetting
from connector.mirror.losses import Loss
from connector.mirror.mapping import Mapping
from connector.mirror.offsets import Locked, Offset, Partition
from connector.mirror.rows import Item, Rows, refold, refold_archived, rows_of, touched_by

# Known events come in runs: after some, batches are looked up in the ledger first, until this many have none.
CAREFUL_BATCHES = 20


class Sink:
    """Writes chunks into the mirror; blocking, one transaction a call, safe from any thread."""

    def __init__(
        self,
        engine: Engine,
        mapping: Mapping,
        fingerprint: str,
        clock: Callable[[], int],
        *,
        synced: bool = True,
    ) -> None:
        """``clock`` gives microseconds since the epoch; ``fingerprint`` is ``schema.fingerprint``.

        A batch that is not ``synced`` may be lost in a crash of PostgreSQL. Its offsets are lost with it,
        so that it is read from Kafka again.
        """
        self._engine = engine
        self._dialect = dialects.of(engine)
        self._mapping = mapping
        self._fingerprint = fingerprint
        self._clock = clock
        self._unsynced = "" if synced else dialects.of(engine).unsynced
        self._forgetting = Forgetting(mapping)
        # How many more batches are looked up in the ledger first; threads may race for it without harm.
        self._careful = 0

    def prepare(self, chunks: Sequence[Chunk]) -> Rows | None:
        """Fold the events of chunks into rows, ahead of ``write`` and while another one runs.

        The rows are right when all events are new, as nearly always; None when there are no events.
        """
        items = [item for chunk in chunks for item in chunk.items]
        return rows_of(self._dialect, self._mapping, items) if items else None

    def write(self, chunks: Sequence[Chunk], prepared: Rows | None = None) -> CommitResult:
        """Write chunks of distinct partitions in one transaction; ``prepared`` is from these chunks.

        Raises ``DatabaseOutage`` (whether it was committed is unknown: write again), ``Poison`` (some event
        cannot be stored: split), ``Defect`` or ``SchemaMoved`` (stop the process).
        """
        alone = sum(len(chunk.items) for chunk in chunks) == 1
        act = partial(self._write_or_merge, chunks, prepared)
        return obstacles.overcome(self._engine, self._mapping, act, alone=alone)

    def _write_or_merge(
        self, chunks: Sequence[Chunk], prepared: Rows | None, clear: obstacles.Clear
    ) -> CommitResult:
        if not self._careful:
            try:
                return self._write(chunks, prepared, clear)
            except (EventsKnown, AlreadyThere):
                self._careful = CAREFUL_BATCHES
        try:
            return self._write(chunks, prepared, clear, look=True)
        except AlreadyThere:
            # History has events that the ledger lacks: somebody cut the ledger, or restored it alone.
            return self._write(chunks, prepared, clear, look=True, new=False)

    def _write(
        self,
        chunks: Sequence[Chunk],
        prepared: Rows | None,
        clear: obstacles.Clear,
        *,
        look: bool = False,
        new: bool = True,
    ) -> CommitResult:
        """Write in one transaction; ``look`` into the ledger first; ``new``: unknown events have no rows yet.

        Without ``look`` the ledger's key refuses known events (``EventsKnown``). That costs next to nothing
        when all events are new, as nearly always, and the whole transaction when one is not.
        """
        result = CommitResult()
        with transaction(self._engine) as connection:
            self._dialect.lock_schema(connection, shared=True)
            clear(connection)
            if self._unsynced:
                connection.exec_driver_sql(self._unsynced)
            locked = self._lock_offsets(connection, chunks)
            accepted: Sequence[Chunk] = [
                chunk.above(locked.offsets[chunk.tp].next)
                for chunk in chunks
                if self._follows(connection, chunk, locked.offsets[chunk.tp], result)
            ]
            if locked.forgotten:
                left = self._forgetting.chunks(connection, locked.forgotten, accepted, self._clock())
                accepted, prepared = left, prepared if left is accepted else None
            with nullcontext() if look else self._dialect.sent_together(connection):
                now, items = self._clock(), [item for chunk in accepted for item in chunk.items]
                received: counters.Received = {}
                if items:
                    # Nearly always all of what was prepared is accepted; chunks that come again are cut.
                    if prepared is None or len(prepared.items) != len(items):
                        prepared = rows_of(self._dialect, self._mapping, items)
                    received = self._write_events(connection, prepared, now, result, look=look, new=new)
                letters.park(connection, [letter.row for chunk in accepted for letter in chunk.letters])
                self._move_offsets(connection, accepted, received, now, result)
        return result

    def positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The mirror's next offset for those partitions that it knows."""
        return {tp: offset.next for tp, offset in self.offsets(partitions).items()}

    def offsets(self, partitions: Iterable[Partition]) -> dict[Partition, Offset]:
        """The mirror's next offset for those partitions that it knows, with the topic's id."""
        with transaction(self._engine) as connection:
            return offsets.select(connection, partitions)

    def record(self, found: dict[Partition, Offset]) -> None:
        """Note partitions before they are first read, and the topic's id where it is not known yet."""
        with transaction(self._engine) as connection:
            offsets.upsert(connection, found, self._clock(), conflict=offsets.ADOPT)

    def reset_position(self, partition: Partition, next_offset: int, topic_id: str | None = None) -> None:
        """Set a partition's offset, because its log is not the one that was read before."""
        with transaction(self._engine) as connection:
            offsets.upsert(connection, {partition: Offset(next_offset, topic_id)}, self._clock())

    def start_over(self, partition: Partition, mirrored: int, start: Offset) -> Loss:
        """Go on in a topic that was re-created; what the former topic had beyond ``mirrored`` is lost."""
        with transaction(self._engine) as connection:
            loss = self._loss(connection, partition, mirrored, None)
            offsets.upsert(connection, {partition: start}, self._clock())
            losses.add(connection, {partition: loss}, self._clock())
        return loss

    # --- Steps of write, in order ---

    def _lock_offsets(self, connection: Connection, chunks: Sequence[Chunk]) -> Locked:
        """Lock the partitions' offsets; a partition that is new here starts where it was asked from.

        The same statement reads the schema's fingerprint and whether something was forgotten. The schema's
        lock must be a statement of its own before it: PostgreSQL shows a statement that waits the database
        as it was before the wait.
        """
        partitions = [chunk.tp for chunk in chunks]
        locked = offsets.lock(connection, partitions)
        unknown = {
            chunk.tp: Offset(chunk.asked, chunk.topic_id)
            for chunk in chunks
            if chunk.tp not in locked.offsets
        }
        if unknown:
            offsets.upsert(connection, unknown, self._clock(), conflict="DO NOTHING")
            locked = offsets.lock(connection, partitions)
        self._refuse_other(locked.fingerprint)
        return locked

    def _refuse_other(self, fingerprint: str | None) -> None:
        """Refuse to write with another mapping than the schema was last made for."""
        if fingerprint != self._fingerprint:
            raise SchemaMoved(
                "The mirror's tables were changed by a process with another tables.yaml or sources.yaml; "
                "this one stops so that a restart takes the configuration that is there now."
            )

    def _follows(self, connection: Connection, chunk: Chunk, stored: Offset, result: CommitResult) -> bool:
        """Whether the chunk may be written: it overlaps or touches what the mirror holds."""
        if not stored.is_of(chunk.topic_id):
            # It was read from a topic that has been re-created since, as another worker has seen.
            result.gaps[chunk.tp] = stored.next
            return False
        if chunk.next_offset <= stored.next:
            result.positions[chunk.tp] = stored.next
            return False
        if chunk.first <= stored.next:
            return True
        if chunk.asked <= stored.next:
            # Kafka was asked for exactly what is missing and no longer has it.
            received = chunk.items[0].ledger_event.event.received_at if chunk.items else None
            result.lost[chunk.tp] = self._loss(connection, chunk.tp, stored.next, chunk.first, received)
            return True
        result.gaps[chunk.tp] = stored.next
        return False

    def _loss(
        self,
        connection: Connection,
        tp: Partition,
        first: int,
        next_: int | None,
        received: int | None = None,
    ) -> Loss:
        """A loss with the range of time in which to look for it; ``received`` is that of the next event."""
        now = self._clock()
        return Loss(first, next_, losses.last_received(connection, tp, first, now), received or now)

    def _write_events(
        self,
        connection: Connection,
        rows: Rows,
        now: int,
        result: CommitResult,
        *,
        look: bool = True,
        new: bool = False,
    ) -> counters.Received:
        """Write events and their rows; the result is what is still to be counted."""
        received: counters.Received = {}
        known = ledger.known(connection, rows.identities) if look else set()
        if look:
            self._careful = CAREFUL_BATCHES if known else max(0, self._careful - 1)
        fresh = self._without(rows, known) if known else rows
        if fresh is not None:
            received = counters.received(item.ledger_event for item in fresh.distinct.values())
            ledger.insert(connection, fresh.ledger, now)
            for statement in fresh.merges:
                statement.run(connection, now, new=new)
            for (_, _, family), instants in received.items():
                result.received.setdefault(family, []).extend(instants)
        if known:
            self._restate(connection, [rows.distinct[identity] for identity in sorted(known)], now)
        result.known = Counter([item.ledger_event.event.family for item in rows.items]) - result.new
        return received

    def _without(self, rows: Rows, known: set[Identity]) -> Rows | None:
        """Leave out events that the ledger holds; None when nothing is left."""
        fresh = [item for identity, item in rows.distinct.items() if identity not in known]
        return rows_of(self._dialect, self._mapping, fresh) if fresh else None

    def _restate(self, connection: Connection, known: Sequence[Item], now: int) -> None:
        """Replace known events by better copies: earlier attempts that came later.

        Rare: a first attempt must reach Kafka after its retry. The rows that such an event touches are
        folded again from the ledger.
        """
        stored = ledger.stored(connection, [item.identity for item in known], whole=False)
        better = []
        for one in known:
            copy, current = one.ledger_event.event, stored[one.identity]
            # What was removed from the ledger's does not come back.
            if copy.copy_rank < current.copy_rank and not current.attempt < 0 <= copy.attempt:
                better.append(one)
        if not better:
            return
        identities = [item.identity for item in better]
        former = ledger.stored(connection, identities).values()
        archived = ledger.archived(connection, identities)
        ledger_events = [item.ledger_event for item in better]
        counted = counters.stored(connection, identities)
        ledger.restate(connection, ledger_events, now)
        counters.replace(connection, counted, counters.received(ledger_events), now)
        contributions = [one for item in better for one in item.contributions]
        contributions += [one for event in former for one in self._mapping.stored_contributions(event)]
        for table, keys in touched_by(self._mapping, contributions):
            if archived:
                refold_archived(connection, table, keys)
            indexes.making_way(connection, table.store, partial(refold, connection, table, keys, now))

    def _move_offsets(
        self,
        connection: Connection,
        chunks: Sequence[Chunk],
        received: counters.Received,
        now: int,
        result: CommitResult,
    ) -> None:
        moved = {one.tp: Offset(one.next_offset, one.topic_id, one.clock_distance) for one in chunks}
        if received:
            run_both(connection, counters.statement(received, now), offsets.statement(moved, now))
        else:
            offsets.upsert(connection, moved, now)
        losses.add(connection, result.lost, now)
        result.positions |= {tp: offset.next for tp, offset in moved.items()}
