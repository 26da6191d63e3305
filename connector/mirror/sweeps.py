"""What sweeps list, ask for and find (``_sweeps``, ``_hydration_work``).

A sweep lists what changed since the last one started, and asks for a record when its change is newer than
what the mirror has of it. So that no repair is counted twice, nothing is added up: ``repaired`` and
``lost_hooks`` are counted again from the records' own rows, and stand once the next sweep has started.

A hook is lost that a record implies (``implied_hooks``), and where it implies none that is missing, a hook of
a change that the list has. The first kind counts for the sweep that is the newest ``LATE_HOOK_SECONDS`` after
the record that implies it was fetched, so each counts once.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from connector import clocks
from connector.errors import StartupError
from connector.mirror import dialects, forgotten
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.hydration import MICROSECONDS, SAME, moment
from connector.mirror.projections import implied

# How long a sweep that reads no page is taken to run.
ALIVE_SECONDS = 120.0
# The API may give the former record for a while, and its clock is not ours.
FORMER_SECONDS = 120.0
# XTND tries a delivery three times in about five minutes: until then a hook is late, not lost.
LATE_HOOK_SECONDS = 600.0
LISTED = (("entity_key", "text"), ("changed_at", "timestamp"), ("row_digest", "text"))
WORK = "INSERT INTO _hydration_work AS w (entity_key, changed_at, row_digest, shop, family, trouble, tries"

ON_CONFLICT = "ON CONFLICT (shop, family, entity_key) DO UPDATE SET"


class Found(NamedTuple):
    """A listed record: its key, when it changed (µs since the epoch, None: unknown), a digest of its rows.

    ``behind``: the mirror has not what the list speaks of, so that a fetch repairs it.
    """

    key: str
    changed: int | None
    digest: str
    behind: bool = False


class Started(NamedTuple):
    """A sweep that runs: when it started, and since when changes are listed (None: the whole list)."""

    started_at: int
    since: int | None


class Sweeps:
    """Those of one source's records; each method is a transaction, blocks, and raises as it does."""

    def __init__(self, engine: Engine, *, shop: str) -> None:
        """``shop`` is whose records they are, empty without shops."""
        self._engine = engine
        self._dialect = dialects.of(engine)
        self._shop = shop

    def last(self, family: str, *, whole: bool) -> int | None:
        """When the last sweep started that was finished (µs); ``whole``: the last one of the whole list."""
        with transaction(self._engine) as connection:
            return self._last(connection, family, whole=whole)

    def start(self, family: str, *, whole: bool) -> Started | None:
        """Start a sweep; None while another one of the family runs."""
        with transaction(self._engine) as connection:
            self._dialect.lock_tables(connection, ["_sweeps"])
            now, of_family = self._now(connection), self._row(family)
            runs = f"{of_family} AND finished_at IS NULL AND alive_until > {moment(now)}"
            if connection.exec_driver_sql(f"SELECT 1 FROM _sweeps WHERE {runs}").first() is not None:
                return None
            # What a sweep found that did not end is found again.
            connection.exec_driver_sql(f"DELETE FROM _sweeps WHERE {of_family} AND finished_at IS NULL")
            self._count(connection, family, now)
            since = self._last(connection, family, whole=False)
            started = max(now, (self._newest(connection, family) or 0) + 1)
            shop, name = map(self._dialect.literal, (self._shop, family))
            alive = moment(now + round(ALIVE_SECONDS * MICROSECONDS))
            connection.exec_driver_sql(
                "INSERT INTO _sweeps (shop, family, started_at, alive_until, whole, "
                f"listed, enqueued, repaired, lost_hooks) VALUES ({shop}, {name}, {moment(started)}, "
                f"{alive}, {int(whole)}, 0, 0, 0, 0)"
            )
        return Started(started, None if whole else (since or started))

    def plan(self, family: str, *, whole: bool) -> Started:
        """What a sweep that starts now would list; nothing is written."""
        with transaction(self._engine) as connection:
            now = self._now(connection)
            return Started(now, None if whole else (self._last(connection, family, whole=False) or now))

    def stale(self, family: str, started: Started, rows: Sequence[Found]) -> list[Found]:
        """Those of the listed records that are newer than what the mirror has of them, or may be."""
        if not rows:
            return []
        keys = ", ".join(self._dialect.literal(key) for key in sorted({row.key for row in rows}))
        fetched = self._dialect.microseconds("h.fetched_at")
        query = (
            f"SELECT h.entity_key, {fetched}, w.row_digest FROM _hydration AS h "
            f"LEFT JOIN _hydration_work AS w ON {SAME} WHERE {self._row(family, 'h.')} "
            f"AND h.entity_key IN ({keys})"
        )
        with transaction(self._engine) as connection:
            known = {key: (at, digest) for key, at, digest in connection.exec_driver_sql(query)}
            asked = forgotten.remaining(connection, self._shop, [(family, row.key) for row in rows])
        left = {key for _, key in asked}
        judged = (
            (row, _judge(row, started, *known.get(row.key, (None, None)))) for row in rows if row.key in left
        )
        return [row._replace(behind=behind) for row, (stale, behind) in judged if stale]

    def ask(self, family: str, started: Started, rows: Sequence[Found], stale: Sequence[Found]) -> None:
        """Have the hydrator fetch the stale ones, and note what was listed of all."""
        with transaction(self._engine) as connection:
            asked = "asked_at = COALESCE(w.asked_at, excluded.asked_at)"
            self._note(connection, family, started, stale, asked, self._now(connection))
            self._note_others(connection, family, started, rows, stale)

    def publish(
        self, family: str, started: Started, rows: Sequence[Found], published: Sequence[Found], at: int
    ) -> None:
        """Note that these are on Kafka as snapshots of the instant ``at``, and what was listed of all."""
        with transaction(self._engine) as connection:
            marked = (
                "marked_at = CASE WHEN w.marked_at > excluded.marked_at THEN w.marked_at "
                "ELSE excluded.marked_at END"
            )
            self._note(connection, family, started, published, marked, at)
            self._note_others(connection, family, started, rows, published)

    def finish(self, family: str, started: Started) -> None:
        """Note that the list was read to its end: the next one lists what changed since its start."""
        with transaction(self._engine) as connection:
            self._advance(connection, family, started, f"finished_at = {moment(self._now(connection))}")

    def count(self, family: str) -> None:
        """Count again what came of the newest sweep of a family."""
        with transaction(self._engine) as connection:
            self._count(connection, family, self._now(connection))

    def lost_hooks(self) -> dict[str, int]:
        """How many hooks were found to be lost, by family, since there are sweeps."""
        query = f"SELECT family, SUM(lost_hooks) FROM _sweeps WHERE {self._row(None)} GROUP BY family"
        with transaction(self._engine) as connection:
            return {family: int(lost) for family, lost in connection.exec_driver_sql(query)}

    def _note(
        self,
        connection: Connection,
        family: str,
        started: Started,
        rows: Sequence[Found],
        sets: str,
        instant: int,
    ) -> None:
        """Note which sweep asked for rows, and an instant in the column whose new value is ``sets``."""
        name = sets.partition(" ")[0]
        late = [("text", self._shop), ("text", family), ("text", ""), ("integer", 0), ("timestamp", instant)]
        conflict = f"{ON_CONFLICT} {sets}, row_digest = excluded.row_digest"
        swept = [("timestamp", started.started_at)]
        repairs = ", swept_at = excluded.swept_at, changed_at = excluded.changed_at"
        for behind, before, after, more in (
            (True, f"{WORK}, {name}, swept_at)", conflict + repairs, swept),
            (False, f"{WORK}, {name})", conflict, []),
        ):
            chosen = sorted({row.key: row[:3] for row in rows if row.behind == behind}.values())
            if chosen:
                run(connection, before, Batch(LISTED, chosen), after, late + more)

    def _note_others(
        self,
        connection: Connection,
        family: str,
        started: Started,
        rows: Sequence[Found],
        asked: Sequence[Found],
    ) -> None:
        """Note what was listed of records that are as the mirror has them; and how far the sweep is.

        Of entities that were forgotten nothing is noted.
        """
        keys, listed = {row.key for row in asked}, {row.key for row in rows}
        remaining = forgotten.remaining(connection, self._shop, [(family, key) for key in listed])
        noted = {key for _, key in remaining} - keys
        others = sorted({row.key: row[:3] for row in rows if row.key in noted}.values())
        if others:
            conflict = f"{ON_CONFLICT} row_digest = excluded.row_digest"
            late = [("text", self._shop), ("text", family), ("text", ""), ("integer", 0)]
            run(connection, f"{WORK})", Batch(LISTED, others), conflict, late)
        alive = moment(self._now(connection) + round(ALIVE_SECONDS * MICROSECONDS))
        counts = f"listed = listed + {len(listed | keys)}, enqueued = enqueued + {len(keys)}"
        self._advance(connection, family, started, f"{counts}, alive_until = {alive}")

    def _advance(self, connection: Connection, family: str, started: Started, sets: str) -> None:
        update = (
            f"UPDATE _sweeps SET {sets} WHERE {self._row(family)} "
            f"AND started_at = {moment(started.started_at)} AND finished_at IS NULL"
        )
        if connection.exec_driver_sql(update).rowcount != 1:
            raise StartupError(
                f"Another sweep of {family} has started, because this one read no page for two minutes.",
                "let that one end",
            )

    def _count(self, connection: Connection, family: str, now: int) -> None:
        """Count what the newest sweep repaired; a hook is lost when it is late beyond XTND's last attempt."""
        of_family, late = self._row(family), now - round(LATE_HOOK_SECONDS * MICROSECONDS)
        newest = self._newest(connection, family)
        if newest is None:
            return
        repaired = (
            f"FROM _hydration_work AS w JOIN _hydration AS h ON {SAME} WHERE {self._row(family, 'w.')} "
            "AND w.swept_at = _sweeps.started_at AND h.fetched_at > w.swept_at"
        )
        # Before the first sweep there was perhaps nobody to send hooks to.
        first = f"(SELECT MIN(f.started_at) FROM _sweeps AS f WHERE {self._row(family, 'f.')})"
        missing = f"FROM _implied_hooks AS i WHERE {self._row(family, 'i.')} AND {implied.MISSING}"
        missing += f" AND i.created_at > {first}"
        since = newest - (now - late)
        implies = f"{missing} AND i.implied_at >= {moment(since)} AND i.implied_at < {moment(late)}"
        # What the record implies that was fetched since is counted as that.
        lost = (
            f"{repaired} AND w.changed_at < {moment(late)} AND w.changed_at > {first} "
            "AND (h.wanted_at IS NULL OR h.wanted_at < w.changed_at) "
            f"AND NOT EXISTS (SELECT 1 {missing} AND i.entity_key = w.entity_key "
            "AND i.implied_at >= w.changed_at)"
        )
        connection.exec_driver_sql(
            f"UPDATE _sweeps SET repaired = (SELECT COUNT(*) {repaired}), "
            f"lost_hooks = (SELECT COUNT(*) {lost}) + (SELECT COUNT(*) {implies}) "
            f"WHERE {of_family} AND started_at = {moment(newest)}"
        )

    def _newest(self, connection: Connection, family: str) -> int | None:
        """When the newest sweep started, finished or not."""
        started = self._dialect.microseconds("MAX(started_at)")
        query = f"SELECT {started} FROM _sweeps WHERE {self._row(family)}"
        found: int | None = connection.exec_driver_sql(query).scalar()
        return found

    def _last(self, connection: Connection, family: str, *, whole: bool) -> int | None:
        started = self._dialect.microseconds("MAX(started_at)")
        only = " AND whole = 1" if whole else ""
        query = f"SELECT {started} FROM _sweeps WHERE {self._row(family)} AND finished_at IS NOT NULL{only}"
        found: int | None = connection.exec_driver_sql(query).scalar()
        return found

    def _row(self, family: str | None, of: str = "") -> str:
        shop = f"{of}shop = {self._dialect.literal(self._shop)}"
        return shop if family is None else f"{shop} AND {of}family = {self._dialect.literal(family)}"

    def _now(self, connection: Connection) -> int:
        """The database's clock in microseconds since the epoch."""
        if self._dialect.clock is None:
            return clocks.now()
        seconds: float = connection.exec_driver_sql(f"SELECT {self._dialect.clock}").scalar_one()
        return round(seconds * MICROSECONDS)


def _judge(row: Found, started: Started, fetched: int | None, digest: str | None) -> tuple[bool, bool]:
    """Whether a record may be newer than its last fetch (µs; None: never), and whether it surely is."""
    if fetched is None:
        return True, True
    if row.changed is not None:
        former = round(FORMER_SECONDS * MICROSECONDS)
        return fetched < row.changed + former, fetched < row.changed
    if digest is None:
        # Listed for the first time: it may have changed after its fetch, and no later list would tell.
        return True, False
    differs = digest != row.digest
    return differs, differs and started.since is not None and fetched < started.since
