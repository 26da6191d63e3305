"""What audits compare and how far they are (``_audits``), and what they find (``_drift``).

A record is left to the hydrator (``moved``) while a hook asks for it, or once the mirror has something newer
than the answer. What differs is noted before it is repaired, and the place after it: an audit that is killed
reads its last records again, and each difference is one row.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from connector import clocks, events
from connector.config import Config
from connector.errors import StartupError
from connector.events import Event
from connector.mirror import dialects, forgotten, rules
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.drift import Difference, RecordTables
from connector.mirror.hydration import ASK, LEASED, MICROSECONDS, ON_ASK, SAME
from connector.mirror.mapping import Mapping
from connector.mirror.models import Drift, names

# How long a snapshot is waited for that is published and not mirrored; then it is a dead letter, or lost.
MIRRORED_SECONDS = 600.0
# How late a hook may be, by the clocks, for a change that the source had when it was asked.
HOOK_SECONDS = 60.0
COUNTS = ("compared", "moved", "left_out")
KEY = (("entity_key", "text"),)
LISTED = "INSERT INTO _hydration_work AS w (family, entity_key, shop, audited_at, trouble, tries)"
ON_LISTED = "ON CONFLICT (shop, family, entity_key) DO UPDATE SET audited_at = excluded.audited_at"


class AuditPlace(NamedTuple):
    """How far an audit is: after the page of a list, and after the single record ``entity_key``.

    With its counts; ``started_at`` in µs.
    """

    started_at: int
    entity_key: str = ""
    compared: int = 0
    moved: int = 0
    left_out: int = 0
    page: int | None = None

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were compared, moved, left out."""
        return self.compared, self.moved, self.left_out


class State(NamedTuple):
    """What the mirror knows of a record, in microseconds since the epoch.

    ``after`` is the instant beyond which a snapshot's time must lie.
    """

    wanted_at: int | None = None
    fetched_at: int | None = None
    marked_at: int | None = None
    again_at: int | None = None
    lease: int | None = None

    @property
    def after(self) -> int:
        return max(instant or 0 for instant in (self.wanted_at, self.fetched_at, self.marked_at, self.lease))

    def moves(self, at: int) -> bool:
        """Whether the hydrator fetches it for a hook, or has fetched it, since ``at``."""
        fetched, marked = self.fetched_at or 0, self.marked_at or 0
        late = at - round(MIRRORED_SECONDS * MICROSECONDS)
        hooked = (self.wanted_at or 0) > fetched or self.again_at is not None
        return hooked or marked > max(fetched, late) or fetched >= at


class Compared(NamedTuple):
    """Which records were compared and which had changed meanwhile, what differs, and the state of each.

    ``differences`` are those of the records' own tables, ``reported`` those of tables of hooks.
    """

    compared: set[str]
    moved: set[str]
    differences: list[Difference]
    reported: list[Difference]
    states: dict[str, State]


