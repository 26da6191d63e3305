"""The worker's look at the database's clock, and what check says of it."""

import asyncio
from collections.abc import Iterator

import pytest

from connector import metrics
from connector.commands import checkup
from connector.errors import DatabaseOutage
from connector.stream import database_clock
from connector.stream.database_clock import DatabaseClock


def test_the_distance_is_measured_again_and_again_also_after_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_clock, "PERIOD_SECONDS", 0)
    measured: Iterator[float | Exception] = iter([DatabaseOutage("away"), 0.0, -30.5])
    done = asyncio.Event()

    def measure() -> float:
        found = next(measured, None)
        if isinstance(found, Exception):
            raise found
        if found is None:
            loop.call_soon_threadsafe(done.set)
            return -30.5
        return found

    async def act() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        clock = DatabaseClock(measure)
        assert await clock.check() is None
        watch = asyncio.create_task(clock.watch())
        await asyncio.wait_for(done.wait(), 10)
        assert "30.5 s behind the database's" in (await clock.check() or "")
        assert metrics.clock_distance.labels("database")._value.get() == -30.5
        watch.cancel()

    loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
    loop.close()
    asyncio.run(act())


def test_a_database_with_this_hosts_clock_is_not_watched() -> None:
    async def act() -> None:
        clock = DatabaseClock(lambda: None)
        await asyncio.wait_for(clock.watch(), 10)
        assert await clock.check() is None

    asyncio.run(act())


@pytest.mark.parametrize(
    ("ahead", "what", "fault"),
    [
        (None, "clock of the database: this host's", None),
        (0.0, "clock of the database: within 0.1 s of this host's", None),
        (-1.5, "clock of the database: within 1.5 s of this host's", None),
        (3600.0, "clock of the database", "this host's is 3600.0 s ahead of it"),
        (-600.0, "clock of the database", "this host's is 600.0 s behind it"),
    ],
)
def test_check_names_a_distance_beyond_two_seconds(ahead: float | None, what: str, fault: str | None) -> None:
    found = checkup.clock_result(ahead)
    assert (found.what, found.fault) == (what, fault)
    assert bool(found.cure) == (fault is not None)
