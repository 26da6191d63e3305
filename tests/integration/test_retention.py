"""What a worker removes once it is old, and what it keeps however old it is."""

import asyncio
import contextlib

import pytest

from connector import events
from connector.config import MirrorSettings
from connector.mirror import database, letters
from connector.mirror.retention import DAY_MICROSECONDS, Retention
from connector.stream import removal
from tests import strategies
from tests.conftest import MakeConfig
from tests.strategies import NOON

LETTER = {
    **dict.fromkeys(("stage", "reason", "error"), "x"),
    **dict.fromkeys(("hook", "action", "event_id", "kafka_topic", "kafka_partition", "kafka_offset")),
    "payload": b"",
    "context": "{}",
}


def days_ago(days: int) -> str:
    return events.iso(NOON - days * DAY_MICROSECONDS)


@pytest.fixture
def mirror(database_url: str, make_config: MakeConfig) -> strategies.Mirror:
    config = make_config({"database.url": database_url})
    return strategies.Mirror(database.connect(config.database), config)


def test_what_is_old_and_done_with_is_removed_in_small_steps(
    mirror: strategies.Mirror,
) -> None:
    parked = [
        *((f"old-{number}", "discarded", 40, 35) for number in range(5)),
        ("old-replayed", "replayed", 40, 31),
        ("still-parked", "parked", 400, 400),
        ("replayed-lately", "replayed", 400, 29),
        ("recent", "discarded", 20, 20),
    ]
    # Family, days ago, whether of the whole list, whether it was finished.
    sweeps = [
        ("orders", 50, 1, True),
        ("orders", 45, 0, True),
        ("orders", 44, 1, True),
        ("orders", 43, 0, False),
        ("orders", 42, 0, True),
        ("orders", 41, 0, False),
        ("offers", 99, 0, True),
    ]
    with database.transaction(mirror.engine) as connection:
        letters.park(
            connection,
            [
                LETTER
                | {
                    "dead_letter_id": name,
                    "state": state,
                    "parked_at": days_ago(since),
                    "state_at": days_ago(at),
                }
                for name, state, since, at in parked
            ],
        )
        for family, days, whole, finished in sweeps:
            at = f"'{days_ago(days)}'"
            connection.exec_driver_sql(
                "INSERT INTO _sweeps (shop, family, started_at, alive_until, finished_at, whole, listed, "
                f"enqueued, repaired, lost_hooks) VALUES ('', '{family}', {at}, {at}, "
                f"{at if finished else 'NULL'}, {whole}, 0, 0, 0, 0)"
            )

        # The newest audit started long ago, and lately a sample was read.
        connection.exec_driver_sql(
            "INSERT INTO _audits (shop, family, started_at, entity_key, compared, moved, left_out) "
            f"VALUES ('', 'orders', '{days_ago(80)}', '', 0, 0, 0)"
        )
        for started, found in ((90, 85), (90, 84), (80, 79), (35, 33), (20, 20)):
            connection.exec_driver_sql(
                "INSERT INTO _drift (shop, family, started_at, entity_key, table_name, row_key, column_name, "
                f"found_at) VALUES ('', 'orders', '{days_ago(started)}', '1', 't', '', '{found}', "
                f"'{days_ago(found)}')"
            )

    def left() -> tuple[set[str], int, set[str]]:
        with database.transaction(mirror.engine) as connection:
            names = connection.exec_driver_sql("SELECT dead_letter_id FROM _dead_letters").scalars()
            sweeps = connection.exec_driver_sql("SELECT COUNT(*) FROM _sweeps").scalar_one()
            drift = connection.exec_driver_sql("SELECT column_name FROM _drift").scalars()
            return set(names), sweeps, set(drift)

    assert Retention(mirror.engine, MirrorSettings(), now=lambda: NOON).remove_some() == (0, False)
    assert len(left()[0]) == len(parked)
    limits = MirrorSettings(dead_letter_retention_days=30, sweep_retention_days=30, drift_retention_days=30)
    retention = Retention(mirror.engine, limits, step_rows=4, now=lambda: NOON)
    assert retention.remove_some() == (10, True)

    async def remove_the_rest() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(removal.watch(retention.remove_some), 1)

    asyncio.run(remove_the_rest())
    # Of the orders' sweeps the newest finished one, that of the whole list, and one that may still run.
    assert left() == ({"still-parked", "replayed-lately", "recent"}, 4, {"79", "20"})
