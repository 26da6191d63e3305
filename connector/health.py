"""A process's health, measured in the background: readiness answers at once, and metrics never lag.

Each part is measured by a task of its own every few seconds, so one that hangs delays no other, and never
runs twice at a time. A measurement that is too old counts as trouble: green means measured just now.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import structlog

from connector import metrics

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None] | str | None]
"""What is wrong with one part, as a sentence, or None; one that is not async must not block."""

INTERVAL_SECONDS = 2.0
# A part that was never ready is measured more often: a process is ready as soon as its parts are.
START_SECONDS = 0.2
TIMEOUT_SECONDS = 5.0
# A measurement that is older than the longest that one may take, and a few intervals, is stale.
STALE_INTERVALS = 3

NONE: Mapping[str, Check] = MappingProxyType({})


class Report(NamedTuple):
    """What is wrong by part: ``failures`` keep the process from its work, ``warnings`` do not."""

    failures: dict[str, str]
    warnings: dict[str, str]

    @property
    def status(self) -> Literal["ready", "degraded", "unready"]:
        if self.failures:
            return "unready"
        return "degraded" if self.warnings else "ready"

    def as_json(self) -> dict[str, Any]:
        """The body of ``/readyz``; ``warnings`` stands there only when there are any."""
        body: dict[str, Any] = {"status": self.status, "ready": not self.failures, "failures": self.failures}
        return body | ({"warnings": self.warnings} if self.warnings else {})


class Measurement(NamedTuple):
    """The newest result of a part, and its time on the monotonic clock."""

    trouble: str | None
    at: float


class Health:
    """Measures parts while ``measuring`` runs; ``report`` gives the newest results.

    ``checks``, by the name of their part, decide readiness; ``notes`` find what makes the process
    degraded: it works, and a person should look. Both show in ``xtnd_up``, notes in
    ``xtnd_degraded`` too, from the moment that this is made.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        notes: Mapping[str, Check] = NONE,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = dict(checks)
        self._notes = dict(notes)
        self._interval = interval_seconds
        self._timeout = timeout_seconds
        self._clock = clock
        self._newest: dict[str, Measurement] = {}
        self._show()

    def report(self) -> Report:
        """What the newest measurements found."""
        return Report(self._found(self._checks), self._found(self._notes))

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Measure until the block ends; a check that hangs is not waited for."""
        tasks = [
            asyncio.create_task(self._watch(part, check))
            for part, check in (self._checks | self._notes).items()
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _found(self, parts: Mapping[str, Check]) -> dict[str, str]:
        troubles = {part: self._trouble(part) for part in parts}
        return {part: trouble for part, trouble in troubles.items() if trouble is not None}

    def _trouble(self, part: str) -> str | None:
        measured = self._newest.get(part)
        if measured is None:
            return "not measured yet"
        age = self._clock() - measured.at
        if age > self._timeout + STALE_INTERVALS * self._interval:
            return f"not measured for {age:.0f} s"
        return measured.trouble

    async def _watch(self, part: str, check: Check) -> None:
        """Measure one part again and again; a run that is late is trouble until it ends."""
        pause = min(START_SECONDS, self._interval)
        while True:
            run = asyncio.ensure_future(self._measured(check))
            try:
                while not (await asyncio.wait([run], timeout=self._timeout))[0]:
                    self._note(part, f"no answer within {self._timeout:g} s")
                self._note(part, run.result())
            finally:
                run.cancel()
            if run.result() is None:
                pause = self._interval
            await asyncio.sleep(pause)

    @staticmethod
    async def _measured(check: Check) -> str | None:
        try:
            found = check()
            return await found if inspect.isawaitable(found) else found
        except Exception as error:  # noqa: BLE001 - whatever a check trips over is what is wrong
            return f"{type(error).__name__}: {error}"

    def _note(self, part: str, trouble: str | None) -> None:
        before = self._newest.get(part)
        self._newest[part] = Measurement(trouble, self._clock())
        if trouble is not None and before is None:
            log.info("health: not ready yet", part=part, trouble=trouble)
        elif trouble is not None and before is not None and before.trouble is None:
            log.warning("health: trouble", part=part, trouble=trouble)
        elif trouble is None and before is not None and before.trouble is not None:
            log.info("health: recovered", part=part)

    def _show(self) -> None:
        """Have the gauges ask when they are scraped, so that they show no stale result."""
        for part in (*self._checks, *self._notes):
            metrics.up.labels(part).set_function(partial(self._up, part))
        for part in self._notes:
            metrics.degraded.labels(part).set_function(partial(self._degraded, part))

    def _up(self, part: str) -> float:
        return float(self._trouble(part) is None)

    def _degraded(self, part: str) -> float:
        return float(self._trouble(part) is not None)
