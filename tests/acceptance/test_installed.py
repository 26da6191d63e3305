"""The wheel, outside of any checkout: an empty folder, one command, and what the README shows of it."""

import os
import shlex
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector import __version__
from connector.config import FILES
from connector.local.ports import free_port, port_is_free
from connector.local.stopping import wait_until
from tests.acceptance.test_readme import ALL, OF_DEMO

ROOT = Path(__file__).parent.parent.parent
# Orders of which a hook came since the demo was ready: how long until the quickest had its record.
HOOK_TO_ROWS = """
    SELECT 86400 * MIN(julianday(
        (SELECT MIN(mirrored_at) FROM notifications AS snapshot
         WHERE action = 'OrderSnapshot' AND snapshot.entity_key = hooks.entity_key AND occurred_at > hooked)
    ) - julianday(hooked)) AS seconds
    FROM (SELECT entity_key, MIN(received_at) AS hooked FROM notifications
          WHERE family = 'orders' AND action <> 'OrderSnapshot' AND received_at > '{ready}'
          GROUP BY entity_key) AS hooks
"""


class Installed:
    """The wheel unpacked into a folder of its own, and a folder where somebody works with it."""

    def __init__(self, folder: Path) -> None:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        [wheel] = folder.glob("*.whl")
        self.site = folder / "site"
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(self.site)
        self.work = folder / "an empty folder"
        self.work.mkdir()
        ours = ("XTND_", "KAFKA_", "DATABASE_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        kept |= {name: os.environ[name] for name in ("XTND_CACHE_DIR",) if name in os.environ}
        self.environ = kept | {"PYTHONPATH": str(self.site), "COLUMNS": "100", "NO_COLOR": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "connector", *arguments]

    def run(self, *arguments: str, folder: Path | None = None) -> str:
        run = subprocess.run(
            self.command(*arguments),
            cwd=folder or self.work,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_the_wheel_is_what_runs_and_says_which_version_it_is(installed: Installed) -> None:
    assert installed.run("--version") == f"{__version__}\n"
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import connector; print(connector.__file__)"],
        env=installed.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(installed.site)
    assert (installed.site / "connector" / "py.typed").exists()
    assert "Usage" in installed.run("-h")


def test_init_writes_a_configuration_that_loads(installed: Installed, tmp_path: Path) -> None:
    printed = installed.run("init", "shop", folder=tmp_path)
    assert printed.splitlines()[-1] == "next  cd shop && connector up"
    assert sorted(path.name for path in (tmp_path / "shop" / "config").iterdir()) == sorted(FILES)
    installed.run("schema", "--dialect", "sqlite", folder=tmp_path / "shop")


def test_a_demo_in_an_empty_folder_shows_what_the_readme_shows(installed: Installed) -> None:
    """Its ports are those after ``--port``, and the tenth."""
    port = next(one for one in iter(free_port, None) if all(port_is_free(one + n) for n in (1, 2, 3, 10)))
    ports = ("--port", str(port), "--admin-port", str(port + 1))
    up_line, query_line = OF_DEMO
    [options] = [word.removeprefix("ARGS=") for word in shlex.split(up_line) if word.startswith("ARGS=")]
    log = installed.work.parent / "up.log"
    with log.open("w") as output:
        up = subprocess.Popen(
            installed.command("up", *options.split(), *ports),
            cwd=installed.work,
            env=installed.environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def shows(sql: str) -> list[str]:
        return installed.run("query", "--data-dir", "demo", "--format", "table", sql).rstrip().splitlines()

    def rows(sql: str) -> list[tuple[Any, ...]]:
        # Past the command, which loads for a second at each look.
        with closing(sqlite3.connect(f"file:{installed.work}/demo/mirror.db?mode=ro", uri=True)) as mirror:
            return mirror.execute(sql).fetchall()

    def comes(condition: Callable[[], bool]) -> bool:
        return wait_until(condition, timeout_seconds=120, pause_seconds=1)

    try:
        assert wait_until(lambda: "\nnext " in log.read_text(), timeout_seconds=200), log.read_text()
        ready = datetime.now(UTC).isoformat()
        query, prints = shlex.split(query_line)[-1], ALL[query_line].prints
        assert comes(lambda: len(rows(query)) == len(prints[2:]) and shows(query) == prints), shows(query)
        weeks = "SELECT DISTINCT date(picked_at, 'weekday 0', '-6 days') AS week FROM order_lead_times"
        assert comes(lambda: len(rows(weeks)) > 12)
        # Once the orders of its history are there, which come first.
        fast = f"SELECT seconds < 5 AS fast FROM ({HOOK_TO_ROWS.format(ready=ready)})"
        assert comes(lambda: rows(fast) == [(1,)])
        installed.run("simulate", "--data-dir", "demo", "--deliveries", "20", "--seed", "7")
    finally:
        up.terminate()
        assert up.wait(60) == 0
    assert {path.name for path in installed.work.iterdir()} == {"demo"}
