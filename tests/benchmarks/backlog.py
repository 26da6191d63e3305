"""Backlogs on Kafka, and workers that carry one into a database while it is watched.

A backlog is written once and read by every run: each run has a database and a consumer group of its
own, and a worker starts where its database says, which is at the beginning.

A rate counts from the moment at which the mirror's first offsets are seen to the moment at which
the last are, without the events of that first moment: starting a process, joining a group and
making tables are not counted.
"""

import itertools
import json
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from sqlalchemy import Engine, create_engine, text

from connector import config, events
from connector.config import Config
from connector.gateway import signature
from connector.gateway.records import Translator
from connector.gateway.signature import Keys
from connector.kafka import topics
from connector.kafka.routes import Routes
from connector.mirror import database, schema
from connector.mirror.mapping import Mapping
from connector.simulator import wire
from connector.simulator.shop import Shop
from tests.benchmarks import orders
from tests.benchmarks.processes import Carried, Processes, peak_mb
from tests.conftest import ROOT, SECRET
from tests.processes import fresh
from tests.servers import PostgresServer
from tests.workers import START, WorkerProcess, balance, until

PARTITIONS = 12
EVENTS = 200_000
KEYS = 5_000
SNAPSHOTS = "snapshots"  # as a family, for the topic of all
POLL_SECONDS = 0.05
LONGEST_SECONDS = 1_200.0

# By table: past events of as many entities as a shop of that size has, with Ids as random as XTND's.
FILL = {
    "_notifications": """INSERT INTO _notifications
    SELECT md5(n::text) || '\\:0', md5(n::text), 0, 'xtnd', 1, 'balances', 'BalanceChanged',
        'P' || n % 100000 || '|1', jsonb_build_object('ProductNumber', 'P' || n % 100000, 'Balance', n),
        '{}', at, at, 'past', 0, n, at, '/webhooks/xtnd'
    FROM generate_series(1, :rows) AS n,
        LATERAL (SELECT timestamptz '2025-01-01' + n * interval '1 s') AS t(at)""",
    "_stock_balance_history": """INSERT INTO _stock_balance_history
    SELECT md5(n::text) || '\\:0', 0, 'P' || n % 100000, '1', 'balance', n, 'CustomerOrderPicked', 'Outbound',
        at, '/webhooks/xtnd', extract(epoch FROM at)::bigint * 1000000
    FROM generate_series(1, :rows) AS n,
        LATERAL (SELECT timestamptz '2025-01-01' + n * interval '1 s') AS t(at)""",
}
# Statements that make the key and the indexes of a table, and those that delete them, in their order.
INDEXES = """
    SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', relname, conname, pg_get_constraintdef(c.oid)),
        format('ALTER TABLE %I DROP CONSTRAINT %I', relname, conname)
    FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid
    WHERE conrelid = CAST(:table AS regclass) AND contype = 'p'
    UNION ALL
    SELECT pg_get_indexdef(indexrelid), format('DROP INDEX %s', indexrelid::regclass)
    FROM pg_index WHERE indrelid = CAST(:table AS regclass) AND NOT indisprimary
"""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Record:
    family: str
    key: bytes
    value: bytes


