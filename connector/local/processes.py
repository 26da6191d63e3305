"""A child process of the local stack: ended with its parent, logged to a file, stopped by a deadline."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from connector.errors import StartupError
from connector.local.stopping import Until

PARENT_DEATH = Path(__file__).with_name("parent_death.py")
LOG_LIMIT_BYTES = 10 * 1024 * 1024
KILLED_WITHIN_SECONDS = 5.0


class Child:
    """One process in a session of its own, so that a Ctrl-C in the terminal reaches only ``up``.

    ``env`` is added to this process's environment. ``pass_fds`` stay open in the child. Output of
    both streams goes to ``log``. Start it from the main thread: the kernel ends the child with the
    *thread* that started it (see ``parent_death.py``), so from any other thread this is left out.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(env or {})
        self.pass_fds = tuple(pass_fds)
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start_bytes = 0

    def start(self) -> None:
        """Start the process; raises ``OSError`` when the machine refuses to."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.keep_log_small()
        command = self.command
        if threading.current_thread() is threading.main_thread():
            ends_with = [str(PARENT_DEATH), str(os.getpid()), str(int(signal.SIGKILL))]
            command = [sys.executable, "-I", "-S", *ends_with, *command]
        with self.log.open("ab") as log:
            self._log_start_bytes = log.tell()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env},
                pass_fds=self.pass_fds,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process id of the running process, else ``None``."""
        return self.process.pid if self.process and self.process.poll() is None else None

    def exit_code(self) -> int | None:
        """``None`` while it runs; minus the signal's number when a signal ended it."""
        return self.process.poll() if self.process else None

    def terminate(self) -> None:
        """Ask the process to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and everything in its session at once, as a power cut would."""
        self._signal(signal.SIGKILL)
        if self.process:
            self.process.wait(KILLED_WITHIN_SECONDS)

    def wait(self, timeout_seconds: float) -> bool:
        """Whether the process ended within the time."""
        if self.process is None:
            return True
        try:
            self.process.wait(max(timeout_seconds, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, timeout_seconds: float) -> None:
        """Ask the process to end, and end it by force after ``timeout_seconds``."""
        self.terminate()
        if not self.wait(timeout_seconds):
            self.kill()

    def run(self, until: Until, *, timeout_seconds: float) -> int | None:
        """Run the process to its end and give its exit code, ``None`` when the time was over."""
        self.start()
        try:
            until(lambda: self.exit_code() is not None, timeout_seconds=timeout_seconds)
            return self.exit_code()
        finally:
            self.kill()

    def last_lines(self, count: int = 20) -> str:
        """Give what the process wrote last since it was started."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_start_bytes, size), size - 64 * 1024))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-count:])

    def failure(self, what: str) -> StartupError:
        """That it did something else than it should, with what it wrote last."""
        return StartupError(
            f"The {self.name} {what}. It wrote last:\n{self.last_lines()}",
            f"fix what it reports and start again; its log is {self.log}",
        )

    def keep_log_small(self) -> None:
        """Move a log over the limit to ``<name>.log.1``, also under a running process.

        The child holds the file open in append mode: copying and truncating keeps it writing to
        the right place. Lines written between the two are lost; a log may, a delivery may not.
        """
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(self.log, self.log.with_name(self.log.name + ".1"))
            os.truncate(self.log, 0)
            self._log_start_bytes = 0

    def _signal(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
