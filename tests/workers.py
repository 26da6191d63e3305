"""Worker processes for the tests: the real command, a log of their own on Kafka, and what came of it."""

import contextlib
import itertools
import json
import os
import signal
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from sqlalchemy import Engine, NullPool, create_engine, text

from connector import config, events
from connector.config import Config
from connector.events import Event
from connector.gateway import signature
from connector.gateway.records import Translator
from connector.gateway.signature import Keys
from connector.kafka import topics
from connector.kafka.routes import Routes
from connector.local.ports import free_port
from connector.local.stopping import wait_until
from connector.mirror import database, verify
from connector.mirror.mapping import Mapping
from tests.conftest import ROOT, SECRET, tables_of_hooks
from tests.pauses import awake
from tests.processes import Connector

# Deadlines of what a test waits for; on a busy machine all of it takes long.
READY_SECONDS = 150.0
SOON_SECONDS = 150.0
PARTITIONS = 2
START = 1_750_000_000_000_000
Sections = dict[str, dict[str, Any]]

_numbers = itertools.count(1)


class WorkerProcess:
    """``connector worker``, or another part, as a process; ``log`` is its standard error.

    ``start`` starts it; ``processes.fresh`` does as a user does, for what is measured.
    """

    def __init__(
        self,
        world: "World",
        failpoints: str,
        name: str,
        arguments: Sequence[str] = ("worker",),
        start: Any = Connector,
    ) -> None:
        self.port = free_port()
        self.log = world.folder / f"{name}.log"
        environ = {**os.environ, **world.environ, "XTND_FAILPOINTS": failpoints}
        command = [*arguments, "--config", str(world.config_dir), "--admin-port", str(self.port)]
        self.process: Connector = start(command, stdout=self.log, env=environ)

    def failures(self) -> dict[str, str] | None:
        """What /readyz says is wrong; None while nobody answers."""
        try:
            answer = self.page("readyz")
        except urllib.error.HTTPError as error:
            answer = error.read()  # 503, with what is wrong
        except OSError:
            return None
        failures: dict[str, str] = json.loads(answer)["failures"]
        return failures

    def warnings(self) -> dict[str, str]:
        """What /readyz warns of."""
        warnings: dict[str, str] = json.loads(self.page("readyz")).get("warnings", {})
        return warnings

    def wait_ready(self) -> "WorkerProcess":
        until(lambda: self.failures() == {} or self.ended(), READY_SECONDS, what=f"ready: {self.log}")
        assert not self.ended(), self.said()
        return self

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry these labels."""
        page = self.page("metrics").decode()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = (line for line in page.splitlines() if line.split("{")[0].split(" ")[0] == name)
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(one in line for one in wanted))

    def page(self, name: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=30) as answer:
            return bytes(answer.read())

    def ended(self) -> bool:
        return self.process.poll() is not None

    def refused(self) -> float:
        """Events that it wanted to write and that lay below the mirror's offset: another had been there."""
        written = sum(self.metric(f"xtnd_worker_events_{kind}_total") for kind in ("mirrored", "known"))
        return self.metric("xtnd_worker_batch_events_sum") - written

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM; gives the exit code, and fails when it takes longer than a worker may."""
        begin = awake()
        self.signal(signal.SIGTERM)
        code = self.process.wait(SOON_SECONDS)
        assert awake() - begin < seconds
        return code

    def exit_code(self, seconds: float = SOON_SECONDS) -> int:
        return self.process.wait(seconds)

    def kill(self) -> None:
        """``kill -9``, whatever state it is in."""
        if not self.ended():
            self.signal(signal.SIGKILL)
            self.process.wait(10)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """Its log events."""
        lines = (line for line in self.said().splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]

    def said_event(self, words: str) -> bool:
        return any(words in str(event.get("event")) for event in self.events())


class World:
    """Topics and a database of one test's own, the workers on them, and the end's assertions.

    ``worker`` are settings of the workers, ``sections`` those of other parts.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        database_url: str,
        *,
        sections: Sections | None = None,
        **worker: Any,
    ) -> None:
        self.folder = folder
        self.prefix = f"w{uuid.uuid4().hex[:10]}."
        self.environ = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "DATABASE_URL": database_url,
            "XTND_WEBHOOK_SECRET": SECRET,
        }
        self.config_dir = _write_config(
            folder / "config", self.prefix, {"worker": worker, **(sections or {})}
        )
        self.config: Config = config.load(self.config_dir, self.environ, {})
        self.routes = Routes(self.config)
        self.workers: list[WorkerProcess] = []
        self.engine: Engine = database.connect(self.config.database, connections=2)
        # For looking and for locking: without the timeouts of the product's engine, and reading SQLite
        # without its write lock.
        # Somebody beside the connector, who finds the store as it does.
        plain = database.url_of(self.config.database)
        on_postgresql = plain.get_backend_name() == "postgresql"
        paths = {"options": "-csearch_path=public_store,public"} if on_postgresql else {}
        self.plain_engine: Engine = create_engine(plain, poolclass=NullPool, connect_args=paths)
        self.producer = KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", linger_ms=5, compression_type="lz4"
        )
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self.sent: list[Event] = []
        topics.ensure(self.config)

    def worker(self, failpoints: str = "") -> WorkerProcess:
        """Start a worker; it is ended with the test."""
        worker = WorkerProcess(self, failpoints, f"worker-{len(self.workers)}")
        self.workers.append(worker)
        return worker

    def part(self, *arguments: str) -> WorkerProcess:
        """Start another part, such as a gateway; it is ended with the test."""
        self.workers.append(WorkerProcess(self, "", arguments[0], arguments))
        return self.workers[-1]

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.producer.close(timeout=5)
        with contextlib.suppress(Exception):
            self.admin.delete_topics([plan.name for plan in topics.plans(self.config)])
        self.admin.close()
        self.engine.dispose()
        self.plain_engine.dispose()

    # --- Kafka ---

    @property
    def topic(self) -> str:
        """The topic that most tests write to."""
        return self.routes.topic_of_family["balances"]

    @property
    def tps(self) -> list[TopicPartition]:
        return [
            TopicPartition(plan.name, n) for plan in topics.plans(self.config) for n in range(plan.partitions)
        ]

    def send(self, some: Iterable[Event], *, partition: int | None = None) -> list[Event]:
        """Write events as the gateway does, acknowledged by Kafka when this returns."""
        some = list(some)
        futures = [
            self.producer.send(
                self.routes.event_topics().get(event.family, self.topic),
                key=event.kafka_key,
                value=events.encode(event),
                partition=partition,
            )
            for event in some
        ]
        self.producer.flush(timeout=60)
        for future in futures:
            future.get(timeout=30)
        self.sent += some
        return some

    def deliver(self, body: bytes) -> None:
        """Write what the gateway makes of a delivery."""
        verified = signature.verify((), body, Keys(hook="xtnd", keyed=(), required=False))
        for record in Translator(self.config).records(verified, START):
            self.producer.send(record.topic, key=record.key, value=record.value, headers=record.headers)
        self.producer.flush(timeout=60)

    def send_raw(self, value: bytes | None, *, key: bytes = b"k", partition: int = 0) -> int:
        """Write a record as it is; gives its offset."""
        answer = self.producer.send(self.topic, key=key, value=value, partition=partition)
        self.producer.flush(timeout=30)
        return int(answer.get(timeout=30).offset)

    def ends(self) -> dict[TopicPartition, int]:
        found = self.admin.list_partition_offsets(dict.fromkeys(self.tps, -1))
        return {tp: found[tp].offset for tp in self.tps}

    def committed(self) -> dict[tuple[str, int], int]:
        """Kafka's own offsets of the group."""
        answer = self.admin.list_group_offsets(self.config.worker.group)[self.config.worker.group]
        return {(tp.topic, tp.partition): meta.offset for tp, meta in answer.items() if meta.offset >= 0}

    # --- The mirror ---

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.plain_engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def ledger_ids(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT event_id FROM notifications ORDER BY event_id")]

    def held(self) -> dict[tuple[str, int], int]:
        return {(row[0], row[1]): row[2] for row in self.rows("SELECT * FROM consumer_offsets")}

    def caught_up(self) -> bool:
        """Whether the mirror stands at the end of every log."""
        with contextlib.suppress(Exception):
            held = self.held()
            return all(held.get((tp.topic, tp.partition), 0) == end for tp, end in self.ends().items())
        return False

    def wait_caught_up(self, seconds: float = SOON_SECONDS) -> None:
        until(self.caught_up, seconds, what=f"caught up: {self.folder}")

    def assert_sound(self, *, missing: Sequence[Event] = ()) -> None:
        """Every event once, tables the fold of the ledger, Kafka's offsets not ahead of the mirror's."""
        gone = {event.event_id for event in missing}
        assert self.ledger_ids() == sorted({event.event_id for event in self.sent} - gone)
        assert verify.differences(self.engine, Mapping(self.config)) == []
        held = self.held()
        assert {tp: at for tp, at in self.committed().items() if at > held.get(tp, 0)} == {}


def until(condition: Callable[[], bool], seconds: float = SOON_SECONDS, *, what: str) -> None:
    assert wait_until(condition, timeout_seconds=seconds, pause_seconds=0.05), f"not in {seconds} s: {what}"


@contextlib.contextmanager
def world(folder: Path, bootstrap: str, database_url: str, **worker: Any) -> Iterator[World]:
    """A ``World`` that is cleaned up."""
    made = World(folder, bootstrap, database_url, **worker)
    try:
        yield made
    finally:
        made.close()


def balances(count: int, *, products: int = 50) -> list[Event]:
    """New events of stock balances, each with a value of its own."""
    return [balance(next(_numbers), products=products) for _ in range(count)]


def balance(number: int, *, products: int = 50, quantity: Any = None, **changes: Any) -> Event:
    """One event of a stock balance; ``quantity`` takes the place of a good one."""
    product = f"P{number % products}"
    details = {
        "ProductNumber": product,
        "Warehouse": "1",
        "Balance": number if quantity is None else quantity,
    }
    fields: dict[str, Any] = {
        "delivery_id": f"{number:032x}",
        "index": 0,
        "hook": "xtnd",
        "attempt": 1,
        "family": "balances",
        "action": "BalanceChanged",
        "entity_key": f"{product}|1",
        "details": json.dumps(details).encode(),
        "properties": "{}",
        "received_at": START + number * 1000,
        "occurred_at": START + number * 1000,
    }
    return Event(**{**fields, **changes})


def next_number() -> int:
    """A number that no other event has."""
    return next(_numbers)


class Load:
    """Sends events steadily while the block runs."""

    def __init__(self, world: World, per_second: int) -> None:
        self._world = world
        self._per_second = per_second

    def for_seconds(self, seconds: float) -> None:
        """Send for a time, ten times a second."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._world.send(balances(max(1, self._per_second // 10)))
            time.sleep(max(0.0, min(end, now + 0.1) - time.monotonic()))


def _write_config(folder: Path, prefix: str, sections: Sections) -> Path:
    """The shipped configuration with a prefix, few partitions, and these settings."""
    folder.mkdir(parents=True)
    (folder / "tables.yaml").write_text(tables_of_hooks((ROOT / "config" / "tables.yaml").read_text()))
    for name in ("connector", "topics"):
        data = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
        if name == "topics":
            data["topics"] |= {"prefix": prefix, "partitions": PARTITIONS}
        if name == "connector":
            data["worker"] |= {"group": f"{prefix}group", "session_timeout_seconds": 6}
            for section, settings in sections.items():
                data[section] |= settings
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(data))
    return folder
