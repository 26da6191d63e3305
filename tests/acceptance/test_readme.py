"""Every command of the README runs, and prints what the README says that it prints."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connector.local.stopping import wait_until
from tests.pauses import awake

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 120.0
STOP_SECONDS = 15.0


@dataclass
class Command:
    """One line after a ``$`` of the README, and the lines that it is said to print."""

    line: str
    prints: list[str] = field(default_factory=list)


def commands() -> list[Command]:
    found: list[Command] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line.removeprefix("$ ")))
            else:
                found[-1].prints.append(line)
    return found


ALL = {command.line: command for command in commands()}
# Run by the test that says how; everything else runs beside "make up", in the README's order.
ELSEWHERE = ("make up", "make test", "make check", "export ", "docker ", ".venv/bin/connector gateway")
BY_HAND = (".venv/bin/connector worker", ".venv/bin/connector hydrator")
# By test_installed.py, with the wheel.
OF_DEMO = [line for line in ALL if "--data-dir demo" in line]
BESIDE = [line for line in ALL if not line.startswith((*ELSEWHERE, *BY_HAND)) and line not in OF_DEMO]


def environment() -> dict[str, str]:
    """This process's environment without what would turn the commands elsewhere."""
    ours = ("XTND_", "KAFKA_", "DATABASE_URL", "MAKE", "MFLAGS", "ARGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"COLUMNS": "100", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as a fresh clone would have it, with the packages that are installed already."""
    folder = tmp_path_factory.mktemp("clone") / "xtnd-connector"
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@contextlib.contextmanager
def running(line: str, clone: Path) -> Iterator[str]:
    """A ``make up`` of the README while the block runs; gives its ready line."""
    for port in (8080, 8081, 8082):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} is taken: stop what runs there"
    with (clone / "up.log").open("w") as log:
        process = subprocess.Popen(
            shlex.split(line),
            cwd=clone,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield wait_for_ready(process, clone / "up.log")
    finally:
        started = awake()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=DEADLINE_SECONDS)
        assert awake() - started < STOP_SECONDS


@pytest.fixture(scope="module")
def stack(clone: Path) -> Iterator[str]:
    """``make up``, as the README writes it; gives its ready line."""
    with running("make up", clone) as ready:
        yield ready


def wait_for_ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if ready := re.search(r"^ready .*$", log.read_text(), re.MULTILINE):
            return ready[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def run(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        line,
        shell=True,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_hydrator_without_an_api_says_which_setting_it_needs(clone: Path) -> None:
    (line,) = [line for line in ALL if line.startswith(".venv/bin/connector hydrator")]
    refused = run(line, clone)
    assert refused.returncode == 1
    assert "set XTND_API_URL" in refused.stderr


# First, because these take the same ports as the stack of the tests below.
@pytest.mark.parametrize(("part", "port"), [("gateway", 8081), ("worker", 8082)])
def test_the_parts_run_by_hand(
    part: str, port: int, clone: Path, kafka_bootstrap: str, tmp_path: Path
) -> None:
    line = f".venv/bin/connector {part}"
    assert line in ALL
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": f"sqlite:///{tmp_path}/mirror.db",
        "XTND_WEBHOOK_SECRET": "0123456789abcdef",
        "XTND_DATA_DIR": str(tmp_path),
    }
    assert run(f"KAFKA_BOOTSTRAP_SERVERS={kafka_bootstrap} .venv/bin/connector topics", clone).returncode == 0
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            line.split(), cwd=clone, env=environment() | variables, stdout=log, stderr=log
        )
    try:
        wait_for_readiness(process, port, tmp_path / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_SECONDS) == 0


def test_make_up_says_where_everything_is(stack: str, clone: Path) -> None:
    assert "http://127.0.0.1:8080/webhooks/xtnd" in stack
    assert f"{clone}/data/webhook-secret" in stack
    assert f"{clone}/data/mirror.db" in stack
    assert "http://127.0.0.1:8081" in stack
    secret = clone / "data" / "webhook-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text()) == 64


@pytest.mark.parametrize("line", BESIDE)
def test_a_command_does_what_the_readme_says(line: str, stack: str, clone: Path) -> None:
    if "query" in line:
        wait_until_mirrored(clone)
    # What is printed there is what a terminal gets, and here is a pipe.
    done = run(f"{line} --format table" if "query" in line else line, clone)
    assert done.returncode == 0, done.stdout + done.stderr
    if ALL[line].prints:
        assert done.stdout.rstrip().splitlines() == ALL[line].prints


def wait_until_mirrored(folder: Path) -> None:
    """Until the worker has no lag left: what was sent is in the tables."""
    with closing(sqlite3.connect(f"file:{folder}/data/mirror.db?mode=ro", uri=True)) as mirror:

        def is_mirrored() -> bool:
            [(mirrored,)] = mirror.execute("SELECT SUM(events) FROM mirror_status").fetchall()
            return bool(mirrored == sum(_metric(8081, "xtnd_gateway_events_accepted_total")))

        assert wait_until(is_mirrored, timeout_seconds=DEADLINE_SECONDS, pause_seconds=0.2)


def _metric(port: int, name: str) -> list[float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{")]


@pytest.mark.parametrize("line", ["make test", "make check"])
def test_the_make_targets_exist(line: str, clone: Path) -> None:
    """These two run the suite that this test is part of, so only what they would do is looked at."""
    assert line in ALL
    done = run(f"{line} --dry-run", clone)
    assert done.returncode == 0, done.stderr
    assert ".venv/bin/" in done.stdout


def test_the_compose_file_is_one_that_docker_takes(clone: Path) -> None:
    assert any(line.startswith("docker compose up") for line in ALL)
    if shutil.which("docker") is None or run("docker compose version", clone).returncode != 0:
        pytest.skip("needs the docker client with its compose plugin (apt install docker-compose-v2)")
    variables = "XTND_WEBHOOK_SECRET=a POSTGRES_PASSWORD=b"
    done = run(f"{variables} docker compose config --quiet", clone)
    assert done.returncode == 0, done.stderr


def wait_for_readiness(process: "subprocess.Popen[Any]", port: int, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
