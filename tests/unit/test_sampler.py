"""What is measured in a thread: the newest is kept, and its age or the failure is what is wrong."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from connector.local.stopping import wait_until
from connector.stream.sampler import FRESH_SECONDS, Sampler

Started = Callable[..., Sampler[int]]


def soon(condition: Callable[[], bool]) -> None:
    assert wait_until(condition, timeout_seconds=60, pause_seconds=0.005)


class Source:
    """Counts how often it is opened and asked; an ``error`` is raised, and ``holds`` keeps it waiting."""

    def __init__(self) -> None:
        self.opened = 0
        self.asked = 0
        self.error: Exception | None = None
        self.holds = threading.Event()
        self.holds.set()

    @contextmanager
    def open(self) -> Iterator[Callable[[], int]]:
        self.opened += 1
        yield self.ask

    def ask(self) -> int:
        self.holds.wait(10)
        if self.error:
            raise self.error
        self.asked += 1
        return self.asked


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sampler(source: Source, clock: Clock) -> Iterator[Sampler[int]]:
    made = Sampler("test", source.open, pause_seconds=0.01, clock=clock)
    assert (made.newest, made.trouble()) == (None, "not measured yet")
    made.start()
    yield made
    source.holds.set()
    made.stop()
    made.join(10)
    assert not made.is_alive()


def test_it_keeps_one_source_open_for_all_of_its_measurements(sampler: Sampler[int], source: Source) -> None:
    soon(lambda: (sampler.newest or 0) >= 5)
    assert source.opened == 1
    assert sampler.trouble() is None


def test_after_a_failure_it_says_so_keeps_the_newest_and_opens_again(
    sampler: Sampler[int], source: Source
) -> None:
    soon(lambda: sampler.newest is not None)
    source.error = OSError("no route")
    soon(lambda: sampler.trouble() == "no route")
    assert sampler.newest == source.asked
    soon(lambda: source.opened >= 3)
    source.error = None
    soon(lambda: sampler.trouble() is None)


def test_a_call_that_hangs_is_trouble_by_its_age(sampler: Sampler[int], source: Source, clock: Clock) -> None:
    soon(lambda: sampler.newest is not None)
    source.holds.clear()
    clock.now += FRESH_SECONDS + 1
    soon(lambda: sampler.trouble() == f"no answer for {FRESH_SECONDS + 1:.0f} s" or source.holds.is_set())
    source.holds.set()
    soon(lambda: sampler.trouble() is None)


def test_what_is_measured_seldom_is_tried_often_until_it_works(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It begins with less than it waits later.
    monkeypatch.setattr("connector.stream.sampler.PAUSE_SECONDS", 3600)
    source.error = OSError("no tables yet")
    sampler = Sampler("seldom", source.open, pause_seconds=3600)
    sampler.start()
    try:
        soon(lambda: source.opened == 2)
        source.error = None
        soon(lambda: sampler.newest == 1)
    finally:
        sampler.stop()
