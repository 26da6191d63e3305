"""Records: from hook to rows, a backlog at the API's limit, the hydrator's memory, the sink, the ledger."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from sqlalchemy import Engine, create_engine, text

from connector import clocks, events
from connector.local.broker import KafkaBroker
from connector.simulator import wire
from tests.benchmarks import backlog
from tests.benchmarks.backlog import Backlog
from tests.benchmarks.load import ACCEPTED, PATH, delivery_id, percentile
from tests.benchmarks.orders import OrdersApi
from tests.benchmarks.report import RUNS, Report, Targets, scaled
from tests.benchmarks.stage import Part, stage
from tests.conftest import SECRET
from tests.servers import PostgresServer
from tests.workers import until

HOOKS_PER_SECOND = 5
HOOKS = scaled(300, least=50)
WARM_UP = 10
API_SECONDS = 0.1
POLL_SECONDS = 0.01
PER_MINUTE = 6_000
KEYS = scaled(10_000)
MANY_KEYS = scaled(1_000_000)
# Of the many keys so many are fetched, before the memory is read.
FETCHED = scaled(3_000, least=300)
START_SECONDS = 5.0
ROWS = 30
ORDERS = scaled(10_000)
LONGEST_SECONDS = 1_200.0
BENCHMARK = "records"
# What hooks of so many orders leave behind. SQL of both databases; text is an instant on both.
ASK = """
    INSERT INTO {hydration} (shop, family, entity_key, wanted_at, mirrored_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {keys})
    SELECT '', 'orders', CAST(n AS TEXT), '{now}', '{now}' FROM numbers
"""
FOUND = "SELECT order_number FROM order_details"
DONE = "SELECT COUNT(*) FROM hydration WHERE fetched_at IS NOT NULL"
HEAP = "SELECT pg_table_size('public_store._notifications') + pg_table_size('public_store._bodies')"

pytestmark = pytest.mark.timeout(7_200)


class Rows(threading.Thread):
    """Notes when the row of each order's record is first there to be read, looking every few milliseconds."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="rows", daemon=True)
        self._engine = engine
        self._over = threading.Event()
        self.seen: dict[str, float] = {}

    def run(self) -> None:
        with self._engine.connect() as connection:
            while not self._over.wait(POLL_SECONDS):
                found = connection.execute(text(FOUND)).scalars().all()
                connection.rollback()
                now = time.perf_counter()
                for number in found:
                    self.seen.setdefault(number, now)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self.join()


