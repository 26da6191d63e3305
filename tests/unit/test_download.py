"""The progress of a first start: what Maven's log says, and what a terminal and a pipe show of it."""

import io
import runpy
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from connector.local import screen
from connector.local.download import Download
from connector.local.screen import Screen
from connector.local.stopping import wait_until

FETCH = Path(__file__).parents[2] / "requirements" / "fetch"
LINE = "[INFO] Downloaded from a-mirror: https://repo.example/maven2/a/b/1/{} ({} at 4.9 MB/s)\n"


def test_bytes_done_and_in_all_and_the_rate_come_from_the_lines_that_are_complete(tmp_path: Path) -> None:
    log, now = tmp_path / "mvn.log", 100.0
    download = Download(log, frozenset({"kafka.jar", "zstd.jar"}), 12_000_000, clock=lambda: now)
    assert download.text() == ""
    log.write_text("[INFO] Downloading from a-mirror: https://repo.example/x/kafka.jar\n")
    assert download.text() == ""
    with log.open("a") as more:
        more.write(LINE.format("kafka.jar", "5.5 MB") + LINE.format("plugin.pom", "500 kB"))
        late = LINE.format("zstd.jar", "6.5 MB")
        more.write(late[:-9])
    now = 103.0
    assert download.text() == "5.5 of 12.0 MB and 0.5 MB of Maven's own, 2.0 MB/s"
    with log.open("a") as more:
        more.write(late[-9:])
    now = 105.0
    assert download.text() == "12.0 of 12.0 MB and 0.5 MB of Maven's own, 2.5 MB/s"


def test_a_pipe_gets_a_line_now_and_then_and_a_terminal_one_that_moves(monkeypatch) -> None:
    out = io.StringIO()
    with Screen(Console(file=out)).step("preparing") as report:
        report("1 of 3 MB")
        monkeypatch.setattr(screen, "LINE_SECONDS", 0.0)
        report("")
        report("2 of 3 MB")
    assert out.getvalue().splitlines()[:-1] == ["preparing …", "  2 of 3 MB"]
    out = io.StringIO()
    with Screen(Console(file=out, force_terminal=True, width=80)).step("preparing") as report:
        report("1 of 3 MB")
        report("2 of 3 MB")
        assert wait_until(lambda: "preparing 2 of 3 MB" in out.getvalue(), timeout_seconds=20)
    assert out.getvalue().count("\n") <= 2


def test_the_install_counts_packages_and_ends_as_pip_does() -> None:
    fetched = runpy.run_path(str(FETCH))["FETCHED"]
    assert fetched.match("  Downloading a_b-1.0-py3-none-any.whl (1.2 MB)").groups() == (
        "Downloading",
        "1.2",
        "M",
    )
    assert fetched.match("Using cached a-1.tar.gz").groups() == ("Using cached", None, None)
    assert not fetched.match("  Downloading a-1.0-py3-none-any.whl.metadata (4.3 kB)")
    arguments = [sys.executable, str(FETCH), "1", "install", "--no-index", "no-such-package"]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "no-such-package" in run.stderr
