"""What docker-compose.yml has PostgreSQL run when its volume is empty, on a real PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.config import Config
from connector.mirror import database, schema
from connector.mirror.mapping import Mapping
from tests.conftest import MakeConfig
from tests.servers import PostgresServer, postgres_server

SCRIPT = Path(__file__).parents[2] / "ops" / "postgres" / "connector-role.sql"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Of its own: roles and passwords belong to the whole server."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def config(server: PostgresServer, make_config: MakeConfig) -> Config:
    url = server.new_database()
    name = url.rpartition("/")[2]
    run = subprocess.run(
        [
            server.programs / "psql",
            "--no-psqlrc",
            "--file",
            SCRIPT,
            server.url.replace("+psycopg", "").rpartition("/")[0] + "/" + name,
        ],
        env=os.environ | {"POSTGRES_PASSWORD": "it's $1 %", "POSTGRES_DB": name},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return make_config({"database.url": url.replace("postgres@", "connector@")})


def test_the_connector_makes_its_tables_without_being_a_superuser(
    server: PostgresServer, config: Config
) -> None:
    engine = database.connect(config.database)
    mapping = Mapping(config)
    schema.ensure(engine, config, mapping)
    assert schema.state(engine, mapping) is None
    assert rights(server) == {"connector": (False, True), "postgres": (True, False)}


def rights(server: PostgresServer) -> dict[str, Any]:
    """Role → (superuser, has a password)."""
    with psycopg.connect(server.url.replace("+psycopg", "")) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolpassword IS NOT NULL FROM pg_authid WHERE rolname !~ '^pg_'"
        )
        return {name: (superuser, password) for name, superuser, password in rows}
