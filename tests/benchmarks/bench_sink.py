"""The sink: a backlog from Kafka into the database, by one worker process and by two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connector.local.broker import KafkaBroker
from tests.benchmarks import backlog
from tests.benchmarks.backlog import EVENTS, Backlog
from tests.benchmarks.report import RUNS, Report, Targets, scaled
from tests.servers import PostgresServer

KEYS = (1_000, 10_000, 100_000)
LEDGER = 10_000_000
TARGETS = {
    ("balances", "postgresql"): Targets("<= 38", ">= 35000", "< 220"),
    ("mix", "postgresql"): Targets(memory="< 220"),
    ("balances", "sqlite"): Targets(rate=">= 15000", memory="< 220"),
    ("mix", "sqlite"): Targets(rate=">= 18000", memory="< 220"),
}

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
        server = postgres if database == "postgresql" else None
        figure = f"{name} into {database}"
        bench.run("sink", figure, waiting.carry(url, server=server), targets=TARGETS[name, database])


def test_two_workers(balances: Backlog, postgres: PostgresServer, bench: Report) -> None:
    """Two processes share the partitions; on two cores they also share them with PostgreSQL."""
    names = {"one worker": 1, "two workers": 2}
    for _ in range(RUNS):
        for name, workers in names.items():
            carried = balances.carry(postgres.new_database(), workers=workers, server=postgres)
            bench.run("growth", name, carried)
    bench.versus("growth", "two workers / one", "two workers", "one worker")


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
        carried = waiting.carry(postgres.new_database(), server=postgres)
        bench.run("growth", f"{keys:,} keys", carried)


def test_ledger(
    balances: Backlog, kafka: KafkaBroker, tmp_path: Path, postgres: PostgresServer, bench: Report
) -> None:
    """Three backlogs, one after another, into mirrors that hold much already, each run into a copy of one.

    The first meets a database just copied, as after a restore: none of its pages is in memory, and each
    goes to PostgreSQL's log whole when it is first touched. By the third most pages have been touched, and
    the tables have been vacuumed as autovacuum does in time: that is what a mirror does all day.
    """
    stretches = {"just restored": balances}
    for seed, name in ((2, "going on"), (3, "warm and vacuumed")):
        stretches[name] = Backlog(f"seed-{seed}", tmp_path, kafka.bootstrap_servers)
        stretches[name].write(backlog.balances(scaled(EVENTS), seed=seed))
    large = f"{LEDGER:,} ledger rows"
    full = balances.filled(postgres.new_database(), scaled(LEDGER))
    for _ in range(RUNS):
        for name, template in {"empty ledger": "", large: full}.items():
            url = postgres.new_database(template=template)
            for when, waiting in stretches.items():
                if waiting is stretches["warm and vacuumed"]:
                    backlog.vacuum(url)
                bench.run("growth", f"{name}, {when}", waiting.carry(url, server=postgres))
            postgres.drop_database(url)
    for when in stretches:
        target = "" if when == "just restored" else ">= 0.85"
        names = f"{large}, {when}", f"empty ledger, {when}"
        bench.versus("growth", f"{large} / empty, {when}", *names, target=target)


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
