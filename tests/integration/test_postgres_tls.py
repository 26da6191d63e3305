"""PostgreSQL over TLS: mirrored where the certificate holds, told with its cure where it does not.

The wheel's PostgreSQL is built without OpenSSL, so the server is one that is installed (on Debian
and Ubuntu: apt install postgresql); without one, only the refusal by a server without TLS is seen.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import workers
from tests.integration.test_commands import connector
from tests.servers import PostgresServer, free_port, programs_with_tls
from tests.workers import balances, until

PASSWORD = "pg-pa55word"
HBA = """\
hostssl all postgres 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class TlsServer(PostgresServer):
    """A server that takes TLS only; ``certificate`` vouches for it, ``foreign`` for another."""

    def __init__(self, programs: Path) -> None:
        super().__init__(programs=programs)
        self.certificate, self.foreign = self._make("server"), self._make("foreign")
        key = self.certificate.with_suffix(".key")
        self.settings += ["ssl=on", f"ssl_cert_file={self.certificate}", f"ssl_key_file={key}"]
        (self.folder / "data" / "pg_hba.conf").write_text(HBA)

    def _make(self, name: str) -> Path:
        """A certificate for 127.0.0.1 that vouches for itself, with a key that only the server may read."""
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files],
            check=True,
            capture_output=True,
        )
        if self.user:
            os.chown(key, self.user.pw_uid, self.user.pw_gid)
        key.chmod(0o600)
        return certificate

    def mirror_url(self, options: str, host: str = "127.0.0.1") -> str:
        """An empty database of a user with a password; ``options`` as in DATABASE_URL."""
        name = self.new_database().rsplit("/", 1)[1]
        with self.superuser() as connection:
            connection.execute(f"ALTER DATABASE {name} OWNER TO mirror")
        options = options.format(certificate=self.certificate, foreign=self.foreign)
        return f"postgresql://mirror:{PASSWORD}@{host}:{self.port}/{name}?{options}"

    def superuser(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", autocommit=True)


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsServer]:
    programs = programs_with_tls()
    if programs is None:
        pytest.skip("needs a PostgreSQL that is built with OpenSSL: apt install postgresql")
    server = TlsServer(programs)
    try:
        server.start()
        with server.superuser() as connection:
            connection.execute(f"CREATE ROLE mirror LOGIN PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.remove()


Check = Callable[[str], str]


@pytest.fixture
def check(kafka_bootstrap: str, tmp_path: Path) -> Check:
    """What ``connector check`` says of a database, as one line; never its password."""

    def told(url: str) -> str:
        done = connector("check", folder=tmp_path, DATABASE_URL=url, KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap)
        assert PASSWORD not in done.stdout + done.stderr
        return " ".join(done.stdout.split())

    return told


def test_the_mirror_is_written_over_tls_that_is_verified(
    tls: TlsServer, kafka_bootstrap: str, tmp_path: Path, check: Check
) -> None:
    url = tls.mirror_url("sslmode=verify-full&sslrootcert={certificate}")
    with workers.world(tmp_path, kafka_bootstrap, url) as world:
        world.send(balances(20))
        worker = world.worker().wait_ready()
        world.wait_caught_up()
        world.assert_sound()
        with tls.superuser() as connection:
            sessions = "pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'mirror'"
            assert connection.execute(f"SELECT DISTINCT ssl FROM {sessions}").fetchall() == [(True,)]
        assert PASSWORD not in worker.said()
        told = check(url)
        assert "ok database postgresql://mirror:***@127.0.0.1" in told
        assert "ok schema" in told


WRONG = [
    ("sslmode=verify-full&sslrootcert={foreign}", "certificate verify failed", "of the CA that signed"),
    ("sslmode=verify-full&sslrootcert=/nowhere.pem", "does not exist", "sslrootcert=system"),
    ("sslmode=disable", "no encryption", "takes TLS only"),
]


@pytest.mark.parametrize(("options", "said", "cure"), WRONG, ids=["foreign", "no-file", "disable"])
def test_a_connection_that_is_refused_names_its_cure(
    tls: TlsServer, check: Check, options: str, said: str, cure: str
) -> None:
    told = check(tls.mirror_url(options))
    assert "FAIL database" in told
    assert said in told
    assert cure in told
    assert "in DATABASE_URL" in told


def test_another_name_than_the_certificates_is_refused(tls: TlsServer, check: Check) -> None:
    told = check(tls.mirror_url("sslmode=verify-full&sslrootcert={certificate}", "localhost"))
    assert "as its certificate does" in told


def test_a_password_among_the_options_is_not_shown_either(check: Check) -> None:
    told = check(f"postgresql://127.0.0.1:{free_port()}/m?password={PASSWORD}&sslpassword={PASSWORD}")
    assert "FAIL database postgresql://127.0.0.1" in told


def test_a_worker_waits_for_a_server_that_it_cannot_trust(
    tls: TlsServer, kafka_bootstrap: str, tmp_path: Path
) -> None:
    url = tls.mirror_url("sslmode=verify-full&sslrootcert={foreign}")
    with workers.world(tmp_path, kafka_bootstrap, url) as world:
        worker = world.worker()
        until(lambda: "certificate verify failed" in worker.said(), what=str(worker.log))
        assert not worker.ended()
        assert PASSWORD not in worker.said()
        assert worker.stop() == 0


def test_a_server_without_tls_is_refused_where_tls_is_required(postgres: Any, check: Check) -> None:
    url = postgres.new_database().replace("postgres@", f"postgres:{PASSWORD}@")
    assert "ok database" in check(url)
    told = check(f"{url}?sslmode=require")
    assert "does not support SSL" in told
    assert "turn TLS on at the server" in told
