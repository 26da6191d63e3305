"""What a worker removes once it is old: dead letters that are done with, sweeps, and what audits found.

Never removed: a letter that is still parked, because its event is not in the mirror, of each family the
newest finished sweep and the newest one of a whole list, from which the next ones go on, and what the newest
audit of a family found, which counts it until its end.
"""

from collections.abc import Callable

from sqlalchemy import Engine

from connector import clocks, events
from connector.config import MirrorSettings
from connector.mirror.database import transaction
from connector.mirror.letters import DISCARDED, REPLAYED

# Rows of one transaction: what waits behind it waits for milliseconds.
STEP_ROWS = 500
DAY_MICROSECONDS = 86_400_000_000
# The index has parked_at, which is never later than state_at.
LETTERS = f"""
DELETE FROM _dead_letters WHERE dead_letter_id IN (
  SELECT dead_letter_id FROM _dead_letters WHERE state IN ('{REPLAYED}', '{DISCARDED}')
  AND parked_at < '{{before}}' AND state_at < '{{before}}' ORDER BY dead_letter_id LIMIT {{rows}}
)
"""
SWEEPS = """
DELETE FROM _sweeps WHERE (shop, family, started_at) IN (
  SELECT shop, family, started_at FROM _sweeps AS old WHERE started_at < '{before}'
  AND EXISTS (SELECT 1 FROM _sweeps AS newer WHERE newer.shop = old.shop AND newer.family = old.family
              AND newer.started_at > old.started_at AND newer.finished_at IS NOT NULL
              AND newer.whole >= old.whole)
  ORDER BY shop, family, started_at LIMIT {rows}
)
"""


# A sample is no row of _audits, and started later than the audit that is.
DRIFT = """
DELETE FROM _drift WHERE (shop, family, started_at, entity_key, table_name, row_key, column_name) IN (
  SELECT shop, family, started_at, entity_key, table_name, row_key, column_name FROM _drift AS old
  WHERE found_at < '{before}' AND NOT EXISTS (
    SELECT 1 FROM _audits AS newest WHERE newest.shop = old.shop AND newest.family = old.family
    AND newest.started_at = old.started_at)
  ORDER BY shop, family, started_at, entity_key, table_name, row_key, column_name LIMIT {rows}
)
"""


class Retention:
    """Removes what ``mirror`` lets go; blocks, and raises as ``database.transaction`` does."""

    def __init__(
        self,
        engine: Engine,
        settings: MirrorSettings,
        *,
        step_rows: int = STEP_ROWS,
        now: Callable[[], int] = clocks.now,
    ) -> None:
        """``now`` gives microseconds since the epoch."""
        self._engine = engine
        self._rows = step_rows
        self._now = now
        days = (
            (LETTERS, settings.dead_letter_retention_days),
            (SWEEPS, settings.sweep_retention_days),
            (DRIFT, settings.drift_retention_days),
        )
        self._limits = [(statement, limit) for statement, limit in days if limit is not None]

    def remove_some(self) -> tuple[int, bool]:
        """Remove at most ``step_rows`` rows of each kind; gives how many, and whether more may be left."""
        removed, more = 0, False
        for statement, days in self._limits:
            before = events.iso(max(0, self._now() - days * DAY_MICROSECONDS))
            with transaction(self._engine) as connection:
                text = statement.format(before=before, rows=self._rows)
                count = connection.exec_driver_sql(text).rowcount
            removed, more = removed + count, more or count == self._rows
        return removed, more
