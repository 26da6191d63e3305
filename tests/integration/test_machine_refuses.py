"""What the machine refuses is a sentence with what, where and the fix, and never a traceback."""

import ctypes
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connector.config import DatabaseSettings
from connector.mirror import database
from tests.conftest import ROOT
from tests.servers import free_port

DEADLINE_SECONDS = 40
PR_CAPBSET_DROP = 24
GATEWAY, WORKER, UP, QUERY = ("gateway",), ("worker",), ("up",), ("query", "SELECT 1")
SHELL_BEFORE: dict[str, str] = {
    "gone": 'mkdir gone && cd gone && rmdir "$PWD"',
    "no-output": "exec >&-",
    "full-output": "exec >/dev/full",
}


def as_anybody() -> None:
    """Take root's right to read and write everything from a process that is about to start."""
    if os.geteuid() == 0:
        for capability in range(64):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@dataclass(frozen=True)
class Fault:
    """A fault, the commands that meet it, and the words of the place and of the fix."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    where: str
    fix: str
    make: Callable[[Path], dict[str, str] | None] = lambda _folder: None
    options: tuple[str, ...] = ()
    before: str = ":"
    code: int = 1
    variables: dict[str, str] = field(default_factory=dict)


def _locked_folder(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data").chmod(0)


def _closed_mirror(folder: Path) -> None:
    (folder / "mirror.db").chmod(0o400)
    (folder / "mirror.db").parent.chmod(0o500)


def _file_for_folder(folder: Path) -> None:
    (folder / "data").write_text("no folder")


def _configuration(make: Callable[[Path], object]) -> Callable[[Path], dict[str, str]]:
    def made(folder: Path) -> dict[str, str]:
        (folder / "config").mkdir()
        make(folder / "config" / "connector.yaml")
        return {"XTND_CONFIG_DIR": str(folder / "config")}

    return made


def _other_address(folder: Path) -> dict[str, str]:
    (folder / "config").mkdir()
    for file in (ROOT / "config").iterdir():
        given = file.read_text().replace("\ngateway:\n", "\ngateway:\n  host: 203.0.113.7\n")
        (folder / "config" / file.name).write_text(given)
    return {"XTND_CONFIG_DIR": str(folder / "config")}


IN_DATA = {"DATABASE_URL": "sqlite:///data/mirror.db"}
NEAR = {"DATABASE_URL": "sqlite:///mirror.db"}
FAULTS = (
    Fault("no-output", (QUERY, ("version",), ("schema",)), "Standard output", ">FILE", before="no-output"),
    Fault("full-output", (QUERY, ("version",)), "Standard output", ">FILE", before="full-output"),
    Fault("folder-gone", (QUERY,), "folder that this runs in", "cd into", before="gone", variables=NEAR),
    Fault("few-files", (GATEWAY, WORKER), "64 files", "ulimit -n", before="few-files"),
    Fault("closed-folder", (GATEWAY, UP, WORKER), "data", "", _locked_folder, variables=IN_DATA),
    Fault("closed-folder", (QUERY,), "/data", "--data-dir", _locked_folder),
    Fault("closed-mirror", (WORKER,), "mirror's folder", "chown", _closed_mirror),
    Fault("file-for-folder", (GATEWAY, UP), "/data", "folder", _file_for_folder),
    Fault("low-port", (GATEWAY, UP), "80", "from 1024", options=("--port", "80")),
    Fault("taken-port", (GATEWAY, UP), "TAKEN", "choose another|ss -ltnp", options=("--port", "TAKEN")),
    Fault("other-address", (GATEWAY,), "203.0.113.7", "gateway.host", _other_address),
    Fault("folder-for-file", (QUERY,), "connector.yaml", "--config", _configuration(Path.mkdir), code=2),
    Fault(
        *("not-utf-8", (QUERY,), "connector.yaml", "--config"),
        _configuration(lambda file: file.write_bytes(b"\xff\xfea: b")),
        code=2,
    ),
)
CASES = [(fault, command) for fault in FAULTS for command in fault.commands]


@pytest.mark.parametrize(
    ("fault", "command"), CASES, ids=[f"{fault.name}-{command[0]}" for fault, command in CASES]
)
def test_what_the_machine_refuses_is_a_sentence(
    tmp_path: Path, fault: Fault, command: tuple[str, ...]
) -> None:
    database.connect(
        DatabaseSettings.model_validate({"url": f"sqlite:///{tmp_path / 'mirror.db'}"})
    ).connect().close()
    given = {
        "XTND_CONFIG_DIR": str(ROOT / "config"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'mirror.db'}",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "XTND_WEBHOOK_SECRET": "s3cret-" * 8,
        "PYTHONPATH": str(ROOT),
        "XTND_DATA_DIR": str(tmp_path / "data"),
    }
    given |= fault.variables | (fault.make(tmp_path) or {})
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = [port if option == "TAKEN" else option for option in fault.options]
        done = _run([*command, *options, *_ports(command, fault)], tmp_path, given, before=fault.before)
    tmp_path.chmod(0o700)
    if (tmp_path / "data").exists():
        (tmp_path / "data").chmod(0o700)
    told = done.stderr + done.stdout
    assert "Traceback" not in told
    assert done.returncode == fault.code, told
    assert fault.where.replace("TAKEN", port) in told
    assert any(fix in told for fix in fault.fix.split("|")), told


def _ports(command: tuple[str, ...], fault: Fault) -> list[str]:
    if command not in (GATEWAY, WORKER, UP):
        return []
    ports = ["--admin-port", str(free_port())]
    return ports if command == WORKER or "--port" in fault.options else [*ports, "--port", str(free_port())]


def _run(
    arguments: list[str], folder: Path, variables: dict[str, str], *, before: str
) -> "subprocess.CompletedProcess[str]":
    def prepare() -> None:
        as_anybody()
        if before == "few-files":
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XTND_", "KAFKA_", "DATABASE_"))}
    return subprocess.run(
        [
            *("/bin/sh", "-c", f'{SHELL_BEFORE.get(before, ":")}; exec "$@"', "sh"),
            *(sys.executable, "-m", "connector", *arguments),
        ],
        cwd=folder,
        env=kept | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
        preexec_fn=prepare,
    )
