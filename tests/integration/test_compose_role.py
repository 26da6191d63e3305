"""What docker-compose.yml has PostgreSQL run when its volume is empty, on a real PostgreSQL."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.config import Config
from connector.mirror import database, schema
from connector.mirror.mapping import Mapping
from tests.conftest import ROOT, MakeConfig
from tests.servers import PostgresServer, postgres_server

SCRIPTS = ROOT / "ops" / "postgres"
PASSWORD = "it's $1 %"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Of its own: roles and passwords belong to the whole server."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def run(server: PostgresServer) -> Callable[..., None]:
    """Run a script as the image does: as its superuser, with its variables."""

    def run(script: Path, name: str, *, analyst: str = PASSWORD) -> None:
        done = subprocess.run(
            [
                server.programs / "psql",
                "--no-psqlrc",
                "--file",
                script,
                server.url.replace("+psycopg", "").rpartition("/")[0] + "/" + name,
            ],
            env=os.environ
            | {"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": name, "ANALYST_PASSWORD": analyst},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="module")
def url(server: PostgresServer, run: Callable[..., None]) -> str:
    """A database after the first script."""
    url = server.new_database()
    run(SCRIPTS / "connector-role.sql", url.rpartition("/")[2])
    return url


@pytest.fixture
def config(url: str, make_config: MakeConfig) -> Config:
    return make_config({"database.url": url.replace("postgres@", "connector@")})


def test_the_connector_makes_its_tables_without_being_a_superuser(
    server: PostgresServer, config: Config
) -> None:
    engine = database.connect(config.database)
    mapping = Mapping(config)
    schema.ensure(engine, config, mapping)
    assert schema.state(engine, mapping) is None
    assert rights(server) == {"connector": (False, True), "postgres": (True, False)}


def test_the_analyst_reads_every_view_and_nothing_else(
    url: str, config: Config, server: PostgresServer, run: Callable[..., None]
) -> None:
    """Those that were there before the role, and those that are made later."""
    run(SCRIPTS / "analyst-role.sql", url.rpartition("/")[2])
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as superuser:
        superuser.execute("DROP VIEW orders_open")
    schema.ensure(database.connect(config.database), config, Mapping(config))
    as_analyst = url.replace("+psycopg", "").replace("postgres@", "analyst@")
    with psycopg.connect(as_analyst, autocommit=True) as analyst:
        views = analyst.execute("SELECT viewname FROM pg_views WHERE viewowner = 'connector'").fetchall()
        assert {("orders",), ("orders_open",)} <= set(views)
        for (view,) in views:
            analyst.execute(f"SELECT * FROM {view} LIMIT 1")
        analyst.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM orders",
            "UPDATE products SET product_number = NULL",
            "SELECT * FROM public_store._notifications",
            "CREATE TABLE public.mine (n integer)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                analyst.execute(statement)
    assert rights(server)["analyst"] == (False, True)


def test_without_a_password_nobody_can_log_in_as_the_analyst(
    url: str, server: PostgresServer, run: Callable[..., None]
) -> None:
    run(SCRIPTS / "analyst-role.sql", url.rpartition("/")[2], analyst="")
    assert rights(server)["analyst"] == (False, False)


def rights(server: PostgresServer) -> dict[str, Any]:
    """Role → (superuser, has a password)."""
    with psycopg.connect(server.url.replace("+psycopg", "")) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolpassword IS NOT NULL FROM pg_authid WHERE rolname !~ '^pg_'"
        )
        return {name: (superuser, password) for name, superuser, password in rows}
