"""Waits for locks: seen from a second connection, logged with who holds the lock, and kept short for DDL.

On PostgreSQL a session that waits for a strong lock blocks every session behind it. So a change of the
schema waits ``DDL_SECONDS`` at a time, and tries again (``until_granted``).
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import DatabaseOutage
from connector.logs import GrowingSteps
from connector.mirror import dialects
from connector.mirror.dialects.parts import LockHolder

log = structlog.get_logger(__name__)

T = TypeVar("T")

DDL_SECONDS = 2.0
# Between two attempts, in which others wait behind this one: it grows, so that workers go on beside a reader
# whose transaction is open for long.
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 2.5
# How often the thread looks, and how long a transaction runs before it may be one that waits.
INTERVAL_SECONDS = 0.5
SUSPECT_SECONDS = 1.0
# How long a wait is reported after it was seen: between two attempts there is none to see.
REPORTED_SECONDS = 5.0

_watches: "WeakKeyDictionary[Engine, _Watch]" = WeakKeyDictionary()
_starting = threading.Lock()


@contextmanager
def watching(engine: Engine) -> Iterator[None]:
    """Watch what the transactions of an engine wait for while the block runs; may be nested."""
    with _starting:
        watch = _watches.get(engine)
        if watch is None:
            watch = _watches[engine] = _Watch(engine)
        watch.enter()
    try:
        yield
    finally:
        with _starting:
            watch.leave()


def trouble(engine: Engine) -> str | None:
    """Which lock the engine's transactions wait for, as a sentence; None when they wait for none."""
    watch = _watches.get(engine)
    return watch.trouble() if watch else None


def until_granted(act: Callable[[], T]) -> T:
    """Do it, and again whenever a lock was not granted within ``DDL_SECONDS`` (``wait_briefly``)."""
    pause = PAUSE_SECONDS
    while True:
        try:
            return act()
        except DatabaseOutage as error:
            original: Any = getattr(error.__cause__, "orig", error.__cause__)
            dialect = dialects.of_error(original) if original else None
            if dialect is None or dialect.code(original) != dialect.lock_not_granted:
                raise
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def wait_briefly(connection: Connection) -> None:
    """Have this transaction wait ``DDL_SECONDS`` at most for each of its locks."""
    dialects.of(connection).wait_briefly(connection, DDL_SECONDS)


class _Watch:
    """A thread that looks at the transactions of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._dialect = dialects.of(engine)
        # Each thread makes a copy of it, because all of the engine's connections may be waiting.
        self._pool = engine.pool
        # By thread: its session, and since when its transaction runs or tries to start.
        self._running: dict[int, tuple[int, float]] = {}
        self._seen: tuple[str, float] | None = None
        self._users = 0
        self._stop = threading.Event()
        self._steps = GrowingSteps()
        first, *last = self._dialect.waits_between
        event.listen(engine, first, self._start)
        for name in last:
            event.listen(engine, name, self._end)

    def enter(self) -> None:
        self._users += 1
        if self._users == 1:
            self._stop = threading.Event()
            threading.Thread(target=self._watch, args=(self._stop,), name="locks", daemon=True).start()

    def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._stop.set()

    def trouble(self) -> str | None:
        if self._seen is None or time.monotonic() - self._seen[1] > REPORTED_SECONDS:
            return None
        return self._seen[0]

    def _start(self, connection: Connection) -> None:
        session = self._dialect.session(connection)
        self._running[threading.get_ident()] = (session, time.monotonic())

    def _end(self, *_: object) -> None:
        self._running.pop(threading.get_ident(), None)

    def _watch(self, stop: threading.Event) -> None:
        pool = self._pool.recreate()
        while not stop.wait(INTERVAL_SECONDS):
            now = time.monotonic()
            waiting = [one for one, since in list(self._running.values()) if now - since > SUSPECT_SECONDS]
            if not waiting:
                continue
            try:
                self._report(self._dialect.lock_holders(pool, waiting))
            except (SQLAlchemyError, OSError) as error:
                log.debug("the holder of a lock is unknown", error=str(error))
            except Exception as error:  # noqa: BLE001 - the driver's own; who waits must not fall with who looks
                log.debug("the holder of a lock is unknown", error=repr(error))
        pool.dispose()

    def _report(self, holders: Sequence[LockHolder]) -> None:
        if not holders:
            return
        if self.trouble() is None:
            self._steps = GrowingSteps()
        self._seen = (f"waiting for a lock; {'; '.join(one.holder for one in holders)}", time.monotonic())
        suppressed = self._steps.due()
        for one in holders if suppressed is not None else []:
            log.warning("waiting for a lock", holder=one.holder, suppressed=suppressed, **one.fields)
