"""The broker of the local stack: Apache Kafka from its jars, or a stand-in where there is no Java.

Both have one interface (``Broker``), keep their ports in the data directory and go on with their
data at the next start. Apache Kafka acknowledges a record once it is in the operating system's page
cache: it survives ``kill -9`` of the broker, but on one machine not a power cut. To survive that,
replicate over three brokers, as ``docker-compose.yml`` and the README describe.
"""

import base64
import importlib.util
import os
import socket
import struct
import subprocess
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from string import Template
from typing import ClassVar

from typing_extensions import override

from connector.errors import StartupError
from connector.local import kafka_jars
from connector.local.ports import remembered_ports
from connector.local.processes import Child
from connector.local.stopping import Until, wait_until

HOST = "127.0.0.1"
DEFAULT_HEAP = "512m"
FORMAT_TIMEOUT_SECONDS = 120
FIRST_LOOK_WARNING = (
    "No Java 17 and Maven here, so the stand-in broker noida-db is used. It is for a first look only: "
    "a crash may lose deliveries that were already acknowledged."
)

SIMPLE_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)
SERVER_PROPERTIES = Path(__file__).with_name("kafka-server.properties")


@dataclass(eq=False)
class Broker(ABC):
    """A broker as a child process on ports of its own; ``start`` again after an end keeps the ports.

    ``name`` is for people and logs; ``until`` is how it waits (``up`` hands in one that a Ctrl-C ends).
    ``report`` gets how far a download is.
    """

    name: ClassVar[str] = "broker"
    port_names: ClassVar[Sequence[str]] = ("port",)

    data_dir: Path
    _: KW_ONLY
    until: Until = wait_until
    report: kafka_jars.Report = kafka_jars.quiet
    pass_fds: Sequence[int] = ()

    def __post_init__(self) -> None:
        self.data_dir = self.data_dir.absolute()
        self.folder = self.data_dir / "kafka"
        self.log = self.data_dir / "logs" / "kafka.log"
        self._ports: dict[str, int] = {}
        self._child: Child | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients; the port is chosen at the first ``start``."""
        return f"{HOST}:{self._chosen_ports()['port']}"

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, once started; also after its end."""
        return self._child.process if self._child else None

    @property
    def pid(self) -> int | None:
        """The process id of the running broker, else ``None``."""
        return self._child.pid if self._child else None

    @property
    def child(self) -> Child:
        """The process for a supervisor. Raises ``StartupError`` when the machine lacks a part."""
        if self._child is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._child = Child(self.name, self._prepare(), self.log, pass_fds=self.pass_fds)
        return self._child

    def prepare(self) -> None:
        """Do what takes long at the first start (download, format); ``start`` does it if need be."""
        _ = self.child

    def start(self) -> None:
        """Start the process; it does not answer yet (``wait_ready``)."""
        self.child.start()

    def wait_ready(self, deadline_seconds: float) -> None:
        """Wait until the broker answers; raises ``StartupError`` with its last words if it does not."""
        ended = False

        def answers_or_ended() -> bool:
            nonlocal ended
            ended = self.pid is None
            return ended or broker_answers(self.bootstrap_servers)

        if not self.until(answers_or_ended, timeout_seconds=deadline_seconds) or ended:
            what = "ended while starting" if ended else f"does not answer after {deadline_seconds:.0f} s"
            raise StartupError(
                f"The {self.name} {what}. It wrote last:\n{self.child.last_lines()}", f"read {self.log}"
            )

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """End the broker, by force after the time."""
        if self._child:
            self._child.stop(timeout_seconds)

    def kill(self) -> None:
        """End the broker as a crash would (``kill -9``)."""
        if self._child:
            self._child.kill()

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Write what the broker needs on disk and give the command that starts it."""

    def _chosen_ports(self) -> dict[str, int]:
        if not self._ports:
            self._ports = remembered_ports(self.folder / "ports.json", self.port_names)
        return self._ports


@dataclass(eq=False)
class KafkaBroker(Broker):
    """Apache Kafka, KRaft, one node, listening on 127.0.0.1 only.

    ``heap`` is Java's ``-Xmx`` (default 512m, or ``XTND_KAFKA_HEAP``); ``settings`` are lines added
    to the server's properties, for tests.
    """

    name = "Apache Kafka"
    port_names = ("port", "controller_port")

    _: KW_ONLY
    heap: str | None = None
    settings: str = ""

    @override
    def _prepare(self) -> list[str]:
        java = kafka_jars.find_java()
        if java is None:
            raise StartupError(
                f"Apache Kafka needs Java {kafka_jars.OLDEST_JAVA} or later",
                "install a Java runtime, or give a running broker with --kafka HOST:PORT",
            )
        jars = kafka_jars.KafkaJars(self.until, self.report).resolve()
        properties = self._write_properties()
        heap = self.heap or os.environ.get("XTND_KAFKA_HEAP") or DEFAULT_HEAP
        jvm = [java, "-cp", f"{jars}/*", *SIMPLE_LOGGING]
        self._format_once([*jvm, "kafka.tools.StorageTool"], properties)
        return [*jvm, f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError", "kafka.Kafka", str(properties)]

    def _write_properties(self) -> Path:
        properties = self.folder / "server.properties"
        places = {"log_dir": str(self.folder / "log"), **self._chosen_ports()}
        text = Template(SERVER_PROPERTIES.read_text()).substitute(places)
        properties.write_text(text + self.settings)
        return properties

    def _format_once(self, storage_tool: list[str], properties: Path) -> None:
        if (self.folder / "log" / "meta.properties").exists():
            return
        cluster_id = new_cluster_id()
        command = [*storage_tool, "format", "--ignore-formatted", "-t", cluster_id, "-c", str(properties)]
        tool = Child("kafka format", command, self.log)
        if tool.run(self.until, timeout_seconds=FORMAT_TIMEOUT_SECONDS) != 0:
            raise StartupError(
                f"Apache Kafka could not set up its folder {self.folder}: {tool.last_lines()}",
                "check that the folder is writable and its disk has space, then start again",
            )


def new_cluster_id() -> str:
    """Make a cluster id as Kafka itself does: one that starts with "-" would be read as an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


