"""Waiting for outages: each waiter's trouble is its own, and ends with its wait."""

import asyncio

import pytest

from connector.errors import DatabaseOutage, Poison
from connector.stream.patience import Patience


def test_the_success_of_one_topic_hides_no_outage_of_another() -> None:
    patience = Patience()
    failed, over = asyncio.Event(), asyncio.Event()

    async def locked() -> None:
        if not over.is_set():
            failed.set()
            raise DatabaseOutage("canceling statement due to lock timeout")

    async def succeed() -> None:
        return None

    async def run() -> None:
        waiting = asyncio.create_task(patience.until_done("database", locked, topic="xtnd.balances"))
        await failed.wait()
        await asyncio.sleep(0)
        for _ in range(28):
            await patience.until_done("database", succeed, topic="xtnd.products")
            assert patience.trouble("database") == "xtnd.balances: canceling statement due to lock timeout"
        assert patience.topics() == {"xtnd.balances"}
        assert patience.trouble("kafka") is None
        over.set()
        async with asyncio.timeout(20):
            await waiting
        assert patience.trouble("database") is None

    asyncio.run(run())


def test_an_outage_that_ends_in_poison_is_over() -> None:
    patience = Patience()
    errors = iter([DatabaseOutage("away"), Poison("not-text", "a number")])

    async def fail() -> None:
        raise next(errors)

    with pytest.raises(Poison):
        asyncio.run(patience.until_done("database", fail, topic="t"))
    assert (patience.trouble("database"), patience.topics()) == (None, set())


def test_a_wait_that_is_cancelled_leaves_no_trouble_behind() -> None:
    patience = Patience()

    async def fail() -> None:
        raise DatabaseOutage("away")

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await patience.until_done("database", fail)
        assert patience.topics() == set()

    asyncio.run(run())
