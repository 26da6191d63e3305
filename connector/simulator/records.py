"""What is true in the shop of each order, purchase, product, …: the records that its API answers with.

A record is kept as its facts: the part of the API's answer that follows from what happened in the shop. The
rest of an answer is filled in by the API (``api.bodies``), the same for the same record and revision.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, NamedTuple

from connector import clocks
from connector.simulator.chance import Chance

Facts = Mapping[str, Any]
"""A part of an answer: objects as mappings, lists as lists of them, instants as ``stockholm`` writes them."""

FAMILIES = (
    "orders", "purchases", "products", "customers", "offers", "invoices", "balances", "returns",
)  # fmt: skip
# Families of which nothing is deleted: a shelf stays.
KEPT_FAMILIES = {"balances"}
# After how many steps of the shop a record that is to be deleted goes.
SOONEST_DELETION, LATEST_DELETION = 20, 400
SUNDAY = 6


class RecordState(NamedTuple):
    """A record between two changes. ``changed_at``: microseconds since 1970.

    ``revision`` counts the changes that also change what is filled in around the facts.
    """

    facts: Facts
    changed_at: int
    revision: int


class ShopRecord:
    """One entity; ``state`` is None once it is deleted, ``former`` None until it has changed."""

    def __init__(self, family: str, key: str, state: RecordState) -> None:
        self.family = family
        self.key = key
        self.created_at = state.changed_at
        # When the newest change of any kind happened, also one that leaves the change date as it is.
        self.touched_at = state.changed_at
        # Changes that set the change date.
        self.changes = 0
        self.state: RecordState | None = state
        self.former: RecordState | None = None


class ShopRecords:
    """All records of one shop. With ``kept`` false nothing is kept: for traffic that needs no API.

    ``deleted`` is the share of the entities that the shop deletes at some time; no hook reports that.
    """

    def __init__(
        self, seed: int, *, clock: Callable[[], int] = clocks.now, kept: bool = True, deleted: float = 0.0
    ) -> None:
        self.clock = clock
        self._chance = Chance(f"records {seed}")
        self._kept = kept
        self._deleted = deleted
        self._families: dict[str, dict[str, ShopRecord]] = {family: {} for family in FAMILIES}
        self.steps = 0
        self._doomed: list[tuple[int, str, str]] = []

    def family(self, name: str) -> Mapping[str, ShopRecord]:
        """Entity key → record, in the order of creation; deleted ones included."""
        return self._families[name]

    def state(self, family: str, key: str) -> RecordState | None:
        """The record as it is; None when there is no such record, or no longer."""
        record = self._families[family].get(key)
        return record.state if record is not None else None

    def change(
        self, family: str, key: str, facts: Facts, *, revised: bool = False, dated: bool = True
    ) -> None:
        """Create the record, or give it these facts. A deleted one stays deleted.

        ``revised``: some of what is filled in changes too. ``dated``: the change date is set.
        """
        if not self._kept:
            return
        now = self.clock()
        record = self._families[family].get(key)
        if record is None:
            self._families[family][key] = ShopRecord(family, key, RecordState(facts, now, 0))
            if family not in KEPT_FAMILIES and self._chance.hit(self._deleted, "deleted", family, key):
                steps = self._chance.number(LATEST_DELETION - SOONEST_DELETION, "deletion", family, key)
                heappush(self._doomed, (self.steps + SOONEST_DELETION + steps, family, key))
        elif record.state is not None:
            changed_at = now if dated else record.state.changed_at
            self._put(record, RecordState(facts, changed_at, record.state.revision + revised), now)
            record.changes += dated

    def delete(self, family: str, key: str) -> None:
        """Delete the record: its API answers as for one that never was."""
        self._put(self._families[family][key], None, self.clock())

    def step(self) -> None:
        """Count one step of the shop, and delete what is due."""
        self.steps += 1
        while self._doomed and self._doomed[0][0] <= self.steps:
            _, family, key = heappop(self._doomed)
            self.delete(family, key)

    @staticmethod
    def _put(record: ShopRecord, state: RecordState | None, now: int) -> None:
        record.former, record.state, record.touched_at = record.state, state, now


def stockholm(at: int) -> str:
    """Write an instant (microseconds since 1970) as XTND does: Stockholm's time with its offset."""
    local, hours = stockholm_time(at)
    return f"{local.isoformat(timespec='milliseconds' if local.microsecond else 'seconds')}+{hours:02}:00"


def stockholm_time(at: int) -> tuple[datetime, int]:
    """What Stockholm's clocks show at an instant, and how many hours they are ahead of UTC.

    The rule is the European Union's, written out because a slim container has no time zone database: summer
    time from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October.
    """
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    lasts = (datetime(utc.year, month, 31, 1, tzinfo=UTC) for month in (3, 10))
    start, end = (last - timedelta(days=(last.weekday() - SUNDAY) % 7) for last in lasts)
    hours = 2 if start <= utc < end else 1
    return (utc + timedelta(hours=hours)).replace(tzinfo=None), hours
