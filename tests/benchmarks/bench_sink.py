"""The sink: a backlog from Kafka into the database, by one worker process and by two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connector.local.broker import KafkaBroker
from tests.benchmarks import backlog
from tests.benchmarks.backlog import EVENTS, Backlog
from tests.benchmarks.report import RUNS, Figure, Report, scaled
from tests.servers import PostgresServer

KEYS = (1_000, 10_000, 100_000)
LEDGERS = (1_000_000, 10_000_000)

pytestmark = pytest.mark.timeout(7_200)


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
@pytest.mark.parametrize("name", ["balances", "mix"])
def test_backlog(
    name: str,
    database: str,
    request: pytest.FixtureRequest,
    postgres: PostgresServer,
    tmp_path: Path,
    bench: Report,
) -> None:
    waiting: Backlog = request.getfixturevalue(name)
    for run in range(RUNS):
        url = postgres.new_database() if database == "postgresql" else f"sqlite:///{tmp_path / f'{run}.db'}"
        sample = waiting.carry(url)
        figure = f"{name} into {database}"
        bench.add("sink", figure, sample.rate, "events/s", events=waiting.events)
        bench.add("sink", f"{figure}: CPU of the worker", sample.cpu_seconds_per_million, "s per million")
        bench.add("sink", f"{figure}: peak memory", sample.peak_mb, "MB", target="< 250")


def test_two_workers(balances: Backlog, postgres: PostgresServer, bench: Report) -> None:
    """Two processes share the partitions; on two cores they also share them with PostgreSQL."""
    for _ in range(RUNS):
        one = bench.add("growth", "one worker", balances.carry(postgres.new_database()).rate, "events/s")
        two = bench.add(
            "growth", "two workers", balances.carry(postgres.new_database(), workers=2).rate, "events/s"
        )
    bench.ratio("growth", "two workers / one", two, one)


@pytest.mark.parametrize("keys", KEYS)
def test_keys(
    keys: int,
    kafka: KafkaBroker,
    tmp_path: Path,
    postgres: PostgresServer,
    bench: Report,
) -> None:
    waiting = Backlog("keys", tmp_path, kafka.bootstrap_servers)
    waiting.write(backlog.balances(scaled(EVENTS), keys=keys))
    for _ in range(RUNS):
        rate = waiting.carry(postgres.new_database()).rate
        bench.add("growth", f"{keys:,} keys", rate, "events/s")


def test_ledger(
    balances: Backlog, kafka: KafkaBroker, tmp_path: Path, postgres: PostgresServer, bench: Report
) -> None:
    """The same backlogs into mirrors that hold much already, each run into a copy of one.

    The first meets a database just copied, as after a restore: none of its pages is in memory, and each
    goes to PostgreSQL's log whole when it is first touched. The second is what a mirror does all day.
    """
    more = Backlog("more", tmp_path, kafka.bootstrap_servers)
    more.write(backlog.balances(scaled(EVENTS), seed=2))
    full = {rows: balances.filled(postgres.new_database(), scaled(rows)) for rows in LEDGERS}
    figures: dict[str, Figure] = {}
    for _ in range(RUNS):
        for name, template in [
            ("empty ledger", ""),
            *((f"{rows:,} ledger rows", full[rows]) for rows in full),
        ]:
            url = postgres.new_database(template=template)
            for when, waiting in (("just restored", balances), ("going on", more)):
                figure = f"{name}, {when}"
                figures[figure] = bench.add("growth", figure, waiting.carry(url).rate, "events/s")
            postgres.drop_database(url)
    largest = f"{LEDGERS[-1]:,} ledger rows"
    for when in ("just restored", "going on"):
        held, empty = figures[f"{largest}, {when}"], figures[f"empty ledger, {when}"]
        bench.ratio("growth", f"{largest} / empty, {when}", held, empty, target=">= 0.8")


def test_faust(balances: Backlog, bench: Report) -> None:
    """Faust's own share: consuming with it beside consuming without it."""
    for run in range(RUNS):
        bare, faust = (_micros(balances, way, run) for way in ("bare", "faust"))
        bench.add("faust", "aiokafka alone", bare, "µs an event")
        bench.add("faust", "with Faust and the chunk transport", faust, "µs an event")
        bench.add("faust", "Faust's own share", faust - bare, "µs an event", target="< 15")


def _micros(waiting: Backlog, way: str, run: int) -> float:
    folder = waiting.config_dir(f"{way}-{run}")
    command = [sys.executable, "-m", "tests.benchmarks.consume", str(folder), way, str(waiting.events)]
    environ = {**os.environ, **waiting.environ("sqlite:///unused.db")}
    told = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=True)
    return float(told.stdout.split()[-1])
