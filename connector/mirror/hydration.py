"""What the hydrator is at: due keys, their leases and what became of them (``_hydration_work``).

Which records hooks ask for is folded from events (``projections/hydration.py``). What is no fold, because
it is about the fetching, stands beside it in rows of its own: leases, tries, pauses, what is published and
not mirrored yet, a second look, and what a backfill or a sweep asks for.

Durations run on the database's clock, so hydrators whose clocks differ can share a store. On PostgreSQL
those that ask at one time skip each other's keys; on SQLite there is one writer at a time anyway.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from math import inf
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from connector import clocks, events
from connector.events.instants import MAX_INSTANT
from connector.mirror import dialects, forgotten, signs_of_life
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction, translate
from connector.mirror.dialects.dialect import literal
from connector.mirror.projections import hydration

MICROSECONDS = 1_000_000
SAME = "h.shop = w.shop AND h.family = w.family AND h.entity_key = w.entity_key"
# SQL that is true where hooks ask for a record; what was published or parked counts before it is mirrored.
# PostgreSQL takes COALESCE for a condition that half of the rows fulfil, and reads them in the order of the
# index until there are enough; of "answered_at IS NULL OR" it thinks that few do, and sorts them all.
ASKED = f"{hydration.DUE} AND COALESCE(h.wanted_at > w.answered_at, true)"
# The same for what no index finds: a hook whose clock was behind the newest snapshot's time, and a snapshot
# that was never noted, because its hydrator ended or was late, and may hide a newer one.
UNNOTED = "COALESCE(h.fetched_at > w.marked_at, h.fetched_at IS NOT NULL AND w.leased_at IS NOT NULL)"
MISSED = f"(h.wanted_at > w.answered_at OR {UNNOTED})"
# How often it is looked for, and since when a row must have changed after the first time.
MISSED_SECONDS, CHANGED_SECONDS = 30.0, 3600.0
NO_LEASE = "leased_by = NULL, leased_at = NULL, leased_until = NULL"
LEASED = (("family", "text"), ("entity_key", "text"), ("lease", "integer"))
LEASE = (
    "INSERT INTO _hydration_work AS w "
    "(family, entity_key, lease, shop, leased_by, leased_at, leased_until, trouble, tries)"
)
ON_LEASE = (
    "ON CONFLICT (shop, family, entity_key) DO UPDATE SET lease = excluded.lease, "
    "leased_by = excluded.leased_by, leased_at = excluded.leased_at, leased_until = excluded.leased_until "
    "WHERE w.leased_until IS NULL OR w.leased_until <= excluded.leased_at RETURNING family, entity_key"
)
ASK = "INSERT INTO _hydration_work AS w (family, entity_key, shop, asked_at, trouble, tries)"
ON_ASK = "ON CONFLICT (shop, family, entity_key) DO UPDATE SET asked_at = excluded.asked_at"
HOOKS, AGAIN, BACKGROUND = range(3)


class DueKey(NamedTuple):
    """A leased key: the parts of ``connector.hydrator.ports.Due``, which says what they mean."""

    family: str
    key: str
    wanted_at: int
    after: int
    background: bool
    look: bool
    trouble: Any
    tries: int
    waited_seconds: float


class Backlog(NamedTuple):
    """How many keys of a family hooks ask for, and since when (µs since the epoch)."""

    keys: int
    oldest: int


class DueKeys:
    """The keys of one source's records; each method is a transaction, blocks, and raises as it does."""

    def __init__(self, engine: Engine, *, shop: str, hydrator: str) -> None:
        """``shop`` is whose records they are, empty without shops; ``hydrator`` names who leases."""
        self.engine = engine
        self._dialect = dialects.of(engine)
        self.shop = shop
        self._hydrator = hydrator
        # On the monotonic clock.
        self._missed_at: float | None = None
        self._sign_at = -inf

    def lease(self, slots: Mapping[str, Sequence[int]], seconds: float) -> tuple[list[DueKey], int]:
        """Take due keys for so long, and count the hydrators that live and have any.

        ``slots`` is by family how many: of hooks and second looks, and of background work.
        """
        started = time.monotonic()
        with transaction(self.engine) as connection:
            now = self._now(connection)
            if looks_for_missed := started > (self._missed_at or -MISSED_SECONDS) + MISSED_SECONDS:
                self._find_missed(connection, now)
            selects = [one for family, some in slots.items() for one in self._selects(family, some, now)]
            found = connection.exec_driver_sql(" UNION ALL ".join(selects)).fetchall() if selects else []
            dues = _within([self._due(row, now) for row in found], slots)
            rows = [(due.family, due.key, due.after) for due in dues]
            late = [
                *(("text", self.shop), ("text", self._hydrator), ("timestamp", now)),
                *(("timestamp", now + round(seconds * MICROSECONDS)), ("text", ""), ("integer", 0)),
            ]
            taken = run(connection, LEASE, Batch(LEASED, sorted(rows)), ON_LEASE, late) if rows else ()
            mine = {(family, key) for family, key in taken}
            if gives_sign := started >= self._sign_at + signs_of_life.SIGN_SECONDS:
                signs_of_life.give(connection, self.shop, self._hydrator, now)
            hydrators = signs_of_life.count(connection, now)
        if looks_for_missed:
            self._missed_at = started
        if gives_sign:
            self._sign_at = started
        return [due for due in dues if (due.family, due.key) in mine], hydrators

    def mark(self, due: DueKey, at: int, again_after_seconds: float | None) -> None:
        """Note that the snapshot of the instant ``at`` is on Kafka; the lease ends."""
        with transaction(self.engine) as connection:
            now = self._now(connection)
            again = f"CASE WHEN again_at > {moment(now)} THEN again_at END"
            if again_after_seconds is not None:
                again = moment(now + round(again_after_seconds * MICROSECONDS))
            marked = f"CASE WHEN marked_at > {moment(at)} THEN marked_at ELSE {moment(at)} END"
            self._conclude(connection, due, f"marked_at = {marked}, again_at = {again}")

    def give_up(self, due: DueKey) -> None:
        """End the lease; only a newer want makes the key due."""
        with transaction(self.engine) as connection:
            after = moment(due.after)
            marked = f"CASE WHEN marked_at < {after} THEN {after} ELSE marked_at END"
            self._conclude(connection, due, f"marked_at = {marked}, again_at = NULL")

    def back_off(self, due: DueKey, seconds: float, trouble: str, tries: int) -> None:
        """End the lease; the key is not due for so long."""
        with transaction(self.engine) as connection:
            until = moment(self._now(connection) + round(seconds * MICROSECONDS))
            why = self._dialect.literal(trouble)
            sets = f"{NO_LEASE}, not_before = {until}, trouble = {why}, tries = {tries}"
            self._change(connection, due, sets)

    def release(self, dues: Iterable[DueKey]) -> None:
        """End leases; the keys are due as before."""
        with transaction(self.engine) as connection:
            for due in dues:
                self._change(connection, due, NO_LEASE)

    def ask(self, keys: Iterable[tuple[str, str]]) -> None:
        """Have records fetched as background work, by family and entity key."""
        if rows := set(keys):
            with transaction(self.engine) as connection:
                late = [("text", self.shop), ("timestamp", self._now(connection))]
                late += [("text", ""), ("integer", 0)]
                if left := forgotten.remaining(connection, self.shop, rows):
                    run(connection, ASK, Batch(LEASED[:2], left), ON_ASK, late)

    def backlog(self) -> dict[str, Backlog]:
        """What hooks ask for and nobody has published, by family."""
        oldest = self._dialect.microseconds("MIN(h.wanted_at)")
        query = (
            f"SELECT h.family, COUNT(*), {oldest} FROM _hydration AS h "
            f"LEFT JOIN _hydration_work AS w ON {SAME} "
            f"WHERE h.shop = {literal(self.shop)} AND {ASKED} GROUP BY h.family"
        )
        try:
            # On the driver's connection, because on SQLite a transaction has the write lock from its start.
            with closing(self.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(query)
                return {family: Backlog(keys, oldest) for family, keys, oldest in cursor.fetchall()}
        except dialects.ERRORS as error:
            raise translate(error) from error

    # --- Parts of these ---

    def _now(self, connection: Connection) -> int:
        """The database's clock in microseconds since the epoch."""
        if self._dialect.clock is None:
            return clocks.now()
        seconds: float = connection.exec_driver_sql(f"SELECT {self._dialect.clock}").scalar_one()
        return round(seconds * MICROSECONDS)

    def _find_missed(self, connection: Connection, now: int) -> None:
        """Have those fetched again that ``MISSED`` is true of."""
        since = 0 if self._missed_at is None else now - round(CHANGED_SECONDS * MICROSECONDS)
        connection.exec_driver_sql(
            f"UPDATE _hydration_work AS w SET again_at = {moment(now)} FROM _hydration AS h "
            f"WHERE {SAME} AND h.mirrored_at >= {moment(since)} AND {MISSED} AND NOT ({ASKED}) "
            f"AND (w.again_at IS NULL OR w.again_at > {moment(now)})"
        )

    def _selects(self, family: str, slots: Sequence[int], now: int) -> Iterator[str]:
        """Queries for what is due of a family: what hooks ask for, second looks, background work."""
        hooks, work = ("_hydration", "h"), ("_hydration_work", "w")
        instants = ("h.wanted_at", "h.fetched_at", "w.answered_at", "w.marked_at", "h.mirrored_at")
        read = ", ".join(map(self._dialect.microseconds, instants))
        again, asked = f"w.again_at <= {moment(now)}", f"w.asked_at <= {moment(now)}"
        later = f"{asked} AND NOT ({ASKED}) AND NOT COALESCE({again}, false)"
        for kind, first, second, condition, order, most in (
            (HOOKS, hooks, work, ASKED, "h.wanted_at", slots[0]),
            (AGAIN, work, hooks, f"{again} AND NOT ({ASKED})", "w.again_at", slots[0]),
            (BACKGROUND, work, hooks, later, "w.asked_at", slots[1]),
        ):
            table, rows = first
            if most > 0:
                yield (
                    f"SELECT * FROM (SELECT {kind}, {rows}.family, {rows}.entity_key, "
                    f"{self._dialect.microseconds(order)}, {read}, w.lease, w.trouble, w.tries "
                    f"FROM {table} AS {rows} {self._dialect.look_up(*second, SAME)} "
                    f"WHERE {rows}.shop = {self._dialect.literal(self.shop)} "
                    f"AND {rows}.family = {self._dialect.literal(family)} AND {condition} "
                    f"AND COALESCE(w.leased_until <= {moment(now)}, true) "
                    f"AND COALESCE(w.not_before <= {moment(now)}, true) "
                    f"ORDER BY {order} LIMIT {most} {self._dialect.skip_locked(rows)}) AS due{kind}"
                )

    @staticmethod
    def _due(row: Sequence[Any], now: int) -> DueKey:
        kind, family, key, since, hooked, fetched, answered, marked, mirrored, lease, trouble, tries = row
        missed = (hooked or 0) > (answered or MAX_INSTANT) or marked is None or (fetched or 0) > marked
        look = kind == AGAIN and not missed
        wanted_at = since if kind == BACKGROUND or hooked is None else hooked
        after = max(instant or 0 for instant in (hooked, fetched, marked, lease)) + 1
        # Of clocks that are not the database's one that is ahead has it settle longer.
        newest = max(instant or 0 for instant in (hooked, marked, mirrored))
        waited = max(now - newest, 0) / MICROSECONDS
        return DueKey(
            family, key, wanted_at, after, kind == BACKGROUND, look, trouble or "", tries or 0, waited
        )

    def _conclude(self, connection: Connection, due: DueKey, sets: str) -> None:
        """End the lease and all trouble: what the fetch answers is asked for no more."""
        # What backfill and sweep ask for meanwhile may be newer than the answer.
        asked = "asked_at = CASE WHEN asked_at > leased_at THEN asked_at END"
        sets += f", {asked}, {NO_LEASE}, not_before = NULL, trouble = '', tries = 0"
        if not (due.background or due.look):
            until = moment(due.wanted_at)
            sets += f", answered_at = CASE WHEN answered_at > {until} THEN answered_at ELSE {until} END"
        self._change(connection, due, sets)

    def _change(self, connection: Connection, due: DueKey, sets: str) -> None:
        """Change a key's row, unless it was leased again since."""
        shop, family, key = map(self._dialect.literal, (self.shop, due.family, due.key))
        connection.exec_driver_sql(
            f"UPDATE _hydration_work SET {sets} WHERE shop = {shop} AND family = {family} "
            f"AND entity_key = {key} AND lease = {due.after}"
        )


def moment(instant: int) -> str:
    """SQL for an instant in microseconds since the epoch."""
    return f"'{events.iso(instant)}'"


def _within(dues: Sequence[DueKey], slots: Mapping[str, Sequence[int]]) -> list[DueKey]:
    """As many as there are slots: hooks' and second looks share one sort of them."""
    found: list[DueKey] = []
    for family, (live, background) in slots.items():
        for most, is_background in ((live, False), (background, True)):
            some = [due for due in dues if due.family == family and due.background == is_background]
            found += sorted(some, key=lambda due: due.wanted_at)[:most]
    return found
