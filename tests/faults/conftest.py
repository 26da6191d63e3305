"""Servers that the faults may break, a stack on them, and the table at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from connector.local.broker import KafkaBroker
from tests.faults import report
from tests.faults.harness import Stack
from tests.faults.report import Line
from tests.servers import PostgresServer, kafka_broker, postgres_server, resume

MakeStack = Callable[..., Stack]


@pytest.fixture(scope="package")
def fault_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A Kafka of these tests' own, which allows short sessions."""
    with kafka_broker(tmp_path_factory, settings="group.min.session.timeout.ms=500\n") as made:
        yield made


@pytest.fixture
def broker(fault_broker: KafkaBroker) -> Iterator[KafkaBroker]:
    """The same Kafka, up and awake again after each test."""
    yield fault_broker
    resume(fault_broker.pid)
    if fault_broker.process is None or fault_broker.process.poll() is not None:
        fault_broker.start()
        fault_broker.wait_ready(90)


@pytest.fixture(scope="package")
def fault_postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """The test's line in the table; the test gives its words and ends with ``passed``."""
    made = Line(request.node.name)
    report.lines.append(made)
    yield made
    report.write()


@pytest.fixture
def make_stack(
    broker: KafkaBroker, fault_postgres: PostgresServer, tmp_path: Path, line: Line
) -> Iterator[MakeStack]:
    """Makes the test's stack: ``gateway`` and ``worker`` are settings of theirs."""
    with ExitStack() as made:

        def make(*, gateway: dict[str, Any] | None = None, **worker: Any) -> Stack:
            url = fault_postgres.new_database()
            stack = Stack(tmp_path, broker.bootstrap_servers, url, line, gateway or {}, worker)
            made.callback(stack.close)
            return stack

        yield make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if report.lines:
        terminalreporter.section(f"faults (XTND_FAULT_SCALE={report.SCALE:g})")
        for text in report.table():
            terminalreporter.write_line(text)
