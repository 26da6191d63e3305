"""The transaction: ledger, rows, history and Kafka offsets, together or not at all.

The database is the truth about how far the mirror has come (reliability.md, part 3). Every
transaction first locks the offsets of its partitions; what lies below them is dropped, a hole above
them is not written but reported, and a worker that lost its partitions meanwhile finds the offsets
moved. Only events that the ledger does not hold are folded and joined.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from connector.errors import AlreadyThere, EventsKnown, SchemaMoved
from connector.events import Identity
from connector.mirror import counters, dialects, indexes, ledger, losses, obstacles, offsets
from connector.mirror.database import lock_schema, transaction
from connector.mirror.losses import Loss
from connector.mirror.mapping import Mapping
from connector.mirror.offsets import Offset
from connector.mirror.rows import Item, Rows, refold, rows_of

Partition = offsets.Partition
# Known events come in runs: after some, so many batches without any are looked up before they are written.
CAREFUL_BATCHES = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter on its way into ``dead_letters``: its row's values by column."""

    offset: int
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive records of one partition, decoded.

    ``asked`` is the offset that was asked of Kafka, ``first`` that of the first record that came,
    ``next_offset`` one past the last. Offsets with neither item nor letter are done with elsewhere.
    ``topic_id`` is that of the topic which was read, None where the broker has none.
    """

    topic: str
    partition: int
    asked: int
    first: int
    next_offset: int
    items: Sequence[Item] = ()
    letters: Sequence[Letter] = ()
    topic_id: str | None = None

    @property
    def tp(self) -> Partition:
        return (self.topic, self.partition)


@dataclass(slots=True)
class Written:
    """What a transaction did."""

    # By family, when each new event was received: microseconds since the epoch.
    received: dict[str, list[int]] = field(default_factory=dict)
    known: Counter[str] = field(default_factory=Counter)
    # Partitions whose chunk did not follow the mirror's offset, and that offset.
    holes: dict[Partition, int] = field(default_factory=dict)
    # Partitions whose records Kafka no longer held.
    lost: dict[Partition, Loss] = field(default_factory=dict)
    # One past the last offset that the mirror now holds, by partition.
    positions: dict[Partition, int] = field(default_factory=dict)

    @property
    def new(self) -> Counter[str]:
        """New events by family."""
        return Counter({family: len(received) for family, received in self.received.items()})


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
        self._dialect = engine.dialect.name
        self._mapping = mapping
        self._fingerprint = fingerprint
        self._clock = clock
        self._unsynced = "" if synced else dialects.of(engine).unsynced
        # How many more batches are looked up in the ledger first; threads may race for it without harm.
        self._careful = 0

    def prepare(self, chunks: Sequence[Chunk]) -> Rows | None:
        """Work out what the events of chunks come to, ahead of ``write`` and beside another one.

        It is what they come to when all of them are new, as nearly always; None when there are none.
        """
        items = [item for chunk in chunks for item in chunk.items]
        return rows_of(self._dialect, self._mapping, items) if items else None

    def write(self, chunks: Sequence[Chunk], prepared: Rows | None = None) -> Written:
        """Write chunks of distinct partitions in one transaction; ``prepared`` is from these chunks.

        Raises ``DatabaseOutage`` (nothing happened, or it may have: do it again), ``Poison`` (some
        event here cannot be stored: split), ``Defect`` or ``SchemaMoved`` (stop the process).
        """
        alone = sum(len(chunk.items) for chunk in chunks) == 1
        act = partial(self._write_or_merge, chunks, prepared)
        return obstacles.overcome(self._engine, self._mapping, act, alone=alone)

    def _write_or_merge(
        self, chunks: Sequence[Chunk], prepared: Rows | None, clear: obstacles.Clear
    ) -> Written:
        if not self._careful:
            try:
                return self._write(chunks, prepared, clear)
            except (EventsKnown, AlreadyThere):
                self._careful = CAREFUL_BATCHES
        try:
            return self._write(chunks, prepared, clear, look=True)
        except AlreadyThere:
            # History of events that the ledger does not hold: somebody cut it, or restored it alone.
            return self._write(chunks, prepared, clear, look=True, new=False)

    def _write(
        self,
        chunks: Sequence[Chunk],
        prepared: Rows | None,
        clear: obstacles.Clear,
        *,
        look: bool = False,
        new: bool = True,
    ) -> Written:
        """Write in one transaction; ``look``: into the ledger first, ``new``: what it lacks is nowhere.

        Without ``look`` the ledger's key tells by refusing, which costs next to nothing where all events
        are new, as nearly always, and the transaction where one is not (``EventsKnown``).
        """
        written = Written()
        with transaction(self._engine) as connection:
            self._fence_schema(connection)
            clear(connection)
            if self._unsynced:
                connection.exec_driver_sql(self._unsynced)
            locked = self._lock_offsets(connection, chunks)
            wanted = [
                chunk for chunk in chunks if self._follows(connection, chunk, locked[chunk.tp], written)
            ]
            held = {tp: offset.next for tp, offset in locked.items()}
            items = [item for chunk in wanted for item in _above(chunk, held)]
            if items:
                # Nearly always all of what was prepared is wanted; chunks that come again are cut.
                if prepared is None or len(prepared.items) != len(items):
                    prepared = rows_of(self._dialect, self._mapping, items)
                self._write_events(connection, prepared, written, look=look, new=new)
            self._write_letters(connection, wanted, held)
            self._move_offsets(connection, wanted, written)
        return written

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
        """Put a partition's offset elsewhere, because its log is not the one that was read before."""
        with transaction(self._engine) as connection:
            offsets.upsert(connection, {partition: Offset(next_offset, topic_id)}, self._clock())

    def start_over(self, partition: Partition, mirrored: int, start: Offset) -> Loss:
        """Go on in a topic that was re-created; what its former one held beyond ``mirrored`` is lost."""
        with transaction(self._engine) as connection:
            loss = self._loss(connection, partition, mirrored, None)
            offsets.upsert(connection, {partition: start}, self._clock())
            losses.add(connection, {partition: loss}, self._clock())
        return loss

    # --- Steps of write, in order ---

    def _fence_schema(self, connection: Connection) -> None:
        """Refuse to write with another mapping than the schema was last made for."""
        lock_schema(connection, shared=True)
        row = connection.exec_driver_sql(
            "SELECT rule FROM _mirror_rules WHERE table_name = '' AND column_name = ''"
        ).fetchone()
        if row is None or row[0] != self._fingerprint:
            raise SchemaMoved(
                "The mirror's tables were changed by a process with another tables.yaml; "
                "this one stops so that a restart takes the configuration that is there now."
            )

    def _lock_offsets(self, connection: Connection, chunks: Sequence[Chunk]) -> dict[Partition, Offset]:
        """Lock the partitions' offsets; a partition that is new here starts where it was asked from."""
        partitions = [chunk.tp for chunk in chunks]
        # In one order, so that two workers do not wait for each other.
        lock = f"ORDER BY topic, partition {dialects.of(connection).lock_rows}"
        held = offsets.select(connection, partitions, lock)
        unknown = {chunk.tp: Offset(chunk.asked, chunk.topic_id) for chunk in chunks if chunk.tp not in held}
        if unknown:
            offsets.upsert(connection, unknown, self._clock(), conflict="DO NOTHING")
            held |= offsets.select(connection, unknown, lock)
        return held

    def _follows(self, connection: Connection, chunk: Chunk, held: Offset, written: Written) -> bool:
        """Whether the chunk may be written: it overlaps or touches what the mirror holds."""
        if not held.is_of(chunk.topic_id):
            # It was read from a topic that has been re-created since, as another worker has seen.
            written.holes[chunk.tp] = held.next
            return False
        if chunk.next_offset <= held.next:
            written.positions[chunk.tp] = held.next
            return False
        if chunk.first <= held.next:
            return True
        if chunk.asked <= held.next:
            # Kafka was asked for exactly what is missing and no longer has it.
            received = chunk.items[0].placed.event.received_at if chunk.items else None
            written.lost[chunk.tp] = self._loss(connection, chunk.tp, held.next, chunk.first, received)
            return True
        written.holes[chunk.tp] = held.next
        return False

    def _loss(
        self,
        connection: Connection,
        tp: Partition,
        first: int,
        next_: int | None,
        received: int | None = None,
    ) -> Loss:
        """A loss with the time in which a person has to look for it; ``received`` is the next event."""
        now = self._clock()
        return Loss(first, next_, losses.last_received(connection, tp, first, now), received or now)

    def _write_events(
        self, connection: Connection, rows: Rows, written: Written, *, look: bool = True, new: bool = False
    ) -> None:
        now = self._clock()
        known = ledger.known(connection, rows.identities) if look else set()
        if look:
            self._careful = CAREFUL_BATCHES if known else max(0, self._careful - 1)
        fresh = self._without(rows, known) if known else rows
        if fresh is not None:
            received = counters.received(item.placed for item in fresh.distinct.values())
            self._write_fresh(connection, fresh, now, new=new)
            counters.add(connection, received, now)
            for (_, _, family), instants in received.items():
                written.received.setdefault(family, []).extend(instants)
        if known:
            self._restate(connection, [rows.distinct[identity] for identity in sorted(known)], now)
        written.known = _by_family(rows.items) - written.new

    def _write_fresh(self, connection: Connection, rows: Rows, now: int, *, new: bool) -> None:
        ledger.insert(connection, rows.ledger, now)
        for join in rows.joins:
            join.run(connection, now, new=new)

    def _without(self, rows: Rows, known: set[Identity]) -> Rows | None:
        """Leave out events that the ledger holds; None when nothing is left."""
        fresh = [item for identity, item in rows.distinct.items() if identity not in known]
        return rows_of(self._dialect, self._mapping, fresh) if fresh else None

    def _restate(self, connection: Connection, known: Sequence[Item], now: int) -> None:
        """Let a better copy of a known event (an earlier attempt that came later) take its place.

        Rare: it takes a first attempt that reached Kafka after a retry of it. The rows that the
        event touches are folded anew from the ledger.
        """
        held = ledger.held(connection, [item.placed.event.identity for item in known])
        better = [
            item for item in known if item.placed.event.copy_rank < held[item.placed.event.identity].copy_rank
        ]
        if not better:
            return
        former = [held[item.placed.event.identity] for item in better]
        placed = [item.placed for item in better]
        counted = counters.held(connection, [one.event.identity for one in placed])
        ledger.restate(connection, placed, now)
        counters.replace(connection, counted, counters.received(placed), now)
        contributions = [one for item in better for one in item.contributions]
        contributions += [one for event in former for one in self._mapping.stored_contributions(event)]
        touched: dict[str, set[tuple[Any, ...]]] = {}
        for contribution in contributions:
            touched.setdefault(contribution.table.name, set()).add(contribution.key)
        for name, keys in touched.items():
            table = self._mapping.table(name)
            indexes.making_way(connection, table.store, partial(refold, connection, table, keys, now))

    def _write_letters(
        self, connection: Connection, chunks: Sequence[Chunk], held: dict[Partition, int]
    ) -> None:
        letters = [letter for chunk in chunks for letter in chunk.letters if letter.offset >= held[chunk.tp]]
        if not letters:
            return
        mark = dialects.of(connection).mark
        names = list(letters[0].row)
        # One that was replayed and parked anew after that has failed again. Copies of the same fault
        # and a rebuild from the log bring only what was parked before, and change nothing.
        sets = ", ".join(f"{name} = excluded.{name}" for name in names if name != "dead_letter_id")
        statement = (
            f"INSERT INTO _dead_letters AS held ({', '.join(names)}) "
            f"VALUES ({', '.join([mark] * len(names))}) "
            f"ON CONFLICT (dead_letter_id) DO UPDATE SET {sets} "
            "WHERE held.state = 'replayed' AND excluded.parked_at > held.state_at"
        )
        connection.exec_driver_sql(
            statement, [tuple(letter.row[name] for name in names) for letter in letters]
        )

    def _move_offsets(self, connection: Connection, chunks: Sequence[Chunk], written: Written) -> None:
        moved = {chunk.tp: Offset(chunk.next_offset, chunk.topic_id) for chunk in chunks}
        offsets.upsert(connection, moved, self._clock())
        losses.add(connection, written.lost, self._clock())
        written.positions |= {tp: offset.next for tp, offset in moved.items()}


def _by_family(items: Iterable[Item]) -> Counter[str]:
    return Counter([item.placed.event.family for item in items])


def _above(chunk: Chunk, held: dict[Partition, int]) -> Iterable[Item]:
    """The chunk's items that the mirror does not hold yet."""
    position = held[chunk.tp]
    return (item for item in chunk.items if item.placed.offset >= position)
