"""Servers for the benchmarks, and the table at the end."""

from collections.abc import Iterator

import pytest

from connector.local.broker import KafkaBroker
from tests.benchmarks import backlog
from tests.benchmarks.backlog import EVENTS, Backlog
from tests.benchmarks.report import RUNS, SCALE, Report, scaled
from tests.servers import PostgresServer, kafka_broker, postgres_server

report = Report()
# PostgreSQL as it is set up for a mirror of this size (docs/performance.md); durability stays on.
POSTGRES = ("shared_buffers=6GB", "max_wal_size=8GB", "checkpoint_timeout=15min")


@pytest.fixture(scope="session")
def bench() -> Report:
    return report


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """An Apache Kafka of the benchmarks' own."""
    with kafka_broker(tmp_path_factory) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server(settings=POSTGRES) as server:
        yield server


@pytest.fixture(scope="session")
def balances(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Backlog:
    made = Backlog("balances", tmp_path_factory.mktemp("balances"), kafka.bootstrap_servers)
    return made.write(backlog.balances(scaled(EVENTS)))


@pytest.fixture(scope="session")
def mix(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Backlog:
    made = Backlog("mix", tmp_path_factory.mktemp("mix"), kafka.bootstrap_servers)
    return made.write(backlog.mix(scaled(EVENTS), made.config()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    yield
    report.write()  # after each benchmark, so that an interrupted run keeps what it has


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if report.figures:
        terminalreporter.section(f"benchmarks (XTND_BENCH_RUNS={RUNS}, XTND_BENCH_SCALE={SCALE:g})")
        for text in report.table():
            terminalreporter.write_line(text)