class Backlog:
    """Records on topics of their own."""

    def __init__(
        self, name: str, folder: Path, bootstrap: str, *, orders_at: str | None = None, **worker: Any
    ) -> None:
        """``worker`` are settings of the workers that will carry it.

        ``orders_at`` is the URL of an API that orders are fetched from; nobody asks it.
        """
        self.name = name
        self.folder = folder
        self.bootstrap = bootstrap
        self._orders_at = orders_at
        self.prefix = f"b{next(_numbers)}."
        self._worker = worker
        self.ends: dict[TopicPartition, int] = {}
        self.routes = Routes(self.config())
        topics.ensure(self.config())

    @property
    def events(self) -> int:
        return sum(self.ends.values())

    def config_dir(self, group: str) -> Path:
        """The shipped configuration with the backlog's topics and a group of this name."""
        folder = self.folder / f"config-{group}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "config" / "tables.yaml", folder)
        for name in ("connector", "topics"):
            data = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
            if name == "topics":
                data["topics"] |= {"prefix": self.prefix, "partitions": PARTITIONS}
            else:
                data["worker"] |= {"group": f"{self.prefix}{group}", **self._worker}
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(data))
        if self._orders_at:
            orders.only_source(folder)
        return folder

    def config(self, url: str = "sqlite:///unused.db", group: str = "none") -> Config:
        return config.load(self.config_dir(group), self.environ(url), {})

    def environ(self, url: str) -> dict[str, str]:
        login = orders.login_at(self._orders_at) if self._orders_at else {}
        return login | {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "DATABASE_URL": url,
            "XTND_WEBHOOK_SECRET": SECRET,
        }

    def write(self, records: Iterable[Record]) -> "Backlog":
        """Write records as the gateway does."""
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", linger_ms=20, compression_type="lz4"
        )
        topics_of = self.routes.event_topics() | {SNAPSHOTS: self.routes.snapshot_topic}
        for record in records:
            producer.send(topics_of[record.family], key=record.key, value=record.value)
        producer.flush(timeout=300)
        producer.close(timeout=30)
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        tps = [
            TopicPartition(plan.name, n)
            for plan in topics.plans(self.config())
            for n in range(plan.partitions)
        ]
        found = admin.list_partition_offsets(dict.fromkeys(tps, -1))
        admin.close()
        self.ends = {tp: found[tp].offset for tp in tps}
        return self

    def carry(self, url: str, *, workers: int = 1, server: PostgresServer | None = None) -> Carried:
        """Let workers carry the whole backlog into the database of ``url``, which must not hold any of it.

        ``server`` is that of the database, for its processor time.
        """
        with ExitStack() as stack:
            engine = stack.enter_context(_engine(self.config(url)))
            before = _held(engine)
            world = _Place(self.folder / f"run-{next(_numbers)}", self.environ(url))
            world.config_dir = self.config_dir(world.folder.name)
            # Not forked from what tests have loaded: its memory would count, and take time to look through.
            running = [
                WorkerProcess(world, "", f"worker-{n}", start=fresh)  # type: ignore[arg-type]
                for n in range(workers)
            ]
            for worker in running:
                stack.callback(worker.kill)
            return self._watch(engine, running, before, server)

    def filled(self, url: str, rows: int) -> str:
        """Fill a mirror's ledger and history with so many events of the past; gives its URL."""
        settings = self.config(url)
        engine = database.connect(settings.database)
        schema.ensure(engine, settings, Mapping(settings))
        for table, statement in FILL.items():
            with engine.begin() as connection:
                # Into an index that is there, each of millions of random Ids costs several times as much.
                made = connection.execute(text(INDEXES), {"table": table}).fetchall()
                for _, drop in made:
                    connection.exec_driver_sql(drop)
                connection.execute(text(statement), {"rows": rows})
                connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1GB'")
                for make, _ in made:
                    connection.exec_driver_sql(make)
        engine.dispose()  # a database with sessions cannot be copied
        vacuum(url)
        return url

    def _watch(
        self, engine: Engine, running: list[WorkerProcess], before: int, server: PostgresServer | None
    ) -> Carried:
        own = Processes(*(worker.process.pid for worker in running))
        database = Processes(*([server.pid] if server else []))
        until(lambda: _held(engine) > before, 120, what=f"a first event: {running[0].log}")
        began, first = time.perf_counter(), _held(engine) - before
        cpu = own.cpu_seconds(), database.cpu_seconds()
        whole = before + self.events
        until(lambda: _held(engine) >= whole, LONGEST_SECONDS, what=f"the whole: {running[0].log}")
        seconds, carried = time.perf_counter() - began, self.events - first
        spent = own.cpu_seconds() - cpu[0], database.cpu_seconds() - cpu[1]
        peak = sum(peak_mb(worker.process.pid) for worker in running)
        return Carried(carried / seconds, spent[0] / carried * 1e6, spent[1] / carried * 1e6, peak)


@dataclass
class _Place:
    """What a worker process of ``tests.workers`` needs to know."""

    folder: Path
    environ: dict[str, str]
    config_dir: Path = Path()

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)


def vacuum(url: str) -> None:
    """Do what autovacuum does in time."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def balances(count: int, *, keys: int = KEYS, seed: int = 1) -> Iterator[Record]:
    """BalanceChanged events over that many keys, in random order of keys, with Ids as XTND's."""
    dice = random.Random(seed)
    for number in range(count):
        product = f"P{dice.randrange(keys)}"
        details = {
            "ProductNumber": product,
            "Warehouse": "1",
            "Balance": number,
            "EventName": "CustomerOrderPicked",
            "EventType": "Outbound",
        }
        event = balance(
            number,
            delivery_id=f"{dice.getrandbits(128):032x}",
            entity_key=f"{product}|1",
            details=json.dumps(details, separators=(",", ":")).encode(),
            properties='{"NotificationId":"6f1c9a52-6f0e-4b7f-8f55-0c6c0f0f3b8e"}',
        )
        yield Record(event.family, event.kafka_key, events.encode(event))


def snapshots(count: int, keys: int, rows: int, config: Config, *, seed: int = 0) -> Iterator[Record]:
    """Fetches of so many orders in turns, none changed; those of a greater ``seed`` are later."""
    since = START + seed * 10**10
    for event in orders.snapshots(count, keys=keys, rows=rows, since=since, config=config):
        yield Record(SNAPSHOTS, event.kafka_key, events.encode(event))


def mix(count: int, config: Config) -> Iterator[Record]:
    """Events of a simulated shop, all actions, as the gateway writes them."""
    translator = Translator(config)
    at = itertools.count(START, 1_000)
    made = (
        record
        for delivery in Shop(1).deliveries()
        for record in _records(translator, wire.render(delivery, 1), next(at))
    )
    for record in itertools.islice(made, count):
        yield Record(record.label, record.key, record.value)


def _records(translator: Translator, body: bytes, at: int) -> Iterator[Any]:
    verified = signature.verify((), body, Keys("xtnd", (), required=False))
    return translator.records(verified, at)


@contextmanager
def _engine(settings: Config) -> Iterator[Engine]:
    """A plain engine: the product's own takes SQLite's write lock even for a look."""
    url = database.url_of(settings.database)
    paths = {"options": "-csearch_path=public_store,public"} if url.get_backend_name() != "sqlite" else {}
    engine = create_engine(url, connect_args=paths)
    try:
        yield engine
    finally:
        engine.dispose()


def _held(engine: Engine) -> int:
    """Offsets that the mirror holds; 0 before there are tables."""
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
        return 0  # to look would make an empty file, which a worker refuses
    try:
        with engine.connect() as connection:
            return int(
                connection.execute(text("SELECT sum(next_offset) FROM consumer_offsets")).scalar() or 0
            )
    except Exception:  # noqa: BLE001 - no tables yet, or SQLite is busy: not yet
        return 0
