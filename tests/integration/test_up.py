"""``connector up`` with small scripts in place of its parts: order, readiness, restarts, and an end."""

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from connector.local.ports import free_port, port_is_free
from connector.local.stopping import wait_until

# Plays "connector topics|gateway|worker": answers /readyz, and fails when a file tells it to.
PART = """
import http.server, os, pathlib, sys
name, arguments = sys.argv[1], sys.argv[2:]
folder = pathlib.Path(os.environ["XTND_DATA_DIR"])
with (folder / "order").open("a") as order:
    order.write(f"{name} {os.environ['KAFKA_BOOTSTRAP_SERVERS']}\\n")
if (folder / f"fail-{name}").exists():
    sys.exit(f"{name} cannot: no such thing")
if name != "topics":
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            good = not (folder / f"unready-{name}").exists()
            self.send_response(200 if good else 503)
            self.end_headers()
            self.wfile.write(b"the database does not answer")
        def log_message(self, *_): pass
    port = int(arguments[arguments.index("--admin-port") + 1])
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
UP = """
import pathlib, sys
from connector.local.plan import UpOptions
from connector.local.stack import run_up
folder, part, port = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
options = UpOptions(folder, folder / "data", kafka="127.0.0.1:1", port=port, admin_port=port + 1,
                    ready_timeout_seconds=float(sys.argv[4]))
sys.exit(run_up(options, connector=(sys.executable, part)))
"""


class Up:
    """One run of ``up`` as a process, and what it printed."""

    def __init__(self, folder: Path, *, ready_timeout_seconds: float = 90) -> None:
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.data.chmod(0o755)
        self.port = next(
            port for port in iter(free_port, None) if port_is_free(port + 1) and port_is_free(port + 2)
        )
        part = folder / "part.py"
        part.write_text(PART)
        self.output = folder / f"output-{self.port}"
        arguments = [folder, part, str(self.port), str(ready_timeout_seconds)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", UP, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if not name.startswith("XTND_")},
            )

    @property
    def printed(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str, *, seconds: float = 60) -> None:
        assert wait_until(lambda: text in self.printed, timeout_seconds=seconds), self.printed

    def part(self, name: str) -> psutil.Process | None:
        """The running process of a part."""
        for child in psutil.Process(self.process.pid).children():
            if {"part.py", name} <= {Path(argument).name for argument in child.cmdline()}:
                return child
        return None

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start_one(**options: float) -> Up:
        started.append(Up(tmp_path, **options))
        return started[-1]

    yield start_one
    for up in started:
        up.end()


def test_it_starts_in_order_says_ready_and_ends_with_nothing_left(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for("\nready ")
    assert (up.data / "order").read_text().splitlines()[0] == "topics 127.0.0.1:1"
    line = next(line for line in up.printed.splitlines() if line.startswith("ready"))
    assert f"http://127.0.0.1:{up.port}/webhooks/xtnd" in line
    parts = psutil.Process(up.process.pid).children(recursive=True)
    assert len(parts) == 2
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    assert not any(part.is_running() for part in parts)


def test_all_data_is_of_one_user_only_also_what_its_children_write(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for("\nready ")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (up.data, *up.data.rglob("*"))}
    assert {"order", "lock", "webhook-secret", "endpoints.json", "gateway.log"} <= {p.name for p in modes}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_part_that_dies_is_started_again_and_it_says_so(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for("\nready ")
    for name in ("gateway", "worker"):
        part = up.part(name)
        assert part is not None
        part.kill()
        up.wait_for(f"{name} was ended by SIGKILL; starting it again in 1 s")
        up.wait_for(f"{name} started again")
        assert wait_until(lambda name=name: up.part(name) is not None, timeout_seconds=60)


def test_a_second_up_on_the_same_data_names_the_first(start: Callable[..., Up]) -> None:
    first = start()
    first.wait_for("\nready ")
    second = start()
    assert second.process.wait(60) == 1
    assert f"used by connector up, process {first.process.pid}, since" in second.printed
    assert first.process.poll() is None


def test_killed_by_force_it_leaves_nothing_and_can_start_again_at_once(start: Callable[..., Up]) -> None:
    first = start()
    first.wait_for("\nready ")
    parts = psutil.Process(first.process.pid).children()
    first.process.kill()
    first.process.wait(10)
    second = start()
    second.wait_for("\nready ")
    ended = {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    assert not [part for part in parts if part.is_running() and part.status() not in ended]


@pytest.mark.parametrize("name", ["topics", "gateway", "worker"])
def test_a_part_that_cannot_start_is_reported_with_its_last_lines(
    start: Callable[..., Up], tmp_path: Path, name: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"fail-{name}").touch()
    up = start()
    assert up.process.wait(60) == 1
    assert f"{name} cannot: no such thing" in up.printed
    assert f"{name}.log" in up.printed
    assert not re.search("^ready", up.printed, re.MULTILINE)


def test_a_part_that_is_not_ready_in_time_is_reported_with_what_it_lacks(
    start: Callable[..., Up], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "unready-worker").touch()
    up = start(ready_timeout_seconds=3)
    assert up.process.wait(60) == 1
    assert "The worker is not ready" in up.printed
    assert "the database does not answer" in up.printed


def test_a_stop_in_the_middle_of_a_start_ends_it_at_once(start: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "unready-gateway").touch()
    up = start(ready_timeout_seconds=100)
    up.wait_for("starting gateway")
    assert wait_until(lambda: up.part("gateway") is not None, timeout_seconds=60)
    up.process.terminate()
    assert up.process.wait(60) == 0
    assert "Traceback" not in up.printed
