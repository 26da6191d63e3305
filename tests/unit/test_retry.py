"""Retries: pauses grow, end at the longest and differ; each outage is reported until its own wait ends."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import retry
from connector.errors import DatabaseOutage, Poison
from connector.retry import Outages


@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(10, 1000))
def test_a_pause_doubles_until_it_is_the_longest(failures: int, first: float, longest: float) -> None:
    growing, jittered = retry.growing(first, longest), retry.jittered(first, longest)
    assert growing(failures + 1) == min(2 * growing(failures), longest)
    assert 0 <= jittered(failures) <= growing(failures)


@given(st.integers(0, 20))
def test_an_action_is_repeated_until_what_it_needs_is_available(failures: int) -> None:
    errors = iter([DatabaseOutage("away")] * failures)
    noted: list[int] = []

    async def act() -> str:
        for error in errors:
            raise error
        return "done"

    done = retry.retry_until_available(
        act, away=DatabaseOutage, note=lambda _error, count: noted.append(count), pause=lambda _: 0
    )
    assert (asyncio.run(done), noted) == ("done", list(range(1, failures + 1)))


def test_the_success_of_one_topic_hides_no_outage_of_another() -> None:
    outages = Outages()
    failed, over = asyncio.Event(), asyncio.Event()

    async def locked() -> None:
        if not over.is_set():
            failed.set()
            raise DatabaseOutage("canceling statement due to lock timeout")

    async def succeed() -> None:
        return None

    async def run() -> None:
        wait = outages.retry_until_available
        waiting = asyncio.create_task(wait("database", locked, topic="xtnd.balances"))
        await failed.wait()
        await asyncio.sleep(0)
        for _ in range(28):
            await wait("database", succeed, topic="xtnd.products")
            assert outages.trouble("database") == "xtnd.balances: canceling statement due to lock timeout"
        assert outages.topics() == {"xtnd.balances"}
        assert outages.trouble("kafka") is None
        over.set()
        async with asyncio.timeout(20):
            await waiting
        assert outages.trouble("database") is None

    asyncio.run(run())


def test_an_outage_that_ends_in_poison_is_over() -> None:
    outages = Outages()
    errors = iter([DatabaseOutage("away"), Poison("not-text", "a number")])

    async def fail() -> None:
        raise next(errors)

    with pytest.raises(Poison):
        asyncio.run(outages.retry_until_available("database", fail, topic="t"))
    assert (outages.trouble("database"), outages.topics()) == (None, set())


def test_a_wait_that_is_cancelled_leaves_no_trouble_behind() -> None:
    outages = Outages()

    async def fail() -> None:
        raise DatabaseOutage("away")

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await outages.retry_until_available("database", fail)
        assert outages.topics() == set()

    asyncio.run(run())
