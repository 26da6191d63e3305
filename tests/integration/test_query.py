"""``connector query``: how it prints, and the fix that each error names, on both databases."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from connector.commands.options import Format, behind_options
from connector.commands.rows import PrintedRows
from connector.config import DatabaseSettings
from connector.errors import ConnectorError, DatabaseOutage, StartupError
from connector.local.stopping import wait_until
from connector.mirror import database, remedies
from connector.mirror.query import run
from tests.conftest import ROOT

DEADLINE_SECONDS = 60
EVIL = "[red]x[/red]\x1b[31m\x1b]8;;http://evil\x07\x9b31m\u202e\r\nConnected.\t|"
TABLES = (
    "CREATE TABLE orders (order_number TEXT PRIMARY KEY, status TEXT, amount NUMERIC)",
    "CREATE TABLE purchases (purchase_number TEXT PRIMARY KEY, order_number TEXT)",
    "CREATE VIEW open_orders AS SELECT * FROM orders WHERE status <> 'picked'",
)


def settings(url: str, **more: object) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url, "lock_timeout_seconds": 0.2} | more)


@pytest.fixture
def reader(database_url: str) -> Iterator[Engine]:
    writer = database.connect(settings(database_url))
    with writer.begin() as connection:
        for statement in TABLES:
            connection.exec_driver_sql(statement)
        connection.execute(text("INSERT INTO orders VALUES ('1', :evil, 1.50)"), {"evil": EVIL})
    writer.dispose()
    engine = database.connect(settings(database_url), access="read")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("sql", "what", "fix"),
    [
        ("SELECT * FROM ordres", "no table or view ordres", "write orders"),
        ('SELECT * FROM "Orders_"', "no table or view Orders_", "write orders"),
        ("SELECT * FROM main.opened_orders", "no table or view opened_orders", "write open_orders"),
        ("SELECT * FROM zzzz", "no table or view zzzz", "there are: open_orders, orders, purchases"),
        ("SELECT ordernumber FROM orders", "no column ordernumber", "write order_number (of"),
        ("SELECT o.statuss FROM orders o", "no column statuss", "write status (of"),
        ("SELECT * FROM orders WHERE status = [zzzz]", "", ""),
        ("SELECT upperr(status) FROM orders", "no function upperr", "write upper"),
        ("SELECT * FROM nope.orders", "no table or view nope.orders", "write orders"),
        ("SELECT amount FROM purchases", "no column amount", "write amount (of"),
        ("SELECT status FROM orders LIMIT 'x'", "", "correct the query there"),
        ("SELECT * FROM orders WHERE status = $1", "", "write the value itself"),
        ("SELECT 1 + FROM orders", "cannot be read near FROM", "correct it there"),
        ("SELECT status FORM orders", "cannot be read near orders", "correct it there"),
        ("SELECT (1", "ends too early", "correct it there"),
        ("SELECT 1; DROP TABLE orders", "one query", "a command of its own"),
        ("SELECT order_number FROM orders, purchases", "ambiguous", "TABLE.COLUMN"),
        ("WITH x AS (SELECT 1) DELETE FROM orders", "", "own client"),
        ("SELEC 1", "That is not a query", "SELECT"),
    ],
)
def test_an_error_of_a_query_names_its_own_fix(reader: Engine, sql: str, what: str, fix: str) -> None:
    if reader.dialect.name == "postgresql":
        sql = sql.replace("main.", "public.").replace("[zzzz]", '"zzzz"')
    with pytest.raises(StartupError) as found:
        run(reader, sql)
    assert what in found.value.what
    assert fix in found.value.cure
    assert "worker" not in found.value.cure


@pytest.mark.parametrize(
    ("sql", "what", "fix"),
    [
        ("SELECT (SELECT i FROM generate_series(1, 2) i)", "more than one row", "LIMIT 1"),
        ("SELECT repeat('x', 2000000000)", "54000", "correct the query there"),
        ("SELECT xmlparse(DOCUMENT 'x')", "0A000", "correct the query there"),
        ("SELECT x.status FROM orders o", "No table of FROM has the name x", "that it has there"),
        ("SELECT setval('orderz', 1)", "no table or view orderz", "write orders"),
        ("SELECT lower(1)", "lower(integer)", "type casts"),
        ("SELECT status > 1 FROM orders", "text > integer", "type casts"),
    ],
)
def test_an_error_of_postgresql_about_the_query_sends_nobody_to_the_server(
    postgres: Any, sql: str, what: str, fix: str
) -> None:
    url = postgres.new_database()
    writer = database.connect(settings(url))
    with writer.begin() as connection:
        connection.exec_driver_sql(TABLES[0])
    writer.dispose()
    with pytest.raises(StartupError) as found:
        run(database.connect(settings(url), access="read"), sql)
    assert what in found.value.what
    assert fix in found.value.cure


def test_a_database_without_tables_is_sent_to_a_worker(database_url: str) -> None:
    database.connect(settings(database_url)).connect().close()
    with pytest.raises(StartupError) as found:
        run(database.connect(settings(database_url), access="read"), "SELECT * FROM orders")
    assert "connector worker" in found.value.cure


def test_a_locked_file_names_who_to_look_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    writer = database.connect(settings(url))
    with closing(writer.raw_connection()) as held:
        held.execute("PRAGMA locking_mode=EXCLUSIVE")  # type: ignore[attr-defined]
        held.execute("BEGIN EXCLUSIVE")  # type: ignore[attr-defined]
        with pytest.raises(DatabaseOutage) as found:
            run(database.connect(settings(url), access="read"), "SELECT 1 FROM sqlite_schema")
    assert "fuser" in (remedies.fix(found.value) or "")
    assert "mirror.db" in str(found.value)


def test_errors_of_postgresql_name_the_role_the_grant_and_the_time(postgres: Any) -> None:
    url = postgres.new_database()
    writer = database.connect(settings(url))
    with writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (status TEXT)")
        connection.exec_driver_sql("DROP ROLE IF EXISTS looker")
        connection.exec_driver_sql("CREATE ROLE looker LOGIN")
    writer.dispose()
    as_looker = url.replace("postgres@", "looker@")
    expected = {
        as_looker: ("SELECT * FROM orders", "GRANT SELECT"),
        url.replace("postgres@", "nobody_here@"): ("SELECT 1", "createuser"),
        url.rpartition("/")[0] + "/nothing_here": ("SELECT 1", "createdb"),
        f"{url}?options=-clc_messages%3DC": ("SELECT 1 / 0", "NULLIF"),
        "postgresql://127.0.0.1:9/x": ("SELECT 1", "start the database"),
    }
    for address, (sql, fix) in expected.items():
        with pytest.raises(ConnectorError) as found:
            run(database.connect(settings(address), access="read"), sql)
        cure = getattr(found.value, "cure", None) or remedies.fix(found.value) or ""
        assert fix in cure, (address, found.value)


def test_values_that_python_has_no_kind_for_are_shown_as_postgresql_writes_them(postgres: Any) -> None:
    engine = database.connect(settings(postgres.new_database()), access="read")
    sql = (
        "SELECT 'infinity'::timestamptz, '10000-01-01'::date, 0.1::numeric(30, 20), 'NaN'::numeric,"
        " '{\"a\": 1.00000000000000000001}'::jsonb, ARRAY[1, 2], '\\x00ff'::bytea, interval '1 month'"
    )
    (row,) = run(engine, sql).rows
    assert [str(value) for value in row] == [
        *("infinity", "10000-01-01", "0.10000000000000000000", "NaN"),
        *('{"a": 1.00000000000000000001}', "[1, 2]", "\\x00ff", "1 mon"),
    ]


def command(*arguments: str, folder: Path, **variables: str) -> tuple[list[str], dict[str, str]]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XTND_", "KAFKA_", "DATABASE_"))}
    environment = kept | {"XTND_CONFIG_DIR": str(ROOT / "config"), "PYTHONPATH": str(ROOT)} | variables
    environment |= {"DATABASE_URL": f"sqlite:///{folder / 'mirror.db'}", "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    return [sys.executable, "-m", "connector", *arguments], environment


def on_terminal(*arguments: str, folder: Path) -> str:
    """What a command prints on a terminal of 80 columns."""
    line, environment = command(*arguments, folder=folder)
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(line, cwd=folder, env=environment, stdin=side, stdout=side, stderr=side):
        os.close(side)
        shown = b""
        try:
            while chunk := os.read(main, 65_536):
                shown += chunk
        except OSError:  # the last one has closed it
            pass
    os.close(main)
    return shown.decode().replace("\r\n", "\n")


def test_a_row_too_wide_for_the_terminal_is_a_record_without_escape_codes(tmp_path: Path) -> None:
    columns = [f"column_number_{number}" for number in range(12)]
    writer = database.connect(settings(f"sqlite:///{tmp_path / 'mirror.db'}"))
    with writer.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE wide ({', '.join(columns)})")
        values = tuple(f"value {number} {EVIL}" for number in range(12))
        connection.exec_driver_sql(f"INSERT INTO wide VALUES ({', '.join('?' * 12)})", values)
    writer.dispose()
    shown = on_terminal("query", "SELECT * FROM wide LIMIT 1", folder=tmp_path)
    for number, name in enumerate(columns):
        (line,) = [line for line in shown.splitlines() if line.split("  ")[0] == name]
        assert f"value {number} [red]x[/red]\\u001b[31m" in line
    assert all(line.isprintable() for line in shown.splitlines())


def test_a_pipe_gets_csv_and_may_end_early(tmp_path: Path) -> None:
    database.connect(settings(f"sqlite:///{tmp_path / 'mirror.db'}")).connect().close()
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) SELECT i, NULL FROM n"
    )
    line, environment = command("query", endless, folder=tmp_path)
    with subprocess.Popen(
        line, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"i,NULL\n", b"1,\n"]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(DEADLINE_SECONDS) == 1
    read_end, write_end = os.pipe()
    os.close(read_end)  # what is short is written at the very end
    line, environment = command("version", folder=tmp_path)
    done = subprocess.run(line, env=environment, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_query_may_start_with_a_comment(tmp_path: Path) -> None:
    database.connect(settings(f"sqlite:///{tmp_path / 'mirror.db'}")).connect().close()
    line, environment = command("query", "-- the first\nSELECT 1 AS a", "--format", "json", folder=tmp_path)
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b'{"a": 1}\n', b"")
    for comment in ("--the first\nSELECT 1", "--\r\nSELECT 1"):
        assert behind_options(["query", comment, "--json"]) == ["query", "--json", "--", comment]
    for usual in (["query", "--formt", "x"], ["query", "--config=a b"], ["query", "--", "-- a\nSELECT 1"]):
        assert behind_options(usual) == usual


def test_ctrl_c_ends_a_query_of_sqlite_at_once(tmp_path: Path) -> None:
    database.connect(settings(f"sqlite:///{tmp_path / 'mirror.db'}")).connect().close()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    line, environment = command("query", endless, folder=tmp_path)
    with subprocess.Popen(line, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        threads = Path(f"/proc/{process.pid}/task")
        asked = wait_until(lambda: len([*threads.iterdir()]) > 1, timeout_seconds=DEADLINE_SECONDS)
        assert asked  # beside the thread that waits for it
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(DEADLINE_SECONDS) == 130
        finally:
            process.kill()
        assert b"Traceback" not in process.stderr.read()


def test_ctrl_c_while_the_program_loads_leaves_no_traceback() -> None:
    loading = """
import os, signal, sys
from connector import __main__
class Interrupts:
    def find_spec(self, name, *_):
        if name == "connector.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", loading], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == b""


def test_json_lines_hold_every_digit(reader: Engine) -> None:
    result = run(reader, "SELECT amount, NULL AS absent, status FROM orders")
    (line,) = PrintedRows(result.columns, result.rows).lines(Format.json, width=80, terminal=False)
    exact = "1.50" if reader.dialect.name == "postgresql" else "1.5"
    assert line.startswith(f'{{"amount": {exact}, "absent": null, "status": ')
    assert line.isprintable()
    assert json.loads(line)["status"] == EVIL
