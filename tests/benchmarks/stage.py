"""Gateways and workers as processes, on the shipped configuration with topics of a benchmark's own."""

import shutil
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from connector import config
from connector.config import Config
from connector.kafka import topics
from connector.local.ports import free_port, port_is_free
from connector.local.processes import Child
from connector.local.stopping import wait_until
from tests.benchmarks import orders
from tests.conftest import ROOT, SECRET

MEGABYTE = 2**20
READY_SECONDS = 60.0


class Part:
    """One process under measurement, and its ports; 0 where it has none."""

    def __init__(self, child: Child, port: int, admin_port: int) -> None:
        child.start()
        assert child.pid is not None
        self.child = child
        self.port = port
        self.admin_port = admin_port
        self.process = psutil.Process(child.pid)

    def metric(self, name: str) -> float:
        """A metric without labels."""
        lines = (line for line in self._page("metrics").splitlines() if line.startswith(f"{name} "))
        return float(next(lines).split(" ")[1])

    def accepted(self) -> float:
        """Deliveries that a gateway answered with 202."""
        lines = self._page("metrics").splitlines()
        found = [line for line in lines if line.startswith("xtnd_gateway_answers_total{") and '"202"' in line]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def is_ready(self) -> bool:
        """Whether the process is ready and has nothing to complain of."""
        try:
            return "warnings" not in self._page("readyz")
        except OSError:
            return False

    def _page(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/{name}", timeout=5) as answer:
            return str(answer.read().decode())

    def cpu_seconds(self) -> float:
        """Processor time since its start, in and out of the kernel."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def megabytes(self) -> float:
        """Resident memory."""
        return float(self.process.memory_info().rss / MEGABYTE)

    def peak_megabytes(self) -> float:
        """The most memory that was ever resident."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024


class Stage:
    """One deployment: a folder, a configuration, and the processes that were started on it."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        database_url: str | None = None,
        *,
        topics_by: str | None = None,
        orders_at: str | None = None,
    ) -> None:
        """``topics_by`` is another way to the broker, by which the topics are made.

        ``orders_at`` is the URL of an API that orders are fetched from, and nothing else.
        """
        self.folder = folder
        self.environ = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "DATABASE_URL": database_url or f"sqlite:///{folder / 'mirror.db'}",
            "XTND_WEBHOOK_SECRET": SECRET,
        }
        self.config_dir = folder / "config"
        shutil.copytree(ROOT / "config", self.config_dir)
        prefix = f"b{uuid.uuid4().hex[:8]}."
        self._replace("topics.yaml", "prefix: xtnd.", f"prefix: {prefix}")
        self._replace("connector.yaml", "group: xtnd-connector", f"group: {prefix}group")
        if orders_at:
            orders.only_source(self.config_dir)
            self.environ |= orders.login_at(orders_at)
        self.config: Config = config.load(self.config_dir, self.environ)
        self.parts: list[Part] = []
        kafka = self.config.kafka.model_copy(update={"bootstrap_servers": topics_by or bootstrap})
        topics.ensure(self.config.model_copy(update={"kafka": kafka}))

    def gateway(self, *options: str, port: int | None = None) -> Part:
        """Start a gateway and wait until it reaches Kafka."""
        port = port or free_port()
        return self._connector("gateway", port, "--port", str(port), *options)

    def worker(self) -> Part:
        """Start a worker and wait until it has its partitions."""
        return self._connector("worker", 0)

    def hydrator(self) -> Part:
        """Start a hydrator and wait until it has the mirror, which a worker makes."""
        return self._connector("hydrator", 0)

    def floor(self) -> Part:
        """Start the gateway that answers after the signature check (``floor.py``)."""
        port = free_port()
        part = self._start("floor", ["tests.benchmarks.floor", str(self.config_dir), str(port)], port, 0)
        return _when(lambda: not port_is_free(port), part)

    def close(self) -> None:
        for part in self.parts:
            part.child.stop(10)

    def _connector(self, command: str, port: int, *options: str) -> Part:
        admin = free_port()
        words = ["connector", command, "--config", str(self.config_dir), "--admin-port", str(admin)]
        part = self._start(command, [*words, *options], port, admin)
        return _when(part.is_ready, part)

    def _start(self, name: str, module: Sequence[str], port: int, admin_port: int) -> Part:
        folder = self.folder / f"{name}-{len(self.parts)}"
        environ = {**self.environ, "XTND_DATA_DIR": str(folder)}
        part = Part(
            Child(name, [sys.executable, "-m", *module], folder / "log", env=environ), port, admin_port
        )
        self.parts.append(part)
        return part

    def _replace(self, file: str, former: str, text: str) -> None:
        whole = (self.config_dir / file).read_text()
        assert former in whole
        (self.config_dir / file).write_text(whole.replace(former, text))


@contextmanager
def stage(folder: Path, bootstrap: str, **settings: Any) -> Iterator[Stage]:
    """A ``Stage`` whose processes end with the block."""
    made = Stage(folder, bootstrap, **settings)
    try:
        yield made
    finally:
        made.close()


def _when(ready: Callable[[], bool], part: Part) -> Part:
    assert wait_until(ready, timeout_seconds=READY_SECONDS), part.child.last_lines()
    return part
