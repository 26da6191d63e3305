"""Commands that only read: they wait for nobody, change nothing, make no file, need no secret of others."""

import contextlib
import json
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from typer.testing import CliRunner

from connector import cli, logs
from connector.config import Config
from connector.errors import ConnectorError, StartupError
from connector.local.data_dir import DataFolder
from connector.mirror import database, query, schema, verify
from connector.mirror.dry_run import DryRun
from connector.mirror.rows import touched_by
from connector.mirror.touched import undone
from tests import strategies
from tests.conftest import ROOT, MakeConfig
from tests.servers import free_port
from tests.strategies import NOON, Mirror

DEADLINE_SECONDS = 30
# A few hundred million steps: it ends when its connection does.
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000000) SELECT MAX(i) FROM n"
)
VARIABLES = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "XTND_DATA_DIR", "XTND_WEBHOOK_SECRET")
VARIABLES += ("XTND_WEBHOOK_SECRET_FILE", "XTND_CONFIG_DIR")
Command = Callable[..., str]


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command in this process, without any variable; gives what it printed."""
    for name in VARIABLES:
        # Set first, so that what a command sets in this process is undone as well.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XTND_CONFIG_DIR", str(ROOT / "config"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logs, "configure", lambda **_: None)  # the other tests' logs stay as they are

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(cli.app, arguments)
        if isinstance(result.exception, ConnectorError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "there" / "mirror.db"


@pytest.fixture
def lite(make_config: MakeConfig, file: Path) -> Config:
    """A configuration whose mirror in SQLite holds one event."""
    settings = {"database.url": f"sqlite:///{file}", "database.lock_timeout_seconds": 0.2}
    config = make_config(settings, records=True)
    with strategies.mirror(config) as mirror:
        pick(mirror, "first")
    return config


@pytest.fixture
def configured(make_config: MakeConfig, database_url: str) -> Config:
    return make_config({"database.url": database_url})


def pick(mirror: Mirror, delivery: str, *, at: int = NOON) -> None:
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": delivery}, delivery=delivery, at=at))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and bytes, but what SQLite keeps beside a database."""
    return {
        str(one): (one.stat().st_mtime_ns, one.read_bytes() if one.is_file() else b"")
        for one in sorted(folder.rglob("*"))
        if one.is_file() and not one.name.endswith(("-wal", "-shm"))
    }


READING = [("query", "SELECT * FROM orders"), ("verify",), ("dead-letters", "list"), ("schema",)]


DRY_RUN = ("dead-letters", "replay", "--all", "--dry-run")


