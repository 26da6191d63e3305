"""Servers that the tests share: one real Apache Kafka and one real PostgreSQL per session."""

import contextlib
import itertools
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings

from connector import config
from connector.config import Config
from connector.config.database_url import Backend
from tests import servers

ROOT = Path(__file__).parent.parent
SECRET = "0123456789abcdef" * 4
MakeConfig = Callable[..., Config]
# What a test runs on, one after the other.
DATABASES = tuple(Backend)

settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# For --hypothesis-profile; CI looks a second time, on another Python, with it.
settings.register_profile("few", settings.get_profile("default"), max_examples=20)
settings.load_profile("default")

_prefixes = itertools.count(1)
# Kafka lives for minutes here: Java's second compiler and its parallel collector cost more than they save.
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"

# A shell that starts the tests in the background has them, and the commands that they run, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every long fault has its line in the table of ``tests/faults``; what measures has Java as it comes."""
    if not any("benchmarks" in item.path.parts for item in items):
        os.environ.setdefault("JAVA_TOOL_OPTIONS", QUICK_JAVA)
    without = [
        item.nodeid
        for item in items
        if item.get_closest_marker("faults") and "line" not in getattr(item, "fixturenames", ())
    ]
    if without:
        raise pytest.UsageError(f"marked as faults, but without a line in the table: {', '.join(without)}")


@pytest.fixture(autouse=True, scope="session")
def loggers() -> Iterator[None]:
    """Commands in the tests' own process set up its logs; tests see the logs of every module all the same."""
    configure = structlog.configure

    def uncached(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    with mock.patch.object(structlog, "configure", uncached):
        yield


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Commands make new files private, for their process: the tests' own process goes on as it was."""
    before = os.umask(0)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running Apache Kafka for the whole session."""
    with servers.kafka_broker(tmp_path_factory) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka: Any) -> str:
    """``HOST:PORT`` of the session's Apache Kafka."""
    return str(kafka.bootstrap_servers)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A running PostgreSQL for the whole session."""
    with servers.postgres_server() as server:
        yield server


def new_database(dialect: str, request: pytest.FixtureRequest, file: Path) -> str:
    """The URL of an empty database; ``file`` is the one that it is where it needs no server."""
    if dialect == Backend.postgresql:
        return str(request.getfixturevalue("postgres").new_database())
    return f"{dialect}:///{file}"


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, empty database: the test runs once on each."""
    url = new_database(request.param, request, tmp_path / "mirror.db")
    yield url
    if request.param == Backend.postgresql:  # hundreds of them fill the memory that they are in
        with contextlib.suppress(psycopg.Error):
            request.getfixturevalue("postgres").drop_database(url)


def shipped(*, records: bool = False) -> dict[str, str]:
    """The text of each shipped file; without ``records`` as ``tables_of_hooks`` says."""
    texts = {name: (ROOT / "config" / name).read_text(encoding="utf-8") for name in config.FILES}
    return texts if records else texts | {"tables.yaml": tables_of_hooks(texts["tables.yaml"])}


def tables_of_hooks(shipped: str) -> str:
    """The shipped tables.yaml without the tables of records and their views: they are most of a mirror."""
    tables, found = re.subn(r"(?ms)^  # What records say.*?(?=^# A view is of a kind)", "", shipped)
    tables, views = re.subn(r"(?ms)^  orders_full:.*", "", tables)
    assert (found, views) == (1, 1)
    return tables


@pytest.fixture
def make_config() -> MakeConfig:
    """The shipped configuration with overrides by dotted name, and a topic prefix of its own."""

    def make(
        overrides: dict[str, object] | None = None, *, records: bool = False, **variables: str
    ) -> Config:
        own = f"t{os.getpid()}-{next(_prefixes)}."
        return config.parse(
            shipped(records=records),
            {"XTND_WEBHOOK_SECRET": SECRET} | variables,
            {"topics.prefix": own, "worker.group": own} | (overrides or {}),
        )

    return make
