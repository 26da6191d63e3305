"""Servers that the faults may break, a stack on them, and the table at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from connector.local.broker import KafkaBroker
from tests.conftest import DATABASES
from tests.faults import report
from tests.faults.harness import Stack
from tests.faults.report import Line
from tests.servers import PostgresServer, kafka_broker, postgres_server, resume

MakeStack = Callable[..., Stack]
BOTH = pytest.mark.parametrize("mirror", DATABASES, indirect=True)


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
    if request.node.get_closest_marker("faults"):
        report.write(made)


@pytest.fixture
def mirror(request: pytest.FixtureRequest) -> str:
    """The database's kind; a test on ``BOTH`` runs on SQLite too."""
    return str(getattr(request, "param", "postgresql"))


@pytest.fixture
def mirror_url(request: pytest.FixtureRequest, mirror: str, tmp_path: Path) -> str:
    """An empty database."""
    if mirror == "sqlite":
        return f"sqlite:///{tmp_path / 'mirror.db'}"
    return str(request.getfixturevalue("fault_postgres").new_database())


@pytest.fixture
def make_stack(
    broker: KafkaBroker, mirror: str, mirror_url: str, tmp_path: Path, line: Line
) -> Iterator[MakeStack]:
    """Makes the test's stack: ``gateway``, ``database`` and ``worker`` are settings of theirs."""
    if mirror == "sqlite":
        line.notes.append("mirror in SQLite")
    with ExitStack() as made:

        def make(
            *, gateway: dict[str, Any] | None = None, database: dict[str, Any] | None = None, **worker: Any
        ) -> Stack:
            sections = {"gateway": gateway or {}, "database": database or {}}
            stack = Stack(tmp_path, broker.bootstrap_servers, mirror_url, line, sections, worker)
            made.callback(stack.close)
            return stack

        yield make


def pytest_collection_finish(session: pytest.Session) -> None:
    """A whole run of ``make test-faults`` writes a whole file."""
    option = session.config.option
    everything = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS and not option.keyword
    if everything and option.markexpr == "faults" and not option.collectonly:
        report.begin_afresh()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if report.lines:
        terminalreporter.section(f"faults (XTND_FAULT_SCALE={report.SCALE:g})")
        for text in report.table():
            terminalreporter.write_line(text)
