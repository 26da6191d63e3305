"""Health: measured by itself, each part apart, and never green for what was not looked at."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from connector import metrics
from connector.health import Health
from connector.local.stopping import wait_until

FAST: dict[str, Any] = {"interval_seconds": 0.01, "timeout_seconds": 0.1}


def up(part: str) -> float | None:
    return metrics.GATEWAY.get_sample_value("xtnd_up", {"part": part})


def degraded(part: str) -> float | None:
    return metrics.WORKER.get_sample_value("xtnd_degraded", {"part": part})


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.005)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def well() -> None:
    return None


def test_before_the_first_measurement_it_is_unready_and_its_metrics_are_there() -> None:
    health = Health({"first": well}, {"second": well})
    assert health.report().status == "unready"
    assert health.report().failures == {"first": "not measured yet"}
    assert (up("first"), up("second"), degraded("second")) == (0, 0, 1)
    assert degraded("first") is None


def test_it_measures_without_being_asked() -> None:
    trouble: dict[str, str | None] = {"check": None, "note": None}

    async def note() -> str | None:
        return trouble["note"]

    async def run() -> None:
        health = Health({"check": lambda: trouble["check"]}, {"note": note}, **FAST)
        async with health.measuring():
            await soon(lambda: up("check") == 1 and up("note") == 1)
            assert health.report().as_json() == {"status": "ready", "ready": True, "failures": {}}
            trouble["note"] = "far away"
            await soon(lambda: degraded("note") == 1)
            assert health.report().as_json() == {
                "status": "degraded", "ready": True, "failures": {}, "warnings": {"note": "far away"},
            }  # fmt: skip
            trouble["check"] = "full"
            await soon(lambda: up("check") == 0)
            assert health.report().status == "unready"
            assert health.report().as_json()["ready"] is False
            trouble.update(check=None, note=None)
            await soon(lambda: health.report().status == "ready")

    asyncio.run(run())


def test_a_check_that_hangs_is_trouble_holds_up_no_other_and_never_runs_twice() -> None:
    release, runs, others = threading.Event(), [], []

    async def hangs() -> None:
        runs.append(1)
        await asyncio.to_thread(release.wait)

    def other() -> None:
        others.append(1)

    async def run() -> None:
        health = Health({"hangs": hangs, "other": other}, **FAST)
        async with health.measuring():
            await soon(lambda: health.report().failures == {"hangs": "no answer within 0.1 s"})
            seen = len(others)
            await soon(lambda: len(others) > seen + 20)
            assert len(runs) == 1
            assert health.report().failures == {"hangs": "no answer within 0.1 s"}
            release.set()
            await soon(lambda: health.report().status == "ready")

    try:
        asyncio.run(run())
    finally:
        release.set()


def test_a_part_is_seen_to_be_well_at_once_at_the_start_however_seldom_it_is_measured() -> None:
    troubles, seen = ["no tables yet", "no tables yet"], []

    def starting() -> str | None:
        seen.append(trouble := troubles.pop() if troubles else None)
        return trouble

    async def run() -> None:
        health = Health({"database": starting}, interval_seconds=3600)
        async with health.measuring():
            await soon(lambda: health.report().status == "ready")
            assert seen == ["no tables yet", "no tables yet", None]

    asyncio.run(run())


def test_what_a_check_trips_over_is_what_is_wrong() -> None:
    def trips() -> str | None:
        raise OSError("no such device")

    async def run() -> None:
        health = Health({"disk": trips}, **FAST)
        async with health.measuring():
            await soon(lambda: health.report().failures == {"disk": "OSError: no such device"})

    asyncio.run(run())


def test_a_result_that_is_too_old_is_a_failure_by_itself() -> None:
    clock = Clock()

    async def run() -> Health:
        health = Health({"database": well}, interval_seconds=2, timeout_seconds=5, clock=clock)
        async with health.measuring():
            await soon(lambda: health.report().status == "ready")
        return health

    health = asyncio.run(run())
    clock.now += 11
    assert health.report().status == "ready"
    clock.now += 1
    assert health.report().failures == {"database": "not measured for 12 s"}
    assert up("database") == 0


def test_the_end_of_measuring_does_not_wait_for_a_check_that_hangs() -> None:
    async def run() -> None:
        async def hangs() -> None:
            await asyncio.Event().wait()

        async with Health({"hangs": hangs}, **FAST).measuring():
            await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert wait_until(lambda: not thread.is_alive(), timeout_seconds=60)
