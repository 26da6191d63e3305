"""Faults on demand, for tests only: off unless ``XTND_FAILPOINTS`` is set when the process starts.

A plan is a list of ``ACTION-POINT``, each with ``@N`` for the Nth time only (else every time) and
``=SECONDS`` for ``slow``: ``raise-agent@3,exit-after-commit@2,slow-database=0.5``.

``raise`` raises ``Struck``, ``exit`` ends the process as ``kill -9`` would, ``slow`` sleeps. The
points are where ``reach`` is called; a point that nobody planned for costs one look into a dict.
"""

import os
import re
import signal
import threading
import time
from collections.abc import Mapping

VARIABLE = "XTND_FAILPOINTS"
_PLAN = re.compile(r"(raise|exit|slow)-([a-z-]+)(?:@(\d+))?(?:=(\d+(?:\.\d+)?))?")


class Struck(Exception):
    """A failpoint struck."""


# By point: what to do, at which time that it is reached (None: at each), and seconds.
_faults: dict[str, list[tuple[str, int | None, float]]] = {}
_reached: dict[str, int] = {}
_lock = threading.Lock()


def load(environ: Mapping[str, str]) -> None:
    """Take the plan from the environment; ``ValueError`` for one that cannot be read."""
    _faults.clear()
    _reached.clear()
    for text in filter(None, environ.get(VARIABLE, "").split(",")):
        match = _PLAN.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{VARIABLE}: {text!r} is not ACTION-POINT[@N][=SECONDS]")
        action, point, at, seconds = match.groups()
        _faults.setdefault(point, []).append((action, int(at) if at else None, float(seconds or 0)))


def reach(point: str) -> None:
    """Reach a point; strikes when the plan names it."""
    faults = _faults.get(point)
    if not faults:
        return
    with _lock:
        times = _reached[point] = _reached.get(point, 0) + 1
    for action, at, seconds in faults:
        if at not in (None, times):
            continue
        if action == "exit":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "raise":
            raise Struck(f"failpoint at {point}")
        time.sleep(seconds)
