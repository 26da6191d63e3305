"""An event loop whose time is virtual: it jumps to the next timer, so hours of waiting take no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import override

T = TypeVar("T")
# Turns of the loop at one virtual instant; more is a loop that never waits.
MAX_TURNS = 20_000


class HotLoop(AssertionError):
    """Something runs again and again without time passing, or waits for what never comes."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: the time that a wait would take has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self._turns = 0

    @override
    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise HotLoop(f"at {self.time:.3f} s everything waits, and no timer is set")
        self._turns = 0 if timeout > 0 else self._turns + 1
        if self._turns > MAX_TURNS:
            raise HotLoop(f"at {self.time:.3f} s the loop turned {MAX_TURNS} times without time passing")
        self.time += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop without sockets and threads, whose ``time`` starts at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.time


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
