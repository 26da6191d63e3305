"""The commands that look and tell: check, schema, query, topics, sign."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from connector import config
from connector.config import DatabaseSettings
from connector.local.stopping import wait_until
from connector.mirror import database
from tests import processes, strategies
from tests.conftest import DATABASES
from tests.processes import Connector
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-" * 8
BODY = (ROOT / "tests" / "data" / "deliveries" / "BalanceChanged.json").read_bytes()


def connector(
    *arguments: str, folder: Path, stdin: bytes = b"", **variables: str
) -> "subprocess.CompletedProcess[str]":
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XTND_", "KAFKA_", "DATABASE_URL"))}
    environment = kept | {"XTND_CONFIG_DIR": str(ROOT / "config"), "XTND_DATA_DIR": str(folder / "data")}
    environment |= {"XTND_WEBHOOK_SECRET": SECRET, "COLUMNS": "120", "NO_COLOR": "1"} | variables
    done = processes.run(arguments, cwd=folder, env=environment, stdin=stdin, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_check_names_a_cure_for_a_broker_and_a_database_that_are_away(tmp_path: Path) -> None:
    password = "pa55word"
    done = connector(
        "check",
        folder=tmp_path,
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        DATABASE_URL=f"postgresql://user:{password}@127.0.0.1:{free_port()}/mirror",
    )
    assert done.returncode == 1
    assert "KAFKA_BOOTSTRAP_SERVERS" in done.stdout
    assert "DATABASE_URL" in done.stdout
    assert password not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_check_is_content_after_topics_and_worker_have_run(
    tmp_path: Path, kafka_bootstrap: str, database_url: str
) -> None:
    variables = {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap, "DATABASE_URL": database_url}
    prefix = f"check{os.getpid()}-{'pg' if 'postgres' in database_url else 'lite'}."
    config = tmp_path / "config"
    config.mkdir()
    for file in (ROOT / "config").iterdir():
        (config / file.name).write_text(file.read_text().replace("prefix: xtnd.", f"prefix: {prefix}"))
    variables["XTND_CONFIG_DIR"] = str(config)
    before = connector("check", folder=tmp_path, **variables)
    assert before.returncode == 1
    assert "connector topics" in before.stdout
    assert "connector worker" in before.stdout
    made = connector("topics", folder=tmp_path, **variables)
    assert made.returncode == 0, made.stderr
    assert connector("topics", "--check", folder=tmp_path, **variables).returncode == 0
    after = connector("check", folder=tmp_path, **variables)
    assert "all as planned" in after.stdout
    assert "clock of Kafka" in after.stdout


def test_a_tables_yaml_that_no_longer_fits_stops_a_worker_and_check_unless_it_is_accepted(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    url = f"sqlite:///{tmp_path}/mirror.db"
    shipped = (ROOT / "config" / "tables.yaml").read_text()
    column = "      number: {rule: latest, type: numeric, path: OrderNumber, on: [OrderCreated]}\n"
    changed = shipped.replace("      reserved_count:", f"{column}      reserved_count:", 1)
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    variables = {
        "DATABASE_URL": url,
        "XTND_CONFIG_DIR": str(folder),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
    }
    secret = {"XTND_WEBHOOK_SECRET": SECRET}
    with strategies.mirror(config.load(folder, variables | secret)) as mirror:
        mirror.write(mirror.event("OrderCreated", {"OrderNumber": "Y\x1b[31mX"}))
    (folder / "tables.yaml").write_text(changed)
    refused = connector("worker", "--admin-port", str(free_port()), folder=tmp_path, **variables)
    assert refused.returncode == 2
    near = variables | {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}  # check waits for a broker that is away
    checked = connector("check", folder=tmp_path, **near)
    for told in (refused.stderr, checked.stdout):
        assert "1 of the 1 newest OrderCreated" in told
        assert r"(column number): 'Y\x1b[31mX'" in told
        assert "--accept-mapping" in told
        assert "\x1b" not in told
    accepted = connector("check", "--accept-mapping", folder=tmp_path, **near)
    assert "warning tables.yaml - 1 of the 1 newest OrderCreated" in accepted.stdout
    with started("worker", "--admin-port", str(free_port()), XTND_ACCEPT_MAPPING="1", **variables) as worker:
        assert wait_until(
            lambda: columns_of(tmp_path / "mirror.db", "orders") >= {"number"}, timeout_seconds=60
        )
        assert worker.poll() is None


def columns_of(file: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


@contextmanager
def started(*arguments: str, **variables: str) -> Iterator[Connector]:
    """A command that stays, ended with the block."""
    process = Connector(arguments, env=os.environ | variables, stdout=Path(os.devnull))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_an_invalid_configuration_is_reported_with_file_line_and_fix(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for file in (ROOT / "config").iterdir():
        (config / file.name).write_text(file.read_text())
    text = (
        (config / "tables.yaml")
        .read_text()
        .replace("rule: latest, type: text", "rule: lastest, type: text", 1)
    )
    (config / "tables.yaml").write_text(text)
    done = connector("check", folder=tmp_path, XTND_CONFIG_DIR=str(config))
    assert done.returncode == 2
    assert "tables.yaml:" in done.stderr
    assert "latest" in done.stderr


@pytest.mark.parametrize("place", ["variable", "file"])
def test_a_secret_that_ends_in_a_blank_is_named_by_check_and_at_start_but_never_shown(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET} \n")
    variables = {"XTND_WEBHOOK_SECRET": f"{SECRET} "}
    if place == "file":
        variables = {"XTND_WEBHOOK_SECRET": "", "XTND_WEBHOOK_SECRET_FILE": str(tmp_path / "secret")}
    named = "XTND_WEBHOOK_SECRET" if place == "variable" else str(tmp_path / "secret")
    nowhere = f"127.0.0.1:{free_port()}"
    checked = connector("check", folder=tmp_path, KAFKA_BOOTSTRAP_SERVERS=nowhere, **variables)
    line = next(line for line in checked.stdout.splitlines() if "has a blank" in line)
    assert "the hook 'xtnd'" in line
    assert named in line
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])  # so that the gateway ends once it has started
        started = connector("gateway", "--port", port, folder=tmp_path, **variables)
    events = [json.loads(line) for line in started.stderr.splitlines() if line.startswith("{")]
    (warning,) = [event for event in events if event["event"] == "configuration warning"]
    assert warning["level"] == "warning"
    assert named in warning["what"]
    assert SECRET not in checked.stdout + checked.stderr + started.stdout + started.stderr


def test_sign_takes_a_secret_file_as_the_gateway_does(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    plain = connector("sign", "body", folder=tmp_path).stdout.strip()
    for data in (f"{SECRET}\r\n".encode("utf-16"), f"\ufeff{SECRET}\n".encode()):
        (tmp_path / "secret").write_bytes(data)
        signed = connector("sign", "body", "--secret-file", "secret", folder=tmp_path)
        assert signed.stdout.strip() == plain
        matched = connector("sign", "body", "--header", plain, "--secret-file", "secret", folder=tmp_path)
        assert matched.returncode == 0


def test_a_gateway_without_a_secret_refuses_to_start_and_a_worker_needs_none(tmp_path: Path) -> None:
    done = connector("gateway", folder=tmp_path, XTND_WEBHOOK_SECRET="")
    assert done.returncode == 2
    assert "XTND_WEBHOOK_SECRET" in done.stderr
    assert connector("schema", folder=tmp_path, XTND_WEBHOOK_SECRET="").returncode == 0


def test_plan_and_apply_tell_by_their_exit_codes_what_they_found(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    variables = {"XTND_CONFIG_DIR": str(folder), "DATABASE_URL": f"sqlite:///{tmp_path / 'mirror.db'}"}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return connector("schema", *arguments, folder=tmp_path, **variables)

    planned = run("plan", "--format", "json")
    assert planned.returncode == 2
    assert '{"change": "add", "kind": "table", "name": "orders",' in planned.stdout
    assert not (tmp_path / "mirror.db").exists()
    done = run("apply")
    assert (done.returncode, done.stdout) == (0, "The database is as tables.yaml says.\n")
    assert (tmp_path / "mirror.db").stat().st_mode & 0o077 == 0
    assert run("plan").returncode == 0
    connector_yaml = folder / "connector.yaml"
    plain = connector_yaml.read_text()
    by_shop = plain.replace("# shop: nordic", "shop: nordic #").replace("# mirror:", "mirror:")
    connector_yaml.write_text(by_shop)
    planned = run("plan", "--format", "json")
    lines = [json.loads(line) for line in planned.stdout.splitlines()]
    keys = [(one["change"], one["detail"]) for one in lines if one["kind"] == "table" and one["detail"]]
    assert ("change", "the shop is put first in its key") in keys
    assert {what for what, _ in keys} == {"change", "fill"}
    connector_yaml.write_text(plain)
    refused = run("apply", "--prune")
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)
    tables = folder / "tables.yaml"
    tables.write_text(tables.read_text().replace("kind: history", "kind: histories"))
    wrong = run("plan")
    assert (wrong.returncode, "tables.yaml:" in wrong.stderr) == (1, True)


@pytest.mark.parametrize("dialect", DATABASES)
def test_schema_prints_every_table_and_view(tmp_path: Path, dialect: str) -> None:
    done = connector("schema", "--dialect", dialect, folder=tmp_path)
    assert done.returncode == 0
    for table in ("notifications", "orders", "stock_balances", "dead_letters", "consumer_offsets"):
        assert f"CREATE TABLE _{table} " in done.stdout
        assert f'"{table}" AS SELECT' in done.stdout
    assert "mirror_status" in done.stdout
    assert "stock_movements" in done.stdout


def test_query_cannot_change_anything(tmp_path: Path, database_url: str) -> None:
    database.connect(DatabaseSettings.model_validate({"url": database_url})).connect().close()
    done = connector("query", "CREATE TABLE evil (a TEXT)", folder=tmp_path, DATABASE_URL=database_url)
    assert done.returncode == 1
    asked = connector(
        "query", "--json", "SELECT 1 AS n, '1:2' AS t", folder=tmp_path, DATABASE_URL=database_url
    )
    assert json.loads(asked.stdout) == {"n": 1, "t": "1:2"}


def test_sign_tells_what_went_wrong_with_a_signature(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    header = connector("sign", "body", folder=tmp_path).stdout.strip()
    assert connector("sign", "-", "--header", header, folder=tmp_path, stdin=BODY).returncode == 0
    for spoilt, word in ((BODY + b"\n", "trailing"), (BODY.replace(b"\r\n", b"\n"), "line")):
        done = connector("sign", "-", "--header", header, folder=tmp_path, stdin=spoilt)
        assert done.returncode == 1
        assert word in done.stdout.lower()
    other = connector("sign", "body", "--header", header, folder=tmp_path, XTND_WEBHOOK_SECRET="other")
    assert other.returncode == 1
    assert SECRET not in other.stdout