@pytest.mark.parametrize("arguments", [*READING, DRY_RUN], ids=" ".join)
def test_a_command_that_reads_waits_for_no_writer_changes_no_file_and_makes_none(
    connector: Command, lite: Config, file: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    before = contents(tmp_path)
    with writing(file):
        connector(*arguments, "--database-url", f"sqlite:///{file}")
    assert contents(tmp_path) == before


@contextlib.contextmanager
def writing(file: Path) -> Iterator[None]:
    """Somebody has begun to write into a mirror in SQLite."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield


def test_a_dry_run_says_what_a_write_does_and_takes_no_lock_of_sqlite(configured: Config) -> None:
    file = database.file_of(configured.database)
    with strategies.mirror(configured) as mirror, contextlib.ExitStack() as held:
        engine = database.connect(configured.database, access="read" if file else "write")
        details = {"Order": {"OrderNumber": "1", "Warehouse": "N"}}
        retried = {"delivery": "a", "attempt": 3, "received": NOON + 600_000_000}
        mirror.write(
            mirror.event("OrderCreated", {"OrderNumber": "1", "OrderType": "late"}, **retried),
            mirror.event("OrderReserved", {"OrderNumber": "1"}, delivery="b", at=NOON + 1),
            mirror.event("PickingStarted", details, delivery="c", at=NOON + 2),
        )
        said = [
            mirror.event("OrderCreated", {"OrderNumber": "1", "OrderType": "first"}, delivery="a"),
            mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="d", at=NOON + 3),
            mirror.event("OrderPicked", {"OrderNumber": "2"}, delivery="e", at=NOON + 4),
        ]
        sink = DryRun(engine, mirror.mapping, schema.fingerprint(mirror.mapping), lambda: NOON)
        before = mirror.rows("orders"), mirror.rows("notifications")
        if file:
            held.enter_context(writing(file))
        effects = sink.run(said)
        held.close()
        assert (mirror.rows("orders"), mirror.rows("notifications")) == before
        mirror.write(*said)
        assert sink.run(said).changes == []
        after = {row["order_number"]: row for row in mirror.rows("orders")}
    assert {identity[0] for identity in effects.known} == {"a:0"}
    assert not effects.refused
    first, second = (change for change in effects.changes if change.table == "orders")
    assert first.columns["order_type"] == ("late", "first")
    assert first.columns["status"] == ("picking", "picked")
    for change in (first, second):
        row = after[change.key["order_number"]]
        assert change.after is not None
        for name in ("order_type", "status", "reserved_count", "event_count", "last_event_id"):
            assert change.after[name] == row[name], name
    engine.dispose()


@pytest.mark.parametrize("arguments", READING[:-1], ids=" ".join)
def test_a_mirror_that_is_not_there_is_named_and_not_made(
    connector: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    try:
        said = connector(*arguments, "--database-url", "sqlite:///nowhere/mirror.db", code=1)
    except StartupError as error:
        said = str(error)
    assert str(tmp_path / "nowhere" / "mirror.db") in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [*READING, ("check",), ("topics", "--check")], ids=" ".join)
def test_a_data_folder_that_is_not_there_is_named(
    connector: Command, tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS")
    with pytest.raises(StartupError, match=r"elsewhere(.|\n)*--data-dir"):
        connector(*arguments, "--data-dir", "elsewhere")
    assert list(tmp_path.iterdir()) == []


def test_another_dialect_than_the_two_is_refused(connector: Command) -> None:
    said = connector("schema", "--dialect", "mysql", code=2)
    assert "sqlite" in said
    assert "CREATE TABLE" not in said


# --- Each needs only the secrets that it uses ----------------------------------------------------


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration in which every secret must be given."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    text = (tmp_path / "config" / "connector.yaml").read_text()
    sasl = "${KAFKA_SECURITY_PROTOCOL:-SASL_SSL}\n  sasl_mechanism: PLAIN\n  sasl_username: me"
    sasl += "\n  sasl_password: ${KAFKA_PASSWORD}\n"
    for before, after in (
        ("${XTND_WEBHOOK_SECRET:-}", "${XTND_WEBHOOK_SECRET}"),
        ("${DATABASE_URL:-sqlite:///data/mirror.db}", "${DATABASE_URL}"),
        ("${KAFKA_SECURITY_PROTOCOL:-PLAINTEXT}", sasl),
    ):
        assert before in text
        text = text.replace(before, after)
    (tmp_path / "config" / "connector.yaml").write_text(text)
    monkeypatch.setenv("XTND_CONFIG_DIR", str(tmp_path / "config"))


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_look_into_the_mirror_needs_neither_the_webhooks_secret_nor_kafkas(
    connector: Command, lite: Config, file: Path, strict: None, arguments: tuple[str, ...]
) -> None:
    connector(*arguments, "--database-url", f"sqlite:///{file}")


def test_check_goes_on_without_the_webhooks_secret_and_makes_no_file(
    connector: Command, lite: Config, file: Path, tmp_path: Path, kafka_bootstrap: str
) -> None:
    before = contents(tmp_path)
    # There are no topics, which is a fault.
    said = connector("check", "--database-url", f"sqlite:///{file}", "--kafka", kafka_bootstrap, code=1)
    assert "XTND_WEBHOOK_SECRET" in said
    assert "schema: as tables.yaml says" in said
    missing = connector("check", "--database-url", "sqlite:///none/x.db", "--kafka", kafka_bootstrap, code=1)
    assert str(tmp_path / "none" / "x.db") in missing
    assert contents(tmp_path) == before


def test_what_a_command_uses_it_still_asks_for(connector: Command, strict: None) -> None:
    with pytest.raises(ConnectorError, match="DATABASE_URL is not set"):
        connector("query", "SELECT 1")
    with pytest.raises(ConnectorError, match="KAFKA_PASSWORD is not set"):
        connector("topics", "--check")


def test_a_look_at_the_topics_needs_no_database(
    connector: Command, strict: None, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    monkeypatch.setenv("KAFKA_PASSWORD", "x")
    assert "xtnd.orders" in connector("topics", "--check", "--kafka", kafka_bootstrap, code=1)


def test_the_text_of_the_schema_needs_no_database_where_the_dialect_is_given(
    connector: Command, strict: None
) -> None:
    assert "CREATE TABLE" in connector("schema", "--dialect", "postgresql")


# --- A folder answers for itself -----------------------------------------------------------------


def test_a_copied_data_folder_answers_for_itself(
    connector: Command, make_config: MakeConfig, tmp_path: Path
) -> None:
    here, copy = DataFolder(tmp_path / "here"), DataFolder(tmp_path / "copy")
    config = make_config({"database.url": here.database_url})
    with strategies.mirror(config) as mirror:
        pick(mirror, "kept")
    (here.path / "kafka").mkdir()
    noted = {"DATABASE_URL": here.database_url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    noted |= {"XTND_DATA_DIR": str(here.path), "XTND_WEBHOOK_SECRET_FILE": str(here.secret_file)}
    here.write_endpoints(noted)
    shutil.copytree(here.path, copy.path)
    with strategies.mirror(config) as mirror:
        pick(mirror, "later")
    assert copy.endpoints() == {
        "DATABASE_URL": copy.database_url,
        "XTND_DATA_DIR": str(copy.path),
        "XTND_WEBHOOK_SECRET_FILE": str(copy.secret_file),
    }
    assert here.endpoints() == noted
    said = connector("query", "--json", "SELECT order_number FROM orders", "--data-dir", "copy")
    assert json.loads(said) == {"order_number": "kept"}


def test_a_named_folder_in_which_nothing_was_started_answers_for_itself(
    connector: Command, lite: Config, file: Path
) -> None:
    said = connector("query", "--json", "SELECT order_number FROM orders", "--data-dir", str(file.parent))
    assert json.loads(said) == {"order_number": "first"}


# --- Nothing waits for a reader, and a reader sees one state --------------------------------------


def test_a_dry_run_beside_a_mirror_in_sqlite_finds_what_a_trigger_there_refuses(lite: Config) -> None:
    trigger = "CREATE TRIGGER no BEFORE INSERT ON _orders BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    with strategies.mirror(lite) as mirror:
        with database.transaction(mirror.engine) as connection:
            connection.exec_driver_sql(trigger)
        engine = database.connect(lite.database, access="read")
        sink = DryRun(engine, mirror.mapping, schema.fingerprint(mirror.mapping), lambda: NOON)
        effects = sink.run([mirror.event("OrderCreated", {"OrderNumber": "new"}, delivery="d")])
        engine.dispose()
    (poison,) = effects.refused.values()
    assert "not this one" in poison.error


def test_a_dry_run_beside_a_mirror_in_sqlite_copies_the_events_of_its_rows_alone(lite: Config) -> None:
    with strategies.mirror(lite) as mirror:
        same = {"Warehouse": "N", "Balance": 1}
        sent = [
            mirror.event("BalanceChanged", {"ProductNumber": name, **same}, delivery=name) for name in "abc"
        ]
        mirror.write(*sent)
        engine = database.connect(lite.database, access="read")
        touched = touched_by(mirror.mapping, mirror.mapping.contributions(sent[0]))
        assert {table.name for table, _ in touched} == {"stock_balances", "stock_balance_history"}
        with undone(engine, [sent[0].identity], lambda _known: touched) as copy:
            rows = copy.exec_driver_sql("SELECT event_id FROM main._notifications").scalars().all()
        engine.dispose()
    assert rows == [sent[0].event_id]


def test_a_slow_query_does_not_hold_up_the_writer_of_sqlite(lite: Config) -> None:
    reading, open_connections = database.connect(lite.database, access="read"), queue.Queue[Any]()
    event.listen(reading, "begin", lambda one: open_connections.put(one.connection.driver_connection))
    with ThreadPoolExecutor(1) as pool, strategies.mirror(lite) as mirror:
        slow = pool.submit(query.run, reading, ENDLESS)
        connection = open_connections.get(timeout=DEADLINE_SECONDS)
        for number in range(20):  # each would fail after 0.2 s behind a lock
            pick(mirror, f"while-{number}")
        assert not slow.done()
        connection.interrupt()
        with pytest.raises(ConnectorError, match="interrupted"):
            slow.result(DEADLINE_SECONDS)


def test_verify_finds_no_difference_while_a_worker_writes(configured: Config) -> None:
    stop, written = threading.Event(), queue.SimpleQueue[int]()
    with ThreadPoolExecutor(1) as pool, strategies.mirror(configured) as mirror:
        reading = database.connect(configured.database, access="read")

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                details = {"ProductNumber": f"p{number % 50}", "Warehouse": "N", "Balance": number}
                mirror.write(mirror.event("BalanceChanged", details, delivery=f"d{number}", at=NOON + number))
                written.put(number)

        writing = pool.submit(write)
        try:
            for _ in range(20):
                written.get(timeout=DEADLINE_SECONDS)
                assert verify.differences(reading, mirror.mapping) == []
        finally:
            stop.set()
        writing.result(DEADLINE_SECONDS)
    reading.dispose()


# --- A query is one query ------------------------------------------------------------------------


@pytest.fixture
def reading(configured: Config) -> Iterator[Engine]:
    with strategies.mirror(configured) as mirror:
        pick(mirror, "first")
    engine = database.connect(configured.database, access="read")
    yield engine
    engine.dispose()


CHANGES = (
    "SELECT 1; COMMIT; DROP TABLE orders; SELECT 1",
    "WITH a AS (SELECT 1) SELECT 1; COMMIT; BEGIN; DELETE FROM orders; COMMIT; SELECT 1",
    "COMMIT; DROP TABLE orders",
    # A session that only reads would not keep this one out: it has to be one statement.
    "SELECT set_config('default_transaction_read_only', 'off', false); COMMIT; DROP TABLE orders; SELECT 1",
    "DELETE FROM orders",
    "WITH a AS (SELECT 1) DELETE FROM orders RETURNING *",
    "-- only a SELECT\nDELETE FROM orders RETURNING *",
    "/* SELECT */ UPDATE orders SET status = 'x' RETURNING *",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', false), (SELECT 1 FROM orders FOR UPDATE)",
    "",
)
FILES = (
    "ATTACH 'made.db' AS made",
    "VACUUM INTO 'made.db'",
    "PRAGMA journal_mode = DELETE",
    "COPY (SELECT 1) TO '{folder}/made'",
    "COPY (SELECT 1) TO PROGRAM 'cat > {folder}/made'",
    # Comments that end elsewhere for PostgreSQL or SQLite than they seem to.
    "/* /* */ SELECT */ COPY (SELECT 1) TO '{folder}/made'",
    "--\rCOPY (SELECT 1) TO '{folder}/made' /*\nSELECT*/",
    "--\rSELECT\nVACUUM INTO 'made.db'",
)
TEXTS = ("SELECT '50%' AS a, ':b' AS b, '?' AS c", "VALUES ('50%', ':b', '?')", "(SELECT '50%', ':b', '?')")


def test_a_query_changes_nothing_and_makes_no_file_whatever_follows_it(
    reading: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o777)
    rows, files = query.run(reading, "SELECT * FROM orders").rows, names(tmp_path)
    for sql in CHANGES:
        with pytest.raises(ConnectorError):
            query.run(reading, sql)
        assert query.run(reading, "SELECT * FROM orders").rows == rows, sql
    for sql in [one.format(folder=tmp_path) for one in FILES]:
        with pytest.raises(StartupError, match="not a query"):  # the database is not asked
            query.run(reading, sql)
        assert query.run(reading, "SELECT * FROM orders").rows == rows, sql
        assert names(tmp_path) == files, sql


def test_a_table_that_explain_makes_on_its_way_is_undone(reading: Engine) -> None:
    making = "CREATE TABLE made AS SELECT 1"
    explained = "EXPLAIN ANALYZE" if reading.dialect.name == "postgresql" else "EXPLAIN"
    assert query.run(reading, f"{explained} {making}").rows
    with pytest.raises(StartupError, match="no table or view made"):
        query.run(reading, "SELECT * FROM made")


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()} - {"mirror.db-wal", "mirror.db-shm"}


def test_the_text_of_a_query_is_sql_alone(reading: Engine) -> None:
    for sql in TEXTS[: 2 if reading.dialect.name == "sqlite" else 3]:
        assert query.run(reading, sql).rows == [("50%", ":b", "?")]
    assert query.run(reading, "EXPLAIN SELECT 1").rows
