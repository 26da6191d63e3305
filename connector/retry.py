"""How long to wait before something that failed is tried again, where tenacity does not run the loop."""

import random
from collections.abc import Callable

Pause = Callable[[int], float]
"""Seconds to wait after so many failures in a row, from 1."""


def growing(first_seconds: float, longest_seconds: float) -> Pause:
    """Twice as long each time, up to a longest pause."""
    return lambda failures: min(first_seconds * 2 ** min(failures - 1, 64), longest_seconds)


def jittered(first_seconds: float, longest_seconds: float) -> Pause:
    """Anything up to a growing pause, so that those who failed together do not try again together."""
    pause = growing(first_seconds, longest_seconds)
    return lambda failures: random.uniform(0, pause(failures))  # noqa: S311 - no secret depends on it
