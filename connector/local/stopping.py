"""Ctrl-C, SIGTERM and a closed terminal as one flag that every wait of the local stack watches."""

import fcntl
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import IO, Protocol, Self

import tenacity

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Until(Protocol):
    """Waits for a condition: whether it came true in time."""

    def __call__(
        self, condition: Callable[[], bool], *, timeout_seconds: float, pause_seconds: float = 0.1
    ) -> bool: ...


class StopRequested(Exception):
    """A stop was asked for in the middle of a start."""


class StopSignal:
    """Collects stop signals while entered; for the main thread only.

    A flag and a pipe rather than an exception from the handler: an exception between "process
    started" and "process remembered" would leave a process behind.
    """

    def __init__(self) -> None:
        self.requested = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._before: dict[signal.Signals, object] = {}
        self._wakeup_before = -1

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        # A child that ends wakes the wait, so its end is noticed at once.
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read_end)
        os.close(self._write_end)

    def wait(self, seconds: float) -> None:
        """Wait for the time to pass, a child to end or a stop, whichever is first."""
        if self.requested:
            return
        ready, _, _ = select.select([self._read_end], [], [], max(seconds, 0.0))
        if ready:
            os.read(self._read_end, 4096)

    def check(self) -> None:
        """Raise ``StopRequested`` when a stop was asked for."""
        if self.requested:
            raise StopRequested

    def until(
        self, condition: Callable[[], bool], *, timeout_seconds: float, pause_seconds: float = 0.1
    ) -> bool:
        """Whether the condition came true in time; a stop raises ``StopRequested``."""

        def holds() -> bool:
            self.check()
            return condition()

        return wait_until(
            holds, timeout_seconds=timeout_seconds, pause_seconds=pause_seconds, sleep=self.wait
        )

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a handler's signature)
        self.requested = True


def wait_until(
    condition: Callable[[], bool],
    *,
    timeout_seconds: float,
    pause_seconds: float = 0.1,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask again every ``pause_seconds`` until the condition is true or the time is over."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda true: not true),
        stop=tenacity.stop_after_delay(timeout_seconds),
        wait=tenacity.wait_fixed(pause_seconds),
        sleep=sleep,
        retry_error_callback=lambda _: False,
    )
    return bool(retrying(condition))


def try_lock(file: IO[str]) -> bool:
    """Lock an open file for this process and those that inherit it; False while another has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
