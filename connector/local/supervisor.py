"""Keeps the processes of the local stack alive: one that ends is started again, with growing pauses."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from connector import retry
from connector.local.processes import Child

LONGEST_PAUSE_SECONDS = 30.0
RAN_WELL_SECONDS = 60.0
CHECK_EVERY_SECONDS = 0.5

# Seconds after so many failures in a row: 1, 2, 4 … 30.
pause_before_restart = retry.growing(1, LONGEST_PAUSE_SECONDS)


class StopFlag(Protocol):
    """What ends the supervision; ``StopSignal`` in production."""

    @property
    def requested(self) -> bool:
        """Whether to end."""

    def wait(self, seconds: float) -> None:
        """Wait for the time to pass, or for a child to end."""


@dataclass(slots=True)
class _Watched:
    child: Child
    started_at: float
    failures: int = 0
    start_again_at: float | None = None


class Supervisor:
    """Watches children that were started; ``say`` reports to a person what it does.

    ``clock`` counts seconds.
    """

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._watched: list[_Watched] = []

    def watch(self, child: Child) -> None:
        """Keep this running child alive from now on."""
        self._watched.append(_Watched(child, started_at=self._clock()))

    def run(self, stop: StopFlag) -> None:
        """Supervise until a stop is asked for."""
        while not stop.requested:
            self.check()
            stop.wait(CHECK_EVERY_SECONDS)

    def check(self) -> None:
        """Look at every child once: note who ended, start again whose pause is over."""
        for watched in self._watched:
            if watched.start_again_at is not None:
                self._start_when_due(watched)
            elif watched.child.pid is None:
                code = watched.child.exit_code()
                if code is not None and code < 0:
                    self._plan_restart(watched, f"was ended by {signal.Signals(-code).name}")
                else:
                    self._plan_restart(watched, f"ended with exit code {code}")
            else:
                watched.child.keep_log_small()

    def _plan_restart(self, watched: _Watched, ending: str) -> None:
        now = self._clock()
        ran_well = now - watched.started_at >= RAN_WELL_SECONDS
        watched.failures = 1 if ran_well else watched.failures + 1
        pause_seconds = pause_before_restart(watched.failures)
        watched.start_again_at = now + pause_seconds
        name, log = watched.child.name, watched.child.log
        self._say(f"{name} {ending}; starting it again in {pause_seconds:.0f} s (see {log})")

    def _start_when_due(self, watched: _Watched) -> None:
        if watched.start_again_at is None or self._clock() < watched.start_again_at:
            return
        watched.start_again_at = None
        watched.started_at = self._clock()
        try:
            watched.child.start()
        except OSError as error:
            self._plan_restart(watched, f"could not be started ({error.strerror})")
        else:
            self._say(f"{watched.child.name} started again (process {watched.child.pid})")
