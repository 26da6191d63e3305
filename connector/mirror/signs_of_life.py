"""Which hydrators work: those that have a lease, and gave a sign of life within the last seconds.

A lease lasts for minutes, so that of one that was killed would have the others leave it a part of the API's
limit for as long. A sign of life is a row of ``_hydration_work`` without a family, leased for a moment.
"""

from sqlalchemy import Connection

from connector import events
from connector.mirror.batches import Batch, run

# How long a sign counts, how often it is given, and how long what a dead one left behind is kept.
ALIVE_SECONDS, SIGN_SECONDS, KEPT_SECONDS = 15.0, 5.0, 3600.0
MICROSECONDS = 1_000_000
SIGN = (
    "INSERT INTO _hydration_work AS w "
    "(entity_key, leased_by, shop, family, leased_at, leased_until, trouble, tries)"
)
ON_SIGN = (
    "ON CONFLICT (shop, family, entity_key) DO UPDATE "
    "SET leased_at = excluded.leased_at, leased_until = excluded.leased_until"
)


def give(connection: Connection, shop: str, hydrator: str, now: int) -> None:
    """Show that a hydrator lives at an instant (µs), and forget those that died long ago."""
    late = [("text", shop), ("text", ""), ("timestamp", now)]
    late += [("timestamp", now + round(ALIVE_SECONDS * MICROSECONDS)), ("text", ""), ("integer", 0)]
    run(
        connection,
        SIGN,
        Batch((("entity_key", "text"), ("leased_by", "text")), [(hydrator, hydrator)]),
        ON_SIGN,
        late,
    )
    connection.exec_driver_sql(
        f"DELETE FROM _hydration_work WHERE family = '' "
        f"AND leased_until < '{events.iso(now - round(KEPT_SECONDS * MICROSECONDS))}'"
    )


def count(connection: Connection, now: int) -> int:
    """How many hydrators live and have a lease of a record."""
    leased = f"leased_until > '{events.iso(now)}'"
    found: int = connection.exec_driver_sql(
        f"SELECT COUNT(DISTINCT leased_by) FROM _hydration_work WHERE {leased} AND family <> '' "
        f"AND leased_by IN (SELECT leased_by FROM _hydration_work WHERE {leased} AND family = '')"
    ).scalar_one()
    return found
