"""What ``connector up`` will run, computed from its options and the environment before anything starts."""

import errno
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connector.config.database_url import without_password
from connector.config.secret_text import without_accidents
from connector.errors import StartupError
from connector.local.data_dir import DataFolder
from connector.local.demo import HISTORY_DAYS, OTHER_PLACES, Demo, check
from connector.local.ports import port_trouble

CALLBACK_PATH = "/webhooks"
LOOPBACK = "127.0.0.1"
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - compared, not served
SECRET_VARIABLES = ("XTND_WEBHOOK_SECRET", "XTND_WEBHOOK_SECRET_FILE")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of ``connector up``.

    ``kafka`` and ``database_url`` are ``None`` for a broker and a SQLite file of its own, unless the
    environment (``KAFKA_BOOTSTRAP_SERVERS``, ``DATABASE_URL``) names others. The worker's admin port
    is the one after ``admin_port``, the hydrator's the next; that of a demo's API the tenth after ``port``.
    ``host`` is the address of the public port, ``hooks`` are the names of what posts there,
    and ``command`` is what a person types for ``connector``.
    ``days`` is how much history the shop of a demo has.
    ``hydrate`` where ``sources.yaml`` names an API by itself; else ``XTND_API_URL`` decides.
    """

    config_dir: Path
    data_dir: Path = Path("data")
    kafka: str | None = None
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 8081
    ready_timeout_seconds: float = 120.0
    accept_mapping: bool = False
    demo: bool = False
    days: int = HISTORY_DAYS
    hydrate: bool = False
    hooks: tuple[str, ...] = ("xtnd",)
    command: str = "connector"


class LaunchPlan:
    """The processes' commands, environment and addresses.

    ``connector`` is how the command itself is run; the tests put small scripts in its place.
    """

    def __init__(
        self, options: UpOptions, environ: Mapping[str, str], *, connector: tuple[str, ...] | None = None
    ) -> None:
        self.options = options
        self.data = DataFolder(options.data_dir)
        self.kafka = options.kafka or environ.get("KAFKA_BOOTSTRAP_SERVERS") or None
        self.database_url = options.database_url or environ.get("DATABASE_URL") or self.data.database_url
        # As the gateway takes them: a variable that holds a line end alone gives no secret.
        given = [name for name in SECRET_VARIABLES if without_accidents(environ.get(name, ""))]
        self.own_secret = not given
        self.secret_place = given[0] if given else str(self.data.secret_file)
        self._connector = connector or (sys.executable, "-m", "connector")
        places = {"--kafka": options.kafka, "--database-url": options.database_url}
        self._places = places | {name: environ.get(name) for name in OTHER_PLACES}
        self.demo: Demo | None = None
        if options.demo:
            self.demo = Demo(self.data, options.port + 10, self.callbacks[0], options.days)
        # Commands beside it need the address too: which tables there are depends on it.
        self._api = {name: environ[name] for name in ("XTND_API_URL",) if environ.get(name)}

    @property
    def callbacks(self) -> list[str]:
        """The URL of each hook, as this machine reaches it."""
        host = LOOPBACK if self.options.host in ANY_HOST else self.options.host
        host = f"[{host}]" if ":" in host else host
        return [f"http://{host}:{self.options.port}{CALLBACK_PATH}/{hook}" for hook in self.options.hooks]

    @property
    def worker_admin_port(self) -> int:
        """The port of the worker's health, readiness and metrics."""
        return self.options.admin_port + 1

    @property
    def hydrates(self) -> bool:
        """Whether records are fetched."""
        return bool(self.options.hydrate or self._api or self.demo)

    @property
    def hydrator_admin_port(self) -> int:
        """The port of the hydrator's health, readiness and metrics."""
        return self.options.admin_port + 2

    def command(self, name: str) -> list[str]:
        """Give the command line of ``topics``, ``gateway``, ``worker``, ``hydrator`` or a demo's ``shop``.

        Addresses that may hold a password go by the environment: a command line is public.
        """
        if name == "shop" and self.demo:
            return [*self._connector, *self.demo.arguments(self.options.config_dir)]
        options: list[str] = {
            "topics": [],
            "gateway": [
                *("--host", self.options.host, "--port", str(self.options.port)),
                *("--admin-port", str(self.options.admin_port)),
            ],
            "worker": ["--admin-port", str(self.worker_admin_port)],
            "hydrator": ["--admin-port", str(self.hydrator_admin_port)],
        }[name]
        if name == "worker" and self.options.accept_mapping:
            options.append("--accept-mapping")
        return [*self._connector, name, "--config", str(self.options.config_dir.absolute()), *options]

    def environment(self, kafka: str) -> dict[str, str]:
        """Give what the children's environment has beside this process's own."""
        environment = {
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "XTND_CALLBACK_URL": self.callbacks[0],
            "XTND_DATA_DIR": str(self.data.path),
            "PYTHONUNBUFFERED": "1",
        }
        if self.own_secret:
            environment["XTND_WEBHOOK_SECRET_FILE"] = str(self.data.secret_file)
        return environment | (self.demo.environment() if self.demo else self._api)

    def check_data(self) -> None:
        """Refuse to mix a demo and a shop; before anything is made in the folder."""
        check(self.data, self._places, demo=self.options.demo)

    def check_ports(self) -> None:
        """Refuse ports that are taken, by name of the option that moves them."""
        ports = [
            (self.options.port, self.options.host, "--port"),
            (self.options.admin_port, "127.0.0.1", "--admin-port"),
            (self.worker_admin_port, "127.0.0.1", "--admin-port (the worker takes the one after it)"),
        ]
        if self.hydrates:
            option = "--admin-port (the hydrator takes the second after it)"
            ports.append((self.hydrator_admin_port, "127.0.0.1", option))
        if self.demo:
            option = "--port (the demo's API takes the tenth after it)"
            ports.append((self.demo.port, "127.0.0.1", option))
        seen: set[int] = set()
        for port, host, option in ports:
            if port in seen:
                raise StartupError(f"Port {port} would be used twice", f"choose another with {option}")
            if trouble := port_trouble(port, host):
                is_low = trouble.errno in (errno.EACCES, errno.EPERM)
                why = "is for the system's services" if is_low else "is already in use"
                cure = f"choose another{' from 1024 on' * is_low} with {option}"
                raise StartupError(f"Port {port} {why} ({trouble.strerror})", cure)
            seen.add(port)

    def ready_lines(self) -> list[str]:
        """Give all addresses, and what to do next."""
        admin, mirror = f"http://{LOOPBACK}:{self.options.admin_port}", without_password(self.database_url)
        places = [*(f"callback {url}" for url in self.callbacks), f"secret {self.secret_place}"]
        after = ['query "SELECT * FROM mirror_status"']
        if self.own_secret and not self.demo:
            after.insert(0, "simulate --deliveries 300")
        folder = "" if self.options.data_dir == Path("data") else f" --data-dir {self.options.data_dir}"
        return [
            "  ".join(["ready", *places, f"mirror {mirror}", f"admin {admin}"]),
            *(f"next   {self.options.command} {one}{folder}" for one in after),
        ]