@contextlib.contextmanager
def reading(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def test_hook_to_rows(kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, bench: Report) -> None:
    """From the instant at which a hook was due to the instant at which its record's row can be read."""
    for run in range(RUNS):
        url = postgres.new_database()
        api = OrdersApi(per_minute=PER_MINUTE, seconds=API_SECONDS, rows=4)
        with (
            api.serving(),
            stage(tmp_path / f"{run}", kafka.bootstrap_servers, database_url=url, orders_at=api.url) as place,
            reading(url) as engine,
        ):
            place.worker()
            place.hydrator()
            gateway = place.gateway()
            with Rows(engine) as rows:
                # The first request goes alone, until its answer shows that the API is there.
                send(gateway, range(WARM_UP))
                due = send(gateway, range(WARM_UP, WARM_UP + HOOKS))
                until(lambda: len(rows.seen) == WARM_UP + HOOKS, 120, what="the record of each hook")
        assert place.config.sources is not None
        settle = place.config.sources.entities["orders"].settle_seconds
        seconds = sorted(rows.seen[number] - at for number, at in due.items())
        for share in (50, 99):
            value = percentile(seconds, share / 100)
            bench.add(BENCHMARK, f"hook to rows: p{share}", value, "s", target=f"< {settle + 1:g}")


def send(gateway: Part, numbers: range) -> dict[str, float]:
    """Send a hook of each of these orders at their pace; gives by order when its hook was due."""
    client = http.client.HTTPConnection("127.0.0.1", gateway.port)
    due: dict[str, float] = {}
    start = time.perf_counter() + 0.1
    for place, number in enumerate(numbers):
        at = due[f"{number}"] = start + place / HOOKS_PER_SECOND
        picked = wire.notification("OrderPicked", OrderNumber=f"{number}")
        delivery = wire.ShopDelivery(delivery_id=delivery_id(number), properties={}, notifications=(picked,))
        body = wire.render(delivery, attempt=1)
        time.sleep(max(at - time.perf_counter(), 0))
        client.request("POST", PATH, body, wire.headers(body, SECRET))
        answer = client.getresponse()
        answer.read()
        assert answer.status == ACCEPTED
    client.close()
    return due


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_drain(
    database: str, kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, bench: Report
) -> None:
    """All keys of a backlog at the API's limit, which is high so that it does not take all day."""
    for run in range(RUNS):
        url = postgres.new_database() if database == "postgresql" else f"sqlite:///{tmp_path / f'{run}.db'}"
        with backlog_of(KEYS, url, kafka, tmp_path / f"{run}") as (api, hydrator, engine):
            before = hydrator.cpu_seconds()
            until(lambda: count(engine) >= KEYS, LONGEST_SECONDS, what="all records")
            figure = f"{KEYS:,} keys, {database}"
            micros = (hydrator.cpu_seconds() - before) / len(api.accepted) * 1e6
            bench.add(BENCHMARK, f"{figure}: processor of the hydrator", micros, "µs/record")
            bench.add(BENCHMARK, f"{figure}: used of the limit", api.used(), "x", target=">= 0.95")
            steady = api.used(after=START_SECONDS)
            bench.add(BENCHMARK, f"{figure}: used of the limit, after {START_SECONDS:g} s", steady, "x")
            bench.add(BENCHMARK, f"{figure}: most in a minute", api.most(), "x", target="<= 1")
            bench.add(BENCHMARK, f"{figure}: refused by the API", api.refused, "requests", target="< 1")


def test_memory(kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, bench: Report) -> None:
    """The hydrator's memory with very many keys that wait."""
    for run in range(RUNS):
        url = postgres.new_database()
        with backlog_of(MANY_KEYS, url, kafka, tmp_path / f"{run}") as (api, hydrator, _):
            before = hydrator.cpu_seconds()
            until(lambda: len(api.accepted) >= FETCHED, LONGEST_SECONDS, what="some records")
            figure = f"{MANY_KEYS:,} keys"
            micros = (hydrator.cpu_seconds() - before) / len(api.accepted) * 1e6
            bench.add(BENCHMARK, f"{figure}: processor of the hydrator", micros, "µs/record")
            peak = hydrator.peak_megabytes()
            bench.add(BENCHMARK, f"{figure}: memory of the hydrator", peak, "MB", target="< 150")


@pytest.fixture(scope="module")
def fetches(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> list[Backlog]:
    """Fetches of some orders with many rows; then of the same orders, none of which has changed."""
    made = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("fetches")
        waiting = Backlog("fetches", folder, kafka.bootstrap_servers, orders_at="http://127.0.0.1:1/api")
        made.append(waiting.write(backlog.snapshots(ORDERS, ORDERS, ROWS, waiting.config(), seed=seed)))
    return made


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_sink(
    database: str, fetches: list[Backlog], postgres: PostgresServer, tmp_path: Path, bench: Report
) -> None:
    """Snapshots of orders with many rows."""
    for run in range(RUNS):
        url = postgres.new_database() if database == "postgresql" else f"sqlite:///{tmp_path / f'{run}.db'}"
        server = postgres if database == "postgresql" else None
        carried = fetches[0].carry(url, server=server)
        figure = f"orders of {ROWS} rows into {database}"
        bench.run(BENCHMARK, figure, carried, targets=Targets(memory="< 220"))


def test_unchanged(fetches: list[Backlog], postgres: PostgresServer, bench: Report) -> None:
    """What one more fetch of an order that has not changed takes in the ledger."""
    first, again = fetches
    for _ in range(RUNS):
        url = postgres.new_database()
        first.carry(url)
        with reading(url) as engine:
            before = heap(engine)
            again.carry(url)
            value = (heap(engine) - before) / again.events
        bench.add(BENCHMARK, f"unchanged order of {ROWS} rows: ledger", value, "bytes/fetch", target="< 200")


def heap(engine: Engine) -> int:
    """Bytes of the ledger's tables, that of the bodies too, with long values, without indexes."""
    with engine.connect() as connection:
        return int(connection.execute(text(HEAP)).scalar_one())


@contextlib.contextmanager
def backlog_of(
    keys: int, url: str, kafka: KafkaBroker, folder: Path
) -> Iterator[tuple[OrdersApi, Part, Engine]]:
    """An API, a hydrator that has just started, and a mirror where hooks ask for so many orders."""
    api = OrdersApi(per_minute=PER_MINUTE, seconds=API_SECONDS, rows=4)
    with (
        api.serving(),
        stage(folder, kafka.bootstrap_servers, database_url=url, orders_at=api.url) as place,
        reading(url) as engine,
    ):
        place.worker()
        ask(engine, keys)
        yield api, place.hydrator(), engine


def ask(engine: Engine, keys: int) -> None:
    hydration = "_hydration" if engine.dialect.name == "sqlite" else "public_store._hydration"
    statement = ASK.format(hydration=hydration, keys=keys, now=events.iso(clocks.now()))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"ANALYZE {hydration}")


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(DONE)).scalar_one())
