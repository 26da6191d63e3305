# ruff: noqa: E501, PT012 - an input and what it gives stand in one line; a transaction fails as a whole
"""Real errors of real databases, and the reaction that each needs: wait, park, or stop."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from connector.config import Config, DatabaseSettings
from connector.errors import ConnectorError, DatabaseOutage, Defect, Poison
from connector.mirror import database
from connector.mirror.dialects import postgresql
from tests import servers
from tests.conftest import MakeConfig

DEADLINE_SECONDS = 30


def run(engine: Engine, *statements: str) -> None:
    with database.transaction(engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def raised(engine: Engine, *statements: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        run(engine, *statements)
    return caught.value


# --- PostgreSQL ----------------------------------------------------------------------------------


@pytest.fixture
def configured(make_config: MakeConfig, postgres: Any) -> Config:
    overrides: dict[str, object] = {
        "database.url": postgres.new_database(),
        "database.lock_timeout_seconds": 0.2,
    }
    return make_config(overrides)


@pytest.fixture
def engine(configured: Config) -> Iterator[Engine]:
    found = database.connect(configured.database, connections=3)
    run(found, "CREATE TABLE things (name TEXT PRIMARY KEY, amount NUMERIC, data JSONB)")
    yield found
    found.dispose()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO things VALUES ('a', 'x'::text::numeric)", "22P02"),
        ("INSERT INTO things VALUES ('a', 1, '{\"a\": 1e200000}')", "22003"),
        ("INSERT INTO things VALUES ('a', 1, '\"\\u0000\"')", "22P05"),
        ("INSERT INTO things VALUES ('a'), ('a')", "23505"),
        ("INSERT INTO things VALUES (NULL)", "23502"),
        (
            "INSERT INTO things SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n",
            "54000",
        ),
    ],
)
def test_a_value_that_postgresql_refuses_is_poison(engine: Engine, statement: str, said: str) -> None:
    error = raised(engine, statement)
    assert isinstance(error, Poison)
    assert error.reason == "database-refused"
    assert said in error.error


def test_a_value_that_cannot_be_sent_to_postgresql_is_poison(engine: Engine) -> None:
    with pytest.raises(Poison), database.transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO things VALUES (%s)", ("a\x00b",))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT nothing FROM things", "42703"),
        ("SELEC", "42601"),
    ],
)
def test_a_table_or_column_that_is_missing_is_a_defect(engine: Engine, statement: str, said: str) -> None:
    error = raised(engine, statement)
    assert isinstance(error, Defect)
    assert said in str(error)


def test_something_that_somebodys_view_stands_on_is_a_defect_and_not_waited_out(engine: Engine) -> None:
    assert isinstance(
        raised(engine, "CREATE VIEW theirs AS SELECT * FROM things", "DROP TABLE things"), Defect
    )


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (("SET TRANSACTION READ ONLY", "INSERT INTO things VALUES ('a')"), "25006"),
        (("SET LOCAL statement_timeout = 10", "SELECT pg_sleep(30)"), "57014"),
        (("SELECT pg_terminate_backend(pg_backend_pid())",), "57P01"),
        (("SET LOCAL ROLE pg_monitor", "INSERT INTO things VALUES ('a')"), "42501"),
    ],
)
def test_what_passes_or_is_mended_outside_is_an_outage(
    engine: Engine, statements: tuple[str, ...], said: str
) -> None:
    error = raised(engine, *statements)
    assert isinstance(error, DatabaseOutage)
    assert said in str(error)
    run(engine, "INSERT INTO things VALUES ('after it')")


def test_a_lock_that_does_not_come_in_time_is_an_outage(engine: Engine) -> None:
    with database.transaction(engine) as holder:
        holder.exec_driver_sql("LOCK TABLE things")
        error = raised(engine, "INSERT INTO things VALUES ('a')")
    assert isinstance(error, DatabaseOutage)
    assert "55P03" in str(error)


def test_a_deadlock_is_an_outage_for_one_and_nothing_for_the_other(engine: Engine) -> None:
    run(engine, "INSERT INTO things VALUES ('a', 0), ('b', 0)")
    both_hold = threading.Barrier(2)

    def work(first: str, second: str) -> str:
        try:
            with database.transaction(engine) as connection:
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql(f"UPDATE things SET amount = amount + 1 WHERE name = '{first}'")
                both_hold.wait(DEADLINE_SECONDS)
                connection.exec_driver_sql(f"UPDATE things SET amount = amount + 1 WHERE name = '{second}'")
        except DatabaseOutage as outage:
            return str(outage)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        results = [
            one.result(DEADLINE_SECONDS) for one in [pool.submit(work, "a", "b"), pool.submit(work, "b", "a")]
        ]
    assert {"deadlock" if "40P01" in one else one for one in results} == {"deadlock", "done"}


def test_a_write_that_cannot_be_serialized_is_an_outage(engine: Engine) -> None:
    run(engine, "INSERT INTO things VALUES ('a', 0)")
    with pytest.raises(DatabaseOutage, match="40001"), database.transaction(engine) as connection:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("SELECT * FROM things")
        run(engine, "UPDATE things SET amount = 1")
        connection.exec_driver_sql("UPDATE things SET amount = 2")


def test_a_session_that_is_ended_from_outside_is_an_outage_and_the_next_one_works(engine: Engine) -> None:
    with pytest.raises(DatabaseOutage), database.transaction(engine) as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        run(engine, f"SELECT pg_terminate_backend({pid}, 5000)")
        connection.exec_driver_sql("SELECT 1")
    run(engine, "SELECT 1")


def test_a_session_that_was_ended_while_it_was_idle_is_replaced(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction(engine) as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with engine.connect(), engine.connect() as other:
        other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    monkeypatch.setattr(postgresql, "ASKED_AFTER_SECONDS", 0.0)
    with engine.connect() as one, engine.connect() as another:
        assert [each.exec_driver_sql("SELECT 1").scalar() for each in (one, another)] == [1, 1]


def test_no_free_connection_is_an_outage(make_config: MakeConfig, postgres: Any) -> None:
    overrides: dict[str, object] = {
        "database.url": postgres.new_database(),
        "database.connect_timeout_seconds": 0.1,
    }
    engine = database.connect(make_config(overrides).database)
    with engine.connect(), engine.connect(), engine.connect():
        assert isinstance(raised(engine, "SELECT 1"), DatabaseOutage)
    engine.dispose()


def test_a_server_that_stops_is_an_outage_and_the_same_engine_goes_on_when_it_is_back(
    make_config: MakeConfig,
) -> None:
    with servers.postgres_server() as server:
        engine = database.connect(make_config({"database.url": server.new_database()}).database)
        run(engine, "CREATE TABLE things (name TEXT)")
        with pytest.raises(DatabaseOutage), database.transaction(engine) as connection:
            connection.exec_driver_sql("INSERT INTO things VALUES ('lost')")
            server.stop()
            connection.exec_driver_sql("INSERT INTO things VALUES ('lost')")
        assert isinstance(raised(engine, "SELECT 1"), DatabaseOutage)
        server.start()
        with database.transaction(engine) as connection:
            assert connection.exec_driver_sql("SELECT COUNT(*) FROM things").scalar_one() == 0
        engine.dispose()


def test_a_database_that_is_not_there_is_an_outage(make_config: MakeConfig, postgres: Any) -> None:
    url = postgres.new_database() + "_not"
    engine = database.connect(make_config({"database.url": url}).database)
    assert isinstance(raised(engine, "SELECT 1"), DatabaseOutage)


# --- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "mirror.db"


@pytest.fixture
def lite(make_config: MakeConfig, file: Path) -> Iterator[Engine]:
    overrides: dict[str, object] = {"database.url": f"sqlite:///{file}", "database.lock_timeout_seconds": 0.1}
    found = database.connect(make_config(overrides).database)
    run(found, "CREATE TABLE things (name TEXT PRIMARY KEY, amount INTEGER NOT NULL DEFAULT 0) STRICT")
    yield found
    found.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO things VALUES ('a', 'x')",
        "INSERT INTO things VALUES ('a', NULL)",
        "INSERT INTO things VALUES ('a', 1), ('a', 2)",
    ],
)
def test_a_value_that_sqlite_refuses_is_poison(lite: Engine, statement: str) -> None:
    error = raised(lite, statement)
    assert isinstance(error, Poison)
    assert error.reason == "database-refused"


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELECT nothing FROM things", "SELEC"])
def test_a_missing_table_of_sqlite_is_a_defect(lite: Engine, statement: str) -> None:
    assert isinstance(raised(lite, statement), Defect)


def test_a_file_that_another_program_writes_is_an_outage(lite: Engine, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    error = raised(lite, "INSERT INTO things VALUES ('a', 1)")
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(error, DatabaseOutage)
    assert "locked" in str(error)
    run(lite, "INSERT INTO things VALUES ('a', 1)")


def test_a_file_that_may_not_be_written_is_an_outage(lite: Engine) -> None:
    error = raised(lite, "PRAGMA query_only = ON", "INSERT INTO things VALUES ('a', 1)")
    assert isinstance(error, DatabaseOutage)
    assert "SQLITE_READONLY" in str(error)


def test_a_full_disk_is_an_outage_and_takes_the_transaction_back(lite: Engine) -> None:
    error = raised(
        lite,
        "INSERT INTO things VALUES ('kept?', 1)",
        "PRAGMA max_page_count = 1",
        "INSERT INTO things SELECT hex(randomblob(500)), 1 FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9))",
    )
    assert isinstance(error, DatabaseOutage)
    with database.transaction(lite) as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM things").scalar_one() == 0


def test_the_drivers_are_the_connectors_own_whatever_the_url_names(make_config: MakeConfig) -> None:
    for url in ("postgres://h/d", "postgresql+asyncpg://h/d"):
        assert database.url_of(make_config({"database.url": url}).database).drivername == "postgresql+psycopg"


# --- The database's clock ------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0.0, 3600.0, -600.0])
def test_the_distance_to_postgresqls_clock_is_measured(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + wrong)
    assert database.clock_distance(engine) == pytest.approx(wrong, abs=1)


def test_sqlite_has_no_clock_of_its_own_and_is_not_locked_for_a_look(tmp_path: Path) -> None:
    settings = DatabaseSettings(url=f"sqlite:///{tmp_path / 'mirror.db'}")
    assert database.clock_distance(database.connect(settings)) is None
    assert list(tmp_path.iterdir()) == []
