"""``connector …`` as processes of their own, forked from a server that has loaded it already.

Loading the program costs up to two seconds of processor time, the same ones each time, and the tests start it
some hundreds of times. ``multiprocessing``'s fork server loads it once for a whole run; each child is
a process with its own id, environment, folder and files, which signals reach and which may be killed. What
a test says about loading itself, the standard input or the shell starts ``python -m connector`` instead.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connector import config, errors, logs
from connector.gateway.server import run_gateway

LOADED = [
    "pytest",
    "connector.cli",
    "connector.commands.checkup",
    "connector.fetching.process",
    "connector.gateway.server",
    "connector.mirror.query",
    "connector.simulator",
    "connector.stream.worker",
]

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([*LOADED, __name__])


class Connector:
    """``connector ARGUMENTS`` as a process, with the methods of ``subprocess.Popen`` that tests use.

    It reads the file ``stdin``. What it prints is added to ``stdout`` and ``stderr``, by default both to
    ``stdout``. ``program`` runs in place of the command line.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path | None = None,
        stdin: Path = Path(os.devnull),
        cwd: Path | None = None,
        program: Callable[[], None] | None = None,
    ) -> None:
        self.args = ["connector", *map(str, arguments)]
        self.stdout = stdout
        for file in (stdout, stderr or stdout):
            file.touch()  # a test may look at once
        files = (str(stdin), str(stdout), str(stderr or stdout))
        self._process = _server.Process(
            target=_main, args=(program, self.args, dict(env), str(cwd or Path.cwd()), files), daemon=True
        )
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        """The exit code, below zero for a signal; None while it runs."""
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it ended; raises ``subprocess.TimeoutExpired``."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fresh(arguments: Sequence[str], *, env: Mapping[str, str], stdout: Path) -> "subprocess.Popen[bytes]":
    """``python -m connector ARGUMENTS``, with nothing of the fork server's in its memory."""
    command = [sys.executable, "-m", "connector", *map(str, arguments)]
    with stdout.open("ab") as out:
        return subprocess.Popen(command, env=dict(env), stdout=out, stderr=out, stdin=subprocess.DEVNULL)


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: bytes = b"",
    cwd: Path | None = None,
    timeout: float = 120,
    program: Callable[[], None] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """``connector ARGUMENTS`` until it ends: its exit code and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
        given.write_bytes(stdin)
        process = Connector(arguments, env=env, stdin=given, stdout=out, stderr=err, cwd=cwd, program=program)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait(10)
            raise
        return subprocess.CompletedProcess(process.args, code, out.read_text(), err.read_text())


def gateway() -> None:
    """A gateway with the shipped configuration and the settings that its argument has, as JSON."""
    logs.configure()
    try:
        sys.exit(run_gateway(config.load(Path("config"), {}, json.loads(sys.argv[1]))))
    except errors.StartupError as error:
        sys.exit(str(error))


def _main(
    program: Callable[[], None] | None,
    arguments: list[str],
    env: dict[str, str],
    folder: str,
    files: tuple[str, str, str],
) -> None:
    """Be the program, in a child of the fork server."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(folder)
    for number, file in enumerate(files):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
        opened = os.open(file, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing gives its children none
    sys.argv = arguments
    if program is None:
        from connector.__main__ import main as program  # noqa: PLC0415 - it looks at this process's signals
    program()
