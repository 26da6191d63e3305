"""The local stack's rules: what is started again and when, who holds a data directory, what is secret."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from connector.errors import StartupError
from connector.local.data_dir import DataFolder
from connector.local.plan import LaunchPlan, UpOptions
from connector.local.ports import free_port, port_is_free
from connector.local.processes import LOG_LIMIT_BYTES, Child
from connector.local.stopping import StopRequested, StopSignal, wait_until
from connector.local.supervisor import Supervisor, pause_before_restart

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True); time.sleep(600)"
    ),
]
FAILING = [sys.executable, "-c", "import sys; print('no disk'); sys.exit(3)"]


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A supervisor under a clock of its own, and what it said."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.clock = Clock()
        self.said: list[str] = []
        self.supervisor = Supervisor(self.said.append, clock=self.clock)
        child.start()
        self.supervisor.watch(child)

    def end_and_notice(self) -> float:
        """Let the child die and be noticed; gives the pause that was announced, in seconds."""
        self.child.kill()
        self.supervisor.check()
        announced = re.search(r"again in (\d+) s", self.said[-1])
        assert announced
        return float(announced[1])

    def pass_pause(self, seconds: float) -> None:
        self.clock.now += seconds
        self.supervisor.check()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    child = Child("worker", SLEEPER, tmp_path / "worker.log")
    yield Scene(child)
    child.kill()


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    with StopSignal() as signals:
        yield signals


def started(child: Child) -> bool:
    return "up" in child.last_lines()


def test_pauses_grow_to_thirty_seconds() -> None:
    assert [pause_before_restart(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_child_that_ends_is_started_again_after_its_pause(scene: Scene) -> None:
    assert scene.end_and_notice() == 1
    scene.pass_pause(0.5)
    assert scene.child.pid is None
    scene.pass_pause(0.5)
    assert scene.child.pid is not None
    assert "worker was ended by SIGKILL" in scene.said[0]
    assert "worker started again" in scene.said[1]


def test_the_pause_grows_while_it_keeps_failing_and_starts_over_after_a_good_minute(scene: Scene) -> None:
    for expected in (1, 2, 4):
        assert scene.end_and_notice() == expected
        scene.pass_pause(expected)
    scene.clock.now += 60
    assert scene.end_and_notice() == 1


def test_a_program_that_is_missing_is_tried_again_like_one_that_fails(tmp_path: Path) -> None:
    scene = Scene(Child("gateway", [str(tmp_path / "missing")], tmp_path / "gateway.log"))
    assert wait_until(lambda: scene.child.pid is None, timeout_seconds=60)
    scene.supervisor.check()
    assert "ended with exit code 1" in scene.said[0]
    assert "cannot run" in scene.child.last_lines()


def test_the_last_lines_of_a_failed_child_can_be_shown(tmp_path: Path) -> None:
    child = Child("gateway", FAILING, tmp_path / "gateway.log")
    for _ in range(2):
        assert child.run(wait_until, timeout_seconds=60) == 3
        assert child.last_lines() == "no disk"  # of this start, not of the one before


def test_a_child_that_ignores_the_request_to_end_is_ended_by_force(tmp_path: Path) -> None:
    child = Child("worker", STUBBORN, tmp_path / "worker.log")
    child.start()
    assert wait_until(lambda: started(child), timeout_seconds=60)
    child.stop(0.2)
    assert child.exit_code() == -signal.SIGKILL


def test_a_child_is_in_a_session_of_its_own_so_that_ctrl_c_is_not_doubled(tmp_path: Path) -> None:
    child = Child("worker", SLEEPER, tmp_path / "worker.log")
    child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) != os.getsid(0)
    child.kill()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's parent death signal is Linux's: run on Linux"
)
def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from connector.local.processes import Child\n"
        f"child = Child('worker', {SLEEPER!r}, Path(sys.argv[1])); child.start()\n"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "log"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert wait_until(lambda: "up" in (tmp_path / "log").read_text(), timeout_seconds=60)
    parent.kill()
    parent.communicate(timeout=60)
    assert wait_until(lambda: not running(child), timeout_seconds=60)


def running(pid: int) -> bool:
    """A zombie that nobody reaps (a container without init) has ended, too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_log_over_the_limit_moves_aside_under_a_running_child(tmp_path: Path) -> None:
    child = Child("worker", SLEEPER, tmp_path / "worker.log")
    child.start()
    assert wait_until(lambda: started(child), timeout_seconds=60)
    with child.log.open("ab") as log:
        log.truncate(LOG_LIMIT_BYTES + 1)
    child.keep_log_small()
    assert child.log.stat().st_size == 0
    assert (tmp_path / "worker.log.1").read_bytes().startswith(b"up")
    child.kill()


def test_a_stop_signal_ends_waits_and_is_reported_in_the_middle_of_a_start(stop: StopSignal) -> None:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(StopRequested):
        stop.until(lambda: False, timeout_seconds=30)
    assert stop.requested


def test_the_supervisor_ends_when_a_stop_is_asked_for(scene: Scene, stop: StopSignal) -> None:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    scene.supervisor.run(stop)
    assert scene.said == []