class NoidaBroker(Broker):
    """The stand-in from PyPI: speaks Kafka's protocol, keeps the log in memory and one JSON file.

    Topics, the idempotent producer with lz4, consumer groups and rebalances were seen to work; a
    ``kill -9`` was seen to lose acknowledged records. So it comes with ``FIRST_LOOK_WARNING``.
    """

    name = "noida-db"

    @override
    def _prepare(self) -> list[str]:
        program = _noida_program()
        program.chmod(program.stat().st_mode | 0o100)
        port = str(self._chosen_ports()["port"])
        options = ["--only", "kafka", "--host", HOST, "--kafka-port", port]
        return [str(program), "start", *options, "--data-dir", str(self.folder)]


def choose_broker(data_dir: Path, *, until: Until = wait_until, pass_fds: Sequence[int] = ()) -> Broker:
    """Choose Apache Kafka where Java and its jars can be had, else the stand-in.

    Raises ``StartupError`` when neither is possible.
    """
    if kafka_jars.kafka_is_possible():
        return KafkaBroker(data_dir, until=until, pass_fds=pass_fds)
    _noida_program()
    return NoidaBroker(data_dir, until=until, pass_fds=pass_fds)


def broker_answers(bootstrap_servers: str) -> bool:
    """Whether the first of the brokers (``host:port,…``) answers Kafka's ApiVersions request.

    An open port is not enough: Kafka listens a while before it serves.
    """
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].strip().rpartition(":")
    # api_key 18 (ApiVersions), version 0, correlation id 7, client id "up".
    request = struct.pack(">hhih2s", 18, 0, 7, 2, b"up")
    try:
        with socket.create_connection((host, int(port)), timeout=2.0) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(10)
    except (OSError, ValueError):
        return False
    return len(answer) == 10 and struct.unpack(">iih", answer)[1:] == (7, 0)  # noqa: PLR2004 (its head)


def _noida_program() -> Path:
    found = importlib.util.find_spec("noida_db")
    if found is None or found.origin is None:
        raise StartupError(
            "No Java 17 with Maven is here to run Apache Kafka, and the stand-in broker is not installed",
            'install Java 17 and Maven, or run "make up", or "pip install xtnd-connector[embedded]", '
            "or give a running broker with --kafka HOST:PORT",
        )
    return Path(found.origin).with_name("noida-db")
