"""The whole way over a Kafka that asks for TLS and a password."""

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from connector.config import Database
from connector.local import kafka_jars
from connector.local.broker import KafkaBroker
from connector.local.ports import free_port
from connector.mirror import database
from tests.gateways import delivery, notification, post, until
from tests.servers import NO_KAFKA

ROOT = Path(__file__).parents[2]
SECRET = "a secret of this test"
PASSWORD = "kafka-pa55word"
SECURED = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},SECURE://127.0.0.1:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_connector="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.client.auth=none
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A broker's TLS and SASL listener, and the certificate that vouches for it."""
    if not kafka_jars.kafka_is_possible():
        pytest.skip(NO_KAFKA)
    folder = tmp_path_factory.mktemp("secured")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files],
        check=True,
        capture_output=True,
    )
    (folder / "server.pem").write_text((folder / "key.pem").read_text() + (folder / "ca.pem").read_text())
    broker = KafkaBroker(folder, heap="384m")
    secure = free_port()
    broker.settings = SECURED.format(
        secure=secure, folder=folder, password=PASSWORD, **broker._chosen_ports()
    )
    broker.start()
    try:
        broker.wait_ready(90)
        yield f"127.0.0.1:{secure}", folder / "ca.pem"
    finally:
        broker.stop()


def start(part: str, environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "connector", part], cwd=ROOT, env=environment, stdout=out, stderr=out
        )


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return "warnings" not in json.loads(answer.read())
    except OSError:
        return False


def test_a_delivery_goes_the_whole_way_over_tls_and_sasl(secured: tuple[str, Path], tmp_path: Path) -> None:
    server, certificate = secured
    port, gateway_admin, worker_admin = free_port(), free_port(), free_port()
    config = tmp_path / "config"
    config.mkdir()
    for file in (ROOT / "config").iterdir():
        (config / file.name).write_text(file.read_text())
    shipped = (config / "connector.yaml").read_text()
    for commented in ("sasl_mechanism", "sasl_username", "sasl_password", "ssl_ca_file"):
        shipped = shipped.replace(f"# {commented}:", f"{commented}:")
    shipped = shipped.replace("SCRAM-SHA-512       #", "PLAIN #").replace(
        "/etc/ssl/kafka-ca.pem", str(certificate)
    )
    shipped = shipped.replace("port: 8080", f"port: {port}").replace(
        "admin_port: 8081", f"admin_port: {gateway_admin}"
    )
    shipped = shipped.replace("admin_port: 8082", f"admin_port: {worker_admin}")
    (config / "connector.yaml").write_text(shipped)
    url = f"sqlite:///{tmp_path}/mirror.db"
    environment = os.environ | {
        "XTND_CONFIG_DIR": str(config),
        "XTND_DATA_DIR": str(tmp_path),
        "XTND_WEBHOOK_SECRET": SECRET,
        "KAFKA_BOOTSTRAP_SERVERS": server,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_PASSWORD": PASSWORD,
        "DATABASE_URL": url,
    }
    log = tmp_path / "log"
    assert start("topics", environment, log).wait(60) == 0, log.read_text()
    processes = [start(part, environment, log) for part in ("gateway", "worker")]
    try:
        until(lambda: ready(gateway_admin) and ready(worker_admin), log.name, seconds=60)
        number = uuid.uuid4().hex[:8]
        assert post(port, delivery(notification(number)), SECRET).status == 202
        engine = database.connect(Database.model_validate({"url": url}))

        def mirrored() -> bool:
            with database.transaction(engine) as connection:
                found = connection.execute(text("SELECT order_number FROM orders")).fetchall()
                return (number,) in [tuple(row) for row in found]

        until(mirrored, "the row is there")
        engine.dispose()
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)
    assert PASSWORD not in log.read_text()
    assert SECRET not in log.read_text()
    wrong = environment | {"KAFKA_PASSWORD": "wrong"}
    assert start("topics", wrong, tmp_path / "wrong").wait(60) == 1
    assert "wrong" not in (tmp_path / "wrong").read_text()