def test_the_second_up_on_a_data_directory_names_the_first(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    with data.locked(wait_until, port=8080, admin_port=8081), pytest.raises(StartupError) as refused:  # noqa: SIM117
        with data.locked(wait_until):
            pass
    assert f"process {os.getpid()}, since 20" in refused.value.what
    assert "ports 8080 and 8081" in refused.value.what
    assert "--data-dir" in refused.value.cure
    with data.locked(wait_until):
        pass


def test_a_start_after_a_crash_waits_for_the_leftovers_of_the_former_one(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "lock").write_text(json.dumps({"pid": gone.pid}))
    leftover = (tmp_path / "lock").open()
    fcntl.flock(leftover, fcntl.LOCK_EX)
    threading.Timer(0.3, leftover.close).start()
    with DataFolder(tmp_path).locked(wait_until):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_the_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    assert data.ensure_secret()
    secret = data.secret_file.read_text()
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert stat.S_IMODE(data.secret_file.stat().st_mode) == 0o600
    data.secret_file.chmod(0o644)
    assert not data.ensure_secret()
    assert data.secret_file.read_text() == secret
    assert stat.S_IMODE(data.secret_file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["webhook-secret"]


def test_an_empty_secret_file_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    (tmp_path / "webhook-secret").write_text("\n")
    with pytest.raises(StartupError, match="is empty"):
        DataFolder(tmp_path).ensure_secret()


def plan(tmp_path: Path, environ: dict[str, str] | None = None, **options: object) -> LaunchPlan:
    return LaunchPlan(UpOptions(config_dir=tmp_path, data_dir=tmp_path / "d", **options), environ or {})  # type: ignore[arg-type]


def test_passwords_reach_the_children_by_environment_never_by_command_line(tmp_path: Path) -> None:
    url = "postgresql://me:geheim@db/mirror"
    made = plan(tmp_path, {"XTND_WEBHOOK_SECRET": "s3cret"}, database_url=url)
    for name in ("topics", "gateway", "worker"):
        assert "geheim" not in " ".join(made.command(name))
    environment = made.environment("127.0.0.1:9092")
    assert environment["DATABASE_URL"] == url
    assert "XTND_WEBHOOK_SECRET_FILE" not in environment
    assert "geheim" not in "".join(made.ready_lines())
    assert "s3cret" not in "".join(made.ready_lines())


def test_up_hands_the_acceptance_of_a_mapping_to_the_worker_alone(tmp_path: Path) -> None:
    made = plan(tmp_path, accept_mapping=True)
    taking = [name for name in ("topics", "gateway", "worker") if "--accept-mapping" in made.command(name)]
    assert taking == ["worker"]
    assert "--accept-mapping" not in plan(tmp_path).command("worker")


def test_options_win_over_the_environment_and_the_default_is_a_file_below_the_data_directory(
    tmp_path: Path,
) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "env:1", "DATABASE_URL": "sqlite:///env.db"}
    assert plan(tmp_path, environ, kafka="option:1").kafka == "option:1"
    assert plan(tmp_path, environ).kafka == "env:1"
    assert plan(tmp_path, environ).database_url == "sqlite:///env.db"
    assert plan(tmp_path).kafka is None
    assert plan(tmp_path).database_url == f"sqlite:///{tmp_path}/d/mirror.db"
    assert plan(tmp_path).environment("k:1")["XTND_WEBHOOK_SECRET_FILE"] == f"{tmp_path}/d/webhook-secret"


def test_a_hydrator_runs_where_an_api_is_named_and_commands_beside_it_know_the_address(
    tmp_path: Path,
) -> None:
    made = plan(tmp_path, {"XTND_API_URL": "https://api.example/RESTAPI"}, admin_port=18081)
    assert made.hydrates
    assert made.command("hydrator")[-2:] == ["--admin-port", "18083"]
    assert made.environment("k:1")["XTND_API_URL"] == "https://api.example/RESTAPI"
    assert not plan(tmp_path).hydrates
    assert plan(tmp_path, hydrate=True).hydrates
    assert plan(tmp_path, demo=True).hydrates


def test_the_ready_line_tells_where_everything_is(tmp_path: Path) -> None:
    line, *next_lines = plan(tmp_path, port=18080, admin_port=18081, hooks=("xtnd", "nordic")).ready_lines()
    assert line.startswith("ready ")
    assert "\n" not in line
    assert [one.split("  ")[0] for one in next_lines] == ["next"] * 2
    assert all(one.endswith(f" --data-dir {tmp_path}/d") for one in next_lines)
    for part in (
        "http://127.0.0.1:18080/webhooks/xtnd",
        "http://127.0.0.1:18080/webhooks/nordic",
        f"{tmp_path}/d/webhook-secret",
        f"{tmp_path}/d/mirror.db",
        "http://127.0.0.1:18081",
    ):
        assert part in line


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080")]
)
def test_the_public_port_listens_where_host_says_and_its_url_can_be_opened(
    tmp_path: Path, host: str, url: str
) -> None:
    made = plan(tmp_path, host=host)
    assert made.command("gateway")[-6:-4] == ["--host", host]
    assert made.environment("k:1")["XTND_CALLBACK_URL"] == f"{url}/webhooks/xtnd"


@pytest.mark.parametrize(
    ("option", "shift"), [("--port", 0), ("--admin-port", 1), ("--admin-port (the worker", 2)]
)
def test_a_taken_port_is_reported_with_the_option_that_moves_it(
    tmp_path: Path, option: str, shift: int
) -> None:
    port = next(port for port in iter(free_port, None) if port_is_free(port + 1) and port_is_free(port + 2))
    made = plan(tmp_path, port=port, admin_port=port + 1)
    made.check_ports()
    with (
        contextlib.closing(socket.create_server(("127.0.0.1", port + shift))),
        pytest.raises(StartupError, match=str(port + shift)) as refused,
    ):
        made.check_ports()
    assert option in refused.value.cure