class Audits:
    """Those of one family's records; each method is a transaction, blocks, and raises as it does."""

    def __init__(self, engine: Engine, config: Config, mapping: Mapping, family: str) -> None:
        self._engine = engine
        self._dialect = dialects.of(engine)
        shop = config.sources.shop if config.sources and config.shops is not None else None
        self._shop, self._family = shop or "", family
        self._tables = RecordTables(config, mapping, family)
        self._fingerprint = rules.fingerprint(mapping)

    def start(self, *, from_start: bool) -> AuditPlace:
        """Where to go on, or to start; ``from_start`` leaves an audit of all records where it is.

        Raises ``StartupError`` where another mapping made the tables.
        """
        with transaction(self._engine) as connection:
            rules.require(connection, self._fingerprint)
            now = self._now(connection)
            if from_start:
                return AuditPlace(now)
            started = self._dialect.microseconds("started_at")
            unfinished = f"{self._row()} AND finished_at IS NULL"
            query = f"SELECT {started}, entity_key, {', '.join(COUNTS)}, page FROM _audits WHERE {unfinished}"
            if (found := connection.exec_driver_sql(query).first()) is not None:
                return AuditPlace(*found)
            shop, family = self._texts(self._shop, self._family)
            connection.exec_driver_sql(f"DELETE FROM _audits WHERE {self._row()}")
            connection.exec_driver_sql(
                f"INSERT INTO _audits (shop, family, started_at, entity_key, {', '.join(COUNTS)}) "
                f"VALUES ({shop}, {family}, {_at(now)}, '', 0, 0, 0)"
            )
        return AuditPlace(now)

    def count(self) -> int:
        """How many records the mirror has."""
        with transaction(self._engine) as connection:
            query = f"SELECT COUNT(*) FROM _hydration WHERE {self._row()} AND fetched_at IS NOT NULL"
            return int(connection.exec_driver_sql(query).scalar_one())

    def keys(self, after: str, most: int) -> list[str]:
        """The keys of records after one, in their order."""
        (last,) = self._texts(after)
        return self._keys(f"AND entity_key > {last} ORDER BY entity_key LIMIT {most}")

    def listed(self, place: AuditPlace) -> set[str]:
        """The keys of records that the pages of a list had that this audit has read."""
        query = "SELECT entity_key FROM _hydration_work AS w"
        with transaction(self._engine) as connection:
            where = f"{self._row('w.')} AND w.audited_at = {_at(place.started_at)}"
            return set(connection.exec_driver_sql(f"{query} WHERE {where}").scalars())

    def sample(self, most: int) -> list[str]:
        """The keys of some records, by chance."""
        return self._keys(f"ORDER BY random() LIMIT {most}")

    def states(self, keys: Collection[str]) -> dict[str, State]:
        """What the mirror knows of these records."""
        with transaction(self._engine) as connection:
            return self._states(connection, keys)

    def compare(self, answers: Sequence[Event]) -> Compared:
        """How these snapshots, each of another record, differ from the mirror."""
        with transaction(self._engine) as connection:
            found = self._tables.differences(connection, answers)
            reported = self._tables.reported(connection, answers)
            # Last, so that what was mirrored meanwhile is seen here at the latest.
            states = self._states(connection, [event.entity_key or "" for event in answers])
        asked = {event.entity_key or "": event.occurred_at for event in answers}
        moved = {key for key, at in asked.items() if states[key].moves(at)}
        # What was never fetched is not in the tables of records, but hooks may have reported it.
        known = {key for key in asked.keys() - moved if states[key].fetched_at is not None}
        found = [one for one in found if one.entity_key in known]
        reported = [one for one in reported if one.entity_key not in moved]
        compared = known | {one.entity_key for one in reported}
        return Compared(compared, moved, found, reported, states)

    def note(self, place: AuditPlace, found: Compared, answers: Sequence[Event]) -> None:
        """Note differences from these snapshots, each once in an audit."""
        columns = Drift.columns("shop", "family", "started_at")
        asked = {event.entity_key or "": event.occurred_at for event in answers}
        late = [("text", self._shop), ("text", self._family), ("timestamp", place.started_at)]
        insert = f"INSERT INTO _drift ({names(columns)}, shop, family, started_at)"
        differences = sorted([*found.differences, *found.reported], key=lambda one: one[:4])
        with transaction(self._engine) as connection:
            keys = [(self._family, one.entity_key) for one in differences]
            noted = {key for _, key in forgotten.remaining(connection, self._shop, keys)}
            rows = [
                (*one[:4], asked[key], found.states[key].wanted_at, one.mirrored, one.source)
                for one in differences
                if (key := one.entity_key) in noted
            ]
            if rows:
                run(connection, insert, Batch(columns, rows), "ON CONFLICT DO NOTHING", late)

    def advance(
        self,
        former: AuditPlace,
        place: AuditPlace,
        published: Iterable[tuple[str, int]],
        asked: Iterable[str],
        listed: Iterable[str] = (),
    ) -> None:
        """Note what is on Kafka as snapshots of which instants, have ``asked`` fetched; note a new place.

        ``listed`` are the keys that the page of a list had.
        """
        with transaction(self._engine) as connection:
            for key, at in published:
                (of_key,) = self._texts(key)
                connection.exec_driver_sql(
                    f"UPDATE _hydration_work SET marked_at = {_at(at)} WHERE {self._row()} "
                    f"AND entity_key = {of_key} AND (marked_at IS NULL OR marked_at < {_at(at)})"
                )
            keys = [(self._family, key) for key in asked]
            if keys and (rows := forgotten.remaining(connection, self._shop, keys)):
                late = [("text", self._shop), ("timestamp", self._now(connection))]
                run(connection, ASK, Batch(LEASED[:2], rows), ON_ASK, [*late, ("text", ""), ("integer", 0)])
            keys = [(self._family, key) for key in listed]
            if keys and (rows := forgotten.remaining(connection, self._shop, keys)):
                late = [("text", self._shop), ("timestamp", place.started_at)]
                late += [("text", ""), ("integer", 0)]
                run(connection, LISTED, Batch(LEASED[:2], rows), ON_LISTED, late)
            if (former.entity_key, former.page) != (place.entity_key, place.page):
                (last,) = self._texts(place.entity_key)
                page = "NULL" if place.page is None else place.page
                self._change(connection, former, place, f"entity_key = {last}, page = {page}")

    def finish(self, place: AuditPlace) -> None:
        """Note that all records were read: the next start is a new audit."""
        with transaction(self._engine) as connection:
            self._change(connection, place, place, f"finished_at = {_at(self._now(connection))}")

    def drift(self, place: AuditPlace) -> tuple[int, int]:
        """How many records differ, and in how many cells and rows, without what hooks have explained since.

        A hook that was on its way when the record was read explains why the mirror had not its change yet.
        """
        started = f"{self._row('d.')} AND d.started_at = {_at(place.started_at)}"
        hooked, found, before = map(self._dialect.microseconds, ("h.wanted_at", "d.found_at", "d.hooked_at"))
        explained = (
            "SELECT 1 FROM _hydration AS h WHERE h.shop = d.shop AND h.family = d.family "
            f"AND h.entity_key = d.entity_key AND {hooked} > COALESCE({before}, 0) "
            f"AND {hooked} <= {found} + {round(HOOK_SECONDS * MICROSECONDS)}"
        )
        with transaction(self._engine) as connection:
            connection.exec_driver_sql(f"DELETE FROM _drift AS d WHERE {started} AND EXISTS ({explained})")
            counts = f"SELECT COUNT(DISTINCT entity_key), COUNT(*) FROM _drift AS d WHERE {started}"
            records, cells = connection.exec_driver_sql(counts).one()
        return int(records), int(cells)

    # --- Parts of these ---

    def _keys(self, rest: str) -> list[str]:
        query = f"SELECT entity_key FROM _hydration WHERE {self._row()} AND fetched_at IS NOT NULL {rest}"
        with transaction(self._engine) as connection:
            return list(connection.exec_driver_sql(query).scalars())

    def _states(self, connection: Connection, keys: Collection[str]) -> dict[str, State]:
        instants = ("h.wanted_at", "h.fetched_at", "w.marked_at", "w.again_at")
        read = ", ".join(map(self._dialect.microseconds, instants))
        query = (
            f"SELECT h.entity_key, {read}, w.lease FROM _hydration AS h "
            f"LEFT JOIN _hydration_work AS w ON {SAME} WHERE {self._row('h.')} AND h.entity_key IN ("
        )
        batch = Batch(KEY, [(key,) for key in sorted(set(keys))])
        found = run(connection, query, batch, ")") if batch.rows else ()
        return dict.fromkeys(keys, State()) | {key: State(*instants) for key, *instants in found}

    def _change(self, connection: Connection, former: AuditPlace, place: AuditPlace, sets: str) -> None:
        """Change the row, if it stands where this audit left it; or is there, where the answer was lost."""
        either = ", ".join(self._texts(former.entity_key, place.entity_key))
        pages = ", ".join(str(-1 if one.page is None else one.page) for one in (former, place))
        same = f"started_at = {_at(former.started_at)} AND entity_key IN ({either})"
        same += f" AND COALESCE(page, -1) IN ({pages})"
        sets += "".join(f", {name} = {number}" for name, number in zip(COUNTS, place.counts, strict=True))
        update = f"UPDATE _audits SET {sets} WHERE {self._row()} AND {same}"
        if connection.exec_driver_sql(update).rowcount != 1:
            raise StartupError(
                f"Another audit of {self._family} runs on this mirror.",
                "let it end, or end it; then run this again",
            )

    def _row(self, of: str = "") -> str:
        shop, family = self._texts(self._shop, self._family)
        return f"{of}shop = {shop} AND {of}family = {family}"

    def _texts(self, *texts: str) -> list[str]:
        return [self._dialect.literal(text) for text in texts]

    def _now(self, connection: Connection) -> int:
        """The database's clock in microseconds since the epoch."""
        if self._dialect.clock is None:
            return clocks.now()
        seconds: float = connection.exec_driver_sql(f"SELECT {self._dialect.clock}").scalar_one()
        return round(seconds * MICROSECONDS)


def _at(instant: int) -> str:
    return f"'{events.iso(instant)}'"
