"""The servers that the other tests stand on do what they say."""

import contextlib
import select
from collections.abc import Iterator

import psycopg
import pytest

from connector.local.stopping import wait_until
from tests.servers import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, connect_timeout=2)


def test_new_databases_are_empty_and_apart(postgres: PostgresServer) -> None:
    first, second = postgres.new_database(), postgres.new_database()
    with connect(first) as connection:
        connection.execute("CREATE TABLE t (n int)")
    with connect(second) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT n FROM t")


def test_committed_rows_survive_a_crash_of_postgres(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with connect(url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        connection.execute("CREATE TABLE t AS SELECT 42 AS n")
        postgres.kill()
    postgres.start()
    with connect(url) as connection:
        assert connection.execute("SELECT n FROM t").fetchone() == (42,)


def test_a_paused_postgres_does_not_answer_until_it_goes_on(postgres: PostgresServer) -> None:
    with contextlib.closing(connect(postgres.url)) as session:
        postgres.pause()
        with pytest.raises(psycopg.OperationalError):
            connect(postgres.url)
        session.pgconn.send_query(b"SELECT 1")
        session.pgconn.flush()
        assert not select.select([session.pgconn.socket], [], [], 1)[0]
        postgres.resume()
        assert select.select([session.pgconn.socket], [], [], 10)[0]
    assert wait_until(lambda: not connect(postgres.url).close(), timeout_seconds=60)


def test_postgres_comes_back_after_a_clean_stop(postgres: PostgresServer) -> None:
    postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        connect(postgres.url)
    postgres.start()
    connect(postgres.url).close()
