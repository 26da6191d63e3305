"""How far backfills are (``_backfills``), and what they ask the hydrator for (``_hydration_work``).

A page and what it asks for are one transaction, so a backfill that is killed goes on behind its last page.
A key is asked for once in a backfill: not again while it waits, nor once it was fetched since the start.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from connector import clocks, events
from connector.errors import StartupError
from connector.mirror import dialects, forgotten
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.hydration import ASK, LEASED, MICROSECONDS

INSTANTS = ("changed_since", "changed_until", "started_at")
NUMBERS = ("part", "reading", "page", "listed", "asked")


class BackfillPlace(NamedTuple):
    """How far a backfill is; instants are microseconds since the epoch.

    ``part`` counts the windows of changes from 0, ``reading`` is 0 for the first and 1 for the second time
    that one is read, ``page`` is the last page that was read.
    """

    changed_since: int
    changed_until: int | None
    started_at: int
    part: int = 0
    reading: int = 0
    page: int | None = None
    listed: int = 0
    asked: int = 0


class Backfills:
    """Those of one source's records; each method is a transaction, blocks, and raises as it does."""

    def __init__(self, engine: Engine, *, shop: str) -> None:
        """``shop`` is whose records they are, empty without shops."""
        self._engine = engine
        self._dialect = dialects.of(engine)
        self._shop = shop

    def start(self, family: str, since: int, until: int | None) -> tuple[BackfillPlace, BackfillPlace | None]:
        """Where to go on, or to start; and an unfinished backfill of other dates, which is given up."""
        with transaction(self._engine) as connection:
            former = self._stored(connection, family)
            if former is not None and (former.changed_since, former.changed_until) == (since, until):
                return former, None
            place = BackfillPlace(since, until, self._now(connection))
            connection.exec_driver_sql(f"DELETE FROM _backfills WHERE {self._row(family)}")
            names = ("shop", "family", *INSTANTS, *NUMBERS)
            values = (*self._texts(self._shop, family), *map(_at, place[:3]), *map(_number, place[3:]))
            connection.exec_driver_sql(
                f"INSERT INTO _backfills ({', '.join(names)}) VALUES ({', '.join(values)})"
            )
        return place, former

    def newest(self, family: str) -> int:
        """The instant of the newest want and snapshot of a family, and of what leases were given; 0 for none.

        A list that is asked for afterwards is newer, whatever the clocks say.
        """
        instant = self._dialect.microseconds
        greatest = [
            f"SELECT {what} FROM {table} WHERE {self._row(family)}"
            for table, what in (
                ("_hydration", instant("MAX(wanted_at)")),
                ("_hydration", instant("MAX(fetched_at)")),
                ("_hydration_work", instant("MAX(marked_at)")),
                ("_hydration_work", "MAX(lease)"),
            )
        ]
        with transaction(self._engine) as connection:
            found = [connection.exec_driver_sql(one).scalar_one() for one in greatest]
        return max((instant for instant in found if instant is not None), default=0)

    def ask(
        self, family: str, former: BackfillPlace, place: BackfillPlace, keys: Sequence[str]
    ) -> BackfillPlace:
        """Have the hydrator fetch a page's records, and note the place with how many were asked for."""
        started = _at(former.started_at)
        conflict = (
            "ON CONFLICT (shop, family, entity_key) DO UPDATE SET asked_at = excluded.asked_at "
            f"WHERE w.asked_at IS NULL AND (w.marked_at IS NULL OR w.marked_at < {started}) "
            "RETURNING entity_key"
        )
        with transaction(self._engine) as connection:
            rows = forgotten.remaining(connection, self._shop, [(family, key) for key in keys])
            late = [("text", self._shop), ("timestamp", self._now(connection))]
            late += [("text", ""), ("integer", 0)]
            taken = run(connection, ASK, Batch(LEASED[:2], rows), conflict, late) if rows else ()
            place = place._replace(asked=former.asked + len(taken))
            self._advance(connection, family, former, place)
        return place

    def mark(
        self, family: str, former: BackfillPlace, place: BackfillPlace, keys: Sequence[str], at: int
    ) -> BackfillPlace:
        """Note the place behind a page whose rows are on Kafka as snapshots of the instant ``at``."""
        place = place._replace(asked=former.asked + len(keys))
        listed = ", ".join(self._texts(*sorted(set(keys))))
        with transaction(self._engine) as connection:
            if keys:
                connection.exec_driver_sql(
                    f"UPDATE _hydration_work SET marked_at = {_at(at)} WHERE {self._row(family)} "
                    f"AND entity_key IN ({listed}) AND (marked_at IS NULL OR marked_at < {_at(at)})"
                )
            self._advance(connection, family, former, place)
        return place

    def finish(self, family: str, place: BackfillPlace) -> None:
        """Note that all is listed: the next start is a new backfill."""
        with transaction(self._engine) as connection:
            self._change(connection, family, place, f"finished_at = {_at(self._now(connection))}")

    def _advance(
        self, connection: Connection, family: str, former: BackfillPlace, place: BackfillPlace
    ) -> None:
        pairs = zip(NUMBERS, place[3:], strict=True)
        self._change(connection, family, former, ", ".join(f"{name} = {_number(one)}" for name, one in pairs))

    def _change(self, connection: Connection, family: str, former: BackfillPlace, sets: str) -> None:
        """Change the row, if it stands where this backfill left it."""
        pairs = zip(NUMBERS, former[3:], strict=True)
        same = [f"started_at = {_at(former.started_at)}", "finished_at IS NULL"]
        same += [f"{name} {'IS' if one is None else '='} {_number(one)}" for name, one in pairs]
        update = f"UPDATE _backfills SET {sets} WHERE {self._row(family)} AND {' AND '.join(same)}"
        if connection.exec_driver_sql(update).rowcount != 1:
            raise StartupError(
                f"Another backfill of {family} runs on this mirror.",
                "let it end, or end it; then run this again",
            )

    def _stored(self, connection: Connection, family: str) -> BackfillPlace | None:
        """How far an unfinished backfill is."""
        read = ", ".join([*map(self._dialect.microseconds, INSTANTS), *NUMBERS])
        query = f"SELECT {read} FROM _backfills WHERE {self._row(family)} AND finished_at IS NULL"
        row = connection.exec_driver_sql(query).first()
        return None if row is None else BackfillPlace(*row)

    def _row(self, family: str) -> str:
        shop, name = self._texts(self._shop, family)
        return f"shop = {shop} AND family = {name}"

    def _texts(self, *texts: str) -> list[str]:
        return [self._dialect.literal(text) for text in texts]

    def _now(self, connection: Connection) -> int:
        """The database's clock in microseconds since the epoch."""
        if self._dialect.clock is None:
            return clocks.now()
        seconds: float = connection.exec_driver_sql(f"SELECT {self._dialect.clock}").scalar_one()
        return round(seconds * MICROSECONDS)


def _at(instant: int | None) -> str:
    return "NULL" if instant is None else f"'{events.iso(instant)}'"


def _number(number: int | None) -> str:
    return "NULL" if number is None else str(number)
