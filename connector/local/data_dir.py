"""The data directory of ``connector up``: its lock, the hook's secret, and the endpoints of what runs."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from connector import private_files
from connector.errors import StartupError
from connector.local.stopping import Until, try_lock

SECRET_BYTES = 32
"""Written as hexadecimal, so the secret has 64 characters."""

OWN_FILES = ("lock", "demo-deliveries", "webhook-secret", "endpoints.json", "mirror.db*", "spool.db*")
LEFTOVERS_TIMEOUT_SECONDS = 5.0


class DataFolder:
    """Where one local stack keeps its data; the path becomes absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.lock_file = self.path / "lock"
        self.secret_file = self.path / "webhook-secret"
        self.endpoints_file = self.path / "endpoints.json"
        # How far a demo's shop has come; a folder that has it holds nothing else.
        self.demo_file = self.path / "demo-deliveries"
        self.logs = self.path / "logs"
        self.database_url = f"sqlite:///{self.path / 'mirror.db'}"

    def create(self) -> None:
        """Make the directory of this user only, with all that is in it already.

        Raises ``StartupError`` when that is not allowed, or when it is somebody else's.
        """
        alone = private_files.own_folder(self.path, setting="--data-dir")
        private_files.own_folder(self.logs, setting="--data-dir")
        if alone:
            private_files.own_tree(self.path)
            return
        # Other people's things may lie here too: only what is known to be ours.
        for folder in (self.path / "kafka", self.logs):
            private_files.own_files(folder)
            private_files.own_tree(folder)
        for pattern in OWN_FILES:
            private_files.own_files(*self.path.glob(pattern))

    @contextlib.contextmanager
    def locked(self, until: Until, **about: Any) -> Iterator[int]:
        """Lock the directory for this process; yields the file descriptor of the lock.

        Processes that inherit the descriptor share the lock: a start right after ``kill -9`` of
        ``up`` waits until its broker has ended. ``about`` (ports) is for the error of a second
        process. Raises ``StartupError`` when another process has it.
        """
        with self.lock_file.open("a+", encoding="utf-8") as lock:
            self._lock(lock, until)
            lock.truncate(0)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            json.dump({"pid": os.getpid(), "started_at": started, **about}, lock)
            lock.flush()
            yield lock.fileno()

    def _lock(self, lock: TextIO, until: Until) -> None:
        """Take the lock; wait for it only while its holder is dead and its children are ending."""

        def locked_or_refused() -> bool:
            if try_lock(lock):
                return True
            try:
                os.kill(_holder(lock)["pid"], 0)
            except (KeyError, TypeError, ProcessLookupError):
                return False
            except PermissionError:  # another user's, and alive
                return True
            return True

        if until(locked_or_refused, timeout_seconds=LEFTOVERS_TIMEOUT_SECONDS) and try_lock(lock):
            return
        holder = _holder(lock)
        pid = holder.get("pid", "unknown")
        ports = f"ports {holder.get('port', '?')} and {holder.get('admin_port', '?')}"
        since = holder.get("started_at", "an unknown time")
        raise StartupError(
            f"The data directory {self.path} is used by connector up, process {pid}, since {since} ({ports})",
            f"stop it with Ctrl-C or kill {pid}, or start this with other --data-dir, --port, --admin-port",
        )

    def admin_port(self) -> int | None:
        """The gateway's admin port of the stack that runs here, or ran last; None where there was none."""
        try:
            with self.lock_file.open(encoding="utf-8") as lock:
                port = _holder(lock).get("admin_port")
        except OSError:
            return None
        return port if isinstance(port, int) else None

    def write_endpoints(self, environment: Mapping[str, str]) -> None:
        """Write the addresses of the stack's parts, for commands in another terminal; owner only."""
        scratch = self.endpoints_file.with_name(f"{self.endpoints_file.name}.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dict(environment), file)
        scratch.rename(self.endpoints_file)

    def endpoints(self) -> dict[str, str]:
        """Read what ``write_endpoints`` wrote; empty where no stack was ever started.

        A folder that was copied or moved since answers for itself: its own mirror and its own secret,
        and not the broker that runs on the data of the other.
        """
        try:
            noted = json.loads(self.endpoints_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(noted, dict):
            return {}
        then = Path(str(noted.get("XTND_DATA_DIR", self.path)))
        if then.resolve() == self.path.resolve():
            return noted
        former, own = DataFolder(then), {"XTND_DATA_DIR": str(self.path)}
        if noted.get("DATABASE_URL") == former.database_url:
            own["DATABASE_URL"] = self.database_url
        if noted.get("XTND_WEBHOOK_SECRET_FILE") == str(former.secret_file):
            own["XTND_WEBHOOK_SECRET_FILE"] = str(self.secret_file)
        if (self.path / "kafka").exists():
            del noted["KAFKA_BOOTSTRAP_SERVERS"]
        return noted | own

    def ensure_secret(self) -> bool:
        """Make the hook's secret at first start, readable by its owner only; whether it was made.

        Raises ``StartupError`` for a file that holds no secret: a new one would
        refuse every delivery that is signed with the old one.
        """
        if self.secret_file.exists():
            self._check_secret()
            return False
        scratch = self.secret_file.with_name(f"{self.secret_file.name}.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(self.secret_file)
        return True

    def _check_secret(self) -> None:
        if not self.secret_file.read_bytes().strip():
            raise StartupError(
                f"The file {self.secret_file} is empty",
                "write the hook's secret into it, or remove it so that a new one is made at the next start",
            )
        private_files.own_files(self.secret_file)


def _holder(lock: TextIO) -> dict[str, Any]:
    """Read who holds the lock; empty while the holder has not written it yet."""
    lock.seek(0)
    try:
        holder = json.load(lock)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def endpoints(data_dir: Path, *, named: bool = False) -> dict[str, str]:
    """Environment variables that reach what ``connector up`` runs in ``data_dir``; may be empty.

    A folder that somebody ``named`` answers with its own mirror even where nothing was ever started.
    """
    data = DataFolder(data_dir)
    return data.endpoints() or ({"DATABASE_URL": data.database_url} if named else {})
